"""Which addresses exceed the three standard rules: counted by the generator from what it wrote.

Job: hold Gatepost's replay against a second, naive implementation of its law of counting.
Promise: exact windows (T-W, T]; firing clears the window and holds until T+D; what a hold turns away is not counted; failed log-ins see
IPv6 clients by /64; the facts of one line count in the order in which the line tells them.
Limits: facts must come in the order of time, and only the rules `dos`, `harvesting` and `password-brute-force` are known. A fact's weight
beyond the threshold is lost. An entry that cannot matter any more is dropped now and then.
"""

from typing import NamedTuple

from scribe import SECOND, Fact

MINUTE = 60 * SECOND


class Rule(NamedTuple):
    """One of the rules of the preset `standard`."""

    name: str
    counts: str
    threshold: int
    window: int
    hold: int
    networks: bool
    """IPv6 clients count by /64."""


RULES = (
    Rule("dos", "connected", 50, 5 * MINUTE, 5 * MINUTE, False),
    Rule("harvesting", "session_ended", 20, 5 * MINUTE, 5 * MINUTE, False),
    Rule("password-brute-force", "auth_failed", 50, 10 * MINUTE, 30 * MINUTE, True),
)
LONGEST = max(rule.window for rule in RULES)

Key = tuple[str, str, str]
"""Rule, protocol, subject."""


class Fire(NamedTuple):
    """A rule fired: by the fact on this line, and what it holds until when."""

    rule: str
    protocol: str
    subject: str
    at: int
    until: int
    line: int


class Truth:
    """The naive count. `tell` it every fact, in order; `fires` then says who was held."""

    def __init__(self) -> None:
        self.fires: list[Fire] = []
        self.facts: dict[str, int] = {}
        self._windows: dict[Key, list[int]] = {}
        self._holds: dict[tuple[str, str], int] = {}
        self._by_kind = {rule.counts: rule for rule in RULES}

    def tell(self, at: int, line: int, fact: Fact) -> None:
        """Count one fact, unless a hold stands against its client."""
        self.facts[fact.kind] = self.facts.get(fact.kind, 0) + 1
        rule = self._by_kind.get(fact.kind)
        if rule is None or not fact.weight or self._held(at, fact):
            return
        subject = fact.client.network if rule.networks else fact.client.address
        key = (rule.name, fact.protocol, subject)
        window = [seen for seen in self._windows.get(key, []) if seen > at - rule.window] + [at] * fact.weight
        if len(window) < rule.threshold:
            self._windows[key] = window
            return
        self._windows.pop(key, None)
        self._holds[fact.protocol, subject] = max(at + rule.hold, self._holds.get((fact.protocol, subject), 0))
        self.fires.append(Fire(rule.name, fact.protocol, subject, at, at + rule.hold, line))

    def _held(self, at: int, fact: Fact) -> bool:
        holds = self._holds
        client = fact.client
        return at < holds.get((fact.protocol, client.address), 0) or at < holds.get((fact.protocol, client.network), 0)

    def sweep(self, at: int) -> None:
        """Drop what is too old to matter, so that memory stays bounded."""
        self._windows = {key: seen for key, seen in self._windows.items() if seen[-1] > at - LONGEST}
        self._holds = {key: until for key, until in self._holds.items() if until > at}
