"""Two sides of a preview, set side by side.

Job: say which subjects one side holds and the other does not, which of them are probably good, and what the history cannot know: gaps, and the spans
in which a subject was really blocked. Promise: bounded, and what is cut is counted. Limits: a block that was imposed is taken as carried out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import duckdb
import msgspec
from msgspec import Struct, field

from gatepost.core.facts import PROTOCOLS
from gatepost.core.spans import DAY
from gatepost.core.subjects import Client, Subject
from gatepost.core.trust import View
from gatepost.keeper.history import day_of
from gatepost.keeper.rows import net_of
from gatepost.keeper.sift import GOOD
from gatepost.pipeline.previews import AskPreview, Blocked, Gap, Hit

MOST_TOLD = 200
"""Of each list."""
MOST_NAMES = 10
"""Accounts of a subject."""
MOST_BLOCKED = 100_000
"""Real blocks that are looked at."""

Source = Callable[[int, int], str]


class Held(Struct):
    """What a side held of a subject."""

    first: int
    until: int = 0
    holds: int = 0
    rules: list[str] = field(default_factory=list)


class Good(Struct):
    """What a subject did well."""

    logins: int = 0
    messages: int = 0
    names: dict[str, None] = field(default_factory=dict)


class Compared(Struct):
    """What is said of both sides."""

    facts: int = 0
    gained: list[Hit] = field(default_factory=list)
    lost: list[Hit] = field(default_factory=list)
    friends: list[Hit] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    days: Counter[str] = field(default_factory=Counter)
    """By day, the subjects that were really blocked."""
    many: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class _Blocks:
    """When which subject was really blocked."""

    def __init__(self, database: duckdb.DuckDBPyConnection, source: str, asked: AskPreview) -> None:
        self.spans: dict[str, list[tuple[int, int]]] = {}
        self.left_out = 0
        protocols = {protocol for rule in (*asked.before, *asked.after) if rule.name in asked.names for protocol in rule.on}
        found: dict[tuple[str, int], list[int]] = {}
        query = f"SELECT kind, \"at\", client, detail FROM {source} WHERE kind IN ('imposed', 'released') AND client <> '' ORDER BY \"at\", place"
        rows = database.execute(query) if source else None
        while rows is not None and (some := rows.fetchmany(5_000)):
            for kind, at, client, detail in some:
                told = msgspec.json.decode(detail, type=_Told)
                key = (client, told.number)
                if kind == "released" and key in found:
                    if not protocols - set(told.released):
                        found[key][1] = min(found[key][1], at)
                elif kind == "imposed" and told.action == "block" and not told.watched and not protocols.isdisjoint(told.protocols):
                    if len(found) < MOST_BLOCKED:
                        found[key] = [told.start, told.until]
                    else:
                        self.left_out += 1
        for (client, _), (start, until) in found.items():
            if start < min(until, asked.until) and until > asked.since:
                self.spans.setdefault(client, []).append((max(start, asked.since), min(until, asked.until)))

    def hid(self, names: Iterable[str], first: int, until: int) -> bool:
        """Whether one of the names was blocked at some time between two."""
        return any(start < until and end > first for name in names for start, end in self.spans.get(name, ()))

    def by_day(self) -> Counter[str]:
        """How many were blocked at some time of each day."""
        days = {(day_of(at), name) for name, spans in self.spans.items() for start, end in spans for at in (*range(start, end, DAY), end - 1)}
        return Counter(day for day, _ in days)

    def longest(self) -> tuple[list[Blocked], int]:
        """The longest spans, and how many there are."""
        found = [(start - end, name, start, end) for name, spans in self.spans.items() for start, end in spans]
        found.sort()
        return [Blocked(subject=name, start=start, until=end) for _, name, start, end in found[:MOST_TOLD]], len(found)


class _Told(Struct):
    """What a row says of a decision."""

    number: int = 0
    action: str = ""
    watched: bool = False
    protocols: tuple[str, ...] = ()
    released: tuple[str, ...] = PROTOCOLS
    start: int = 0
    until: int = 0


def compare(
    database: duckdb.DuckDBPyConnection, source: Source, begins: int, asked: AskPreview, before: Mapping[Subject, Held], after: Mapping[Subject, Held]
) -> Compared:
    """Sets what both sides held side by side. ``source`` says what to select the facts of a span from."""
    everything = source(0, 1 << 62)
    blocks = _Blocks(database, everything, asked)
    good = _good(database, everything, {**before, **after})
    window = max((rule.window.us for rule in (*asked.before, *asked.after) if rule.name in asked.names), default=0)

    def hit(subject: Subject, held: Held) -> Hit:
        did = good.get(subject, Good())
        return Hit(
            subject=subject.text,
            by=subject.by,
            holds=held.holds,
            first=held.first,
            until=held.until,
            rules=tuple(held.rules),
            unknown=blocks.hid(_names(subject), held.first, held.until + window),
            logins=did.logins,
            messages=did.messages,
            accounts=tuple(did.names),
            both=subject in before and subject in after,
        )

    hits = [hit(subject, held) for subject, held in after.items()]
    gained = [each for each in hits if not each.both]
    lost = [hit(subject, held) for subject, held in before.items() if subject not in after]
    friends = [each for each in hits if each.by != "account" and each.logins]
    blocked, many_blocked = blocks.longest()
    gaps = _gaps(database, source(asked.since, asked.until), begins, asked)
    return Compared(
        facts=_count(database, source(asked.since, asked.until), asked),
        gained=_most(gained),
        lost=_most(lost),
        friends=_most(friends),
        gaps=gaps[:MOST_TOLD],
        blocked=blocked,
        days=blocks.by_day(),
        many={
            "gained": len(gained),
            "lost": len(lost),
            "lost_unknown": sum(each.unknown for each in lost),
            "friends": len(friends),
            "friends_gained": sum(not each.both for each in friends),
            "delivered": sum(each.messages > 0 and not each.logins for each in hits),
            "gaps": len(gaps),
            "blocked": many_blocked,
        },
        notes=[f"{blocks.left_out:,} more blocks than are looked at"] if blocks.left_out else [],
    )


def _most(hits: list[Hit]) -> list[Hit]:
    """The probable friends first, then who was held most often."""
    return sorted(hits, key=lambda each: (-min(each.logins, 1), -each.holds, each.first))[:MOST_TOLD]


def _place(subject: Subject) -> str:
    """The address or the prefix of a subject; empty for an account."""
    return "" if subject.by == "account" else subject.text.rpartition(" from ")[2]


def _view(place: str) -> View:
    """How a subject's first address is seen."""
    return View(Client(place.partition("/")[0]), (), False, ())


