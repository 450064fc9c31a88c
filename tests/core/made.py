"""Short words for the unit tests of the engine: facts, rules and lists with what does not matter left out.

Job: let a test say only what it is about. Promise: times are seconds since `T0`; places count up by themselves. Limits: for tests alone.
"""

from typing import Any

from gatepost.core.access import Entry
from gatepost.core.decisions import Brake, Decision, Effect, Impose, Question, QuestionStage, Release, Verdict
from gatepost.core.engine import Engine, Limits
from gatepost.core.facts import AuthFailed, AuthSucceeded, Connected, Fact, MessageAccepted, Protocol
from gatepost.core.rules import Rule
from gatepost.core.spans import SECOND, Span
from gatepost.core.subjects import Client, Subject

T0 = 1_700_000_000 * SECOND
IP, NEIGHBOUR, OTHER = Client("192.0.2.1"), Client("192.0.2.2"), Client("198.51.100.1")
SIX, SIX_NEAR = Client("2001:db8::1"), Client("2001:db8::2")


def at(seconds: float) -> int:
    """A moment of a test, exact to the microsecond."""
    return T0 + round(seconds * SECOND)


def connected(seconds: float, client: str = IP, **more: Any) -> Connected:
    return made(Connected, seconds, client, **more)  # type: ignore[return-value]


def failed(seconds: float, client: str = IP, account: str = "bob@x", **more: Any) -> AuthFailed:
    return made(AuthFailed, seconds, client, account=account, **more)  # type: ignore[return-value]


def logged_in(seconds: float, client: str = IP, account: str = "bob@x", **more: Any) -> AuthSucceeded:
    return made(AuthSucceeded, seconds, client, account=account, **more)  # type: ignore[return-value]


def sent(seconds: float, client: str = IP, **more: Any) -> MessageAccepted:
    return made(MessageAccepted, seconds, client, **more)  # type: ignore[return-value]


def made(kind: type[Fact], seconds: float, client: str = IP, protocol: Protocol = "smtp", **more: Any) -> Fact:
    """A fact of a kind."""
    return kind(at=at(seconds), host="mx", protocol=protocol, service=protocol, client=Client(client), **more)


def rule(counts: str = "connected", threshold: int = 3, window: float = 60, hold: float = 300, **more: Any) -> Rule:
    """A rule, named by what it counts where no name is given."""
    name = more.pop("name", counts.replace("_", "-"))
    spans = {"window": Span(round(window * SECOND)), "hold_for": Span(round(hold * SECOND))}
    return Rule(name=name, counts=counts, threshold=threshold, **spans, **more)  # type: ignore[arg-type]


def allow(prefix: str, **more: Any) -> Entry:
    return Entry(verb="allow", prefix=prefix, **more)


def deny(prefix: str, **more: Any) -> Entry:
    return Entry(verb="deny", prefix=prefix, **more)


class Guard:
    """An engine that gives places by itself."""

    def __init__(self, *rules: Rule, lists: tuple[Entry, ...] = (), limits: Limits | None = None) -> None:
        self.engine = Engine(rules, lists, limits)
        self.place = -1

    def take(self, *entries: Any) -> list[Effect]:
        """Applies entries; returns all effects."""
        effects: list[Effect] = []
        for entry in entries:
            self.place += 1
            effects += self.engine.apply(entry, self.place)
        return effects

    def imposed(self, *entries: Any) -> list[Decision]:
        """The decisions that entries brought."""
        return [effect.decision for effect in self.take(*entries) if isinstance(effect, Impose)]

    def released(self, *entries: Any) -> list[str]:
        """The subjects that entries released."""
        return [effect.decision.subject.text for effect in self.take(*entries) if isinstance(effect, Release)]

    def braked(self, *entries: Any) -> list[tuple[int, int]]:
        """The good and all clients of the brakes that entries pulled."""
        return [(effect.good, effect.held) for effect in self.take(*entries) if isinstance(effect, Brake)]

    def ask(self, seconds: float, client: str = IP, stage: QuestionStage = "connect", protocol: Protocol = "smtp", account: str = "") -> Verdict:
        """The engine's answer."""
        return self.engine.judge(Question(at(seconds), Client(client), protocol, stage, account))

    def word(self, seconds: float, client: str = IP, stage: QuestionStage = "connect", protocol: Protocol = "smtp", account: str = "") -> str:
        """The answer in a word."""
        return type(self.ask(seconds, client, stage, protocol, account)).__name__.lower()


def client(text: str) -> Subject:
    return Subject("client", text)
