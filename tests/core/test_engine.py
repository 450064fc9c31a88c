"""The law of counting, point by point."""

from gatepost.core.access import own_entries
from gatepost.core.decisions import Allow, Refuse
from gatepost.core.deeds import AdoptLists, AdoptRules, Hold, Lift, Pause
from gatepost.core.engine import Limits
from gatepost.core.facts import Refused, SessionEnded
from gatepost.core.subjects import Client, Subject
from tests.core.made import IP, NEIGHBOUR, OTHER, SIX, SIX_NEAR, Guard, allow, at, client, connected, deny, failed, logged_in, made, rule, sent

DAY = 86_400


def test_law_1_protocols_are_counted_apart_by_default() -> None:
    assert not Guard(rule()).imposed(*(connected(n, protocol=p) for n, p in enumerate(("smtp", "imap", "smtp", "imap"))))


def test_law_1_together_adds_protocols_up_and_holds_all_of_them() -> None:
    (decision,) = Guard(rule(together=True)).imposed(*(connected(n, protocol=p) for n, p in enumerate(("smtp", "imap", "pop3"))))
    assert decision.protocols == ("smtp", "imap", "pop3")
    assert decision.fired_on == "pop3"


def test_law_2_exactly_a_window_apart_is_out_and_a_microsecond_less_is_in() -> None:
    assert not Guard(rule()).imposed(connected(0), connected(1), connected(60))
    assert Guard(rule()).imposed(connected(0.000001), connected(1), connected(60))


def test_law_2_the_window_ends_with_the_newest_time_of_the_key_not_of_all() -> None:
    guard = Guard(rule())
    assert not guard.imposed(connected(0), connected(1), connected(500, OTHER))
    assert guard.imposed(connected(2))


def test_law_2_a_fact_of_weight_counts_as_often_and_the_excess_is_lost() -> None:
    guard = Guard(rule("auth_failed"))
    (decision,) = guard.imposed(failed(0, weight=50))
    assert (decision.count, decision.evidence) == (3, (0, 0, 0))
    assert not guard.imposed(failed(400, weight=2))


def test_law_2_distinct_counts_each_value_at_its_latest_time() -> None:
    guard = Guard(rule("auth_failed", threshold=2, distinct="accounts"))
    assert not guard.imposed(failed(0, account="a"), failed(30, account="a"), failed(31, account=""))
    assert guard.imposed(failed(89.9, account="b"))[0].evidence == (1, 3)


def test_law_2_an_unknown_secret_is_a_new_one_and_a_known_one_is_not() -> None:
    by_secret = rule("auth_failed", distinct="secrets")
    assert not Guard(by_secret).imposed(*(failed(n, secret="s") for n in range(5)))
    assert Guard(by_secret).imposed(*(failed(n) for n in range(3)))


def test_law_3_firing_holds_from_the_newest_fact_for_its_time_and_clears_the_window() -> None:
    guard = Guard(rule())
    (decision,) = guard.imposed(*(connected(n) for n in range(3)))
    assert (decision.start, decision.until, decision.count, decision.evidence) == (at(2), at(302), 3, (0, 1, 2))
    assert [guard.word(seconds) for seconds in (1.999999, 2, 301.999999, 302)] == ["allow", "refuse", "refuse", "allow"]
    assert not guard.imposed(connected(302), connected(303))
    assert guard.imposed(connected(304))


def test_law_3_an_observed_decision_holds_nothing_and_silences_its_key_as_long() -> None:
    guard = Guard(rule(mode="observe"))
    (decision,) = guard.imposed(*(connected(n) for n in range(3)))
    assert decision.watched
    assert guard.word(3) == "allow"
    assert not guard.imposed(*(connected(n) for n in range(290, 302)), connected(301.999999), connected(302), connected(303))
    assert guard.imposed(connected(304))


def test_law_3_an_alert_silences_its_own_key_alone() -> None:
    guard = Guard(rule(action="alert"), rule(name="second", threshold=6))
    names = [decision.rule for decision in guard.imposed(*(connected(n) for n in range(6)), *(connected(n, OTHER) for n in range(6, 9)))]
    assert names == ["connected", "second", "connected"]


