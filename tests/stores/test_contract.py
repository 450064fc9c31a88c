"""One contract for all stores: whatever a store says it has taken is there, once, in order, when it is opened again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from gatepost.core.facts import Connected
from gatepost.core.subjects import Client
from gatepost.stores.contract import Audit, Batch, Record, Recovered, Store, StoreError
from gatepost.stores.memory import MemoryStore
from gatepost.stores.sqlite import SqliteStore
from tests.stores.histories import batch, numbered, run


def _audit(number: int) -> Audit:
    return Audit(at=number, who="admin", action="access.allow", subject=f"198.51.100.{number}", before="null", after='"é"', reason="a friend")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each of the stores, empty."""
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "gatepost.db")
    made.open()
    yield made
    made.close()


def _again(store: Store) -> Recovered:
    store.close()
    return store.open()


def test_a_new_store_remembers_nothing(store: Store) -> None:
    assert _again(store) == Recovered(snapshots=(), last=0, cursors={})
    assert list(store.entries_after(0)) == []
    assert store.audit() == []


def test_what_was_written_is_there_in_order(store: Store) -> None:
    store.write(batch(1, 3))
    store.write(batch(4, 3000))
    assert _again(store) == Recovered(last=3003, cursors={"logs": b"3003"})
    assert list(store.entries_after(0)) == numbered(1, 3003)


@pytest.mark.parametrize("place", [1, 2, 3, 4, 1026, 1027, 1028, 2999, 3003, 9999])
def test_entries_behind_a_place_begin_right_behind_it(store: Store, place: int) -> None:
    store.write(batch(1, 3))
    store.write(batch(4, 3000))
    assert list(store.entries_after(place)) == numbered(1, 3003)[place:]


def test_places_that_were_never_written_are_passed_over(store: Store) -> None:
    store.write(batch(1, 2))
    store.write(batch(5, 2))
    assert list(store.entries_after(0)) == numbered(1, 2) + numbered(5, 2)
    assert list(store.entries_after(3)) == numbered(5, 2)


@pytest.mark.parametrize(("first", "many"), [(1, 10), (1, 14), (5, 10), (11, 3), (3, 2)])
def test_a_batch_written_again_is_there_once(store: Store, first: int, many: int) -> None:
    store.write(batch(1, 10))
    store.write(batch(first, many))
    assert list(store.entries_after(0)) == numbered(1, max(10, first + many - 1))
    assert _again(store).last == max(10, first + many - 1)


def test_cursors_are_kept_by_name(store: Store) -> None:
    store.write(Batch(cursors={"a": b"1", "b": b"2"}))
    store.write(Batch(cursors={"b": b"\0\xff"}))
    assert _again(store).cursors == {"a": b"1", "b": b"\0\xff"}


def test_an_entry_that_cannot_be_encoded_leaves_nothing_behind(store: Store) -> None:
    store.write(batch(1, 3))
    bad = structs.replace(batch(4, 3), entries=[*run(4, 2), Connected(1, "\ud800", "smtp", "", Client("192.0.2.1"))], audit=[_audit(1)])
    with pytest.raises(ValueError, match="surrogates"):
        store.write(bad)
    assert _again(store) == Recovered(last=3, cursors={"logs": b"3"})
    assert store.audit() == []
    store.write(batch(4, 3))
    assert list(store.entries_after(0)) == numbered(1, 6)


def test_a_snapshot_is_given_back(store: Store) -> None:
    store.write(batch(1, 10))
    data = bytes(range(256)) * 20_000
    assert store.save_snapshot(10, data)
    assert _again(store) == Recovered(snapshots=(10,), last=10, cursors={"logs": b"10"})
    assert store.snapshot(10) == data
    assert list(store.entries_after(10)) == []


def test_an_empty_snapshot_is_one(store: Store) -> None:
    assert store.save_snapshot(1, b"")
    assert store.snapshot(1) == b""


def test_two_snapshots_stay_and_the_journal_behind_the_older(store: Store) -> None:
    for first in range(1, 2000, 500):
        store.write(batch(first, 500))
        assert store.save_snapshot(first + 499, b"%d" % first)
    assert _again(store).snapshots == (2000, 1500)
    assert (store.snapshot(2000), store.snapshot(1500)) == (b"1501", b"1001")
    assert list(store.entries_after(1500)) == numbered(1501, 500)
    assert next(iter(store.entries_after(0)))[0] == 1501
    with pytest.raises(StoreError, match="no snapshot at entry 1000"):
        store.snapshot(1000)


