"""Previews: which rules are compared, over which days, and what is refused before any work begins."""

from typing import Any

import pytest

from gatepost.admin.actions.preview import AskRules, begin_preview, cancel_preview, preview
from gatepost.admin.actions.rules import set_mode
from gatepost.admin.faults import UnknownError
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS
from gatepost.core.spans import DAY
from gatepost.pipeline.previews import AskPreview
from gatepost.pipeline.recall import Past
from tests.admin.desks import ADMIN, START, Bench, do
from tests.admin.test_why import Memory


@pytest.fixture
def memory(made: Bench) -> Memory:
    """Who remembers."""
    found = made.desk.recall = Memory(Past())
    return found


def asked(made: Bench, memory: Memory, **words: Any) -> AskPreview:
    """What the keeper is asked for this."""
    begin_preview(made.desk, AskRules(**words))
    found = memory.asked[-1]
    assert isinstance(found, AskPreview)
    return found


def test_a_changed_rule_beside_the_rules_in_force(made: Bench, memory: Memory) -> None:
    begun = begin_preview(made.desk, AskRules(rule="dos", changes={"threshold": "30", "window": "2m"}, days=3))
    question = memory.asked[0]
    assert question.before == PRESETS["standard"]
    assert [str(rule) for rule in question.after] == ["dos: 30 in 2m", "harvesting: 20 in 5m", "password-brute-force: 50 in 10m"]
    assert (question.names, question.entries, question.brake) == (("dos",), made.engine.lists.entries, True)
    assert (question.since % DAY, question.until) == (0, START + 1)
    assert 2 * DAY <= START - question.since < 3 * DAY
    assert (begun.number, begun.since) == (7, question.since)
    assert (begun.before[0][:20], begun.after[0][:20]) == ("dos: 50 connections ", "dos: 30 connections ")
    assert made.engine.rules == PRESETS["standard"]
    assert made.audit() == []


def test_a_rule_that_does_not_exist_yet(made: Bench, memory: Memory) -> None:
    changes = {"counts": "auth_failed", "threshold": 5, "window": "1m", "for": "1h"}
    question = asked(made, memory, rule="quick", changes=changes)
    assert (len(question.before), question.after[-1].name, question.names) == (3, "quick", ("quick",))
    with pytest.raises(BadInputError, match="counts"):
        begin_preview(made.desk, AskRules(rule="quick", changes={"threshold": 5}))


def test_a_preset_is_compared_by_the_rules_that_differ(made: Bench, memory: Memory) -> None:
    question = asked(made, memory, preset="relaxed")
    assert (question.after, question.names) == (PRESETS["relaxed"], ("dos", "password-brute-force"))
    assert asked(made, memory, preset="standard").names == tuple(rule.name for rule in PRESETS["standard"])


def test_a_rule_that_is_off_is_previewed_as_if_it_were_on(made: Bench, memory: Memory) -> None:
    do(set_mode(made.desk, ADMIN, "dos", "off"))
    question = asked(made, memory, rule="dos")
    assert (question.before[0].mode, question.after[0].mode) == ("off", "enforce")
    assert asked(made, memory, rule="dos", changes={"mode": "off"}).after[0].mode == "off"


def test_what_cannot_be_is_refused(made: Bench, memory: Memory) -> None:
    for words, said in (
        ({}, "name a rule or a preset"),
        ({"rule": "dos", "preset": "strict"}, "name a rule or a preset"),
        ({"preset": "strict", "changes": {"threshold": 3}}, "belong to a rule"),
        ({"rule": "dos", "changes": {"threshod": 3}}, "did you mean threshold"),
        ({"rule": "dos", "changes": {"threshold": 0}}, "threshold"),
    ):
        with pytest.raises(BadInputError, match=said):
            begin_preview(made.desk, AskRules(**words))
    assert memory.asked == []


def test_without_a_history_or_a_keeper_it_says_so(made: Bench) -> None:
    with pytest.raises(BadInputError, match="no history is kept here"):
        begin_preview(made.desk, AskRules(rule="dos"))
    made.desk.recall = Memory()
    with pytest.raises(BadInputError, match="keeper is not running"):
        begin_preview(made.desk, AskRules(rule="dos"))


def test_asking_and_cancelling_by_number(made: Bench, memory: Memory) -> None:
    assert preview(made.desk, 7).state == "running"
    assert cancel_preview(made.desk, 7).state == "cancelled"
    for deed in (preview, cancel_preview):
        with pytest.raises(UnknownError, match="not the newest"):
            deed(made.desk, 8)
