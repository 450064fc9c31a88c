"""Exim's messages: mainlog and rejectlog, from files and through syslog.

Job: read connections, ends of sessions, failed log-ins, refusals, and messages accepted and bounced, as far as ``log_selector`` lets Exim tell.
Promise: the client is the address that Exim wrote (see `exim_text`); a session ends once, though with ``smtp_connection`` and ``smtp_no_mail``
Exim tells of it in two lines; local submissions, deliveries, and bounces made here accuse nobody. State is bounded.
Limits: Debian's defaults tell neither connections nor most ends of sessions; then none is reported. Lines carry no session: without
``incoming_port`` the parallel sessions of one address share what they accepted, to the client's favour. A user name with a space is cut there in
lines of accepted messages. What Exim's ``local_scan()`` refuses is not understood.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gatepost.core.facts import (
    AuthFailed,
    AuthSucceeded,
    Connected,
    Fact,
    MessageAccepted,
    MessageBounced,
    ProtocolAbused,
    Rejected,
    SessionEnded,
    Stage,
)
from gatepost.core.subjects import Client
from gatepost.wire.maillog import exim_text as text
from gatepost.wire.maillog.exim_text import Match, Peer
from gatepost.wire.maillog.grammar import NOBODY, NOTHING, Host, Process, Yield, names

LIMIT = 65_536
"""Entries that a table keeps at most; the oldest leaves."""

PAIR = 2_000_000
"""Microseconds within which a second line tells of the same session's end: one process writes both, one after the other."""

QUIET = names(
    "Start End exim Exim REJECT Envelope-from: Envelope-to: DKIM: Warning: TLS ident Failed failed pid listen socket VRFY ETRN daemon: daemon "
    "SSL Message host Spool spool log ridiculously overlong ignoring notify getsockopt() getsockname() unable cannot Cannot Remote "
    "remote retry lowest list OCSP ALPN Delivery malware spamassassin clamd DNS dnsdb DANE Received SSL_write: received PRDR"
)
"""First words of messages that tell nothing of a client."""

SERVICES = {"465": "submissions", "587": "submission"}

# 4.97 made message ids longer.
_id = re.compile(r"[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}) ").match
# Through syslog a message can keep its stamp and its process id, and an entry of several lines is numbered.
_before = re.compile(r"(?:\[1[/\\]\d+\] )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d{4})? )?(?:\[\d+\] )?").match
_connect = re.compile(
    r"SMTP connection from \[([0-9A-Fa-f.:]+)\](?::(\d+))?(?: Ci=\w+)?(?: I=\[[^\] ]*\](?::(\d+))?)?(?: Ci=\w+)? \(TCP/IP connection count"
).match
_no_mail = re.compile(r"no MAIL in (?:TFO\*? )?SMTP connection from ").match
_unexpected = re.compile(r"unexpected (?:disconnection|EOF) while reading SMTP command from (?:TFO\*? )?").match
_timeout = re.compile(r"SMTP (?:command timeout|data timeout \(message abandoned\)) on(?: TLS)? connection from ").match
_hasty = re.compile(r'SMTP protocol synchronization error \(next input sent too soon: pipelining was(?: not)? advertised\): rejected "').match
_noise = re.compile(r"[A-Z*] |[ \t-]|cwd=|\*\*\* ").match

GREETED = "SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from "
FAILED = " authenticator failed for "


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    if len(table) >= LIMIT and key not in table:
        del table[next(iter(table))]
    table[key] = value


