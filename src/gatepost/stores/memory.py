"""A store that forgets when the program ends.

Job: keep the contract in memory, for tests and for `memory://`. Promise: the same answers as the store on disk. Limits: nothing survives the
process; the journal keeps the newest entries only, and so many lines of the audit trail, because nobody makes snapshots of it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from gatepost.stores.contract import Audit, Batch, Entry, Record, Recovered, StoreError, cut_lines, encode_entries


class MemoryStore:
    """A store in memory, with room for ``most`` entries and as many lines of the audit trail."""

    def __init__(self, most: int = 100_000) -> None:
        self._lock = threading.Lock()
        self._journal: deque[tuple[int, Entry]] = deque(maxlen=most)
        self._texts: deque[tuple[int, str]] = deque(maxlen=most)
        """Log lines by place, where there are any."""
        self._audit: deque[tuple[int, Audit]] = deque(maxlen=most)
        self._snapshots: dict[int, bytes] = {}
        self._cursors: dict[str, bytes] = {}
        self._records: dict[tuple[str, str], bytes] = {}
        self._last = 0
        self._lines = 0

    def open(self) -> Recovered:
        """What it remembers."""
        with self._lock:
            return Recovered(snapshots=tuple(sorted(self._snapshots, reverse=True)), last=self._last, cursors=dict(self._cursors))

    def close(self) -> None:
        """Nothing is to be done; what was written is there when it is opened again."""

    def write(self, batch: Batch) -> None:
        """Takes a batch in."""
        encode_entries(batch.entries)
        with self._lock:
            self._journal.extend(each for each in enumerate(batch.entries, batch.first) if each[0] > self._last)
            self._texts.extend(each for each in enumerate(cut_lines(batch.lines), batch.first) if each[1] and each[0] > self._last)
            if batch.entries:
                self._last = max(self._last, batch.first + len(batch.entries) - 1)
            self._cursors.update(batch.cursors)
            self._add_audit(batch.audit)

    def _add_audit(self, audit: Sequence[Audit]) -> None:
        for each in audit:
            self._lines += 1
            self._audit.append((self._lines, each))

    def entries_after(self, place: int) -> Iterator[tuple[int, Entry]]:
        """The journal's entries behind a place, each with its own, in order."""
        with self._lock:
            found = [each for each in self._journal if each[0] > place]
        yield from found

    def batches_after(self, place: int) -> Iterator[Batch]:
        """The journal behind a place, with its log lines."""
        with self._lock:
            texts = dict(self._texts)
        for number, entry in self.entries_after(place):
            yield Batch(first=number, entries=[entry], lines=[texts[number]] if number in texts else [])

    def forget_lines(self, about: Callable[[Entry, str], bool]) -> int:
        """Blanks the log lines for which ``about`` holds; how many."""
        with self._lock:
            entries = dict(self._journal)
            gone = {number for number, text in self._texts if number in entries and about(entries[number], text)}
            self._texts = deque((each for each in self._texts if each[0] not in gone), self._texts.maxlen)
        return len(gone)

    def snapshot(self, place: int) -> bytes:
        """The snapshot at a place. Raises StoreError where it is gone."""
        with self._lock:
            if place not in self._snapshots:
                raise StoreError(f"there is no snapshot at entry {place}")
            return self._snapshots[place]

    def save_snapshot(self, place: int, data: bytes, base: int | None = None, keep: int | None = None) -> bool:
        """Keeps a snapshot and the one before it, and the journal behind the older. Returns whether it was kept."""
        with self._lock:
            if base not in (None, max(self._snapshots, default=0)):
                return False
            self._snapshots[place] = data
            self._snapshots = dict(sorted(self._snapshots.items())[-2:])
            self._last = max(self._last, *self._snapshots)
            drop = min(*self._snapshots, keep if keep is not None else place, place)
            while len(self._snapshots) > 1 and self._journal and self._journal[0][0] <= drop:
                self._journal.popleft()
            return place in self._snapshots

    def audit(self, limit: int = 100, before: int = 0) -> list[tuple[int, Audit]]:
        """The audit trail, newest first, each line with its number; ``before`` a number goes on from there."""
        with self._lock:
            return [each for each in reversed(self._audit) if not before or each[0] < before][:limit]

    def audit_at(self, at: int) -> list[Audit]:
        """The lines of the audit trail that carry this very time."""
        with self._lock:
            return [each for _, each in self._audit if each.at == at]

    def records(self, kind: str) -> dict[str, bytes]:
        """The records of a kind, by their key."""
        with self._lock:
            return {key: data for (of, key), data in sorted(self._records.items()) if of == kind}

    def keep(self, records: Sequence[Record], audit: Sequence[Audit] = ()) -> None:
        """Takes records and lines of the audit trail in."""
        with self._lock:
            for each in records:
                self._records.pop((each.kind, each.key), None)
                if each.data is not None:
                    self._records[each.kind, each.key] = each.data
            self._add_audit(audit)
