"""What tells people and programs what changed.

Job: the contract of messengers: what they are told (notices), what they hand over (messages), how they say how they are doing. Promise: a messenger
takes notices in at once, into a bounded queue; what it drops is counted; it is told of what is in force, once. Limits: a messenger decides nothing,
and no answer of the guard ever waits for one.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from gatepost.core.decisions import Brake, Effect, Expire, Impose, Release

Kind = Literal["imposed", "released", "expired", "brake", "trouble", "cured"]
Sort = Literal["block", "delay", "alert", "watched", "hand", "ended", "brake", "trouble"]
MessageKind = Literal["first", "digest", "urgent", "quiet", "test"]


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing that changed: a decision began or ended, the brake stopped a rule, the guard itself has a problem or is rid of one."""

    kind: Kind
    at: int
    """Microseconds since 1970 UTC."""
    rule: str = ""
    """Empty for what an administrator held by hand."""
    action: str = ""
    watched: bool = False
    """It holds nobody: the rule observes or only alerts, or the guard is paused."""
    by: str = ""
    subject: str = ""
    country: str = ""
    protocols: tuple[str, ...] = ()
    logins: bool = False
    until: int = 0
    counts: str = ""
    count: int = 0
    reason: str = ""
    number: int = 0
    """The decision's."""
    good: int = 0
    held: int = 0
    """For the brake: how many good clients the rule held, of how many."""
    source: str = ""
    """For a problem: what has it."""
    text: str = ""

    @property
    def sort(self) -> Sort:
        """What a channel chooses by."""
        if self.kind == "brake":
            return "brake"
        if self.kind in ("trouble", "cured"):
            return "trouble"
        if self.kind != "imposed":
            return "ended"
        if not self.rule:
            return "hand"
        if self.action == "alert":
            return "alert"
        return "watched" if self.watched else "delay" if self.action == "delay" else "block"


class Message(Struct, frozen=True, kw_only=True):
    """What is handed over as one: written once, the same at each try."""

    key: str
    """Names it for good: who gets it twice can tell."""
    at: int
    kind: MessageKind
    host: str
    title: str
    text: str
    notices: tuple[Notice, ...] = ()
    left_out: int = 0
    """Notices that are counted in the text and not among ``notices``."""


class ChannelState(Struct, kw_only=True):
    """How a channel is doing, for lists and metrics."""

    name: str
    kind: str
    to: str
    """Whom it reaches, without its secrets."""
    sent: int = 0
    """Messages handed over since the start."""
    failures: int = 0
    """Tries that failed since the start."""
    dropped: int = 0
    """Notices and messages that were let go since the start: the queue was full, or nobody took them for too long."""
    waiting: int = 0
    """Messages that wait to be handed over."""
    collected: int = 0
    """Notices that wait for the next message."""
    next_at: int = 0
    """When that is due; 0: nothing waits."""
    last_at: int = 0
    """When the newest message was handed over; 0: none yet."""
    failing_since: int = 0
    """0 where the last try went well."""
    problem: str = ""


class SendError(Exception):
    """A message could not be handed over. ``again``: a later try may go well; ``wait``: not before so many seconds."""

    def __init__(self, said: str, again: bool = True, wait: float = 0) -> None:
        self.again = again
        self.wait = wait
        super().__init__(said)


class Sender(Protocol):
    """Hands messages over by one way."""

    kind: str
    to: str

    async def send(self, message: Message) -> str:
        """Hands a message over; what is to be said of it, empty where all is well. Raises SendError. Never waits without a bound."""


def notices(effects: Sequence[Effect], country: Callable[[str], str] = lambda _: "") -> list[Notice]:
    """What effects mean to those who are told; ``country`` knows where a client or network is registered."""
    return [_brake(effect) if isinstance(effect, Brake) else _decided(effect, country) for effect in effects]


def _brake(effect: Brake) -> Notice:
    return Notice(kind="brake", at=effect.at, rule=effect.rule, good=effect.good, held=effect.held)


def _decided(effect: Impose | Release | Expire, country: Callable[[str], str]) -> Notice:
    decision = effect.decision
    kind: Kind
    if isinstance(effect, Release):
        kind, at, protocols, reason = "released", effect.at, effect.protocols, effect.why
    else:
        imposed = isinstance(effect, Impose)
        kind, at = ("imposed", decision.start) if imposed else ("expired", decision.until)
        protocols, reason = decision.protocols, decision.reason
    return Notice(
        kind=kind,
        at=at,
        rule=decision.rule,
        action=decision.action,
        watched=decision.watched,
        by=decision.subject.by,
        subject=_sound(decision.subject.text),
        country=country(decision.subject.text) if decision.subject.by != "account" else "",
        protocols=protocols,
        logins=decision.logins,
        until=decision.until,
        counts=decision.counts,
        count=decision.count,
        reason=_sound(reason),
        number=decision.number,
    )


def _sound(text: str) -> str:
    """A text that can be written down: lone surrogates are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
