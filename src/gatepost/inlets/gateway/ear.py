"""What a session tells the guard, and asks it.

Job: turn what a tap names into facts with client, time and account, and the guard's verdicts into yes and no. Promise: a secret becomes a keyed
hash at once; what the gateway itself refuses accuses nobody. Limits: where STARTTLS
is handed on blindly, only connections are counted: the rest is for the server's log to tell, of which this sees a part.
"""

import re
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

from gatepost.core.decisions import Delay, Question, QuestionStage, Refuse, Verdict
from gatepost.core.facts import (
    AuthFailed,
    AuthSucceeded,
    Connected,
    Fact,
    MessageAccepted,
    Protocol,
    ProtocolAbused,
    Refused,
    Rejected,
    SessionEnded,
    Stage,
)
from gatepost.core.spans import SECOND
from gatepost.core.subjects import Client, account
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.witness import ALL_LOGS, Logs
from gatepost.wire.maillog.postfix_reject import reason, temporary

OF_SMTP: tuple[type[Fact], ...] = (Connected, SessionEnded, AuthFailed, AuthSucceeded, MessageAccepted, Rejected, ProtocolAbused)
OF_OTHERS: tuple[type[Fact], ...] = (Connected, AuthFailed, AuthSucceeded)
_CLIENTS_OWN = re.compile(r"4\.4\.2 |time-?out|timed out|(too many (?:\w+ ){0,4}(?:errors|commands))", re.IGNORECASE)
"""Why a server says 421 to who was silent for too long, or erred too often."""
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |$)")


class Office:
    """What all sessions of one gateway share on their way to the guard."""

    def __init__(
        self,
        guard: Guard,
        now: Callable[[], int],
        inlet: str,
        service: str,
        protocol: Protocol,
        *,
        blind: bool,
        key: bytes,
        logs: Logs = ALL_LOGS,
        default_domain: str = "",
        domains: dict[str, str] | None = None,
    ) -> None:
        """``blind``: what comes after STARTTLS cannot be seen. ``key`` hashes secrets. ``logs``: which this stands for."""
        self.guard, self.now, self.inlet, self.service, self.protocol = guard, now, inlet, service, protocol
        self.blind = blind
        self._key = key
        self._logs = logs
        self._kinds = (Connected,) if blind else OF_SMTP if protocol == "smtp" else OF_OTHERS
        self._default_domain, self._domains = default_domain, domains
        self.closed = False
        """The gateway listens no more: it is no witness, though sessions go on."""
        self._witnessed: dict[type[Fact], int] = {}
        """When it last said that it hears a kind."""
        self.asked = self.told = 0
        """Questions and facts since the start."""
        self.last = 0
        """When the newest of them was."""
        self.dropped: Counter[str] = Counter()
        """Connections that were turned away or ended by us, by the reason."""

    def account(self, text: str) -> str:
        """The canonical name of an account."""
        return account(text, self._default_domain, self._domains)

    def hashed(self, secret: bytes) -> str:
        """A keyed hash of a secret."""
        return blake2b(secret, key=self._key, digest_size=12).hexdigest()

    def judge(self, client: Client, stage: QuestionStage, name: str = "") -> Verdict:
        """What the guard says; nothing is counted."""
        self.asked += 1
        self.last = self.now()
        return self.guard.judge(Question(self.last, client, self.protocol, stage, name))

    def enter(self, client: Client, counted: bool, held_open: int = 0) -> Verdict:
        """A client connected; ``held_open``: how many of its connections are open here, this one included. One that is held is turned away without
        being counted or written down: knocking prolongs nothing."""
        self.asked += 1
        self.last = at = self.now()
        question = Question(at, client, self.protocol, "connect")
        verdict = self.guard.judge(question)
        if isinstance(verdict, Refuse):
            return verdict
        self.told += 1
        fact = Connected(at, "", self.protocol, self.service, client, not counted, held_open)
        return self.guard.admit(question, fact, self.inlet, self._kinds_of(fact), self._logs, judged=verdict)

    def fail(self, fact: AuthFailed) -> Verdict:
        """Counts a log-in that failed, and judges its client by what follows from it."""
        self.asked += 1
        self.told += 1
        self.last = fact.at
        question = Question(fact.at, fact.client, self.protocol, "login", fact.account)
        return self.guard.admit(question, fact, self.inlet, self._kinds_of(fact), self._logs)

    def _kinds_of(self, fact: Fact) -> tuple[type[Fact], ...]:
        """What this is the witness of from now on: with the first connection of all that it understands, and once a second again of what it hears."""
        kind = type(fact)
        if self.closed or fact.at - self._witnessed.get(kind, 0) < SECOND or kind not in self._kinds:
            return ()
        self._witnessed[kind] = fact.at
        return self._kinds if kind is Connected else (kind,)

    def tell(self, fact: Fact) -> None:
        """A fact to be counted."""
        self.told += 1
        self.last = fact.at
        self.guard.hear([fact], self.inlet, self._kinds_of(fact), self._logs)


