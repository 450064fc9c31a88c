"""Which subjects can fire at all.

Job: leave out of a preview, in SQL, the facts of subjects that are too rare to make any of its rules fire, and those that no rule counts. Promise: it
never leaves out a fact that could change a decision: where it cannot know, it keeps. Limits: a bound, not a count: holds, lists and trust are the
engine's business.

N facts within a window of length W lie in two neighbouring slots of that length at most, so one of the two holds half of them. Who never has half a
threshold in a slot cannot fire. What is remembered of good clients is kept for the networks and accounts of those that can.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
from msgspec import Struct, structs

from gatepost.core.counters import KIND_OF, WIDE
from gatepost.core.facts import kind_name
from gatepost.core.rules import Rule
from gatepost.core.spans import DAY

GOOD = "('auth_succeeded', 'message_accepted')"
"""What makes a client or a pair a good one."""
FACTS = "\"at\", kind, protocol, client, account, reason, weight, CASE WHEN kind IN ('rejected', 'connected') THEN detail ELSE '' END"
"""The columns of a fact as it is fed."""

_KEYS = {"client": "client", "wide": "CASE WHEN contains(client, ':') THEN net ELSE client END", "network": "net", "account": "account"}
"""The subject of a fact, by how a rule sees it. An IPv6 client's /64 lies in its /48; a pair's account has all the facts of the pair."""

_OPEN = "coalesce(try_cast(regexp_extract(detail, '\"open\":([0-9]+)', 1) AS INTEGER), 0)"


class Wanted(Struct, frozen=True):
    """Facts that a rule counts, and how many of one subject's it takes at least."""

    kind: str
    key: str
    """One of `_KEYS`."""
    on: tuple[str, ...]
    together: bool
    reason: str
    weighed: bool
    window: int
    threshold: int
    open: int = 0
    """Connections that a fact says are open, at least; where nobody told them, as in files of before, there are none."""

    @property
    def facts(self) -> str:
        """The condition for what is counted."""
        reason = f" AND reason = {_quoted(self.reason)}" if self.reason else ""
        weight = "" if self.kind == "message_accepted" else " AND weight > 0"
        many = f" AND detail <> '{{}}' AND {_OPEN} >= {self.open}" if self.open else ""
        return f"kind = {_quoted(self.kind)} AND protocol IN ({', '.join(map(_quoted, self.on))}){reason}{weight}{many} AND NOT evidence_only"


def wanted(rules: Iterable[Rule]) -> list[Wanted]:
    """What rules count of what happened; holds, which some count too, follow from that."""
    found: dict[Wanted, Wanted] = {}
    for rule in rules:
        if rule.mode != "off" and rule.counts != "held":
            key = "wide" if rule.by == "client" and rule.counts in WIDE else "account" if rule.by == "pair" else rule.by
            weighed = rule.counts in ("auth_failed", "recipients") and rule.distinct in ("", "secrets")
            kind = kind_name(KIND_OF[rule.counts].__name__)
            each = Wanted(kind, key, tuple(rule.on), rule.together, rule.where.reason, weighed, rule.window.us, rule.threshold)
            if rule.counts == "open_connections":  # one fact suffices, in whatever span of time
                each = structs.replace(each, window=DAY, threshold=1, open=rule.threshold)
            # Whoever reaches the higher threshold reaches the lower one, and no weight is below one: a question serves all that ask alike.
            same = structs.replace(each, threshold=0, weighed=False)
            other = found.get(same, each)
            found[same] = structs.replace(each, threshold=min(each.threshold, other.threshold), weighed=each.weighed or other.weighed)
    return list(found.values())


class Sift:
    """The subjects that can fire, as a table of one connection."""

    def __init__(self, database: duckdb.DuckDBPyConnection, rules: Iterable[Rule], on: bool = True) -> None:
        self._database = database
        self._wanted = wanted(rules)
        self._on = on
        database.execute("CREATE OR REPLACE TEMP TABLE hot (kind VARCHAR, subject VARCHAR, name VARCHAR, net VARCHAR)")

    @property
    def each_day(self) -> int:
        """The questions about each day."""
        return sum(each.window <= DAY for each in self._wanted)

    def steps(self, days: Iterable[tuple[int, str]], whole: tuple[str, int, int]) -> Iterator[None]:
        """Finds them; a step is one question. ``days`` are starts and sources, ``whole`` is the source, start and end of all."""
        if not self._on:
            return
        source, since, until = whole
        for each in self._wanted:
            if each.window > DAY and source:
                self._find(each, source, since, until, each.threshold, "")
                yield
        for start, source in days:
            for each in self._wanted:
                if each.window <= DAY:
                    slots = DAY // each.window
                    slot = f', least(("at" - {start}) // {DAY // slots}, {slots - 1})'
                    self._find(each, source, start, start + DAY, -(-each.threshold // 2), slot)
                    yield

    def _find(self, each: Wanted, source: str, since: int, until: int, least: int, slot: str) -> None:
        key = _KEYS[each.key]
        many = "sum(weight)" if each.weighed else "count(*)"
        apart = "" if each.together else ", protocol"
        facts = f'{each.facts} AND "at" >= {since} AND "at" < {until}'
        # Who has too few in the whole span has too few in each slot: that leaves little to look at closely.
        enough = f"SELECT {key} AS name FROM {source} WHERE {facts} GROUP BY name HAVING {many} >= {least}"
        there = f"SELECT name FROM hot WHERE kind = {_quoted(each.kind)} AND subject = {_quoted(each.key)}"
        self._database.execute(
            f"INSERT INTO hot SELECT DISTINCT {_quoted(each.kind)}, {_quoted(each.key)}, name, net FROM ("
            f"SELECT {key} AS name, any_value(net) AS net FROM {source} WHERE {facts} AND {key} IN ({enough}) "
            f"GROUP BY name{apart}{slot} HAVING {many} >= {least}) WHERE name <> '' AND name NOT IN ({there})"
        )

    def condition(self, good_alone: bool = False) -> str:
        """The condition for the facts that are fed; for those of a time before the span, of which only what is good counts."""
        good = f"kind IN {GOOD} AND NOT evidence_only"
        if self._on:
            named = "SELECT name FROM hot WHERE subject = 'account'"
            good += f" AND (net IN (SELECT net FROM hot WHERE subject <> 'account') OR (account <> '' AND account IN ({named})))"
        counted = [f"({each.facts}{self._is_hot(each)})" for each in self._wanted]
        return f"({' OR '.join([f'({good})', *([] if good_alone else dict.fromkeys(counted))])})"

    def _is_hot(self, each: Wanted) -> str:
        if not self._on:
            return ""
        return f" AND {_KEYS[each.key]} IN (SELECT name FROM hot WHERE kind = {_quoted(each.kind)} AND subject = {_quoted(each.key)})"

    def close(self) -> None:
        """Forgets them."""
        self._database.execute("DROP TABLE IF EXISTS hot")


def _quoted(text: Any) -> str:
    return "'" + str(text).replace("'", "''") + "'"
