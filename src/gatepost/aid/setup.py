"""Wires a mail server to Gatepost: plans the lines, shows them as a diff, puts them in force, and takes them back when the server objects.

Job: what the setups of all servers share: a plan of changed files, and its application. Promise: nothing is written that was not shown; each file has
a backup beside it first, keeps its owner and rights, and is replaced in one go; where the server's own check fails, or the lines are not found again
afterwards, everything is as it was before. Limits: it reloads nothing: the plan says which command does.
"""

import contextlib
import difflib
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from gatepost.core.faults import BadInputError

SECONDS = 30
"""How long a server's check may take."""
LONGEST = 1 << 20
"""Bytes of a file of configuration, or of what a check says, that are looked at."""
FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:/usr/exim/bin"
_ESCAPES = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


class Change(Struct, frozen=True):
    """A file that is to hold another text."""

    path: str
    before: str | None
    """None where the file is not there yet."""
    after: str
    mode: int = 0o644
    """The rights of a file that is made; one that is there keeps its own."""

    @property
    def diff(self) -> str:
        """The unified diff."""
        old, new = (self.before or "").splitlines(True), self.after.splitlines(True)
        here = self.path if self.before is not None else "/dev/null"
        return "".join(line if line.endswith("\n") else line + "\n" for line in difflib.unified_diff(old, new, here, self.path))

    @property
    def lines(self) -> list[str]:
        """The lines that come in."""
        return [line[1:] for line in self.diff.split("\n") if line.startswith("+") and not line.startswith("+++ ")]


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be done so that a server asks."""

    server: str
    """``postfix``, ``dovecot`` or ``exim``."""
    changes: tuple[Change, ...]
    by_hand: tuple[str, ...] = ()
    """What this program does not change by itself, each with what to do."""
    notes: tuple[str, ...] = ()
    """What is good to know and needs nothing done."""
    check: tuple[str, ...] = ()
    """The server's own check of its configuration."""
    then: tuple[str, ...] = ()
    """Commands that put it in force, to be given afterwards."""


class Applied(Struct, frozen=True):
    """What came of a plan."""

    done: bool
    said: str = ""
    """Why it was taken back; empty where it was not."""
    backups: tuple[str, ...] = ()


def read(path: Path) -> str:
    """A server's file of configuration. Raises BadInputError where it cannot be read, is huge or no UTF-8 text."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            found = file.read(LONGEST + 1)
    except OSError as wrong:
        raise BadInputError(f"cannot be read: {wrong.strerror}; is this the folder of its configuration? --folder names another", str(path)) from None
    try:
        text = found.decode()
    except UnicodeDecodeError as wrong:
        raise BadInputError(f"is no UTF-8 text (byte {wrong.start}); add the lines by hand", str(path)) from None
    if len(found) > LONGEST:
        raise BadInputError("is larger than 1 MiB; add the lines by hand", str(path))
    return text


def near(listen: str) -> str:
    """Where a server on this host asks who listens there: one that listens everywhere is asked on loopback."""
    return listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


def added(path: Path, lines: str) -> Change:
    """A file of ours with lines at its end, made where it is not there."""
    before = read(path) if path.exists() else None
    gap = "\n" if before and before.strip() else ""
    end = "" if not before or before.endswith("\n") else "\n"
    return Change(str(path), before, f"{before or ''}{end}{gap}{lines}")


def run(command: Sequence[str]) -> tuple[int, str]:
    """A program's exit code and its words. It gets a terminal to speak to: Postfix tells its faults to the log where it has none."""
    program = shutil.which(command[0], path=FOLDERS)
    if program is None:
        return 127, f"{command[0]} is not installed"
    try:
        ours, theirs = pty.openpty()
    except OSError:  # a bare container has no terminals
        ours, theirs = os.pipe()
    try:
        done = subprocess.Popen(  # noqa: S603 - a fixed list of programs, found in the system's own folders; the words are a plan's
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={"LC_ALL": "C", "PATH": FOLDERS, "TERM": "dumb"},
            start_new_session=True,
        )
    except OSError as wrong:
        os.close(theirs)
        os.close(ours)
        return 126, f"{command[0]}: {wrong.strerror}"
    os.close(theirs)
    with open(ours, "rb", buffering=0):
        said, ended = _words(ours, done)
    if not ended:
        done.kill()
        said += f"\n{command[0]} took longer than {SECONDS} s"
    code = done.wait()
    return code if ended else 124, said.strip()


def _words(terminal: int, speaker: subprocess.Popen[bytes]) -> tuple[str, bool]:
    """What a program says on a terminal, and whether it ended in time. What it leaves behind may keep the terminal open."""
    found = b""
    until = time.monotonic() + SECONDS
    ended = False
    while not ended and time.monotonic() < until:
        ended = speaker.poll() is not None
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while len(found) < LONGEST and select.select([terminal], [], [], 0.05)[0] and (more := os.read(terminal, 65_536)):
                found += more
    return _ESCAPES.sub("", found.decode("utf-8", "replace").replace("\r\n", "\n")), ended


def apply(plan: Plan, again: Callable[[], Plan], check: Callable[[Sequence[str]], tuple[int, str]] = run) -> Applied:
    """Writes a plan's files, has the server check them, and makes the plan again, which must find nothing left to do. Takes everything back where
    one of these fails. Raises BadInputError, before anything is written, where a file has changed meanwhile or cannot be written."""
    for change in plan.changes:
        path = Path(change.path)
        if (read(path) if path.exists() else None) != change.before:
            raise BadInputError("has changed meanwhile; run setup again", change.path)
    backups = [kept for change in plan.changes if change.before is not None for kept in (_back_up(Path(change.path)),)]
    written: list[Change] = []
    try:
        for change in plan.changes:
            written.append(change)
            _write(Path(change.path), change.after, change.mode)
        code, said = check(plan.check) if plan.check else (0, "")
        if code:
            wrong = f"{' '.join(plan.check)} failed ({code}): {said[-2000:]}"
        else:
            wrong = "" if not again().changes else "the lines were not found again as they were written"
    except OSError as error:
        wrong = str(error)
    except BadInputError as error:
        wrong = str(error)
    if not wrong:
        return Applied(True, backups=tuple(backups))
    for change in reversed(written):
        if change.before is None:
            Path(change.path).unlink(missing_ok=True)
        else:
            _write(Path(change.path), change.before)
    for kept in backups:
        os.unlink(kept)
    return Applied(False, wrong)


def _back_up(path: Path) -> str:
    """Copies a file to the first free name beside it. Raises BadInputError."""
    real = path.resolve()
    kept = next(name for name in (real.with_name(f"{real.name}.before-gatepost{number or ''}") for number in range(10_000)) if not name.exists())
    try:
        shutil.copy2(real, kept)
        os.chown(kept, real.stat().st_uid, real.stat().st_gid)
    except OSError as wrong:
        raise BadInputError(f"cannot keep a copy beside it: {wrong.strerror}; run it as root (sudo)", str(path)) from None
    return str(kept)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replaces a file in one go; its owner and rights stay. Raises OSError."""
    real = path.resolve()
    real.parent.mkdir(parents=True, exist_ok=True)
    fd, made = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with open(fd, "w", encoding="utf-8", newline="") as file:
            if real.exists():
                there = real.stat()
                os.fchown(fd, there.st_uid, there.st_gid)
                os.fchmod(fd, there.st_mode & 0o7777)
            else:
                os.fchmod(fd, mode)
            file.write(text)
            file.flush()
            os.fsync(fd)
        os.replace(made, real)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
