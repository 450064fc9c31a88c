"""Milter: Postfix and Sendmail ask at each connection, sender, recipient and message.

Job: answer by what the guard says, and report connections and accepted messages, with the account that logged in. Promise: who is held is turned away
at the connection, whatever ``smtpd_delay_reject`` says; an answer never waits, save for a delay that a rule imposes; one session costs a bounded
memory. Limits: a filter sees neither failed log-ins nor what becomes of a message after its own answer (the log tells both), and it cannot grant
relaying. Whether mail goes on while we are away is the server's ``milter_default_action``: ``accept`` in our guide.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, structs

from gatepost.core.decisions import Delay, Question, QuestionStage, Refuse, Verdict
from gatepost.core.facts import AnyFact, Connected, Fact, MessageAccepted, Refused, Rejected, SessionEnded
from gatepost.core.subjects import Client, client
from gatepost.inlets.asked import Asked, AskedInlet, AskedSettings, Door
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.witness import Logs
from gatepost.wire import milter as wire
from gatepost.wire.maillog.postfix_reject import reason, temporary

Kind = TypeVar("Kind", bound=Fact)
Witnessed = Literal["connected", "message_accepted", "rejected", "session_ended"]
KINDS: dict[str, type[Fact]] = {"connected": Connected, "message_accepted": MessageAccepted, "rejected": Rejected, "session_ended": SessionEnded}
SERVICES = {"465": "smtps", "587": "submission"}
LONGEST_DELAY = 8.0
"""Seconds that an answer is delayed at most: our guide has the server give up after 10."""
LONG = 255
"""Characters of a recipient that are kept."""


class MilterSettings(AskedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A milter for Postfix or Sendmail."""

    counts: Annotated[
        tuple[Witnessed, ...],
        Meta(description="What is counted from here; the same in this server's log is evidence only. rejected, session_ended: where no log is read."),
    ] = ("connected", "message_accepted")
    delays: Annotated[
        int, Meta(description="Clients that are delayed at the same time, at most: each takes a process of the server's.", ge=0, le=1_000)
    ] = 30
    hold: Annotated[bool, Meta(description="Messages of an account that an alert rule about messages caught go to the server's hold queue.")] = True

    @property
    def name(self) -> str:
        """How it is told apart from others."""
        return f"milter:{self.listen}"


def _refusal(verdict: Refuse, code: int) -> bytes:
    """What a client is told: who stands on the deny list that it is so, who is held for a while to come back later."""
    return wire.reply("554 5.7.1 Access denied" if verdict.entry is not None else f"{code} 4.7.0 Not now, try again later")