def test_the_older_snapshot_goes_on_without_a_gap_where_rows_straddle_it(store: Store) -> None:
    store.write(batch(1, 1000))
    store.save_snapshot(400, b"a")
    store.save_snapshot(600, b"b")
    assert list(store.entries_after(400)) == numbered(401, 600)


def test_a_snapshot_at_the_same_place_takes_the_others_place(store: Store) -> None:
    store.write(batch(1, 20))
    for place, data in ((10, b"a"), (20, b"b"), (20, b"c")):
        assert store.save_snapshot(place, data)
    assert _again(store).snapshots == (20, 10)
    assert store.snapshot(20) == b"c"


def test_a_snapshot_older_than_two_others_is_not_kept(store: Store) -> None:
    store.write(batch(1, 20))
    for place in (10, 20):
        store.save_snapshot(place, b"new")
    assert not store.save_snapshot(5, b"old")
    assert _again(store).snapshots == (20, 10)


def test_a_snapshot_made_from_an_older_one_is_not_kept(store: Store) -> None:
    store.write(batch(1, 30))
    assert store.save_snapshot(10, b"a", base=0)
    assert not store.save_snapshot(20, b"b", base=0)
    assert store.save_snapshot(20, b"c", base=10)
    assert _again(store).snapshots == (20, 10)


def test_a_snapshot_ahead_of_the_journal_makes_up_for_what_is_missing(store: Store) -> None:
    store.write(batch(1, 3))
    store.save_snapshot(8, b"whole")
    store.write(batch(7, 4))
    assert _again(store).last == 10
    assert list(store.entries_after(8)) == numbered(9, 2)


def test_the_audit_trail_is_told_newest_first_in_pages(store: Store) -> None:
    for number in range(1, 6):
        store.write(Batch(audit=[_audit(number)]))
    _again(store)
    assert store.audit() == [(number, _audit(number)) for number in (5, 4, 3, 2, 1)]
    assert store.audit(2) == [(number, _audit(number)) for number in (5, 4)]
    assert store.audit(2, before=4) == [(number, _audit(number)) for number in (3, 2)]
    assert store.audit(2, before=1) == []


def test_log_lines_come_back_beside_their_entries_and_can_be_forgotten(store: Store) -> None:
    store.open()
    store.write(Batch(first=1, entries=run(1, 3), lines=["one", "", "x" * 600]))
    store.write(Batch(first=4, entries=run(4, 2)))
    told = {first + at: line for batch in store.batches_after(0) for first in [batch.first] for at, line in enumerate(batch.lines) if line}
    assert told == {1: "one", 3: "x" * 500}
    assert [each for batch in store.batches_after(2) for each in enumerate(batch.entries, batch.first)] == numbered(3, 3)
    assert store.forget_lines(lambda entry, line: line == "one") == 1
    assert [line for batch in store.batches_after(0) for line in batch.lines if line] == ["x" * 500]
    assert list(store.entries_after(0)) == numbered(1, 5)


def test_entries_stay_for_who_has_not_read_them(store: Store) -> None:
    store.open()
    for place in range(1, 10):
        store.write(Batch(first=place, entries=run(place, 1)))
    for place in (5, 7, 9):
        store.save_snapshot(place, b"s", keep=0)
    assert list(store.entries_after(0)) == numbered(1, 9)
    store.save_snapshot(9, b"t")
    assert next(iter(store.entries_after(0)))[0] > 5


def test_records_are_kept_changed_and_taken_away(store: Store) -> None:
    store.keep([Record(kind="user", key="anna", data=b"1"), Record(kind="user", key="bob", data=b"2"), Record(kind="token", key="anna", data=b"3")])
    store.keep([Record(kind="user", key="anna", data=b"4"), Record(kind="user", key="bob", data=None), Record(kind="user", key="nobody", data=None)])
    _again(store)
    assert (store.records("user"), store.records("token"), store.records("session")) == ({"anna": b"4"}, {"anna": b"3"}, {})


def test_records_and_their_audit_are_one(store: Store) -> None:
    store.keep([Record(kind="user", key="anna", data=b"1")], [_audit(1)])
    store.write(Batch(audit=[_audit(2)]))
    assert [line.at for _, line in store.audit()] == [2, 1]
    assert store.audit_at(1) == [_audit(1)]
