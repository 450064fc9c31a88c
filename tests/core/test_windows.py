"""Sliding windows at their very edges."""

import pytest

from gatepost.core.spans import MINUTE, SECOND
from gatepost.core.windows import LATE, Distinct, Windows, mark, places
from tests.core.made import rule

W = 60 * SECOND


def windows(threshold: int = 3, half: int = 100, **more: int) -> Windows:
    return Windows(rule("auth_failed", threshold, by="account", **more), half)


def count(of: Windows, at: int, place: int, weight: int = 1) -> list[int] | None:
    return of.count("key", mark(at, place), weight)


@pytest.mark.parametrize(("last", "fires"), [(W - 1, True), (W, False)])
def test_a_fact_exactly_a_window_old_is_out(last: int, fires: bool) -> None:
    found = windows()
    assert count(found, 0, 0) is count(found, 1, 1) is None
    assert (count(found, last, 2) is not None) is fires


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_late_facts_take_their_place(order: tuple[int, ...]) -> None:
    found = windows()
    fired = [count(found, at, at + 10) for at in order][-1]
    assert fired is not None
    assert places(fired) == (10, 11, 12)


def test_a_late_fact_does_not_pull_the_window_back() -> None:
    found = windows(2)
    assert count(found, 2 * W, 0) is None
    assert count(found, W, 1) is None
    assert count(found, W + 1, 2) is not None


def test_firing_clears_the_key() -> None:
    found = windows(1)
    assert count(found, 0, 0) == [0]
    assert not found.young
    assert not found.old


def test_only_the_newest_n_are_kept() -> None:
    found = windows()
    for turn in range(50):
        assert count(found, turn * W, turn) is None
    assert len(found.young["key"]) == 3


def test_weight_beyond_the_threshold_is_lost() -> None:
    found = windows()
    assert len(count(found, 0, 0, weight=10**9) or ()) == 3
    assert count(found, 1, 1, weight=2) is None


def test_distinct_values_stand_at_their_latest_mark() -> None:
    found = Distinct()
    for at, value in ((1, "a"), (5, "b"), (9, "a"), (3, "a")):
        found.push(mark(at, at), value, 2)
    assert [(at >> 40, value) for at, value in found.pairs] == [(5, "b"), (9, "a")]
    assert found.reaches(2, 5)
    assert not found.reaches(2, 4)


def test_least_clients_must_be_within_the_window_too() -> None:
    spread = windows(3, min_clients=2)
    calls = [(0, "a"), (W - 1, "b"), (W, "b"), (W + 1, "b")]
    fired = [spread.count_spread("key", mark(at, at), 1, client) for at, client in calls]
    assert fired[:2] == [None, None]
    assert fired[2] is None, "a is out, and b is one client"
    assert spread.count_spread("key", mark(W + 2, 9), 1, "c") is not None


def test_an_idle_key_leaves_after_window_and_lateness_and_not_before() -> None:
    found = windows()
    found.turn(0)
    count(found, 0, 0)
    found.turn(W + LATE)
    assert "key" in found.old
    found.turn(2 * (W + LATE))
    assert "key" not in found.old
    assert found.turn_at == 3 * (W + LATE)


def test_pressure_lets_the_idlest_go_and_counts_them() -> None:
    found = windows(half=2)
    for number in range(6):
        found.count(f"key{number}", mark(number, number), 1)
    assert found.dropped == 2
    assert sorted({**found.young, **found.old}) == ["key2", "key3", "key4", "key5"]


def test_a_silence_begins_with_its_start_and_ends_before_its_end() -> None:
    found = windows()
    found.silence("key", 10, 20)
    assert [found.is_silent("key", at) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert not found.is_silent("other", 15)


def test_a_silence_made_late_does_not_end_an_earlier_one() -> None:
    found = windows()
    found.silence("key", MINUTE, 3 * MINUTE)
    found.silence("key", 0, 2 * MINUTE)
    found.turn(2 * MINUTE + LATE)
    assert found.is_silent("key", 3 * MINUTE - 1)
    found.turn(3 * MINUTE + LATE)
    assert not found.silences


def test_silences_do_not_pile_up() -> None:
    found = windows()
    for turn in range(10_000):
        found.silence("key", turn * MINUTE, turn * MINUTE + SECOND)
    assert len(found.silences["key"]) <= LATE // MINUTE + 1


def test_too_many_silent_keys_drop_the_one_silenced_longest_ago() -> None:
    found = windows(half=2)
    for number in range(6):
        found.silence(f"key{number}", 0, 10)
    assert sorted(found.silences) == ["key2", "key3", "key4", "key5"]
    assert found.dropped == 2


def test_silences_can_be_ended_and_stay_for_what_was_before() -> None:
    found = windows()
    found.silence("key", 10, 100)
    found.end_silences(50)
    assert [found.is_silent("key", at) for at in (49, 50)] == [True, False]


def test_filled_counts_what_lies_in_the_window_whatever_the_way_of_counting_newest_keys_first() -> None:
    found = windows(threshold=9, min_clients=2)
    found.count("lone", mark(0, 0), 1)
    found.count("plain", mark(0, 1), 1)
    found.count("plain", mark(W - 1, 2), 1)
    found.count_values("distinct", mark(1, 3), ["a", "b"])
    found.turn(0)
    found.count_spread("spread", mark(1, 4), 3, "192.0.2.1")
    assert list(found.filled(W - 1, 9)) == [("spread", 3), ("distinct", 2), ("plain", 2)]
    assert list(found.filled(W, 9)) == [("spread", 3), ("distinct", 2), ("plain", 1)]
    assert list(found.filled(W - 1, 2)) == [("spread", 3), ("distinct", 2)]
    assert found.young.keys() == {"spread"}
