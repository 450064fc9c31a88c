"""POP3 up to the log-in, understood between a client and the server behind (RFC 1939, RFC 2449, RFC 2595, RFC 5034).

Job: name each command before it goes on, and the answer to it. Promise: a log-in that is refused here is answered here, and the server never sees the
password. One command at a time goes to the server until somebody is logged in, so answers stay one to one; from then on all bytes pass, untouched and
not looked at. Limits: messages are not seen.
"""

from typing import Any

from gatepost.wire.sasl import PLUS, LoginTap, Sasl, is_initial, is_response
from gatepost.wire.tap import LONGEST_LINE, Ear, text_of

LATER = b"-ERR [SYS/TEMP] Temporary authentication failure\r\n"
NEEDS_TLS = b"-ERR Encryption is needed before a log-in\r\n"
NOT_HERE = b"-ERR Unknown command\r\n"
TOO_LONG = b"-ERR Line too long\r\n"
LONGEST_COMMAND = 2_048
"""Bytes of a command, log-ins in base64 apart: servers with shorter lines might read the rest as another command (Cyrus after 8,191)."""
CANCEL = b"*\r\n"
NO_GUESS = (b"[SYS/", b"[IN-USE]", b"[LOGIN-DELAY]")
"""Response codes of a refusal that say nothing of the password (RFC 2449, 8; RFC 3206)."""
FORGED = (b"XCLIENT", b"XFORWARD")


