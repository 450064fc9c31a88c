"""Logs that are already written: whole files, read once, in the order of time.

Job: open plain, gzip, xz, bzip2 and zstd files and ``-``, cut them into lines, and bring several files into one order of time. Promise: a line found
in several overlapping files (mail.log and syslog, mainlog and rejectlog) is one line; a line is cut at `LONGEST` characters and the cut
counted; a file that cannot be read, is no text, or ends in the middle of its compressed data raises BadInputError before anything is concluded.
Limits: it follows no file; logfile.py is for logs that grow. Files whose times overlap or touch are merged line by line, at a twentieth of the
speed of one file. What comes through a pipe is passed on before its end is known to be whole.
"""

import bz2
import gzip
import heapq
import io
import lzma
import os
import re
import stat
import zlib
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import zstandard

from gatepost.core.faults import BadInputError

SLICE = 131_072
"""Bytes that are read and decoded at a time: each stage of a replay stays in the processor's caches for so many lines. Half of it and half as much
again were both slower."""
LONGEST = 16_384
"""Characters of a line that are kept; the rest of it is dropped. One more is kept of a longer line, so that it can be told from a whole one."""
BATCH = 512
"""Lines of a batch where files are merged line by line."""
_FEED = 1_024
"""Bytes that zstd unpacks at a time: each 4 of them can make 128 KiB."""
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
"""What the decompressors raise where their data is damaged or cut short."""


class Stream(Protocol):
    """Something to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""


class _ZstdFile(io.RawIOBase):
    """What zstd packed, frame after frame. Unlike zstandard's own reader it does not take a frame that is cut short for a whole one."""

    def __init__(self, raw: Stream) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._packed = b""
        """What was read and not yet unpacked."""
        self._within = False
        """Whether a frame has begun and not ended."""
        self._unpacked = io.BytesIO()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fills a buffer as far as one step goes; 0 at the end. Raises EOFError where the data ends within a frame."""
        while not (count := self._unpacked.readinto(buffer)):
            packed = self._packed or self._raw.read(_FEED)
            if not packed:
                if self._within:
                    raise EOFError("the last frame is not whole")
                return 0
            self._unpacked = io.BytesIO(self._frame.decompress(packed))
            self._within, self._packed = not self._frame.eof, b""
            if self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, zstandard.ZstdDecompressor().decompressobj()
        return count


_MAGIC: tuple[tuple[bytes, Callable[[BinaryIO], Stream]], ...] = (
    (b"\x1f\x8b\x08", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
    (b"\x28\xb5\x2f\xfd", lambda raw: io.BufferedReader(_ZstdFile(raw), SLICE)),
)
_HOLE = re.compile(rb"(?m)^\0+")
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\x1b\f")) + b"\x7f"
_MARK = b"\xef\xbb\xbf"
"""The byte order mark that some editors put before UTF-8."""


class _Peeked:
    """A pipe whose first bytes were looked at, and are read again."""

    def __init__(self, start: bytes, raw: io.BufferedReader) -> None:
        self._start = start
        self._raw = raw

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes, all where it is negative; none at the end."""
        if not self._start:
            return self._raw.read(size)
        start = self._start if size < 0 else self._start[:size]
        self._start = self._start[len(start) :]
        return start + self._raw.read(size if size < 0 else size - len(start))


class Batch(NamedTuple):
    """Lines that follow each other in the order of time; ``number`` is that of the first, counted over all files from 1."""

    number: int
    lines: list[str]


