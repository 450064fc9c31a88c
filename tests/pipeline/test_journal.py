"""The journal holds nobody up, loses nothing that the store could take, and says what it lost."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gatepost.core.facts import Connected
from gatepost.core.subjects import Client
from gatepost.pipeline import journal as module
from gatepost.pipeline.journal import Journal
from gatepost.stores.contract import Audit, Batch, Recovered, StoreError
from gatepost.stores.memory import MemoryStore
from gatepost.stores.sqlite import SqliteStore
from tests.stores.histories import entry, numbered, run

HOUR = 3_600_000_000


class Stubborn(MemoryStore):
    """A store that can be slow or fail, and tells how often it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0
        self.batches: list[Batch] = []

    def write(self, batch: Batch) -> None:
        """Writes where it may."""
        self.asked += 1
        self.gate.wait()
        if self.failing:
            raise self.failing
        super().write(batch)
        self.batches.append(batch)

    def save_snapshot(self, place: int, data: bytes, base: int | None = None, keep: int | None = None) -> bool:
        """Keeps a snapshot where it may."""
        if self.failing:
            raise self.failing
        return super().save_snapshot(place, data, base, keep)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 1000)
    monkeypatch.setattr(module, "RETRY_MOST", 2000)


def _run(test: Callable[[], Awaitable[None]]) -> None:
    async def within_reason() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_reason())


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def _add(journal: Journal, first: int, many: int) -> None:
    journal.add(first, run(first, many), {"log": str(first + many - 1).encode()})


def test_what_was_added_is_written_in_order_with_what_belongs_to_it() -> None:
    async def test() -> None:
        store = MemoryStore()
        journal = Journal(store, flush_after=1000)
        audit = Audit(at=1, who="admin", action="blocks.add")
        for first in range(1, 5001, 10):
            _add(journal, first, 10)
            if first % 1000 == 1:
                await asyncio.sleep(0.002)
        journal.add(5001, [entry(5001)], audit=[audit])
        assert await journal.stored(5001)
        assert list(store.entries_after(0)) == numbered(1, 5001)
        assert store.open() == Recovered(last=5001, cursors={"log": b"5000"})
        assert store.audit() == [(1, audit)]
        assert (journal.written, journal.depth, journal.lag, journal.dropped, journal.problem) == (5001, 0, 0, 0, "")
        journal.close()

    _run(test)


def test_who_waits_does_not_wait_for_the_hour_and_others_need_not_ask() -> None:
    async def test() -> None:
        store = Stubborn()
        journal = Journal(store, flush_after=HOUR)
        _add(journal, 1, 5)
        assert await journal.stored(5)
        assert await journal.stored(1)
        _add(journal, 6, 1)
        journal.flush()
        await _until(lambda: journal.written == 6)
        assert await asyncio.gather(*(journal.stored(place) for place in range(1, 7))) == [True] * 6
        journal.close()

    _run(test)


def test_a_journal_goes_on_where_the_one_before_it_ended() -> None:
    async def test() -> None:
        journal = Journal(MemoryStore(), 7, flush_after=HOUR)
        assert await journal.stored(7)
        journal.close()

    _run(test)


def test_adding_never_waits_for_a_slow_store() -> None:
    async def test() -> None:
        store = Stubborn()
        store.gate.clear()
        journal = Journal(store, flush_after=0)
        _add(journal, 1, 1)
        await _until(lambda: store.asked == 1)
        for first in range(2, 2002, 2):
            _add(journal, first, 2)
        waiting = asyncio.ensure_future(journal.stored(2001))
        await asyncio.sleep(0)
        assert journal.depth == 2001
        assert journal.lag > 0
        assert not waiting.done()
        store.gate.set()
        assert await waiting
        # All that had come meanwhile went in one transaction.
        assert [len(batch.entries) for batch in store.batches] == [1, 2000]
        journal.close()

    _run(test)


def test_a_store_that_fails_is_told_and_tried_until_it_works() -> None:
    async def test() -> None:
        store = Stubborn()
        store.failing = StoreError("the disk is full; free some space on it")
        journal = Journal(store, flush_after=1000)
        _add(journal, 1, 3)
        assert not await journal.stored(3)
        assert journal.problem == "the disk is full; free some space on it"
        _add(journal, 4, 3)
        assert not await journal.stored(6)
        await _until(lambda: journal.failures > 3)
        assert journal.depth == 6
        store.failing = None
        await _until(lambda: journal.problem == "")
        assert await journal.stored(6)
        assert list(store.entries_after(0)) == numbered(1, 6)
        assert (journal.dropped, journal.gap) == (0, 0)
        journal.close()

    _run(test)


def test_an_unexpected_failure_does_not_end_the_journal() -> None:
    async def test() -> None:
        store = Stubborn()
        store.failing = ZeroDivisionError("oh")
        journal = Journal(store, flush_after=1000)
        _add(journal, 1, 3)
        assert not await journal.stored(3)
        assert journal.problem == "the store failed unexpectedly (ZeroDivisionError('oh')); please report this"
        store.failing = None
        await _until(lambda: journal.problem == "")
        assert list(store.entries_after(0)) == numbered(1, 3)
        journal.close()

    _run(test)


