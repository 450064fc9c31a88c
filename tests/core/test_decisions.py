"""What a decision covers, and what an allow grants."""

import pytest
from msgspec import structs

from gatepost.core.decisions import QUESTION_STAGES, Allow, Decision, QuestionStage
from tests.core.made import IP, allow, client

BLOCK = Decision(number=1, rule="dos", action="block", subject=client(IP), protocols=("smtp",), start=10, until=20)


@pytest.mark.parametrize(("at", "covered"), [(9, False), (10, True), (19, True), (20, False)])
def test_a_decision_covers_from_its_start_to_before_its_end(at: int, covered: bool) -> None:
    assert BLOCK.covers(at, "smtp", "connect") is covered
    assert not BLOCK.covers(at, "imap", "connect")


@pytest.mark.parametrize("stage", QUESTION_STAGES)
def test_only_log_ins_are_held_by_a_decision_about_log_ins(stage: QuestionStage) -> None:
    assert BLOCK.covers(10, "smtp", stage)
    assert structs.replace(BLOCK, logins=True).covers(10, "smtp", stage) is (stage == "login")


def test_a_watched_decision_covers_nothing() -> None:
    watched = structs.replace(BLOCK, watched=True)
    assert BLOCK.holds
    assert not watched.holds
    assert not watched.covers(10, "smtp", "connect")


def test_relay_is_granted_by_an_entry_with_its_box_alone() -> None:
    assert [Allow().grants_relay, Allow(allow(IP)).grants_relay, Allow(allow(IP, relay=True)).grants_relay] == [False, False, True]
