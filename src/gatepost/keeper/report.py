"""Decisions of a time, counted.

Job: answer `AskReport` from the files. Promise: every answer is bounded, and every count behind it is made by aggregates that DuckDB can put
on disk, so that its bound of memory holds. Limits: what waits must have been written before.
"""

from typing import Any

from gatepost.keeper.history import History
from gatepost.pipeline.reports import TIMES, AskReport, CountBy, Counted, GapDay, Tally

MOST_GAPS = 400
"""Days with gaps that are told: more than a history has."""

_TIME = 'make_timestamp("at")'
_KEYS: dict[CountBy, str] = {
    "day": f"strftime({_TIME}, '%Y-%m-%d')",
    "week": f"strftime(date_trunc('week', {_TIME}), '%Y-%m-%d')",
    "month": f"strftime({_TIME}, '%Y-%m')",
    "rule": "rule",
    "protocol": "protocol",
    "network": "CASE WHEN net <> '' THEN net ELSE client END",
    "account": "account",
    "client": "client",
}
_WATCHED = "coalesce(json_extract_string(detail, '$.watched') = 'true', false)::INTEGER"
_DECIDED = f'"at", protocol, reason AS rule, client, account, net, {_WATCHED} AS watched'


class Reports:
    """Counts in a history."""

    def __init__(self, history: History) -> None:
        self._history = history

    def tally(self, asked: AskReport) -> Tally:
        """What is known of a time."""
        try:
            source = self._history.source(asked.since)
        except LookupError:
            return Tally()
        database = self._history.database
        span = [asked.since, asked.until]
        within = f'FROM {source} WHERE "at" >= ? AND "at" < ?'
        database.execute(f"CREATE OR REPLACE TEMP TABLE decided AS SELECT {_DECIDED} {within} AND kind = 'imposed' AND reason <> ''", span)
        try:
            return self._tally(asked, self._gaps(within, span))
        finally:
            database.execute("DROP TABLE decided")

    def _tally(self, asked: AskReport, gaps: list[GapDay]) -> Tally:
        (total,) = self._rows("SELECT '', coalesce(sum(many), 0), coalesce(sum(watched), 0), count(*) FROM (" + _by_subject("''") + ")")
        key = _KEYS[asked.by]
        sums = "sum(many) AS many, sum(watched) AS watched, count(*) AS subjects"
        grouped = f"SELECT key, {sums} FROM ({_by_subject(key)}) WHERE key <> '' GROUP BY key"
        order = "key DESC" if asked.by in TIMES else "many DESC, key"
        rows = self._rows(f"{grouped} ORDER BY {order} LIMIT {asked.limit}")
        if asked.by in TIMES:
            rows.reverse()
        (groups, inside) = self._one(f"SELECT count(*), coalesce(sum(many), 0) FROM ({grouped})")
        return Tally(begins=self._history.begins(), total=total, without=total.decisions - int(inside), groups=int(groups), rows=rows, gaps=gaps)

    def _gaps(self, within: str, span: list[int]) -> list[GapDay]:
        missing = "sum(CAST(json_extract(detail, '$.missing') AS BIGINT))"
        found = f"SELECT {_KEYS['day']}, {missing} {within} AND kind = 'gap' GROUP BY 1 ORDER BY 1 DESC LIMIT {MOST_GAPS}"
        return [GapDay(day=day, missing=int(many or 0)) for day, many in self._history.database.execute(found, span).fetchall()][::-1]

    def _rows(self, query: str) -> list[Counted]:
        found = self._history.database.execute(query).fetchall()
        return [Counted(key=key, decisions=int(many), watched=int(watched), subjects=subjects) for key, many, watched, subjects in found]

    def _one(self, query: str) -> tuple[Any, ...]:
        return self._history.database.execute(query).fetchone() or (0, 0)


def _by_subject(key: str) -> str:
    """The decisions of each group about each subject: counted twice over, no set of subjects must be in memory."""
    return f"SELECT {key} AS key, client, account, count(*) AS many, sum(watched) AS watched FROM decided GROUP BY 1, 2, 3"
