"""What writes the order down, without holding it up.

Job: take entries, cursors and lines of the audit trail from the event loop's thread and write them to the store in a thread of its own, a batch
every 100 ms at most. Promise: nothing here ever waits but `stored` and `close`; a store that fails is tried again until it works, and what had to be
let go is counted. Limits: so many entries wait at most; then the oldest facts leave first, deeds last.

While the store fails, what waits goes on waiting: `stored` says False, and the guard goes on from memory. Where entries were lost, a snapshot of
the engine makes the store whole again: ``on_gap`` asks for one, once the store takes entries again, and `snapshot` takes it.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from gatepost.core.spans import SECOND
from gatepost.pipeline.pending import Pending, sift
from gatepost.stores.contract import Audit, Batch, Store, StoreError

MS = SECOND // 1000
RETRY, RETRY_MOST = 100 * MS, 5 * SECOND


class _Waiter(Struct):
    place: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[bool]

    def answer(self, stored: bool) -> None:
        try:
            self.loop.call_soon_threadsafe(self._set, stored)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _set(self, stored: bool) -> None:
        if not self.future.done():
            self.future.set_result(stored)


class Journal:
    """Writes to a store that is open; ``last`` is the newest place that it knows.

    ``flush_after`` (microseconds) is how long an entry waits for others at most, ``most_pending`` how many wait while the store fails or lags.
    ``on_gap`` is called in the writer's thread when the store takes entries again after some were lost.
    """

    def __init__(
        self, store: Store, last: int = 0, *, flush_after: int = 100 * MS, most_pending: int = 500_000, on_gap: Callable[[], object] = lambda: None
    ) -> None:
        self.problem = ""
        """Why the store takes nothing now; empty where it does."""
        self.written = 0
        """Entries written since the start."""
        self.failures = 0
        """How often the store refused since the start."""
        self._store = store
        self._flush_after = flush_after / SECOND
        self._on_gap = on_gap
        self._gap_told = False
        self._stored = last
        self._pending = Pending(most_pending)
        self._flight: deque[Batch] = deque()
        self._waiters: list[_Waiter] = []
        self._lock = threading.Lock()
        self._some, self._now, self._closing = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    # --- the loop's side

    def add(
        self, first: int, entries: Sequence[Any], cursors: Mapping[str, bytes] | None = None, audit: Sequence[Audit] = (), lines: Sequence[str] = ()
    ) -> None:
        """Takes entries (`contract.Entry`) with consecutive places from ``first`` on, and what belongs into their transaction.

        ``lines`` are the log lines that told them, parallel to them, or none.

        They must not change afterwards.
        """
        self._pending.put(first, entries, cursors or {}, audit, lines)
        if not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """Asks to write now what waits."""
        self._now.set()

    async def stored(self, place: int) -> bool:
        """Waits until an entry that was added is on disk. False where the store is failing, or lost it: then the guard goes on from memory."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(place, loop, loop.create_future())
        with self._lock:  # the writer answers under this lock, after it changed what is looked at here
            if place <= self._stored:
                return place > self.gap
            if self.problem or not self._thread.is_alive():
                return False
            self._waiters.append(waiter)
        self.flush()
        return await waiter.future

    def snapshot(self, place: int, data: bytes) -> None:
        """Has a snapshot of the engine, as it was after the entry at ``place``, written behind all that it has seen."""
        self._pending.put_snapshot(place, data)
        self._some.set()
        self.flush()

    @property
    def dropped(self) -> int:
        """Entries, and lines of the audit trail, that were lost because the store failed for too long, or lagged too far behind."""
        return self._pending.dropped

    @property
    def gap(self) -> int:
        """The newest place that was lost and that no snapshot makes up for yet; 0 where none is."""
        return self._pending.gap

    @property
    def depth(self) -> int:
        """Entries that wait."""
        return self._pending.depth + sum(len(batch.entries) for batch in tuple(self._flight))

    @property
    def lag(self) -> int:
        """For how long the oldest entry that is not being written yet has waited, in microseconds."""
        return self._pending.lag

    def close(self) -> None:
        """Writes what waits, trying once, and ends the thread. What cannot be written is counted as dropped."""
        self._closing.set()
        self._some.set()
        self.flush()
        self._thread.join()

    # --- the writer's side

    def _work(self) -> None:
        wait = RETRY
        while not self._closing.is_set():
            self._some.wait()
            if self.problem:
                self._closing.wait(wait / SECOND)
                wait = min(2 * wait, RETRY_MOST)
            else:
                self._now.wait(self._flush_after)
                wait = RETRY
            self._write_all()
        self._write_all()
        left = self.depth
        self._pending.lose(self._stored + left, left)
        with self._lock:
            self.problem = self.problem or "the journal is closed"
        self._answer()

    def _write_all(self) -> None:
        """Writes what waits, until the store has taken it or refuses."""
        self._some.clear()
        self._now.clear()
        try:
            while self._write_some():
                self.problem = ""
                self._answer()
            self.problem = ""
            if self.gap and not self._gap_told:
                self._gap_told = True
                self._on_gap()
        except Exception as wrong:
            # Whatever it is: this thread must live, and what it could not write waits.
            self.problem = str(wrong) if isinstance(wrong, StoreError) else f"the store failed unexpectedly ({wrong!r}); please report this"
            self.failures += 1
            self._some.set()
            self._answer()

    def _write_some(self) -> bool:
        """Writes the oldest of what waits, in one transaction. Returns whether there was anything."""
        if not self._flight:
            self._flight.extend(self._pending.take())
        if self._flight:
            self._write_batch()
            return True
        due = self._pending.snapshot_due()
        if due is None:
            return False
        self._store.save_snapshot(*due)
        self._pending.mend(due[0])
        self._gap_told = False
        self._stored = max(self._stored, due[0])
        return True

    def _write_batch(self) -> None:
        batch = self._flight[0]
        try:
            self._store.write(batch)
        except (ValueError, TypeError):
            parts, places, lines = sift(batch)
            if not places and not lines:
                raise
            self._pending.lose(max(places, default=0), len(places) + lines)
            self._flight.popleft()
            self._flight.extendleft(reversed(parts))
            return
        self._flight.popleft()
        self.written += len(batch.entries)
        self._stored = max(self._stored, batch.first + len(batch.entries) - 1)

    def _answer(self) -> None:
        """Tells those who wait what came of it."""
        with self._lock:
            stored, gap, problem = self._stored, self.gap, self.problem
            done = [waiter for waiter in self._waiters if problem or waiter.place <= stored]
            if done:
                self._waiters = [waiter for waiter in self._waiters if waiter not in done]
        for waiter in done:
            waiter.answer(gap < waiter.place <= stored)
