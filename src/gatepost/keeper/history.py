"""The history on disk: rows into Parquet files, one for each day in the end.

Job: write rows, merge small files into larger ones and a finished day into one, and let go what is too old or too much. Promise: a file is whole or
not there, and its name says which entries it holds, so that after any crash nothing is there twice and what is missing is known; DuckDB never takes
more than its bound of memory. Limits: one process writes; the day of an entry is that of the newest fact before it.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
from msgspec import structs

from gatepost.keeper.files import HistorySettings, Piece, name, pieces, reached, tidy
from gatepost.keeper.rows import Row

MEMORY = "112MB"
"""What DuckDB may use; the process needs about as much again for its engine and DuckDB's own code."""
AT_ONCE = 20_000
"""Rows that wait for a file at most."""
MANY = 12
"""Files of one day that are merged."""
GROUP = 30_720
"""Rows in a row group: small, so that a look-up by client reads little."""
COLUMNS = (
    "{place: 'BIGINT', 'at': 'BIGINT', kind: 'VARCHAR', host: 'VARCHAR', protocol: 'VARCHAR', service: 'VARCHAR', client: 'VARCHAR', "
    "account: 'VARCHAR', reason: 'VARCHAR', evidence_only: 'BOOLEAN', detail: 'VARCHAR', line: 'VARCHAR'}"
)


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB that keeps within its bounds and asks no network."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": 1,
        "temp_directory": str(folder / "making.spill"),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    return duckdb.connect(config=config)


