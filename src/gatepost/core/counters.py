"""Which facts a rule counts, and under which key.

Job: a counter for each rule and each way of counting its protocols; it finds a fact's key, weight and values and hands them to its windows.
Promise: a counter looks at nothing but the fact, the client's view and its rule. Limits: trust, holds and good deeds are judged before it is asked.
"""

from collections.abc import Iterable

from gatepost.core.facts import (
    AuthFailed,
    AuthSucceeded,
    Connected,
    Fact,
    Held,
    MessageAccepted,
    MessageBounced,
    Protocol,
    ProtocolAbused,
    Rejected,
    SessionEnded,
)
from gatepost.core.rules import Rule
from gatepost.core.subjects import Subject, pair
from gatepost.core.trust import View
from gatepost.core.windows import PLACE_BITS, Windows

KIND_OF: dict[str, type[Fact]] = {
    "connected": Connected,
    "open_connections": Connected,
    "bad_session": SessionEnded,
    "auth_failed": AuthFailed,
    "auth_succeeded": AuthSucceeded,
    "message_accepted": MessageAccepted,
    "recipients": MessageAccepted,
    "rejected": Rejected,
    "message_bounced": MessageBounced,
    "protocol_abused": ProtocolAbused,
    "held": Held,
}
"""The kind of fact behind what a rule counts."""

WIDE = ("auth_failed", "protocol_abused")
"""What is counted by an IPv6 client's /64."""


def is_bad(session: Fact) -> bool:
    """Whether a session ended with no message, and by nobody else's fault (the law, 5)."""
    return isinstance(session, SessionEnded) and not (session.messages or session.server_at_fault or session.refused)


class Counter:
    """Counts by client whatever its rule counts, once a fact; the other ways are subclasses."""

    __slots__ = ("plain", "protocols", "rule", "wide", "windows")

    def __init__(self, rule: Rule, protocols: tuple[Protocol, ...], windows: Windows) -> None:
        self.rule = rule
        self.protocols = protocols
        self.windows = windows
        self.wide = rule.counts in WIDE
        self.plain = type(self) is Counter
        """Whether its windows can be asked without looking at the fact."""

    def key(self, fact: Fact, view: View) -> str:
        """Whose fact it is for this rule; empty where it is nobody's."""
        return view.wide if self.wide else view.client

    def count(self, fact: Fact, view: View, place: int) -> list[int] | None:
        """Counts a fact. Returns the marks that fire, or None."""
        key, windows = self.key(fact, view), self.windows
        return None if windows.is_silent(key, fact.at) else windows.count(key, fact.at << PLACE_BITS | place, 1)

    def subject(self, key: str) -> Subject:
        """The subject that a key stands for."""
        return Subject(self.rule.by, key)


class AnyCounter(Counter):
    """Counts by any subject, with conditions, weights, different values or least clients."""

    __slots__ = ()

    def key(self, fact: Fact, view: View) -> str:
        by = self.rule.by
        if isinstance(fact, Held):
            return _key_of_held(fact, by, view)
        if by == "client":
            return view.wide if self.wide else view.client
        if by == "network":
            return view.network
        name: str = getattr(fact, "account", "")
        if by == "account" or not name:
            return name
        return pair(name, view.wide if self.wide else view.client)

    def count(self, fact: Fact, view: View, place: int) -> list[int] | None:
        rule, windows = self.rule, self.windows
        if not _matches(rule, fact):
            return None
        key = self.key(fact, view)
        if not key or windows.is_silent(key, fact.at):
            return None
        new, weight = fact.at << PLACE_BITS | place, _weight(rule, fact)
        if weight < 1:
            return None
        if rule.distinct:
            values = _values(rule, fact, view, place, weight)
            return windows.count_values(key, new, values) if values else None
        if rule.min_clients:
            return windows.count_spread(key, new, weight, view.client)
        return windows.count(key, new, weight)


class OpenCounter(Counter):
    """Counts nothing: the fact itself says how many connections are open. So no close that was missed can lead it astray."""

    __slots__ = ()

    def count(self, fact: Fact, view: View, place: int) -> list[int] | None:
        if not isinstance(fact, Connected) or fact.open < self.rule.threshold or self.windows.is_silent(self.key(fact, view), fact.at):
            return None
        return [fact.at << PLACE_BITS | place]


def counter(rule: Rule, protocols: tuple[Protocol, ...], windows: Windows) -> Counter:
    """The counter that a rule needs: the plain one where it suffices."""
    if rule.counts == "open_connections":
        return OpenCounter(rule, protocols, windows)
    plain = rule.by == "client" and not (rule.distinct or rule.where.reason or rule.where.stage or rule.where.code)
    once = rule.counts in ("connected", "bad_session", "auth_succeeded", "message_accepted", "rejected", "message_bounced", "protocol_abused")
    return (Counter if plain and once else AnyCounter)(rule, protocols, windows)


def _key_of_held(fact: Held, by: str, view: View) -> str:
    """A hold counts for the subject that it holds, and a client's for its network."""
    if by == fact.by:
        return fact.subject
    return view.network if by == "network" and fact.by == "client" else ""


def _matches(rule: Rule, fact: Fact) -> bool:
    where = rule.where
    if where.reason and where.reason != getattr(fact, "reason", ""):
        return False
    if where.stage and where.stage != getattr(fact, "stage", ""):
        return False
    if where.code:
        code: int = getattr(fact, "code", 0)
        return where.code in (code, code // 100)
    return True


def _weight(rule: Rule, fact: Fact) -> int:
    """How often a fact counts."""
    if isinstance(fact, AuthFailed):
        return fact.weight
    return fact.recipients if rule.counts == "recipients" and isinstance(fact, MessageAccepted) else 1


def _values(rule: Rule, fact: Fact, view: View, place: int, weight: int) -> Iterable[str]:
    """The values that a fact shows to a rule that counts different ones; an unknown secret is a new one, each time."""
    if rule.distinct == "clients":
        return (fact.subject,) if isinstance(fact, Held) else (view.client,)
    if rule.distinct == "accounts":
        name: str = getattr(fact, "account", "")
        return (name,) if name else ()
    secret: str = getattr(fact, "secret", "")
    return (secret,) if secret else tuple(f"\0{place}.{turn}" for turn in range(min(weight, rule.threshold)))
