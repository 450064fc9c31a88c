"""Writes a log as a daemon does, in a process of its own: batches of lines, until all are written.

    python -m tests.inlets.writer LOG RATE (TOTAL | FILE) [HOW MILLISECONDS]

The lines are numbered ones, or those of a file. It opens the log anew when its name leads elsewhere, but looks only now and then, so that lines
arrive late in a renamed file. It writes while it holds the lock LOG.lock: who truncates must hold it too, or lose lines like any administrator.
With HOW (``rename`` or ``copytruncate``) it rotates the log itself.
"""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from tests.inlets.following import line

BATCH = 20
LOOK = 7
"""Batches between two looks at the log's name."""


def rotate(log: Path, how: str, copies: list[Path]) -> None:
    """Rotates a log as logrotate does; what it is called then never changes."""
    copy = log.with_name(f"{log.name}-{20_000_000 + len(copies)}")
    copies.append(copy)
    if how == "rename":
        log.rename(copy)
    else:
        shutil.copy(log, copy)
        os.truncate(log, 0)


def write(log: Path, rate: int, texts: Iterator[str], how: str, every: float) -> None:
    """Writes the lines, so many a second."""
    file: IO[str] | None = None
    copies: list[Path] = []
    start = rotated = time.monotonic()
    written = batches = 0
    with log.with_name(log.name + ".lock").open("w") as lock:
        while batch := list(islice(texts, BATCH)):
            fcntl.flock(lock, fcntl.LOCK_EX)
            if how and time.monotonic() - rotated > every:
                rotate(log, how, copies)
                rotated = time.monotonic()
            if file is None or (batches % LOOK == 0 and not _is(file, log)):
                if file is not None:
                    file.close()
                file = log.open("a")
            file.write("".join(batch))
            file.flush()
            fcntl.flock(lock, fcntl.LOCK_UN)
            batches += 1
            written += len(batch)
            ahead = written / rate - (time.monotonic() - start)
            if ahead > 0:
                time.sleep(ahead)
    if file is not None:
        file.close()


def _is(file: IO[str], log: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), log.stat())
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    log, rate, what, *more = sys.argv[1:]
    source = map(line, range(int(what))) if what.isdigit() else iter(Path(what).read_text().splitlines(keepends=True))
    write(Path(log), int(rate), source, more[0] if more else "", int(more[1]) / 1000 if more else 0.0)
