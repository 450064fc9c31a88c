"""The shape of the SQLite database, how it grows up, and what its errors mean.

Job: connect, bring a database to this version, and put SQLite's errors into words with a cure. Promise: a migration is whole or did not happen; a
database of a newer version, or of another program, is not touched. Limits: there is no way back to an older version but a backup.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from gatepost.stores.contract import RefusedError, StoreError

APPLICATION = 0x47617465
"""What marks a database as Gatepost's (`PRAGMA application_id`): ``Gate``."""
LEAST_ROOM = 1 << 16

Migration = Callable[[sqlite3.Connection], None]


def _first_version(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    for statement in (
        # crc is zlib.crc32 of the entries as they stand here: msgpack, compressed by zstd.
        "CREATE TABLE journal (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, crc INTEGER NOT NULL, entries BLOB NOT NULL)",
        "CREATE TABLE cursors (name TEXT PRIMARY KEY, position BLOB NOT NULL) WITHOUT ROWID",
        # A snapshot is written in parts, so that nobody has to wait for the whole; it counts once it is whole.
        "CREATE TABLE snapshots (id INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL, parts INTEGER NOT NULL, crc INTEGER NOT NULL,"
        " whole INTEGER NOT NULL DEFAULT 0)",
        "CREATE TABLE parts (id INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (id, number))",
        "CREATE TABLE audit (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,"
        " subject TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, reason TEXT NOT NULL)",
    ):
        connection.execute(statement)


def _lines_of_logs(connection: sqlite3.Connection) -> None:
    # The log lines behind a row's entries: msgpack, compressed by zstd with its own checksum; NULL where there are none.
    connection.execute("ALTER TABLE journal ADD COLUMN lines BLOB")


def _records(connection: sqlite3.Connection) -> None:
    # Users of the console, their sessions, tokens and invitations: JSON of what admin/accounts.py declares.
    connection.execute("CREATE TABLE records (kind TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID")


MIGRATIONS: tuple[Migration, ...] = (_first_version, _lines_of_logs, _records)
"""What makes version 1 of version 0, 2 of 1, and so on. One that was released is never changed."""


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """A connection to a database that is there; who finds it locked waits ``patience`` seconds. No transaction begins by itself."""
    uri = f"file:{quote(str(path))}?mode=rw"
    connection = sqlite3.connect(uri, timeout=patience, isolation_level=None, check_same_thread=False, uri=True)
    # NORMAL: a commit is with the kernel, out of reach of what happens to this process; a power cut may take the newest.
    for setting in ("synchronous = NORMAL", "secure_delete = FAST", f"journal_size_limit = {64 << 20}"):
        connection.execute(f"PRAGMA {setting}").fetchall()
    return connection


def make(path: Path) -> None:
    """Makes an empty database where there is none; it is its owner's alone, a restored one too. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.fstat(file).st_uid == os.geteuid():
        os.fchmod(file, 0o600)
    os.close(file)


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    """Brings a database to the newest version. Raises StoreError where it is newer still, or not Gatepost's."""
    version = _checked_version(connection, path, len(migrations))
    if version == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StoreError(f"{path} lies on a file system that cannot share memory (a network share?); put the state folder on a local disk")
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _checked_version(connection, path, len(migrations))
    for migration in migrations[version:]:
        migration(connection)
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute("COMMIT")


def check(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    """Raises StoreError where a database is not of this version: for who may not migrate it."""
    version = _checked_version(connection, path, newest)
    if version < newest:
        raise RefusedError(f"{path} is of version {version}, and this gatepost works with version {newest}; start its daemon, which brings it there")


def _checked_version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != APPLICATION and (application or version or tables):
        raise RefusedError(f"{path} is a database of another program; name another file for the store")
    if version > newest:
        cure = "install the newer gatepost again, or restore a backup from before it"
        raise RefusedError(f"{path} is of version {version}, and this gatepost reads versions up to {newest}; {cure}")
    return version


def in_words(wrong: Exception, path: Path) -> str:
    """One sentence that says what an error of SQLite or of the system means, with the cure."""
    name = getattr(wrong, "sqlite_errorname", "") or ""
    is_about_files = isinstance(wrong, OSError) or name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN"))
    if name == "SQLITE_FULL" or (is_about_files and _is_full(path)):
        return f"the disk that holds {path} is full; free some space on it"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"{path} is locked by another program; end that program (`fuser {path}` names it)"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"{path} is damaged ({wrong}); restore a backup of it, or move it away and start anew"
    if _is_missing(path.parent):
        return f"the folder {path.parent} is missing; create it, and give it to the user that gatepost runs as"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")) or isinstance(wrong, OSError):
        why = wrong.strerror if isinstance(wrong, OSError) else str(wrong)
        return f"{path} cannot be used ({why}); it and its folder must be there and belong to the user that gatepost runs as"
    if name.startswith("SQLITE_IOERR"):
        return f"{path} cannot be read or written ({wrong}: {name}); look for faults of the disk, or a quota, in the system's log"
    return f"{path} cannot be used ({wrong}); restore a backup of it, or move it away and start anew"


def _is_full(path: Path) -> bool:
    try:
        room = os.statvfs(path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < LEAST_ROOM or room.f_ffree == 0 < room.f_files


def _is_missing(folder: Path) -> bool:
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
