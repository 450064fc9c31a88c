"""How often a subject was held: by day, for 30 days, bounded."""

from gatepost.core.deeds import Forget, Hold, Retime
from gatepost.core.often import Often
from gatepost.core.snapshot import dump, load
from gatepost.core.spans import DAY
from gatepost.core.subjects import Subject
from tests.core.made import IP, NEIGHBOUR, Guard, at, client, connected, rule

NOON = DAY // 2


def test_today_and_the_thirty_days_before_count_and_no_more() -> None:
    often = Often(10)
    for day, many in ((0, 5), (1, 2), (31, 3)):
        for _ in range(many):
            often.see("x", day * DAY + NOON)
    assert [often.count("x", day * DAY) for day in (31, 32, 61, 62)] == [5, 3, 3, 0]
    assert often.count("y", 0) == 0


def test_a_late_hold_counts_on_its_own_day() -> None:
    often = Often(10)
    often.see("x", 2 * DAY)
    often.see("x", 2 * DAY - 1)
    assert often.count("x", 31 * DAY) == 2
    assert often.count("x", 32 * DAY) == 1


def test_the_one_held_longest_ago_leaves_and_is_counted() -> None:
    often = Often(2)
    for name in ("a", "b", "a", "c"):
        often.see(name, NOON)
    assert ([often.count(name, NOON) for name in "abc"], often.dropped) == ([2, 0, 1], 1)


def test_the_engine_counts_holds_of_rules_and_by_hand_and_not_what_it_only_watches() -> None:
    guard = Guard(rule(threshold=1, hold=1))
    guard.take(connected(0), connected(2), Hold(at(3), client(NEIGHBOUR), at(50)))
    assert [guard.engine.often.count(name, at(4)) for name in (IP, NEIGHBOUR)] == [2, 1]
    watching = Guard(rule(threshold=1, mode="observe"))
    watching.take(connected(0))
    assert watching.engine.often.count(IP, at(1)) == 0


def test_another_end_is_no_further_hold_and_all_of_it_is_dumped_and_forgotten() -> None:
    guard = Guard()
    guard.take(Hold(at(0), client(IP), at(50)), Hold(at(0), Subject("account", f"bob from {IP}"), at(50)), Retime(at(1), client(IP), 1, at(99)))
    again = load(dump(guard.engine))
    assert (again.often.count(IP, at(1)), again.often.count(f"account bob from {IP}", at(1))) == (1, 1)
    guard.take(Forget(at(2), client(IP)))
    assert (guard.engine.often.count(IP, at(2)), guard.engine.often.count(f"account bob from {IP}", at(2))) == (0, 1)
