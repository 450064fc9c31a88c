"""What the doctor finds, and which cure it names."""

from gatepost.admin.actions.blocks import PauseFor, pause
from gatepost.admin.actions.doctor import Finding, doctor
from gatepost.admin.actions.rules import adopt_preset, set_mode
from gatepost.admin.desk import Source, Wired
from gatepost.core.facts import AuthFailed
from gatepost.core.spans import HOUR, SECOND, Span
from tests.admin.desks import ADMIN, ATTACKER, Bench, do


def _found(made: Bench, what: str) -> list[Finding]:
    return [each for each in doctor(made.desk) if each.what == what]


def _source(made: Bench, **more: object) -> None:
    given: dict[str, object] = {"name": "mail.log", "reading": True, "last": made.at, "lines": 1000, "facts": 400} | more
    made.sources = [Source(**given)]  # type: ignore[arg-type]


def test_the_worst_stands_first(made: Bench) -> None:
    verdicts = [each.verdict for each in doctor(made.desk)]
    assert verdicts == sorted(verdicts, key=["bad", "look", "well"].index)
    assert (doctor(made.desk)[0].what, doctor(made.desk)[0].verdict) == ("inlets", "bad")


def test_a_log_that_is_well(made: Bench) -> None:
    _source(made)
    (found,) = _found(made, "mail.log")
    assert (found.verdict, found.said) == ("well", "1,000 lines, 400 facts, 0 bytes behind")


def test_a_log_that_cannot_be_read_is_told_once_under_its_name(made: Bench) -> None:
    _source(made, reading=False, problem="Permission denied")
    (found,) = _found(made, "mail.log")
    assert (found.verdict, found.said) == ("bad", "Permission denied")
    assert _found(made, "guard") == []


def test_a_log_that_is_not_read_for_no_known_reason_is_bad_too(made: Bench) -> None:
    _source(made, reading=False)
    assert [each.verdict for each in _found(made, "mail.log")] == ["bad"]


def test_lines_from_the_future(made: Bench) -> None:
    _source(made, last=made.at + 3600 * SECOND)
    (found,) = _found(made, "mail.log")
    assert (found.verdict, found.said) == ("bad", "its lines are 3600 s ahead of the clock")
    assert "NTP" in found.cure


def test_a_silent_log(made: Bench) -> None:
    _source(made, last=made.at - 3 * HOUR)
    assert [(each.verdict, each.said) for each in _found(made, "mail.log")] == [("look", "its last line is 180 minutes old")]


def test_what_an_inlet_dropped_is_told_with_its_cure(made: Bench) -> None:
    _source(made, dropped={"stranger": 1_200, "too long": 3})
    found = [each for each in _found(made, "mail.log") if each.said.startswith("dropped")]
    assert [(each.verdict, each.said) for each in found] == [("look", "dropped: 1,200 stranger, 3 too long")]
    assert "senders" in found[0].cure


def test_a_log_that_is_not_understood(made: Bench) -> None:
    _source(made, understood=0.5)
    assert [each.verdict for each in _found(made, "mail.log")] == ["look", "well"]


def test_a_mirror_that_lags_or_does_not_work(made: Bench) -> None:
    made.mirror.seen.decided = made.mirror.seen.enforced = 1234
    assert [(each.verdict, each.said) for each in _found(made, "nftables")] == [("well", "1,234 in force, 0 mended since the start")]
    made.mirror.seen.enforced = 7
    assert [(each.verdict, each.said) for each in _found(made, "nftables")] == [("look", "1,234 decided, 7 enforced")]
    made.mirror.seen.working, made.mirror.seen.problem = False, "no rights"
    assert [(each.verdict, each.said) for each in _found(made, "nftables")] == [("bad", "no rights")]


def test_what_is_not_fed_names_the_line_that_cures_it(made: Bench) -> None:
    made.connect(many=3)
    (fed,), (hungry,) = _found(made, "connected on smtp"), _found(made, "session_ended on smtp")
    assert (fed.verdict, fed.said) == ("well", "3 since the start, for dos")
    assert (hungry.verdict, "log_selector" in hungry.cure) == ("look", True)
    assert [each.cure for each in _found(made, "connected on imap")] == [""], "Exim speaks no IMAP"
    do(set_mode(made.desk, ADMIN, "harvesting", "off"))
    assert _found(made, "session_ended on smtp") == []


