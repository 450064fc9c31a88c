"""Undo: what each line's undo brings back, that it can be undone in turn, and when it is refused."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gatepost.admin.actions import access, blocks, lasting, lists, migrate, rules
from gatepost.admin.actions.trail import FindLines, find_line, find_lines
from gatepost.admin.actions.undo import show_line, undo
from gatepost.admin.desk import Desk, Who, audit_line
from gatepost.admin.faults import ConflictError, ForbiddenError, UnknownError
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, HOUR, MINUTE, SECOND, Span
from tests.admin.desks import ADMIN, ATTACKER, Bench, do

Deed = Callable[[Desk], Coroutine[Any, Any, Any]]


def _newest(made: Bench) -> int:
    return made.store.audit(1)[0][0]


def _undo(made: Bench, number: int = 0) -> str:
    return do(undo(made.desk, ADMIN, "administrator", number or _newest(made))).said


def _state(made: Bench) -> Any:
    engine = made.engine
    held = {(each.subject.text, each.protocols, each.until) for each in made.guard.standing.holds(made.at)}
    return engine.rules, set(engine.lists.entries), held, engine.paused_until


def _allow(prefix: str, **more: Any) -> access.AddEntry:
    return access.AddEntry(verb="allow", prefix=prefix, **more)


def _deny(prefix: str, **more: Any) -> access.AddEntry:
    return access.AddEntry(verb="deny", prefix=prefix, **more)


HELD = blocks.AddBlock(prefix=ATTACKER, hold_for=Span(DAY), reason="why", protocols=("smtp", "imap"))
MIGRATION = migrate.Migration(
    source="fail2ban",
    wishes=(migrate.Wish(verb="deny", prefix="203.0.113.77"),),
    rules=(migrate.RuleWish(name="dos", changes={"threshold": 99}),),
    with_rules=True,
)
TOML = '[[rule]]\nname = "mine"\ncounts = "connections"\non = ["smtp"]\nby = "client"\nthreshold = 3\nwindow = "5m"\nfor = "1h"\n'

DEEDS: dict[str, Deed] = {
    "rules.set": lambda desk: rules.set_rule(desk, ADMIN, "dos", {"threshold": 80}),
    "rules.set: added": lambda desk: rules.set_rule(
        desk, ADMIN, "new", {"counts": "connected", "on": "smtp", "by": "client", "threshold": 5, "window": "5m", "for": "1h"}
    ),
    "rules.set: renamed": lambda desk: rules.set_rule(desk, ADMIN, "dos", {"name": "flood"}),
    "rules.observe": lambda desk: rules.set_mode(desk, ADMIN, "dos", "observe"),
    "rules.remove": lambda desk: rules.remove_rule(desk, ADMIN, "password-brute-force"),
    "rules.preset": lambda desk: rules.adopt_preset(desk, ADMIN, "strict"),
    "rules.import": lambda desk: rules.import_rules(desk, ADMIN, rules.export_rules(desk).replace("50", "51")),
    "access.allow": lambda desk: access.add_entry(desk, ADMIN, _allow("192.0.2.0/24", note="office")),
    "access.allow: a name": lambda desk: access.add_entry(desk, ADMIN, _allow("office.example.org")),
    "access.deny: replaced": lambda desk: access.add_entry(desk, ADMIN, _deny("203.0.113.9", note="new", replace=True)),
    "access.allow: beside": lambda desk: access.add_entry(desk, ADMIN, _allow("203.0.113.9", protocols=("imap",))),
    "access.allow: own": lambda desk: access.add_entry(desk, ADMIN, _allow("10.0.0.0/8", protocols=("smtp",))),
    "access.remove": lambda desk: access.remove_entry(desk, ADMIN, "203.0.113.9"),
    "access.import": lambda desk: lists.import_entries(desk, ADMIN, "203.0.113.20\n203.0.113.21\n", "deny"),
    "import.rules": lambda desk: migrate.migrate(desk, ADMIN, MIGRATION),
    "blocks.add": lambda desk: blocks.add_block(desk, ADMIN, HELD),
    "pause": lambda desk: blocks.pause(desk, ADMIN, blocks.PauseFor(hold_for=Span(HOUR))),
}


@pytest.mark.parametrize("name", DEEDS)
def test_what_was_comes_back_and_goes_again(made: Bench, name: str) -> None:
    made.names["office.example.org"] = ("198.51.100.20", "198.51.100.21")
    do(access.add_entry(made.desk, ADMIN, _deny("203.0.113.9", note="old", protocols=("smtp",))))
    before = _state(made)
    do(DEEDS[name](made.desk))
    number, after = _newest(made), _state(made)
    assert made.audit()[0].action == name.partition(":")[0]
    assert after != before
    said = do(show_line(made.desk, ADMIN, number)).undo
    assert _undo(made, number) == said
    if name != "import.rules":  # which is a line beside that of its list entries
        assert _state(made) == before
    line = made.audit()[0]
    assert (line.who, line.reason) == ("anna", f"undoes {number}")
    made.at += SECOND
    _undo(made)
    assert made.audit()[0].reason == f"undoes {number + 1}"
    assert _state(made) == after


def test_a_reset_is_undone(made: Bench) -> None:
    do(rules.set_rule(made.desk, ADMIN, "dos", {"threshold": 80}))
    do(rules.reset_rule(made.desk, ADMIN, "dos"))
    assert "80 connections" in _undo(made)
    assert made.engine.rules[0].threshold == 80


def test_an_unblock_is_undone_for_what_would_still_hold(made: Bench) -> None:
    made.connect()
    do(blocks.add_block(made.desk, ADMIN, HELD))
    made.at += MINUTE
    do(blocks.unblock(made.desk, ADMIN, blocks.Unblock(subject=ATTACKER)))
    assert made.lets_in()
    made.at += 5 * MINUTE  # the rule's hold would be over
    assert "again, by hand" in _undo(made)
    held = made.guard.standing.holds(made.at)
    assert [(each.protocols, each.reason) for each in held] == [(("smtp", "imap"), "why")]
    _undo(made)
    assert made.lets_in()


def test_a_rules_hold_comes_back_as_one_by_hand(made: Bench) -> None:
    made.connect()
    until = made.guard.standing.holds(made.at)[0].until
    do(blocks.unblock(made.desk, ADMIN, blocks.Unblock(subject=ATTACKER, grace=Span(HOUR))))
    _undo(made)
    assert [(each.rule, each.reason, each.until) for each in made.guard.standing.holds(made.at)] == [("", "dos: 50 in 5m", until)]
    assert not made.lets_in()


def test_a_prolonged_block_ends_when_it_would_have_and_again_later(made: Bench) -> None:
    made.connect()
    do(blocks.add_block(made.desk, ADMIN, HELD))
    ends = [each.until for each in made.guard.standing.holds(made.at)]
    asked = lasting.Prolong(subjects=(ATTACKER,), prolong_by=Span(HOUR))
    do(lasting.prolong(made.desk, ADMIN, asked))
    longer = _state(made)
    made.at += SECOND
    assert "would have ended before" in _undo(made)
    assert sorted(each.until for each in made.guard.standing.holds(made.at)) == sorted(ends)
    made.at += SECOND
    _undo(made)
    assert _state(made) == longer
    do(lasting.prolong(made.desk, ADMIN, asked))
    with pytest.raises(ConflictError, match="does not stand as it left it"):
        _undo(made, _newest(made) - 1)


def test_a_prolonged_block_that_would_be_over_ends(made: Bench) -> None:
    do(blocks.add_block(made.desk, ADMIN, HELD))
    do(lasting.prolong(made.desk, ADMIN, lasting.Prolong(subjects=(ATTACKER,), prolong_by=Span(HOUR))))
    made.at += DAY
    assert not made.lets_in()
    assert "ends now" in _undo(made)
    assert made.lets_in()


def test_what_was_denied_for_good_is_held_again_and_denied_again(made: Bench) -> None:
    do(access.add_entry(made.desk, ADMIN, _deny(ATTACKER, protocols=("pop3",), note="old")))
    made.connect()
    (held,), lists = made.guard.standing.holds(made.at), set(made.engine.lists.entries)
    made.at += SECOND
    do(lasting.make_permanent(made.desk, ADMIN, lasting.Permanent(subjects=(ATTACKER,))))
    denied = set(made.engine.lists.entries)
    made.at += SECOND
    assert "off the deny list, and is held again, by hand" in _undo(made)
    assert [(each.rule, each.reason, each.until) for each in made.guard.standing.holds(made.at)] == [("", "dos: 50 in 5m", held.until)]
    assert set(made.engine.lists.entries) == lists
    made.at += SECOND
    assert "on the deny list for good again" in _undo(made)
    assert (set(made.engine.lists.entries), made.guard.standing.holds(made.at)) == (denied, [])
    made.at = held.until
    assert _undo(made) == f"{ATTACKER} goes off the deny list"
    assert (set(made.engine.lists.entries), made.guard.standing.holds(made.at)) == (lists, [])
    with pytest.raises(ConflictError, match=r"does not stand there as it left it; line 5 changed it since \(anna: blocks.temporary"):
        _undo(made, 3 - 1)


def test_a_hold_of_log_ins_alone_is_not_made_again_by_hand(made: Bench) -> None:
    do(rules.set_rule(made.desk, ADMIN, "dos", {"scope": "logins"}))
    made.connect()
    do(lasting.make_permanent(made.desk, ADMIN, lasting.Permanent(subjects=(ATTACKER,))))
    assert _undo(made) == f"{ATTACKER} goes off the deny list"
    assert made.lets_in()


def test_a_pause_that_was_ended_goes_on_until_its_end(made: Bench) -> None:
    do(blocks.pause(made.desk, ADMIN, blocks.PauseFor(hold_for=Span(HOUR))))
    until = made.engine.paused_until
    made.at += MINUTE
    do(blocks.resume(made.desk, ADMIN))
    made.at += MINUTE
    _undo(made)
    assert made.engine.paused_until == until
    _undo(made)
    assert made.engine.paused_until == 0
    made.at = until
    with pytest.raises(BadInputError, match="would be over by now"):
        _undo(made, _newest(made))


def test_a_pause_in_a_pause(made: Bench) -> None:
    do(blocks.pause(made.desk, ADMIN, blocks.PauseFor(hold_for=Span(DAY))))
    until = made.engine.paused_until
    made.at += SECOND
    do(blocks.pause(made.desk, ADMIN, blocks.PauseFor(hold_for=Span(HOUR))))
    _undo(made)
    assert made.engine.paused_until == until


AFTERWARDS: list[tuple[str, Deed, str]] = [
    (
        "rules.set",
        lambda desk: rules.set_rule(desk, Who("bob"), "dos", {"threshold": 90}),
        r"the rule dos is not as it left it; line 3 changed it since \(bob: rules.set dos\)",
    ),
    ("rules.remove", lambda desk: rules.reset_rule(desk, ADMIN, "password-brute-force"), "line 3 changed it since"),
    ("rules.preset", lambda desk: rules.set_mode(desk, ADMIN, "bounces", "off"), "line 3 changed it since"),
    (
        "access.allow",
        lambda desk: access.remove_entry(desk, ADMIN, "192.0.2.0/24"),
        r"192.0.2.0/24 does not stand there as it left it; line 3 .*access.remove",
    ),
    ("access.remove", lambda desk: access.add_entry(desk, ADMIN, _allow("203.0.113.9")), "stands on both lists.*; line 3 changed it since"),
    ("access.import", lambda desk: access.add_entry(desk, ADMIN, _deny("203.0.113.20", note="x", replace=True)), "203.0.113.20 does not stand"),
    ("blocks.add", lambda desk: blocks.unblock(desk, ADMIN, blocks.Unblock(subject=ATTACKER)), r"does not stand any more; line 3 .*unblock"),
    ("pause", lambda desk: blocks.resume(desk, ADMIN), r"does not last any more; line 3 .*anna: resume\)"),
]


@pytest.mark.parametrize(("name", "later", "words"), AFTERWARDS, ids=[name for name, *_ in AFTERWARDS])
def test_what_was_changed_since_is_refused_and_named(made: Bench, name: str, later: Deed, words: str) -> None:
    do(access.add_entry(made.desk, ADMIN, _deny("203.0.113.9", note="old")))
    do(DEEDS[name](made.desk))
    do(later(made.desk))
    before = _state(made)
    with pytest.raises(ConflictError, match=words):
        _undo(made, 2)
    assert (_state(made), _newest(made)) == (before, 3)
    assert "cannot be undone" in do(show_line(made.desk, ADMIN, 2)).refused


def test_twice_is_refused(made: Bench) -> None:
    do(DEEDS["rules.set"](made.desk))
    _undo(made, 1)
    with pytest.raises(ConflictError, match=r"line 2 changed it since \(anna: rules.undo dos\)"):
        _undo(made, 1)


def test_what_others_changed_beside_it_stays(made: Bench) -> None:
    do(DEEDS["rules.set"](made.desk))
    do(rules.set_mode(made.desk, ADMIN, "harvesting", "observe"))
    do(DEEDS["access.allow"](made.desk))
    do(access.add_entry(made.desk, ADMIN, _deny("203.0.113.50")))
    _undo(made, 1)
    _undo(made, 3)
    assert [(rule.threshold, rule.mode) for rule in made.engine.rules[:2]] == [(50, "enforce"), (20, "observe")]
    assert {each.prefix for each in made.engine.lists.entries if not each.own} == {"203.0.113.50"}


def test_an_entry_that_ran_out(made: Bench) -> None:
    do(access.add_entry(made.desk, ADMIN, _deny("203.0.113.9", expires=Span(HOUR))))
    made.at += DAY
    with pytest.raises(ConflictError, match="it ran out, or the program itself changed it"):
        _undo(made)


def test_a_deny_entry_that_would_now_shut_out_who_asks(made: Bench) -> None:
    do(access.add_entry(made.desk, ADMIN, _deny("203.0.113.0/24")))
    do(access.remove_entry(made.desk, ADMIN, "203.0.113.0/24"))
    with pytest.raises(BadInputError, match="would shut out yourself"):
        do(undo(made.desk, Who("bob", "203.0.113.5"), "administrator", 2))


def test_who_may(made: Bench) -> None:
    do(DEEDS["rules.set"](made.desk))
    do(DEEDS["access.allow"](made.desk))
    with pytest.raises(ForbiddenError, match=r"undoing rules\.set takes the role administrator; yours is operator"):
        do(undo(made.desk, ADMIN, "operator", 1))
    assert made.engine.rules[0].threshold == 80
    do(undo(made.desk, ADMIN, "operator", 2))


@pytest.mark.parametrize(
    ("action", "before", "words"),
    [
        ("history.forget", None, "history.forget cannot be undone"),
        ("console.login", None, "console.login cannot be undone"),
        ("rules.set", {"nonsense": 1}, "does not tell enough"),
        ("access.import", {"added": 3, "replaced": 0}, "does not tell enough"),
    ],
)
def test_what_cannot_be(made: Bench, action: str, before: Any, words: str) -> None:
    made.store.keep([], [audit_line(made.at, ADMIN, action, "x", before)])
    with pytest.raises(BadInputError, match=words):
        _undo(made)


def test_what_nobody_did(made: Bench) -> None:
    for number in (0, 7, 1 << 60):
        with pytest.raises(UnknownError, match=f"the audit trail has no line {number}"):
            _undo(made, number) if number else do(find_line(made.desk, 0))


def test_the_trail_in_pages(made: Bench) -> None:
    for number in range(7):
        do(access.add_entry(made.desk, ADMIN, _deny(f"203.0.113.{number}")))
    first = do(find_lines(made.desk, FindLines(limit=3)))
    do(access.add_entry(made.desk, ADMIN, _deny("203.0.113.99")))
    rest = do(find_lines(made.desk, FindLines(limit=100, before=first.next)))
    assert [each.number for each in (*first.lines, *rest.lines)] == [7, 6, 5, 4, 3, 2, 1]
    assert (first.next, rest.next) == (5, 0)
    assert json.loads(rest.lines[0].after)["prefix"] == "203.0.113.3"
