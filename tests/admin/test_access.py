"""List entries: adding, removing, asking; what follows in engine, mirror and audit trail."""

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry, check_client, list_entries, remove_entry
from gatepost.admin.faults import UnknownError
from gatepost.core.access import Entry
from gatepost.core.decisions import Release
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, HOUR, Span
from tests.admin.desks import ADMIN, ATTACKER, Bench, do


def _add(made: Bench, verb: str, prefix: str, **more: object) -> Entry:
    return do(add_entry(made.desk, ADMIN, AddEntry(verb=verb, prefix=prefix, **more)))  # type: ignore[arg-type]


def _listed(made: Bench) -> list[str]:
    return [str(entry) for entry in list_entries(made.desk) if not entry.own]


def _refused(made: Bench, verb: str, prefix: str, **more: object) -> str:
    before, lines = list_entries(made.desk), len(made.audit())
    with pytest.raises(BadInputError) as refused:
        _add(made, verb, prefix, **more)
    assert (list_entries(made.desk), len(made.audit())) == (before, lines)
    return str(refused.value)


class TestAdd:
    """Allow and deny."""

    def test_allow_lifts_what_stands_and_is_audited(self, made: Bench) -> None:
        made.connect()
        _add(made, "allow", "203.0.113.0/24", note="branch office", expires=Span(90 * DAY))
        assert made.lets_in()
        assert isinstance(made.mirror.effects[-1], Release)
        assert made.mirror.lists == 1
        line = made.audit()[0]
        assert (line.who, line.action, line.subject) == ("anna", "access.allow", "203.0.113.0/24")
        assert made.before_after() == (
            None,
            {"verb": "allow", "prefix": "203.0.113.0/24", "expires": made.at + 90 * DAY, "note": "branch office"},
        )
        made.connect(many=500)
        assert made.lets_in()

    def test_deny_never_lets_in(self, made: Bench) -> None:
        _add(made, "deny", "2001:db8::/32")
        assert not made.lets_in("2001:db8::7")
        assert made.mirror.lists == 1

    def test_a_denied_address_in_an_allowed_network_is_out_whichever_came_first(self, made: Bench) -> None:
        _add(made, "allow", "203.0.113.0/24")
        _add(made, "deny", ATTACKER)
        _add(made, "deny", "233.252.0.0/24")
        _add(made, "allow", "233.252.0.7")
        assert [made.lets_in(client) for client in (ATTACKER, "203.0.113.8", "233.252.0.7", "233.252.0.8")] == [False, True, True, False]

    def test_a_range(self, made: Bench) -> None:
        assert _add(made, "deny", "203.0.113.7 - 203.0.113.9").prefix == "203.0.113.7-203.0.113.9"
        assert [made.lets_in(f"203.0.113.{last}") for last in (6, 7, 9, 10)] == [True, False, False, True]

    @pytest.mark.parametrize(
        ("text", "prefix"), [("[203.0.113.7]", ATTACKER), ("2001:DB8:0::/64", "2001:db8::/64"), ("::ffff:203.0.113.7", ATTACKER)]
    )
    def test_one_spelling(self, made: Bench, text: str, prefix: str) -> None:
        assert _add(made, "deny", text).prefix == prefix

    def test_the_same_prefix_on_other_protocols_stands_beside(self, made: Bench) -> None:
        _add(made, "allow", ATTACKER, protocols=("smtp",))
        _add(made, "deny", ATTACKER, protocols=("imap",))
        assert _listed(made) == [f"allow {ATTACKER} on smtp", f"deny {ATTACKER} on imap"]

    def test_replace_takes_the_place_of_the_entries_for_the_prefix(self, made: Bench) -> None:
        _add(made, "allow", ATTACKER)
        _add(made, "deny", ATTACKER, replace=True)
        assert _listed(made) == [f"deny {ATTACKER}"]
        assert made.before_after()[0] == [{"verb": "allow", "prefix": ATTACKER}]

    def test_a_contradiction_is_refused_with_the_cure(self, made: Bench) -> None:
        _add(made, "allow", ATTACKER)
        assert f"prefix: {ATTACKER} on smtp stands on both lists" in _refused(made, "deny", ATTACKER)
        assert "there stands already: allow" in _refused(made, "allow", ATTACKER, note="again")
        assert "stands on both lists" in _refused(made, "deny", "203.0.113.7-203.0.113.8")

    def test_an_expired_entry_contradicts_nobody_and_is_not_listed(self, made: Bench) -> None:
        _add(made, "allow", ATTACKER, expires=Span(HOUR))
        made.at += HOUR
        assert _listed(made) == []
        _add(made, "deny", ATTACKER)
        assert not made.lets_in()

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"prefix": "nonsense"}, "prefix: 'nonsense' is no address, prefix or range"),
            ({"prefix": ""}, "prefix: '' is no address"),
            ({"prefix": "203.0.113.9-203.0.113.1"}, "prefix: the range"),
            ({"prefix": ATTACKER, "expires": Span(0)}, "expires: must be 1s or longer"),
            ({"prefix": ATTACKER, "detection": False}, "detection: an allow entry with every box off"),
        ],
    )
    def test_bad_input(self, made: Bench, asked: dict[str, object], words: str) -> None:
        assert _refused(made, "allow", **asked).startswith(words)  # type: ignore[arg-type]

    def test_a_denied_address_has_no_boxes(self, made: Bench) -> None:
        assert "relay, logins: boxes of the allow list" in _refused(made, "deny", ATTACKER, relay=True)


