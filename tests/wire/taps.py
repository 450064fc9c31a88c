"""What the tests of the taps share: an ear that writes down what it hears, small servers, and a wire that cuts both streams where it is told to."""

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

from gatepost.core.facts import Stage
from gatepost.wire.tap import Tap


class Heard:
    """An ear: what it heard, in order; what it answers is set by the test."""

    def __init__(self, *, refuse: tuple[str, ...] = (), fails: int = 100, relay: bool = False) -> None:
        self.said: list[tuple[Any, ...]] = []
        self._refuse, self._fails, self._relay = refuse, fails, relay

    def hashed(self, secret: bytes) -> str:
        """Reversed is hash enough here."""
        return secret[::-1].decode("latin-1")

    def login(self, account: str, method: str) -> bool:
        """Refuses those that the test names."""
        self.said.append(("login", account, method))
        return account not in self._refuse

    def logged_in(self, account: str, method: str) -> None:
        """Writes it down."""
        self.said.append(("logged_in", account, method))

    def login_failed(self, account: str, method: str, secret: str) -> bool:
        """Writes it down, and ends the session at the number that the test names."""
        self.said.append(("failed", account, method, secret))
        self._fails -= 1
        return self._fails > 0

    def may_relay(self) -> bool:
        """As the test says."""
        return self._relay

    def accepted(self, account: str, recipients: int, size: int) -> None:
        """Writes it down."""
        self.said.append(("accepted", account, recipients, size))

    def rejected(self, stage: Stage, code: int, text: str, recipient: str) -> None:
        """Writes it down."""
        self.said.append(("rejected", stage, code, recipient))

    def abused(self, reason: str) -> None:
        """Writes it down."""
        self.said.append(("abused", reason))


def b64(text: str) -> bytes:
    """Text in base64."""
    return base64.b64encode(text.encode())


class SmtpServer:
    """A server that reads by the letter of RFC 5321: alice logs in with `right`, x@ is unknown, and `busy` gets 450."""

    greeting = b"220 mx ESMTP\r\n"

    def __init__(self, extra: bytes = b"") -> None:
        self.got = b""
        self._in = b""
        self._state = ""
        self._left = 0
        self._last = False
        self._extra = extra

    def take(self, data: bytes) -> bytes:
        """Reads bytes; what it answers."""
        self.got += data
        self._in += data
        out = b""
        while self._in:
            if self._state == "data":
                _, end, rest = (b"\r\n" + self._in).partition(b"\r\n.\r\n")
                if not end:
                    break
                self._state, self._in = "", rest
                out += b"250 2.0.0 queued\r\n"
                continue
            if self._left:
                part = self._in[: self._left]
                self._left -= len(part)
                self._in = self._in[len(part) :]
                if not self._left:
                    out += b"250 2.0.0 chunk\r\n"
                continue
            line, end, rest = self._in.partition(b"\n")
            if not end:
                break
            self._in = rest
            out += self._answer(line)
        return out

    def _answer(self, line: bytes) -> bytes:
        if self._state:
            state, self._state = self._state, ""
            return self._of_login(state, line.strip())
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n" + self._extra + b"250 CHUNKING\r\n"
        if verb == b"AUTH":
            _, mechanism, *initial = line.split()
            if initial:
                return self._of_login(mechanism.decode(), initial[0])
            self._state = mechanism.decode()
            return b"334 \r\n"
        if verb == b"DATA":
            self._state = "data"
            return b"354 go on\r\n"
        if verb == b"BDAT":
            self._left = int(line.split()[1])
            return b"" if self._left else b"250 2.0.0 chunk\r\n"
        if verb == b"RCPT" and b"<x@" in line:
            return b"550 5.1.1 no such user\r\n"
        if verb == b"RCPT" and b"busy" in line:
            return b"450-4.2.0 come\r\n450 4.2.0 back\r\n"
        return b"250 2.0.0 Ok\r\n"

    def _of_login(self, state: str, line: bytes) -> bytes:
        if line == b"*":
            return b"501 5.7.0 cancelled\r\n"
        if state == "LOGIN":
            self._state = "PASSWORD:" + line.decode()
            return b"334 UGFzc3dvcmQ6\r\n"
        said = base64.b64decode(line)
        well = said.endswith(b"right")
        return b"235 2.7.0 yes\r\n" if well else b"535 5.7.8 no\r\n"


class ImapServer:
    """A small IMAP server before the log-in: everybody's password is `right`."""

    greeting = b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN SASL-IR AUTH=SCRAM-SHA-256-PLUS LITERAL+] ready\r\n"

    def __init__(self) -> None:
        self.got = b""
        self._in = b""
        self._command: list[bytes] = []
        self._left = 0
        self._tag = b""

    def take(self, data: bytes) -> bytes:
        """Reads bytes; what it answers."""
        self.got += data
        self._in += data
        out = b""
        while self._in:
            if self._left:
                part = self._in[: self._left]
                self._left -= len(part)
                self._in = self._in[len(part) :]
                self._command.append(part)
                continue
            line, end, rest = self._in.partition(b"\n")
            if not end:
                break
            self._in = rest
            if self._tag:
                tag, self._tag = self._tag, b""
                out += tag + (b" BAD no\r\n" if line.startswith(b"*") else self._outcome(base64.b64decode(line)))
                continue
            self._command.append(line)
            literal = re.search(rb"\{(\d+)\}\r$", line)
            if literal:
                self._left = int(literal[1])
                out += b"+ more\r\n"
                continue
            out += self._answer(b" ".join(self._command))
            self._command = []
        return out

    @staticmethod
    def _outcome(proof: bytes) -> bytes:
        return b" OK in\r\n" if proof.strip(b'"').endswith(b"right") else b" NO [AUTHENTICATIONFAILED] no\r\n"

    def _answer(self, line: bytes) -> bytes:
        words = line.split()
        if len(words) < 2:
            return b"* BAD\r\n"
        tag, verb = words[0], words[1].upper()
        if verb == b"CAPABILITY":
            return b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n" + tag + b" OK done\r\n"
        if verb == b"LOGIN":
            return tag + self._outcome(words[-1])
        if verb == b"AUTHENTICATE" and len(words) > 3:
            return tag + self._outcome(base64.b64decode(words[3]))
        if verb == b"AUTHENTICATE":
            self._tag = tag
            return b"+ \r\n"
        return b"* 1 EXISTS\r\n" + tag + b" OK done\r\n"


