"""The brake at its very numbers."""

from gatepost.core.brake import BRAKE_WINDOW, Braking


def held(braking: Braking, first: int, many: int, at: int, good: bool) -> tuple[int, int] | None:
    said = None
    for number in range(first, first + many):
        said = braking.pull("dos", f"client {number}", at, good)
    return said


def test_nine_are_not_enough_and_ten_are() -> None:
    braking = Braking(1000)
    assert held(braking, 0, 9, 0, True) is None
    assert held(braking, 9, 1, 0, True) == (10, 10)
    assert len(braking.good_clients("dos")) == 10


def test_a_quarter_is_not_over_a_quarter() -> None:
    for bad, said in ((30, None), (29, (10, 39))):
        braking = Braking(1000)
        held(braking, 100, bad, 0, False)
        assert held(braking, 0, 10, 0, True) == said


def test_a_hold_leaves_when_it_is_ten_minutes_old() -> None:
    for at, said in ((BRAKE_WINDOW - 1, (10, 10)), (BRAKE_WINDOW, None)):
        braking = Braking(1000)
        held(braking, 0, 9, 0, True)
        assert held(braking, 9, 1, at, True) == said


def test_a_client_held_twice_is_one_client_as_of_its_newest_hold() -> None:
    braking = Braking(1000)
    assert [held(braking, 0, 9, at, True) for at in (0, 1, 2)] == [None] * 3
    held(braking, 0, 1, 3, False)
    assert held(braking, 9, 1, 3, True) is None
    held(braking, 0, 1, 2, True)
    assert braking.rules["dos"].held["client 0"] == (3, False), "a late hold changes nothing"
    assert held(braking, 0, 1, 4, True) == (10, 10)


def test_a_late_hold_does_not_pull_the_window_back() -> None:
    braking = Braking(1000)
    held(braking, 0, 9, 1, True)
    held(braking, 50, 1, BRAKE_WINDOW, False)
    assert held(braking, 9, 1, 5, True) == (10, 11)
    held(braking, 51, 1, BRAKE_WINDOW + 1, False)
    assert held(braking, 10, 1, 5, True) is None


def test_rules_are_apart() -> None:
    braking = Braking(1000)
    held(braking, 0, 9, 0, True)
    assert braking.pull("other", "client 9", 0, True) is None


def test_beyond_its_limit_the_oldest_leave_and_are_counted() -> None:
    braking = Braking(40)
    held(braking, 0, 100, 0, False)
    assert len(braking.rules["dos"].held) == 40
    assert braking.dropped == 60


def test_a_late_hold_that_is_already_too_old_does_not_count() -> None:
    braking = Braking(1000)
    held(braking, 50, 1, BRAKE_WINDOW + 100, False)
    held(braking, 0, 9, 101, True)
    assert held(braking, 9, 1, 100, True) is None
    assert held(braking, 10, 1, 101, True) == (10, 11)
