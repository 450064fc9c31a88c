"""ManageSieve up to the log-in, understood between a client and the server behind (RFC 5804).

Job: name each command before it goes on, literals and all, and the response to it. Promise: a log-in that is refused here is answered here, and the
server never sees the password. One command at a time goes to the server until somebody is logged in. Literals go on in quotes, and in log-ins alone:
a server that skips line by line what it does not take would find commands in them. From the log-in on all bytes pass, untouched and not looked at.
Limits: who goes back to before the log-in (UNAUTHENTICATE) is not seen; it is taken out of what the server offers.
"""

import re
from typing import Any

from gatepost.wire.sasl import LoginTap
from gatepost.wire.tap import LONGEST_ANSWER, LONGEST_LINE, Ear

MOST = 65_536
"""Bytes of a command before the log-in, literals included."""
LATER = b'NO (TRYLATER) "Temporary authentication failure"\r\n'
NEEDS_TLS = b'NO (ENCRYPT-NEEDED) "Encryption is needed before a log-in"\r\n'
BAD = b'NO "Command not understood"\r\n'
CANCEL = b'"*"\r\n'
ASKS = b"CAPABILITY"
NO_GUESS = (b"TRYLATER", b"ENCRYPT-NEEDED", b"AUTH-TOO-WEAK", b"TRANSITION-NEEDED", b"REFERRAL")
"""Response codes of a NO that say nothing of the password (RFC 5804, 1.3)."""
HIDDEN = (b"XCLIENT", b"UNAUTHENTICATE")
"""Capabilities that cannot be kept: what a stranger says of himself is not believed, and a second log-in would not be seen."""
LONGEST_QUOTED = 1_024
"""Bytes of a string in quotes (RFC 5804, 4). What is longer stays a literal: in base64, no server takes it for a command."""
_LITERAL = re.compile(rb"(?:^|(?<= ))\{([0-9]{1,10})(\+?)\}\r?\n")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\[^\r\n])*)"')
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]*")
_MECHANISM = re.compile(rb"[A-Za-z0-9_-]{1,32}")
_COMMAND = re.compile(rb"([A-Za-z]{1,32})(?= |\r?\n)")
_RESPONSE = re.compile(rb"(OK|NO|BYE)(?: \(([A-Za-z/-]{1,64}))?(?=[ )\r\n])", re.IGNORECASE)