def test_where_facts_were_lost_a_snapshot_is_asked_for_and_makes_the_store_whole() -> None:
    async def test() -> None:
        store, asked = Stubborn(), threading.Event()
        store.failing = StoreError("no")
        journal = Journal(store, flush_after=1000, most_pending=100, on_gap=asked.set)
        for first in range(1, 1001, 10):
            _add(journal, first, 10)
        await _until(lambda: journal.failures > 1)
        lost = journal.dropped
        assert lost >= 850
        assert journal.gap == 900
        assert not asked.is_set()
        store.failing = None
        await _until(asked.is_set)
        found = list(store.entries_after(0))
        assert len(found) == 1000 - lost
        assert found == [(place, entry(place)) for place, _ in found]
        # No deed is among what was lost.
        assert {place for place, _ in found} >= set(range(50, 1001, 50))
        assert store.open().cursors == {"log": b"1000"}
        assert not await journal.stored(800)
        assert await journal.stored(1000)
        journal.snapshot(1000, b"all of it")
        await _until(lambda: journal.gap == 0)
        assert await journal.stored(800)
        assert store.snapshot(1000) == b"all of it"
        journal.close()

    _run(test)


def test_a_snapshot_waits_until_the_store_takes_it() -> None:
    async def test() -> None:
        store = Stubborn()
        store.failing = StoreError("no")
        journal = Journal(store, flush_after=HOUR)
        _add(journal, 1, 3)
        journal.snapshot(3, b"three")
        await _until(lambda: journal.failures > 2)
        store.failing = None
        await _until(lambda: store.open().snapshots == (3,))
        assert list(store.entries_after(0)) == numbered(1, 3)
        journal.close()

    _run(test)


def test_an_entry_that_cannot_be_encoded_is_dropped_alone() -> None:
    async def test() -> None:
        store = MemoryStore()
        journal = Journal(store, flush_after=HOUR)
        _add(journal, 1, 3)
        journal.add(4, [Connected(1, "\ud800", "smtp", "", Client("192.0.2.1"))])
        _add(journal, 5, 3)
        assert await asyncio.gather(*(journal.stored(place) for place in (4, 7))) == [False, True]
        assert list(store.entries_after(0)) == numbered(1, 3) + numbered(5, 3)
        assert (journal.dropped, journal.gap, journal.problem) == (1, 4, "")
        journal.close()

    _run(test)


def test_closing_writes_what_waits() -> None:
    async def test() -> None:
        store = MemoryStore()
        journal = Journal(store, flush_after=HOUR)
        for first in range(1, 40_001, 100):
            _add(journal, first, 100)
        journal.snapshot(40_000, b"the end")
        journal.close()
        assert list(store.entries_after(0)) == numbered(1, 40_000)
        assert store.snapshot(40_000) == b"the end"
        assert not await journal.stored(40_001)

    _run(test)


def test_closing_with_a_store_that_fails_ends_and_counts() -> None:
    async def test() -> None:
        store = Stubborn()
        store.failing = StoreError("no")
        journal = Journal(store, flush_after=HOUR)
        _add(journal, 1, 30)
        waiting = asyncio.ensure_future(journal.stored(30))
        await asyncio.sleep(0)
        journal.close()
        assert not await waiting
        assert journal.dropped == 30

    _run(test)


def test_who_stopped_waiting_is_no_trouble() -> None:
    async def test() -> None:
        store = Stubborn()
        store.gate.clear()
        journal = Journal(store, flush_after=0)
        _add(journal, 1, 1)
        waiting = asyncio.ensure_future(journal.stored(1))
        await _until(lambda: store.asked == 1)
        waiting.cancel()
        await asyncio.sleep(0)
        store.gate.set()
        assert await journal.stored(1)
        journal.close()

    _run(test)


def test_a_full_disk_and_room_again_lose_nothing(tmp_path: Path) -> None:
    class Small(SqliteStore):
        pages = 30

        def _connect(self) -> sqlite3.Connection:
            connection = super()._connect()
            connection.execute(f"PRAGMA max_page_count = {self.pages}")
            return connection

    async def test() -> None:
        store = Small(tmp_path / "gatepost.db")
        store.open()
        journal = Journal(store, flush_after=1000)
        place = 0
        while not journal.problem:
            _add(journal, place + 1, 500)
            place += 500
            await asyncio.sleep(0.002)
        assert "is full; free some space on it" in journal.problem
        assert not await journal.stored(place)
        store.pages = 100_000
        await _until(lambda: journal.problem == "")
        assert await journal.stored(place)
        assert list(store.entries_after(0)) == numbered(1, place)
        journal.close()
        store.close()

    _run(test)