class SessionEar:
    """The ear of one session."""

    __slots__ = ("_account", "_client", "_evidence", "_fault", "_login", "_messages", "_office", "_refused", "delay")

    def __init__(self, office: Office, client: Client, counted: bool = True) -> None:
        self._office, self._client = office, client
        self._evidence = office.blind or not counted
        """Nothing but the connection is counted."""
        self._account = ""
        self._login = False
        self._messages = 0
        self._fault = self._refused = False
        self.delay = 0
        """Microseconds by which what goes to the server is to be held, as the guard said last."""

    def _head(self) -> tuple[int, str, Protocol, str, Client, bool]:
        office = self._office
        return office.now(), "", office.protocol, office.service, self._client, self._evidence

    def hashed(self, secret: bytes) -> str:
        """A keyed hash of a secret."""
        return self._office.hashed(secret)

    def login(self, account: str, method: str) -> bool:
        """Whether somebody may try to log in."""
        name = self._office.account(account)
        verdict = self._office.judge(self._client, "login", name)
        if isinstance(verdict, Refuse):
            self._refused = True
            self._office.tell(Refused(*self._head()[:5], True, "login", verdict.reason, name, verdict.country))
            return False
        self.delay = verdict.us if isinstance(verdict, Delay) else 0
        return True

    def logged_in(self, account: str, method: str) -> None:
        """The server took the log-in."""
        self._account, self._login = self._office.account(account), True
        self._office.tell(AuthSucceeded(*self._head(), self._account, method))

    def login_failed(self, account: str, method: str, secret: str) -> bool:
        """The server refused the log-in; whether the session may go on."""
        fact = AuthFailed(*self._head(), self._office.account(account), secret, 1, method, "password")
        if not isinstance(self._office.fail(fact), Refuse):
            return True
        self._refused = True
        return False

    def may_relay(self) -> bool:
        """Whether the client has a relay box."""
        return getattr(self._office.judge(self._client, "relay"), "grants_relay", False)

    def accepted(self, account: str, recipients: int, size: int) -> None:
        """The server took a message."""
        self._messages += 1
        self._office.tell(MessageAccepted(*self._head(), self._account, recipients, size))

    def rejected(self, stage: Stage, code: int, text: str, recipient: str) -> None:
        """A command was refused. What is the server's own fault (busy) is evidence only."""
        found = _STATUS.match(text)
        status = found[0] if found else ""
        why = reason(stage, code, status, text)
        own = _CLIENTS_OWN.search(text) if code == 421 else None
        if own is not None and own[1]:
            self.abused("too_many_errors")
        if why != "unknown_user" and temporary(code, status) and own is None:
            self._fault = True
        at, host, protocol, service, client, evidence = self._head()
        self._office.tell(
            Rejected(at, host, protocol, service, client, evidence or why == "busy" or code == 421, stage, code, why, self._account, recipient)
        )

    def abused(self, reason: str) -> None:
        """The client left the protocol."""
        self._office.tell(ProtocolAbused(*self._head(), reason))

    def server_failed(self) -> None:
        """The server behind was away, or broke off."""
        self._fault = True

    def turned_away(self) -> None:
        """We ended the session, by no fault of the client's."""
        self._refused = True

    def ended(self) -> None:
        """The session is over. Of IMAP and POP3 sessions nothing is counted at their end."""
        if self._office.protocol == "smtp":
            fault = self._fault and not self._messages
            self._office.tell(SessionEnded(*self._head(), self._messages, self._login, fault, self._refused))