def test_law_4_what_a_hold_turned_away_is_not_counted_so_knocking_prolongs_nothing() -> None:
    guard = Guard(rule())
    guard.take(*(connected(n) for n in range(3)))
    assert not guard.imposed(*(connected(n) for n in range(3, 302)))
    assert guard.engine.turned_away == 299


def test_law_4_a_delay_lets_through_and_counts() -> None:
    guard = Guard(rule(action="delay"))
    assert len(guard.imposed(*(connected(n) for n in range(6)))) == 2
    assert guard.word(6) == "delay"


def test_the_slowest_delay_is_the_answer() -> None:
    guard = Guard(rule(threshold=1, action="delay"), rule(name="slow", threshold=1, action="delay", delay=rule().window))
    guard.take(connected(0))
    assert guard.ask(1).us == 60_000_000  # type: ignore[union-attr]


def test_law_5_what_the_server_did_accuses_nobody() -> None:
    guard = Guard(rule("bad_session", threshold=1, on=("smtp",)))
    for fault in ({"server_at_fault": True}, {"refused": True}, {"messages": 1}, {"evidence_only": True}):
        assert not guard.imposed(made(SessionEnded, 0, **fault)), fault
    assert guard.imposed(made(SessionEnded, 1))


def test_law_6_ten_minutes_late_takes_its_place_and_later_is_evidence() -> None:
    guard = Guard(rule(threshold=2))
    assert not guard.imposed(connected(600, OTHER), connected(-0.000001), connected(0))
    assert guard.engine.late == 1
    assert guard.imposed(connected(10))


def test_law_6_a_late_fact_is_judged_by_what_stood_at_its_own_time() -> None:
    guard = Guard(rule(threshold=1, hold=60))
    guard.take(connected(100), connected(200, OTHER))
    guard.engine.advance(at(200))
    assert not guard.imposed(connected(130))
    assert guard.imposed(connected(90))


def test_law_6_a_late_refused_fact_is_counted_as_late() -> None:
    guard = Guard()
    guard.take(made(Refused, 700), made(Refused, 0))
    assert guard.engine.late == 1


def test_law_6_a_late_fact_finds_its_key_still_there() -> None:
    guard = Guard(rule(threshold=2))
    guard.take(connected(0, OTHER), connected(10.000001), connected(670, OTHER))
    assert guard.imposed(connected(70))[0].evidence == (1, 3)


def test_law_8_the_most_specific_entry_speaks() -> None:
    guard = Guard(lists=(deny("192.0.2.0/24"), allow("192.0.2.1"), allow("192.0.0.0/16")))
    assert [guard.word(0, IP), guard.word(0, NEIGHBOUR), guard.word(0, "192.0.3.1")] == ["allow", "refuse", "allow"]


def test_law_8_an_entry_ends_when_it_expires() -> None:
    guard = Guard(lists=(deny("192.0.2.1", expires=at(10)),))
    assert [guard.word(9.999999), guard.word(10)] == ["refuse", "allow"]


def test_law_8_relay_is_granted_by_its_box_alone() -> None:
    guard = Guard(lists=(allow("192.0.2.1"), allow("192.0.0.0/16", relay=True, detection=False)))
    verdicts = [guard.ask(0, IP, "relay"), guard.ask(0, IP, "connect"), guard.ask(0, OTHER, "relay")]
    assert [isinstance(verdict, Allow) and verdict.grants_relay for verdict in verdicts] == [True, False, False]


def test_the_relay_box_overrides_a_hold_at_stage_relay_only() -> None:
    guard = Guard(rule(threshold=1), lists=(allow("192.0.2.1", relay=True, detection=False, logins=True),))
    guard.take(connected(0))
    assert [guard.word(1, stage="relay"), guard.word(1, stage="connect"), guard.word(1, stage="login")] == ["allow", "refuse", "refuse"]