def test_rules_that_count_holds_wait_for_no_inlet(made: Bench) -> None:
    do(adopt_preset(made.desk, ADMIN, "strict"))
    assert not [each for each in doctor(made.desk) if "held" in each.what]


def test_a_pause_is_worth_a_look(made: Bench) -> None:
    do(pause(made.desk, ADMIN, PauseFor(hold_for=Span(HOUR))))
    assert [each.cure for each in _found(made, "rules")] == ["gatepost resume ends it"]


class TestHiddenClients:
    """A trusted address behind which the clients hide."""

    def test_one_that_makes_most_facts_is_named(self, made: Bench) -> None:
        made.connect("10.0.0.1", 300)
        made.connect("203.0.113.1", 20)
        (found,) = _found(made, "smtp")
        assert (found.verdict, "10.0.0.1, which is trusted (allow 10.0.0.0/8), makes 94% of all facts" in found.said) == ("bad", True)

    def test_one_that_makes_fewer_is_not(self, made: Bench) -> None:
        made.connect("10.0.0.1", 130)
        made.connect("203.0.113.1", 20)
        assert _found(made, "smtp") == []
        for number in range(200):
            made.connect(f"203.0.113.{number}", 1)
        assert _found(made, "smtp") == []

    def test_many_clients_of_few_facts_do_not_make_it_appear(self, made: Bench) -> None:
        made.connect("10.0.0.1", 429)
        for number in range(1001):
            made.connect(f"203.0.{number // 256}.{number % 256}", 1)
        assert _found(made, "smtp") == []

    def test_more_clients_than_are_counted_one_by_one(self, made: Bench) -> None:
        for number in range(1001):
            made.connect(f"203.0.{number // 256}.{number % 256}", 1)
        assert _found(made, "smtp") == []

    def test_a_stranger_who_makes_most_is_an_attacker(self, made: Bench) -> None:
        made.connect(ATTACKER, 300)
        assert _found(made, "smtp") == []


def test_the_witness_is_told_and_where_he_hears_nothing_its_cure(made: Bench) -> None:
    made.guard.witness.heard("dovecot_policy", (AuthFailed,), "imap", made.at)
    made.at += 60 * SECOND
    (found,) = _found(made, "witness of auth_failed on imap")
    assert (found.verdict, found.said) == ("well", "dovecot_policy, asked last 60 s ago; what logs tell of it is evidence only")
    made.fail(many=20)
    (found,) = _found(made, "witness of auth_failed on imap")
    assert found.verdict == "bad"
    assert "ask it again" in found.cure
    assert _found(made, "guard") == [], "it is told once"


def test_an_inlet_that_is_asked_and_one_that_is_not(made: Bench) -> None:
    asked = {"access": made.at - 3 * SECOND, "relay": 0}
    _source(made, name="postfix_policy:127.0.0.1:8094", lines=0, requests=1_200, refusals=7, connections=40, asked=asked)
    found = {each.what: each for each in doctor(made.desk)}
    assert found["postfix_policy:127.0.0.1:8094"].said == "1,200 questions, 7 refused, 40 connections"
    assert found["postfix_policy:127.0.0.1:8094 access"].said == "asked last 3 s ago"
    never = found["postfix_policy:127.0.0.1:8094 relay"]
    assert (never.verdict, never.said) == ("look", "never asked since the start")
    assert "gatepost setup postfix" in never.cure


def test_what_the_mail_servers_files_say(made: Bench) -> None:
    wired = Wired(what="postfix", verdict="bad", said="3 lines are missing", cure="gatepost setup postfix")
    found = next(each for each in doctor(made.desk, [wired]) if each.what == "postfix")
    assert (found.verdict, found.said, found.cure) == ("bad", "3 lines are missing", "gatepost setup postfix")
