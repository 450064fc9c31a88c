"""Python programs that tests run beside themselves."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATHS = os.pathsep.join(path for path in sys.path if path)

WRITE_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from gatepost.pipeline.journal import Journal
from gatepost.stores.sqlite import SqliteStore
from tests.stores.histories import run

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    place = store.open().last
    journal = Journal(store, place)
    many = 1
    while True:
        many = many * 7 % 1511 + 1
        for entry in run(place + 1, many):
            place += 1
            journal.add(place, [entry], {"logs": str(place).encode()})
        assert await journal.stored(place)
        print(place, flush=True)

asyncio.run(main())
"""

FILL_THE_DISK = """
import sys
from pathlib import Path
from gatepost.stores.contract import StoreError
from gatepost.stores.sqlite import SqliteStore
from tests.stores.histories import batch, numbered

folder = Path(sys.argv[1])
store = SqliteStore(folder / "gatepost.db")
store.open()
filler = folder / "filler"
filler.write_bytes(b"x" * (1 << 20))
last = 0
try:
    while True:
        store.write(batch(last + 1, 2000))
        last += 2000
except StoreError as wrong:
    print(wrong)
# Shut, and opened again while there is no room.
store.close()
try:
    store.open()
    store.write(batch(last + 1, 20000))
except StoreError as wrong:
    print(wrong)
filler.unlink()
assert store.open().last == last
store.write(batch(last + 1, 2000))
assert list(store.entries_after(0)) == numbered(1, last + 2000)
print("all there")
"""


def start(program: str, *arguments: str | Path, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Starts a program; ``before`` is a command that runs it."""
    return _popen([*before, sys.executable, "-c", program, *map(str, arguments)])


def keeper(path: Path) -> subprocess.Popen[str]:
    """Starts the keeper on a database."""
    return _popen([sys.executable, "-m", "gatepost.keeper", str(path)])


def _popen(command: list[Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": PATHS})