def test_law_9_detection_excuses_from_rules_and_logins_from_those_about_log_ins() -> None:
    for entry, counted in ((allow("192.0.2.1"), []), (allow("192.0.2.1", detection=False, logins=True), ["connected"])):
        guard = Guard(rule(threshold=1), rule("auth_failed", threshold=1), lists=(entry,))
        assert [decision.rule for decision in guard.imposed(failed(0), connected(1))] == counted


def test_law_9_an_allow_entry_lifts_what_it_covers_wholly_whatever_lies_in_it() -> None:
    guard = Guard(rule("auth_failed", threshold=1), rule(threshold=1, by="network"))
    guard.take(failed(0, SIX), connected(1, SIX, protocol="imap"))
    inner = allow("2001:db8::", detection=False, relay=True)
    assert guard.released(AdoptLists(at(2), (inner,))) == []
    assert guard.released(AdoptLists(at(3), (inner, allow("2001:db8::/64")))) == ["2001:db8::/64"]
    assert guard.word(4, SIX_NEAR, protocol="imap") == "allow", "excused from the hold of the /48 around it"
    assert guard.word(4, "2001:db8:0:1::1", protocol="imap") == "refuse"


def test_a_held_64_is_still_found_when_an_allow_entry_appears_in_it() -> None:
    guard = Guard(rule("auth_failed", threshold=1))
    guard.take(failed(0, SIX), AdoptLists(at(1), (allow("2001:db8::99"),)))
    assert guard.word(2, SIX_NEAR, "login") == "refuse"


def test_law_9_rules_about_accounts_count_and_hold_from_trusted_clients() -> None:
    guard = Guard(rule("auth_failed", threshold=1, by="account"), lists=(allow("192.0.2.1"),))
    assert guard.imposed(failed(0))
    assert guard.word(1, stage="login", account="bob@x") == "refuse"
    assert guard.word(1, stage="login", account="other@x") == "allow"


def test_law_10_own_ranges_are_trusted_and_do_not_relay() -> None:
    guard = Guard(rule(threshold=1), lists=own_entries(("203.0.113.5",)))
    for text in ("127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.1.1", "fd00::1", "fe80::1", "::1", "203.0.113.5"):
        assert not guard.imposed(connected(0, text))
        assert guard.ask(1, text, "relay") == Allow()
    assert guard.imposed(connected(2, "172.32.0.1"))


def test_law_11_known_for_thirty_days_and_not_a_microsecond_longer() -> None:
    for late, word in ((0, "refuse"), (0.000001, "allow")):
        guard = Guard(rule("auth_failed", threshold=1, by="account"))
        guard.take(logged_in(late), failed(30 * DAY - 5, OTHER))
        assert guard.word(30 * DAY, NEIGHBOUR, "login", account="bob@x") == word


def test_law_11_a_late_log_in_does_not_age_the_pair() -> None:
    guard = Guard(rule("auth_failed", threshold=1, by="account", hold=DAY))
    guard.take(logged_in(100), logged_in(0), failed(30 * DAY, OTHER))
    assert guard.word(30 * DAY + 50, IP, "login", account="bob@x") == "allow"


def test_law_11_forgive_known_counts_nothing_against_the_client() -> None:
    guard = Guard(rule("auth_failed", threshold=1, forgive_known=True))
    guard.take(logged_in(0))
    assert not guard.imposed(failed(1, NEIGHBOUR))
    assert guard.imposed(failed(2, account="other@x"))


def test_log_ins_of_a_turned_away_client_make_nobody_known() -> None:
    guard = Guard(rule("auth_failed", threshold=1, by="account"))
    guard.take(Hold(at(0), client(IP), at(100)), logged_in(1), failed(200, OTHER))
    assert guard.word(201, stage="login", account="bob@x") == "refuse"


def many(first: int, count: int) -> list[str]:
    return [f"198.51.{number}.1" for number in range(first, first + count)]


def test_law_12_nine_good_clients_do_not_brake_and_ten_do() -> None:
    guard = Guard(rule(threshold=1))
    guard.take(*(logged_in(0, text) for text in many(0, 10)))
    assert guard.braked(*(connected(1, text) for text in many(0, 9))) == []
    assert guard.braked(connected(2, many(9, 1)[0])) == [(10, 10)]
    assert guard.engine.rules[0].mode == "observe"
    assert guard.word(3, many(0, 1)[0]) == "allow"


