"""The report's page: figures, chart and table, CSV, what is not known, and bad addresses."""

from collections.abc import Iterator

import pytest

from gatepost.admin.pages.bars import HEIGHT, LEAST, MOST_BARS, WIDTH, columns, lines
from gatepost.pipeline.reports import Counted, GapDay, Tally
from tests.admin.consoles import Browser, Served, served, shown
from tests.admin.test_why import Memory


def row(key: str, decisions: int, watched: int = 0) -> Counted:
    """A group."""
    return Counted(key=key, decisions=decisions, watched=watched, subjects=1)


@pytest.fixture(scope="module")
def console() -> Iterator[Served]:
    """A console whose keeper counted."""
    with served() as found:
        memory = found.made.desk.recall = Memory()
        rows = [row("dos", 1500, 1), row("password-brute-force", 500)]
        gaps = [GapDay(day="2027-01-14", missing=17)]
        memory.tally = Tally(begins=found.made.now(), total=row("", 2007, 1), rows=rows, groups=5, without=3, gaps=gaps)
        yield found


@pytest.fixture(scope="module")
def viewer(console: Served) -> Browser:
    """Who may only look."""
    return console.browser("viewer")


def test_figures_chart_table_and_what_is_not_known(viewer: Browser) -> None:
    found = viewer.get("/report?days=14&by=rule")
    said = shown(found).replace("\u202f", " ")
    begins = "The history begins 2027-01-15 08:00:00"
    for words in ("2 007", "2 006", "Decisions by rule", "password-brute-force", "1 499", "17 facts of 2027-01-14", begins):
        assert words in said
    assert "4 decisions more are not in these rows: there are 5 rules in all" in said
    assert "3 decisions name no rule" in said
    assert found.text.count('<rect class="held"') == 2
    assert '<option value="14" selected>' in found.text


def test_the_csv(viewer: Browser) -> None:
    found = viewer.get("/report/export?days=14&by=rule")
    assert found.headers["content-disposition"] == 'attachment; filename="gatepost-report-rule-14d.csv"'
    assert found.headers["content-type"] == "text/csv; charset=utf-8"
    assert found.text.splitlines()[:2] == ['"rule","decisions","watched","subjects"', '"dos",1500,1,1']


@pytest.mark.parametrize("query", ["days=0", "days=401", "days=soon", "by=hour", "days=" + "9" * 5000])
def test_bad_addresses_are_told(viewer: Browser, query: str) -> None:
    for path in ("/report", "/report/export"):
        found = viewer.get(f"{path}?{query}")
        assert (found.status, f"{query[:2]}" in shown(found)) == (200, True)
        assert 'class="trouble"' in found.text


def test_bars_stay_in_their_box_and_none_is_lost() -> None:
    rows = [row("a", 1000), row("b", 1), row("c", 0), row("d", 500, 250)]
    found = columns(rows)
    assert [(bar.held, bar.watched) for bar in found] == [(HEIGHT, 0), (LEAST, 0), (0, 0), (25, 25)]
    for many in (1, 31, 400):
        last = columns([row("x", 1)] * many)[-1]
        assert last.at + last.broad <= WIDTH
    assert columns([]) == []
    assert len(lines([row("x", 1)] * 100)) == MOST_BARS
    assert lines(rows)[3].watched == 25
