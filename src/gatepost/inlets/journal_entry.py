"""An entry of systemd's journal as `journalctl --output=json` writes it, and how far a journal was read.

Job: the few fields that the inlet itself needs (the entry's place, and journald's own notice that it dropped messages), and what is saved. Promise:
sans I/O; no text raises; what is saved carries a version, and what is damaged or of another version is None. Limits: what a message means, and who
wrote it, the reader finds in the same line.
"""

import re
from typing import TypeVar

import msgspec
from msgspec import Struct

VERSION = 1
SUPPRESSED = "a596d6fe7bfa4994828e72309e95d61e"
"""The id of journald's message that it dropped others (SD_MESSAGE_JOURNAL_DROPPED in sd-messages.h)."""
FIELDS = (
    "MESSAGE",
    "MESSAGE_ID",
    "N_DROPPED",
    "OBJECT_SYSTEMD_UNIT",
    "SYSLOG_IDENTIFIER",
    "SYSLOG_PID",
    "_COMM",
    "_HOSTNAME",
    "_PID",
    "_SOURCE_REALTIME_TIMESTAMP",
    "_TRANSPORT",
)
"""The fields that we ask for; place and time come with every entry."""
_CURSOR = re.compile(r"s=([0-9a-f]{1,32});i=([0-9a-f]{1,16});b=[0-9a-f]{1,32};m=[0-9a-f]{1,16};t=([0-9a-f]{1,16});x=[0-9a-f]{1,16}")


class Place(Struct, frozen=True, gc=False):
    """Where an entry stands: in the sequence that one journald numbered, and in time."""

    sequence: str
    number: int
    at: int

    def is_before(self, other: "Place") -> bool:
        """Whether it comes before another: by number within a sequence, whatever the clock did; else by time."""
        return self.number < other.number if self.sequence == other.sequence else self.at < other.at


def place(cursor: str) -> Place | None:
    """What journald's cursor says; None where it is none."""
    found = _CURSOR.fullmatch(cursor)
    return Place(found[1], int(found[2], 16), int(found[3], 16)) if found is not None else None


class Entry(Struct, frozen=True, gc=False):
    """The fields that the inlet itself needs."""

    cursor: str = msgspec.field(name="__CURSOR")
    message_id: str | None = msgspec.field(name="MESSAGE_ID", default=None)
    transport: str | None = msgspec.field(name="_TRANSPORT", default=None)
    dropped: str | None = msgspec.field(name="N_DROPPED", default=None)
    unit: str | None = msgspec.field(name="OBJECT_SYSTEMD_UNIT", default=None)

    @property
    def tells_of_dropped(self) -> bool:
        """Whether journald itself says here that it dropped messages. Anybody can write the id, nobody else the transport."""
        return self.transport == "driver" and self.message_id == SUPPRESSED

    @property
    def many(self) -> int:
        """How many messages were dropped, as it says."""
        return int(self.dropped) if self.dropped and self.dropped.isascii() and self.dropped.isdigit() and len(self.dropped) < 16 else 1


class _Place(Struct, frozen=True, gc=False):
    cursor: str = msgspec.field(name="__CURSOR")


_ENTRY = msgspec.json.Decoder(Entry)
_BARE = msgspec.json.Decoder(_Place)


def read(line: str) -> Entry | None:
    """The entry that a line holds; None where it is none."""
    try:
        return _ENTRY.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        # A field that somebody gave twice, or filled with odd bytes, is a list: the entry is one all the same.
        return Entry(_BARE.decode(line).cursor)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


class Cursor(Struct, array_like=True, frozen=True):
    """How far the journal was read."""

    version: int
    entry: str
    """The cursor of the last entry; empty where there was none."""
    since: int
    """Where there was none: everything from this time on is new."""


class Memory(Struct, array_like=True, frozen=True):
    """What the reader remembered when it had read so far."""

    version: int
    entry: str
    reader: bytes


_ENCODER = msgspec.msgpack.Encoder()
encode = _ENCODER.encode

_Saved = TypeVar("_Saved", Cursor, Memory)


def decode(saved: bytes | None, kind: type[_Saved]) -> _Saved | None:
    """A cursor or a memory that was saved; None where there is none that we can read."""
    try:
        found = msgspec.msgpack.decode(saved, type=kind) if saved else None
    except msgspec.MsgspecError:
        return None
    return found if found is not None and found.version == VERSION and (not found.entry or place(found.entry)) else None
