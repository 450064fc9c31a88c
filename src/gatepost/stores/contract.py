"""What a store keeps, and how it is asked.

Job: the contract that memory.py and sqlite.py keep alike. Promise: what `write` was given is there after any crash of the process, whole or not at
all: entries, cursors and the audit trail, in one transaction. Limits: synchronous; the journal's thread is its only writer of batches.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, Forget, Hold, Lift, Pause, Retime
from gatepost.core.facts import (
    AuthFailed,
    AuthSucceeded,
    Connected,
    MessageAccepted,
    MessageBounced,
    ProtocolAbused,
    Refused,
    Rejected,
    SessionEnded,
)
from gatepost.core.spans import decode_span, encode_span

Entry = (
    Connected
    | SessionEnded
    | AuthFailed
    | AuthSucceeded
    | MessageAccepted
    | Rejected
    | MessageBounced
    | ProtocolAbused
    | Refused
    | AdoptRules
    | AdoptLists
    | AdoptCountries
    | Hold
    | Lift
    | Retime
    | Forget
    | Pause
)
"""What the order is made of: facts that inlets report, and deeds. `Held` facts are the engine's own and never stored."""

LINE = 500
"""Characters of a log line that are kept at most."""

_ENCODER = msgspec.msgpack.Encoder(enc_hook=encode_span)
_LINES = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Entry], dec_hook=decode_span)


def encode_entries(entries: list[Any]) -> bytes:
    """Entries as a journal row holds them."""
    return _ENCODER.encode(entries)


def decode_entries(data: bytes) -> list[Entry]:
    """The entries of a journal row. Raises ValueError where it is none."""
    try:
        return _DECODER.decode(data)
    except msgspec.MsgspecError as wrong:
        raise ValueError(f"these are no entries that this version can read: {wrong}") from None


class StoreError(Exception):
    """The store cannot do what it was asked: disk full, locked, corrupt, or of a newer version. The text names the cure."""


class RefusedError(StoreError):
    """The store is there and well, but not ours to use: of a newer version, of another program, or in use. Nothing may be guarded beside it."""


class DamagedError(StoreError):
    """Entries ``first`` to ``last`` of the journal cannot be read; who can do without them asks again behind ``last``."""

    def __init__(self, text: str, first: int, last: int) -> None:
        super().__init__(text)
        self.first = first
        self.last = last


class Audit(Struct, frozen=True, kw_only=True):
    """Who did what to what administrators own, from what to what."""

    at: int
    """Microseconds since 1970 UTC."""
    who: str
    """The administrator's name, or ``gatepost`` for the program itself."""
    action: str
    """As ``rules.set``, ``access.allow``, ``blocks.add``."""
    subject: str = ""
    """What it was done to: a rule's name, a prefix, a client."""
    before: str = ""
    """JSON of what it was."""
    after: str = ""
    """JSON of what it is."""
    reason: str = ""


class Record(Struct, frozen=True, kw_only=True):
    """Something that administrators own and the engine does not know: a user, a session, a token. Opaque to the store."""

    kind: str
    key: str
    data: bytes | None
    """None takes it away."""


class Batch(Struct, frozen=True, kw_only=True):
    """What one transaction writes."""

    first: int = 0
    """The place of the first entry; entries follow each other without a gap."""
    entries: list[Any] = []
    lines: list[str] = []
    """The log lines that told the entries, parallel to them, each empty where there is none; or no list at all."""
    cursors: dict[str, bytes] = {}
    """How far each inlet has read, by its name, and what its reader remembers; opaque to the store."""
    audit: list[Audit] = []


class Recovered(Struct, frozen=True, kw_only=True):
    """What a store remembers when it is opened."""

    snapshots: tuple[int, ...] = ()
    """The places of the engine's snapshots, the newest first: each has seen the entries up to its place."""
    last: int = 0
    """The newest place of which the store knows, in the journal or a snapshot; what is written next lies behind it."""
    cursors: Mapping[str, bytes] = {}


class Store(Protocol):
    """A journal, snapshots, cursors and the audit trail."""

    def open(self) -> Recovered:
        """Opens the store, brought to this version. Raises StoreError."""

    def snapshot(self, place: int) -> bytes:
        """The snapshot at a place that `open` named. Raises StoreError where it is damaged or gone."""

    def entries_after(self, place: int) -> Iterator[tuple[int, Entry]]:
        """The journal's entries behind a place, each with its own, in order; places that were never written are passed over.

        Raises DamagedError at entries that cannot be read, after all that lies before them, and StoreError where nothing can be read any more.
        """

    def batches_after(self, place: int) -> Iterator[Batch]:
        """The journal behind a place with its log lines, as `entries_after` yields entries. Lines that are damaged are none."""

    def forget_lines(self, about: Callable[[Entry, str], bool]) -> int:
        """Blanks the log lines in the journal for which ``about(entry, line)`` holds; how many. The entries stay. Raises StoreError."""

    def write(self, batch: Batch) -> None:
        """Writes a batch in one transaction. Raises StoreError; then nothing of it is there.

        Entries at places that are there already are passed over: a batch whose commit failed late can be written again. Raises ValueError or
        TypeError where an entry cannot be encoded.
        """

    def save_snapshot(self, place: int, data: bytes, base: int | None = None, keep: int | None = None) -> bool:
        """Keeps a snapshot of the engine as it was after the entry at ``place``; the two newest stay, and the journal behind the older of them.

        Entries behind ``keep`` stay too, for somebody who has read no further.
        With ``base``, the newest snapshot's place when the work on this one began (0: there was none), it is kept only where that is so still.
        Returns whether it was kept. Raises StoreError.
        """

    def audit(self, limit: int = 100, before: int = 0) -> list[tuple[int, Audit]]:
        """The audit trail, newest first, each line with its number; ``before`` a number goes on from there."""

    def audit_at(self, at: int) -> list[Audit]:
        """The lines of the audit trail that carry this very time."""

    def records(self, kind: str) -> dict[str, bytes]:
        """The records of a kind, by their key. Raises StoreError."""

    def keep(self, records: Sequence[Record], audit: Sequence[Audit] = ()) -> None:
        """Writes records, in place of those of the same kind and key, and lines of the audit trail, in one transaction, on disk when it returns.

        Raises StoreError; then nothing of it is there.
        """

    def close(self) -> None:
        """Closes the store; nothing is written afterwards."""


def cut_lines(lines: Sequence[str]) -> list[str]:
    """Log lines as a journal keeps them."""
    return [line if len(line) <= LINE else line[:LINE] for line in lines]


def encode_lines(lines: Sequence[str]) -> bytes:
    """Log lines as a journal row holds them: cut, and what is no text in them replaced."""
    kept = cut_lines(lines)
    try:
        return _LINES.encode(kept)
    except UnicodeEncodeError:
        return _LINES.encode([line.encode("utf-8", "replace").decode() for line in kept])


def decode_lines(data: bytes) -> list[str]:
    """The log lines of a journal row. Raises ValueError where it is none."""
    return msgspec.msgpack.decode(data, type=list[str])