class History:
    """The history in a folder."""

    def __init__(self, folder: Path, settings: HistorySettings) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.settings = settings
        self.written = 0
        self.dropped_days = 0
        self.waiting: list[Row] = []
        self.database = connect(folder)
        tidy(folder)
        self.generation, self.place = reached(folder)
        """``place`` is that of the newest entry that is written."""
        self.missing = self._count_missing()
        self._day = ""

    def begin_anew(self, place: int) -> None:
        """The store has less than the history: what comes behind a place is another course of events."""
        self.generation += 1
        self.place = place

    @property
    def salt(self) -> bytes:
        """What masked names are mixed with; made once."""
        file = self.folder / "salt"
        with contextlib.suppress(FileExistsError), open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(secrets.token_bytes(16))
        return file.read_bytes()

    def source(self, since: int = 0) -> str:
        """What to select from; the files of the days from a time on. Raises LookupError where there are none."""
        first = day_of(since)
        found = [piece.path for piece in pieces(self.folder) if piece.day >= first]
        if not found:
            raise LookupError("no history")
        return f"read_parquet([{', '.join(_quoted(path) for path in found)}])"

    def source_of(self, places: Sequence[int]) -> str:
        """What to select entries at some places from. Raises LookupError where no file has one."""
        found = [piece.path for piece in pieces(self.folder) if any(piece.first <= place <= piece.last for place in places)]
        if not found:
            raise LookupError("no history")
        return f"read_parquet([{', '.join(_quoted(path) for path in found)}])"

    def begins(self) -> int:
        """About when the history begins: the time of its first entry."""
        found = pieces(self.folder)
        row = self.database.execute(f'SELECT "at" FROM read_parquet({_quoted(found[0].path)}) LIMIT 1').fetchone() if found else None
        return int(row[0]) if row else 0

    # --- writing

    def add(self, rows: Sequence[Row], newest: int) -> None:
        """Takes rows of whole entries in; ``newest`` is the time of the newest fact so far."""
        day = day_of(newest)
        try:
            if self._day and day > self._day:
                self.flush()
        finally:  # also where it could not be written now: then these wait with the others
            self._day = max(day, self._day)
            self.waiting += rows
        if len(self.waiting) >= AT_ONCE:
            self.flush()

    def flush(self, until: int = 0) -> None:
        """Writes what waits; entries up to ``until`` are in the history then, with rows or without."""
        if not self.waiting:
            return
        last = max(until, *(row.place for row in self.waiting))
        making = self.folder / "making.json"
        with open(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(msgspec.json.Encoder().encode_lines(self.waiting))
        found = f"SELECT * FROM read_json({_quoted(str(making))}, format = 'newline_delimited', columns = {COLUMNS}, maximum_object_size = 1048576)"
        self._make(found, Piece(self.generation, self.place + 1, last, self._day, "", 0))
        making.unlink()
        self.written += len(self.waiting)
        self.waiting = []
        self.place = last
        self._merge()
        self.expire()

    def _make(self, select: str, piece: Piece, options: str = "", values: Sequence[object] = ()) -> None:
        """Makes a file of a query, whole or not at all."""
        making = self.folder / "making.parquet"
        making.touch(mode=0o600)
        how = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {GROUP}{options}"
        self.database.execute(f"COPY ({select}) TO {_quoted(str(making))} ({how})", values)
        os.chmod(making, 0o600)
        os.replace(making, self.folder / name(piece.day, piece.generation, piece.first, piece.last))

    def _merge(self) -> None:
        """Merges files of a size where a day has many, and all files of each day that is over."""
        by_day: dict[tuple[int, str], list[Piece]] = {}
        for piece in pieces(self.folder):
            by_day.setdefault((piece.generation, piece.day), []).append(piece)
        for (generation, day), found in by_day.items():
            if (generation, day) < (self.generation, self._day) and len(found) > 1:
                self._merge_pieces(found, over=True)
                continue
            # Sizes fall from the first to the last: each row is written again a few times a day, not with every file.
            while len(found) >= MANY:
                small = max(found[-MANY].size, 1) * 4
                first = next((at for at, piece in enumerate(found) if piece.size <= small), 0)
                self._merge_pieces(found[first:])
                found = [piece for piece in pieces(self.folder) if (piece.generation, piece.day) == (generation, day)]

    def _merge_pieces(self, found: Sequence[Piece], over: bool = False) -> None:
        paths = ", ".join(_quoted(piece.path) for piece in found)
        # A finished day is sorted by client, so that a client is in one row group or two; where the sort has no room, it stays in its order. A
        # dictionary in each row group brings a bloom filter with it, for look-ups by account and in the day that runs.
        whole, options = structs.replace(found[0], last=found[-1].last), f", DICTIONARY_SIZE_LIMIT {GROUP}"
        try:
            self._make(f"SELECT * FROM read_parquet([{paths}]) {'ORDER BY client, place' if over else ''}", whole, options)
        except duckdb.OutOfMemoryException:
            self._make(f"SELECT * FROM read_parquet([{paths}])", whole, options)
        for piece in found:
            with contextlib.suppress(FileNotFoundError):
                if (piece.first, piece.last) != (found[0].first, found[-1].last):
                    os.unlink(piece.path)

    def expire(self) -> None:
        """Removes the days that are too old, and the oldest while all take too much room."""
        found = pieces(self.folder)
        oldest = (datetime.fromisoformat(self._day or "1970-01-01") - timedelta(days=self.settings.days)).strftime("%Y-%m-%d")
        room = self.settings.max_mb << 20
        total = sum(piece.size for piece in found)
        gone: set[str] = set()
        for piece in found[:-1]:
            if piece.day > oldest and total <= room:
                break
            self.dropped_days += piece.day > oldest and piece.day not in gone
            total -= piece.size
            os.unlink(piece.path)
            gone.add(piece.day)
        if gone:
            self.missing = self._count_missing()

    # --- forgetting and counting

    def forget(self, where: str, values: Sequence[object], about: Callable[[Row], bool]) -> int:
        """Rewrites the files without the rows that a condition names; how many went."""
        many = len(self.waiting)
        self.waiting = [row for row in self.waiting if not about(row)]
        many -= len(self.waiting)
        for piece in pieces(self.folder):
            source = f"read_parquet({_quoted(piece.path)})"
            hit = self.database.execute(f"SELECT count(*) FROM {source} WHERE {where}", values).fetchone()
            if hit and hit[0]:
                many += hit[0]
                kept = f"SELECT * FROM {source} WHERE NOT coalesce(({where}), false)"
                self._make(kept, piece, f", DICTIONARY_SIZE_LIMIT {GROUP}", values)
        return many

    def _count_missing(self) -> int:
        with contextlib.suppress(LookupError):
            found = f"SELECT sum(CAST(json_extract(detail, '$.missing') AS BIGINT)) FROM {self.source()} WHERE kind = 'gap'"
            row = self.database.execute(found).fetchone()
            return int(row[0] or 0) if row else 0
        return 0


def day_of(at: int) -> str:
    """The day of a time, in UTC."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
