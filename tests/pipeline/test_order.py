"""The one sequence in which entries reach the engine."""

import pytest

from gatepost.core.decisions import Allow, Impose, Question, Refuse
from gatepost.core.deeds import AdoptRules, Hold
from gatepost.core.engine import Engine
from gatepost.core.facts import Connected
from gatepost.core.rules import Rule
from gatepost.core.snapshot import dump
from gatepost.core.spans import MINUTE, SECOND, Span
from gatepost.core.subjects import Client, Subject
from gatepost.pipeline.order import Order

RULE = Rule(name="x", counts="connected", threshold=3, window=Span(MINUTE), hold_for=Span(MINUTE))
HIM = Client("192.0.2.7")


def order() -> Order:
    """An order whose engine takes the third connection amiss."""
    return Order(Engine((RULE,), ()))


def connected(at: int) -> Connected:
    """He connects after so many seconds."""
    return Connected(at * SECOND, "h", "smtp", "smtp", HIM)


def ask(at: int) -> Question:
    """May he connect?"""
    return Question(at * SECOND, HIM, "smtp", "connect")


def test_when_report_returns_the_engine_has_seen_the_fact() -> None:
    here = order()
    assert here.report(connected(1)) == here.report(connected(2)) == ()
    assert isinstance(here.judge(ask(3)), Allow)
    (imposed,) = here.report(connected(3))
    assert isinstance(imposed, Impose)
    assert isinstance(here.judge(ask(3)), Refuse)


def test_places_count_every_entry_and_are_the_evidence() -> None:
    here = order()
    here.report(connected(1))
    here.do(AdoptRules(2 * SECOND, (RULE,)))
    here.report(connected(3))
    (imposed,) = here.report(connected(4))
    assert here.place == 4
    assert isinstance(imposed, Impose)
    assert imposed.decision.evidence == (1, 3, 4)


def test_many_facts_at_once_are_the_same_as_one_by_one() -> None:
    facts = [connected(n) for n in range(1, 8)] + [connected(100 + n) for n in range(7)]
    at_once, one_by_one = order(), order()
    told = [effects for fact in facts if (effects := one_by_one.report(fact))]
    assert at_once.report_all(facts) == told
    assert len(told) == 2
    assert at_once.place == one_by_one.place == 14
    assert dump(at_once.engine) == dump(one_by_one.engine)
    assert at_once.report_all([]) == []
    assert at_once.place == 14


def test_an_order_goes_on_from_its_place() -> None:
    here = Order(Engine((RULE,), ()), 1_000)
    (imposed,) = here.report_all([connected(1), connected(2), connected(3)])[0]
    assert isinstance(imposed, Impose)
    assert imposed.decision.evidence == (1_001, 1_002, 1_003)


def test_the_fact_that_fires_is_itself_turned_away() -> None:
    here = order()
    assert [type(here.admit(ask(n), connected(n))[0]) for n in range(1, 5)] == [Allow, Allow, Refuse, Refuse]


def test_a_deed_that_contradicts_itself_changes_nothing() -> None:
    here = order()
    before = dump(here.engine)
    with pytest.raises(ValueError, match="until: a hold must end after it starts"):
        here.do(Hold(SECOND, Subject("client", HIM), SECOND))
    assert dump(here.engine) == before


def test_time_ends_what_ran_out() -> None:
    here = order()
    here.report_all([connected(1), connected(2), connected(3)])
    assert here.advance(62 * SECOND) == ()
    (expired,) = here.advance(63 * SECOND)
    assert expired.decision.until == 63 * SECOND
    assert isinstance(here.judge(ask(63)), Allow)
