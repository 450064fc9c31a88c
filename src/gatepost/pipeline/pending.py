"""What waits to be written down.

Job: the bounded queue between the event loop and the journal's thread. Promise: takes in at once; beyond its bound the oldest facts leave, counted;
deeds, cursors and lines of the audit trail outlast them. Limits: any thread may put in, one takes out; what was taken out is the taker's to keep.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

from msgspec import Struct

from gatepost.core.deeds import Deed
from gatepost.stores.contract import Audit, Batch, Entry, encode_entries

AT_ONCE = 16_384
"""Entries that are taken out at once at most, if a single `put` did not bring more."""
LASTING = 10_000
"""Deeds, and lines of the audit trail, that outlast the facts around them at most."""


class _Piece(Struct, gc=False):
    """What one `put` brought."""

    first: int
    entries: Sequence[Entry]
    cursors: Mapping[str, bytes]
    audit: Sequence[Audit]
    lines: Sequence[str]
    at: int

    @property
    def end(self) -> int:
        return self.first + len(self.entries)


class Pending:
    """Entries, cursors and lines of the audit trail that wait, up to ``most`` entries (and as many `put`s)."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.depth = 0
        """Entries that wait."""
        self.dropped = 0
        """Entries, and lines of the audit trail, that were lost."""
        self.gap = 0
        """The newest place that was lost and that no snapshot makes up for; 0 where none is."""
        self.snapshot: tuple[int, bytes] | None = None
        self._lock = threading.Lock()
        self._pieces: deque[_Piece] = deque()
        self._deeds: deque[tuple[int, Entry]] = deque()
        self._cursors: dict[str, bytes] = {}
        self._audit: deque[Audit] = deque()

    def put(self, first: int, entries: Sequence[Entry], cursors: Mapping[str, bytes], audit: Sequence[Audit], lines: Sequence[str] = ()) -> None:
        """Takes in entries with consecutive places, and what belongs into their transaction."""
        piece = _Piece(first, entries, cursors, audit, lines if len(lines) == len(entries) else (), time.monotonic_ns())
        with self._lock:
            self._pieces.append(piece)
            self.depth += len(entries)
            if self.depth > self.most or len(self._pieces) > self.most:
                self._make_room()

    def put_snapshot(self, place: int, data: bytes) -> None:
        """Takes in a snapshot, to be written behind all that it has seen; a newer one takes its place."""
        with self._lock:
            self.snapshot = (place, data)

    def mend(self, place: int) -> None:
        """A snapshot that has seen everything up to a place is stored."""
        with self._lock:
            if self.snapshot and self.snapshot[0] == place:
                self.snapshot = None
            if self.gap <= place:
                self.gap = 0

    @property
    def lag(self) -> int:
        """For how long the oldest has waited, in microseconds."""
        with self._lock:
            return (time.monotonic_ns() - self._pieces[0].at) // 1000 if self._pieces else 0

    def lose(self, place: int, many: int) -> None:
        """Counts entries as lost, the newest of them at a place; or, with place 0, lines of the audit trail."""
        with self._lock:
            self._lose(place, many)

    def _lose(self, place: int, many: int) -> None:
        if many:
            self.dropped += many
            self.gap = max(self.gap, place)

    def _make_room(self) -> None:
        while len(self._pieces) > 1 and (self.depth > self.most or len(self._pieces) > self.most):
            piece = self._pieces.popleft()
            self._cursors.update(piece.cursors)
            self._audit.extend(piece.audit)
            self.depth -= len(piece.entries)
            lasting = [each for each in enumerate(piece.entries, piece.first) if isinstance(each[1], Deed)]
            self._deeds.extend(lasting)
            self._lose(piece.end - 1, len(piece.entries) - len(lasting))
        while len(self._deeds) > LASTING:
            self._lose(self._deeds.popleft()[0], 1)
        while len(self._audit) > LASTING:
            self._audit.popleft()
            self.dropped += 1

    # --- the taker's side

    def take(self) -> list[Batch]:
        """What is to be written next, in order; each is a transaction. Empty where nothing waits."""
        with self._lock:
            if self._deeds or self._cursors or self._audit:
                return self._take_lasting()
            pieces = self._take_pieces()
        if not pieces:
            return []
        entries: list[Entry] = []
        cursors: dict[str, bytes] = {}
        audit: list[Audit] = []
        lines: list[str] = []
        told = any(piece.lines for piece in pieces)
        for piece in pieces:
            entries += piece.entries
            cursors.update(piece.cursors)
            audit += piece.audit
            if told:
                lines += piece.lines or [""] * len(piece.entries)
        return [Batch(first=pieces[0].first, entries=entries, lines=lines, cursors=cursors, audit=audit)]

    def snapshot_due(self) -> tuple[int, bytes] | None:
        """The snapshot that waits, once nothing that it has seen does."""
        with self._lock:
            waits = self._deeds or self._cursors or self._audit or (self._pieces and self.snapshot and self._pieces[0].first <= self.snapshot[0])
            return None if waits else self.snapshot

    def _take_lasting(self) -> list[Batch]:
        """What outlasted the entries around it; the cursors have seen them all, so they come last."""
        found = batches(list(self._deeds))
        found.append(Batch(first=self._deeds[-1][0] + 1 if self._deeds else 0, cursors=self._cursors, audit=list(self._audit)))
        self._deeds.clear()
        self._audit.clear()
        self._cursors = {}
        return found

    def _take_pieces(self) -> list[_Piece]:
        """The oldest pieces that follow each other."""
        found: list[_Piece] = []
        many = 0
        while self._pieces:
            piece = self._pieces[0]
            if many and piece.entries and (many + len(piece.entries) > AT_ONCE or piece.first != found[0].first + many):
                break
            if found and not many:
                found[0].first = piece.first
            found.append(self._pieces.popleft())
            many += len(piece.entries)
        self.depth -= many
        return found


def batches(numbered: Sequence[tuple[int, Entry]]) -> list[Batch]:
    """Entries with their places as batches, a new one behind each gap."""
    found: list[Batch] = []
    for place, entry in numbered:
        if not found or place != found[-1].first + len(found[-1].entries):
            found.append(Batch(first=place, entries=[], lines=[]))
        found[-1].entries.append(entry)
    return found


def sift(batch: Batch) -> tuple[list[Batch], list[int], int]:
    """A batch without what cannot be encoded, as batches; the places of the entries that this was, and how many lines of the audit trail.

    No inlet should ever let such text in.
    """
    numbered = list(enumerate(batch.entries, batch.first))
    good = [each for each in numbered if _can_be_written(each[1])]
    audit = [line for line in batch.audit if _can_be_written(line)]
    found = batches(good)
    for each in found:
        each.lines.extend(batch.lines[each.first - batch.first :][: len(each.entries)])
    found.append(Batch(first=batch.first + len(batch.entries), cursors=batch.cursors, audit=audit))
    left = {place for place, _ in good}
    return found, [place for place, _ in numbered if place not in left], len(batch.audit) - len(audit)


def _can_be_written(value: Entry | Audit) -> bool:
    try:
        encode_entries([value])
    except (ValueError, TypeError):
        return False
    return True
