"""One daemon for each state folder.

Job: take a lock that says who uses a folder. Promise: the lock goes with the process, however it ends; the file that is left behind locks nobody
out. Limits: processes of one machine; a share that does not carry flock locks nobody out either.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from gatepost.stores.contract import RefusedError, StoreError


class Lock:
    """A state folder that is ours until `release`, or until the process ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as wrong:
            cure = "it must be there, be writable, and belong to the user that gatepost runs as"
            raise StoreError(f"the state folder {folder} cannot be used ({wrong.strerror}); {cure}") from wrong
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as wrong:
            pid = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            who = f"another gatepost (pid {pid})" if pid.isdecimal() else "another gatepost"
            raise RefusedError(f"{who} is using {folder}; stop it first, or give this one a state folder of its own") from wrong
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same, only without a name
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Gives the folder back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def lock(folder: Path) -> Lock:
    """Takes a state folder, made with mode 0700 where it is missing. Raises StoreError where another process has it."""
    return Lock(folder)
