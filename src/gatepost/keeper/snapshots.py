"""Snapshots of the engine, made beside the daemon.

Job: bring the newest snapshot up to what the journal knows, and keep it as a new one. Promise: the daemon is never held up (it waits for one
step of a snapshot at most); a snapshot that would replace a better one is not kept. Limits: a second engine in memory while it works; it
migrates nothing.
"""

from pathlib import Path

from gatepost.core.snapshot import dump
from gatepost.keeper.files import reached
from gatepost.pipeline.recovery import recover
from gatepost.stores.contract import StoreError
from gatepost.stores.sqlite import SqliteStore

PATIENCE = 10.0
"""Seconds that it waits for the daemon's own writes."""
PAUSE = 0.02
KEPT = 5_000_000
"""Entries that stay in the journal at most for a history that lags; what it misses then is counted there."""
"""Seconds between its steps, in which the daemon may write."""


def make_snapshot(path: Path) -> str:
    """Makes a snapshot in the database at ``path``. Returns what was done, in a line. Raises StoreError."""
    store = SqliteStore(path, create=False, patience=PATIENCE, pause=PAUSE)
    try:
        found = recover(store)
        if found.place == found.base:
            return f"{path}: nothing new behind entry {found.base}"
        data = dump(found.engine)
        if not store.save_snapshot(found.place, data, found.base, _still_read(path, found.place)):
            return f"{path}: another snapshot was made meanwhile; this one is not kept"
        notes = "".join(f"; {note}" for note in found.notes)
        return f"{path}: snapshot at entry {found.place} ({found.applied} entries brought in, {len(data)} bytes){notes}"
    finally:
        store.close()


def _still_read(path: Path, place: int) -> int | None:
    """Up to where the history beside a database has read; None where there is none, or it lags too far behind."""
    _, read = reached(path.parent / "history")
    return read if read and place - KEPT < read < place else None


def main(arguments: list[str]) -> tuple[str, int]:
    """What ``python -m gatepost.keeper DATABASE`` says, and its exit code."""
    if len(arguments) != 1:
        return "usage: python -m gatepost.keeper DATABASE", 2
    try:
        return make_snapshot(Path(arguments[0])), 0
    except StoreError as wrong:
        return str(wrong), 1