class LogFile:
    """One file to be read, or standard input."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = os.fsencode(path).decode("utf-8", "backslashreplace")
        """How it is told: the path, where that is Unicode text."""
        self.size = 0
        """Bytes on disk; 0 where they are not known."""
        self.changed = 0
        """When it was last written, in microseconds; 0 for standard input."""
        self.done = 0
        """Bytes read from the disk so far."""
        self.can_be_read_twice = False
        """Whether it is a file on disk: a pipe's content is gone once it is read."""
        if path == "-":
            return
        try:
            told = Path(path).stat()
        except OSError as wrong:
            raise self._unreadable(wrong) from None
        if stat.S_ISDIR(told.st_mode):
            raise BadInputError("is a directory; name the log files in it", self.name)
        self.can_be_read_twice = stat.S_ISREG(told.st_mode)
        self.size = told.st_size
        self.changed = told.st_mtime_ns // 1000

    def slices(self) -> Iterator[bytes]:
        """Its content, decompressed. Raises BadInputError where it cannot be read to its end."""
        try:
            with self._open() as raw:
                stream = decompressed(raw)
                while piece := stream.read(SLICE):
                    if self.size:
                        self.done = raw.tell()
                    yield piece
        except (*DAMAGED, OSError) as wrong:
            if isinstance(wrong, OSError) and wrong.errno is not None:  # gzip and bz2 call damaged data an OSError, one without a number
                raise self._unreadable(wrong) from None
            said = f"its compressed data is damaged or cut short ({wrong}); fetch it anew, or pipe what can be unpacked to -"
            raise BadInputError(said, self.name) from None

    def _unreadable(self, wrong: OSError) -> BadInputError:
        return BadInputError(f"cannot be read: {wrong.strerror or wrong}", self.name)

    def _open(self) -> io.BufferedReader:
        return io.BufferedReader(io.FileIO(0 if self.path == "-" else self.path, closefd=self.path != "-"), SLICE)

    def batches(self) -> Iterator[list[str]]:
        """Its lines, a slice's worth at a time."""
        cutter = Cutter()
        first = True
        for piece in self.slices():
            if first and (piece := piece.lstrip(b"\0")):
                check_text(piece, self.name)
                piece = piece.removeprefix(_MARK)
                first = False
            if lines := cutter.feed(piece):
                yield lines
        if lines := cutter.finish():
            yield lines

    def check(self) -> None:
        """Raises BadInputError where its compressed data cannot be read to its end. What is not compressed, or is a pipe, is not looked at."""
        if self.can_be_read_twice and self._is_compressed():
            for _ in self.slices():
                pass
            self.done = 0

    def last_lines(self) -> list[str]:
        """Lines at its end; they are read from there where it is a plain file, else through."""
        if self.size > SLICE and not self._is_compressed():
            try:
                with self._open() as raw:
                    raw.seek(-SLICE, os.SEEK_END)
                    return _lines(raw.read())[1:]
            except OSError as wrong:
                raise self._unreadable(wrong) from None
        last: deque[list[str]] = deque(self.batches(), 2)
        return [line for lines in last for line in lines]

    def _is_compressed(self) -> bool:
        try:
            with self._open() as raw:
                return magic(raw.read(6)) is not None
        except OSError as wrong:
            raise self._unreadable(wrong) from None


class Cutter:
    """Cuts a stream of bytes into lines; what has no end yet stays, up to what is kept of a line."""

    __slots__ = ("_rest", "pending")

    _KEPT = 4 * LONGEST + 4  # a character is 4 bytes at most

    def __init__(self) -> None:
        self._rest = b""
        self.pending = 0
        """Bytes at the end of what was fed that belong to a line without an end."""

    def feed(self, piece: bytes) -> list[str]:
        """The lines that end in a piece."""
        whole, newline, tail = piece.rpartition(b"\n")
        if newline:
            lines = _lines(self._rest + whole)
            self._rest, self.pending = tail.lstrip(b"\0")[: self._KEPT], len(tail)
            return lines
        self.pending += len(tail)
        if not self._rest:
            self._rest = tail.lstrip(b"\0")[: self._KEPT]
        elif len(self._rest) < self._KEPT:
            self._rest = (self._rest + tail)[: self._KEPT]
        return []

    def finish(self) -> list[str]:
        """The last line, where the stream ended without a newline."""
        lines = _lines(self._rest) if self._rest else []
        self._rest, self.pending = b"", 0
        return lines


def magic(start: bytes) -> Callable[[BinaryIO], Stream] | None:
    """What decompresses a file with such first bytes; None for a plain one."""
    return next((opener for magic, opener in _MAGIC if start.startswith(magic)), None)


def decompressed(raw: io.BufferedReader) -> Stream:
    """A stream through the decompressor that its first bytes ask for."""
    start = raw.read(6)
    stream: Any = raw
    if raw.seekable():
        raw.seek(-len(start), os.SEEK_CUR)
    else:
        stream = _Peeked(start, raw)
    opener = magic(start)
    return opener(stream) if opener else stream


def check_text(start: bytes, name: str) -> None:
    """Raises BadInputError where a file starts like no text: over a tenth are control characters, or over a third is no UTF-8."""
    controls = len(start) - len(start.translate(None, _CONTROL))
    broken = start.decode("utf-8", "replace").count("\ufffd")
    if controls > len(start) // 10 or broken > len(start) // 3:
        raise BadInputError("is a binary file, not a log; a log that is packed otherwise than .gz, .xz, .bz2 or .zst must be unpacked first", name)