class Exim(Process):
    """All processes of an Exim. What they remember is in the host's table ``exim``, so that they share it: the daemon tells of a connection, its
    child of the session, another of the delivery.

    ``sessions``: connections open, messages accepted and temporary refusals since the last end, by address and port (where told).
    A process remembers of itself only the refusal that it told last: through syslog Exim writes each to the main log and to the reject log, one after
    the other and in one file, and the stamp within the message is the sign of it.
    ``ended``: when a session's end was told last. ``queue``: client, account and service of messages that came in from a client.
    """

    __slots__ = ("_ended", "_queue", "_sessions", "_twice")

    def __init__(self, host: Host) -> None:
        super().__init__(host, "smtp", "smtp")
        self._twice = ""
        self._bind(host.tables.setdefault("exim", {}))

    def _bind(self, table: dict[str, Any]) -> None:
        self._sessions: dict[str, list[int]] = table.setdefault("sessions", {})
        self._ended: dict[str, int] = table.setdefault("ended", {})
        self._queue: dict[str, list[str]] = table.setdefault("queue", {})

    # Sessions

    def smtp(self, at: int, message: str) -> Yield:
        """``SMTP connection from``, ``SMTP call from``, time-outs, synchronization errors."""
        found = _connect(message)
        if found is not None:
            return self._connected(at, Peer(found[1], found[2] or "", found[3] or "", found.end()))
        if message.startswith("SMTP connection from "):
            if "[" not in message:
                return NOTHING  # a local process
            if not message.endswith(" (via inetd)"):
                return self._end(at, message, 21, text.closed)
            one = text.peer(message, 21, text.inetd, self._sessions)
            return self._connected(at, one) if one is not None else None
        if message.startswith("SMTP call from "):
            return self._end(at, message, 15, text.dropped, "too_many_errors")
        timeout = _timeout(message)
        if timeout is not None:
            return self._end(at, message, timeout.end(), text.abandoned if message[5] == "d" else text.broken)
        if message.startswith(GREETED):
            # Exim marks the host with H= here in some versions.
            place = len(GREETED) + 2 if message.startswith("H=", len(GREETED)) else len(GREETED)
            return self._end(at, message, place, text.greeted, "pregreet")
        if _hasty(message):
            one = text.behind(message, '" H=', text.hasty, self._sessions)
            return self._end_of(at, one, "pipelining") if one is not None else None
        return NOTHING if message.startswith(("SMTP syntax error in ", "SMTP protocol error in ", "SMTP error ")) else None

    def _connected(self, at: int, one: Peer) -> Yield:
        who = self.host.client(one.address)
        if who is NOBODY:
            return NOTHING
        session = self._sessions.get(one.key)
        if session is None:
            _put(self._sessions, one.key, [1, 0, 0])
        else:
            session[0] += 1
        return Connected(at, self.host.name, "smtp", SERVICES.get(one.to, "smtp"), who)

    def _end(self, at: int, message: str, place: int, follows: Match, abuse: str = "") -> Yield:
        one = text.peer(message, place, follows, self._sessions)
        return self._end_of(at, one, abuse) if one is not None else None

    def _end_of(self, at: int, one: Peer, abuse: str = "", authenticated: bool = False) -> Yield:
        """The end of a session, after what was abused in it."""
        who = self.host.client(one.address)
        if who is NOBODY:
            return NOTHING
        name, service = self.host.name, SERVICES.get(one.to, "smtp")
        self._ended.pop(one.key, None)
        _put(self._ended, one.key, at)
        messages, fault = self._count(one.key)
        ended = SessionEnded(at, name, "smtp", service, who, False, messages, authenticated, not messages and fault)
        return (ProtocolAbused(at, name, "smtp", service, who, False, abuse), ended) if abuse else ended

    def _count(self, key: str) -> tuple[int, bool]:
        """Messages that the session which now ends is credited with, and whether the server turned something away for the time being."""
        session = self._sessions.get(key)
        if session is None:
            return 0, False
        opened, messages, deferred = session
        if opened <= 1:
            del self._sessions[key]
            return messages, deferred > 0
        # Several are open and the log does not tell them apart: each is credited with one message while there are any.
        self._sessions[key] = [opened - 1, max(0, messages - 1), deferred]
        return min(1, messages), deferred > 0

    def none(self, at: int, message: str) -> Yield:
        """``no MAIL in SMTP connection from``: the session's end, unless a line of the same moment told it."""
        start = _no_mail(message)
        if start is None:
            return NOTHING if message.startswith(("no host name found ", "no IP address found ", "no immediate delivery")) else None
        one = text.peer(message, start.end(), text.idle, self._sessions)
        if one is None:
            return None
        who = self.host.client(one.address)
        if who is NOBODY:
            return NOTHING
        found = text.idle(message, one.end)
        method, user = (found[1], found[2]) if found is not None else (None, None)
        facts: list[Fact] = []
        if method:
            account = self.host.account(user or "")
            facts.append(AuthSucceeded(at, self.host.name, "smtp", SERVICES.get(one.to, "smtp"), who, False, account, method))
        last = self._ended.get(one.key)
        if last is None or not 0 <= at - last <= PAIR:
            ended = self._end_of(at, one, "", bool(method))
            if isinstance(ended, Fact):
                facts.append(ended)
        return tuple(facts)

    def unexpected(self, at: int, message: str) -> Yield:
        """``unexpected disconnection while reading SMTP command from``."""
        start = _unexpected(message)
        return self._end(at, message, start.end(), text.broken) if start is not None else None

    # Refusals

    def _rejected(self, at: int, one: Peer | None, what: text.Refusal) -> Yield:
        if one is None:
            return None
        who = self.host.client(one.address)
        if who is NOBODY:
            return NOTHING
        stage, code, why, recipient = what
        servers = code < 500 and why in ("greylisted", "busy", "other")
        if code < 500 and why != "unknown_user":
            session = self._sessions.get(one.key)
            if session is not None:
                session[2] += 1
        return Rejected(at, self.host.name, "smtp", SERVICES.get(one.to, "smtp"), who, servers, stage, code, why, "", recipient)

    def _host(self, at: int, message: str, place: int) -> Yield:
        """``H=...``: what an access list refused, and remarks of other kinds."""
        one = text.peer(message, place, text.spoken, self._sessions)
        if one is None:
            return None
        found = text.spoken(message, one.end)
        if found is None or found[5] is None:
            return NOTHING
        what = text.refusal(message[found.end() :], found[4] is not None)
        if what is None:
            return NOTHING
        fact = self._rejected(at, one, what)
        if found[2] and isinstance(fact, Rejected):
            return Rejected(
                at, fact.host, "smtp", fact.service, fact.client, fact.evidence_only, *what[:3], self.host.account(found[3] or ""), what.recipient
            )
        return fact

    def _simple(self, at: int, message: str, mark: str, follows: Match, stage: Stage, code: int, why: str) -> Yield:
        """A refusal whose client stands behind a mark; what the client chose can stand before it."""
        return self._rejected(at, text.behind(message, mark, follows, self._sessions), text.Refusal(stage, code, why, ""))

    def rejected(self, at: int, message: str) -> Yield:
        """``rejected EHLO from``, ``rejected MAIL ...``, ``rejected from <...>``, and the same with ``temporarily`` or ``refused connection``."""
        kept, _, rest = message.partition(" ") if message.startswith("temporarily ") else ("", "", message)
        if rest.startswith("refused connection from "):
            code, why = (421, "busy") if kept else (554, "policy")
            return self._simple(at, message, "refused connection from ", text.refused, "connect", code, why)
        if rest.startswith(('rejected "EHLO ', 'rejected "HELO ')):
            return self._simple(at, message, '" from ', text.at_end, "helo", 451 if kept else 550, "helo")
        if rest.startswith(("rejected EHLO from ", "rejected HELO from ")):
            return self._simple(at, message, "LO from ", text.argument, "helo", 501, "helo")
        if rest.startswith("rejected MAIL from "):
            return self._simple(at, message, "MAIL from ", text.unnamed, "mail", 503, "helo")
        if rest.startswith("rejected MAIL command "):
            return self._simple(at, message, " H=", text.tired, "mail", 421, "busy")
        if rest.startswith("rejected MAIL FROM:<"):
            return self._simple(at, message, "> H=", text.big, "mail", 552, "policy")
        if rest.startswith("rejected from <"):
            return self._simple(at, message, ">H=" if ">H=" in rest else "> H=", text.big, "data", 552, "policy")
        return None

    def too_many(self, at: int, message: str) -> Yield:
        """``too many recipients: ...``."""
        if message.startswith("too many recipients: message rejected: sender=<"):
            return self._simple(at, message, "> H=", text.at_end, "rcpt", 552, "policy")
        if message.startswith("too many recipients: excess temporarily rejected: sender=<"):
            return self._simple(at, message, "> H=", text.at_end, "rcpt", 452, "policy")
        return None

    def unqualified(self, at: int, message: str) -> Yield:
        """``unqualified sender rejected: <...>``, ``unqualified recipient rejected: <...>``."""
        stage: Stage = "mail" if message.startswith("unqualified sender ") else "rcpt"
        return self._simple(at, message, "> H=", text.unqualified, stage, 501, "sender" if stage == "mail" else "policy")

    def full(self, at: int, message: str) -> Yield:
        """``Connection from ... refused``: the daemon itself turned the client away, before it told of the connection."""
        one = text.peer(message, len("Connection from "), text.full, self._sessions)
        busy = self._rejected(at, one, text.Refusal("connect", 421, "busy", ""))
        if not isinstance(busy, Fact):
            return busy
        return Connected(at, self.host.name, "smtp", busy.service, busy.client), busy

    # Log-ins

    def _failed(self, at: int, message: str, method: str) -> Yield:
        """``login authenticator failed for ...: 535 Incorrect authentication data (set_id=bob)``."""
        one = text.peer(message, len(method) + len(FAILED), text.denied, self._sessions)
        found = text.denied(message, one.end) if one is not None else None
        if one is None or found is None:
            return None
        who = self.host.client(one.address)
        if who is NOBODY or found[1] not in ("535", "435"):
            # 501 and 553: nobody's password was tried.
            return NOTHING
        said = message[found.start(1) :]
        start = said.find(" (set_id=")
        end = said.rfind(")") if found[1] == "535" else said.find("): ", start)
        account = self.host.account(said[start + 9 : end]) if 0 <= start < end else ""
        servers = found[1] != "535"
        why = "other" if servers else "password"
        return AuthFailed(at, self.host.name, "smtp", SERVICES.get(one.to, "smtp"), who, servers, account, "", 1, method, why)

    # Messages

    def _message(self, at: int, message: str, end: int) -> Yield:
        """A line about a message: its id, a flag, and what happened."""
        flag, _, _ = message[end:].partition(" ")
        if flag == "<=":
            return self._accepted(at, message, end + 3)
        if flag == "Completed":
            self._queue.pop(message[: end - 1], None)
            return NOTHING
        if flag == "**":
            return self._bounced(at, message, end + 3)
        if message.startswith("H=", end):
            return self._host(at, message, end + 2)
        if flag in ("rejected", "SMTP", "unexpected"):
            return self.words[flag](self, at, message[end:])
        return NOTHING

    def _accepted(self, at: int, message: str, place: int) -> Yield:
        start = text.sender(message, place)
        if start is None:
            return None
        if start[2] is None:
            return NOTHING
        one = text.peer(message, start.end(), text.accepted, self._sessions)
        found = text.accepted(message, one.end) if one is not None else None
        if one is None or found is None:
            return None
        who = self.host.client(one.address)
        if who is NOBODY:
            return NOTHING
        method, user, size = found[1], found[2], int(found[3])
        account, service = self.host.account(user or "") if method else "", SERVICES.get(one.to, "smtp")
        if start[1] != "<>":
            # A bounce that comes in accuses nobody when it bounces again: its sender was none.
            _put(self._queue, message[: place - 4], [who, account, service])
        first = self._note(one.key)
        fact = MessageAccepted(at, self.host.name, "smtp", service, who, False, account, _recipients(message, found.end()), size)
        if method and first:
            return AuthSucceeded(at, self.host.name, "smtp", service, who, False, account, method), fact
        return fact

    def _note(self, key: str) -> bool:
        """Credits a session with a message; whether the log-in that a line tells of is news. Where connections are not logged, each is."""
        session = self._sessions.get(key)
        if session is None:
            _put(self._sessions, key, [0, 1, 0])
            return True
        session[1] += 1
        return session[0] != 1 or session[1] == 1

    def _bounced(self, at: int, message: str, place: int) -> Yield:
        known = self._queue.get(message[: place - 4])
        if known is None:
            return NOTHING
        who, account, service = known
        recipient = message[place:].partition(" ")[0].rstrip(":")
        return MessageBounced(at, self.host.name, "smtp", service, Client(who), False, account, recipient)

    # The rest

    def quiet(self, at: int, message: str) -> Yield:
        """Understood, and nothing to tell."""
        return NOTHING

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """Messages whose first word is not fixed: ids, hosts, authenticators, stamps and process ids before the message, dumps of headers."""
        before = _before(message)
        if before is None or not before.end():
            return self._read(at, message)
        rest = message[before.end() :]
        if rest == self._twice and before[1]:
            self._twice = ""
            return NOTHING
        known = self.words.get(rest.partition(" ")[0])
        found = known(self, at, rest) if known is not None else self._read(at, rest)
        first = found[0] if isinstance(found, tuple) and found else found
        self._twice = rest if before[1] and isinstance(first, Rejected | AuthFailed | ProtocolAbused) else ""
        return found

    def _read(self, at: int, message: str) -> Yield:
        found = _id(message)
        if found is not None:
            return self._message(at, message, found.end())
        if message.startswith(("H=", " DSH=")):
            return self._host(at, message, message.index("=") + 1)
        method, mark, _ = message.partition(FAILED)
        if mark and " " not in method:
            return self._failed(at, message, method)
        # Of an entry of several lines only the first is Exim's own: the others are headers, of the client's making.
        return NOTHING if not message or message[0] == "[" or _noise(message) else None

    words: ClassVar[Mapping[str, Callable[[Any, int, str], Yield]]] = {
        **dict.fromkeys(QUIET, quiet),
        "SMTP": smtp,
        "no": none,
        "unexpected": unexpected,
        "rejected": rejected,
        "refused": rejected,
        "temporarily": rejected,
        "too": too_many,
        "unqualified": unqualified,
        "Connection": full,
    }


def _recipients(message: str, place: int) -> int:
    """How many recipients a line lists behind `` for `` (``received_recipients``); 1 where it does not."""
    listed = message[place:].rpartition(" for ")[2].split(" ") if " for " in message[place:] else []
    return len(listed) if listed and all("@" in one for one in listed) else 1


def process(host: Host, tag: str) -> Process | None:
    """The reader of what Exim writes under this tag; None where it is no Exim's."""
    return Exim(host) if tag in ("exim", "exim4") else None
