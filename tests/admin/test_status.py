"""One picture of how the guard is doing."""

import pytest
from msgspec import structs

from gatepost.admin.actions.blocks import AddBlock, PauseFor, add_block, pause
from gatepost.admin.actions.rules import adopt_preset, set_mode, set_rule
from gatepost.admin.actions.status import status
from gatepost.admin.desk import Source
from gatepost.core.facts import AuthFailed, Connected
from gatepost.core.spans import DAY, HOUR, Span
from gatepost.stores.contract import Batch, StoreError
from tests.admin.desks import ADMIN, ATTACKER, Bench, do


def test_a_quiet_guard(made: Bench) -> None:
    found = status(made.desk)
    assert (found.ok, found.problems, found.facts, found.decisions, found.paused_until, found.names) == (True, [], {}, {}, 0, [])
    assert found.entries == 9
    assert {(feed.rule, feed.protocol, feed.facts, feed.last) for feed in found.feeds if feed.rule == "dos"} == {
        ("dos", "smtp", 0, 0),
        ("dos", "imap", 0, 0),
        ("dos", "pop3", 0, 0),
    }


def test_decided_by_rule_and_by_hand(made: Bench) -> None:
    made.connect()
    do(add_block(made.desk, ADMIN, AddBlock(prefix="203.0.113.8", hold_for=Span(DAY))))
    do(set_mode(made.desk, ADMIN, "harvesting", "observe"))
    made.fail("203.0.113.9")
    found = status(made.desk)
    assert found.decisions == {"dos": 1, "administrator": 1, "password-brute-force": 1}
    assert found.facts == {"connected": 50, "auth_failed": 50}
    assert (found.place, found.store.written) == (102, 102)
    fed = {(feed.rule, feed.protocol): (feed.facts, feed.last) for feed in found.feeds}
    assert (fed["dos", "smtp"], fed["dos", "imap"]) == ((50, made.at), (0, 0))


def test_which_inlet_feeds_a_rule(made: Bench) -> None:
    fact = Connected(made.at, "mx", "smtp", "", ATTACKER)
    for inlet in ("logfile:/var/log/mail.log", "logfile:/var/log/other.log", "logfile:/var/log/mail.log"):
        made.guard.report([fact], inlet, b"")
    made.guard.report([structs.replace(fact, protocol="imap", evidence_only=True)], "logfile:/var/log/mail.log", b"")
    fed = {(feed.rule, feed.protocol): feed.inlets for feed in status(made.desk).feeds}
    assert (fed["dos", "smtp"], fed["dos", "imap"]) == (["/var/log/mail.log", "/var/log/other.log"], [])


def test_a_pause_shows_until_it_ends(made: Bench) -> None:
    do(pause(made.desk, ADMIN, PauseFor(hold_for=Span(HOUR))))
    made.connect()
    found = status(made.desk)
    assert (found.paused_until, found.decisions, found.watched) == (made.at + HOUR, {}, 1)
    made.at += HOUR
    assert status(made.desk).paused_until == 0


def test_what_the_engine_itself_makes_is_fed_by_no_inlet(made: Bench) -> None:
    do(adopt_preset(made.desk, ADMIN, "strict"))
    assert {"repeat-offender", "bad-neighbourhood"}.isdisjoint(feed.rule for feed in status(made.desk).feeds)


def test_whatever_has_a_problem_is_told(made: Bench) -> None:
    made.sources = [Source(name="mail.log", reading=False, problem="cannot be read: Permission denied")]
    made.mirror.seen.problem = "nft is not there"
    made.problems = ["no mail log was found"]
    found = status(made.desk)
    assert not found.ok
    assert found.problems == ["no mail log was found", "mail.log: cannot be read: Permission denied", "nftables: nft is not there"]


def test_a_store_that_fails_is_told_once(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(batch: Batch) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(made.store, "write", full)
        do(add_block(made.desk, ADMIN, AddBlock(prefix="203.0.113.8", hold_for=Span(DAY))))
        found = status(made.desk)
        assert (found.ok, found.problems, found.store.problem) == (False, ["state: the disk is full"], "the disk is full")
        assert not made.lets_in("203.0.113.8")
        made.problems = ["state: the disk is full"]
        assert status(made.desk).problems == ["state: the disk is full"]


def test_who_is_the_witness_and_that_he_hears_nothing_any_more(made: Bench) -> None:
    made.guard.witness.heard("dovecot_policy", (AuthFailed,), "imap", made.at)
    found = status(made.desk)
    assert [(each.inlet, each.kind, each.protocol, each.last) for each in found.witnesses] == [("dovecot_policy", "auth_failed", "imap", made.at)]
    assert found.ok
    made.at += HOUR
    made.fail(many=20)
    (problem,) = status(made.desk).problems
    assert problem.startswith("witness: dovecot_policy is no longer asked about auth_failed on imap")


def test_a_rule_that_no_inlet_can_feed_is_told_with_the_cure(made: Bench) -> None:
    fields = {"counts": "open_connections", "threshold": 20, "for": "5m", "on": "smtp,imap"}
    listed = do(set_rule(made.desk, ADMIN, "many-at-once", fields))
    (problem,) = status(made.desk).problems
    assert problem.startswith("rule many-at-once: cannot be carried out on smtp, imap: only a gateway knows")
    assert problem.endswith(listed.rules[-1].problem)
    made.sources = [Source(name="gateway:smtp", reading=True, tells_open="smtp")]
    (problem,) = status(made.desk).problems
    assert "carried out on imap: " in problem
    made.sources.append(Source(name="gateway:imaps", reading=True, tells_open="imap"))
    assert status(made.desk).ok
    made.sources = []
    do(set_mode(made.desk, ADMIN, "many-at-once", "off"))
    assert status(made.desk).ok
