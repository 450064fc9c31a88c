"""Facts: a type for each kind, written and read back."""

import msgspec
import pytest

from gatepost.core.facts import KINDS, REASONS, AnyFact, Connected, Fact, Refused, SessionEnded, kind, kind_name
from tests.core.made import connected, made


def test_the_kinds_are_those_of_the_design() -> None:
    assert list(KINDS) == [
        *("connected", "session_ended", "auth_failed", "auth_succeeded", "message_accepted"),
        *("rejected", "message_bounced", "protocol_abused", "held", "refused"),
    ]
    assert set(REASONS) <= set(KINDS)


def test_a_kind_is_named_by_its_class() -> None:
    assert kind_name("SessionEnded") == "session_ended"
    assert kind(made(SessionEnded, 0)) == "session_ended"


@pytest.mark.parametrize("cls", KINDS.values())
def test_every_fact_is_read_back(cls: type[Fact]) -> None:
    fact = made(cls, 1)
    assert msgspec.json.decode(msgspec.json.encode(fact), type=AnyFact) == fact
    assert not fact.evidence_only


def test_facts_are_frozen_and_no_two_kinds_are_equal() -> None:
    with pytest.raises(AttributeError):
        connected(0).at = 5  # type: ignore[misc]
    assert made(Connected, 0) != made(Refused, 0)
