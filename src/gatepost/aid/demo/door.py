"""The door of each sandbox server: the guard is asked before a client is let on.

Job: accept a connection, ask, and either refuse it in the protocol's own words or hand it to the server. Promise: nothing of a client is read before
the guard has answered; where it does not answer, the client is let on (mail flows). Limits: it asks once, when a client connects.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

Protocol = Literal["smtp", "imap", "pop3"]
PROTOCOLS: tuple[Protocol, ...] = ("smtp", "imap", "pop3")

Ask = Callable[[str, Protocol], Awaitable[str]]
"""Asks whether a client may go on: the rule that refuses it, or nothing."""

REFUSALS: dict[Protocol, bytes] = {
    "smtp": b"421 4.7.0 demo.example: try again later\r\n",
    "imap": b"* BYE Try again later\r\n",
    "pop3": b"-ERR [SYS/TEMP] Try again later\r\n",
}


class Door(asyncio.Protocol):
    """One connection, until the guard has answered."""

    def __init__(self, protocol: Protocol, ask: Ask, server: Callable[[], asyncio.Protocol]) -> None:
        self._protocol = protocol
        self._ask = ask
        self._server = server
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there: ask about it."""
        if isinstance(transport, asyncio.Transport):
            transport.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._open(transport))

    async def _open(self, transport: asyncio.Transport) -> None:
        rule = await self._ask(transport.get_extra_info("peername")[0], self._protocol)
        if transport.is_closing():
            return
        if rule:
            transport.write(REFUSALS[self._protocol])
            transport.close()
            return
        server = self._server()
        transport.set_protocol(server)
        server.connection_made(transport)
        transport.resume_reading()