def test_law_12_a_quarter_is_not_over_a_quarter() -> None:
    for bad, braked in ((30, []), (29, [(10, 39)])):
        guard = Guard(rule(threshold=1))
        guard.take(*(sent(0, text) for text in many(0, 10)), *(connected(1, text) for text in many(100, bad)))
        assert guard.braked(*(connected(2, text) for text in many(0, 10))) == braked
        assert guard.word(3, many(100, 1)[0]) == "refuse", "only the good ones are let go"


def test_law_12_a_bad_client_pulls_too_where_older_bad_ones_have_left() -> None:
    guard = Guard(rule(threshold=1))
    guard.take(*(sent(0, text) for text in many(0, 10)), *(connected(1, text) for text in many(100, 40)))
    assert guard.braked(*(connected(500, text) for text in many(0, 10))) == []
    assert guard.braked(connected(601, many(200, 1)[0])) == [(10, 11)]


def test_law_12_good_deeds_count_for_seven_days() -> None:
    for late, braked in ((0, []), (0.000001, [(10, 10)])):
        guard = Guard(rule(threshold=1))
        guard.take(*(logged_in(late, text) for text in many(0, 10)))
        assert guard.braked(*(connected(7 * DAY, text) for text in many(0, 10))) == braked


def test_law_12_a_64_is_good_where_anybody_in_it_is() -> None:
    guard = Guard(rule("auth_failed", threshold=1))
    guard.take(*(sent(0, f"2001:db8:{number:x}::1") for number in range(10)))
    assert guard.braked(*(failed(1, f"2001:db8:{number:x}::2") for number in range(10))) == [(10, 10)]


def test_law_12_can_be_switched_off() -> None:
    guard = Guard(rule(threshold=1))
    guard.take(AdoptRules(at(0), guard.engine.rules, brake=False), *(logged_in(0, text) for text in many(0, 20)))
    assert guard.braked(*(connected(1, text) for text in many(0, 20))) == []


def test_ipv6_is_seen_by_64_for_log_ins_and_by_128_for_connections() -> None:
    guard = Guard(rule(threshold=1), rule("auth_failed", threshold=1))
    subjects = [decision.subject.text for decision in guard.imposed(connected(0, SIX), failed(1, SIX_NEAR))]
    assert subjects == ["2001:db8::1", "2001:db8::/64"]


def test_ipv6_is_seen_by_128_where_the_64_holds_an_allowed_address_until_that_expires() -> None:
    guard = Guard(rule("auth_failed", threshold=1, hold=1), lists=(allow("2001:db8::99", expires=at(50)),))
    assert guard.imposed(failed(0, SIX))[0].subject.text == "2001:db8::1"
    assert guard.imposed(failed(50, SIX))[0].subject.text == "2001:db8::/64"


def test_held_facts_escalate_and_widen_but_beget_no_held_facts() -> None:
    again = rule("held", name="again", threshold=2, together=True, window=3000, hold=900, scope="everything")
    guard = Guard(rule(threshold=1, hold=10), again, rule("held", name="third", threshold=3, together=True, window=3000))
    decisions = guard.imposed(connected(0), connected(20))
    assert [(decision.rule, decision.until) for decision in decisions[1:]] == [("connected", at(30)), ("again", at(920))]
    assert guard.word(500, protocol="sieve") == "refuse"


def test_a_bad_neighbourhood_is_none_while_somebody_good_lives_there() -> None:
    hood = rule("held", name="hood", by="network", distinct="clients", threshold=2, together=True)
    for good in ((), (logged_in(0, "192.0.2.77"),)):
        guard = Guard(rule(threshold=1), hood)
        guard.take(*good)
        assert ("hood" in [decision.rule for decision in guard.imposed(connected(1, IP), connected(2, NEIGHBOUR))]) is not bool(good)


def test_a_logins_hold_leaves_other_stages_alone() -> None:
    guard = Guard(rule(threshold=1, scope="logins"))
    guard.take(connected(0))
    assert [guard.word(1), guard.word(1, stage="login"), guard.word(1, stage="login", protocol="pop3")] == ["allow", "refuse", "refuse"]


