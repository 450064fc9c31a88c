"""weakforced's API does the deeds of the command line, and refuses what they refuse."""

import json
from typing import Any

import pytest

from gatepost.app.dovecot_policy import WeakforcedDeeds
from gatepost.core.spans import DAY, SECOND
from gatepost.wire.dovecot_policy import OK, Listed
from tests.admin.desks import ATTACKER, Bench, do

BOB = "bob@example.org"


def call(made: Bench, command: str, **about: Any) -> Any:
    """What a command answers."""
    return json.loads(do(WeakforcedDeeds(made.desk)(command, Listed(**about), "192.0.2.9")))


def test_an_address_is_held_listed_and_let_go() -> None:
    made = Bench()
    assert call(made, "addBLEntry", prefix=ATTACKER, seconds=60, reason="scripted") == json.loads(OK)
    assert not made.lets_in()
    (entry,) = call(made, "getBL")["bl_entries"]
    assert entry == {"ip": ATTACKER, "expiration": "2027-01-15T08:01:00Z", "expire_secs": 60, "reason": "scripted"}
    made.at += 61 * SECOND
    assert made.lets_in()
    call(made, "addBLEntry", prefix=ATTACKER, seconds=60)
    call(made, "delBLEntry", prefix=ATTACKER)
    assert made.lets_in()
    assert made.audit()[0].who == "weakforced API, 192.0.2.9"


@pytest.mark.parametrize("seconds", [0, 500 * DAY // SECOND])
def test_what_is_to_stay_is_denied(seconds: int) -> None:
    made = Bench()
    call(made, "addBLEntry", prefix="203.0.113.0/24", seconds=seconds, reason="for good")
    made.at += 399 * DAY
    assert not made.lets_in()
    assert call(made, "getBL")["bl_entries"] == [{"netmask": "203.0.113.0/24", "reason": "for good"}]
    call(made, "delBLEntry", prefix="203.0.113.0/24")
    assert made.lets_in()


def test_logins_and_pairs() -> None:
    made = Bench()
    call(made, "addBLEntry", login="Bob@Example.org", seconds=60)
    call(made, "addBLEntry", login=BOB, prefix=ATTACKER, seconds=60)
    found = [{key: entry.get(key) for key in ("login", "ip")} for entry in call(made, "getBL")["bl_entries"]]
    assert found == [{"login": BOB, "ip": ATTACKER}, {"login": BOB, "ip": None}]
    call(made, "reset", login=BOB, prefix=ATTACKER)
    assert call(made, "getBL")["bl_entries"] == []


def test_a_reset_clears_what_was_counted() -> None:
    made = Bench()
    made.fail(many=49)
    call(made, "reset", prefix=ATTACKER)
    made.fail(many=49)
    assert made.lets_in(protocol="imap")
    made.fail(many=1)
    assert not made.lets_in(protocol="imap")
    call(made, "reset", prefix=ATTACKER)
    assert made.lets_in(protocol="imap")


def test_the_white_list() -> None:
    made = Bench()
    call(made, "addWLEntry", prefix=ATTACKER, reason="ours", seconds=60)
    made.connect()
    assert made.lets_in()
    assert {"ip": ATTACKER, "expiration": "2027-01-15T08:01:00Z", "reason": "ours"} in call(made, "getWL")["wl_entries"]
    call(made, "delWLEntry", prefix=ATTACKER)
    made.connect()
    assert not made.lets_in()


@pytest.mark.parametrize(
    ("command", "about", "said"),
    [
        ("addBLEntry", {}, "name an ip"),
        ("addBLEntry", {"prefix": "198.51.100.1", "seconds": 60}, "this host's own network"),
        ("addBLEntry", {"prefix": "nonsense", "seconds": 60}, "is no address"),
        ("addBLEntry", {"prefix": "nonsense", "login": "bob"}, "nonsense"),
        ("addBLEntry", {"login": "  "}, "login: is empty"),
        ("addWLEntry", {"login": "bob"}, "nobody stands above"),
        ("delWLEntry", {"prefix": "203.0.113.9"}, "no such entry"),
        ("delWLEntry", {"prefix": "127.0.0.0/8"}, "can be changed"),
    ],
)
def test_what_is_refused_changes_nothing(command: str, about: dict[str, Any], said: str) -> None:
    made = Bench()
    before = made.guard.order.place
    with pytest.raises(ValueError, match=said):
        call(made, command, **about)
    assert made.guard.order.place == before
