"""What goes on now: how much comes in, who is nearest to a threshold, what was decided last.

Job: one small picture for `gatepost top`, asked every second. Promise: it looks at a bounded number of keys, so that the guard is not held up; what
it did not look at is told. Limits: looks only; rates are the difference of two pictures.
"""

from heapq import nlargest

from msgspec import Struct

from gatepost.admin.actions.blocks import Block, block_of
from gatepost.admin.desk import Desk
from gatepost.core.facts import kind_name

MOST_KEYS = 10_000
"""Keys looked at, all rules together: a few milliseconds of the loop."""
LINES = 15
"""Clients and decisions at most."""


class Near(Struct, frozen=True, kw_only=True):
    """How far a rule has counted for somebody."""

    rule: str
    protocols: tuple[str, ...]
    subject: str
    count: int
    threshold: int


class Count(Struct, frozen=True, kw_only=True):
    """Facts since the start."""

    protocol: str
    kind: str
    facts: int


class Top(Struct, frozen=True, kw_only=True):
    """What goes on now."""

    now: int
    facts: list[Count]
    near: list[Near]
    """The fullest windows, nearest to their threshold first."""
    keys: int
    """How many keys are counted."""
    looked_at: int
    """How many of them were looked at for this, those that came last first."""
    held: int
    newest: list[Block]
    """What stands now, the newest first."""


def top(desk: Desk) -> Top:
    """What goes on now."""
    counters, now = desk.guard.order.engine.counters, desk.now()
    each_at_most = MOST_KEYS // max(1, len(counters))
    sizes = [len(each.windows.young) + len(each.windows.old) for each in counters]
    near = [
        Near(rule=each.rule.name, protocols=each.protocols, subject=key, count=count, threshold=each.rule.threshold)
        for each in counters
        for key, count in each.windows.filled(now, each_at_most)
        if count
    ]
    standing = desk.guard.standing
    return Top(
        now=now,
        facts=[Count(protocol=protocol, kind=kind_name(kind.__name__), facts=count) for (kind, protocol), count in desk.guard.stats.facts.items()],
        near=nlargest(LINES, near, key=lambda found: found.count / found.threshold),
        keys=sum(sizes),
        looked_at=sum(min(size, each_at_most) for size in sizes),
        held=standing.held(now),
        newest=[block_of(each) for each in standing.newest(now, LINES)],
    )
