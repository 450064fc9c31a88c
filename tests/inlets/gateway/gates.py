"""A gateway over loopback: a real guard that trusts nobody, a server behind that follows a script, and clients."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gatepost.core.access import Entry
from gatepost.core.engine import Engine
from gatepost.core.facts import Fact
from gatepost.core.rules import Rule
from gatepost.core.spans import SECOND, Span
from gatepost.inlets.gateway.listener import GatewayInlet
from gatepost.inlets.gateway.settings import GatewaySettings
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.stores.memory import MemoryStore
from tests.wire.taps import AnyServer, ImapServer, Pop3Server, SieveServer, SmtpServer

AT_MOST = 20.0
"""Seconds until a test is given up."""
SERVERS: dict[str, Callable[[], AnyServer]] = {"smtp": SmtpServer, "imap": ImapServer, "pop3": Pop3Server, "sieve": SieveServer}


def rule(counts: str, threshold: int, **more: Any) -> Rule:
    """A rule that bites within a test."""
    spans = {"window": Span(0 if counts == "open_connections" else 600 * SECOND), "hold_for": Span(600 * SECOND)}
    return Rule(name=counts.replace("_", "-"), counts=counts, threshold=threshold, **spans, **more)  # type: ignore[arg-type]


class Backend:
    """A server behind: one `AnyServer` for each connection."""

    def __init__(self, make: Callable[[], AnyServer]) -> None:
        self._make = make
        self.sessions: list[AnyServer] = []
        self.header = 0
        """Bytes of a PROXY header to take off first."""
        self.headers: list[bytes] = []
        self.ends: list[str] = []
        self.leaves = False
        """It hangs up once it has answered."""
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listens no longer."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = self._make()
        self.sessions.append(server)
        try:
            if self.header:
                self.headers.append(await reader.readexactly(self.header))
            writer.write(server.greeting)
            while data := await reader.read(65_536):
                writer.write(server.take(data))
                await writer.drain()
                if self.leaves:
                    break
            self.ends.append("end")
        except (ConnectionError, asyncio.IncompleteReadError):
            self.ends.append("reset")
        finally:
            writer.close()


class Client:
    """One client of the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def until(self, text: bytes) -> bytes:
        """Reads up to a text."""
        return await asyncio.wait_for(self.reader.readuntil(text), AT_MOST)

    async def says(self, data: bytes, until: bytes = b"\r\n") -> bytes:
        """Sends, and reads up to a text."""
        self.writer.write(data)
        return await self.until(until)

    async def rest(self) -> bytes:
        """All that comes up to the end."""
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(), AT_MOST)
        return b""


class Gate:
    """A gateway, its guard and its backend."""

    def __init__(self, service: str = "smtp", rules: tuple[Rule, ...] = (), entries: tuple[Entry, ...] = (), **settings: Any) -> None:
        self.service = service
        self.protocol = {"submissions": "smtp", "submission": "smtp", "imaps": "imap", "pop3s": "pop3"}.get(service, service)
        self.backend = Backend(SERVERS[self.protocol])
        starttls = "auto" if "tls" in settings else "hide"
        self._given = {"listen": ["127.0.0.1:0"], "client_address": "none", "drain": 0, "starttls": starttls} | settings
        self.store = MemoryStore()
        self.store.open()
        self.journal = Journal(self.store, flush_after=0)
        self.guard = Guard(Order(Engine(rules, entries)), self.journal, [], lambda effects: None, lambda: time.time_ns() // 1000)
        self.inlet: GatewayInlet
        self.clients: list[Client] = []

    def run(self, doing: Callable[["Gate"], Awaitable[None]], backend: bool = True) -> None:
        """Runs it while something is done."""
        asyncio.run(asyncio.wait_for(self._run(doing, backend), 2 * AT_MOST))

    async def _run(self, doing: Callable[["Gate"], Awaitable[None]], backend: bool) -> None:
        await self.backend.start()
        if not backend:
            self.backend.stop()
        settings = msgspec.convert({"backend": f"127.0.0.1:{self.backend.port}"} | self._given, GatewaySettings)
        self.inlet = GatewayInlet(self.service, settings, self.guard, lambda: time.time_ns() // 1000)
        task = asyncio.create_task(self.inlet.run())
        try:
            await self.until(lambda: bool(self.inlet.state().listens))
            await doing(self)
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.inlet.drained()
            for each in self.clients:
                each.writer.close()
            await self.until(lambda: not self.inlet.state().connections)
            self.backend.stop()
            await self.guard.quiet()
            self.journal.close()

    async def connect(self, **more: Any) -> Client:
        """A client."""
        made = Client(*await asyncio.open_connection("127.0.0.1", self.inlet.ports[0], **more))
        self.clients.append(made)
        return made

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits until something is so."""
        until = time.monotonic() + AT_MOST
        while not true():
            assert time.monotonic() < until
            await asyncio.sleep(0.01)

    def facts(self) -> list[Fact]:
        """All facts, in their order."""
        return [entry for _, entry in self.store.entries_after(0) if isinstance(entry, Fact)]

    def kinds(self) -> list[str]:
        """The kinds of all facts, in their order."""
        return [type(fact).__name__ for fact in self.facts()]
