"""One file of a log that grows or has grown: the log itself, or one that rotation has moved away.

Job: read it from a place on, and know when it is not the same file any more. Promise: it is told apart by the fingerprint of its first bytes, so
that truncation, replacement and an inode used again are seen before a line of the new content is believed. Limits: a file that is truncated and
grows again to the same first bytes and beyond our place cannot be told; a log's first line carries its time, so that no such file exists. Reading
is synchronous: a file system that hangs, hangs us.
"""

import io
import os
import stat
from typing import NamedTuple

from gatepost.core.faults import BadInputError
from gatepost.inlets.files import Cutter, Stream, check_text, decompressed, magic
from gatepost.inlets.logfile_cursor import HEAD, Fingerprint, Place, digest

EVERYTHING = 1 << 62
"""More bytes than any file has."""


class ReplacedError(Exception):
    """A file holds something else than what we have read of it: it was truncated, or other content was written in its place."""


class Identity(NamedTuple):
    """What a file is for as long as somebody holds it open."""

    device: int
    inode: int


def identity(told: os.stat_result) -> Identity:
    """The identity in what stat told."""
    return Identity(told.st_dev, told.st_ino)


class Source:
    """An open file that is read from ``offset`` on. What lies before ``quiet_to`` was reported already and is read for the reader's memory only."""

    def __init__(self, path: str, opened: int, offset: int = 0, head: bytes = b"") -> None:
        """Opens it; ``head`` is how it begins where it is compressed. Raises OSError, and BadInputError where it is no file to read lines from."""
        self.path = path
        self.opened = opened
        self.quiet_to = 0
        self.ended = False
        """Its end was reached; what arrives from now on arrives late, if it is not the log itself."""
        self.finish_at: float | None = None
        """When it counts as finished if nothing more arrives (seconds of the loop's clock); None for the log itself."""
        self.known_size = 0
        """How long it was when that was last looked at."""
        self.head = head
        """Its first bytes, as far as it has them."""
        self.cutter = Cutter()
        # O_NONBLOCK: opening a pipe must not wait for somebody who writes.
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._stream: Stream | None = None
        self._fingerprint = Fingerprint(0, b"")
        self._skip_to = 0
        try:
            told = os.fstat(self.fd)
            if not stat.S_ISREG(told.st_mode):
                raise BadInputError("is no regular file; name the file that the mail log is written to", path)
            self.identity = identity(told)
            start = os.pread(self.fd, HEAD, 0)
            if magic(start[:6]) is not None:
                self._stream = decompressed(io.BufferedReader(io.FileIO(self.fd, closefd=False)))
                self.position, self._skip_to = 0, offset
            else:
                check_text(start.lstrip(b"\0"), path)
                self.position, self.head = offset, start
        except BaseException:
            os.close(self.fd)
            raise

    @property
    def compressed(self) -> bool:
        """Whether it is read through a decompressor; then offsets count what comes out of it."""
        return self._stream is not None

    @property
    def offset(self) -> int:
        """Where the first line starts that was not given out."""
        return max(self.position - self.cutter.pending, self._skip_to)

    @property
    def quiet(self) -> bool:
        """Whether what comes next was reported already."""
        return self.position < self.quiet_to

    def size(self) -> int:
        """Bytes that it has, as far as they can be read from it; its place where that is not known."""
        self.known_size = self.position if self.compressed else os.fstat(self.fd).st_size
        return self.known_size

    def read(self, size: int) -> bytes:
        """The next bytes; none where there are none yet. Raises ReplacedError, OSError, and what decompressors raise (`files.DAMAGED`)."""
        if self.quiet:
            size = min(size, self.quiet_to - self.position)
        if self._stream is not None:
            piece = self._stream.read(size)
            self._advance(piece)
            return piece
        piece = os.pread(self.fd, size, self.position)
        if self.head and os.pread(self.fd, len(self.head), 0) != self.head:
            raise ReplacedError
        if not piece:
            if os.fstat(self.fd).st_size < self.position:
                raise ReplacedError
            return b""
        self._advance(piece)
        return piece

    def begin(self) -> bool:
        """Whether a file that was empty has a beginning now."""
        self.head = os.pread(self.fd, HEAD, 0)
        return bool(self.head)

    def skip(self, size: int) -> bool:
        """Unpacks what lies before the place to read from, some of it at a time. False where there is nothing to skip any more."""
        if self._stream is None or self.position >= self._skip_to:
            return False
        piece = self._stream.read(min(size, self._skip_to - self.position))
        self._advance(piece)
        return bool(piece)

    def _advance(self, piece: bytes) -> None:
        have = len(self.head)
        if have < HEAD and self.position <= have < self.position + len(piece):
            self.head += piece[have - self.position : HEAD - self.position]
        self.position += len(piece)

    def place(self) -> Place:
        """How far it was given out, to be saved. What was reported before a restart stays reported."""
        return self._place(max(self.offset, self.quiet_to))

    def remembered(self) -> Place:
        """How far the reader has seen it."""
        return self._place(self.offset)

    def _place(self, offset: int) -> Place:
        if self._fingerprint.length != len(self.head):
            self._fingerprint = Fingerprint(len(self.head), digest(self.head))
        return Place(self.identity.device, self.identity.inode, offset, self._fingerprint, self.opened)

    def move_back(self, offset: int) -> None:
        """Reads from an earlier place on, quietly up to the one it was opened at."""
        if offset >= self.offset:
            return
        self.quiet_to = self.offset
        if self.compressed:
            self._skip_to = offset
        else:
            self.position = offset

    def start_at_end(self) -> None:
        """Leaves out what is there now, up to the start of a line that has no end yet."""
        size = os.fstat(self.fd).st_size
        start = max(size - 65_536, 0)
        newline = os.pread(self.fd, size - start, start).rfind(b"\n")
        self.position = size if newline < 0 and start else start + newline + 1

    def gone(self) -> bool:
        """Whether it has no name any more."""
        return os.fstat(self.fd).st_nlink == 0

    def reopen(self) -> None:
        """Opens the file anew where its handle went stale, if its name still leads to it. Raises OSError."""
        fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if identity(os.fstat(fd)) != self.identity:
            os.close(fd)
            return
        os.close(self.fd)
        self.fd = fd

    def close(self) -> None:
        """Closes it."""
        os.close(self.fd)
