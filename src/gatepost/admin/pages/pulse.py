"""The pulse: how much came in lately, by protocol.

Job: look at the guard's counters now and then and keep the differences. Promise: bounded; a few additions every few seconds. Limits: since the start,
and half an hour at most; the history is the keeper's.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from gatepost.admin.desk import Desk
from gatepost.core.facts import PROTOCOLS

EVERY = 10
"""Seconds between two looks."""
KEPT = 180
"""Looks that are kept: half an hour."""
SHOWN = ("smtp", "imap", "pop3")
"""Protocols that have a line in any case."""


class Beat(Struct, frozen=True):
    """How many facts came in since the look before, by protocol."""

    at: int
    facts: dict[str, int]


class Pulse:
    """The last half hour."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._before = self._count()
        self.beats: deque[Beat] = deque(maxlen=KEPT)

    def _count(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_, protocol), many in self._desk.guard.stats.facts.items():
            found[protocol] = found.get(protocol, 0) + many
        return found

    def look(self) -> None:
        """Takes a look."""
        now = self._count()
        self.beats.append(Beat(self._desk.now(), {name: many - self._before.get(name, 0) for name, many in now.items()}))
        self._before = now

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            self.look()


class Line(Struct, frozen=True):
    """A protocol's line in the chart."""

    protocol: str
    points: str
    """As SVG has it, in a box of `WIDTH` by `HEIGHT`."""
    now: float
    most: float
    """Facts a minute: in the newest look, and at most."""
    mean: float


WIDTH, HEIGHT = 600, 120


def lines_of(beats: list[Beat], guarded: Iterable[str] = ()) -> tuple[list[Line], float, int]:
    """The chart's lines, what its top stands for in facts a minute, and how many minutes it is wide: five at least.

    A protocol has one where a gateway stands before it (``guarded``), or where anything came in on it."""
    seen = {*SHOWN, *guarded, *(name for beat in beats for name, many in beat.facts.items() if many)}
    names = [name for name in PROTOCOLS if name in seen]
    rates = {name: [beat.facts.get(name, 0) * 60 / EVERY for beat in beats] for name in names}
    top = max(10.0, *(rate for each in rates.values() for rate in each)) if beats else 10.0
    wide = max(5 * 60 // EVERY, len(beats))
    step = WIDTH / (wide - 1)
    found = []
    for name, each in rates.items():
        drawn = each * 2 if len(each) == 1 else each  # a point alone would not be seen
        start = wide - len(drawn)
        points = " ".join(f"{(start + index) * step:.1f},{HEIGHT - rate / top * HEIGHT:.1f}" for index, rate in enumerate(drawn))
        newest, most, mean = (each[-1], max(each), sum(each) / len(each)) if each else (0.0, 0.0, 0.0)
        found.append(Line(name, points, newest, most, mean))
    return found, top, -(-wide * EVERY // 60)
