"""The milter protocol: a mail server's binary packets, and the answers to them.

Job: agree on version and steps, cut the stream into packets, turn those that matter into events, and make answers. Promise: sans I/O and bounded:
any split of a stream gives the same events, and a stream that breaks a rule gives one reason and no more events; nothing that a mail server sends
raises. Limits: versions 2 to 6; the mail server must let us skip header and body, as all do since version 2, so that no packet is long. We change
no message: the only action asked for is the quarantine.

There is no standard: the protocol is what Sendmail's libmilter (include/libmilter/mfdef.h) and Postfix (MILTER_README) speak. A packet is a length of
four bytes, big-endian, a command of one byte, and data of length - 1 bytes.
"""

from msgspec import Struct

OLDEST, NEWEST = 2, 6
"""Versions that we speak."""
LONGEST = 16_384
"""Bytes of a packet at most: an SMTP command (2,048 in Postfix and Sendmail) or the macros of one."""
MOST_MACROS = 64
"""Macros kept for one command."""

# Actions (SMFIF_*) that a filter may take.
QUARANTINE, SET_SYMBOLS = 0x20, 0x100
# Steps (SMFIP_*): events that the filter does not want, and refused recipients, that it does want.
NO_HELO, NO_BODY, NO_HEADERS, NO_END_OF_HEADERS, NO_UNKNOWN, NO_DATA, REFUSED_RECIPIENTS = 0x02, 0x10, 0x20, 0x40, 0x100, 0x200, 0x800
NEEDED = NO_BODY | NO_HEADERS | NO_END_OF_HEADERS
UNWANTED = NEEDED | NO_HELO | NO_UNKNOWN | NO_DATA
# The stages of SMFIF_SETSYMLIST, and the macros that we read there; a default that the administrator has changed does then no harm.
SYMBOLS = ((0, b"j {daemon_port}"), (2, b"i {auth_authen}"), (3, b"i {rcpt_mailer} {rcpt_host} {rcpt_addr}"), (5, b"i {msg_size}"))

CONTINUE = b"\x00\x00\x00\x01c"
ACCEPT = b"\x00\x00\x00\x01a"
"""Go on, and ask no more of this session (after a connect) or message."""
_SKIPPED = b"HTULN"
"""Commands that need the answer "go on" where the mail server could not be told to leave them out."""


class Negotiated(Struct, frozen=True, gc=False):
    """Version, actions and steps are agreed; ``answer`` is to be sent."""

    answer: bytes
    version: int
    quarantine: bool
    refused_recipients: bool


class Connect(Struct, frozen=True, gc=False):
    """A client connected. ``address`` is as the mail server wrote it, empty where it is no TCP client; ``host`` is the mail server's own name."""

    address: str
    host: str
    port: str
    """The mail server's own port, empty where it does not say."""


class Mail(Struct, frozen=True, gc=False):
    """A message begins. ``size`` is what the client declared (RFC 1870), 0 where it did not."""

    account: str
    size: int


class Recipient(Struct, frozen=True, gc=False):
    """A recipient. ``code`` is 0 where the mail server takes it, else that of its refusal, and ``said`` the words."""

    recipient: str
    code: int = 0
    said: str = ""


class End(Struct, frozen=True, gc=False):
    """The message has come to its end; ``size`` is what the mail server counted, 0 where it does not say."""

    size: int


class Pass(Struct, frozen=True, gc=False):
    """Something that needs the answer "go on" and nothing else."""


class Abort(Struct, frozen=True, gc=False):
    """The message is given up; no answer is due."""


class Quit(Struct, frozen=True, gc=False):
    """The session ended; no answer is due. ``more``: another one follows on this connection."""

    more: bool


Event = Negotiated | Connect | Mail | Recipient | End | Pass | Abort | Quit
_PASS, _ABORT = Pass(), Abort()


class _BrokenError(Exception):
    """The stream breaks a rule; nobody outside sees this."""


