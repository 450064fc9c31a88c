"""What the tests of a growing log share: lines that tell a number each, and somebody who stores what an inlet reports."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any

from gatepost.core.facts import Fact
from gatepost.inlets.inotify import Inotify
from gatepost.inlets.logfile import LogFileInlet, LogFileSettings

AT_MOST = 60.0
"""Seconds after which a test gives up."""


def line(number: int) -> str:
    """A line that tells one fact, and the number in it."""
    return f"Nov 24 12:00:00 mx postfix/smtpd[10]: connect from unknown[{address(number)}]\n"


def lines(start: int, stop: int) -> str:
    """Lines with the numbers from one to before another."""
    return "".join(map(line, range(start, stop)))


def append(path: Path, text: str) -> None:
    """Writes to the end of a file."""
    with path.open("a") as file:
        file.write(text)


def address(number: int) -> str:
    """A number as an address."""
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def number(fact: Fact) -> int:
    """The number that a fact's line told."""
    _, high, middle, low = map(int, fact.client.split("."))
    return high << 16 | middle << 8 | low


def now() -> int:
    """The time in microseconds: rotation is told by when files were written."""
    return time.time_ns() // 1000


class Desk:
    """Keeps what is reported, as a store does."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.cursors: dict[str, bytes] = {}
        self.reports = 0

    def report(self, facts: Sequence[Fact], name: str, cursor: bytes, lines: Sequence[str]) -> None:
        """Takes a report."""
        assert len(lines) == len(facts)
        self.facts += facts
        self.cursors[name] = cursor
        self.reports += 1

    @property
    def numbers(self) -> list[int]:
        """The numbers of all lines reported."""
        return [number(fact) for fact in self.facts]

    def inlet(
        self,
        path: Path,
        saved: Mapping[str, bytes] | None = None,
        inotify: Inotify | None = None,
        now: Callable[[], int] = now,
        **settings: Any,
    ) -> LogFileInlet:
        """An inlet that goes on from what was reported to this desk."""
        settings = {"grace_s": 0, "poll_ms": 50, **settings}
        cursors = dict(self.cursors) if saved is None else saved
        return LogFileInlet(LogFileSettings(path=str(path), **settings), self.report, now, cursors, zone=UTC, inotify=inotify)


def follow(inlets: LogFileInlet | Iterable[LogFileInlet], doing: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs inlets while something is done to their files."""

    async def together() -> None:
        each = [inlets] if isinstance(inlets, LogFileInlet) else list(inlets)
        for inlet in each:
            await inlet.catch_up()
        tasks = [asyncio.create_task(inlet.run()) for inlet in each]
        doer = asyncio.create_task(doing())
        await asyncio.wait([*tasks, doer], timeout=AT_MOST, return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, doer):
            task.cancel() if not task.done() else None
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(together())


def catch_up(inlet: LogFileInlet) -> None:
    """Has an inlet read what is there, and stop."""

    async def both() -> None:
        await inlet.catch_up()
        task = asyncio.create_task(inlet.run())
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(both())


async def until(what: Callable[[], bool]) -> None:
    """Waits until something is so."""
    for _ in range(int(AT_MOST * 200)):
        if what():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")
