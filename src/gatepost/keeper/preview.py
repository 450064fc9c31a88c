"""What other rules would have done: the past through two engines.

Job: feed the facts of the history to an engine with the rules of today and to one with the changed rules, in the order of their times, and set side
by side what follows. Promise: it decides nothing itself; it works in slices, so that its process answers and records meanwhile; memory is bounded.
Limits: both sides have the lists of today, begin with no counts, and do not know what administrators did by hand; each fact takes the place of its
own time, so none is late; secrets are in no history.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from gatepost.core.decisions import Brake, Decision, Effect, Impose
from gatepost.core.deeds import AdoptRules
from gatepost.core.engine import Engine, Limits
from gatepost.core.facts import (
    AuthFailed,
    AuthSucceeded,
    Connected,
    Fact,
    MessageAccepted,
    MessageBounced,
    ProtocolAbused,
    Rejected,
    SessionEnded,
)
from gatepost.core.rules import Rule
from gatepost.core.spans import DAY
from gatepost.core.subjects import Subject
from gatepost.keeper.compare import Held, compare
from gatepost.keeper.history import History, day_of, reading
from gatepost.keeper.sift import FACTS, Sift
from gatepost.pipeline.order import Order
from gatepost.pipeline.previews import AskPreview, Day, Preview, Total

SLICE = 10_000
"""Facts that are fed before something else may be done."""
MOST_SUBJECTS = 50_000
"""Subjects that are told apart on a side."""
LIMITS = Limits(keys=131_072, views=8_192, known=65_536, good=65_536, decisions=100_000)
"""Less than the guard has: there are two of them, and few subjects are left. What they lack is told."""
SIFTING = 30
"""Percent of the way that finding who can fire takes."""


class Side:
    """One set of rules, and what it did; there are none until it begins."""

    def __init__(self, asked: AskPreview) -> None:
        self.order = Order(Engine((), asked.entries, LIMITS))
        self.active: set[str] = set()
        self.rules: Counter[str] = Counter()
        """Decisions of each rule."""
        self.days: Counter[str] = Counter()
        """Decisions of the rules in question by day."""
        self.held: dict[Subject, Held] = {}
        """By subject, what the rules in question held."""
        self.braked: dict[str, int] = {}
        self.left_out = 0
        """Decisions about subjects that there was no room for."""
        self._names = frozenset(asked.names)
        self._since = asked.since
        self._brake = asked.brake

    def begin(self, rules: tuple[Rule, ...]) -> None:
        """Puts the rules in force."""
        self.order.do(AdoptRules(self._since, rules, self._brake))
        self.active = {rule.name for rule in rules if rule.mode != "off"}

    def feed(self, facts: list[Fact]) -> None:
        """Takes facts in."""
        for effects in self.order.report_all(facts):
            for effect in effects:
                self._follow(effect)
        self.order.advance(self.order.engine.newest)

    def _follow(self, effect: Effect) -> None:
        if isinstance(effect, Brake):
            self.braked.setdefault(effect.rule, effect.at)
        elif isinstance(effect, Impose):
            self.rules[effect.decision.rule] += 1
            if effect.decision.rule in self._names:
                self._take(effect.decision)

    def _take(self, decision: Decision) -> None:
        self.days[day_of(decision.start)] += 1
        held = self.held.get(decision.subject)
        if held is None:
            if len(self.held) >= MOST_SUBJECTS:
                self.left_out += 1
                return
            held = self.held[decision.subject] = Held(decision.start)
        held.until = max(held.until, decision.until)
        held.holds += 1
        if decision.rule not in held.rules:
            held.rules.append(decision.rule)


class Work:
    """One preview on its way."""

    def __init__(self, history: History, asked: AskPreview) -> None:
        self.result: Preview | None = None
        self.percent = 0
        self._history = history
        self._asked = asked
        self._database = history.database.cursor()
        self._before, self._after = Side(asked), Side(asked)
        self._reaches = history.reaches()
        self._fed = 0

    def steps(self) -> Iterator[None]:
        """Does the work, a slice at a step; then there is a result. Raises duckdb.Error."""
        asked, start, waited = self._asked, time.monotonic_ns(), 0
        sift = Sift(self._database, dict.fromkeys((*asked.before, *asked.after)), asked.sift)
        for _ in self._all(sift):
            paused = time.monotonic_ns()
            yield
            waited += time.monotonic_ns() - paused
        sift.close()
        result = self._result()
        self.result = msgspec.structs.replace(result, took=(time.monotonic_ns() - start - waited) // 1000)
        self.percent = 100

    def close(self) -> None:
        """Lets go of the database."""
        self._database.close()

    # --- the way through the past

    def _source(self, since: int, until: int) -> str:
        """What to select the facts of a span from; empty where no file has one."""
        paths = [path for first, last, path in self._reaches if first < until and last >= since]
        return reading(paths) if paths else ""

    def _all(self, sift: Sift) -> Iterator[None]:
        asked = self._asked
        days = [(start, self._source(start, start + DAY)) for start in range(asked.since, asked.until, DAY)]
        days = [(start, source) for start, source in days if source]
        for turn, _ in enumerate(sift.steps(days, (self._source(asked.since, asked.until), asked.since, asked.until)), 1):
            self.percent = min(SIFTING, SIFTING * turn // max(1, len(days) * sift.each_day))
            yield
        if earlier := self._source(0, asked.since):  # who was good before is known and good now
            yield from self._feed(earlier, sift.condition(good_alone=True), 0, asked.since)
        self._before.begin(asked.before)
        self._after.begin(asked.after)
        for start, source in days:
            yield from self._feed(source, sift.condition(), start, min(start + DAY, asked.until))

    def _feed(self, source: str, condition: str, since: int, until: int) -> Iterator[None]:
        query = f'SELECT {FACTS} FROM {source} WHERE "at" >= {since} AND "at" < {until} AND {condition} ORDER BY "at", place'
        rows = self._database.execute(query)
        span = max(1, self._asked.until - self._asked.since)
        while found := rows.fetchmany(SLICE):
            facts = [_MAKERS[row[1]](*row) for row in found]
            self._before.feed(facts)
            self._after.feed(facts)
            if since:
                self._fed += len(facts)
                self.percent = SIFTING + (99 - SIFTING) * (facts[-1].at - self._asked.since) // span
            yield

    # --- what came of it

    def _result(self) -> Preview:
        asked, before, after = self._asked, self._before, self._after
        found = compare(self._database, self._source, self._history.begins(), asked, before.held, after.held)
        days = [day_of(at) for at in range(asked.since, asked.until, DAY)]
        return Preview(
            since=asked.since,
            until=asked.until,
            facts=found.facts,
            fed=self._fed,
            days=[Day(day=day, before=before.days[day], after=after.days[day], unknown=found.days[day]) for day in days],
            rules=self._totals(),
            gained=found.gained,
            lost=found.lost,
            friends=found.friends,
            gaps=found.gaps,
            blocked=found.blocked,
            many={"before": len(before.held), "after": len(after.held), **found.many},
            notes=[*_notes(asked.after, asked.names), *found.notes, *self._pressure()],
        )

    def _totals(self) -> list[Total]:
        before, after, names = self._before, self._after, self._asked.names
        others = [name for name in dict.fromkeys((*before.rules, *after.rules)) if name not in names and before.rules[name] != after.rules[name]]
        return [
            Total(
                rule=name,
                before=before.rules[name] if name in before.active else -1,
                after=after.rules[name] if name in after.active else -1,
                braked=after.braked.get(name, 0),
            )
            for name in (*names, *others)
        ]

    def _pressure(self) -> list[str]:
        lost = {name: many for side in (self._before, self._after) for name, many in side.order.engine.pressure.items() if many}
        found = [f"the engines were short of room: {', '.join(f'{many:,} {name}' for name, many in lost.items())} were dropped"] if lost else []
        left_out = max(self._before.left_out, self._after.left_out)
        return [*found, *([f"{left_out:,} holds of more subjects than are told apart are in the days alone"] if left_out else [])]


def _notes(rules: Iterable[Rule], names: Iterable[str]) -> list[str]:
    """What the history cannot know of the rules in question."""
    found = []
    for rule in rules:
        if rule.name in names and rule.distinct == "secrets":
            found.append(f"{rule.name}: no history keeps secrets, so each log-in counts as one of its own: these are the most holds there can be")
        if rule.name in names and rule.counts == "open_connections":
            found.append(f"{rule.name}: only gateways tell how many connections are open: of what logs told, nothing can fire it")
        if rule.name in names and rule.by in ("account", "pair"):
            found.append(f"{rule.name}: what administrators did by hand, and accounts that only later turned out to exist, are not seen")
    return found


# --- facts from rows


def _detail(text: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(text or "{}")
    return found


def _rejected(at: int, kind: str, protocol: Any, client: Any, account: str, reason: str, weight: int, detail: str) -> Fact:
    more = _detail(detail)
    return Rejected(at, "", protocol, "", client, False, more.get("stage", "rcpt"), more.get("code", 0), reason, account)


_MAKERS: dict[str, Callable[..., Fact]] = {
    "connected": lambda at, kind, protocol, client, account, reason, weight, detail: Connected(
        at, "", protocol, "", client, False, 0 if detail == "{}" else _detail(detail).get("open", 0)
    ),
    "session_ended": lambda at, kind, protocol, client, *_: SessionEnded(at, "", protocol, "", client),
    "auth_failed": lambda at, kind, protocol, client, account, reason, weight, _: AuthFailed(
        at, "", protocol, "", client, False, account, "", weight, "", reason
    ),
    "auth_succeeded": lambda at, kind, protocol, client, account, *_: AuthSucceeded(at, "", protocol, "", client, False, account),
    "message_accepted": lambda at, kind, protocol, client, account, reason, weight, _: MessageAccepted(
        at, "", protocol, "", client, False, account, weight
    ),
    "rejected": _rejected,
    "message_bounced": lambda at, kind, protocol, client, account, *_: MessageBounced(at, "", protocol, "", client, False, account),
    "protocol_abused": lambda at, kind, protocol, client, account, reason, *_: ProtocolAbused(at, "", protocol, "", client, False, reason),
}
"""Each kind's fact from a row: only what engines look at."""
