"""Each deed: what it ends, clears and leaves."""

from typing import Any

import pytest

from gatepost.core.deeds import AdoptLists, AdoptRules, AnyDeed, Forget, Hold, Lift, Pause, Retime
from gatepost.core.snapshot import dump
from gatepost.core.subjects import Subject
from tests.core.made import IP, NEIGHBOUR, OTHER, SIX, SIX_NEAR, Guard, allow, at, client, connected, deny, failed, logged_in, rule, sent


def test_unchanged_counting_keeps_windows_and_any_other_starts_clean() -> None:
    changes: list[tuple[dict[str, Any], bool]] = [
        ({"hold": 7}, True),
        ({"scope": "logins"}, True),
        ({"threshold": 4}, False),
        ({"window": 61}, False),
        ({"name": "x"}, False),
    ]
    for change, fires in changes:
        guard = Guard(rule())
        guard.take(connected(0), connected(1), AdoptRules(at(1), (rule(**change),)))
        assert bool(guard.imposed(connected(2))) is fires, change


def test_a_rule_that_no_longer_enforces_lets_go_at_once() -> None:
    for left in ((), (rule(threshold=1, mode="observe"),), (rule(threshold=1, action="alert"),), (rule(threshold=1, mode="off"),)):
        guard = Guard(rule(threshold=1))
        guard.take(connected(0), Hold(at(0), client(OTHER), at(50)))
        assert guard.released(AdoptRules(at(1), left)) == [IP]
    guard = Guard(rule(threshold=1))
    guard.take(connected(0))
    assert guard.released(AdoptRules(at(1), (rule(threshold=5),))) == []


def test_another_mode_ends_the_silences() -> None:
    guard = Guard(rule(threshold=1, mode="observe"))
    guard.take(connected(0), AdoptRules(at(1), (rule(threshold=1),)))
    assert guard.imposed(connected(2))


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (Hold(at(5), client(IP), at(5)), "until: a hold must end after it starts"),
        (Hold(at(5), client(IP), at(6), ()), "protocols: name at least one"),
        (Hold(at(5), client("192.0.2.1/24"), at(6)), "subject: '192.0.2.1/24' has bits set"),
        (Hold(at(5), client("2001:DB8::1"), at(6)), "must be written 2001:db8::1"),
        (Hold(at(5), Subject("network", "nonsense"), at(6)), "subject: 'nonsense'"),
        (Lift(at(5), Subject("pair", "bob")), "is no pair"),
        (Forget(at(5), client("bob from 192.0.2.1")), "is no client"),
        (AdoptRules(at(5), (rule(), rule())), "rule 'connected' stands twice"),
        (AdoptLists(at(5), (allow(IP), deny(IP))), "stands on both lists"),
    ],
)
def test_a_deed_that_contradicts_itself_changes_nothing(deed: AnyDeed, said: str) -> None:
    guard = Guard(rule(threshold=1))
    guard.take(connected(0), failed(1))
    before = dump(guard.engine)
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        guard.take(deed)
    assert dump(guard.engine) == before


def test_a_hold_by_hand_needs_no_rule_and_covers_the_prefix_that_it_names() -> None:
    for text in ("192.0.2.0/28", "192.0.0.0/16", "0.0.0.0/0"):
        guard = Guard()
        assert guard.word(0) == "allow"
        guard.take(Hold(at(0), Subject("network", text), at(9)))
        assert (guard.word(8), guard.word(9), guard.word(8, SIX)) == ("refuse", "allow", "allow"), text


def test_lifting_releases_on_in_and_around() -> None:
    held = [client(IP), client(NEIGHBOUR), Subject("network", "192.0.2.0/24"), Subject("pair", f"bob from {IP}"), Subject("account", "bob")]
    for lifted, gone in (
        (client(IP), [0, 2, 3]),
        (Subject("network", "192.0.2.0/24"), [0, 1, 2, 3]),
        (Subject("account", "bob"), [3, 4]),
        (held[3], [3]),
    ):
        guard = Guard()
        guard.take(*(Hold(at(0), subject, at(50)) for subject in held))
        assert guard.released(Lift(at(1), lifted)) == [held[number].text for number in gone]