class Conversation:
    """One connection of a mail server. ``wants_refused``: ask for recipients that the mail server refuses itself."""

    __slots__ = ("_agreed", "_buffer", "_macros", "_wants_refused", "broken")

    def __init__(self, wants_refused: bool = False) -> None:
        self._wants_refused = wants_refused
        self._buffer = b""
        self._agreed = False
        self._macros: dict[int, dict[bytes, str]] = {}
        self.broken = ""
        """Why nothing more is read; empty where all is well."""

    @property
    def waiting(self) -> bool:
        """Whether a packet has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete, in their order."""
        found: list[Event] = []
        if self.broken:
            return found
        buffer, at = self._buffer + data if self._buffer else data, 0
        try:
            while len(buffer) - at >= 5:
                length = int.from_bytes(buffer[at : at + 4], "big")
                if not 0 < length <= LONGEST:
                    raise _BrokenError("bad length")
                end = at + 4 + length
                if end > len(buffer):
                    break
                event = self._read(buffer[at + 4], buffer[at + 5 : end])
                at = end
                if event is not None:
                    found.append(event)
        except _BrokenError as wrong:
            self.broken = str(wrong)
            self._buffer = b""
            return found
        self._buffer = buffer[at:]
        return found

    def _read(self, command: int, data: bytes) -> Event | None:
        if command == 0x4F:  # O
            return self._negotiate(data)
        if not self._agreed:
            raise _BrokenError("no negotiation")
        if command == 0x44:  # D
            self._take_macros(data)
            return None
        if command in _SKIPPED:
            return _PASS
        if command in b"QK":
            self._macros.clear()
            return Quit(command == 0x4B)
        if command == 0x41:  # A
            return _ABORT
        macros = self._macros.pop(command, {})
        if command == 0x43:  # C
            return _connect(data, macros)
        if command == 0x4D:  # M
            return Mail(macros.get(b"auth_authen", ""), _declared(data))
        if command == 0x52:  # R
            return _recipient(data, macros)
        if command == 0x45:  # E; what stands in it is the end of the body
            return End(_number(macros.get(b"msg_size", "")))
        if command == 0x42:  # B
            return _PASS
        raise _BrokenError("unknown command")

    def _negotiate(self, data: bytes) -> Negotiated:
        if self._agreed or len(data) < 12:
            raise _BrokenError("bad negotiation")
        offered, actions, steps = (int.from_bytes(data[at : at + 4], "big") for at in (0, 4, 8))
        if offered < OLDEST:
            raise _BrokenError("version too old")
        if steps & NEEDED != NEEDED:
            raise _BrokenError("header and body cannot be skipped")
        self._agreed = True
        version = min(offered, NEWEST)
        symbols = actions & SET_SYMBOLS if version == NEWEST else 0
        taken = actions & QUARANTINE | symbols
        chosen = steps & (UNWANTED | (REFUSED_RECIPIENTS if self._wants_refused else 0))
        answer = b"O" + b"".join(number.to_bytes(4, "big") for number in (version, taken, chosen))
        if symbols:
            answer += b"".join(stage.to_bytes(4, "big") + names + b"\0" for stage, names in SYMBOLS)
        return Negotiated(packet(answer), version, bool(taken & QUARANTINE), bool(chosen & REFUSED_RECIPIENTS))

    def _take_macros(self, data: bytes) -> None:
        if not data:
            raise _BrokenError("bad macros")
        parts = data[1:].split(b"\0", 2 * MOST_MACROS)
        # The last part is what stands behind the last NUL: nothing, or more than we keep.
        pairs = zip(parts[:-1:2], parts[1:-1:2], strict=False)
        self._macros[data[0]] = {name.strip(b"{}"): _text(value) for name, value in pairs}
        if len(self._macros) > 16:
            raise _BrokenError("bad macros")


def _connect(data: bytes, macros: dict[bytes, str]) -> Connect:
    """``name NUL family port address NUL``; the port, two bytes, is the client's."""
    _, nul, rest = data.partition(b"\0")
    if not nul or not rest:
        raise _BrokenError("bad connect")
    address = b""
    if rest[:1] in (b"4", b"6"):
        address, nul, _ = rest[3:].partition(b"\0")
        if not nul:
            raise _BrokenError("bad connect")
    return Connect(_text(address), macros.get(b"j", ""), macros.get(b"daemon_port", ""))


def _declared(data: bytes) -> int:
    """The size that stands among the words of a MAIL command: ``<sender> NUL SIZE=123 NUL``."""
    for word in data.split(b"\0")[1:]:
        if word[:5].upper() == b"SIZE=":
            return _number(_text(word[5:]))
    return 0


def _recipient(data: bytes, macros: dict[bytes, str]) -> Recipient:
    """``<recipient> NUL ...``. Of one that is refused, ``{rcpt_mailer}`` is ``error``, ``{rcpt_host}`` the enhanced status code (RFC 3463), and
    ``{rcpt_addr}`` the words, which may begin with the codes."""
    recipient = _text(data.partition(b"\0")[0]).strip("<>")
    if macros.get(b"rcpt_mailer") != "error":
        return Recipient(recipient)
    said, status = macros.get(b"rcpt_addr", ""), macros.get(b"rcpt_host", "")
    first = said[:3]
    if first.isascii() and first.isdigit() and 400 <= int(first) <= 599:
        return Recipient(recipient, int(first), said)
    code = 450 if status.startswith("4") else 550
    return Recipient(recipient, code, f"{code} {status} {said}")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def packet(data: bytes) -> bytes:
    """A packet: its command and data, with their length before it."""
    return len(data).to_bytes(4, "big") + data


def reply(text: str) -> bytes:
    """A refusal in words of our own: ``421 4.7.0 ...``, ASCII, on one line, without ``%``, which has a meaning there."""
    return packet(b"y" + text.encode("ascii") + b"\0")


def quarantine(reason: str) -> bytes:
    """Take the message, and keep it until somebody looks at it; then go on."""
    return packet(b"q" + reason.encode("ascii") + b"\0") + CONTINUE
