"""IMAP up to the log-in, understood between a client and the server behind (RFC 9051, RFC 3501).

Job: name each command before it goes on, literals and all, and the answer to it. Promise: a log-in that is refused here is answered by its tag, and
the server never sees the password. One command at a time goes to the server until somebody is logged in: so nobody can make the two read the same
bytes differently. Literals are taken here, and handed on as the server asks for them. From the log-in on all bytes pass, untouched and not looked
at: IDLE, COMPRESS and what else there is. Limits: who goes back to before the log-in (UNAUTHENTICATE, RFC 8437) is not seen.
"""

import re
from collections import deque
from typing import Any

from gatepost.wire.sasl import LoginTap, Sasl
from gatepost.wire.tap import LONGEST_LINE, Ear, text_of

MOST = 65_536
"""Bytes of a command before the log-in, literals included."""
OUR_TAG = b"gatepost"
LATER = b" NO [UNAVAILABLE] Temporary authentication failure\r\n"
NEEDS_TLS = b" NO [PRIVACYREQUIRED] Encryption is needed before a log-in\r\n"
BAD = b" BAD Command not understood\r\n"
GO_ON = b"+ OK\r\n"
CANCEL = b"*\r\n"
LOGINS = (b"LOGIN", b"AUTHENTICATE")
NO_GUESS = ("UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "CONTACTADMIN", "PRIVACYREQUIRED", "EXPIRED")
"""Response codes of a NO that say nothing of the password (RFC 9051, 7.1)."""
FORGED = (b"x-originating-", b"x-connected-", b"x-proxy-", b"x-session-", b"x-forward-")
"""What Dovecot believes from a proxy; a client that says it means to be taken for another."""
_LITERAL = re.compile(rb"\{([0-9]{1,10})(\+?)\}\r?\n$")
_QUOTED = re.compile(rb'"(?:[^"\\\r\n]|\\[^\r\n])*"')
_TAG = re.compile(rb"[\x21\x23\x24\x26\x27\x2c-\x5b\x5d-\x7a\x7c-\x7e]{1,64}")
_COMMAND = re.compile(rb"(" + _TAG.pattern + rb") +([A-Za-z0-9_-]{1,64})(?=[ \r\n])")
"""Tag and name, as all servers read them: some take the name in quotes or as a literal too, some answer what begins otherwise without a tag."""
_AUTHENTICATE = re.compile(rb' +"?([A-Za-z0-9_-]{1,32})"?(?: +"?([A-Za-z0-9+/=]*)"?)? *\r?\n')
_ATOM = re.compile(rb'[^ "]+')
_CODE = re.compile(rb"\[([A-Za-z-]{1,32})")
_CAPABILITIES = re.compile(rb"(\* CAPABILITY |\[CAPABILITY )([^\]\r\n]*)", re.IGNORECASE)


class ImapTap(LoginTap):
    """One IMAP session."""

    def __init__(self, ear: Ear, *, hello: tuple[bytes, ...] = (), **common: Any) -> None:
        """``hello``: commands with `OUR_TAG` that are said to the server first (ID with the client's address)."""
        super().__init__(ear, **common)
        self._hello = list(hello)
        self._greeting = b""
        self._command: list[bytes] = []
        """The command that comes in: lines that end with a literal's length, and the literals, in turn."""
        self._left = 0
        self._script: deque[bytes] = deque()
        """What is still to be said to the server, each part when it asks for it."""
        self._tag = b""
        self._verb = b""
        self._instead = b""

    @property
    def midway(self) -> bool:
        """Whether a command has begun and not ended."""
        return bool(self._in or self._command) and self._mode in ("command", "literal", "sasl")

    def farewell(self, why: str) -> bytes:
        """How the session is ended by us."""
        return f"* BYE {why}\r\n".encode("ascii", "replace")

    # --- the client

    def _read(self) -> None:
        while not self.ended and not self.open:
            if self._mode == "literal":
                part = self._in.some(self._left)
                self._command[-1] += part
                self._left -= len(part)
                if self._left:
                    return
                self._mode = "command"
            elif self._mode in ("command", "sasl"):
                line = self._in.line()
                if len(self._in if line is None else line) > LONGEST_LINE:
                    self.ear.abused("command")
                    self.to_client.append(self.farewell("Line too long"))
                    self.end("a line that is too long")
                    return
                if line is None:
                    return
                self._respond(line) if self._mode == "sasl" else self._take(line)
            else:
                return

    def _take(self, line: bytes) -> None:
        """One line of a command."""
        self._command.append(line)
        bare = _QUOTED.sub(b"", line)
        if b'"' in bare or b"\r" in line[:-2]:
            self._bad()  # in quotes that do not end, a server sees no literal
            return
        literal = _LITERAL.search(bare)
        if literal is None:
            self._whole()
        elif sum(map(len, self._command)) + int(literal[1]) > MOST:
            self.to_client.append(self.farewell("Command too long"))
            self.end("a command that is too long")
        else:
            if literal[2]:  # asked for when it is handed on: not each server takes one unasked
                self._command[-1] = line[: line.rindex(b"+}")] + b"}\r\n"
            else:
                self.to_client.append(GO_ON)
            self._left = int(literal[1])
            self._command.append(b"")
            self._mode = "literal" if self._left else "command"

    def _bad(self) -> None:
        """Refuses a command that cannot be understood."""
        tag = self._command[0].split(b" ", 1)[0].strip()
        self.to_client.append((tag if _TAG.fullmatch(tag) else b"*") + BAD)
        self._command = []

    def _whole(self) -> None:
        """A command is whole."""
        named = _COMMAND.match(self._command[0])
        if named is None or named[1] == OUR_TAG:
            self._bad()
            return
        self._tag, self._verb = named[1], named[2].upper()
        self._instead = b""
        if self._verb == b"LOGIN":
            self._login()
        elif self._verb == b"AUTHENTICATE":
            self._authenticate(self._command[0][named.end() :])
        elif self._verb == b"STARTTLS" and self._starttls != "pass":
            self._encrypt(self._tag + b" OK Begin TLS negotiation now\r\n", self._tag + BAD)
            self._command = []
        elif self._verb == b"ID" and any(name in part.lower() for part in self._command for name in FORGED):
            self._answer(BAD)
        else:
            self._go()

    def _answer(self, rest: bytes) -> None:
        """Answers the command here."""
        self.to_client.append(self._tag + rest)
        self._command = []

    def _go(self) -> None:
        """Hands the command on: up to its first literal at once, the rest as the server asks for it."""
        parts, self._command = self._command, []
        joined = [parts[0], *(parts[index] + parts[index + 1] for index in range(1, len(parts), 2))]
        self._script = deque(joined)
        self.to_server.append(self._script.popleft())
        self._mode = "wait"

    # --- log-ins

    def _needs_tls(self) -> bool:
        if self._logins_need_tls and not self.secure:
            self._answer(NEEDS_TLS)
            return True
        return False

    def _login(self) -> None:
        if self._needs_tls():
            return
        name, secret = [*arguments(self._command), b"", b""][:2]
        account = text_of(name)
        self._sasl = sasl = Sasl(b"LOGIN")
        sasl.account = account
        self._secret = self.ear.hashed(secret)
        self._asked = True
        if self.ear.login(account, "LOGIN"):
            self._go()
        else:
            self._answer(LATER)

    def _authenticate(self, rest: bytes) -> None:
        if self._needs_tls():
            return
        found = _AUTHENTICATE.fullmatch(rest)
        if found is None or len(self._command) > 1:
            self._answer(BAD)
            return
        self._begin(found[1])
        if found[2] and not self._may(found[2]):
            self._answer(LATER)
        else:
            self._go()

    def _respond(self, line: bytes) -> None:
        """A response of the client's in AUTHENTICATE; ``*`` cancels it."""
        self._mode = "wait"
        if line.strip() != b"*" and not self._may(line):
            self.to_server.append(CANCEL)
            self._instead = self._tag + LATER
        else:
            self.to_server.append(line)

    # --- the server

    def _line(self, line: bytes) -> None:
        if not self.greeted:
            self._greet(line)
        elif line.startswith(b"+"):
            self._goes_on(line)
        elif self._mode == "wait" and line.split(None, 1)[:1] == [self._tag]:
            self._tagged(line)
        else:
            self.to_client.append(self._shown(line))

    def _greet(self, line: bytes) -> None:
        """The greeting, held back while we say who the client is."""
        word = line[:6].upper()
        if not self._greeting:
            if not word.startswith((b"* OK", b"* BYE", b"* PREA")):
                self.to_client.append(self.farewell("The server behind does not speak IMAP"))
                self.end("the server left the protocol")
                return
            self._greeting = line
        elif line.startswith(OUR_TAG + b" "):
            if line[len(OUR_TAG) + 1 : len(OUR_TAG) + 3].upper() != b"OK":
                self.to_client.append(self.farewell("The server behind does not take the client's address"))
                self.end("the server does not take the client's address")
                return
        else:
            return
        if self._hello:
            self.to_server.append(self._hello.pop(0))
            return
        self.greeted = True
        self._mode = "command"
        self.to_client.append(self._shown(self._greeting))
        self.open = self._greeting[:9].upper() == b"* PREAUTH"

    def _goes_on(self, line: bytes) -> None:
        """The server asks for more."""
        if self._script:
            self.to_server.append(self._script.popleft())
            return
        self.to_client.append(line)
        if self._mode == "wait" and self._verb == b"AUTHENTICATE":
            self._mode = "sasl"

    def _tagged(self, line: bytes) -> None:
        """The answer to the command under way."""
        self._script.clear()
        self._mode = "command"
        if self._instead:
            self.to_client.append(self._instead)
            self._instead = b""
            return
        words = line.split(None, 2)
        status = words[1].upper() if len(words) > 1 else b""
        well = self._verb in LOGINS and status == b"OK"
        self.to_client.append(line if well else self._shown(line))
        if self._verb in LOGINS:
            self._logged_in(status, words[2] if len(words) > 2 else b"")
        elif self._verb == b"STARTTLS" and status == b"OK":
            self.open = self.blind = True

    def _logged_in(self, status: bytes, rest: bytes) -> None:
        code = _CODE.match(rest)
        if not self._over(status == b"OK", status == b"NO" and not (code and text_of(code[1]).upper() in NO_GUESS)):
            self.to_client.append(self.farewell("Too many failures"))
            self.end("too many failed log-ins")

    def _shown(self, line: bytes) -> bytes:
        """A line of the server's, with the capabilities that hold here. What it says between a log-in and its answer is about what comes after."""
        if self._mode == "wait" and self._verb in LOGINS:
            return line
        return _CAPABILITIES.sub(self._capabilities, line, count=1) if b"CAPABILITY " in line.upper() else line

    def _capabilities(self, found: "re.Match[bytes]") -> bytes:
        passes, late = self._starttls == "pass", self._logins_need_tls and not self.secure
        words = [word for word in found[2].split(b" ") if passes or word.upper() != b"STARTTLS"]
        if self._starttls == "terminate" and not self.secure:
            words.append(b"STARTTLS")
        if late:
            words = [word for word in words if not word.upper().startswith((b"AUTH=", b"SASL-IR", b"LOGINDISABLED"))] + [b"LOGINDISABLED"]
        return found[1] + b" ".join(word for word in words if not word.upper().endswith(b"-PLUS"))


def arguments(command: list[bytes]) -> list[bytes]:
    """The arguments of a whole command (RFC 9051, 4.3: atoms, quoted strings, literals), without tag and name."""
    found: list[bytes] = []
    for index, part in enumerate(command):
        if index % 2:
            found.append(part)
            continue
        text = _LITERAL.sub(b"", part).strip()
        while text:
            quoted = _QUOTED.match(text)
            if quoted:
                found.append(re.sub(rb"\\(.)", rb"\1", quoted[0][1:-1]))
                text = text[quoted.end() :].lstrip()
            elif atom := _ATOM.match(text):
                found.append(atom[0])
                text = text[atom.end() :].lstrip()
            else:
                return []
    return found[2:]
