"""Log-ins are throttled by the engine: by account and address, by address, by account."""

import pytest

from gatepost.admin.throttle import RULES, Throttle
from gatepost.core.rules import check_rules
from gatepost.core.spans import MINUTE, SECOND
from gatepost.core.subjects import Client

HERE, THERE = Client("127.0.0.1"), Client("203.0.113.7")


class Clock:
    """A time that the test sets."""

    at = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        """The time."""
        return self.at


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


def _fail(throttle: Throttle, client: Client, account: str, many: int) -> list[bool]:
    return [throttle.failed(client, account) for _ in range(many)]


def test_the_rules_can_stand_together() -> None:
    check_rules(RULES)


def test_five_failures_on_one_account_close_it_for_that_address_alone(clock: Clock) -> None:
    throttle = Throttle(clock)
    assert _fail(throttle, HERE, "anna", 5) == [False, False, False, False, True]
    assert throttle.wait(HERE, "anna") == 600
    assert throttle.wait(HERE, "bob") == 0
    assert throttle.wait(THERE, "anna") == 0
    clock.at += 10 * MINUTE
    assert throttle.wait(HERE, "anna") == 0


def test_knocking_does_not_prolong_it(clock: Clock) -> None:
    throttle = Throttle(clock)
    _fail(throttle, HERE, "anna", 5)
    clock.at += 9 * MINUTE
    _fail(throttle, HERE, "anna", 20)
    assert throttle.wait(HERE, "anna") == 60


def test_loopback_is_counted_like_any_other_and_names_do_not_help(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(20):
        throttle.failed(HERE, f"name{number}")
    assert throttle.wait(HERE, "anna") == 600
    assert throttle.wait(THERE, "anna") == 0


def test_an_attacked_account_stays_open_from_where_it_logged_in_well(clock: Clock) -> None:
    throttle = Throttle(clock)
    throttle.succeeded(HERE, "anna")
    for number in range(50):
        throttle.failed(Client(f"198.51.100.{number}"), "anna")
    assert throttle.wait(THERE, "anna") == 600
    assert throttle.wait(HERE, "anna") == 0


def test_what_it_remembers_is_bounded(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(10_000):
        throttle.failed(Client(f"10.{number >> 8}.{number & 255}.1"), f"name{number}")
    counters = throttle._order.engine.counters
    assert max(len(each.windows.young) + len(each.windows.old) for each in counters) <= 4096
