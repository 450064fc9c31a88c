"""Why: what is known of a client, a network or an account.

Job: put together what the engine knows now (decisions, windows, list entries, what would be answered) and what the history knows of the past, and
take a subject out of both. Promise: without a history the engine's part is told all the same, and that there is none is said. Limits: decides
nothing; names of accounts that do not exist are in no history as they were typed.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from gatepost.admin.actions.blocks import Block, block_of, subject_of
from gatepost.admin.actions.neighbours import touches_of
from gatepost.admin.desk import Desk, Who
from gatepost.core.access import Entry
from gatepost.core.decisions import QUESTION_STAGES, Allow, Decision, Delay, Question, QuestionStage
from gatepost.core.deeds import Forget
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.subjects import Client, Subject, network
from gatepost.core.texts import say
from gatepost.core.trust import View
from gatepost.pipeline.recall import AskForget, AskWhy, Past, RecallError
from gatepost.stores.contract import Audit, StoreError

AUDITS = 1_000
"""Lines of the audit trail that are looked through."""


class Fill(Struct, frozen=True, kw_only=True):
    """How far a rule has counted a subject."""

    rule: str
    protocols: tuple[str, ...]
    by: str
    subject: str
    counts: str
    count: int
    threshold: int
    window: str
    mode: str


LOGIN_STAGES: tuple[QuestionStage, ...] = ("connect", "login")
"""Nobody hands messages in by the other protocols."""


class Answered(Struct, frozen=True, kw_only=True):
    """What would be answered now."""

    protocol: str
    stage: QuestionStage
    verdict: str
    """allow, delay or refuse; at stage relay ``no leave`` where no entry with the relay box covers it: then the server's own rules decide."""
    reason: str = ""
    """The rule, ``denied``, ``administrator``, ``country``, or the allow entry that says so; and, where the policy of countries only observes, which
    country it would refuse."""
    country: str = ""
    """The country for which the policy refuses it, or, with the verdict allow, would refuse it, did it enforce."""


class Line(Struct, frozen=True, kw_only=True):
    """A list entry that covers the subject."""

    entry: Entry
    in_force: bool


class Why(Struct, frozen=True, kw_only=True):
    """All that is known of a subject."""

    subject: str
    by: str
    now: int
    standing: list[Block]
    fills: list[Fill]
    """The rules that have counted it, the nearest to their threshold first."""
    entries: list[Line]
    """The list entries that cover it, the most specific first."""
    grace_until: int
    known: list[str]
    """For an account: where it logs in from; for a client: whether it did good lately (``good``)."""
    answers: list[Answered]
    past: Past
    no_past: str
    """Why there is no history; empty where there is."""
    audits: list[Audit]
    """What administrators did to it, newest first."""


class Forgotten(Struct, frozen=True, kw_only=True):
    """What was taken out of the history."""

    subject: str
    forgotten: int
    """Rows of history and log lines of the journal."""


async def why(desk: Desk, text: str) -> Why:
    """All that is known of the subject that a text names. Raises BadInputError where it names none."""
    subject, now = subject_of(desk, text), desk.now()
    engine = desk.guard.order.engine
    view = engine.view(Client(subject.text)) if subject.by == "client" else None
    standing = await _standing(desk, subject, view, now)
    names = view.prefixes if view else (f"account {subject.text}",) if subject.by == "account" else (subject.text,)
    past, no_past = await _past(desk, subject, view, standing)
    return Why(
        subject=subject.text,
        by=subject.by,
        now=now,
        standing=[block_of(each) for each in reversed(standing)],
        fills=_fills(desk, subject, view, now),
        entries=[Line(entry=each, in_force=each.in_force(now)) for each in _entries(desk, subject, view)],
        grace_until=max((engine.graces.get(name, 0) for name in names), default=0),
        known=_known(desk, subject, view, now),
        answers=[] if subject.by == "account" else _answers(desk, subject, now),
        past=past,
        no_past=no_past,
        audits=await asyncio.to_thread(_audits, desk, subject.text),
    )


async def forget(desk: Desk, who: Who, text: str) -> Forgotten:
    """Forgets a subject: counts, known places, history, log lines. A standing hold stays.

    Raises BadInputError, before anything is forgotten, where no keeper answers.
    """
    subject = subject_of(desk, text)
    if subject.by == "pair":
        raise BadInputError(say("subject: forget the client or the account; what both did together cannot be told apart in log lines"))
    if desk.recall is None:
        raise BadInputError(say("history: none is kept here ([history] days = 0), so there is nothing to forget"))
    if desk.recall.counts() is None:
        raise BadInputError(say("history: the keeper does not answer now; try again in a moment"))
    await desk.do(Forget(desk.now(), subject), who, "history.forget", subject.text)
    client, net, account = _named(subject)
    asked = AskForget(client=client, network=net, account=account)
    try:
        many = await desk.recall.forget(asked)
    except RecallError as wrong:
        raise BadInputError(say("history: {wrong}", wrong=str(wrong))) from None
    return Forgotten(subject=subject.text, forgotten=many)


