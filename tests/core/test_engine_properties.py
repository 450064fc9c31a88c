"""The engine against the naive reference, on random histories.

Job: hold the engine to the law for whatever hypothesis thinks of: rules with all their fields, lists, facts early and late, deeds, questions.
Promise: effects and verdicts equal those of the reference at every entry; a dump taken anywhere goes on identically, whatever the hash seed.
Limits: short histories; real traffic is the business of the stories.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gatepost.core.decisions import Allow, Brake, Decision, Delay, Effect, Expire, Impose, Question, Verdict
from gatepost.core.engine import Engine
from gatepost.core.snapshot import dump, load
from gatepost.core.windows import LATE
from tests.core.reference import Reference
from tests.core.reference_words import Answer
from tests.core.strategies import Item, Now, Scenario, scenarios, seeded, timed

SEEDS = 1000


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
        return answer.word == "allow" and verdict.entry == answer.entry and verdict.watched == answer.country
    if isinstance(verdict, Delay):
        return answer.word == "delay" and verdict.us == answer.delay and verdict.decision.number in answer.decisions
    if verdict.country or answer.country:
        return answer.word == "refuse" and answer.country == verdict.country and verdict.reason == "country"
    if verdict.entry is not None:
        return answer.word == "refuse" and answer.entry == verdict.entry and verdict.reason == "denied"
    decision = verdict.decision
    named = decision is not None and decision.number in answer.decisions and verdict.reason == (decision.rule or "administrator")
    return answer.word == "refuse" and answer.entry is None and named


class Course:
    """An engine on its way through a history, beside the reference."""

    def __init__(self, scenario: Scenario) -> None:
        self.engine = Engine(scenario.rules, scenario.entries)
        self.reference = Reference(scenario.rules, scenario.entries)

    def take(self, item: Item, place: int) -> None:
        """Takes an item in; fails where engine and reference part."""
        if isinstance(item, Now):
            self._moment(item, place)
        elif isinstance(item, Question):
            if item.at >= self.engine.newest - LATE:  # what stood before is forgotten, and nobody asks for it
                verdict, answer = self.engine.judge(item), self.reference.judge(item)
                assert agrees(verdict, answer), (verdict, answer)
        else:
            effects, expected = self.engine.apply(item, place), self.reference.apply(item, place)
            assert list(map(plain, effects)) == list(map(plain, expected))
            assert self.engine.late == self.reference.late

    def _moment(self, moment: Now, place: int) -> None:
        if moment.what == "retime":
            deed = moment.retime(self.engine.holdings.decisions.values())
            if deed is not None:
                self.take(deed, place)
        elif moment.what == "advance":
            assert list(map(plain, self.engine.advance(moment.at))) == list(map(plain, self.reference.advance(moment.at)))
        else:
            data = dump(self.engine)
            self.engine = load(data)
            assert dump(self.engine) == data


def play(scenario: Scenario) -> None:
    """Has engine and reference go through a history."""
    course = Course(scenario)
    for place, item in enumerate(timed(scenario.history)):
        course.take(item, place)


def parts(scenario: Scenario) -> bool:
    """Whether engine and reference part in a scenario."""
    try:
        play(scenario)
    except Exception:
        return True
    return False


def smallest(scenario: Scenario) -> Scenario:
    """A failing scenario without the steps, rules and entries that it fails without."""
    for name in ("history", "entries", "rules"):
        at = 0
        while at < len(getattr(scenario, name)):
            have = getattr(scenario, name)
            less = structs.replace(scenario, **{name: have[:at] + have[at + 1 :]})
            scenario, at = (less, at) if parts(less) else (scenario, at + 1)
    return scenario


@pytest.mark.parametrize("first", range(0, SEEDS, 250))
def test_the_engine_equals_the_reference_whatever_the_seed(first: int) -> None:
    for seed in range(first, first + 250):
        scenario = seeded(seed)
        if parts(scenario):
            play(smallest(scenario))


@given(scenarios())
def test_the_engine_equals_the_reference(scenario: Scenario) -> None:
    play(scenario)


def answers(engine: Engine, items: list[Item], first: int) -> list[Any]:
    """What an engine says to the items of a history, whose first has the place ``first``."""
    said: list[Any] = []
    for place, item in enumerate(items, first):
        if isinstance(item, Now):
            deed = item.retime(engine.holdings.decisions.values()) if item.what == "retime" else None
            said.append(engine.apply(deed, place) if deed is not None else engine.advance(item.at))
        else:
            said.append(engine.judge(item) if isinstance(item, Question) else engine.apply(item, place))
    return said


@given(st.integers(0, 2**32).map(seeded), st.integers(0, 100))
def test_a_dump_goes_on_identically(scenario: Scenario, percent: int) -> None:
    items = timed(scenario.history)
    cut = len(items) * percent // 100
    engine = Engine(scenario.rules, scenario.entries)
    answers(engine, items[:cut], 0)
    twin = load(dump(engine))
    assert dump(twin) == dump(engine)
    assert answers(twin, items[cut:], cut) == answers(engine, items[cut:], cut)
    assert dump(twin) == dump(engine)
