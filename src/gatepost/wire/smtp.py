"""SMTP, understood between a client and the server behind (RFC 5321, with AUTH, STARTTLS, PIPELINING, CHUNKING).

Job: name each command before it goes on, and each reply's meaning. Promise: replies stay one to one: a command that is refused here goes on as NOOP,
and its reply is replaced; log-ins refused here never show the server a secret; nothing else is altered but the capabilities that cannot be kept. A
message's text never holds a bare CR or LF unless that is allowed. Limits: one command and its reply are held, never a message.
"""

import re
from collections import deque
from typing import Any

from msgspec import Struct

from gatepost.core.facts import Stage
from gatepost.wire.sasl import PLUS, LoginTap, is_initial, is_response
from gatepost.wire.smtp_data import BareNewlines, Body
from gatepost.wire.smtp_relay import is_local, mailbox
from gatepost.wire.tap import LONGEST_ANSWER, LONGEST_LINE, Ear, text_of

NOOP, RSET, CANCEL = b"NOOP\r\n", b"RSET\r\n", b"*\r\n"
NOT_KEPT = (b"XCLIENT", b"XFORWARD", b"X-ANONYMOUSTLS", b"XEXCH50")
"""Commands that are not handed on: what strangers say of themselves is not believed, and Exchange's own ways into TLS and binary are not known."""
HIDDEN = (*NOT_KEPT, b"PIPECONNECT", b"PIPE_CONNECT", b"X_PIPE_CONNECT", b"PRDR")
"""Capabilities that cannot be kept. Beside those commands: nobody speaks before the greeting (Exim), and a message has one reply."""
LOGINS = (b"AUTH", b"X-EXPS")
"""The second is Exchange's."""
NAMES = (b"RCPT", b"AUTH", b"DATA", b"BDAT", b"STARTTLS", b"X-EXPS", *NOT_KEPT)
PARTING = (221, 421)
"""Replies behind which the server leaves."""
BEGINNINGS = (b"EHLO", b"HELO", b"MAIL", b"RSET")
"""What takes back the chunks before."""
OF_THE_WEB = (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT")
LOGIN_LATER = b"454 4.7.0 Temporary authentication failure\r\n"
NEEDS_TLS = b"530 5.7.0 Must issue a STARTTLS command first\r\n"
NOT_HERE = b"502 5.5.1 Command not implemented\r\n"
NO_RELAY = b"550 5.7.1 Relay access denied\r\n"
TOO_LONG = b"500 5.5.6 Line too long\r\n"
BARE = b"500 5.5.2 Lines end in CR LF, and hold neither alone\r\n"
BARE_IN_TEXT = b"550 5.5.2 Message refused: bare CR or LF in it\r\n"
LONGEST_COMMAND = 2_048
"""Bytes of a command other than AUTH: servers with shorter lines might read the rest as another command."""
MOST_REFUSED = 50
"""Commands that are refused here in one session."""
NOT_OF_THE_PASSWORD = (501, 503, 504, 530, 534, 538)
"""Replies to AUTH that say nothing of the password: syntax, order, mechanism, encryption (RFC 4954, 4 and 6)."""
STAGES: dict[bytes, Stage] = {b"EHLO": "helo", b"HELO": "helo", b"MAIL": "mail", b"RCPT": "rcpt", b"DATA": "data", b"BDAT": "data", b".": "data"}
_REPLY = re.compile(rb"[2-5][0-9]{2}(?:[ -][^\n]*|\r)?\n")
_KEYWORD = re.compile(rb"[ =\r\n]")
_BDAT = re.compile(rb"BDAT +([0-9]{1,18})(?: +(LAST))? *\r\n", re.IGNORECASE)


class Relay(Struct, frozen=True):
    """Who may send to whom: a client that has neither logged in nor a relay box, only to these domains."""

    local_domains: tuple[str, ...]


class _Sent(Struct):
    """A command that went on, and waits for its reply."""

    verb: bytes
    instead: bytes = b""
    """What the client is told, whatever the server says."""
    rcpt: bytes = b""
    """A whole RCPT: whom it names is looked for where it is refused."""
    size: int = 0
    last: bool = True


class SmtpTap(LoginTap):
    """One SMTP session."""

    __slots__ = (
        "_bare", "_body", "_chunking", "_early", "_hello", "_hello_begun", "_left", "_parting", "_patient", "_proxied", "_recipients", "_refused",
        "_relay", "_reply", "_reply_size", "_sent", "_size", "_swallow",
    )  # fmt: skip

    def __init__(self, ear: Ear, *, relay: Relay | None = None, bare: BareNewlines = "refuse", hello: tuple[bytes, ...] = (),
                 proxied: bool = False, **common: Any) -> None:  # fmt: skip
        """``relay``: relay control here. ``bare``: what becomes of bare CR and LF in a message. ``hello``: lines that are said to the server first,
        of which the last one's reply is the greeting that the client gets (XCLIENT).
        ``proxied``: the PROXY protocol was spoken first; a server that answers it as a command takes all clients for this host."""
        super().__init__(ear, **common)
        self._relay = relay
        self._proxied = proxied
        self._bare = bare
        self._hello = list(hello)
        self._hello_begun = False
        self._sent: deque[_Sent] = deque([_Sent(b"greeting")])
        self._reply: list[bytes] = []
        self._reply_size = 0
        self._body: Body | None = None
        self._left = 0
        """Octets of a chunk that are still to come (RFC 3030, 2)."""
        self._early = False
        self._refused = 0
        """Commands that were refused here."""
        self._swallow = False
        """The chunk was refused, and is not handed on."""
        self._chunking = False
        """The server takes chunks."""
        self._parting = False
        """The server said that it leaves, or refused something although more was asked: it may leave without another word."""
        self._patient = False
        """The next command waits until all replies have come."""
        self._size = 0
        self._recipients = 0
        """Taken by the server for the message under way."""

    def farewell(self, why: str) -> bytes:
        """How the session is ended by us."""
        return f"421 4.7.0 {why}\r\n".encode("ascii", "replace")

    @property
    def owing(self) -> bool:
        """Whether the server was asked, and has not answered."""
        return bool(self._sent)

    @property
    def unfinished(self) -> bool:
        """Whether a server that leaves now breaks off."""
        return not self._parting and (bool(self._sent) or self._body is not None or self._left > 0)

    # --- the client

    def from_client(self, data: bytes) -> None:
        """The client sent bytes. Who does so before the greeting is no mail server (RFC 5321, 4.3.1)."""
        if not (self.greeted or self._early or self.ended):
            self._early = True
            self.ear.abused("pregreet")
        super().from_client(data)

    def _read(self) -> None:
        while self._in.data and not self.ended and not self.open:
            if self._mode == "command" or self._mode == "auth":
                line = self._in.line()
                if line is None:
                    if len(self._in) > LONGEST_LINE:
                        self._too_long()
                    return
                self._take(line)
            elif self._mode == "data":
                if not self._text():
                    return
            elif self._mode == "bdat":
                if not self._chunk():
                    return
            else:
                return

    def _too_long(self) -> None:
        self.ear.abused("command")
        self.to_client.append(TOO_LONG + self.farewell("Closing"))
        self.end("a line that is too long")

    def _take(self, line: bytes) -> None:
        """One line: a command, or a response in a log-in."""
        if len(line) > LONGEST_LINE:
            self._too_long()
            return
        bare = not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line
        if bare and self._bare == "normalize":
            line = line.rstrip(b"\r\n").replace(b"\r", b"").replace(b"\0", b"") + b"\r\n"
        elif bare and self._bare == "refuse":
            self.ear.abused("bare_newline")
            if self._mode == "command":
                self._refuse(BARE)
            else:
                self._mode = "wait"
                self._send(CANCEL, _Sent(b"AUTH", BARE))
            return
        if self._mode == "auth":
            self._respond(line)
        else:
            self._command(line)

    def _command(self, line: bytes) -> None:
        words = line.split(None, 1)  # tabs part words too, for Postfix among others
        verb = words[0][:16].upper() if words else b""
        if len(line) > LONGEST_COMMAND and not (verb in LOGINS and is_initial(line)):
            self._refuse(TOO_LONG)
        elif verb == b"RCPT":
            self._rcpt(line)
        elif verb == b"DATA":
            self._mode = "wait"
            self._send(line, _Sent(verb))
        elif verb in LOGINS:
            self._auth(line, words[1] if len(words) > 1 else b"")
        elif verb == b"BDAT":
            self._bdat(line)
        elif verb == b"STARTTLS":
            self._tls(line)
        elif verb.startswith(NAMES):
            self._refuse(NOT_HERE)  # what some server might read as another command than this does
        else:
            if verb in OF_THE_WEB:
                self.ear.abused("non_smtp_command")
            elif verb in BEGINNINGS:
                self._size = 0
            self._send(line, _Sent(verb))

    def _send(self, line: bytes, sent: _Sent) -> None:
        self.to_server.append(line)
        self._sent.append(sent)

    def _refuse(self, reply: bytes) -> None:
        """Refuses a command here; its reply comes in its turn. Who goes on and on is sent away."""
        self._refused += 1
        if self._refused <= MOST_REFUSED:
            self._send(NOOP, _Sent(b"NOOP", reply))
            return
        self.ear.abused("too_many_errors")
        self.to_client.append(reply + self.farewell("Too many errors, closing"))
        self.end("too many errors")

    def _rcpt(self, line: bytes) -> None:
        if self._relay is not None and not self.account and not is_local(mailbox(line), self._relay.local_domains) and not self.ear.may_relay():
            self.ear.rejected("rcpt", 550, "5.7.1 Relay access denied", _recipient(line))
            self._refuse(NO_RELAY)
            return
        self._send(line, _Sent(b"RCPT", rcpt=line))

    def _tls(self, line: bytes) -> None:
        if self._starttls == "pass" and not self.secure:
            self._mode = "wait"
            self._send(line, _Sent(b"STARTTLS"))
        elif self._starttls != "terminate":
            self._refuse(NOT_HERE)
        elif self.secure or self.account:
            self._refuse(b"503 5.5.1 Error: TLS is active, or you are logged in\r\n")
        elif self._in:
            self.injected()
        else:
            # What was said in clear text is forgotten (RFC 3207, 4.2): the server, which does not see TLS, forgets the message by RSET.
            self._mode = "wait"
            self._send(RSET, _Sent(b"TLS", b"220 2.0.0 Ready to start TLS\r\n"))

    # --- log-ins

    def _auth(self, line: bytes, rest: bytes) -> None:
        mechanism, initial = [*rest.split(None, 1), b"", b""][:2]
        if self._logins_need_tls and not self.secure:
            self._refuse(NEEDS_TLS)
            return
        self._begin(mechanism)
        self._mode = "wait"
        if initial and not self._may(initial):
            self._sasl = None
            self._send(NOOP, _Sent(b"AUTH", LOGIN_LATER))
            return
        self._send(line, _Sent(b"AUTH"))

    def _respond(self, line: bytes) -> None:
        """A response of the client's in a log-in; ``*`` cancels it."""
        self._mode = "wait"
        long = len(line) > LONGEST_COMMAND and not is_response(line)
        if long or (line.strip() != b"*" and not self._may(line)):
            self._sasl = None
            self._send(CANCEL, _Sent(b"AUTH", TOO_LONG if long else LOGIN_LATER))
            return
        self._send(line, _Sent(b"AUTH"))

    # --- messages

    def _text(self) -> bool:
        """Reads on in a message's text; whether it came to its end."""
        body = self._body
        if body is None:
            return False
        passed, rest = body.take(self._in.rest())
        self._size += len(passed)
        if body.bare and not self.cut:
            self.cut = True
            self.ear.abused("bare_newline")
            self.to_server.clear()
        if passed and not self.cut:
            self.to_server.append(passed)
        if rest is None:
            return False
        self._in.back(rest)
        self._body = None
        if self.cut:
            self.to_client.append(BARE_IN_TEXT + self.farewell("Closing"))
            self.end("bare CR or LF in a message")
            return False
        self._mode = "command"
        self._sent.append(_Sent(b".", size=self._size))
        return True

    @property
    def midway(self) -> bool:
        """Whether a command has begun and not ended: a message may take its time."""
        return bool(self._in) and self._mode in ("command", "auth")

    def _bdat(self, line: bytes) -> None:
        found = _BDAT.fullmatch(line)
        if found is None:
            self._refuse(b"501 5.5.4 Syntax: BDAT size [LAST]\r\n")
            return
        if self._sent:  # only a server that has taken a recipient is sure to take the chunk as one
            self._in.back(line)
            self._mode, self._patient = "wait", True
            return
        self._left = int(found[1])
        self._swallow = not (self._chunking and self._recipients)
        if self._swallow:
            self._refuse(b"503 5.5.1 Error: need RCPT command\r\n" if self._chunking else NOT_HERE)
            self._mode = "bdat" if self._left else "command"
            return
        self._size += self._left
        self._send(line, _Sent(b"BDAT", size=self._size, last=found[2] is not None))
        if found[2] is not None:
            self._size = 0
        self._mode = "bdat" if self._left else "command"

    def _chunk(self) -> bool:
        """Passes the octets of a chunk, whatever they are; whether it came to its end."""
        part = self._in.some(self._left)
        if part and not self._swallow:
            self.to_server.append(part)
        self._left -= len(part)
        if self._left:
            return False
        self._mode = "command"
        return True

    # --- the server

    def _line(self, line: bytes) -> None:
        if self.cut:
            return
        if not _REPLY.fullmatch(line):
            self._lost("The server behind does not speak SMTP")
            return
        self._reply.append(line)
        self._reply_size += len(line)
        if line[3:4] != b"-":
            reply, self._reply, self._reply_size = self._reply, [], 0
            self._replied(int(line[:3]), reply)
        elif self._reply_size > LONGEST_ANSWER:
            self._lost("The server behind does not come to an end")

    def _lost(self, why: str) -> None:
        """The server cannot be gone on with."""
        self.ear.rejected("connect", 421, "4.3.0 " + why, "")
        self.to_client.append(b"421 4.3.0 " + why.encode("ascii") + b"\r\n")
        self.end(why)

    def _replied(self, code: int, reply: list[bytes]) -> None:
        """A whole reply came."""
        if self._proxied and not self._sent and code >= 500 and self._body is None:
            self._lost("The server behind does not take the client's address")
            return
        sent = self._sent.popleft() if self._sent else _Sent(b"")
        self._parting = code in PARTING or (code >= 500 and bool(self._sent))
        if not self.greeted and self._introduces(sent, code):
            return
        if sent.verb == b"EHLO" and code == 250:
            self._chunking = any(line[4:12].upper() == b"CHUNKING" for line in reply[1:])
            reply = self._capabilities(reply)
        self.to_client.append(sent.instead or b"".join(reply))
        if code == 421 and not sent.instead:
            self.ear.rejected("connect", code, _words(reply), "")
        handle = _HANDLERS.get(sent.verb)
        if handle is not None:
            handle(self, sent, code, reply)
        elif code >= 400 and not sent.instead:
            self._rejected(sent, code, reply)
        elif sent.verb in BEGINNINGS:
            self._recipients = 0
        if self._patient and not self._sent:
            self._mode, self._patient = "command", False

    def _introduces(self, sent: _Sent, code: int) -> bool:
        """Before the client is greeted the server is told who he is: whether that goes on, or failed."""
        if self._hello_begun and code >= 400:
            self._lost("The server behind does not take the client's address")
            return True
        if self._hello and code < 400:
            self._hello_begun = True
            self._send(self._hello.pop(0), sent)
            return True
        return False

    def _rejected(self, sent: _Sent, code: int, reply: list[bytes]) -> None:
        """A refusal that is about the mail, not about syntax or order."""
        stage = STAGES.get(sent.verb)
        if stage is not None and code not in (421, 500, 501, 502, 503, 504, 530, 555):
            self.ear.rejected(stage, code, _words(reply), _recipient(sent.rcpt))

    def _greeting(self, sent: _Sent, code: int, reply: list[bytes]) -> None:
        self.greeted = True
        self._mode = "command"
        if code >= 400 and code != 421:
            self.ear.rejected("connect", code, _words(reply), "")

    def _of_auth(self, sent: _Sent, code: int, reply: list[bytes]) -> None:
        if code == 334 and not sent.instead:
            self._mode = "auth"
            return
        self._mode = "command"
        sasl, self._sasl = self._sasl, None
        if sent.instead or sasl is None or not self._asked:
            return
        if code == 235:
            self.account = sasl.account or "?"
            self.ear.logged_in(sasl.account, sasl.mechanism)
        elif code >= 500 and code not in NOT_OF_THE_PASSWORD and not self.ear.login_failed(sasl.account, sasl.mechanism, self._secret):
            self.to_client.append(self.farewell("Too many failures, closing"))
            self.end("too many failed log-ins")

    def _of_rcpt(self, sent: _Sent, code: int, reply: list[bytes]) -> None:
        if code < 300:
            self._recipients += 1
        else:
            self._rejected(sent, code, reply)

    def _of_data(self, sent: _Sent, code: int, reply: list[bytes]) -> None:
        if code == 354:
            self._mode, self._body, self._size = "data", Body(self._bare), 0
            return
        self._mode = "command"
        if self._recipients:  # without any it only repeats what their refusals said
            self._rejected(sent, code, reply)

    def _of_text(self, sent: _Sent, code: int, reply: list[bytes]) -> None:
        if code < 300:
            if sent.last:
                self.ear.accepted("" if self.account == "?" else self.account, max(self._recipients, 1), sent.size)
        elif self._recipients:
            self._rejected(sent, code, reply)
        if sent.last:
            self._recipients = 0

    def _of_starttls(self, sent: _Sent, code: int, reply: list[bytes]) -> None:
        self._mode = "command"
        if sent.verb == b"TLS":
            self._recipients = 0
            if self._in:
                self.injected()
            else:
                self.upgrade = True
        elif code == 220:
            self.open = self.blind = True

    def _capabilities(self, reply: list[bytes]) -> list[bytes]:
        """What the server can do, without what ends here, and with what begins here."""
        hidden = HIDDEN if self._starttls == "pass" and not self.secure else (*HIDDEN, b"STARTTLS")
        if self._logins_need_tls and not self.secure:
            hidden = (*hidden, *LOGINS)
        kept = [reply[0]]
        for line in reply[1:]:
            keyword = _KEYWORD.split(line[4:], 1)[0].upper()
            if keyword not in hidden:
                kept.append(PLUS.sub(b"", line) if keyword in LOGINS else line)
        if self._starttls == "terminate" and not self.secure:
            kept.append(b"250-STARTTLS\r\n")
        texts = [line[4:] if line[3:4] in b" -" else line[3:] for line in kept]
        return [b"250-" + text for text in texts[:-1]] + [b"250 " + texts[-1]]


_HANDLERS = {
    b"greeting": SmtpTap._greeting,
    b"AUTH": SmtpTap._of_auth,
    b"RCPT": SmtpTap._of_rcpt,
    b"DATA": SmtpTap._of_data,
    b"BDAT": SmtpTap._of_text,
    b".": SmtpTap._of_text,
    b"TLS": SmtpTap._of_starttls,
    b"STARTTLS": SmtpTap._of_starttls,
}


def _recipient(rcpt: bytes) -> str:
    """Whom a RCPT names."""
    return text_of(mailbox(rcpt)[:255])


def _words(reply: list[bytes]) -> str:
    """A reply's text, without its codes."""
    return text_of(b" ".join(line[4:].strip() for line in reply))[:1_000]