class TestRelay:
    """Who may relay is confirmed where it is many, or a private network."""

    @pytest.mark.parametrize("prefix", ["203.0.112.0/23", "2001:db8::/63", "10.1.2.3", "fd00::1", "127.0.0.2", "203.0.113.0-203.0.114.255"])
    def test_wide_and_private_prefixes_want_a_second_word(self, made: Bench, prefix: str) -> None:
        assert "(--confirm-relay)" in _refused(made, "allow", prefix, relay=True)
        assert _add(made, "allow", prefix, relay=True, confirm_relay=True).relay

    @pytest.mark.parametrize("prefix", ["8.8.8.0/24", "2600:1:2:3::/64", "8.8.8.8", "203.0.113.7", "100.64.0.1"])
    def test_others_do_not(self, made: Bench, prefix: str) -> None:
        assert _add(made, "allow", prefix, relay=True).relay

    @pytest.mark.parametrize("verb", ["allow", "deny"])
    def test_who_may_not_relay_may_be_many(self, made: Bench, verb: str) -> None:
        assert _add(made, verb, "203.0.112.0-203.0.114.255").prefix == "203.0.112.0-203.0.114.255"
        assert _add(made, verb, "2001:db8::-2001:db8:0:5:ffff:ffff:ffff:ffff").verb == verb

    @pytest.mark.parametrize("prefix", ["198.51.100.254", "198.51.100.1", "198.51.100.0/24", "127.0.0.1", "fe80::1"])
    def test_whoever_can_stand_for_anybody_is_confirmed(self, made: Bench, prefix: str) -> None:
        """The gateway, the host's own addresses, and networks that hold them."""
        assert "(--confirm-relay)" in _refused(made, "allow", prefix, relay=True)


class TestOwn:
    """The host's own networks: edited, never removed."""

    def test_an_entry_for_one_takes_its_place_and_stays_own(self, made: Bench) -> None:
        assert _add(made, "allow", "10.0.0.0/8", logins=True).own
        assert [str(entry) for entry in list_entries(made.desk) if entry.prefix == "10.0.0.0/8"] == ["allow 10.0.0.0/8 logins"]

    def test_it_does_not_expire(self, made: Bench) -> None:
        assert "is one of this host's own networks, and stays" in _refused(made, "allow", "10.0.0.0/8", expires=Span(HOUR))

    def test_it_is_neither_denied_nor_removed(self, made: Bench) -> None:
        assert "this host's own network" in _refused(made, "deny", "127.0.0.0/8", replace=True)
        with pytest.raises(BadInputError, match=r"it can be changed"):
            do(remove_entry(made.desk, ADMIN, "::1"))


class TestRemove:
    """Taking an entry off."""

    def test_all_entries_for_the_prefix_go(self, made: Bench) -> None:
        _add(made, "allow", ATTACKER, protocols=("smtp",))
        _add(made, "deny", ATTACKER, protocols=("imap",))
        _add(made, "deny", "203.0.113.0/24")
        assert len(do(remove_entry(made.desk, ADMIN, f"[{ATTACKER}]"))) == 2
        assert _listed(made) == ["deny 203.0.113.0/24"]
        assert made.audit()[0].action == "access.remove"
        assert len(made.before_after()[0]) == 2

    def test_what_is_not_there(self, made: Bench) -> None:
        with pytest.raises(UnknownError, match=r"there is no entry for 203.0.113.7"):
            do(remove_entry(made.desk, ADMIN, ATTACKER))

    def test_what_is_no_prefix(self, made: Bench) -> None:
        with pytest.raises(BadInputError, match=r"^prefix: 'x y' is no address"):
            do(remove_entry(made.desk, ADMIN, "x y"))


class TestCheck:
    """What would happen to a client."""

    def test_nobody_objects(self, made: Bench) -> None:
        found = check_client(made.desk, f"[{ATTACKER}]")
        assert (found.client, {answer.verdict for answer in found.answers}, len(found.answers)) == (ATTACKER, {"allow"}, 5)

    def test_the_most_specific_entry_wins(self, made: Bench) -> None:
        _add(made, "allow", "203.0.0.0/16")
        _add(made, "deny", "203.0.113.0/24")
        _add(made, "allow", ATTACKER, protocols=("smtp",))
        answers = {answer.protocol: (answer.verdict, answer.entry and answer.entry.prefix) for answer in check_client(made.desk, ATTACKER).answers}
        assert answers["smtp"] == ("allow", ATTACKER)
        assert answers["imap"] == ("refuse", "203.0.113.0/24")
        assert check_client(made.desk, "203.0.7.7", "smtp").answers[0].verdict == "allow"

    def test_a_hold_is_named_by_its_rule(self, made: Bench) -> None:
        made.connect()
        (answer,) = check_client(made.desk, ATTACKER, "smtp").answers
        assert (answer.verdict, answer.rule, answer.reason, answer.entry) == ("refuse", "dos", "50 in 5m", None)

    def test_relay_is_granted_by_an_entry_alone(self, made: Bench) -> None:
        assert not check_client(made.desk, "8.8.8.8", "smtp", "relay").answers[0].relay
        _add(made, "allow", "8.8.8.8", relay=True)
        assert check_client(made.desk, "8.8.8.8", "smtp", "relay").answers[0].relay

    @pytest.mark.parametrize(
        ("asked", "words"),
        [(("x",), "client: 'x'"), ((ATTACKER, "ftp"), "protocol: 'ftp'"), ((ATTACKER, "smtp", "data"), "stage: 'data'"), (("",), "client: ''")],
    )
    def test_bad_input(self, made: Bench, asked: tuple[str, ...], words: str) -> None:
        with pytest.raises(BadInputError, match=f"^{words}"):
            check_client(made.desk, *asked)