class SieveTap(LoginTap):
    """One ManageSieve session."""

    def __init__(self, ear: Ear, **common: Any) -> None:
        super().__init__(ear, **common)
        self._command: list[bytes] = []
        """The command or response that comes in: lines that end with a literal's length, and the literals, in turn."""
        self._left = 0
        """Octets of a literal of the client's that are still to come."""
        self._said = b""
        """What comes from the server, up to its end."""
        self._said_left = 0
        """Octets of a literal of the server's that are still to come."""
        self._verb = ASKS
        """The command under way; the greeting reads like the answer to one (RFC 5804, 1.7)."""
        self._responds = False
        """The client's next words are a response in a log-in."""
        self._instead = b""

    @property
    def midway(self) -> bool:
        """Whether a command has begun and not ended."""
        return bool(self._in or self._command) and self._mode in ("command", "literal")

    def farewell(self, why: str) -> bytes:
        """How the session is ended by us."""
        return f'BYE (TRYLATER) "{why}"\r\n'.encode("ascii", "replace")

    def secured(self) -> None:
        """TLS has begun with the client, who is told what the server can do once more (RFC 5804, 2.2); the server is asked for it."""
        super().secured()
        self._go(ASKS, b"CAPABILITY\r\n")

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
            elif self._mode == "command":
                line = self._in.line()
                if len(self._in if line is None else line) > LONGEST_LINE:
                    self.ear.abused("command")
                    self.to_client.append(self.farewell("Line too long"))
                    self.end("a line that is too long")
                    return
                if line is None:
                    return
                self._take(line)
            else:
                return

    def _take(self, line: bytes) -> None:
        """One line of a command or of a response."""
        self._command.append(line)
        bare = _QUOTED.sub(b"''", line)
        literal = _LITERAL.search(bare)
        if b'"' in bare or b"\r" in line[:-2] or b"\0" in line or (literal and not literal[2]):
            self._bad()  # what a server might read otherwise: quotes that do not end; clients have literals with + alone (RFC 5804, 4)
        elif literal is None:
            self._respond() if self._responds else self._whole()
        elif sum(map(len, self._command)) + int(literal[1]) > MOST:
            self.to_client.append(self.farewell("Command too long"))
            self.end("a command that is too long")
        else:
            self._left = int(literal[1])
            self._command.append(b"")
            self._mode = "literal" if self._left else "command"

    def _bad(self) -> None:
        """Refuses what cannot be understood; a log-in under way is cancelled."""
        self._command = []
        if self._responds:
            self._cancel(BAD)
        else:
            self.to_client.append(BAD)

    def _whole(self) -> None:
        """A command is whole."""
        parts, self._command = self._command, []
        command = b"".join(parts)
        named = _COMMAND.match(command)
        verb = named[1].upper() if named else b""
        self._instead = b""
        if verb == b"AUTHENTICATE":
            self._authenticate(command, len(parts) > 1)
        elif not verb or verb == b"XCLIENT" or len(parts) > 1:
            self.to_client.append(BAD)
        elif verb == b"STARTTLS" and self._starttls != "pass":
            self._encrypt(b'OK "Begin TLS negotiation now"\r\n', BAD)
        else:
            self._go(verb, command)

    def _go(self, verb: bytes, command: bytes) -> None:
        self._verb, self._mode = verb, "wait"
        self.to_server.append(command)

    # --- log-ins

    def _authenticate(self, command: bytes, literal: bool) -> None:
        if self._logins_need_tls and not self.secure:
            self.to_client.append(NEEDS_TLS)
            return
        mechanism, *initial = strings(command[len(b"AUTHENTICATE") :]) or [b""]
        if not _MECHANISM.fullmatch(mechanism) or len(initial) > 1 or not all(map(_BASE64.fullmatch, initial)):
            self.to_client.append(BAD)
            return
        self._begin(mechanism)
        if initial and initial[0] and not self._may(initial[0]):
            self.to_client.append(LATER)
        else:
            self._go(b"AUTHENTICATE", b" ".join([b"AUTHENTICATE", *map(_string, [mechanism, *initial])]) + b"\r\n" if literal else command)

    def _respond(self) -> None:
        """A response of the client's in AUTHENTICATE; ``"*"`` cancels it."""
        parts, self._command = self._command, []
        given = strings(b"".join(parts)) or []
        if len(given) != 1 or not (given[0] == b"*" or _BASE64.fullmatch(given[0])):
            self._cancel(BAD)
        elif given[0] != b"*" and not self._may(given[0]):
            self._cancel(LATER)
        else:
            self._responds = False
            self._go(self._verb, _string(given[0]) + b"\r\n" if len(parts) > 1 else parts[0])

    def _cancel(self, answer: bytes) -> None:
        """Ends a log-in at the server; the client gets our answer."""
        self._responds, self._instead = False, answer
        self._go(self._verb, CANCEL)

    # --- the server

    def _line(self, line: bytes) -> None:
        """One line of the server's, which may hold octets of a literal, or their end."""
        self._said += line
        part = min(self._said_left, len(line))
        self._said_left -= part
        rest = line[part:]
        literal = _LITERAL.search(_QUOTED.sub(b"''", rest))
        if literal:
            self._said_left = int(literal[1])
        if len(self._said) + self._said_left > LONGEST_ANSWER:
            self._lost("The server behind does not come to an end")
        elif rest and not literal:
            said, self._said = self._said, b""
            self._heard(said)

    def _lost(self, why: str) -> None:
        """The server cannot be gone on with."""
        self.to_client.append(self.farewell(why))
        self.end("the server left the protocol")

    def _heard(self, said: bytes) -> None:
        """A whole response, or one line of it."""
        found = _RESPONSE.match(said)
        if found is not None:
            self._answered(said, found[1].upper(), (found[2] or b"").upper())
        elif said[:1] not in (b'"', b"{"):
            self._lost("The server behind does not speak ManageSieve")
        elif self._instead:
            self._lost("The server behind does not take it that a log-in is cancelled")
        elif self._mode == "wait" and self._verb == ASKS:
            self.to_client.append(self._shown(said))
        else:
            self._responds = self._mode == "wait" and self._verb == b"AUTHENTICATE"
            if self._responds:
                self._mode = "command"
            self.to_client.append(said)

    def _answered(self, said: bytes, status: bytes, code: bytes) -> None:
        """The response to the command under way, or the greeting's last line; or a BYE at any time."""
        waited, self.greeted = self._mode == "wait", True
        if not waited:
            self.to_client.append(said)
            return
        self._mode = "command"
        if self._instead:
            self.to_client.append(self._instead)
            self._instead = b""
            return
        if self._verb == ASKS and status == b"OK" and self._starttls == "terminate" and not self.secure:
            self.to_client.append(b'"STARTTLS"\r\n')
        self.to_client.append(said)
        if self._verb == b"AUTHENTICATE":
            self._logged_in(status, code)
        elif self._verb == b"STARTTLS" and status == b"OK":
            self.open = self.blind = True

    def _logged_in(self, status: bytes, code: bytes) -> None:
        if not self._over(status == b"OK", status == b"NO" and code not in NO_GUESS):
            self.to_client.append(self.farewell("Too many failures"))
            self.end("too many failed log-ins")

    def _shown(self, line: bytes) -> bytes:
        """A capability, as it holds here; nothing where it does not."""
        name, value = [*(strings(line) or []), b"", b""][:2]
        name = name.upper()
        if name in HIDDEN or (name == b"STARTTLS" and self._starttls != "pass"):
            return b""
        if name != b"SASL":
            return line
        late = self._logins_need_tls and not self.secure
        kept = [] if late else [word for word in value.split() if not word.upper().endswith(b"-PLUS")]
        return line if kept == value.split() else b'"SASL" "%s"\r\n' % b" ".join(kept).replace(b'"', b"").replace(b"\\", b"")


def _string(text: bytes) -> bytes:
    """A string that holds no quotes, as it is handed on."""
    return b'"%s"' % text if len(text) <= LONGEST_QUOTED else b"{%d+}\r\n%s" % (len(text), text)


def strings(text: bytes) -> list[bytes] | None:
    """The strings of a line, quoted or literal (RFC 5804, 4); None where there is anything else."""
    found: list[bytes] = []
    at = 0
    while True:
        while text[at : at + 1] == b" ":
            at += 1
        if text[at:] in (b"", b"\r\n", b"\n"):
            return found
        quoted, literal = _QUOTED.match(text, at), _LITERAL.match(text, at)
        if quoted:
            found.append(re.sub(rb"\\(.)", rb"\1", quoted[1]))
            at = quoted.end()
        elif literal:
            at = literal.end() + int(literal[1])
            found.append(text[literal.end() : at])
        else:
            return None
