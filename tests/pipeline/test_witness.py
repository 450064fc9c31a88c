"""One thing that happened counts once: who is believed, from when to when."""

import pytest
from msgspec import structs

from gatepost.core.facts import AuthFailed, Connected, MessageAccepted, Protocol
from gatepost.core.spans import SECOND
from gatepost.core.subjects import Client
from gatepost.pipeline.witness import MISSED, SLACK, SPANS, Logs, Witness, WitnessState

START = 1_800_000_000 * SECOND
KINDS = (AuthFailed,)


def failed(at: int, protocol: Protocol = "imap", host: str = "mail") -> AuthFailed:
    return AuthFailed(at, host, protocol, protocol, Client("203.0.113.7"))


def test_from_the_second_of_the_first_request_on_and_not_before() -> None:
    witness = Witness()
    assert not witness
    assert not witness.covers(failed(START))
    witness.heard("dovecot_policy", KINDS, "imap", START + SECOND // 2)
    assert witness
    assert witness.covers(failed(START)), "a log's stamp of the same second names no fraction"
    assert not witness.covers(failed(START - 1))
    assert witness.covers(failed(START + 3600 * SECOND))


def test_only_of_its_kind_and_protocol() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    assert not witness.covers(failed(START, "pop3"))
    assert not witness.covers(Connected(START, "mail", "imap", "imap", Client("203.0.113.7")))


def test_only_for_the_hosts_that_ask_where_they_are_named() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START, Logs(("mx1",)))
    assert witness.covers(failed(START, host="mx1"))
    assert not witness.covers(failed(START, host="mx2"))


@pytest.mark.parametrize(
    ("logs", "covered"),
    [
        (Logs(), ["smtp", "submission", "smtps"]),
        (Logs(services=("submission",)), ["submission"]),
        (Logs(but=("submission", "smtps")), ["smtp"]),
        (Logs(hosts=("elsewhere",), services=("submission",)), []),
    ],
)
def test_only_for_the_services_that_it_stands_for(logs: Logs, covered: list[str]) -> None:
    witness, again = Witness(), Witness()
    witness.heard("gateway:smtp", (Connected,), "smtp", START, logs)
    again.load(witness.dump())
    told = [Connected(START, "mail", "smtp", service, Client("203.0.113.7")) for service in ("smtp", "submission", "smtps")]
    assert [fact.service for fact in told if witness.covers(fact)] == covered
    assert [fact.service for fact in told if again.covers(fact)] == covered


def test_a_stop_ends_it_and_the_next_request_begins_it_anew() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    witness.stopped("dovecot_policy", START + 10 * SECOND)
    witness.stopped("another", START + 11 * SECOND)
    witness.heard("dovecot_policy", KINDS, "imap", START + 20 * SECOND)
    seen = [witness.covers(failed(START + at * SECOND)) for at in (0, 9, 10, 19, 20, 60)]
    assert seen == [True, True, False, False, True, True]


def test_another_inlets_stop_changes_nothing() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    witness.heard("other", KINDS, "imap", START)
    witness.stopped("dovecot_policy", START + SECOND)
    assert witness.covers(failed(START + 5 * SECOND))


@pytest.mark.parametrize("alive", [0, 7])
def test_after_a_crash_it_ended_at_the_last_sign_of_life(alive: int) -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    if alive:
        witness.beat(START + alive * SECOND)
    after = Witness()
    after.load(witness.dump())
    assert after.covers(failed(START))
    assert after.covers(failed(START + alive * SECOND - 1)) == bool(alive)
    assert not after.covers(failed(START + alive * SECOND + 1))
    assert not after.listening


def test_a_stop_is_remembered_as_it_was() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    witness.stopped("dovecot_policy", START + 10 * SECOND)
    witness.beat(START + 99 * SECOND)
    after = Witness()
    after.load(witness.dump())
    assert [after.covers(failed(START + at * SECOND)) for at in (9, 10)] == [True, False]


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x00", b"\x93\x01\x02\x03"])
def test_a_memory_that_cannot_be_read_is_none(data: bytes) -> None:
    witness = Witness()
    witness.load(data)
    assert not witness


def test_one_that_hears_nothing_while_the_log_goes_on_is_told_and_no_longer_believed() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    late = START + SLACK + SECOND
    assert [witness.covers(failed(late)) for _ in range(MISSED + 2)] == [True] * MISSED + [False, False]
    (state,) = witness.state()
    assert "no longer asked about auth_failed on imap" in state.problem
    assert state.cure
    witness.heard("dovecot_policy", KINDS, "imap", late + SECOND)
    assert [state.problem for state in witness.state()] == [""]
    assert witness.covers(failed(late + SECOND))


@pytest.mark.parametrize("asked", [True, False])
def test_a_request_between_shows_that_it_hears(asked: bool) -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    covered = []
    for step in range(2 * MISSED):
        at = START + (step + 1) * 2 * SLACK
        covered.append(witness.covers(failed(at)))
        if asked:
            witness.heard("dovecot_policy", KINDS, "imap", at)
    assert all(covered) == asked
    assert any(state.problem for state in witness.state()) != asked


def test_evidence_is_not_missed() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    for _ in range(2 * MISSED):
        assert witness.covers(AuthFailed(START + 2 * SLACK, "mail", "imap", "auth", Client("203.0.113.7"), True))
    assert [state.problem for state in witness.state()] == [""]


def test_a_stop_ends_the_problem_too() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START)
    for _ in range(MISSED):
        witness.covers(failed(START + 2 * SLACK))
    witness.stopped("dovecot_policy", START + 3 * SLACK)
    assert witness.state() == []


def test_spans_are_bounded_and_the_newest_are_exact() -> None:
    witness = Witness()
    for step in range(3 * SPANS):
        at = START + step * 10 * SECOND
        witness.heard("dovecot_policy", KINDS, "imap", at)
        witness.stopped("dovecot_policy", at + 5 * SECOND)
    assert len(witness.dump()) < 200 * SPANS
    last = START + (3 * SPANS - 1) * 10 * SECOND
    assert [witness.covers(failed(last + at * SECOND)) for at in (-7, -3, 4, 6)] == [True, False, True, False]
    assert witness.covers(failed(START)), "what is old became one"


def test_state_tells_since_when_and_when_it_was_asked_last() -> None:
    witness = Witness()
    witness.heard("dovecot_policy", KINDS, "imap", START + 1)
    witness.heard("dovecot_policy", KINDS, "imap", START + 5 * SECOND)
    changes = [witness.changed, bool(witness.dump()) and witness.changed]
    witness.heard("dovecot_policy", KINDS, "imap", START + 6 * SECOND)
    assert [*changes, witness.changed] == [True, False, False], "a request more is no reason to write"
    assert witness.listening
    assert witness.state() == [
        WitnessState(inlet="dovecot_policy", kind="auth_failed", protocol="imap", since=START, last=START + 6 * SECOND),
    ]


def test_of_a_strangers_message_the_log_alone_knows_its_fate() -> None:
    witness = Witness()
    witness.heard("asked", [MessageAccepted], "smtp", SECOND)
    named = MessageAccepted(2 * SECOND, "mx", "smtp", "smtp", Client("192.0.2.7"), account="bob@example.org")
    assert witness.covers(named)
    assert not witness.covers(structs.replace(named, account=""))
