"""The engine against the naive reference, on random histories.

Job: hold the engine to the law for whatever hypothesis thinks of: rules with all their fields, lists, facts early and late, deeds, questions.
Promise: effects and verdicts equal those of the reference at every entry; a dump taken anywhere goes on identically, whatever the hash seed.
Limits: short histories; real traffic is the business of the stories.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.access import Entry
from gatepost.core.decisions import Allow, Brake, Decision, Delay, Effect, Expire, Impose, Question, Verdict
from gatepost.core.engine import Engine
from gatepost.core.rules import Rule
from gatepost.core.snapshot import dump, load
from gatepost.core.spans import MINUTE
from tests.core.reference import Answer, Reference
from tests.core.strategies import CROWD_RULES, HISTORIES, LISTS, RULE_SETS, Item, Now, Step, crowds, timed


def told(decision: Decision) -> tuple[Any, ...]:
    """What is compared of a decision."""
    return (
        decision.number,
        decision.rule,
        decision.action,
        decision.watched,
        str(decision.subject),
        decision.protocols,
        decision.logins,
        decision.start,
        decision.until,
        decision.delay,
        decision.counts,
        decision.fired_on,
        decision.count,
        decision.evidence,
    )


def plain(effect: Effect) -> tuple[Any, ...]:
    """What is compared of an effect."""
    if isinstance(effect, Brake):
        return ("brake", effect.rule, effect.at, effect.good, effect.held)
    if isinstance(effect, Impose | Expire):
        return (type(effect).__name__, *told(effect.decision))
    return ("Release", *told(effect.decision), effect.protocols, effect.at)


def agrees(verdict: Verdict, answer: Answer) -> bool:
    """Whether a verdict is the reference's answer; of several decisions that turn away, it may name any."""
    if isinstance(verdict, Allow):
        return answer.word == "allow" and verdict.entry == answer.entry
    if isinstance(verdict, Delay):
        return answer.word == "delay" and verdict.us == answer.delay and verdict.decision.number in answer.decisions
    if verdict.entry is not None:
        return answer.word == "refuse" and answer.entry == verdict.entry and verdict.reason == "denied"
    decision = verdict.decision
    named = decision is not None and decision.number in answer.decisions and verdict.reason == (decision.rule or "administrator")
    return answer.word == "refuse" and answer.entry is None and named


class Course:
    """An engine on its way through a history, beside the reference."""

    def __init__(self, rules: tuple[Rule, ...], entries: tuple[Entry, ...]) -> None:
        self.engine = Engine(rules, entries)
        self.reference = Reference(rules, entries)

    def take(self, item: Item, place: int) -> None:
        """Takes an item in; fails where engine and reference part."""
        if isinstance(item, Now):
            what, _, clock = item.what.partition(" ")
            if what == "reload":
                data = dump(self.engine)
                self.engine = load(data)
                assert dump(self.engine) == data
            else:
                assert list(map(plain, self.engine.advance(int(clock)))) == list(map(plain, self.reference.advance(int(clock))))
        elif isinstance(item, Question):
            if item.at >= self.engine.newest - 10 * MINUTE:
                verdict, answer = self.engine.judge(item), self.reference.judge(item)
                assert agrees(verdict, answer), (verdict, answer)
        else:
            effects, expected = self.engine.apply(item, place), self.reference.apply(item, place)
            assert list(map(plain, effects)) == list(map(plain, expected))
            assert self.engine.late == self.reference.late


def play(rules: tuple[Rule, ...], entries: tuple[Entry, ...], history: list[Step]) -> None:
    """Has engine and reference go through a history."""
    course = Course(rules, entries)
    for place, item in enumerate(timed(history)):
        course.take(item, place)


@given(RULE_SETS, LISTS, HISTORIES)
def test_the_engine_equals_the_reference(rules: tuple[Rule, ...], entries: tuple[Entry, ...], history: list[Step]) -> None:
    play(rules, entries, history)


@given(CROWD_RULES, LISTS, crowds())
def test_the_brake_equals_the_reference(rules: tuple[Rule, ...], entries: tuple[Entry, ...], history: list[Step]) -> None:
    play(rules, entries, history)


def answers(engine: Engine, items: list[Item], first: int) -> list[Any]:
    """What an engine says to the items of a history, whose first has the place ``first``."""
    said: list[Any] = []
    for place, item in enumerate(items, first):
        if isinstance(item, Now):
            said.append(engine.advance(int(item.what.partition(" ")[2])))
        else:
            said.append(engine.judge(item) if isinstance(item, Question) else engine.apply(item, place))
    return said


@given(RULE_SETS, LISTS, HISTORIES, st.data())
def test_a_dump_goes_on_identically(rules: tuple[Rule, ...], entries: tuple[Entry, ...], history: list[Step], data: st.DataObject) -> None:
    items = timed(history)
    cut = data.draw(st.integers(0, len(items)))
    engine = Engine(rules, entries)
    answers(engine, items[:cut], 0)
    twin = load(dump(engine))
    assert dump(twin) == dump(engine)
    assert answers(twin, items[cut:], cut) == answers(engine, items[cut:], cut)
    assert dump(twin) == dump(engine)
