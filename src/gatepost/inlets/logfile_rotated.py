"""The files that rotation has moved away from a log.

Job: find, next to a log, the file that we stopped in and those that were the log after it. Promise: a file is known by its content, whatever it is
called and however it is compressed, and one that is there twice (``.1`` while it is being compressed to ``.1.gz``) counts once. Limits: names are
those of the log with something appended (``mail.log.1.gz``, ``mail.log-20261124``) or put before its extension (``mail-20261124.log``); which
file is newer is told by when it was last written, which rotation and the compressors keep, and where both carry a number, by that.
"""

import io
import os
import re
import stat
from collections.abc import Sequence
from typing import NamedTuple

from gatepost.inlets.files import DAMAGED, decompressed, magic
from gatepost.inlets.logfile_cursor import HEAD, Fingerprint, Place
from gatepost.inlets.logfile_source import Identity, identity

MOST = 1_000
"""Rotated files that are looked at."""
SLACK = 2_000_000
"""Microseconds by which a file system's clock may be behind ours."""

_NUMBER = re.compile(r"[.-]([0-9]{1,4})(?:\.[a-z0-9]{1,5})?$")


class Found(NamedTuple):
    """A file next to a log, or the log itself."""

    path: str
    identity: Identity
    changed: int
    """When it was last written, in microseconds."""
    size: int
    compressed: bool
    head: bytes
    """Its first bytes, decompressed."""

    def is_at(self, place: Place) -> bool:
        """Whether this is the file of a place."""
        if place.head.length == 0:
            return self.identity == (place.device, place.inode)
        return place.head.fits(self.head)


def look(path: str) -> Found | None:
    """A file and how it begins; None where it is no file that we can read."""
    try:
        with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)) as raw:
            told = os.fstat(raw.fileno())
            if not stat.S_ISREG(told.st_mode):
                return None
            start = os.pread(raw.fileno(), HEAD, 0)
            packed = magic(start[:6]) is not None
            head = _unpacked(raw) if packed else start
            return Found(path, identity(told), told.st_mtime_ns // 1000, told.st_size, packed, head)
    except OSError:
        return None


def _unpacked(raw: io.FileIO) -> bytes:
    stream = decompressed(io.BufferedReader(io.FileIO(raw.fileno(), closefd=False)))
    head = b""
    try:
        while len(head) < HEAD and (piece := stream.read(HEAD - len(head))):
            head += piece
    except DAMAGED:
        pass  # it is still being written, or it is lost; what came out of it tells which file it is
    return head


class Rotated:
    """What lies next to a log. ``folder`` is another one into which rotation moves its files."""

    def __init__(self, path: str, folder: str = "") -> None:
        self._path = path
        self._folder = folder

    def folders(self) -> list[str]:
        """Where names come and go when the log is rotated: next to its name, next to what a link leads to, and the folder for rotated files."""
        real = os.path.realpath(self._path)
        return list(dict.fromkeys(filter(None, (os.path.dirname(self._path) or ".", os.path.dirname(real), self._folder))))

    def _paths(self) -> list[str]:
        names = dict.fromkeys((os.path.basename(self._path), os.path.basename(os.path.realpath(self._path))))
        patterns = [_like(name) for name in names]
        found = []
        for folder in self.folders():
            try:
                with os.scandir(folder) as entries:
                    paths = [entry.path for entry in entries if entry.name not in names and any(like.fullmatch(entry.name) for like in patterns)]
            except OSError:
                continue
            found += paths
        return found

    def all(self, since: int = 0) -> list[Found]:
        """The files that were written at a time or after it, the oldest first; plain before compressed where they are of one age."""
        dated = []
        for path in self._paths():
            try:
                told = os.stat(path)
            except OSError:
                continue
            if told.st_mtime_ns // 1000 >= since:
                dated.append((told.st_mtime_ns, path))
        looked = [look(path) for _, path in sorted(dated)[-MOST:]]
        return sorted((found for found in looked if found is not None and found.head), key=lambda found: (found.changed, found.compressed))

    def locate(self, place: Place) -> Found | None:
        """The file of a place; where there are several, the very one, else one that is whole and needs no unpacking."""
        log = look(self._path)
        if log is not None and log.is_at(place) and log.size >= place.offset:
            return log
        fitting = [found for found in self.all() if found.is_at(place)]
        return min(fitting, key=lambda found: _worth(found, place), default=None)

    def newer(self, than: Place, known: Sequence[Fingerprint], log: Found | None, where: str = "") -> list[Found]:
        """The files that were the log after a place's, and are not it any more, the oldest first. ``known`` are files that were read;
        ``where`` the place's file is now."""
        several: list[Found] = [log] if log is not None else []
        chosen: list[Found] = []
        for found in sorted(self.all(than.opened - SLACK), key=lambda found: found.compressed):
            if found.is_at(than) or any(one.fits(found.head) for one in known) or _older(found.path, where):
                continue
            if any(_same(found, other) for other in several):
                continue
            several.append(found)
            chosen.append(found)
        return sorted(chosen, key=lambda found: found.changed)


def _like(name: str) -> re.Pattern[str]:
    stem, dot, extension = name.rpartition(".")
    appended = rf"{re.escape(name)}[.-].+"
    if not dot or not stem:
        return re.compile(appended)
    return re.compile(rf"{appended}|{re.escape(stem)}[.-][0-9][^/]*\.{re.escape(extension)}(?:\.[a-z0-9]+)?")


def _worth(found: Found, place: Place) -> tuple[bool, bool, bool, int]:
    """Sorts the files that begin as the place's does: the best is the least."""
    return found.identity != (place.device, place.inode), not found.compressed and found.size < place.offset, found.compressed, -found.size


def _same(one: Found, other: Found) -> bool:
    """Whether two files hold the same, one perhaps only part of it."""
    length = min(len(one.head), len(other.head))
    return one.identity == other.identity or (length > 0 and one.head[:length] == other.head[:length])


def _older(path: str, than: str) -> bool:
    """Whether rotation's numbers say that one file is older than another: ``.3`` than ``.2``."""
    numbers = [_NUMBER.search(name) for name in (path, than)]
    return all(numbers) and int(numbers[0][1]) > int(numbers[1][1])  # type: ignore[index]
