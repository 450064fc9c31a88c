"""What inlets tell the guard: logs, and inlets that mail servers ask."""

import asyncio

import pytest

from gatepost.core.decisions import Allow, Question, Refuse
from gatepost.core.facts import AuthFailed, Connected
from gatepost.core.spans import SECOND
from gatepost.pipeline.witness import NAME
from gatepost.stores.contract import Recovered
from tests.admin.desks import ATTACKER, Bench

INLET = "dovecot_policy"


def failed(made: Bench) -> AuthFailed:
    return AuthFailed(made.now(), "mx", "imap", "", ATTACKER, account="bob@example.org")


def hear(made: Bench, times: int) -> None:
    async def work() -> None:
        for _ in range(times):
            made.guard.hear([failed(made)], INLET)
        await made.guard.quiet()

    asyncio.run(work())


def held(made: Bench) -> bool:
    return isinstance(made.guard.judge(Question(made.now(), ATTACKER, "imap", "login", "")), Refuse)


def test_what_both_tell_counts_once() -> None:
    made = Bench()
    hear(made, 25)
    made.fail(many=25)
    assert not held(made)
    hear(made, 24)
    made.fail(many=24)
    assert not held(made)
    hear(made, 1)
    assert held(made)


def test_a_log_counts_where_the_witness_was_not_listening() -> None:
    made = Bench()
    hear(made, 1)
    made.at += 10 * SECOND
    made.guard.stopped(INLET)
    made.at += SECOND
    made.fail(many=49)
    assert held(made)


def test_all_of_it_is_kept_as_evidence() -> None:
    made = Bench()
    hear(made, 1)
    made.fail(many=1)
    made.journal.close()
    assert [entry.evidence_only for _, entry in made.store.entries_after(0) if isinstance(entry, AuthFailed)] == [False, True]


@pytest.mark.parametrize("asks", [True, False])
def test_an_admitted_fact_is_heard_where_its_inlet_says_so(asks: bool) -> None:
    made = Bench()

    async def work() -> None:
        question = Question(made.now(), ATTACKER, "smtp", "connect", "")
        verdict = made.guard.admit(question, Connected(made.now(), "mx", "smtp", "", ATTACKER), "milter" if asks else "")
        assert isinstance(verdict, Allow)

    asyncio.run(work())
    assert [state.inlet for state in made.guard.witness.state()] == (["milter"] if asks else [])


def test_the_witness_outlives_a_restart() -> None:
    made = Bench()
    hear(made, 1)
    made.at += 10 * SECOND
    made.guard.stopped(INLET)
    made.journal.close()
    opened: Recovered = made.store.open()
    again = Bench()
    again.guard.recall(opened.cursors)
    assert NAME not in again.guard.cursors, "it is no inlet"
    again.at = made.at - SECOND
    again.fail(many=60)
    assert not held(again), "the lines of the time in which it listened"
    again.at = made.at + SECOND
    again.fail(many=50)
    assert held(again)


