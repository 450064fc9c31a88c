"""The SQLite store where the world is not kind: crashes, full disks, locks, damage, other versions."""

import os
import random
import signal
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gatepost.stores.contract import Audit, Batch, DamagedError, Entry, Recovered, StoreError
from gatepost.stores.schema import MIGRATIONS, Migration
from gatepost.stores.sqlite import SqliteStore
from tests.stores.children import FILL_THE_DISK, WRITE_UNTIL_KILLED, start
from tests.stores.histories import batch, entry, numbered

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database is to be."""
    return tmp_path / "gatepost.db"


@pytest.fixture
def store(path: Path) -> SqliteStore:
    """An empty store."""
    made = SqliteStore(path, patience=0.05)
    made.open()
    return made


def _change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.close()


def _asked(path: Path, question: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(question).fetchall()
    connection.close()
    return found


# --- crashes


def test_kill_9_at_any_moment_loses_nothing_that_was_acknowledged(path: Path) -> None:
    chance = random.Random(5)
    acknowledged = 0
    for _ in range(20):
        child = start(WRITE_UNTIL_KILLED, path)
        assert child.stdout
        assert child.stderr
        with child:
            for _ in range(chance.randint(1, 12)):
                acknowledged = int(child.stdout.readline())
            threading.Event().wait(chance.random() / 50)
            child.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
        store = SqliteStore(path)
        opened = store.open()
        assert opened.last >= acknowledged
        assert opened.cursors == {"logs": str(opened.last).encode()}
        assert list(store.entries_after(0)) == numbered(1, opened.last)


def test_what_an_administrator_does_outlives_a_power_cut(path: Path) -> None:
    said: list[str] = []

    class Traced(SqliteStore):
        def _connect(self) -> sqlite3.Connection:
            connection = super()._connect()
            connection.set_trace_callback(said.append)
            return connection

    store = Traced(path)
    store.open()
    audit = Audit(at=1, who="admin", action="rules.set")
    for each in (Batch(first=1, entries=[entry(1)]), Batch(first=2, entries=[entry(50)]), Batch(first=3, entries=[entry(1)]), Batch(audit=[audit])):
        store.write(each)
    assert [line for line in said if "synchronous" in line] == [f"PRAGMA synchronous = {how}" for how in ("FULL", "NORMAL", "FULL")]


# --- no room, no access


class Small(SqliteStore):
    """A store whose database may have so many pages."""

    pages = 40

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute(f"PRAGMA max_page_count = {self.pages}")
        return connection


def test_a_full_disk_is_told_and_leaves_nothing_behind_and_room_cures_it(path: Path) -> None:
    store = Small(path)
    store.open()
    store.write(batch(1, 100))
    with pytest.raises(StoreError, match=r"^the disk that holds \S*gatepost.db is full; free some space on it$"):
        store.write(batch(101, 50_000))
    assert list(store.entries_after(0)) == numbered(1, 100)
    assert store.open() == Recovered(last=100, cursors={"logs": b"100"})
    with pytest.raises(StoreError, match="is full"):
        store.save_snapshot(100, random.Random(1).randbytes(300_000))
    assert store.open().snapshots == ()
    store.pages = 100_000
    store.close()
    store.write(batch(101, 50_000))
    assert list(store.entries_after(0)) == numbered(1, 50_100)
    assert store.save_snapshot(100, b"x" * 300_000)
    assert _asked(path, "SELECT count(*) FROM parts") == [(1,)]


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    # A mount namespace of its own, so that nothing is left behind.
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=3m none "$0" && exec "$@"', str(tmp_path)]
    if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs user namespaces with mounts in them")
    with start(FILL_THE_DISK, tmp_path, before=mount) as child:
        out, said = child.communicate()
    assert said == ""
    first, second, last = out.splitlines()
    assert first == second == f"the disk that holds {tmp_path}/gatepost.db is full; free some space on it"
    assert last == "all there"


def test_a_locked_database_is_told_and_taken_up_again(store: SqliteStore, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is locked by another program; end that program"):
        store.write(batch(1, 10))
    other.execute("ROLLBACK")
    other.close()
    store.write(batch(1, 10))
    assert list(store.entries_after(0)) == numbered(1, 10)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^the folder \S*/nowhere is missing; create it, and give it to the user that gatepost runs as$"):
        SqliteStore(tmp_path / "nowhere" / "gatepost.db").open()


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(StoreError, match=r"cannot be used \(Permission denied\); it and its folder must be there and belong to the user"):
            SqliteStore(tmp_path / "gatepost.db").open()
    finally:
        os.seteuid(before)
        tmp_path.chmod(0o700)


def test_the_keepers_store_does_not_make_a_database(path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        SqliteStore(path, create=False).open()
    assert not path.exists()


def test_the_database_is_its_owners_alone(store: SqliteStore, path: Path) -> None:
    store.write(batch(1, 10))
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert len(list(path.parent.iterdir())) == 3
    path.chmod(0o644)
    store.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_database_that_was_replaced_is_not_written_to(store: SqliteStore, path: Path) -> None:
    store.write(batch(1, 10))
    path.rename(path.with_name("moved"))
    with pytest.raises(StoreError, match="cannot be used"):
        store.write(batch(11, 10))
    path.touch()
    with pytest.raises(StoreError, match="was replaced while it was in use; restart gatepost"):
        store.write(batch(11, 10))
    path.with_name("moved").replace(path)
    store.write(batch(11, 10))
    assert list(store.entries_after(0)) == numbered(1, 20)


# --- damage


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(10_000))
    with pytest.raises(StoreError, match=r"is damaged \(file is not a database\); restore a backup of it, or move it away and start anew"):
        SqliteStore(path).open()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE journal SET entries = zeroblob(length(entries)) WHERE first = 1025", "the checksum is wrong"),
        ("UPDATE journal SET crc = crc + 1 WHERE first = 1025", "the checksum is wrong"),
        ("UPDATE journal SET entries = x'00', crc = 3523407757 WHERE first = 1025", ""),
        (
            "UPDATE journal SET (entries, crc) = (SELECT entries, crc FROM journal WHERE first = 2049) WHERE first = 1025",
            "1024 entries were written and 952",
        ),
    ],
)
def test_a_damaged_row_is_told_with_its_places_and_what_surrounds_it_can_be_read(store: SqliteStore, path: Path, change: str, why: str) -> None:
    store.write(batch(1, 3000))
    _change(path, change)
    found: list[tuple[int, Entry]] = []
    with pytest.raises(DamagedError, match=f"is damaged at entries 1025 to 2048: {why}") as told:
        found.extend(store.entries_after(0))
    assert found == numbered(1, 1024)
    assert (told.value.first, told.value.last) == (1025, 2048)
    assert list(store.entries_after(2048)) == numbered(2049, 952)


@contextmanager
def _overwritten(path: Path, page: int) -> Iterator[None]:
    """A page of a database is nonsense for a while."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        before = file.read(PAGE)
        file.seek((page - 1) * PAGE)
        file.write(b"\xa5" * PAGE)
        file.flush()
        yield
        file.seek((page - 1) * PAGE)
        file.write(before)