async def _past(desk: Desk, subject: Subject, view: View | None, standing: list[Decision]) -> tuple[Past, str]:
    if desk.recall is None:
        return Past(), say("no history is kept here ([history] days = 0)")
    evidence = tuple(each.evidence for each in reversed(standing))
    client, net, account = _named(subject)
    asked = AskWhy(client=client, network=net, account=account, prefixes=view.prefixes if view else (), evidence=evidence)
    try:
        return await desk.recall.why(asked), ""
    except RecallError as wrong:
        return Past(), str(wrong)


def _named(subject: Subject) -> tuple[str, str, str]:
    """A subject as client, network and account; a pair is two of them."""
    account, _, place = subject.text.rpartition(" from ")
    if subject.by == "pair":
        return ("", place, account) if "/" in place else (place, "", account)
    return tuple(subject.text if subject.by == by else "" for by in ("client", "network", "account"))  # type: ignore[return-value]


async def _standing(desk: Desk, subject: Subject, view: View | None, now: int) -> list[Decision]:
    """The decisions about a subject; whoever waits goes on between two slices of them."""
    concerns = _concerns(subject, view)
    found: list[Decision] = []
    for some in desk.guard.standing.slices(now):
        found += [each for each in some if concerns(each.subject)]
        await asyncio.sleep(0)
    return found


def _concerns(subject: Subject, view: View | None) -> Callable[[Subject], bool]:
    """Tells whether what is held concerns a subject: itself, a network around a client, a client in a network, a pair of either."""
    if subject.by == "account":
        return lambda held: held == subject or (held.by == "pair" and held.text.rpartition(" from ")[0] == subject.text)
    if subject.by == "pair":
        return lambda held: held == subject
    if view is not None:
        prefixes = frozenset(view.prefixes)
        return lambda held: held.by != "account" and (held.text.rpartition(" from ")[2] if held.by == "pair" else held.text) in prefixes
    touches = touches_of(network(subject.text))
    return lambda held: held.by != "account" and touches(held.text.rpartition(" from ")[2])


def _fills(desk: Desk, subject: Subject, view: View | None, now: int) -> list[Fill]:
    found = []
    for counter in desk.guard.order.engine.counters:
        rule, key = counter.rule, subject.text
        if view is not None and rule.by == "client":
            key = view.wide if counter.wide else view.client
        elif view is not None and rule.by == "network":
            key = view.network
        elif rule.by != subject.by:
            continue
        count = counter.windows.fill(key, now)
        if count:
            found.append(
                Fill(
                    rule=rule.name,
                    protocols=counter.protocols,
                    by=rule.by,
                    subject=key,
                    counts=f"distinct {rule.distinct}" if rule.distinct else rule.counts,
                    count=count,
                    threshold=rule.threshold,
                    window=str(rule.window),
                    mode=rule.mode,
                )
            )
    return sorted(found, key=lambda each: -each.count / each.threshold)


def _entries(desk: Desk, subject: Subject, view: View | None) -> tuple[Entry, ...]:
    if view is not None:
        return view.entries
    if subject.by != "network":
        return ()
    net = network(subject.text)
    return desk.guard.order.engine.lists.covering(net.version, int(net.network_address))


def _known(desk: Desk, subject: Subject, view: View | None, now: int) -> list[str]:
    engine = desk.guard.order.engine
    if view is not None:
        return ["good"] if engine.good.has(view.client, now) else []
    if subject.by != "account":
        return []
    ending = f" {subject.text}"
    return [name[: -len(ending)] for name in list(engine.known.pairs.last) if name.endswith(ending) and engine.known.pairs.has(name, now)][:20]


def _answers(desk: Desk, subject: Subject, now: int) -> list[Answered]:
    client, net, account = _named(subject)
    first = Client(str(network(client or net).network_address))
    found = []
    for protocol in PROTOCOLS:
        for stage in QUESTION_STAGES if protocol == "smtp" else LOGIN_STAGES:
            verdict = desk.guard.why(Question(now, first, protocol, stage, account))
            if isinstance(verdict, Allow):
                word = "no leave" if stage == "relay" and not verdict.grants_relay else "allow"
                against = f"would refuse country {verdict.watched}" if verdict.watched else ""
                reason = "; ".join(each for each in (str(verdict.entry or ""), against) if each)
                said = Answered(protocol=protocol, stage=stage, verdict=word, reason=reason, country=verdict.watched)
            elif isinstance(verdict, Delay):
                said = Answered(protocol=protocol, stage=stage, verdict="delay", reason=verdict.decision.rule)
            else:
                said = Answered(protocol=protocol, stage=stage, verdict="refuse", reason=verdict.reason, country=verdict.country)
            found.append(said)
    return found


def _audits(desk: Desk, text: str) -> list[Audit]:
    """Who did what to a subject; read in a thread of its own."""
    try:
        return [line for _, line in desk.store.audit(AUDITS) if line.subject == text][:20]
    except StoreError:
        return []
