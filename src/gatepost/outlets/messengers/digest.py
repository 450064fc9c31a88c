"""When a message is due.

Job: collect notices and say when they are told, as one message. Promise: the first is told at once; then at most one message in an interval, with all
that happened meanwhile; the brake, alerts of the guard about itself and their like do not wait; when an interval passes with nothing after a
digest, that it is quiet again is told once. Limits: pure; times are arguments, in microseconds since 1970 UTC. So many notices are kept whole; those
beyond are counted by rule.
"""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from gatepost.core.spans import HOUR
from gatepost.pipeline.messengers import MessageKind, Notice

MOST = 1_000
"""Notices that wait whole for the next message."""


class Bundle(Struct, frozen=True, kw_only=True):
    """What one message tells."""

    kind: MessageKind
    at: int
    since: int
    """When the first of it happened."""
    notices: tuple[Notice, ...] = ()
    counts: dict[tuple[str, str], int] = {}
    """How many of each sort and rule, those that were not kept included."""
    left_out: int = 0


class Digest:
    """What waits to be told to one channel, at most one message in ``every`` microseconds."""

    def __init__(self, every: int, most: int = MOST) -> None:
        self.every = every
        self.most = most
        self.left_out = 0
        """Notices that wait counted, but not whole."""
        self._waiting: list[Notice] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last = 0
        self._since = 0
        self._urgent = False
        self._urgent_at: dict[str, int] = {}
        self._burst: Counter[tuple[str, str]] = Counter()
        self._burst_since = 0

    def add(self, notices: Iterable[Notice], at: int) -> int:
        """These happened. Returns how many of them are counted only, because too many wait."""
        before = self.left_out
        for notice in notices:
            if not self._counts:
                self._since = notice.at
            self._counts[notice.sort, notice.rule or notice.source] += 1
            self._urgent = self._is_urgent(notice, at) or self._urgent
            if len(self._waiting) < self.most or notice.sort in ("brake", "trouble"):
                self._waiting.append(notice)
            else:
                self.left_out += 1
        return self.left_out - before

    def _is_urgent(self, notice: Notice, at: int) -> bool:
        """The brake always is; a problem is, unless the same one was told a short while ago: one that comes and goes waits for the digest."""
        if notice.kind == "brake":
            return True
        if notice.kind != "trouble":
            return False
        before = self._urgent_at.get(notice.source, 0)
        if before and 0 <= at - before < HOUR:
            return False
        if len(self._urgent_at) >= self.most:
            self._urgent_at.clear()
        self._urgent_at[notice.source] = at
        return True

    @property
    def waiting(self) -> int:
        """Notices that wait."""
        return len(self._waiting) + self.left_out

    def due(self, at: int) -> int:
        """When the next message is due, which may be now; 0: nothing waits."""
        self._last = min(self._last, at)  # a clock that was set back must not silence anybody
        if self._urgent or (self._counts and not self._last):
            return at
        if self._counts or self._burst:
            return max(self._last + self.every, 1)
        return 0

    def take(self, at: int, closing: bool = False) -> Bundle | None:
        """What is to be told now; None where nothing is due. ``closing``: what waits, due or not."""
        due = self.due(at)
        if closing and not self._counts:
            return None
        if not (closing or (due and due <= at)):
            return None
        if not self._counts:
            return self._quiet(at)
        kind: MessageKind = "urgent" if self._urgent else "digest" if sum(self._counts.values()) > 1 else "first"
        found = Bundle(kind=kind, at=at, since=self._since, notices=tuple(self._waiting), counts=dict(self._counts), left_out=self.left_out)
        # What came within an interval of the message before belongs to a wave, whose end is told.
        if self.every and self._last and (self._burst or self._since - self._last < self.every):
            self._burst_since = self._burst_since if self._burst else self._since
            self._burst.update({key: count for key, count in self._counts.items() if key[0] not in ("brake", "trouble", "ended")})
        self._waiting, self._counts, self.left_out, self._urgent = [], Counter(), 0, False
        self._last = at
        return found

    def _quiet(self, at: int) -> Bundle:
        found = Bundle(kind="quiet", at=at, since=self._burst_since, counts=dict(self._burst))
        self._burst.clear()
        self._last = at
        return found