def test_pages_that_were_overwritten_are_told(store: SqliteStore, path: Path) -> None:
    for first in range(1, 50_000, 100):
        store.write(batch(first, 100))
    store.close()
    store.open()
    roots = {page for (page,) in _asked(path, "SELECT rootpage FROM sqlite_schema")}
    told: list[DamagedError] = []
    for page in range(20, path.stat().st_size // PAGE, 37):
        if page in roots:
            continue
        found: list[tuple[int, Entry]] = []
        with _overwritten(path, page), suppress(StopIteration):
            entries = store.entries_after(0)
            try:
                while True:
                    found.append(next(entries))
            except DamagedError as wrong:
                told.append(wrong)
        assert found == numbered(1, len(found))
        assert len(found) == (told[-1].first - 1 if len(found) < 50_000 else 50_000)
    assert told
    assert all(each.first <= each.last <= 50_000 for each in told)
    assert len(list(store.entries_after(0))) == 50_000


@pytest.mark.parametrize("change", ["UPDATE parts SET data = zeroblob(9)", "DELETE FROM parts"])
def test_a_damaged_snapshot_is_told(store: SqliteStore, path: Path, change: str) -> None:
    store.save_snapshot(7, b"x" * 100)
    _change(path, change)
    with pytest.raises(StoreError, match=r"the snapshot at entry 7 in .* is damaged: the checksum is wrong"):
        store.snapshot(7)


# --- snapshots


def test_a_snapshot_that_was_broken_off_is_none_and_leaves_with_the_next(store: SqliteStore, path: Path) -> None:
    store.save_snapshot(1, b"a")
    _change(path, "INSERT INTO snapshots (place, parts, crc) VALUES (2, 3, 0)", "INSERT INTO parts VALUES (2, 0, x'00'), (2, 1, x'00')")
    assert store.open().snapshots == (1,)
    assert store.save_snapshot(3, b"b")
    assert _asked(path, "SELECT id, place FROM snapshots") == [(1, 1), (3, 3)]
    assert _asked(path, "SELECT id FROM parts") == [(1,), (3,)]


def test_of_two_snapshots_that_are_made_at_once_the_first_to_be_whole_is_kept(path: Path) -> None:
    first, second = SqliteStore(path), SqliteStore(path)
    first.open()
    second.open()

    class Slow(SqliteStore):
        def _tidy(self, keep: int | None) -> None:
            assert not second.save_snapshot(5, b"late", base=0)
            super()._tidy(keep)

    slow = Slow(path)
    slow.open()
    assert slow.save_snapshot(4, b"x" * 3_000_000, base=0)
    assert first.open().snapshots == (4,)
    assert first.snapshot(4) == b"x" * 3_000_000


def test_the_disk_gets_its_room_back(store: SqliteStore, path: Path) -> None:
    noise = random.Random(3)
    for place in range(1, 4):
        store.save_snapshot(place, noise.randbytes(12_000_000))
    for place in range(4, 6):
        store.save_snapshot(place, b"small")
    store.close()
    assert path.stat().st_size < 20_000_000
    assert _asked(path, "PRAGMA integrity_check") == [("ok",)]


def test_threads_read_while_another_writes(store: SqliteStore) -> None:
    failed: list[BaseException] = []

    def write() -> None:
        try:
            for first in range(1, 5000, 50):
                store.write(Batch(first=first, entries=batch(first, 50).entries, audit=[Audit(at=first, who="x", action="y")]))
        except StoreError as wrong:
            failed.append(wrong)

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        found = list(store.entries_after(0))
        assert found == numbered(1, len(found))
        store.audit(3)
    thread.join()
    assert failed == []
    assert len(store.audit(1000)) == 100


# --- versions


def _second(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE cursors ADD COLUMN note TEXT NOT NULL DEFAULT 'old'")


def _broken(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half (a)")
    connection.execute("INSERT INTO nowhere VALUES (1)")


def test_an_older_database_grows_up_with_what_it_holds(store: SqliteStore, path: Path) -> None:
    store.write(batch(1, 10))
    store.close()
    newer = SqliteStore(path, migrations=(*MIGRATIONS, _second))
    assert newer.open() == Recovered(last=10, cursors={"logs": b"10"})
    assert _asked(path, "SELECT note FROM cursors") == [("old",)]
    assert _asked(path, "PRAGMA user_version") == [(len(MIGRATIONS) + 1,)]
    newer.write(batch(11, 10))
    assert newer.open().last == 20


def test_an_empty_file_is_a_database_of_version_0(path: Path) -> None:
    path.touch()
    SqliteStore(path).open()
    assert _asked(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]


def test_a_migration_that_fails_did_not_happen(store: SqliteStore, path: Path) -> None:
    store.write(batch(1, 10))
    store.close()
    migrations: tuple[Migration, ...] = (*MIGRATIONS, _second, _broken)
    with pytest.raises(StoreError, match="no such table: nowhere"):
        SqliteStore(path, migrations=migrations).open()
    assert _asked(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert store.open().last == 10


def test_a_database_of_a_newer_version_is_refused_untouched(store: SqliteStore, path: Path) -> None:
    store.close()
    SqliteStore(path, migrations=(*MIGRATIONS, _second)).open()
    before = path.read_bytes()
    cure = "install the newer gatepost again, or restore a backup from before it"
    with pytest.raises(StoreError, match=f"is of version {len(MIGRATIONS) + 1}, and this gatepost reads versions up to {len(MIGRATIONS)}; {cure}$"):
        store.open()
    assert path.read_bytes() == before


def test_the_keeper_migrates_nothing(store: SqliteStore, path: Path) -> None:
    store.close()
    said = f"is of version {len(MIGRATIONS)}, and this gatepost works with version {len(MIGRATIONS) + 1}; start its daemon"
    with pytest.raises(StoreError, match=said):
        SqliteStore(path, create=False, migrations=(*MIGRATIONS, _second)).open()


@pytest.mark.parametrize("change", ["CREATE TABLE mails (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"])
def test_a_database_of_another_program_is_refused_untouched(path: Path, change: str) -> None:
    _change(path, change)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a database of another program; name another file for the store"):
        SqliteStore(path).open()
    assert path.read_bytes() == before
