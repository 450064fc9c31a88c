"""The default store: one SQLite database.

Job: keep the contract in a file. Promise: what a `write` that returned had is there after a kill -9 of the process; where it had a deed or a line of
the audit trail, after a power cut too. Who reads never waits for who writes, and who writes never waits long for a snapshot: it comes in parts.
Limits: one process writes batches (lock.py sees to it); a snapshot may come from a second one. A local disk, not a network share.

In the file: a journal row for each run of at most 1,024 entries, with a checksum; the two newest snapshots; cursors; the audit trail. Every
reader has a connection of its own, and the writer's is made anew after each error.
"""

import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import zstandard

from gatepost.core.deeds import Deed
from gatepost.stores.contract import (
    Audit,
    Batch,
    DamagedError,
    Entry,
    Record,
    Recovered,
    StoreError,
    decode_entries,
    decode_lines,
    encode_entries,
    encode_lines,
)
from gatepost.stores.schema import MIGRATIONS, Migration, check, connect, in_words, make, migrate

ROW = 1024
"""Entries in a row at most: encoding them holds up other threads for a third of a millisecond."""
PART = 1 << 20
"""Bytes of a snapshot that are written at once."""
SLICE = 200
"""Rows of the journal that are dropped at once."""
VACUUMED = 512
"""Pages that are given back to the disk at once."""
SPARE = 4096
"""Free pages that the file keeps in any case, for what comes next."""

_CURSOR = "INSERT INTO cursors (name, position) VALUES (?, ?) ON CONFLICT DO UPDATE SET position = excluded.position"
_AUDIT = "INSERT INTO audit (at, who, action, subject, before, after, reason) VALUES (?, ?, ?, ?, ?, ?, ?)"
_KEEP = "INSERT INTO records (kind, key, data) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET data = excluded.data"
_ROWS = "SELECT first, last, crc, entries, {} FROM journal WHERE first >= ? ORDER BY first LIMIT 8"
_DROP_ENTRIES = "DELETE FROM journal WHERE first IN (SELECT first FROM journal WHERE first <= ?1 AND last <= ?1 ORDER BY first LIMIT ?2)"
_DROP_PARTS = "DELETE FROM parts WHERE rowid IN (SELECT rowid FROM parts WHERE id NOT IN (SELECT id FROM snapshots) LIMIT 1)"
_DROP_SNAPSHOTS = "DELETE FROM snapshots WHERE id <= ? AND id NOT IN (SELECT id FROM snapshots WHERE whole ORDER BY place DESC LIMIT 2)"


