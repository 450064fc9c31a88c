"""The door of each sandbox server: who connects is told by the gateway in front.

Job: read the PROXY header that the guard's gateway sends first, and hand the connection to a server that knows the client's address. Promise: who
sends no such header gets no server. Limits: it believes whoever connects; it listens on loopback, and lives as long as the demo.
"""

import asyncio
from collections.abc import Callable
from typing import Literal

from gatepost.wire import proxy_header

Protocol = Literal["smtp", "imap", "pop3"]
PROTOCOLS: tuple[Protocol, ...] = ("smtp", "imap", "pop3")

PATIENCE = 5.0
"""Seconds in which the header must have come."""


class Door(asyncio.Protocol):
    """One connection, until its header has come."""

    def __init__(self, server: Callable[[str], asyncio.Protocol]) -> None:
        """``server`` makes the server of a client's connection."""
        self._server = server
        self._transport: asyncio.Transport
        self._late: asyncio.TimerHandle
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The gateway is there, or a stranger."""
        self._transport = transport  # type: ignore[assignment]
        self._late = asyncio.get_running_loop().call_later(PATIENCE, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """The header, or a part of it, and perhaps what follows."""
        self._data += data
        try:
            header = proxy_header.read(self._data)
        except ValueError:
            self._transport.abort()
            return
        if header is None:
            return
        if header.client is None:
            self._transport.abort()
            return
        self._late.cancel()
        server = self._server(header.client)
        self._transport.set_protocol(server)
        server.connection_made(self._transport)
        if rest := self._data[header.length :]:
            server.data_received(rest)

    def connection_lost(self, error: Exception | None) -> None:
        """It left before that."""
        self._late.cancel()
