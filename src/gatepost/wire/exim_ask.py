"""The line that Exim asks with, and the line that it is answered.

Job: read a question that an ACL of docs/exim.md sends with ``${readsocket{...}}``, and word the answer. Promise: sans I/O and bounded; any split of
the bytes gives the same; a line that is no question gives one reason, and nothing raises. Limits: one question a connection, for Exim reads an
answer to the end of the stream.

A question is a word and fields, ``connect client=192.0.2.7 port=25``, ended by a newline. What a client chose comes in base64 (RFC 4648, 4), in
fields whose names end in ``64``. Fields that are not known here are passed over. An answer is ``ok``, ``relay``, ``hold``, ``deny WORDS``,
``defer WORDS`` or ``wait SECONDS``, without a newline: some versions of Exim would leave it in the text that ACLs compare.
"""

import binascii
from typing import Literal, cast, get_args

from msgspec import Struct

LONGEST = 4_096
"""Bytes of a question at most; the snippets cut each field to 255 characters before they encode it."""

Verb = Literal["connect", "auth", "rcpt", "relay", "data", "failed", "bounced"]
VERBS: frozenset[str] = frozenset(get_args(Verb))

OK, RELAY, HOLD = b"ok", b"relay", b"hold"


class Ask(Struct, frozen=True, gc=False):
    """A question (``connect`` to ``data``), or what happened (``failed``: a log-in; ``bounced``: a message). Texts are empty and numbers 0 where they
    were not given."""

    verb: Verb
    client: str = ""
    host: str = ""
    """Exim's own name."""
    port: str = ""
    """The port of Exim's own that was connected to."""
    account: str = ""
    recipient: str = ""
    recipients: int = 0
    size: int = 0


class Line:
    """The bytes of one connection."""

    __slots__ = ("_buffer", "broken")

    def __init__(self) -> None:
        self._buffer = b""
        self.broken = ""
        """Why there is no question here; empty where all is well so far."""

    def feed(self, data: bytes) -> Ask | None:
        """The question, once it is whole."""
        if self.broken:
            return None
        line, newline, _ = (self._buffer + data).partition(b"\n")
        if len(line) > LONGEST:
            self.broken, self._buffer = "line too long", b""
            return None
        if not newline:
            self._buffer = line
            return None
        self._buffer = b""
        found = read(line)
        self.broken = "" if found is not None else "no question"
        return found


def read(line: bytes) -> Ask | None:
    """The question that a line holds, without its newline; None where it holds none."""
    verb, *rest = line.rstrip(b"\r").decode("ascii", "replace").split(" ")
    if verb not in VERBS:
        return None
    fields = dict(each.partition("=")[::2] for each in rest)
    try:
        return Ask(
            cast(Verb, verb),
            fields.get("client", ""),
            fields.get("host", "")[:255],
            fields.get("port", ""),
            _decoded(fields.get("account64", "")),
            _decoded(fields.get("recipient64", "")),
            _number(fields.get("recipients", "")),
            _number(fields.get("size", "")),
        )
    except binascii.Error:
        return None


def _decoded(text: str) -> str:
    """Raises binascii.Error."""
    if not text.isascii():
        raise binascii.Error("not ASCII")
    return binascii.a2b_base64(text).decode("utf-8", "replace")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0


def deny(words: str) -> bytes:
    """Refuse for good."""
    return b"deny " + words.encode("ascii")


def defer(words: str) -> bytes:
    """Refuse for now."""
    return b"defer " + words.encode("ascii")


def wait(seconds: int) -> bytes:
    """Go on after so many seconds."""
    return b"wait %d" % seconds
