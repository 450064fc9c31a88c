"""The keeper makes snapshots beside a daemon that writes, and never stands in its way."""

import sqlite3
import threading
from pathlib import Path

import pytest

from gatepost.core.engine import Engine
from gatepost.core.snapshot import dump
from gatepost.keeper import snapshots
from gatepost.keeper.snapshots import main
from gatepost.pipeline.recovery import recover
from gatepost.stores.contract import StoreError
from gatepost.stores.sqlite import SqliteStore
from tests.stores.children import keeper
from tests.stores.histories import batch, numbered, run


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """An empty store."""
    made = SqliteStore(tmp_path / "gatepost.db")
    made.open()
    return made


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PAUSE", 0.0)


def _dump_after(many: int) -> bytes:
    engine = Engine()
    for place, each in enumerate(run(1, many), 1):
        engine.apply(each, place)
    return dump(engine)


def test_a_snapshot_is_what_the_daemon_would_have_dumped(store: SqliteStore) -> None:
    store.write(batch(1, 2000))
    said, code = main([str(store.path)])
    assert code == 0
    assert said.startswith(f"{store.path}: snapshot at entry 2000 (2000 entries brought in, ")
    assert store.open().snapshots == (2000,)
    assert store.snapshot(2000) == _dump_after(2000)


def test_the_next_one_goes_on_from_there_and_drops_what_lies_behind_the_older(store: SqliteStore) -> None:
    store.write(batch(1, 2000))
    main([str(store.path)])
    store.write(batch(2001, 500))
    assert "(500 entries brought in" in main([str(store.path)])[0]
    assert list(store.entries_after(0)) == numbered(2001, 500)
    assert store.snapshot(2500) == _dump_after(2500)


def test_where_nothing_is_new_nothing_is_done(store: SqliteStore) -> None:
    assert main([str(store.path)]) == (f"{store.path}: nothing new behind entry 0", 0)
    store.write(batch(1, 20))
    main([str(store.path)])
    assert main([str(store.path)]) == (f"{store.path}: nothing new behind entry 20", 0)


def test_a_snapshot_that_the_daemon_made_meanwhile_stays(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(batch(1, 20))

    def slow(engine: Engine) -> bytes:
        store.save_snapshot(15, b"the daemon's")
        return dump(engine)

    monkeypatch.setattr(snapshots, "dump", slow)
    assert main([str(store.path)]) == (f"{store.path}: another snapshot was made meanwhile; this one is not kept", 0)
    assert store.open().snapshots == (15,)


def test_what_is_damaged_is_told_and_the_next_snapshot_is_without_it(store: SqliteStore) -> None:
    for first in (1, 11, 21):
        store.write(batch(first, 10))
    connection = sqlite3.connect(store.path, isolation_level=None)
    connection.execute("UPDATE journal SET crc = 0 WHERE first = 11")
    connection.close()
    said, code = main([str(store.path)])
    assert code == 0
    assert said.endswith("is damaged at entries 11 to 20: the checksum is wrong")
    assert recover(store).notes == []


def test_where_nothing_can_be_used_nothing_is_replaced(store: SqliteStore) -> None:
    store.write(batch(1, 3000))
    for place in (1000, 2000, 2500):
        store.save_snapshot(place, b"nonsense")
    said, code = main([str(store.path)])
    assert code == 1
    assert said.startswith("no snapshot can be used")
    assert store.open().snapshots == (2500, 2000)


def test_as_a_program_it_says_a_line_and_how_it_went(store: SqliteStore, tmp_path: Path) -> None:
    store.write(batch(1, 20))
    for path, code, line in ((store.path, 0, "snapshot at entry 20"), (tmp_path / "none.db", 1, "cannot be used (No such file or directory)")):
        child = keeper(path)
        out, said = child.communicate()
        assert child.returncode == code
        assert line in (said if code else out)
        assert (out + said).count("\n") == 1
    assert main([]) == ("usage: python -m gatepost.keeper DATABASE", 2)


def test_a_daemon_that_hammers_never_fails(store: SqliteStore) -> None:
    failed: list[StoreError] = []
    done = threading.Event()
    last = 0

    def hammer() -> None:
        nonlocal last
        while not done.wait(0.005):
            try:
                store.write(batch(last + 1, 20))
            except StoreError as wrong:
                failed.append(wrong)
                return
            last += 20

    thread = threading.Thread(target=hammer)
    thread.start()
    said = []
    for _ in range(3):
        child = keeper(store.path)
        said.append(child.communicate()[0])
        assert child.returncode == 0, said
    done.set()
    thread.join()
    assert failed == []
    assert all("snapshot at entry" in line for line in said)
    newest, older = store.open().snapshots
    assert list(store.entries_after(older))[:1] == numbered(older + 1, 1)
    found = recover(store)
    assert (found.base, found.place, found.notes) == (newest, last, [])
    assert dump(found.engine) == _dump_after(last)
