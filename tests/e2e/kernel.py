"""A guarded host between namespaces: mail ports that greet, clients that knock, and the mirror between them.

Job: what the tests of the nftables mirror share. Promise: the calling thread is inside the host's namespace while a guard runs, so that nothing can
reach this machine's own tables. Limits: the servers greet and listen, they speak no protocol.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any

from gatepost.core.access import Entry, own_entries
from gatepost.core.deeds import AdoptLists, Hold, Lift
from gatepost.core.engine import Engine
from gatepost.core.facts import PROTOCOLS, AuthFailed, Protocol
from gatepost.core.subjects import Subject, client
from gatepost.outlets.nftables.mirror import NftablesMirror
from gatepost.outlets.nftables.wanted import NftablesSettings
from gatepost.pipeline.mirrors import Standing
from gatepost.pipeline.order import Order
from tests.e2e.net import Internet, Namespace, wait_until

V4, V6 = "198.51.100.10", "2001:db8:25::10"
PORTS = (25, 143, 587, 993)
PATIENCE = 0.4
"""A connection that is not there after so many seconds was dropped: the way is a cable between namespaces."""


def now() -> int:
    """The time, in microseconds."""
    return time.time_ns() // 1000


def nft(*words: str) -> str:
    """What nft says, in the namespace of the calling thread."""
    return subprocess.run(["nft", *words], capture_output=True, text=True, check=True).stdout


class Site:
    """An internet, and a host at V4 and V6 behind a cable."""

    def __init__(self) -> None:
        mark = f"gp{os.getpid()}"
        self.internet = Internet(f"{mark}-wild")
        self.host = Namespace(f"{mark}-mx")
        self.internet.attach(self.host, "mx", V4, V6)
        for source in ("192.0.2.1", "2001:db8:1::1"):  # a cable takes a moment, IPv6 two
            wait_until(lambda source=source: self.knock(source, 9) == "reset", 10, f"a way from {source}")  # type: ignore[misc]

    def close(self) -> None:
        """Removes both."""
        self.host.close()
        self.internet.close()

    def connect(self, source: str, port: int) -> socket.socket:
        """A connection that was greeted. Raises OSError."""
        sock = self.internet.connect(source, V6 if ":" in source else V4, port, PATIENCE)
        try:
            if not sock.recv(4):
                raise ConnectionResetError
        except OSError:
            sock.close()
            raise
        return sock

    def knock(self, source: str, port: int) -> str:
        """What a client gets: `open`, `silence` or `reset`."""
        try:
            self.connect(source, port).close()
        except TimeoutError:
            return "silence"
        except ConnectionError:
            return "reset"
        return "open"

    async def knocks(self, source: str, *ports: int) -> list[str]:
        """What a client gets on some ports."""
        return list(await asyncio.gather(*(asyncio.to_thread(self.knock, source, port) for port in ports)))

    async def becomes(self, wanted: str, source: str, port: int, seconds: float = 8.0) -> None:
        """Waits until a client gets something."""
        until = time.monotonic() + seconds
        while (found := (await self.knocks(source, port))[0]) != wanted:
            assert time.monotonic() < until, f"{source} still gets {found} on {port}"
            await asyncio.sleep(0.1)


class Servers:
    """Servers that greet on the mail ports, for both families on one socket, and what became of their connections."""

    def __init__(self) -> None:
        self._open: set[asyncio.StreamWriter] = set()
        self.ended: dict[str, str] = {}
        """By client: how its last connection ended, as the server saw it."""

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greets, and waits for the client's end."""
        peer = str(client(writer.get_extra_info("peername")[0]))
        self._open.add(writer)
        writer.write(b"220 ")
        try:
            await reader.read()
            self.ended[peer] = "closed"
        except OSError as wrong:
            self.ended[peer] = type(wrong).__name__
        self._open.discard(writer)
        writer.close()

    @contextlib.asynccontextmanager
    async def open(self, *ports: int) -> AsyncIterator["Servers"]:
        """Listens meanwhile."""
        async with contextlib.AsyncExitStack() as stack:
            for port in ports:
                sock = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
                stack.push_async_callback(_stop, await asyncio.start_server(self.greet, sock=sock))
            yield self
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0)


async def _stop(server: asyncio.Server) -> None:
    server.close()


class Guard:
    """An engine and its mirror."""

    def __init__(self, settings: NftablesSettings, *entries: Entry, order: Order | None = None) -> None:
        self.order = order or Order(Engine(entries=(*own_entries(), *entries)))
        self.mirror = NftablesMirror(settings, Standing(self.order.engine), now, (V4, V6))
        self.mirror.retry_seconds = 0.3

    async def hold(self, text: str, *protocols: Protocol, seconds: float = 60.0) -> None:
        """An administrator's hold; returns when it is in force."""
        by = "network" if "/" in text else "client"
        subject = Subject(by, text)  # type: ignore[arg-type]
        self.mirror.mark(self.order.do(Hold(now(), subject, now() + int(seconds * 1_000_000), protocols or PROTOCOLS)))
        await self.mirror.settled()

    async def lift(self, text: str, grace: float = 0) -> None:
        """What holds a subject is lifted."""
        at = now()
        self.mirror.mark(self.order.do(Lift(at, Subject("client", text), at + int(grace * 1_000_000))))
        self.mirror.mark_lists()
        await self.mirror.settled()

    async def adopt(self, *entries: Entry) -> None:
        """These are the lists."""
        self.mirror.mark(self.order.do(AdoptLists(now(), (*own_entries(), *entries))))
        self.mirror.mark_lists()
        await self.mirror.settled()

    async def fail_log_ins(self, source: str, times: int = 50, protocol: Protocol = "imap") -> None:
        """A client fails to log in, so often."""
        for _ in range(times):
            self.mirror.mark(self.order.report(AuthFailed(now(), "mx", protocol, "", client(source), account="bob")))
        await self.mirror.settled()

    def elements(self) -> dict[str, list[Any]]:
        """The elements in the kernel, by their sets."""
        told = json.loads(nft("-j", "list", "table", "inet", "gatepost"))["nftables"]
        return {each["set"]["name"]: each["set"].get("elem", []) for each in told if "set" in each}


@contextlib.asynccontextmanager
async def guarding(*entries: Entry, order: Order | None = None, **settings: Any) -> AsyncIterator[Guard]:
    """A guard at work, that ends as it is set to. Looks at what stands every second."""
    guard = Guard(NftablesSettings(**{"read_back": 1, **settings}), *entries, order=order)
    work = asyncio.create_task(guard.mirror.run())
    await guard.mirror.built()
    try:
        yield guard
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


@contextlib.contextmanager
def inside(site: Site) -> Iterator[Callable[[Any], None]]:
    """Runs coroutines inside the host's namespace, which starts and ends without tables."""
    with site.host.inside():
        nft("flush", "ruleset")
        yield asyncio.run
        nft("flush", "ruleset")


Test = Callable[..., Coroutine[Any, Any, None]]


def in_kernel(test: Test) -> Callable[..., None]:
    """Runs an asynchronous test inside the host's namespace."""

    @wraps(test)
    def run(site: Site, **given: Any) -> None:
        with inside(site) as within:
            within(asyncio.wait_for(test(site, **given), 60))

    return run
