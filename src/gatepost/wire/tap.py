"""What the taps of SMTP, IMAP and POP3 share: a tap stands between a client and the server behind, and names what passes.

Job: the two streams that a tap is fed, the two that it gives, and whom it asks. Promise: a tap buffers no more than one command and what was sent
while it waits for an answer; what it does not have to change goes on byte for byte. Limits: sans I/O; whoever feeds it must stop reading from a
client while `full` says so.
"""

from abc import ABC, abstractmethod
from typing import Literal, Protocol

from gatepost.core.facts import Stage

StartTls = Literal["terminate", "hide", "pass"]
"""What becomes of STARTTLS and STLS: ended here; taken out of what the server offers; or handed on, after which nothing is understood any more."""

LONGEST_LINE = 16_384
"""Bytes of a command line: AUTH with an initial response may have 12,288 (RFC 4954, 4)."""
LONGEST_ANSWER = 65_536
"""Bytes of one reply of the server's, or of one line of it."""
ENOUGH = 65_536
"""Bytes that wait for the server's answer before no more is read."""


class Incoming:
    """Bytes of the client's that wait to be read. Reading many short lines out of a large piece costs no copies of the rest."""

    __slots__ = ("_at", "data")

    def __init__(self) -> None:
        self.data = b""
        """What waits, from some place on; empty where nothing does."""
        self._at = 0

    def __len__(self) -> int:
        return len(self.data) - self._at

    def put(self, data: bytes) -> None:
        """More came."""
        self.data, self._at = self.data[self._at :] + data, 0

    def back(self, data: bytes) -> None:
        """Puts bytes back, to be read next."""
        self.data, self._at = data + self.data[self._at :], 0

    def line(self) -> bytes | None:
        """Takes the next line, with its LF; None where none is whole."""
        data, at = self.data, self._at
        end = data.find(b"\n", at) + 1
        if not end:
            return None
        self.data, self._at = (data, end) if end < len(data) else (b"", 0)
        return data[at:end]

    def some(self, most: int) -> bytes:
        """Takes the next bytes, so many at most."""
        data, at = self.data, self._at
        end = at + most
        self.data, self._at = (data, end) if end < len(data) else (b"", 0)
        return data[at:end]

    def rest(self) -> bytes:
        """Takes all."""
        rest = self.data[self._at :]
        self.data, self._at = b"", 0
        return rest


class Ear(Protocol):
    """Who listens to a tap, and decides. Nothing here waits."""

    def hashed(self, secret: bytes) -> str:
        """A keyed hash of a secret; it is not kept otherwise."""

    def login(self, account: str, method: str) -> bool:
        """Whether somebody may try to log in; asked before the server sees a secret."""

    def logged_in(self, account: str, method: str) -> None:
        """The server took the log-in."""

    def login_failed(self, account: str, method: str, secret: str) -> bool:
        """The server refused the log-in by the client's fault; whether the session may go on."""

    def may_relay(self) -> bool:
        """Whether the client may relay without a log-in."""

    def accepted(self, account: str, recipients: int, size: int) -> None:
        """The server took a message."""

    def rejected(self, stage: Stage, code: int, text: str, recipient: str) -> None:
        """A command was refused: by the server, or by the relay control in its place."""

    def abused(self, reason: str) -> None:
        """The client left the protocol."""


