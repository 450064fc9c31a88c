"""Exim asks, by ``${readsocket{...}}`` in its ACLs: at each connection, AUTH, recipient, relaying and message.

Job: answer by what the guard says, and report connections, accepted messages, and the failed log-ins and bounces that Exim tells of. Promise: who is
held is turned away at the connection; ``relay`` is answered only for an address whose own allow entry has the relay box; an answer never waits.
Limits: Exim tells of failed log-ins here only where an authenticator's ``server_condition`` does so (docs/exim.md), else its log does. Whether mail
goes on while we are away is the fallback text of the ``readsocket``.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated

from msgspec import Meta

from gatepost.core.access import Entry
from gatepost.core.decisions import Delay, Question, QuestionStage, Refuse, Verdict
from gatepost.core.facts import AnyFact, AuthFailed, Connected, MessageAccepted, MessageBounced, Refused
from gatepost.core.subjects import Client, client
from gatepost.inlets.asked import Asked, AskedInlet, AskedSettings, Door
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.witness import Logs
from gatepost.wire import exim_ask as wire

STAGES: dict[wire.Verb, QuestionStage] = {
    "connect": "connect",
    "auth": "login",
    "rcpt": "message",
    "relay": "relay",
    "data": "message",
    "failed": "login",
}
SERVICES = {"465": "submissions", "587": "submission"}
LONG = 255
"""Characters of a recipient that are kept."""
SECOND = 1_000_000
DELAYED: tuple[wire.Verb, ...] = ("connect", "auth", "data")
"""When a client is delayed: not at each recipient, which would keep Exim's process for long."""
LONGEST_DELAY = 30
"""Seconds."""


class EximSettings(AskedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A listener for Exim's questions."""

    hold: Annotated[bool, Meta(description="Messages of an account that an alert rule about messages caught are frozen in Exim's queue.")] = True

    @property
    def name(self) -> str:
        """How it is told apart from others."""
        return f"exim:{self.listen}"


def _within(entry: Entry | None, of: Client) -> bool:
    """Whether an address lies within an entry's own prefix: looked at here once more, since an open relay is a disaster."""
    return entry is not None and entry.verb == "allow" and not entry.name and any(ip_address(of) in net for net in entry.networks)


class _Question(Asked):
    """One connection: one question."""

    idle = 30.0

    def __init__(self, door: Door, answer: Callable[[wire.Ask], bytes]) -> None:
        super().__init__(door)
        self._line = wire.Line()
        self._answer = answer

    def data_received(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return  # what stands behind the question is nobody's
        asked = self._line.feed(data)
        if asked is not None:
            self.transport.write(self._answer(asked))
            self.transport.close()
        elif self._line.broken:
            self.end(self._line.broken)
        else:
            self.waits(half=True, began=False)

    def eof_received(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.end("unfinished")


class EximInlet(AskedInlet):
    """Answers Exim."""

    def __init__(self, settings: EximSettings, guard: Guard, now: Callable[[], int], account: Callable[[str], str]) -> None:
        """``now`` is the time in microseconds; ``account`` makes names canonical."""
        self.settings = settings
        super().__init__(settings, settings.name, guard, lambda door: _Question(door, self.answer))
        self._now = now
        self._account = account

    def answer(self, asked: wire.Ask) -> bytes:
        """The answer to a question; what cannot be judged goes on, and is counted."""
        at = self._now()
        self._requests += 1
        self._last[asked.verb] = at
        try:
            who = client(asked.client)
        except ValueError:
            self.door.dropped["no address"] += 1
            return wire.OK
        fact = self._fact(asked, at, who)
        self._facts += fact is not None
        if asked.verb == "bounced" and fact is not None:
            self._guard.hear([fact], self.name, logs=Logs(self.settings.hosts))
            return wire.OK
        name = self._account(asked.account)
        # Who has logged in is asked about as one who logs in: a hold of log-ins alone is for him too.
        stage = "login" if name and asked.verb == "rcpt" else STAGES[asked.verb]
        question = Question(at, who, "smtp", stage, name)
        guard, logs = self._guard, Logs(self.settings.hosts)
        verdict = guard.admit(question, fact, self.name, logs=logs) if fact is not None else guard.judge(question)
        return self._say(asked, question, verdict)

    def _fact(self, asked: wire.Ask, at: int, who: Client) -> AnyFact | None:
        """What happened, where the question tells it."""
        name = self._account(asked.account)
        host, service = asked.host.partition(".")[0], SERVICES.get(asked.port, "smtp")
        if asked.verb == "connect":
            return Connected(at, host, "smtp", service, who)
        if asked.verb == "failed":
            return AuthFailed(at, host, "smtp", service, who, False, name, reason="password")
        if asked.verb == "data" and name:  # of a stranger's message the log is the witness
            return MessageAccepted(at, host, "smtp", service, who, False, name, max(asked.recipients, 1), asked.size)
        if asked.verb == "bounced":
            return MessageBounced(at, host, "smtp", service, who, False, name, asked.recipient[:LONG])
        return None

    def _say(self, asked: wire.Ask, question: Question, verdict: Verdict) -> bytes:
        """The answer in words; a refusal is told to the history too."""
        if asked.verb == "failed":
            return wire.OK  # it has failed already
        if isinstance(verdict, Refuse):
            self._refusals += 1
            service = SERVICES.get(asked.port, "smtp")
            host = asked.host.partition(".")[0]
            told = Refused(question.at, host, "smtp", service, question.client, False, asked.verb, verdict.reason, question.account, verdict.country)
            self._guard.hear([told], self.name, ())
            return wire.deny("Access denied") if verdict.decision is None else wire.defer("Not now, try again later")
        if isinstance(verdict, Delay):
            return wire.wait(min(-(-verdict.us // SECOND), LONGEST_DELAY)) if asked.verb in DELAYED else wire.OK
        if asked.verb == "relay" and verdict.grants_relay and _within(verdict.entry, question.client):
            return wire.RELAY
        return wire.HOLD if asked.verb == "data" and self.settings.hold and self.alerted(question.account, question.at) else wire.OK