def _names(subject: Subject) -> tuple[str, ...]:
    """The prefixes under which a subject can have been blocked; none for an account."""
    place = _place(subject)
    if not place or subject.by == "network":
        return (place,)
    return (place, *_view(place).prefixes)


def _good(database: duckdb.DuckDBPyConnection, source: str, held: Mapping[Subject, Held]) -> dict[Subject, Good]:
    """What the held subjects did well in the whole history."""
    found: dict[Subject, Good] = {}
    if not source or not held:
        return found
    nets = {net_of(_place(subject)) for subject in held if subject.by != "account"}
    accounts = [subject.text for subject in held if subject.by == "account"]
    database.execute("CREATE OR REPLACE TEMP TABLE asked_nets AS SELECT unnest(?::VARCHAR[]) AS name", [sorted(nets)])
    database.execute("CREATE OR REPLACE TEMP TABLE asked_accounts AS SELECT unnest(?::VARCHAR[]) AS name", [accounts])
    rows = database.execute(
        f"SELECT client, account, kind, count(*) FROM {source} WHERE kind IN {GOOD} AND NOT evidence_only "
        "AND (net IN (SELECT name FROM asked_nets) OR account IN (SELECT name FROM asked_accounts)) GROUP BY ALL ORDER BY 1, 2, 3"
    )
    while some := rows.fetchmany(5_000):
        for client, account, kind, many in some:
            for subject, other in _subjects(client, account):
                if subject in held:
                    good = found.setdefault(subject, Good())
                    good.logins += many * (kind == "auth_succeeded")
                    good.messages += many * (kind == "message_accepted")
                    if kind == "auth_succeeded" and other and len(good.names) < MOST_NAMES:
                        good.names[other] = None
    return found


def _subjects(client: str, account: str) -> Iterable[tuple[Subject, str]]:
    """The subjects that a log-in can belong to, each with the other side of it."""
    view = _view(client)
    for by, text in (("client", view.client), ("client", view.home), ("network", view.network)):
        yield Subject(by, text), account  # type: ignore[arg-type]
    if account:
        yield Subject("account", account), client
        for place in dict.fromkeys((view.client, view.home)):
            yield Subject("pair", f"{account} from {place}"), account


def _count(database: duckdb.DuckDBPyConnection, source: str, asked: AskPreview) -> int:
    if not source:
        return 0
    row = database.execute(f'SELECT count(*) FROM {source} WHERE weight > 0 AND "at" >= {asked.since} AND "at" < {asked.until}').fetchone()
    return int(row[0]) if row else 0


def _gaps(database: duckdb.DuckDBPyConnection, source: str, begins: int, asked: AskPreview) -> list[Gap]:
    """The spans of which nothing is known: before the history begins, and between the entries around what is missing."""
    known = begins or asked.until
    found = [Gap(start=asked.since, until=min(known, asked.until))] if known > asked.since else []
    if not source:
        return found
    query = f"SELECT place, \"at\", CAST(json_extract(detail, '$.first') AS BIGINT) FROM {source} WHERE kind = 'gap' ORDER BY \"at\" DESC LIMIT 500"
    for place, at, first in database.execute(query).fetchall():
        row = database.execute(f'SELECT max("at") FROM {source} WHERE place >= {first - 100} AND place < {first} AND "at" <= {at}').fetchone()
        start = int(row[0]) if row and row[0] is not None else asked.since
        if at >= asked.since and start < asked.until:
            found.append(Gap(start=max(start, asked.since), until=min(at, asked.until), missing=place - first))
    return found
