"""A guard that only stores: follows a log, and writes facts and cursors to SQLite in one transaction every few milliseconds.

    python -m tests.inlets.guard DATABASE LOG

It is there to be killed.
"""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Sequence
from datetime import UTC

import msgspec

from gatepost.core.facts import Fact
from gatepost.inlets.logfile import LogFileInlet, LogFileSettings

FLUSH = 0.02
GRACE = 1


class Store:
    """Facts in the order in which they were reported, and the cursors behind them."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = off")
        self._db.execute("create table if not exists facts (place integer primary key, fact blob)")
        self._db.execute("create table if not exists cursors (name text primary key, cursor blob)")
        self._facts: list[tuple[bytes]] = []
        self._cursors: dict[str, bytes] = {}

    def cursors(self) -> dict[str, bytes]:
        """The cursors that were stored."""
        return dict(self._db.execute("select name, cursor from cursors"))

    def report(self, facts: Sequence[Fact], name: str, cursor: bytes, lines: Sequence[str]) -> None:
        """Takes a report; it is written with the next transaction."""
        self._facts += [(msgspec.json.encode(fact),) for fact in facts]
        self._cursors[name] = cursor

    def flush(self) -> None:
        """Writes what was reported, all or nothing."""
        self._db.execute("begin immediate")
        self._db.executemany("insert into facts (fact) values (?)", self._facts)
        self._db.executemany("insert or replace into cursors values (?, ?)", self._cursors.items())
        self._db.execute("commit")
        self._facts.clear()
        self._cursors.clear()


async def guard(database: str, log: str) -> None:
    """Follows until it is killed."""
    store = Store(database)
    settings = LogFileSettings(path=log, grace_s=GRACE, poll_ms=100)
    inlet = LogFileInlet(settings, store.report, lambda: time.time_ns() // 1000, store.cursors(), zone=UTC)
    await inlet.catch_up()
    follower = asyncio.create_task(inlet.run())
    print("ready", flush=True)
    while not follower.done():
        await asyncio.sleep(FLUSH)
        store.flush()
    follower.result()


if __name__ == "__main__":
    asyncio.run(guard(*sys.argv[1:]))