class _Session(Asked):
    """One connection of a mail server: an SMTP session of a client, or several in turn."""

    def __init__(self, door: Door, inlet: "MilterInlet") -> None:
        super().__init__(door)
        self._inlet = inlet
        self._talk = wire.Conversation(wants_refused=bool({"rejected", "session_ended"} & set(inlet.settings.counts)))
        self._events: deque[wire.Event] = deque()
        self._later: asyncio.TimerHandle | None = None
        self._quarantine = False
        self._kinds: tuple[type[Fact], ...] = ()
        """What it is the witness of, by what was negotiated."""
        self._client: Client | None = None
        self._forget()

    def _forget(self) -> None:
        """A session's end: nothing of it is left for the next."""
        self._client = None
        self._host, self._service, self._account, self._size = "", "smtp", "", 0
        self._recipients = self._messages = 0
        self._refused = self._fault = False

    # --- bytes in, answers out

    def data_received(self, data: bytes) -> None:
        events = self._talk.feed(data)
        self.waits(self._talk.waiting, bool(events))
        self._events += events
        if self._later is None:
            self._go_on()

    def _go_on(self) -> None:
        """Answers what was asked, in its order, until an answer is to be delayed."""
        answers = b""
        while self._events:
            event = self._events.popleft()
            verdict, answer = HANDLERS[type(event)](self, event)
            # Once at a connection and once a message: a delay of each recipient would keep the server's process for long.
            if isinstance(verdict, Delay) and isinstance(event, wire.Connect | wire.Mail) and self._inlet.delayed < self._inlet.settings.delays:
                self._wait(min(verdict.us / 1e6, LONGEST_DELAY), answer)
                break
            answers += answer
        if self.transport is not None and not self.transport.is_closing():
            if answers:
                self.transport.write(answers)
            if self._talk.broken and not self._events:
                self.end(self._talk.broken)

    def _wait(self, seconds: float, answer: bytes) -> None:
        """Answers later; the server, which waits for this one, has no other question."""

        def over() -> None:
            self._inlet.delayed -= 1
            self._later = None
            if self.transport is not None and not self.transport.is_closing():
                self.transport.write(answer)
                self.transport.resume_reading()
                self._go_on()

        if self.transport is not None:
            self.transport.pause_reading()
            self._inlet.delayed += 1
            self._later = asyncio.get_running_loop().call_later(seconds, over)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._later is not None:
            self._later.cancel()
            self._inlet.delayed -= 1
        self._end_session()

    # --- asking the guard

    def _ask(self, stage: QuestionStage, fact: AnyFact | None = None) -> Verdict | None:
        """What the guard says of this client; None where there is no client to speak of."""
        who, inlet = self._client, self._inlet
        if who is None:
            return None
        verdict = inlet.ask(Question(inlet.now(), who, "smtp", stage, self._account), fact)
        if isinstance(verdict, Refuse):
            self._refused = True
            inlet.tell(Refused(inlet.now(), self._host, "smtp", self._service, who, False, stage, verdict.reason, self._account, verdict.country), ())
        return verdict

    def _fact(self, kind: type[Kind], *more: Any) -> Kind | None:
        """A fact about this client, where it is counted here."""
        inlet = self._inlet
        if self._client is None or kind not in self._kinds:
            return None
        return kind(inlet.now(), self._host, "smtp", self._service, self._client, False, *more)

    # --- what a server sends

    def _negotiated(self, event: wire.Negotiated) -> tuple[Verdict | None, bytes]:
        self._quarantine = event.quarantine
        self._kinds = tuple(kind for kind in self._inlet.counts if kind is not Rejected or event.refused_recipients)
        return None, event.answer

    def _connect(self, event: wire.Connect) -> tuple[Verdict | None, bytes]:
        self._end_session()
        try:
            self._client = client(event.address)
        except ValueError:
            return None, wire.ACCEPT  # a program on the server's own host
        self._host, self._service = event.host.partition(".")[0][:64], SERVICES.get(event.port, "smtp")
        # A log tells of a refused recipient before we are asked about it: so the first connection makes us the witness of all.
        self._inlet.witness(self._kinds)
        verdict = self._ask("connect", self._fact(Connected))
        return verdict, _refusal(verdict, 421) if isinstance(verdict, Refuse) else wire.CONTINUE

    def _mail(self, event: wire.Mail) -> tuple[Verdict | None, bytes]:
        self._account = self._inlet.account(event.account)
        self._size, self._recipients = event.size, 0
        verdict = self._ask(self._stage)
        return verdict, _refusal(verdict, 450) if isinstance(verdict, Refuse) else wire.CONTINUE

    @property
    def _stage(self) -> QuestionStage:
        """Who has logged in is asked about as one who logs in: a hold of log-ins alone is for him too."""
        return "login" if self._account else "message"

    def _recipient(self, event: wire.Recipient) -> tuple[Verdict | None, bytes]:
        if event.code:
            self._rejected(event)
            return None, wire.CONTINUE
        verdict = self._ask(self._stage)
        if isinstance(verdict, Refuse):
            return verdict, _refusal(verdict, 450)
        self._recipients += 1
        return verdict, wire.CONTINUE

    def _rejected(self, event: wire.Recipient) -> None:
        """The server itself refused a recipient."""
        status = event.said[4:].partition(" ")[0]
        why = reason("rcpt", event.code, status, event.said)
        self._fault |= why != "unknown_user" and temporary(event.code, status)
        fact = self._fact(Rejected, "rcpt", event.code, why, self._account, event.recipient[:LONG])
        if fact is not None:
            self._inlet.tell(structs.replace(fact, evidence_only=True) if why == "busy" else fact)

    def _end(self, event: wire.End) -> tuple[Verdict | None, bytes]:
        size = event.size or self._size
        # Of a stranger's message the log is the witness: it knows whether another filter refused it after us.
        fact = self._fact(MessageAccepted, self._account, max(self._recipients, 1), size) if self._account else None
        verdict = self._ask("message", fact)
        if isinstance(verdict, Refuse):
            return verdict, _refusal(verdict, 451)
        self._messages += 1
        return verdict, wire.quarantine("held by Gatepost") if self._quarantine and self._inlet.holds(self._account) else wire.CONTINUE

    def _pass(self, event: wire.Event) -> tuple[Verdict | None, bytes]:
        return None, wire.CONTINUE

    def _abort(self, event: wire.Event) -> tuple[Verdict | None, bytes]:
        self._recipients = self._size = 0
        return None, b""

    def _quit(self, event: wire.Quit) -> tuple[Verdict | None, bytes]:
        self._end_session()
        return None, b""

    def _end_session(self) -> None:
        fault = self._fault and not self._messages
        fact = self._fact(SessionEnded, self._messages, bool(self._account), fault, self._refused)
        if fact is not None:
            self._inlet.tell(fact)
        self._forget()


