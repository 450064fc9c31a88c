"""When a message is due: the first at once, then at most one in an interval; the brake does not wait."""

from gatepost.core.spans import HOUR, MINUTE, SECOND
from gatepost.outlets.messengers.digest import Digest
from tests.outlets.messengers.made import START, block, brake, trouble

EVERY = 15 * MINUTE


def test_the_first_is_told_at_once_and_the_rest_in_one_digest() -> None:
    digest = Digest(EVERY)
    digest.add([block(1)], START)
    assert digest.due(START) == START
    first = digest.take(START)
    assert first is not None
    assert (first.kind, len(first.notices)) == ("first", 1)
    for number in range(2, 201):
        digest.add([block(number, START + number * SECOND // 4)], START + number * SECOND // 4)
    assert digest.due(START + MINUTE) == START + EVERY
    assert digest.take(START + EVERY - 1) is None
    second = digest.take(START + EVERY)
    assert second is not None
    assert (second.kind, second.counts) == ("digest", {("block", "dos"): 199})


def test_after_a_digest_an_interval_of_nothing_is_told_once() -> None:
    digest = Digest(EVERY)
    for step in range(2):
        digest.add([block(step, START + step)], START + step)
        assert digest.take(START + step * EVERY)
    assert digest.take(START + 2 * EVERY - 1) is None
    quiet = digest.take(START + 2 * EVERY)
    assert quiet is not None
    assert (quiet.kind, quiet.counts) == ("quiet", {("block", "dos"): 1})
    assert digest.due(START + HOUR) == 0


def test_a_single_message_is_not_followed_by_quiet() -> None:
    digest = Digest(EVERY)
    digest.add([block()], START)
    assert digest.take(START)
    assert digest.due(START + HOUR) == 0


def test_after_an_interval_the_next_is_told_at_once_again() -> None:
    digest = Digest(EVERY)
    digest.add([block()], START)
    assert digest.take(START)
    digest.add([block(2, START + HOUR)], START + HOUR)
    assert digest.take(START + HOUR)


def test_the_brake_does_not_wait() -> None:
    digest = Digest(EVERY)
    digest.add([block()], START)
    assert digest.take(START)
    digest.add([block(2), brake(START + 1)], START + 1)
    found = digest.take(START + 1)
    assert found is not None
    assert (found.kind, len(found.notices)) == ("urgent", 2)


def test_a_problem_that_comes_and_goes_is_urgent_once_an_hour() -> None:
    digest = Digest(EVERY)
    digest.add([trouble()], START)
    assert digest.take(START)
    digest.add([trouble(START + MINUTE)], START + MINUTE)
    assert digest.take(START + MINUTE) is None
    assert digest.take(START + EVERY)
    digest.add([trouble(START + HOUR)], START + HOUR)
    assert digest.due(START + HOUR) == START + HOUR


def test_what_does_not_fit_is_counted_by_rule_and_the_brake_always_fits() -> None:
    digest = Digest(EVERY, most=10)
    assert digest.add([block(number) for number in range(25)] + [brake()], START) == 15
    found = digest.take(START)
    assert found is not None
    assert (len(found.notices), found.left_out, found.counts["block", "dos"]) == (11, 15, 25)
    assert digest.waiting == 0


def test_without_an_interval_each_is_told_at_once_and_quiet_never() -> None:
    digest = Digest(0)
    for step in range(5):
        digest.add([block(step, START + step)], START + step)
        assert digest.take(START + step)
    assert digest.due(START + HOUR) == 0


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    digest = Digest(EVERY)
    digest.add([block()], START)
    assert digest.take(START)
    digest.add([block(2, START - HOUR)], START - HOUR)
    assert digest.due(START - HOUR) <= START - HOUR + EVERY


def test_at_the_end_what_waits_is_taken() -> None:
    digest = Digest(EVERY)
    assert digest.take(START, closing=True) is None
    digest.add([block()], START)
    assert digest.take(START)
    digest.add([block(2)], START)
    assert digest.take(START, closing=True)
