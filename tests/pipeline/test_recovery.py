"""Snapshot and tail make the engine that stopped; what is damaged or missing is said, and nothing is guessed."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.deeds import AdoptLists, AdoptRules, Deed, Lift
from gatepost.core.engine import Engine
from gatepost.core.rules import PRESETS, Rule
from gatepost.core.snapshot import dump
from gatepost.core.subjects import Subject
from gatepost.pipeline.order import Order
from gatepost.pipeline.recovery import NOTES, Recovery, recover
from gatepost.stores.contract import Batch, Entry, Store, StoreError
from gatepost.stores.memory import MemoryStore
from gatepost.stores.sqlite import SqliteStore
from tests.core.strategies import Scenario, scenarios, timed
from tests.stores.histories import BASE, batch, entry, run


def _engine_after(entries: Sequence[Entry]) -> Engine:
    """The engine that never stopped."""
    order = Order(Engine())
    for each in entries:
        if isinstance(each, Deed):
            order.do(each)
        else:
            order.report(each)
    return order.engine


def _same(found: Recovery, entries: Sequence[Entry]) -> bool:
    return dump(found.engine) == dump(_engine_after(entries))


def _accepted(history: Sequence[object], rules: tuple[Rule, ...]) -> list[Entry]:
    """The entries of a history that the engine takes."""
    engine = Engine()
    found: list[Entry] = []
    for item in [AdoptRules(BASE, rules), *history]:
        if not isinstance(item, Entry):
            continue
        try:
            engine.apply(item, len(found) + 1)
        except ValueError:
            continue
        found.append(item)
    return found


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """An empty store."""
    made = SqliteStore(tmp_path / "gatepost.db")
    made.open()
    return made


def _change(store: SqliteStore, *statements: str) -> None:
    connection = sqlite3.connect(store.path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@given(scenarios(), st.data())
def test_snapshot_and_tail_make_the_engine_that_never_stopped(scenario: Scenario, data: st.DataObject) -> None:
    entries = _accepted(timed(scenario.history), scenario.rules)
    store: Store = MemoryStore()
    order = Order(Engine())
    for place, each in enumerate(entries, 1):
        store.write(Batch(first=place, entries=[each], cursors={"log": b"%d" % place}))
        order.do(each) if isinstance(each, Deed) else order.report(each)
        what = data.draw(st.sampled_from(("", "", "", "snapshot", "restart")))
        if what == "snapshot":
            store.save_snapshot(place, dump(order.engine))
        elif what == "restart":
            found = recover(store)
            assert (found.place, found.notes, found.missing) == (place, [], 0)
            assert found.cursors == {"log": b"%d" % place}
            order = Order(found.engine, found.place)
    assert dump(order.engine) == dump(_engine_after(entries))
    assert _same(recover(store), entries)


def test_the_first_start_has_the_default_rules_and_lists() -> None:
    found = recover(MemoryStore())
    assert found.fresh
    assert (found.place, found.cursors, found.notes, found.base) == (0, {}, [], 0)
    assert dump(found.engine) == dump(Engine())


def test_rules_and_lists_come_with_the_snapshot(store: SqliteStore) -> None:
    deeds: list[Entry] = [AdoptRules(BASE, PRESETS["strict"], brake=False), AdoptLists(BASE, ())]
    engine = _engine_after(deeds)
    store.write(Batch(first=1, entries=deeds))
    store.save_snapshot(2, dump(engine))
    found = recover(store)
    assert not found.fresh
    assert (found.engine.rules, found.engine.lists.entries, found.engine.brake) == (PRESETS["strict"], (), False)
    assert (found.place, found.base, found.applied) == (2, 2, 0)


def test_the_store_on_disk_gives_the_same_engine_back(store: SqliteStore) -> None:
    store.write(batch(1, 2000))
    store.save_snapshot(1500, dump(_engine_after(run(1, 1500))))
    store.write(batch(2001, 2000))
    found = recover(store)
    assert (found.place, found.base, found.applied, found.notes) == (4000, 1500, 2500, [])
    assert _same(found, run(1, 4000))


@pytest.mark.parametrize("data", [b"nonsense", b"", dump(Engine())[:-20]])
def test_a_snapshot_that_cannot_be_used_is_passed_over_for_the_one_before(store: SqliteStore, data: bytes) -> None:
    store.write(batch(1, 3000))
    store.save_snapshot(1000, dump(_engine_after(run(1, 1000))))
    store.save_snapshot(2000, data)
    found = recover(store)
    assert _same(found, run(1, 3000))
    assert (found.base, found.applied, found.missing) == (2000, 2000, 0)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("the snapshot at entry 2000 is passed over: this is no snapshot that this version can read")


def test_a_snapshot_that_is_damaged_on_disk_is_passed_over_for_the_one_before(store: SqliteStore) -> None:
    store.write(batch(1, 3000))
    for place in (1000, 2000):
        store.save_snapshot(place, dump(_engine_after(run(1, place))))
    _change(store, "UPDATE parts SET data = zeroblob(100) WHERE id = 2")
    found = recover(store)
    assert _same(found, run(1, 3000))
    assert "the snapshot at entry 2000 in" in found.notes[0]


def test_without_any_good_snapshot_the_whole_journal_is_used_where_it_is_there(store: SqliteStore) -> None:
    store.write(batch(1, 3000))
    store.save_snapshot(1000, b"nonsense")
    found = recover(store)
    assert _same(found, run(1, 3000))
    assert found.base == 1000


def test_without_any_good_snapshot_and_beginning_nothing_is_guessed(store: SqliteStore) -> None:
    store.write(batch(1, 3000))
    for place in (1000, 2000, 2500):
        store.save_snapshot(place, b"nonsense")
    with pytest.raises(
        StoreError, match=r"^no snapshot can be used, and the journal does not reach back to the beginning \(.*restore a backup of the store"
    ):
        recover(store)


def test_entries_that_are_missing_are_counted_and_the_places_kept(store: SqliteStore) -> None:
    store.write(batch(1, 10))
    store.write(batch(21, 10))
    found = recover(store)
    assert (found.place, found.applied, found.missing) == (30, 20, 10)
    assert found.notes == ["entries 11 to 20 are missing from the journal"]
    order = Order(Engine())
    order.report_all(run(1, 10))  # type: ignore[arg-type]
    order.place = 20
    order.report_all(run(21, 10))  # type: ignore[arg-type]
    assert dump(found.engine) == dump(order.engine)


def test_a_damaged_row_is_told_and_what_surrounds_it_used(store: SqliteStore) -> None:
    for first in (1, 11, 21):
        store.write(batch(first, 10))
    _change(store, "UPDATE journal SET crc = 0 WHERE first = 11")
    found = recover(store)
    assert (found.place, found.applied, found.missing) == (30, 20, 10)
    assert len(found.notes) == 1
    assert found.notes[0].endswith("gatepost.db is damaged at entries 11 to 20: the checksum is wrong")


def test_new_entries_lie_behind_all_that_the_store_knows_of(store: SqliteStore) -> None:
    store.write(batch(1, 10))
    store.write(batch(11, 10))
    _change(store, "UPDATE journal SET crc = 0 WHERE first = 11")
    found = recover(store)
    assert (found.place, found.applied, found.missing) == (20, 10, 10)
    store.write(batch(21, 10))
    assert [place for place, _ in store.entries_after(20)] == list(range(21, 31))


def test_a_deed_that_contradicts_itself_is_passed_over(store: SqliteStore) -> None:
    bad = Lift(BASE, Subject("network", "192.0.2.1/24"))
    store.write(Batch(first=1, entries=[entry(1), bad, entry(3)]))
    found = recover(store)
    assert (found.place, found.applied, found.missing) == (3, 3, 0)
    assert found.notes[0].startswith("the deed at entry 2 is passed over: subject:")


def test_notes_are_not_without_end(store: SqliteStore) -> None:
    for first in range(1, 201, 2):
        store.write(batch(first, 1))
    found = recover(store)
    assert len(found.notes) == NOTES + 1
    assert found.notes[-1] == "and more of the kind"
    assert found.missing == 99