HANDLERS: dict[type[wire.Event], Callable[[_Session, Any], tuple[Verdict | None, bytes]]] = {
    wire.Negotiated: _Session._negotiated,
    wire.Connect: _Session._connect,
    wire.Mail: _Session._mail,
    wire.Recipient: _Session._recipient,
    wire.End: _Session._end,
    wire.Pass: _Session._pass,
    wire.Abort: _Session._abort,
    wire.Quit: _Session._quit,
}


class MilterInlet(AskedInlet):
    """Answers Postfix and Sendmail."""

    def __init__(self, settings: MilterSettings, guard: Guard, now: Callable[[], int], account: Callable[[str], str]) -> None:
        """``now`` is the time in microseconds; ``account`` makes names canonical."""
        self.settings = settings
        self.now = now
        self.account = account
        self.counts = tuple(KINDS[each] for each in settings.counts)
        super().__init__(settings, settings.name, guard, lambda door: _Session(door, self))
        self.delayed = 0
        """Answers that are held back now."""

    def ask(self, question: Question, fact: AnyFact | None) -> Verdict:
        """Judges a question, by what its fact leads to where it comes with one."""
        self._requests += 1
        self._last[question.stage] = question.at
        self._facts += fact is not None
        guard, logs = self._guard, Logs(self.settings.hosts)
        verdict = guard.admit(question, fact, self.name, logs=logs) if fact is not None else guard.judge(question)
        self._refusals += isinstance(verdict, Refuse)
        return verdict

    def holds(self, account: str) -> bool:
        """Whether an account's messages are to wait until somebody has looked at them."""
        return self.settings.hold and self.alerted(account, self.now())

    def witness(self, kinds: Sequence[type[Fact]]) -> None:
        """From now on these kinds are told by this inlet, until it stops."""
        self._guard.witness.heard(self.name, kinds, "smtp", self.now(), Logs(self.settings.hosts))

    def tell(self, fact: Fact, kinds: Sequence[type[Fact]] | None = None) -> None:
        """Reports a fact that no answer waits for; ``kinds`` is what that makes us the witness of: its own kind, where it is not said."""
        self._facts += 1
        self._guard.hear([fact], self.name, kinds, Logs(self.settings.hosts))