class SqliteStore:
    """A store in the database at ``path``; ``create`` makes or migrates it where needed.

    Who finds it locked waits ``patience`` seconds; between the steps of a snapshot come ``pause`` seconds for who else wants to write.
    """

    def __init__(
        self, path: Path, *, create: bool = True, patience: float = 1.0, pause: float = 0.0, migrations: Sequence[Migration] = MIGRATIONS
    ) -> None:
        self.path = path
        self._create = create
        self._patience = patience
        self._pause = pause
        self._migrations = migrations
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._is_full = False
        self._last = -1
        self._known = 0
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)

    # --- opening and closing

    def open(self) -> Recovered:
        """Opens the store, brought to this version. Raises StoreError."""
        try:
            if self._create:
                make(self.path)
            found = self.path.stat()
        except OSError as wrong:
            raise StoreError(in_words(wrong, self.path)) from wrong
        self._file = (found.st_dev, found.st_ino)
        with self._reading() as connection:
            if self._create:
                migrate(connection, self.path, self._migrations)
            else:
                check(connection, self.path, len(self._migrations))
            cursors = dict(connection.execute("SELECT name, position FROM cursors ORDER BY name"))
            self._known = _last(connection)
            return Recovered(snapshots=_places(connection), last=self._known, cursors=cursors)

    def close(self) -> None:
        """Closes the store; nothing is written afterwards."""
        with self._lock:
            self._drop_writer()

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path, self._patience)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of the reader's own; what goes wrong is told in words."""
        connection = None
        try:
            connection = self._connect()
            yield connection
        except sqlite3.Error as wrong:
            raise StoreError(in_words(wrong, self.path)) from wrong
        finally:
            if connection is not None:
                connection.close()

    @contextmanager
    def _writing(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction. Where it fails the connection goes, and what was begun with it."""
        try:
            connection = self._get_writer()
            if durable is not self._is_full:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._is_full = durable
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            if connection.in_transaction:
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as wrong:
            self._drop_writer()
            raise StoreError(in_words(wrong, self.path)) from wrong
        except BaseException:
            self._drop_writer()
            raise

    def _get_writer(self) -> sqlite3.Connection:
        found = self.path.stat()
        if (found.st_dev, found.st_ino) != self._file:
            raise StoreError(f"{self.path} was replaced while it was in use; restart gatepost")
        if self._writer is None:
            self._writer = self._connect()
            self._is_full = False
            self._last = _last(self._writer)
        return self._writer

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # --- the journal

    def write(self, batch: Batch) -> None:
        """Writes a batch in one transaction. Raises StoreError; then nothing of it is there."""
        durable = bool(batch.audit) or any(issubclass(kind, Deed) for kind in set(map(type, batch.entries)))
        last = batch.first + len(batch.entries) - 1
        with self._lock:
            with self._writing(durable) as connection:
                start = max(batch.first, self._last + 1)
                rows = [self._row(batch, at - batch.first) for at in range(start, last + 1, ROW)]
                connection.executemany("INSERT INTO journal (first, last, crc, entries, lines) VALUES (?, ?, ?, ?, ?)", rows)
                connection.executemany(_CURSOR, batch.cursors.items())
                connection.executemany(_AUDIT, _audit_rows(batch.audit))
            if batch.entries:
                self._last = max(self._last, last)

    def _row(self, batch: Batch, start: int) -> tuple[int, int, int, bytes, bytes | None]:
        entries, lines = batch.entries[start : start + ROW], batch.lines[start : start + ROW]
        data, first = self._compressor.compress(encode_entries(entries)), batch.first + start
        return first, first + len(entries) - 1, zlib.crc32(data), data, self._pack(lines) if any(lines) else None

    def _pack(self, lines: list[str]) -> bytes:
        return self._compressor.compress(encode_lines(lines))

    def entries_after(self, place: int) -> Iterator[tuple[int, Entry]]:
        """The journal's entries behind a place, each with its own, in order. Raises DamagedError, and StoreError."""
        for batch in self._after(place, "NULL"):
            yield from enumerate(batch.entries, batch.first)

    def batches_after(self, place: int) -> Iterator[Batch]:
        """The journal behind a place, with its log lines, a batch for each row. Raises DamagedError, and StoreError."""
        yield from self._after(place, "lines")

    def _after(self, place: int, lines: str) -> Iterator[Batch]:
        with self._reading() as connection:
            found = connection.execute("SELECT max(first) FROM journal WHERE first <= ?", (place,)).fetchone()[0]
            start = found or 0
            while rows := self._rows(connection, max(start, place + 1), start, lines):
                for first, last, crc, data, packed in rows:
                    if last > place:
                        entries = self._entries(first, last, crc, data)
                        skipped = max(0, place + 1 - first)
                        texts = _unpack(packed, len(entries))
                        yield Batch(first=first + skipped, entries=entries[skipped:], lines=texts[skipped:])
                start = rows[-1][1] + 1

    def _rows(self, connection: sqlite3.Connection, next_place: int, start: int, lines: str) -> list[tuple[int, int, int, bytes, bytes | None]]:
        """The next few rows. A statement left open would keep the write-ahead log from being taken in."""
        found: list[tuple[int, int, int, bytes, bytes | None]] = []
        try:
            found.extend(connection.execute(_ROWS.format(lines), (start,)))
        except sqlite3.DatabaseError as wrong:
            if wrong.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            if not found:
                text = f"the journal in {self.path} is damaged from entry {next_place} on: {wrong}"
                raise DamagedError(text, next_place, max(self._known, next_place)) from wrong
        return found

    def _entries(self, first: int, last: int, crc: int, data: bytes) -> list[Entry]:
        try:
            if zlib.crc32(data) != crc:
                raise ValueError("the checksum is wrong")
            entries = decode_entries(zstandard.ZstdDecompressor().decompress(data))
            if len(entries) != last - first + 1:
                raise ValueError(f"{last - first + 1} entries were written and {len(entries)} are there")
        except (ValueError, zstandard.ZstdError) as wrong:
            raise DamagedError(f"the journal in {self.path} is damaged at entries {first} to {last}: {wrong}", first, last) from wrong
        return entries

    def forget_lines(self, about: Callable[[Entry, str], bool]) -> int:
        """Blanks the log lines for which ``about`` holds, a row at a time; how many. Raises StoreError."""
        many = 0
        for batch in self.batches_after(0):
            gone = [at for at, line in enumerate(batch.lines) if line and about(batch.entries[at], line)]
            if gone:
                lines = ["" if at in set(gone) else line for at, line in enumerate(batch.lines)]
                with self._step() as connection:
                    connection.execute("UPDATE journal SET lines = ? WHERE first = ?", (self._pack(lines), batch.first))
                many += len(gone)
        return many

    # --- snapshots

    def snapshot(self, place: int) -> bytes:
        """The snapshot at a place. Raises StoreError where it is damaged or gone."""
        with self._reading() as connection:
            found = connection.execute("SELECT id, crc FROM snapshots WHERE place = ? AND whole ORDER BY id DESC", (place,)).fetchone()
            if found is None:
                raise StoreError(f"{self.path} has no snapshot at entry {place}")
            data = b"".join(part for (part,) in connection.execute("SELECT data FROM parts WHERE id = ? ORDER BY number", (found[0],)))
        try:
            if zlib.crc32(data) != found[1]:
                raise ValueError("the checksum is wrong")
            return zstandard.ZstdDecompressor().decompress(data)
        except (ValueError, zstandard.ZstdError) as wrong:
            raise StoreError(f"the snapshot at entry {place} in {self.path} is damaged: {wrong}") from wrong

    def save_snapshot(self, place: int, data: bytes, base: int | None = None, keep: int | None = None) -> bool:
        """Keeps a snapshot and the one before it, and the journal behind the older. Returns whether it was kept. Raises StoreError."""
        packed = zstandard.ZstdCompressor(level=3).compress(data)
        parts = [packed[at : at + PART] for at in range(0, len(packed), PART)]
        with self._lock, self._writing() as connection:
            about = (place, len(parts), zlib.crc32(packed))
            number = connection.execute("INSERT INTO snapshots (place, parts, crc) VALUES (?, ?, ?)", about).lastrowid or 0
        for at, part in enumerate(parts):
            with self._step() as connection:
                connection.execute("INSERT INTO parts (id, number, data) VALUES (?, ?, ?)", (number, at, part))
        with self._step(durable=True) as connection:
            kept = _finish(connection, number, place, base)
            self._last = max(self._last, _last(connection))
        self._tidy(keep)
        return kept

    @contextmanager
    def _step(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One of several transactions, with time for others before it."""
        time.sleep(self._pause)
        with self._lock, self._writing(durable) as connection:
            yield connection

    def _tidy(self, keep: int | None) -> None:
        """Drops what no kept snapshot needs, in slices, and gives room back to the disk where more than half of the file is free."""
        self._repeat(_DROP_PARTS, ())
        with self._reading() as connection:
            places = _places(connection)
        if len(places) > 1:
            self._repeat(_DROP_ENTRIES, (places[-1] if keep is None else min(keep, places[-1]), SLICE))
        with self._reading() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        for _ in range(max(0, free - max(SPARE, pages // 2)) // VACUUMED):
            with self._step() as connection:
                # `execute` would stop after the first page; this one commits, vacuums, and leaves no transaction.
                connection.executescript(f"PRAGMA incremental_vacuum({VACUUMED})")

    def _repeat(self, statement: str, values: tuple[int, ...]) -> None:
        """Carries out a statement, a transaction each time, until it finds nothing."""
        found = 1
        while found:
            with self._step() as connection:
                found = connection.execute(statement, values).rowcount

    # --- the audit trail

    def audit(self, limit: int = 100, before: int = 0) -> list[tuple[int, Audit]]:
        """The audit trail, newest first, each line with its number; ``before`` a number goes on from there."""
        asked = "SELECT number, at, who, action, subject, before, after, reason FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?"
        with self._reading() as connection:
            found = connection.execute(asked, (before or 1 << 62, limit)).fetchall()
        names = Audit.__struct_fields__
        return [(number, Audit(**dict(zip(names, line, strict=True)))) for number, *line in found]

    def audit_at(self, at: int) -> list[Audit]:
        """The lines of the audit trail that carry this very time."""
        with self._reading() as connection:
            found = connection.execute("SELECT at, who, action, subject, before, after, reason FROM audit WHERE at = ?", (at,)).fetchall()
        return [Audit(**dict(zip(Audit.__struct_fields__, line, strict=True))) for line in found]

    # --- records

    def records(self, kind: str) -> dict[str, bytes]:
        """The records of a kind, by their key. Raises StoreError."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT key, data FROM records WHERE kind = ? ORDER BY key", (kind,)))

    def keep(self, records: Sequence[Record], audit: Sequence[Audit] = ()) -> None:
        """Writes records and lines of the audit trail in one transaction, on disk when it returns. Raises StoreError."""
        gone = [(each.kind, each.key) for each in records if each.data is None]
        with self._lock, self._writing(durable=True) as connection:
            connection.executemany("DELETE FROM records WHERE kind = ? AND key = ?", gone)
            connection.executemany(_KEEP, [(each.kind, each.key, each.data) for each in records if each.data is not None])
            connection.executemany(_AUDIT, _audit_rows(audit))


