"""Report: what was decided in a time, by day, rule, country and so on.

Job: the figures, a bar chart and its table, on a page that prints well, and the same as CSV. Promise: the same answer as `gatepost report`; the
address names period and grouping. Limits: actions/ does the work.
"""

from typing import get_args

import msgspec
from msgspec import Struct
from starlette.responses import Response

from gatepost.admin.actions.report import FindReport, Report, csv_of, day_of
from gatepost.admin.actions.report import report as ask
from gatepost.admin.pages import bars
from gatepost.admin.pages.visit import Visit, link
from gatepost.core.faults import BadInputError
from gatepost.core.texts import Text, say
from gatepost.pipeline.reports import MOST_ROWS, TIMES, By
from gatepost.wire.explain import explain

PERIODS = (1, 7, 14, 31, 92, 366)
"""Days that are offered."""
ROWS = 100


class Names(Struct, frozen=True):
    """How a grouping is called: over its figures, over its column, and one or many of what it counts by."""

    title: Text
    head: Text
    one: Text
    many: Text


NAMES: dict[By, Names] = {
    "day": Names(say("Decisions by day"), say("Day"), say("day"), say("days")),
    "week": Names(say("Decisions by week"), say("Week"), say("week"), say("weeks")),
    "month": Names(say("Decisions by month"), say("Month"), say("month"), say("months")),
    "rule": Names(say("Decisions by rule"), say("Rule"), say("rule"), say("rules")),
    "protocol": Names(say("Decisions by protocol"), say("Protocol"), say("protocol"), say("protocols")),
    "country": Names(say("Decisions by country"), say("Country"), say("country"), say("countries")),
    "network": Names(say("Decisions by network"), say("Network"), say("network"), say("networks")),
    "account": Names(say("Decisions by account"), say("Account"), say("account"), say("accounts")),
}


def _find(visit: Visit, limit: int) -> FindReport:
    wishes = {name: visit.asked(name) for name in ("days", "by") if visit.asked(name)} | {"limit": limit}
    try:
        return msgspec.convert(wishes, FindReport, strict=False)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(wrong, FindReport, wishes)[0]) from None


async def show(visit: Visit) -> Response:
    """The page."""
    asked, found, problem = FindReport(), None, ""
    try:
        asked = _find(visit, ROWS)
        found = await ask(visit.desk, asked)
    except BadInputError as wrong:
        problem = str(wrong)
    return visit.render(
        "report.html",
        asked=asked,
        found=found,
        problem=problem,
        first=day_of(found.since) if found else "",
        last=day_of(found.now) if found else "",
        periods=sorted({*PERIODS, asked.days}),
        groupings=get_args(By),
        names=NAMES[asked.by],
        times=asked.by in TIMES,
        rules={rule.name for rule in visit.desk.guard.order.engine.rules},
        bars=_bars(found),
        most=bars.most_of(found.rows) if found else 0,
        width=bars.WIDTH,
        height=bars.HEIGHT,
        csv=link("/report/export", days=asked.days, by=asked.by),
    )


def _bars(found: Report | None) -> list[bars.Bar]:
    if found is None or not found.total.decisions:
        return []
    return bars.columns(found.rows) if found.by in TIMES else bars.lines(found.rows)


async def export(visit: Visit) -> Response:
    """The same as CSV, with all rows that there can be."""
    try:
        asked = _find(visit, MOST_ROWS)
        text = csv_of(await ask(visit.desk, asked))
    except BadInputError:
        return await show(visit)
    name = f"gatepost-report-{asked.by}-{asked.days}d.csv"
    return Response(text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'})
