"""A guard that only stores: follows a journal, and writes facts and cursors to SQLite in one transaction every few milliseconds.

    python -m tests.inlets.journal_guard DATABASE FOLDER

It is there to be killed.
"""

import asyncio
import sys
import time

from gatepost.inlets.journal import JournalInlet, JournalSettings
from tests.inlets.guard import FLUSH, Store


async def guard(database: str, folder: str) -> None:
    """Follows until it is killed."""
    store = Store(database)
    inlet = JournalInlet(JournalSettings(directory=folder), store.report, lambda: time.time_ns() // 1000, store.cursors())
    await inlet.catch_up()
    follower = asyncio.create_task(inlet.run())
    store.flush()
    print("ready", flush=True)
    while not follower.done():
        await asyncio.sleep(FLUSH)
        store.flush()
    follower.result()


if __name__ == "__main__":
    asyncio.run(guard(*sys.argv[1:]))