def test_lifting_an_account_leaves_pairs_of_another_that_begins_like_it() -> None:
    guard = Guard()
    guard.take(Hold(at(0), Subject("pair", f"bob from x from {IP}"), at(50)))
    assert guard.released(Lift(at(1), Subject("account", "bob"))) == []


def test_lifting_clears_the_count_of_the_subject_and_no_other_kind() -> None:
    guard = Guard(rule(), rule("auth_failed", by="network", name="net"), rule("auth_failed", name="wide"))
    guard.take(connected(0, SIX), connected(1, SIX), failed(0, SIX), failed(1, SIX_NEAR), Lift(at(2), client(SIX)))
    assert [decision.rule for decision in guard.imposed(connected(3, SIX), failed(4, SIX))] == ["net"]


def test_lifting_an_address_leaves_the_account_that_is_named_like_it() -> None:
    guard = Guard(rule("auth_failed", threshold=2, by="account"))
    guard.take(failed(0, account=IP), Lift(at(1), client(IP)))
    assert guard.imposed(failed(2, account=IP))


def test_grace_ends_on_time() -> None:
    for subject in (client(IP), Subject("network", "192.0.2.0/24"), Subject("network", "192.0.2.0/29")):
        guard = Guard(rule(threshold=1))
        guard.take(Lift(at(0), subject, at(10)))
        assert not guard.imposed(connected(9.999999))
        assert guard.imposed(connected(10))


def test_grace_of_a_client_excuses_it_from_the_hold_of_its_network_and_not_from_hands() -> None:
    guard = Guard(rule(threshold=1, by="network"))
    guard.take(Lift(at(0), client(IP), at(10)), connected(1, NEIGHBOUR))
    assert [guard.word(2), guard.word(2, NEIGHBOUR), guard.word(10)] == ["allow", "refuse", "refuse"]
    guard.take(Hold(at(3), client(IP), at(9)))
    assert guard.word(4) == "refuse"


def test_grace_of_accounts_and_pairs_is_about_their_rules() -> None:
    for by in ("account", "pair"):
        guard = Guard(rule("auth_failed", threshold=1, by=by))
        subject = Subject("account", "bob@x") if by == "account" else Subject("pair", f"bob@x from {IP}")
        guard.take(Lift(at(0), subject, at(10)))
        assert not guard.imposed(failed(1))
        assert guard.imposed(failed(2, OTHER, account="eve@x"))


def test_grace_of_a_pair_excuses_it_from_a_hold() -> None:
    guard = Guard(rule("auth_failed", threshold=1, by="pair", hold=100))
    guard.take(failed(0, SIX), Lift(at(1), Subject("pair", f"bob@x from {SIX_NEAR}"), at(50)))
    guard.take(failed(2, SIX))
    assert guard.word(3, SIX_NEAR, "login", account="bob@x") == "allow"


def test_forgetting_a_client_forgets_counts_known_pairs_and_good_deeds_but_no_hold() -> None:
    guard = Guard(rule(threshold=2), rule("auth_failed", threshold=1, name="held"))
    guard.take(logged_in(0), sent(0), failed(1, protocol="imap"), connected(1), Forget(at(2), client(IP)))
    assert not guard.imposed(connected(3))
    assert not guard.engine.known.pairs.last
    assert not guard.engine.good.last
    assert guard.word(4, stage="login", protocol="imap") == "refuse"


def test_forgetting_a_pair_forgets_only_it() -> None:
    guard = Guard(rule(threshold=2))
    guard.take(logged_in(0), logged_in(0, account="eve@x"), connected(1), Forget(at(2), Subject("pair", f"bob@x from {IP}")))
    assert list(guard.engine.known.pairs.last) == ["192.0.2.0/24 eve@x"]
    assert list(guard.engine.good.last) == [IP]
    assert guard.imposed(connected(3))


