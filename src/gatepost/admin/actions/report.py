"""Report: what rules decided in a time, counted.

Job: have the keeper count decisions by period, rule, country, network, account or protocol, and give the answer as rows or as CSV. Promise: rows are
bounded, and what is not in them is counted; what the history does not hold is said; no cell of the CSV is a formula. Limits: a decision names an
account where its rule counts accounts; a country is looked up for the clients with the most decisions alone.
"""

import asyncio
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from gatepost.admin.desk import Desk
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, SECOND
from gatepost.core.texts import say
from gatepost.pipeline.recall import RecallError
from gatepost.pipeline.reports import MOST_DAYS, MOST_ROWS, TIMES, AskReport, By, Counted, GapDay, Tally

MOST_CLIENTS = 10_000
"""Clients whose country is looked up: those with the most decisions."""
LIVELY = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet takes for a formula, or strips until it is one."""


class FindReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which decisions, counted by what."""

    days: Annotated[int, Meta(title="Days", description="How many days back, today included.", ge=1, le=MOST_DAYS)] = 7
    by: Annotated[By, Meta(title="By", description="What they are counted by.")] = "day"
    limit: Annotated[int, Meta(title="Rows", description="Rows at most; days, weeks and months come all.", ge=1, le=MOST_ROWS)] = 100


class Report(Struct, frozen=True, kw_only=True):
    """The decisions that rules made, counted."""

    now: int
    days: int
    by: By
    since: int
    """The start of the first day, in UTC."""
    begins: int
    """How far back the history goes; where it is later than ``since``, nothing is known of the time before it. 0: it is empty."""
    total: Counted
    rows: list[Counted]
    """Those with the most decisions first; days, weeks and months in their order, those without a decision too."""
    groups: int
    """How many rows there are, with those that are not told."""
    left_out: int
    """Decisions in rows that are not told, and, by country, those about clients that were not looked up."""
    without: int
    """Decisions that are in no row: they name no account, or their country is not known."""
    gaps: list[GapDay]
    """Days of which something is in no history."""


async def report(desk: Desk, asked: FindReport) -> Report:
    """The report. Raises BadInputError where no history is kept, or no keeper answers."""
    if desk.recall is None:
        raise BadInputError(say("history: none is kept here ([history] days = 0), so there is nothing to report"))
    now = desk.now()
    since = (now // DAY - asked.days + 1) * DAY
    limit = MOST_CLIENTS if asked.by == "country" else MOST_DAYS if asked.by in TIMES else asked.limit
    try:
        tally = await desk.recall.report(AskReport(since=since, until=now + 1, by="client" if asked.by == "country" else asked.by, limit=limit))
    except RecallError as wrong:
        raise BadInputError(say("history: {wrong}", wrong=str(wrong))) from None
    rows, groups, without = tally.rows, tally.groups, tally.without
    if asked.by == "country":
        countries = await asyncio.to_thread(_by_country, tally, desk.country)
        rows, groups = countries[: asked.limit], len(countries)
        without += _decisions(tally.rows) - _decisions(countries)
    elif asked.by in TIMES:
        rows = _filled(asked.by, tally, since, now)
        groups = len(rows)
    return Report(
        now=now,
        days=asked.days,
        by=asked.by,
        since=since,
        begins=tally.begins,
        total=tally.total,
        rows=rows,
        groups=groups,
        left_out=tally.total.decisions - without - _decisions(rows),
        without=without,
        gaps=tally.gaps,
    )


async def report_csv(desk: Desk, asked: FindReport) -> str:
    """The report as CSV (RFC 4180, with plain line ends). Raises BadInputError as `report` does."""
    return csv_of(await report(desk, asked))


def csv_of(found: Report) -> str:
    """A report as CSV; what its rows leave out stands in rows of its own at the end."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # whatever parts cells where it is read, no text is two
    rows.writerow((found.by, "decisions", "watched", "subjects"))
    rows.writerows((cell(row.key), row.decisions, row.watched, row.subjects) for row in found.rows)
    if found.left_out:
        rows.writerow(("(not shown)", found.left_out, "", ""))
    if found.without:
        rows.writerow((f"(no {found.by})", found.without, "", ""))
    return out.getvalue()


def cell(text: str) -> str:
    """A text that a spreadsheet takes for text, and a terminal too: what does not show is told as its code."""
    told = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return f"'{told}" if text.startswith(LIVELY) else told


def _by_country(tally: Tally, country: Callable[[str], str]) -> list[Counted]:
    found: dict[str, list[Counted]] = {}
    for row in tally.rows:
        if code := country(row.key):
            found.setdefault(code, []).append(row)
    return sorted((_sum(code, rows) for code, rows in found.items()), key=lambda row: (-row.decisions, row.key))


def _sum(key: str, rows: Sequence[Counted]) -> Counted:
    watched, subjects = sum(row.watched for row in rows), sum(row.subjects for row in rows)
    return Counted(key=key, decisions=_decisions(rows), watched=watched, subjects=subjects)


def _decisions(rows: Sequence[Counted]) -> int:
    return sum(row.decisions for row in rows)


def _filled(by: By, tally: Tally, since: int, now: int) -> list[Counted]:
    """A row for each day, week or month from which the history is, quiet ones too."""
    there = {row.key: row for row in tally.rows}
    first = max(since, tally.begins) if tally.begins else now
    keys = dict.fromkeys(key_of(by, day) for day in _days(first, now))
    return [there.get(key) or Counted(key=key, decisions=0, watched=0, subjects=0) for key in sorted(keys | dict.fromkeys(there))]


def _days(first: int, last: int) -> Iterator[date]:
    day, end = day_of(first), day_of(last)
    while day <= end:
        yield day
        day += timedelta(days=1)


def day_of(at: int) -> date:
    """The day of a time, in UTC."""
    return datetime.fromtimestamp(at // SECOND, UTC).date()


def key_of(by: By, day: date) -> str:
    """The day, the Monday of its week, or its month."""
    if by == "month":
        return f"{day:%Y-%m}"
    return str(day - timedelta(days=day.weekday()) if by == "week" else day)