def _audit_rows(audit: Sequence[Audit]) -> list[list[object]]:
    return [[getattr(each, name) for name in Audit.__struct_fields__] for each in audit]


def _unpack(packed: bytes | None, many: int) -> list[str]:
    """The log lines of a row; none where they are damaged: they are there to be shown, and nothing hangs on them."""
    if not packed:
        return []
    try:
        found = decode_lines(zstandard.ZstdDecompressor().decompress(packed))
    except (ValueError, zstandard.ZstdError):
        return []
    return found if len(found) == many else []


def _last(connection: sqlite3.Connection) -> int:
    """The newest place of which a database knows."""
    rows = connection.execute("SELECT last FROM journal ORDER BY first DESC LIMIT 1").fetchone()
    snapshots = connection.execute("SELECT max(place) FROM snapshots WHERE whole").fetchone()
    return max(rows[0] if rows else 0, snapshots[0] or 0)


def _places(connection: sqlite3.Connection) -> tuple[int, ...]:
    """The places of the whole snapshots, the newest first."""
    return tuple(place for (place,) in connection.execute("SELECT place FROM snapshots WHERE whole ORDER BY place DESC"))


def _finish(connection: sqlite3.Connection, number: int, place: int, base: int | None) -> bool:
    """Declares a snapshot whole where nobody was faster, and forgets all but the two newest. Returns whether this one was kept."""
    newest = max(_places(connection), default=0)
    whole = "SELECT count(*) FROM snapshots WHERE id = ? AND parts = (SELECT count(*) FROM parts WHERE parts.id = snapshots.id)"
    if base not in (None, newest) or not connection.execute(whole, (number,)).fetchone()[0]:
        connection.execute("DELETE FROM snapshots WHERE id = ?", (number,))
        return False
    connection.execute("UPDATE snapshots SET whole = 1 WHERE id = ?", (number,))
    connection.execute("DELETE FROM snapshots WHERE place = ? AND id < ?", (place, number))
    connection.execute(_DROP_SNAPSHOTS, (number,))
    return place in _places(connection)