class Pop3Server:
    """A small POP3 server before the log-in: everybody's password is `right`."""

    greeting = b"+OK ready <1.2@mx>\r\n"

    def __init__(self) -> None:
        self.got = b""
        self._in = b""
        self._sasl = False

    def take(self, data: bytes) -> bytes:
        """Reads bytes; what it answers."""
        self.got += data
        *lines, self._in = (self._in + data).split(b"\r\n")
        return b"".join(map(self._answer, lines))

    def _answer(self, line: bytes) -> bytes:
        if self._sasl:
            self._sasl = False
            return b"-ERR cancelled\r\n" if line == b"*" else self._outcome(base64.b64decode(line))
        verb = line[:4].upper()
        if verb == b"CAPA":
            return b"+OK\r\nUSER\r\nSTLS\r\nSASL PLAIN\r\n.\r\n"
        if verb in (b"PASS", b"APOP"):
            return self._outcome(line)
        if verb == b"AUTH" and len(line.split()) > 2:
            return self._outcome(base64.b64decode(line.split()[2]))
        if verb == b"AUTH":
            self._sasl = True
            return b"+ \r\n"
        return b"+OK\r\n"

    @staticmethod
    def _outcome(proof: bytes) -> bytes:
        return b"+OK in\r\n" if proof.endswith(b"right") else b"-ERR [AUTH] no\r\n"


class SieveServer:
    """A small ManageSieve server before the log-in: everybody's password is `right`. What it does not know, it skips line by line, literals too."""

    capabilities = b'"IMPLEMENTATION" "x {3}"\r\n"SIEVE" {6}\r\na\r\nb c\r\n"SASL" "PLAIN SCRAM-SHA-256-PLUS"\r\n"STARTTLS"\r\n"UNAUTHENTICATE"\r\n'
    greeting = capabilities + b'OK "ready"\r\n'

    def __init__(self) -> None:
        self.got = b""
        self._in = b""
        self._sasl = False

    def take(self, data: bytes) -> bytes:
        """Reads bytes; what it answers."""
        self.got += data
        self._in += data
        out = b""
        while found := re.match(rb"((?:\"(?:[^\"\\]|\\.)*\"|\{(\d+)\+\}\r\n|[^\r\"{])*)\r\n", self._in):
            line, self._in = found[1], self._in[found.end() :]
            out += self._answer(line)
        return out

    def _answer(self, line: bytes) -> bytes:
        given = re.findall(rb'"([^"]*)"', line)
        if self._sasl:
            self._sasl = False
            return b'NO "cancelled"\r\n' if line == b'"*"' else self._outcome(base64.b64decode(given[0]))
        verb = line.split(b" ")[0].upper()
        if verb == b"CAPABILITY":
            return self.capabilities + b"OK {5}\r\ndo\r\nn\r\n"
        if verb == b"AUTHENTICATE" and len(given) > 1:
            return self._outcome(base64.b64decode(given[1]))
        if verb == b"AUTHENTICATE":
            self._sasl = True
            return b"{0}\r\n\r\n"
        return b'OK (TAG "x)") "yes"\r\n' if verb in (b"NOOP", b"LOGOUT", b"LISTSCRIPTS") else b'NO "what?"\r\n'

    @staticmethod
    def _outcome(proof: bytes) -> bytes:
        if proof.endswith(b"later"):
            return b'NO (TRYLATER) "busy"\r\n'
        return b'OK (SASL "cg==") "in"\r\n' if proof.endswith(b"right") else b"NO {2}\r\nno\r\n"


AnyServer = SmtpServer | ImapServer | Pop3Server | SieveServer


class Played:
    """What a session led to."""

    def __init__(self, tap: Tap, server: AnyServer, client: bytes, size: Callable[[], int] = lambda: 1 << 20) -> None:
        """Plays a client's bytes, cut into pieces of ``size``; so are the server's."""
        self.tap, self.server = tap, server
        self.shown = b""
        self._size = size
        self._from_server(server.greeting)
        for piece in self._pieces(client):
            tap.from_client(piece)
            self._carry()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            size = self._size()
            yield data[:size]
            data = data[size:]

    def _from_server(self, data: bytes) -> None:
        for piece in self._pieces(data):
            self.tap.from_server(piece)
            self._carry()

    def _carry(self) -> None:
        self.shown += b"".join(self.tap.to_client)
        self.tap.to_client.clear()
        sent = b"".join(self.tap.to_server)
        self.tap.to_server.clear()
        if sent and not self.tap.cut:
            self._from_server(self.server.take(sent))