class Tap(ABC):
    """One session. After each feeding the caller carries out what stands in the public fields, and empties the two lists."""

    __slots__ = (
        "_answers", "_in", "_logins_need_tls", "_mode", "_starttls", "account", "blind", "cut", "ear", "ended", "greeted", "open", "secure",
        "to_client", "to_server", "upgrade",
    )  # fmt: skip

    def __init__(self, ear: Ear, *, starttls: StartTls = "hide", secure: bool = False, logins_need_tls: bool = False) -> None:
        """``secure``: the session is encrypted from its start. ``logins_need_tls``: no log-in before it is."""
        self.ear = ear
        self.to_client: list[bytes] = []
        self.to_server: list[bytes] = []
        self.ended = ""
        """Why the session is over, in words; what stands in ``to_client`` is still sent. Empty while it goes on."""
        self.cut = False
        """The server's side is to be dropped at once, so that it never takes the message that it holds in part."""
        self.upgrade = False
        """Once ``to_client`` is sent, TLS begins with the client; then `secured` is called."""
        self.open = False
        """Nothing needs to be understood any more: all bytes pass."""
        self.blind = False
        """It is open because the rest is encrypted."""
        self.greeted = False
        self.secure = secure
        self.account = ""
        """Who is logged in; empty where nobody is."""
        self._starttls = starttls
        self._logins_need_tls = logins_need_tls
        self._in = Incoming()
        self._answers = b""
        self._mode = "wait"
        """What is read next; each tap has modes of its own beside this one: the server must answer first."""

    @property
    def full(self) -> bool:
        """Whether enough of the client's waits; no more should be read from it now."""
        return self._in.data != b"" and len(self._in) > ENOUGH

    @property
    def midway(self) -> bool:
        """Whether a command has begun and not ended."""
        return bool(self._in)

    @property
    def waiting(self) -> bool:
        """Whether bytes of the client's wait for the server's answer."""
        return bool(self._in) and self._mode == "wait"

    @property
    def owing(self) -> bool:
        """Whether the server was asked, and has not answered."""
        return self._mode == "wait" and not self.open

    @property
    def unfinished(self) -> bool:
        """Whether a server that leaves now breaks off."""
        return self.owing

    def from_client(self, data: bytes) -> None:
        """The client sent bytes."""
        if self.ended:
            return
        if self.open:
            self.to_server.append(data)
            return
        if self.upgrade:
            self.injected()
            return
        self._in.put(data)
        self._read()

    def from_server(self, data: bytes) -> None:
        """The server sent bytes."""
        if self.ended:
            return
        if self.open:
            self.to_client.append(data)
            return
        self._heed(self._answers + data)

    def _heed(self, data: bytes) -> None:
        """Reads the server's lines, and after each one on in what the client sent."""
        begin = 0
        while end := data.find(b"\n", begin) + 1:
            self._line(data[begin:end])
            if self._in.data and not self.open:
                self._read()
            if self.open or self.ended:
                self._answers = b""
                self._stopped(data[end:])
                return
            begin = end
        self._answers = data[begin:]
        if len(self._answers) > LONGEST_ANSWER:
            self.end("the server left the protocol")

    def secured(self) -> None:
        """TLS has begun with the client."""
        self.upgrade, self.secure = False, True

    def _encrypt(self, yes: bytes, no: bytes) -> None:
        """The client asks for TLS: answers with yes, and has it begun, or with no."""
        if self._starttls != "terminate" or self.secure:
            self.to_client.append(no)
        elif self._in:
            self.injected()
        else:
            self.to_client.append(yes)
            self.upgrade = True

    def injected(self) -> None:
        """Bytes came in clear text behind STARTTLS: an attack on whoever believes that they came encrypted (RFC 3207, 6; RFC 3501, 11.1)."""
        self.ear.abused("pipelining")
        self.to_client.clear()
        self.end("clear text behind STARTTLS")

    def end(self, why: str) -> None:
        """Ends the session."""
        self.ended = why
        self._in.rest()

    @abstractmethod
    def farewell(self, why: str) -> bytes:
        """How the session is ended by us, in the protocol."""

    def _stopped(self, rest: bytes) -> None:
        """Nothing is understood any more: where the session goes on, the rest of both streams passes, if nothing was slipped in before TLS."""
        if self.ended:
            return
        if self.blind and (rest or self._in):
            self.injected()
            return
        if rest:
            self.to_client.append(rest)
        if self._in:
            self.to_server.append(self._in.rest())

    @abstractmethod
    def _read(self) -> None:
        """Reads on in what the client sent, as far as it can be understood now."""

    @abstractmethod
    def _line(self, line: bytes) -> None:
        """Reads one line of the server's, with its end."""


def text_of(data: bytes) -> str:
    """Text that a stranger sent: UTF-8 or not."""
    return data.decode("utf-8", "replace")
