"""What the engine says: decisions, effects and verdicts.

Job: the frozen answers of the engine. Promise: a decision carries why it was made: the rule, the count and the places of its evidence.
Limits: nothing here is carried out; mirrors and messengers do that.
"""

from typing import Literal

from msgspec import Struct

from gatepost.core.access import Entry
from gatepost.core.facts import Protocol
from gatepost.core.rules import Action
from gatepost.core.subjects import Client, Subject

QuestionStage = Literal["connect", "login", "relay", "message"]
QUESTION_STAGES: tuple[QuestionStage, ...] = ("connect", "login", "relay", "message")


class Decision(Struct, frozen=True, gc=False, kw_only=True):
    """A subject is held or watched on some protocols for [start, until), times in microseconds since 1970 UTC."""

    number: int
    """Counts the decisions of one engine, from 1; stable."""
    rule: str
    """The rule that made it; empty for an administrator's."""
    action: Action
    watched: bool = False
    """It holds nothing: its rule observes, only alerts, or the guard is paused."""
    subject: Subject
    protocols: tuple[Protocol, ...]
    logins: bool = False
    """Only log-ins are held."""
    start: int
    until: int
    delay: int = 0
    """Microseconds by which an answer is delayed."""
    counts: str = ""
    """What its rule counts."""
    fired_on: Protocol | Literal[""] = ""
    """The protocol of the fact that fired it."""
    count: int = 0
    reason: str = ""
    """What is said of it: ``50 in 5m``, or the administrator's words."""
    evidence: tuple[int, ...] = ()
    """The places of the facts that made it, oldest first."""

    @property
    def holds(self) -> bool:
        """Whether it turns anything away or slows it down."""
        return not self.watched

    def covers(self, at: int, protocol: str, stage: QuestionStage) -> bool:
        """Whether it has a say at this time, on this protocol and stage."""
        return self.start <= at < self.until and not self.watched and protocol in self.protocols and (stage == "login" or not self.logins)


class Impose(Struct, frozen=True, gc=False):
    """Carry out a decision."""

    decision: Decision


class Release(Struct, frozen=True, gc=False):
    """End a decision before its time, on some of its protocols."""

    decision: Decision
    protocols: tuple[Protocol, ...]
    at: int
    why: str


class Expire(Struct, frozen=True, gc=False):
    """A decision's time is over."""

    decision: Decision


class Brake(Struct, frozen=True, gc=False):
    """A rule held too many good clients and was put to observe (the law, 12); tell the administrator."""

    rule: str
    at: int
    good: int
    held: int


Effect = Impose | Release | Expire | Brake


class Question(Struct, frozen=True, gc=False):
    """May this client go on? ``account`` is named where the peer named one."""

    at: int
    client: Client
    protocol: Protocol
    stage: QuestionStage
    account: str = ""
    country: str = ""
    """Where the client is registered, ``unknown`` where nobody knows; empty: nobody looked, and the countries' policy says nothing."""


class Allow(Struct, frozen=True, gc=False):
    """Go on. ``entry`` is the allow entry that says so; at stage relay only such an entry grants relaying, plain Allow is no objection."""

    entry: Entry | None = None
    watched: str = ""
    """The country for which it would have been refused, did the countries' policy enforce."""

    @property
    def grants_relay(self) -> bool:
        """Whether the client may relay without a log-in."""
        return self.entry is not None and self.entry.relay


class Delay(Struct, frozen=True, gc=False):
    """Go on, ``us`` microseconds later."""

    us: int
    decision: Decision


class Refuse(Struct, frozen=True, gc=False):
    """Turned away: by a decision, or by a deny entry."""

    reason: str
    """A stable code: the rule's name, ``denied`` for a list entry, ``administrator`` for a hold made by hand, ``country`` for where it is."""
    decision: Decision | None = None
    entry: Entry | None = None
    country: str = ""
    """The country that the policy is against."""


Verdict = Allow | Delay | Refuse
