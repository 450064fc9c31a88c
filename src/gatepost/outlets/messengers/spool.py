"""Messages that wait to be handed over, on disk.

Job: keep the messages of one channel in their order until somebody took them. Promise: what `put` returned from is there after any end of the
process; a folder never grows beyond its bounds: the oldest leave first, counted; a file that cannot be read is let go, counted. Limits: synchronous,
called from a thread; where the disk fails, messages are kept in memory.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from gatepost.pipeline.messengers import Message

MOST = 1_000
MOST_BYTES = 32 * 1024 * 1024


class Spool:
    """The messages of one channel, in a folder of its own."""

    def __init__(self, folder: Path, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.dropped = 0
        """Messages that were let go since the start, unread ones included."""
        self.problem = ""
        """Why messages are kept in memory alone; empty where the disk takes them."""
        self._folder = folder
        self._most, self._most_bytes = most, most_bytes
        self._sizes: dict[str, int] = {}
        self._memory: dict[str, bytes] = {}
        self._next = 1

    def open(self) -> None:
        """Finds what waited at the last end."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file in self._folder.iterdir():
                if file.suffix == ".new":
                    file.unlink()
            found = sorted(file for file in self._folder.iterdir() if file.suffix == ".json" and file.stem.isdigit() and file.is_file())
            self._sizes = {file.name: file.stat().st_size for file in found}
        except OSError as wrong:
            self.problem = f"{self._folder}: {wrong.strerror}"
            return
        self._next = int(found[-1].stem) + 1 if found else 1

    def __len__(self) -> int:
        return len(self._sizes)

    def put(self, message: Message) -> None:
        """Takes a message in, behind all others."""
        data = msgspec.json.encode(message)
        name = f"{self._next:012}.json"
        self._next += 1
        try:
            self._write(name, data)
            self.problem = ""
        except OSError as wrong:
            self.problem = f"{self._folder}: {wrong.strerror}"
            self._memory[name] = data
        self._sizes[name] = len(data)
        while len(self._sizes) > 1 and (len(self._sizes) > self._most or sum(self._sizes.values()) > self._most_bytes):
            # The first may be on its way just now: the one behind it leaves.
            self._remove(list(self._sizes)[1 if len(self._sizes) > 2 else 0])
            self.dropped += 1

    def _write(self, name: str, data: bytes) -> None:
        fresh = self._folder / f"{name}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def first(self) -> tuple[str, Message] | None:
        """The oldest message and its name; None where nothing waits."""
        while self._sizes:
            name = next(iter(self._sizes))
            try:
                data = self._memory.get(name) or (self._folder / name).read_bytes()
                return name, msgspec.json.decode(data, type=Message)
            except (OSError, msgspec.MsgspecError):
                self.drop(name)
        return None

    def done(self, name: str) -> None:
        """A message was taken."""
        self._remove(name)

    def drop(self, name: str) -> None:
        """A message is let go."""
        if name in self._sizes:
            self._remove(name)
            self.dropped += 1

    def _remove(self, name: str) -> None:
        self._sizes.pop(name, None)
        if self._memory.pop(name, None) is None:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()
