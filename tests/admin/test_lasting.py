"""Blocks that shall last: prolonged, or made deny entries."""

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry, list_entries
from gatepost.admin.actions.blocks import AddBlock, add_block, list_blocks
from gatepost.admin.actions.lasting import Denied, Permanent, Prolong, make_permanent, prolong
from gatepost.admin.desk import Who
from gatepost.core.faults import BadInputError
from gatepost.core.rules import Rule
from gatepost.core.spans import DAY, HOUR, MINUTE, Span
from tests.admin.desks import ADMIN, ATTACKER, Bench, do

NETWORK = "203.0.113.0/24"


def _prolong(made: Bench, *subjects: str, by: int = HOUR) -> None:
    do(prolong(made.desk, ADMIN, Prolong(subjects=subjects, prolong_by=Span(by))))


def _make_permanent(made: Bench, *subjects: str, note: str = "") -> Denied:
    return do(make_permanent(made.desk, ADMIN, Permanent(subjects=subjects, note=note)))


def _block(made: Bench, prefix: str, span: int = DAY) -> None:
    do(add_block(made.desk, ADMIN, AddBlock(prefix=prefix, hold_for=Span(span), reason="by me")))


class TestProlong:
    """A later end."""

    def test_all_that_holds_just_it_ends_later_and_keeps_its_rule(self, made: Bench) -> None:
        made.connect()
        made.connect(protocol="imap")
        _block(made, NETWORK)
        _prolong(made, ATTACKER)
        assert [(each.subject, each.rule, each.until - made.at) for each in list_blocks(made.desk)] == [
            (ATTACKER, "dos", HOUR + 5 * MINUTE),
            (ATTACKER, "dos", HOUR + 5 * MINUTE),
            (NETWORK, "", DAY),
        ]
        assert [each.often for each in list_blocks(made.desk)] == [2, 2, 1], "being prolonged is no further hold"
        assert made.mirror.names()[-4:] == ["Release", "Impose"] * 2
        line = made.audit()[0]
        assert (line.action, line.subject, line.who) == ("blocks.prolong", ATTACKER, "anna")
        assert made.before_after()[1] == {"for": "1h"}
        made.at += HOUR
        assert not made.lets_in()

    def test_it_is_all_or_nothing(self, made: Bench) -> None:
        _block(made, ATTACKER)
        before = list_blocks(made.desk)
        for bad, words in ((("203.0.113.8",), "203.0.113.8 is not held"), (("x:y",), "is no address")):
            with pytest.raises(BadInputError, match=r"^subject") as refused:
                _prolong(made, ATTACKER, *bad)
            assert words in str(refused.value)
        assert list_blocks(made.desk) == before

    def test_it_ends_400_days_from_now_at_the_latest(self, made: Bench) -> None:
        _block(made, ATTACKER, 399 * DAY)
        with pytest.raises(BadInputError, match=r"^for: .* can be prolonged by 1d; or make it permanent"):
            _prolong(made, ATTACKER, by=2 * DAY)
        _prolong(made, ATTACKER, by=DAY)
        with pytest.raises(BadInputError, match=r"^for: must be 1s or longer"):
            _prolong(made, ATTACKER, by=0)


class TestPermanent:
    """A block becomes a deny entry."""

    def test_nothing_is_there_twice_and_the_network_around_stays_held(self, made: Bench) -> None:
        made.connect()
        _block(made, NETWORK)
        found = _make_permanent(made, ATTACKER)
        (entry,) = [each for each in list_entries(made.desk) if each.verb == "deny"]
        assert (entry.prefix, entry.protocols, entry.note) == (ATTACKER, ("smtp",), "dos: 50 in 5m")
        assert ([each.subject for each in found.released], found.wider) == ([ATTACKER], [])
        assert [each.subject for each in list_blocks(made.desk)] == [NETWORK]
        line = made.audit()[0]
        assert (line.action, line.subject) == ("blocks.permanent", ATTACKER)
        made.at += 2 * DAY
        assert not made.lets_in()
        assert made.lets_in(protocol="imap")

    def test_many_at_once_with_a_line_for_each(self, made: Bench) -> None:
        subjects = [f"203.0.113.{number}" for number in range(5)]
        for each in subjects:
            _block(made, each)
        _make_permanent(made, *subjects, subjects[0], note="enough")
        assert [line.subject for line in made.audit()[:5]] == subjects[::-1]
        assert [each.prefix for each in list_entries(made.desk) if each.note == "enough"] == subjects
        assert list_blocks(made.desk) == []

    def test_the_deny_entry_that_stands_there_takes_it_up(self, made: Bench) -> None:
        do(add_entry(made.desk, ADMIN, AddEntry(verb="deny", prefix=ATTACKER, protocols=("imap",))))
        made.connect()
        _make_permanent(made, ATTACKER)
        assert [each.protocols for each in list_entries(made.desk) if each.verb == "deny"] == [("smtp", "imap")]

    def test_of_whom_log_ins_alone_were_held_is_told(self, made: Bench) -> None:
        made.engine.set_rules(
            (Rule(name="x", counts="connected", on=("smtp",), threshold=1, window=Span(HOUR), hold_for=Span(HOUR), scope="logins"),)
        )
        made.connect()
        assert _make_permanent(made, ATTACKER).wider == [ATTACKER]
        made.check_restart = lambda: None  # type: ignore[method-assign]  # the rules did not come by a deed

    def test_what_cannot_be_denied_changes_nothing(self, made: Bench) -> None:
        made.connect()
        do(add_entry(made.desk, ADMIN, AddEntry(verb="allow", prefix=ATTACKER, detection=False, relay=True, protocols=("smtp",))))
        before, lines = list_blocks(made.desk), len(made.audit())
        for subjects, words in (((ATTACKER,), "stands on both lists"), (("bob@example.org",), "is not held")):
            with pytest.raises(BadInputError) as refused:
                _make_permanent(made, *subjects)
            assert words in str(refused.value)
        assert (list_blocks(made.desk), len(made.audit())) == (before, lines)

    def test_it_must_not_shut_out_who_asks(self, made: Bench) -> None:
        _block(made, "203.0.113.0/24")
        asked = Permanent(subjects=("203.0.113.0/24",))
        with pytest.raises(BadInputError, match="yourself"):
            do(make_permanent(made.desk, Who("eve", "203.0.113.9"), asked))
        assert len(list_blocks(made.desk)) == 1
