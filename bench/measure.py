"""Measures child processes, and prints tables of what was measured.

Job: run a command, wait for it alone, and tell its wall clock, its CPU time and its largest resident memory.
Promise: CPU time is the child's own (`wait4`), with the children that it waited for; nothing of this process is in it.
Limits: peak memory below this process's own at the time of the start (some 20 MB) can't be told from it: the kernel hands it on.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 1024


@dataclass(frozen=True)
class Usage:
    """What one run took."""

    wall: float
    cpu: float
    rss: float
    """MiB at most."""
    status: int = 0
    note: str = ""


class RunError(Exception):
    """A command did not do what it was to do; the text says what it said instead."""


def run(
    command: Sequence[str],
    *,
    stdin: Path = Path(os.devnull),
    stdout: Path = Path(os.devnull),
    stderr: Path | None = None,
    env: Mapping[str, str] | None = None,
    ok: Sequence[int] = (0,),
) -> Usage:
    """Run a command to its end. Its output goes to a file or nowhere; what it says on stderr is told if it fails."""
    with stdin.open("rb") as source, stdout.open("wb") as target, stderr.open("w+b") if stderr else tempfile.TemporaryFile() as said:
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=source, stdout=target, stderr=said, env={**os.environ, **(env or {})})
        usage = reap(child, start)
        if usage.status not in ok:
            said.seek(0)
            raise RunError(f"{command[0]} ended with {usage.status}: {said.read().decode(errors='replace').strip()[-300:]}")
    return usage


def reap(child: subprocess.Popen[bytes], start: float) -> Usage:
    """Wait for a child, and tell what it took since it started."""
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Usage(time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / MIB, child.returncode)


def run_until_idle(command: Sequence[str], *, env: Mapping[str, str] | None = None, at_most: float, quiet: float = 3.0) -> Usage:
    """Run a server that never ends, until it has burned no CPU for a while: then it has eaten its input. The while is not in the wall clock."""
    start = time.monotonic()
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **(env or {})}
    )
    busy, last = start, 0.0
    while time.monotonic() - start < at_most:
        time.sleep(0.25)
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        used = _cpu_of(child.pid)
        if used - last > 0.02:
            busy, last = time.monotonic(), used
        elif time.monotonic() - busy > quiet:
            break
    finished = time.monotonic() - busy > quiet
    child.send_signal(signal.SIGTERM)
    usage = reap(child, start)
    return Usage(busy - start, last, usage.rss, 0 if finished else 1)


def _cpu_of(pid: int) -> float:
    """User and system seconds of a live process (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def middle(usages: Sequence[Usage]) -> Usage:
    """The medians of several runs; of memory, the largest."""
    return Usage(
        median(u.wall for u in usages), median(u.cpu for u in usages), max(u.rss for u in usages), max(u.status for u in usages), usages[-1].note
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns: the first to the left, the others to the right, a last one named `note` to the left."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    lines = []
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [
            cell.ljust(width) if n == 0 or head[n] == "note" else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def count(number: float) -> str:
    """A number for people: 16.6 k, 1.20 M."""
    if number >= 1e6:
        return f"{number / 1e6:.2f} M"
    return f"{number / 1e3:.1f} k" if number >= 1e4 else f"{number:.0f}"
