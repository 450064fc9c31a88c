"""How the guard is doing.

Job: one picture of inlets, rules, mirrors, store and pressure, for `gatepost status`, the API and the metrics. Promise: what is decided and what is
enforced stand side by side; what is not fed or not enforced is told with its cure. Limits: looks only.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gatepost.admin.actions.country import country_problems
from gatepost.admin.desk import Desk, Source, unfed
from gatepost.core.counters import KIND_OF
from gatepost.core.countries import CountryPolicy
from gatepost.core.facts import Held, kind_name
from gatepost.core.rules import Rule
from gatepost.core.texts import say
from gatepost.pipeline.mirrors import MirrorState
from gatepost.pipeline.recall import Counts
from gatepost.pipeline.witness import WitnessState


class Feed(Struct, frozen=True, kw_only=True):
    """Whether a rule's protocol gets the facts that it counts."""

    rule: str
    protocol: str
    kind: str
    facts: int
    """Since the start."""
    last: int
    """When the newest was; 0: none yet."""
    mode: str
    inlets: list[str]
    """Where they came from since the start."""


class StoreState(Struct, frozen=True, kw_only=True):
    """How the journal is doing."""

    written: int
    """Entries since the start."""
    waiting: int
    lag_us: int
    """For how long the oldest of them has waited."""
    failures: int
    dropped: int
    problem: str = ""


class Name(Struct, frozen=True, kw_only=True):
    """A host name of the allow list."""

    name: str
    addresses: list[str]
    problem: str = ""


class Status(Struct, frozen=True, kw_only=True):
    """How the guard is doing."""

    ok: bool
    problems: list[str]
    started: int
    now: int
    place: int
    facts: dict[str, int]
    """Since the start, by kind."""
    decisions: dict[str, int]
    """Standing now, by rule; an administrator's under ``administrator``."""
    watched: int
    """Standing now that hold nothing."""
    paused_until: int
    sources: list[Source]
    witnesses: list[WitnessState]
    """Which inlet is believed for which kind of fact; what logs tell of it is evidence only."""
    mirrors: list[MirrorState]
    store: StoreState
    names: list[Name]
    feeds: list[Feed]
    dropped: dict[str, int]
    """What was dropped to stay within limits, or came too late."""
    history: Counts | None = None
    """How the keeper is doing; null where none runs."""
    entries: int
    """Entries of the deny and allow lists, the own ones included."""
    countries: CountryPolicy
    """From which countries one may log in."""
    country_refused: dict[str, int]
    """Log-ins that this refused since the start, by country."""
    country_watched: dict[str, int]
    """Log-ins that it only observed since the start, and would have refused."""


def status(desk: Desk) -> Status:
    """How the guard is doing now."""
    guard, engine, now = desk.guard, desk.guard.order.engine, desk.now()
    standing = guard.standing.tally(now)
    facts: dict[str, int] = {}
    for (kind, _), count in guard.stats.facts.items():
        facts[kind_name(kind.__name__)] = facts.get(kind_name(kind.__name__), 0) + count
    problems = problems_of(desk)
    return Status(
        ok=not problems,
        problems=problems,
        started=desk.started,
        now=now,
        place=guard.order.place,
        facts=facts,
        decisions={rule or "administrator": many for (rule, holds), many in standing.items() if holds},
        watched=sum(many for (_, holds), many in standing.items() if not holds),
        paused_until=engine.paused_until if engine.paused_until > now else 0,
        sources=list(desk.sources()),
        witnesses=guard.witness.state(),
        mirrors=[mirror.state() for mirror in guard.mirrors],
        store=_store(desk),
        names=_names(desk),
        feeds=_feeds(desk),
        dropped=dict(engine.pressure),
        history=desk.recall.counts() if desk.recall else None,
        entries=len(engine.lists.entries),
        countries=engine.countries,
        country_refused={code: count for (code, refused), count in guard.stats.countries.items() if refused},
        country_watched={code: count for (code, refused), count in guard.stats.countries.items() if not refused},
    )


def _store(desk: Desk) -> StoreState:
    journal = desk.guard.journal
    return StoreState(
        written=journal.written,
        waiting=journal.depth,
        lag_us=journal.lag,
        failures=journal.failures,
        dropped=journal.dropped,
        problem=journal.problem,
    )


def _names(desk: Desk) -> list[Name]:
    found: dict[str, list[str]] = {}
    for entry in desk.guard.standing.entries():
        if entry.name:
            found.setdefault(entry.name, []).extend([entry.prefix] if entry.prefix else [])
    return [Name(name=name, addresses=addresses, problem=desk.unresolved.get(name, "")) for name, addresses in found.items()]


def problems_of(desk: Desk) -> list[str]:
    """What needs attention: who has it, a colon, and what it is."""
    mirrors = [mirror.state() for mirror in desk.guard.mirrors]
    found = [
        *desk.problems(),
        *(say("{name}: {problem}", name=source.name, problem=source.problem) for source in desk.sources() if source.problem),
        *(say("{name}: {problem}", name=mirror.name, problem=mirror.problem) for mirror in mirrors if mirror.problem),
        *(say("witness: {problem}; {cure}", problem=each.problem, cure=each.cure) for each in desk.guard.witness.state() if each.problem),
        *desk.unresolved.values(),
        *country_problems(desk),
        *(say("channel {name}: {problem}", name=channel.name, problem=channel.problem) for channel in desk.channels() if channel.problem),
    ]
    found += unfed_rules(desk.guard.order.engine.rules, desk.sources())
    store = _store(desk)
    if store.problem and not any(store.problem in problem for problem in found):
        found.append(say("state: {problem}", problem=store.problem))
    return found


def unfed_rules(rules: Iterable[Rule], sources: Sequence[Source]) -> list[str]:
    """The rules that cannot fire, for no inlet tells what they count."""
    return [say("rule {name}: {problem}", name=rule.name, problem=said) for rule in rules if (said := unfed(rule, sources))]


def _feeds(desk: Desk) -> list[Feed]:
    stats = desk.guard.stats
    found = []
    for rule in desk.guard.order.engine.rules:
        kind = KIND_OF[rule.counts]
        if kind is Held:
            continue  # no inlet feeds it: the engine itself makes these
        for protocol in rule.on:
            count, last = stats.facts[kind, protocol], stats.last.get((kind, protocol), 0)
            inlets = [name.partition(":")[2] or name for name in stats.fed_by.get((kind, protocol), ()) if name]
            name = kind_name(kind.__name__)
            found.append(Feed(rule=rule.name, protocol=protocol, kind=name, facts=count, last=last, mode=rule.mode, inlets=inlets))
    return found