class Pop3Tap(LoginTap):
    """One POP3 session."""

    def __init__(self, ear: Ear, *, hello: tuple[bytes, ...] = (), **common: Any) -> None:
        """``hello``: commands that are said to the server first (Dovecot's XCLIENT)."""
        super().__init__(ear, **common)
        self._hello = list(hello)
        self._greeting = b""
        self._verb = b""
        self._lines: list[bytes] = []
        self._user = ""
        self._instead = b""

    @property
    def midway(self) -> bool:
        """Whether a command has begun and not ended."""
        return bool(self._in) and self._mode in ("command", "sasl")

    def farewell(self, why: str) -> bytes:
        """How the session is ended by us."""
        return f"-ERR [SYS/TEMP] {why}\r\n".encode("ascii", "replace")

    # --- the client

    def _read(self) -> None:
        while not self.ended and not self.open and self._mode in ("command", "sasl"):
            line = self._in.line()
            if len(self._in if line is None else line) > LONGEST_LINE:
                self.ear.abused("command")
                self.to_client.append(self.farewell("Line too long"))
                self.end("a line that is too long")
                return
            if line is None:
                return
            self._respond(line) if self._mode == "sasl" else self._command(line)

    def _command(self, line: bytes) -> None:
        words = line.rstrip(b"\r\n").split(None, 1)
        verb, rest = [*words, b"", b""][:2]
        self._verb, self._instead = verb[:16].upper(), b""
        if len(line) > LONGEST_COMMAND and not (self._verb == b"AUTH" and is_initial(line)):
            self.to_client.append(TOO_LONG)
        elif b"\r" in line[:-2]:
            self.ear.abused("bare_newline")
            self.to_client.append(NOT_HERE)
        elif self._verb in FORGED:
            self.to_client.append(NOT_HERE)
        elif self._verb == b"STLS" and self._starttls != "pass":
            self._encrypt(b"+OK Begin TLS negotiation now\r\n", NOT_HERE)
        elif self._verb in (b"USER", b"PASS", b"APOP", b"AUTH") and self._logins_need_tls and not self.secure:
            self.to_client.append(NEEDS_TLS)
        elif self._verb == b"AUTH" and rest:
            self._auth(line, rest)
        elif self._verb in (b"PASS", b"APOP"):
            self._login(line, rest)
        else:
            if self._verb == b"USER":
                self._user = text_of(rest)
            self._go(line)

    def _go(self, line: bytes) -> None:
        self.to_server.append(line)
        self._mode = "wait"

    # --- log-ins

    def _login(self, line: bytes, rest: bytes) -> None:
        """PASS after USER, or APOP with both."""
        name = rest.partition(b" ")[0]
        self._sasl = Sasl(self._verb if self._verb == b"APOP" else b"USER")
        self._sasl.account = text_of(name) if self._verb == b"APOP" else self._user
        self._secret = "" if self._verb == b"APOP" else self.ear.hashed(rest)
        self._asked = True
        if self.ear.login(self._sasl.account, self._sasl.mechanism):
            self._go(line)
        else:
            self.to_client.append(LATER)

    def _auth(self, line: bytes, rest: bytes) -> None:
        mechanism, initial = [*rest.split(None, 1), b"", b""][:2]
        self._begin(mechanism)
        if initial and not self._may(initial):
            self.to_client.append(LATER)
        else:
            self._go(line)

    def _respond(self, line: bytes) -> None:
        """A response of the client's in AUTH; ``*`` cancels it."""
        self._mode = "wait"
        long = len(line) > LONGEST_COMMAND and not is_response(line)
        if long or (line.strip() != b"*" and not self._may(line)):
            self.to_server.append(CANCEL)
            self._instead = TOO_LONG if long else LATER
        else:
            self.to_server.append(line)

    # --- the server

    def _line(self, line: bytes) -> None:
        if not self.greeted:
            self._greet(line)
        elif self._mode == "list":
            self._listed(line)
        elif self._mode == "wait" and self._verb == b"AUTH" and self._sasl is not None and line[:1] == b"+" and line[:3] != b"+OK":
            self.to_client.append(line)
            self._mode = "sasl"
        elif self._mode == "wait":
            self._answered(line)
        else:
            self.to_client.append(line)

    def _greet(self, line: bytes) -> None:
        """The greeting, held back while we say who the client is."""
        well = line.startswith(b"+OK")
        if not well and not line.startswith(b"-ERR"):
            self.to_client.append(self.farewell("The server behind does not speak POP3"))
            self.end("the server left the protocol")
            return
        if not self._greeting:
            self._greeting = line.replace(b"[XCLIENT] ", b"", 1)  # what Dovecot offers to this host alone
        elif not well:
            self.to_client.append(self.farewell("The server behind does not take the client's address"))
            self.end("the server does not take the client's address")
            return
        if self._hello and well:
            self.to_server.append(self._hello.pop(0))
            return
        self.greeted = True
        self._mode = "command"
        self.to_client.append(self._greeting)

    def _answered(self, line: bytes) -> None:
        """The first line of an answer."""
        well = line.startswith(b"+OK")
        self._mode = "command"
        if self._instead:
            self.to_client.append(self._instead)
            self._instead = b""
            return
        self.to_client.append(line)
        if self._verb == b"CAPA" or (self._verb == b"AUTH" and self._sasl is None):
            self._mode = "list" if well else "command"
        elif self._verb in (b"PASS", b"APOP", b"AUTH"):
            self._logged_in(well, line)
        elif self._verb == b"STLS" and well:
            self.open = self.blind = True

    def _logged_in(self, well: bool, line: bytes) -> None:
        if not self._over(well, not line[5:].upper().startswith(NO_GUESS)):
            self.end("too many failed log-ins")

    def _listed(self, line: bytes) -> None:
        """A line of what the server can do (RFC 2449, 5), or of its mechanisms."""
        word = line.upper().split(None, 1)[:1]
        last = line in (b".\r\n", b".\n")
        if last:
            self._mode = "command"
        late = self._logins_need_tls and not self.secure
        if self._verb == b"AUTH":
            if last or not late:
                self.to_client.append(line)
            return
        if word[:1] in ([b"XCLIENT"], [b"STLS"]) and not (word[0] == b"STLS" and self._starttls == "pass"):
            return
        if word[:1] in ([b"USER"], [b"SASL"]) and late:
            return
        if last and self._starttls == "terminate" and not self.secure:
            self.to_client.append(b"STLS\r\n")
        self.to_client.append(PLUS.sub(b"", line) if word[:1] == [b"SASL"] else line)
