"""Reports: what the keeper counted, as rows and as CSV; by country, in a time that is filled, and what is left out."""

import csv
import io

import pytest

from gatepost.admin.actions import report as report_module
from gatepost.admin.actions.report import FindReport, cell, csv_of, report, report_csv
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY
from gatepost.pipeline.reports import Counted, Tally
from tests.admin.desks import START, Bench, do
from tests.admin.test_why import Memory

TODAY = START // DAY * DAY
"""Friday, 15 January 2027."""


def row(key: str, decisions: int = 1, watched: int = 0) -> Counted:
    """A group about one subject."""
    return Counted(key=key, decisions=decisions, watched=watched, subjects=1)


@pytest.fixture
def memory(made: Bench) -> Memory:
    """A keeper that has not counted yet."""
    found = made.desk.recall = Memory()
    return found


def test_quiet_days_are_rows_too_but_not_those_before_the_history(made: Bench, memory: Memory) -> None:
    memory.tally = Tally(begins=TODAY - 3 * DAY + 5, total=row("", 3), rows=[row("2027-01-13", 3)], groups=1)
    found = do(report(made.desk, FindReport(days=7, by="day")))
    assert [(each.key, each.decisions) for each in found.rows] == [("2027-01-12", 0), ("2027-01-13", 3), ("2027-01-14", 0), ("2027-01-15", 0)]
    assert (found.since, found.begins, found.left_out, found.without) == (TODAY - 6 * DAY, TODAY - 3 * DAY + 5, 0, 0)
    asked = memory.asked[0]
    assert (asked.since, asked.until, asked.by) == (TODAY - 6 * DAY, START + 1, "day")


def test_weeks_begin_on_monday_and_months_are_whole(made: Bench, memory: Memory) -> None:
    memory.tally = Tally(begins=1, total=row("", 3), rows=[row("2027-01-04", 3)], groups=1)
    weeks = do(report(made.desk, FindReport(days=15, by="week"))).rows
    assert [each.key for each in weeks] == ["2026-12-28", "2027-01-04", "2027-01-11"]
    memory.tally = Tally(begins=1, total=row("", 3), rows=[row("2026-12", 3)], groups=1)
    months = do(report(made.desk, FindReport(days=60, by="month"))).rows
    assert [(each.key, each.decisions) for each in months] == [("2026-11", 0), ("2026-12", 3), ("2027-01", 0)]


def test_clients_are_grouped_by_country_and_the_unknown_are_counted(made: Bench, memory: Memory) -> None:
    made.desk.country = lambda client: {"203.0.113.1": "NL", "203.0.113.2": "NL", "203.0.113.3": "DE", "203.0.113.4": "FR"}.get(client, "")
    rows = [row("203.0.113.1", 6), row("203.0.113.2", 4, 1), row("203.0.113.3", 5), row("203.0.113.4", 1), row("203.0.113.5", 2)]
    memory.tally = Tally(begins=1, total=row("", 40), rows=rows, groups=9, without=3)
    found = do(report(made.desk, FindReport(by="country", limit=2)))
    assert [(each.key, each.decisions, each.watched, each.subjects) for each in found.rows] == [("NL", 10, 1, 2), ("DE", 5, 0, 1)]
    assert found.groups == 3
    assert found.without == 3 + 2  # about an account; nobody knows where .5 is
    assert found.left_out == 1 + (40 - 3 - 18)  # FR; and clients behind those that the keeper told
    assert (memory.asked[0].by, memory.asked[0].limit) == ("client", report_module.MOST_CLIENTS)


def test_no_history_and_no_keeper_are_told(made: Bench) -> None:
    with pytest.raises(BadInputError, match=r"history: none is kept here"):
        do(report(made.desk, FindReport()))
    made.desk.recall = Memory()
    with pytest.raises(BadInputError, match="history: the keeper is not running"):
        do(report_csv(made.desk, FindReport()))


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(made: Bench, memory: Memory, text: str) -> None:
    memory.tally = Tally(begins=1, total=row("", 9), rows=[row(text, 2)], groups=4, without=3)
    told = do(report_csv(made.desk, FindReport(by="account")))
    shown = text.replace("\t", "\\t").replace("\r", "\\r").replace("\n", "\\n")
    lines = list(csv.reader(io.StringIO(told, newline="")))
    assert lines == [["account", "decisions", "watched", "subjects"], [f"'{shown}", "2", "0", "1"], ["(not shown)", "4", "", ""],
                     ["(no account)", "3", "", ""]]  # fmt: skip


def test_other_cells_stay_as_they_are(made: Bench, memory: Memory) -> None:
    memory.tally = Tally(begins=1, total=row("", 2), rows=[row('bob, "the" user', 2)], groups=1)
    assert csv_of(do(report(made.desk, FindReport(by="account")))) == '"account","decisions","watched","subjects"\n"bob, ""the"" user",2,0,1\n'
    assert (cell("a=1"), cell("\udcff\x1bé")) == ("a=1", "\\udcff\\x1bé")