def test_forgetting_an_account_leaves_the_address_and_its_namesakes() -> None:
    guard = Guard(rule("auth_failed", threshold=2, by="account"))
    guard.take(logged_in(0), failed(1), failed(1, account=f"bob@x from {IP}"), Forget(at(2), Subject("account", "bob@x")))
    assert not guard.engine.known.pairs.last
    assert list(guard.engine.good.last) == [IP]
    assert [decision.subject.text for decision in guard.imposed(failed(3), failed(3, account=f"bob@x from {IP}"))] == [f"bob@x from {IP}"]


def test_a_pause_ends_its_silences_and_what_came_before_stays_silent() -> None:
    for end, ends in ((0, 20), (30, 30)):
        guard = Guard(rule(threshold=1))
        guard.take(Pause(at(0), at(1000)), connected(1), Pause(at(20), at(end) if end else 0))
        assert not guard.imposed(connected(ends, OTHER))[1:]
        assert not guard.imposed(connected(ends - 1))
        assert guard.imposed(connected(ends))


def test_a_silence_that_a_pause_made_ends_with_the_pause() -> None:
    guard = Guard(rule(threshold=1))
    guard.take(Pause(at(0), at(10)), connected(1))
    assert not guard.imposed(connected(9))
    assert guard.imposed(connected(10))[0].holds


def test_a_pause_leaves_holds_by_hand() -> None:
    guard = Guard(rule(threshold=1))
    guard.take(connected(0), Hold(at(0), client(OTHER), at(50)))
    assert guard.released(Pause(at(1), at(9))) == [IP]
    assert guard.word(2, OTHER) == "refuse"


def test_lists_lift_only_the_protocols_that_they_cover() -> None:
    guard = Guard(rule(threshold=1, scope="everything"))
    guard.take(connected(0), AdoptLists(at(1), (allow(IP, protocols=("imap",)),)))
    assert [guard.word(2, protocol="imap"), guard.word(2)] == ["allow", "refuse"]


def test_grace_still_covers_a_late_fact_after_it_ended() -> None:
    guard = Guard(rule(threshold=1, window=1))
    guard.take(connected(0, OTHER), Lift(at(0), client(IP), at(300)), connected(650, OTHER))
    assert not guard.imposed(connected(100))
    assert guard.imposed(connected(300))


def test_another_end_makes_it_last_or_ends_it_with_the_evidence_that_it_had() -> None:
    guard = Guard(rule(threshold=2, hold=10))
    guard.take(connected(0), connected(1), Hold(at(2), Subject("network", "192.0.2.0/24"), at(5)))
    (longer,) = guard.imposed(Retime(at(3), client(IP), 1, at(60)))
    assert (longer.number, longer.rule, longer.start, longer.until, len(longer.evidence)) == (3, "connected", at(3), at(60), 2)
    assert guard.word(30) == "refuse"
    assert guard.released(Retime(at(4), Subject("network", "192.0.2.0/24"), 2, at(4))) == ["192.0.2.0/24"]
    assert guard.word(5, OTHER) == "allow"
    assert guard.released(Retime(at(6), client(IP), 3, at(6))) == [IP]
    assert guard.word(7) == "allow"


@pytest.mark.parametrize(("subject", "number", "when"), [(client(IP), 2, 3), (client(OTHER), 1, 3), (client(IP), 1, 99)])
def test_only_what_holds_gets_another_end(subject: Subject, number: int, when: int) -> None:
    guard = Guard(rule(threshold=1, hold=10))
    guard.take(connected(0))
    before = dump(guard.engine)
    with pytest.raises(ValueError, match=r"^number: "):
        guard.take(Retime(at(when), subject, number, at(200)))
    assert dump(guard.engine) == before