def test_an_account_named_like_a_pair_is_not_that_pair() -> None:
    guard = Guard(rule("auth_failed", threshold=1, by="account"))
    guard.take(failed(0, OTHER, account=f"bob@x from {IP}"))
    assert guard.word(1, IP, "login", account="bob@x") == "allow"


def test_a_refusal_names_its_reason() -> None:
    guard = Guard(rule(threshold=1), lists=(deny("203.0.113.0/24"),))
    guard.take(connected(0), Hold(at(0), client(OTHER), at(9)))
    verdicts = [guard.ask(1), guard.ask(1, OTHER), guard.ask(1, "203.0.113.9")]
    assert [verdict.reason for verdict in verdicts if isinstance(verdict, Refuse)] == ["connected", "administrator", "denied"]


def test_what_ran_out_is_told_once() -> None:
    guard = Guard(rule(threshold=1, hold=60))
    guard.take(connected(0), connected(1, OTHER))
    guard.take(Lift(at(10), client(OTHER)))
    assert guard.engine.advance(at(59.999999)) == ()
    assert [effect.decision.subject.text for effect in guard.engine.advance(at(70))] == [IP]
    assert guard.engine.advance(at(80)) == ()


def test_a_pause_decides_and_holds_nothing() -> None:
    guard = Guard(rule(threshold=1))
    guard.take(connected(0))
    assert guard.released(Pause(at(1), at(100))) == [IP]
    assert [decision.watched for decision in guard.imposed(connected(2), connected(3))] == [True]
    assert [decision.watched for decision in guard.imposed(connected(100))] == [False]


def test_tiny_limits_hold_and_what_is_dropped_is_counted() -> None:
    limits = Limits(keys=8, views=4, known=4, good=4, decisions=4)
    guard = Guard(rule(threshold=2), rule("auth_failed", threshold=1, mode="observe"), limits=limits)
    for number in range(200):
        text = f"198.51.{number}.1"
        guard.take(logged_in(number, text, account=f"u{number}"), connected(number, text), connected(number, text), failed(number, text))
        guard.take(connected(number, f"203.0.{number}.1"))
        engine = guard.engine
        for counter in engine.counters:
            assert len(counter.windows.young) + len(counter.windows.old) <= 8
            assert len(counter.windows.silences) <= 8
        assert len(engine.known.pairs.last) <= 4
        assert len(engine.good.last) <= 4
        assert len(engine.holdings.decisions) <= 4
        assert len(engine.holdings.by_address) <= 4
    pressure = guard.engine.pressure
    assert (pressure["known"], pressure["good"]) == (196, 196)
    assert pressure["keys"] > 300
    assert pressure["decisions"] > 300


def test_an_evidence_only_fact_moves_time_and_counts_nothing() -> None:
    guard = Guard(rule(threshold=1))
    assert not guard.imposed(connected(1000, evidence_only=True))
    assert guard.engine.newest == at(1000)


def test_a_pair_is_held_for_its_account_alone() -> None:
    guard = Guard(rule("auth_failed", threshold=1, by="pair"))
    assert guard.imposed(failed(0))[0].subject == Subject("pair", f"bob@x from {IP}")
    assert [guard.word(1, stage="login", account=name) for name in ("bob@x", "eve@x")] == ["refuse", "allow"]
    assert guard.word(1, Client(NEIGHBOUR), "login", account="bob@x") == "allow"


def test_an_entry_with_every_box_off_takes_trust_back_until_it_expires() -> None:
    guard = Guard(rule(), lists=(allow("192.0.2.0/24"), allow(IP, detection=False, expires=at(60))))
    facts = [connected(n, who) for n in range(3) for who in (IP, NEIGHBOUR)]
    assert [each.subject.text for each in guard.imposed(*facts)] == [IP]
    assert (guard.word(3), guard.word(3, NEIGHBOUR), guard.word(61)) == ("refuse", "allow", "allow")
    assert not guard.imposed(*(connected(70 + n) for n in range(9)))
