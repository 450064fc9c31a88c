"""How far a log was read, in bytes that a store keeps.

Job: the cursor of a log file, small and made with every report, and its reader's memory, which may be large and is made now and then. Promise: both
carry a version; what is damaged or of another version is None, and reading starts as if there were nothing. Limits: opaque to everybody else.

A place does not name a file by its name, which rotation changes, nor by its inode alone, which a later file may inherit: what tells it is the
fingerprint of its first bytes, as they are when it is not compressed.
"""

import hashlib
from typing import TypeVar

import msgspec
from msgspec import Struct

VERSION = 1
HEAD = 1024
"""Bytes of a file's beginning that its fingerprint covers at most; fewer where fewer were read."""


class Fingerprint(Struct, array_like=True, frozen=True):
    """The first bytes of a file, hashed."""

    length: int
    digest: bytes

    def fits(self, head: bytes) -> bool:
        """Whether a file that begins so can be this one. Nothing is told by an empty fingerprint."""
        return 0 < self.length <= len(head) and digest(head[: self.length]) == self.digest


class Place(Struct, array_like=True, frozen=True):
    """How far one file was read: up to the start of a line."""

    device: int
    inode: int
    offset: int
    head: Fingerprint
    opened: int
    """When it was found under the log's name, in microseconds: what was written to before is older."""


class Cursor(Struct, array_like=True, frozen=True):
    """How far a log was read."""

    version: int
    at: int
    """When this was written, in microseconds."""
    places: list[Place]
    """The files that are not finished, oldest first: those renamed away to which somebody may still write, and the log itself."""
    recent: list[Fingerprint]
    """Files that are finished, so that they are not taken for new ones."""


class Memory(Struct, array_like=True, frozen=True):
    """What the reader remembered when it had read so far."""

    version: int
    places: list[Place]
    reader: bytes


def digest(data: bytes) -> bytes:
    """A short hash: files are told apart by it, nobody is kept out."""
    return hashlib.blake2b(data, digest_size=16).digest()


_ENCODER = msgspec.msgpack.Encoder()
encode = _ENCODER.encode

_Saved = TypeVar("_Saved", Cursor, Memory)


def decode(saved: bytes | None, kind: type[_Saved]) -> _Saved | None:
    """A cursor or a memory that was saved; None where there is none that we can read."""
    try:
        found = msgspec.msgpack.decode(saved, type=kind) if saved else None
    except msgspec.MsgspecError:
        return None
    return found if found is not None and found.version == VERSION else None
