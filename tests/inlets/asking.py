"""What the tests of inlets that are asked share: a real guard in memory, and inlets that run while something is done to them."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import uvloop

from gatepost.core.access import Entry
from gatepost.core.engine import Engine
from gatepost.core.facts import Fact
from gatepost.core.rules import PRESETS, Rule
from gatepost.core.spans import MINUTE, Span
from gatepost.inlets.exim_ask import EximInlet
from gatepost.inlets.milter import MilterInlet
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.stores.memory import MemoryStore
from tests.inlets.following import until
from tests.inlets.listening import running


def now() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


def rule(counts: str, threshold: int, **more: Any) -> Rule:
    """A rule that blocks a client for a while."""
    fields = {"name": f"too-many-{counts.replace('_', '-')}", "on": ("smtp",), "window": Span(10 * MINUTE), "hold_for": Span(10 * MINUTE)}
    return Rule(counts=counts, threshold=threshold, **(fields | more))  # type: ignore[arg-type]


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
chosen_loop = "asyncio"
"""The loop on which inlets run now."""


class Made:
    """A guard in memory, and what was reported to it."""

    def __init__(self, *rules: Rule, entries: tuple[Entry, ...] = ()) -> None:
        store = MemoryStore()
        store.open()
        self.engine = Engine(rules or PRESETS["standard"], entries)
        self.facts: list[Fact] = []
        self._journal = Journal(store, 0)
        self.guard = Guard(Order(self.engine), self._journal, [], lambda effects: None, now)
        add = self._journal.add

        def noted(first: int, entries: Any, *more: Any) -> None:
            self.facts += [each for each in entries if isinstance(each, Fact)]
            add(first, entries, *more)

        self._journal.add = noted  # type: ignore[assignment,method-assign]

    def kinds(self) -> list[str]:
        """The kinds of the facts, in their order."""
        return [type(fact).__name__ for fact in self.facts]

    def of(self, kind: type[Fact]) -> list[Any]:
        """The facts of a kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


def asking(inlet: MilterInlet | EximInlet, doing: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs an inlet while it is asked."""

    async def listening() -> None:
        await until(lambda: inlet.door.listening)
        try:
            await doing()
        finally:
            while OPEN:
                await _closed(OPEN.pop())

    running(inlet, listening, LOOPS[chosen_loop])


OPEN: list[asyncio.StreamWriter] = []
"""Connections to be closed when a test is over."""


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def connected(inlet: MilterInlet | EximInlet) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A mail server's connection."""
    if inlet.settings.is_unix:
        made = await asyncio.open_unix_connection(inlet.settings.listen)
    else:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what is not read shows soon
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", inlet.door.port))
        made = await asyncio.open_connection(sock=sock)
    OPEN.append(made[1])
    return made