def _lines(data: bytes) -> list[str]:
    """The lines of a slice, each cut where it is too long. ``\\n`` (or ``\\r\\n``) alone ends a line: other such characters can stand in a peer's
    text. NULs before a line are the hole that truncation leaves under a writer that does not append."""
    if b"\0" in data:
        data = _HOLE.sub(b"", data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").removesuffix(b"\r")
    lines = data.decode("utf-8", "replace").split("\n")
    if max(map(len, lines)) > LONGEST:
        return [line if len(line) <= LONGEST else line[: LONGEST + 1] for line in lines]
    return lines


class InOrder:
    """Several files as one sequence of lines in the order of time, and the way back from a line's number to its file."""

    def __init__(self, files: Iterable[LogFile], clock: Callable[[LogFile], Callable[[str], int | None]]) -> None:
        """``clock`` gives for a file the function that tells the time of its lines, in microseconds, or None."""
        self.files = list(files)
        self._clock = clock
        self._starts: list[int] = []
        """The first numbers of the runs of lines that come from one file without a gap."""
        self._runs: list[tuple[str, int]] = []
        """For each run, its file and the number of its first line there."""
        self.repeated = 0
        """Lines left out because another file holds them too."""

    def where(self, number: int) -> tuple[str, int]:
        """The file and the line in it that a number stands for."""
        run = bisect_right(self._starts, number) - 1
        name, first = self._runs[run]
        return name, first + number - self._starts[run]

    def batches(self, begin: Callable[[LogFile], None]) -> Iterator[Batch]:
        """All lines, in order. ``begin`` is called with each file before its first line is read for good."""
        number = 1
        for group in self._groups():
            # The last one counts: no line of the group is newer than the newest file.
            for file in sorted(group, key=lambda file: file.changed):
                begin(file)
            if len(group) == 1:
                for lines in self._alone(group[0], number):
                    yield Batch(number, lines)
                    number += len(lines)
            else:
                for lines in self._merged(group, number):
                    yield Batch(number, lines)
                    number += len(lines)

    def _alone(self, file: LogFile, number: int) -> Iterator[list[str]]:
        self._starts.append(number)
        self._runs.append((file.name, 1))
        return file.batches()

    def _groups(self) -> Iterator[list[LogFile]]:
        """Files by the time of their first line; those whose times overlap are in one group."""
        if len(self.files) == 1:
            yield self.files
            return
        spans = sorted((span for file in self.files if (span := self._span(file))), key=lambda span: (span[0], span[1]))
        group: list[LogFile] = []
        end = 0
        for first, last, file in spans:
            if group and first > end:
                yield group
                group = []
            group.append(file)
            end = max(end, last)
        if group:
            yield group

    def _span(self, file: LogFile) -> tuple[int, int, LogFile] | None:
        """The times of a file's first and last line, and the file; None where it is empty. Lines without a time come first."""
        if file.path == "-":
            raise BadInputError("standard input cannot be brought into one order with files; name one or the other", "-")
        if not file.can_be_read_twice:
            raise BadInputError("is no file on disk, so it cannot be brought into one order with others; give it alone", file.name)
        time_of = self._clock(file)
        first = next((at for lines in file.batches() for line in lines if (at := time_of(line)) is not None), None)
        if first is None:
            return (0, 0, file) if next(file.batches(), None) else None
        # Not every line tells a time: half a line at the end, or the rule below a message in Exim's rejectlog.
        last = next((at for line in reversed(file.last_lines()) if (at := time_of(line)) is not None), file.changed)
        file.done = 0
        return first, max(first, last), file

    def _merged(self, group: list[LogFile], number: int) -> Iterator[list[str]]:
        """The lines of files whose times overlap, in order, those of one time in the order of the files; repeated ones once."""
        batch: list[str] = []
        size = 0
        last = (-1, -1)
        for index, line_number, line in _once(heapq.merge(*(self._timed(index, file) for index, file in enumerate(group))), self._leave_out):
            if (index, line_number - 1) != last:
                self._starts.append(number + len(batch))
                self._runs.append((group[index].name, line_number))
            last = (index, line_number)
            batch.append(line)
            size += len(line)
            if len(batch) == BATCH or size > SLICE:
                yield batch
                number += len(batch)
                batch, size = [], 0
        if batch:
            yield batch

    def _leave_out(self) -> None:
        self.repeated += 1

    def _timed(self, index: int, file: LogFile) -> Iterator[tuple[int, int, int, str]]:
        """Lines with their times; one without, or with one before its neighbour's, stays behind its neighbour."""
        time_of, now, number = self._clock(file), 0, 0
        for lines in file.batches():
            for line in lines:
                number += 1
                now = max(now, time_of(line) or 0)
                yield now, index, number, line


def _once(lines: Iterator[tuple[int, int, int, str]], left_out: Callable[[], None]) -> Iterator[tuple[int, int, str]]:
    """Leaves out what another file told already: of a line that stands in several files at one time, as many as the file with the most has."""
    now = -1
    told: Counter[str] = Counter()
    here: Counter[tuple[int, str]] = Counter()
    for at, index, number, line in lines:
        if at != now:
            now = at
            told.clear()
            here.clear()
        here[index, line] += 1
        if here[index, line] <= told[line]:
            left_out()
            continue
        told[line] += 1
        yield index, number, line
