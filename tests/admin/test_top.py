"""What `top` shows: the fullest windows, bounded, and what was decided last."""

import pytest

from gatepost.admin.actions import top as actions
from gatepost.admin.actions.top import Near, top
from tests.admin.desks import ATTACKER, Bench


def test_who_is_nearest_to_a_threshold_stands_first(made: Bench) -> None:
    made.connect("203.0.113.1", 10)
    made.connect("203.0.113.2", 30)
    made.connect("203.0.113.3", 1)
    made.fail("203.0.113.4", 40)
    found = top(made.desk)
    near = [(each.subject, each.rule, each.protocols, each.count, each.threshold) for each in found.near]
    assert near == [
        ("203.0.113.4", "password-brute-force", ("imap",), 40, 50),
        ("203.0.113.2", "dos", ("smtp",), 30, 50),
        ("203.0.113.1", "dos", ("smtp",), 10, 50),
    ]
    assert (found.keys, found.looked_at, found.held) == (4, 4, 0)
    assert {(each.protocol, each.kind): each.facts for each in found.facts} == {("smtp", "connected"): 41, ("imap", "auth_failed"): 40}


def test_what_is_older_than_the_window_is_not_counted(made: Bench) -> None:
    made.connect("203.0.113.1", 10)
    made.at += 299_999_999
    assert [each.count for each in top(made.desk).near] == [10]
    made.at += 1
    assert top(made.desk).near == []


def test_who_is_held_is_among_the_newest_blocks_and_counts_no_more(made: Bench) -> None:
    made.connect(ATTACKER, 50)
    found = top(made.desk)
    assert ([block.subject for block in found.newest], found.held, found.near) == ([ATTACKER], 1, [])


def test_it_looks_at_a_bounded_number_of_keys_the_newest_first_and_says_so(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    counters = len(made.engine.counters)
    monkeypatch.setattr(actions, "MOST_KEYS", 2 * counters)
    for number in range(5):
        made.connect(f"203.0.113.{number}", 2 + number)
    found = top(made.desk)
    assert found.near == [Near(rule="dos", protocols=("smtp",), subject=f"203.0.113.{n}", count=2 + n, threshold=50) for n in (4, 3)]
    assert (found.keys, found.looked_at) == (5, 2)
