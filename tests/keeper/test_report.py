"""Decisions counted, over a real history: a store that is written to, and the files that the keeper makes of it."""

from pathlib import Path
from typing import Any

import pytest

from gatepost.core.deeds import AdoptRules, Hold
from gatepost.core.facts import MessageBounced
from gatepost.core.rules import Rule
from gatepost.core.spans import SECOND, Span
from gatepost.core.subjects import Client, Subject
from gatepost.keeper.follow import Follower
from gatepost.pipeline.reports import AskReport, CountBy, Tally
from tests.keeper.following import DAY, START, Writer, connected, succeeded

HOUR = 3600 * SECOND
"""START is Friday, 4 October 2024, 00:00 UTC."""


@pytest.fixture(scope="module")
def follower(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    """Floods on five days: .7 on each, .8 on the fifth, and one more, and a hold by hand."""
    writer = Writer(tmp_path_factory.mktemp("keeper"))
    for day in range(5):
        for client in (7, 8) if day == 4 else (7,):
            writer.write([connected(START + day * DAY + client * SECOND + number, Client(f"203.0.113.{client}")) for number in range(50)])
    writer.write([connected(START + 4 * DAY + HOUR + number, Client("2001:db8:1:2::9")) for number in range(50)])
    writer.write([Hold(START + 4 * DAY + 2 * HOUR, Subject("client", "203.0.113.99"), until=START + 9 * DAY)])
    found = writer.follower()
    found.catch_up()
    return found


def tally(follower: Follower, by: CountBy, limit: int = 100, since: int = START, until: int = START + 30 * DAY) -> Tally:
    """What the keeper answers."""
    found = follower.answer(AskReport(number=3, since=since, until=until, by=by, limit=limit))
    assert (found.number, found.problem) == (3, "")
    assert found.tally is not None
    return found.tally


def rows(found: Tally) -> list[tuple[Any, ...]]:
    """Key, decisions and subjects."""
    return [(row.key, row.decisions, row.subjects) for row in found.rows]


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("day", [("2024-10-04", 1, 1), ("2024-10-05", 1, 1), ("2024-10-06", 1, 1), ("2024-10-07", 1, 1), ("2024-10-08", 3, 3)]),
        ("week", [("2024-09-30", 3, 1), ("2024-10-07", 4, 3)]),
        ("month", [("2024-10", 7, 3)]),
        ("rule", [("dos", 7, 3)]),
        ("protocol", [("imap", 7, 3)]),
        ("network", [("203.0.113.0/24", 6, 2), ("2001:db8:1::/48", 1, 1)]),
        ("client", [("203.0.113.7", 5, 1), ("2001:db8:1:2::9", 1, 1), ("203.0.113.8", 1, 1)]),
        ("account", []),
    ],
)
def test_by_each(follower: Follower, by: CountBy, told: list[tuple[Any, ...]]) -> None:
    found = tally(follower, by)
    assert rows(found) == told
    assert (found.total.decisions, found.total.watched, found.total.subjects) == (7, 0, 3)
    assert found.without == (7 if by == "account" else 0)
    assert found.groups == len(told)
    assert found.begins == START + 7 * SECOND


def test_what_is_behind_the_limit_is_counted(follower: Follower) -> None:
    found = tally(follower, "client", limit=1)
    assert (rows(found), found.groups, found.total.decisions) == ([("203.0.113.7", 5, 1)], 3, 7)
    assert rows(tally(follower, "day", limit=2)) == [("2024-10-07", 1, 1), ("2024-10-08", 3, 3)]


def test_only_the_time_that_is_asked_for(follower: Follower) -> None:
    found = tally(follower, "day", since=START + DAY, until=START + 3 * DAY)
    assert rows(found) == [("2024-10-05", 1, 1), ("2024-10-06", 1, 1)]
    assert tally(follower, "day", since=START + 40 * DAY, until=START + 41 * DAY).total.decisions == 0


def test_gaps_are_told_by_their_day(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.write([connected(START)])
    writer.place += 9
    writer.write([connected(START + DAY)])
    follower = writer.follower()
    follower.catch_up()
    assert [(gap.day, gap.missing) for gap in tally(follower, "rule").gaps] == [("2024-10-05", 9)]


def test_no_history_yet(tmp_path: Path) -> None:
    assert tally(Writer(tmp_path).follower(), "day") == Tally()


def test_accounts_and_what_is_only_watched(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    span = Span(HOUR)
    rule = Rule(name="bounces", counts="message_bounced", on=("smtp",), by="account", threshold=25, window=span, action="alert", hold_for=span)
    writer.write([AdoptRules(START, (rule,))])
    writer.write([succeeded(START, "bob@example.org", Client("192.0.2.1"))])
    writer.write([MessageBounced(START + 1 + number, "mx", "smtp", "", Client("192.0.2.1"), account="bob@example.org") for number in range(25)])
    follower = writer.follower()
    follower.catch_up()
    (row,) = tally(follower, "account").rows
    assert (row.key, row.decisions, row.watched, row.subjects) == ("bob@example.org", 1, 1, 1)
    assert tally(follower, "network").without == 1
