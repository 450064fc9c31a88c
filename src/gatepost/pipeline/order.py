"""The one sequence in which entries reach the engine.

Job: number entries, hand them to the engine, and pass on what follows. Promise: when `report` returns, the engine has seen the fact, and the
next question is answered by it. Limits: the only caller of the engine; one host: the order is the call itself.
"""

from collections.abc import Iterable

from gatepost.core.decisions import Effect, Expire, Impose, Question, Verdict
from gatepost.core.deeds import AnyDeed
from gatepost.core.engine import Engine
from gatepost.core.facts import AnyFact, Fact


class Order:
    """Numbers entries from ``place`` on and has the engine apply them."""

    __slots__ = ("_apply", "engine", "place")

    def __init__(self, engine: Engine, place: int = 0) -> None:
        self.engine = engine
        self.place = place
        """The place of the newest entry; the first entry's is 1."""
        self._apply = engine.apply

    def report(self, fact: AnyFact) -> tuple[Effect, ...]:
        """A fact happened. Returns what follows from it."""
        self.place += 1
        return self._apply(fact, self.place)

    def report_all(self, facts: Iterable[Fact]) -> list[tuple[Effect, ...]]:
        """Facts happened, one after the other. Returns what follows from those from which anything does."""
        apply, place = self._apply, self.place
        found = []
        for place, fact in enumerate(facts, place + 1):  # noqa: B020
            effects = apply(fact, place)  # type: ignore[arg-type]
            if effects:
                found.append(effects)
        self.place = place
        return found

    def do(self, deed: AnyDeed) -> tuple[Effect, ...]:
        """A deed is done. Raises ValueError where it contradicts itself; then nothing changed."""
        effects = self._apply(deed, self.place + 1)
        self.place += 1
        return effects

    def judge(self, question: Question) -> Verdict:
        """Whether a client may go on; nothing is counted."""
        return self.engine.judge(question)

    def admit(self, question: Question, fact: AnyFact, judged: Verdict | None = None) -> tuple[Verdict, tuple[Effect, ...]]:
        """Judges a question, reports the fact that it comes with, and judges again where a rule fired: the fact that fires is itself turned away.
        ``judged`` is the answer that it has had already."""
        verdict = judged or self.engine.judge(question)
        effects = self.report(fact)
        if effects and any(isinstance(effect, Impose) for effect in effects):
            verdict = self.engine.judge(question)
        return verdict, effects

    def advance(self, at: int) -> tuple[Expire, ...]:
        """Time passed: what ran out."""
        return self.engine.advance(at)
