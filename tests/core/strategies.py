"""Random rules, lists and histories for the proofs of the engine.

Job: strategies that fire often: few clients that share networks, few accounts, small thresholds and windows, facts in bursts, late arrivals and
clock steps. Promise: every rule and every pair of lists that they draw is valid. Limits: times start at `BASE`; a history is short.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct, structs

from gatepost.core.access import Entry, check_entries
from gatepost.core.decisions import QUESTION_STAGES, Question
from gatepost.core.deeds import AdoptLists, AdoptRules, AnyDeed, Forget, Hold, Lift, Pause
from gatepost.core.facts import (
    PROTOCOLS,
    REASONS,
    STAGES,
    AnyFact,
    AuthFailed,
    AuthSucceeded,
    Connected,
    MessageAccepted,
    MessageBounced,
    Protocol,
    ProtocolAbused,
    Refused,
    Rejected,
    SessionEnded,
)
from gatepost.core.rules import Rule, Where
from gatepost.core.spans import DAY, HOUR, MINUTE, SECOND, Span
from gatepost.core.subjects import Client, Subject, pair, wider

BASE = 1_700_000_000 * SECOND
CLIENTS = tuple(map(Client, ("192.0.2.1", "192.0.2.2", "192.0.3.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db8:1::1", "10.0.0.1")))
ACCOUNTS = ("a@x", "b@x", "a@x from 192.0.2.1", "192.0.2.1")
"""Two names, and two that would be mistaken for a pair and an address where kinds of subject are not told apart."""
NETWORKS = ("192.0.2.0/24", "192.0.2.0/28", "192.0.2.2", "192.0.0.0/16", "0.0.0.0/0", "2001:db8::/48", "2001:db8::/64", "2001:db8::/32", "::/0")
SMTP_ONLY = ("bad_session", "message_accepted", "recipients", "rejected", "message_bounced")
NAMELESS = ("connected", "bad_session", "protocol_abused")


def some(*values: Any) -> st.SearchStrategy[Any]:
    """One of the values; the first is the simplest."""
    return st.sampled_from(values)


def times(*values: int) -> st.SearchStrategy[Span]:
    """One of some spans, in seconds."""
    return st.sampled_from([Span(value * SECOND) for value in values])


@st.composite
def rules(draw: st.DrawFn, name: str) -> Rule:
    """A valid rule that fires soon."""
    counts = draw(
        some(
            "connected",
            "auth_failed",
            "held",
            "bad_session",
            "rejected",
            "protocol_abused",
            "recipients",
            "message_accepted",
            "message_bounced",
            "auth_succeeded",
        )
    )
    on = ("smtp",) if counts in SMTP_ONLY else draw(some(("smtp", "imap"), ("imap",), ("smtp",), ("imap", "smtp", "http")))
    by = draw(some("client", "network") if counts in NAMELESS else some("client", "account", "network", "pair"))
    threshold = draw(some(2, 1, 3, 4))
    distinct, least = "", 0
    if by in ("client", "network") and counts not in NAMELESS:
        distinct = draw(some("", "accounts"))
    if by in ("network", "account") and not distinct:
        distinct = draw(some("", "clients"))
    if counts == "auth_failed" and not distinct:
        distinct = draw(some("", "secrets"))
    if by in ("network", "account") and not distinct:
        least = min(threshold, draw(some(0, 2, 3)))
    reason = draw(some("", *REASONS[counts][:2])) if counts in REASONS else ""
    where = Where(reason=reason)
    if counts == "rejected":
        where = Where(reason=reason, stage=draw(some("", "rcpt", "data")), code=draw(some(0, 5, 550)))
    return Rule(
        name=name,
        counts=counts,
        where=where,
        on=on,
        together=draw(some(False, True)),
        by=by,
        distinct=distinct,  # type: ignore[arg-type]
        threshold=threshold,
        min_clients=least,
        window=draw(times(60, 1, 10, 600, 86400)),
        action=draw(some("block", "block", "delay", "alert")),
        delay=draw(times(5, 1, 9)),
        hold_for=draw(times(60, 1, 10, 600, 3600, 86400)),
        scope=draw(some("protocol", "logins", "everything")),
        mode=draw(some("enforce", "enforce", "enforce", "observe", "off")),
        forgive_known=draw(some(False, True)),
    )


RULE_SETS = st.integers(1, 4).flatmap(lambda many: st.tuples(*[rules(f"rule-{number}") for number in range(many)]))

PREFIXES = (
    "192.0.2.1",
    "192.0.2.0/24",
    "192.0.2.1-192.0.2.9",
    "192.0.3.1",
    "192.0.0.0/16",
    "10.0.0.0/8",
    "2001:db8::1",
    "2001:db8::/64",
    "2001:db8::/48",
    "2001:db8:1::1",
    "2001:db8::",
    "2001:db8::/32",
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """A valid entry."""
    verb = draw(some("allow", "deny"))
    box = draw(some("detection", "logins", "relay", "logins relay", "detection relay")) if verb == "allow" else "detection"
    return Entry(
        verb=verb,
        prefix=draw(some(*PREFIXES)),
        protocols=draw(some((), ("smtp",), ("imap",))),
        detection="detection" in box,
        logins="logins" in box,
        relay="relay" in box,
        expires=draw(some(0, 0, BASE + MINUTE, BASE + HOUR)),
    )


def _compatible(found: list[Entry]) -> tuple[Entry, ...]:
    """The entries without those that contradict an earlier one."""
    kept: list[Entry] = []
    for entry in found:
        try:
            check_entries([*kept, entry])
        except ValueError:
            continue
        kept.append(entry)
    return tuple(kept)


LISTS = st.lists(entries(), max_size=4).map(_compatible)


class Now(Struct, frozen=True):
    """Moments of a history besides its entries: what ran out is asked for, or the engine is dumped and loaded."""

    what: str


Item = AnyFact | AnyDeed | Question | Now


class Step(Struct, frozen=True):
    """The clock moves by ``step``, then an item comes, ``repeat`` times, every ``step``, ``late`` microseconds after it happened."""

    step: int
    late: int
    repeat: int
    item: Any


PROTOCOL: st.SearchStrategy[Protocol] = some("smtp", "smtp", "imap", "imap", "http")


def _seen(kind: type, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A fact of a kind, its time left open."""
    evidence = st.just(False) | st.just(False) | some(False, False, True)
    return st.builds(
        kind, at=st.just(0), host=st.just("mx"), protocol=PROTOCOL, service=st.just(""), client=some(*CLIENTS), evidence_only=evidence, **more
    )


ACCOUNT = some("a@x", "", *ACCOUNTS)
FACTS: tuple[st.SearchStrategy[Any], ...] = (
    _seen(Connected),
    _seen(AuthFailed, account=ACCOUNT, secret=some("", "s", "t"), weight=some(1, 1, 2, 5, 0), reason=some("password", "unknown_user", "")),
    _seen(AuthSucceeded, account=ACCOUNT),
    _seen(SessionEnded, messages=some(0, 0, 0, 1), server_at_fault=some(False, False, True), refused=some(False, False, True)),
    _seen(MessageAccepted, account=ACCOUNT, recipients=some(1, 2, 5, 0)),
    _seen(Rejected, stage=some("rcpt", *STAGES), code=some(550, 450, 554, 0), reason=some("unknown_user", "relay_denied"), account=ACCOUNT),
    _seen(MessageBounced, account=ACCOUNT),
    _seen(ProtocolAbused, reason=some("pregreet", "non_smtp_command")),
    _seen(Refused),
)

SUBJECTS: st.SearchStrategy[Subject] = st.one_of(
    some(*CLIENTS).map(lambda client: Subject("client", client)),
    some(*(client for client in CLIENTS if ":" in client)).map(lambda client: Subject("client", wider(client, 24, 64))),
    some(*ACCOUNTS).map(lambda account: Subject("account", account)),
    st.tuples(some(*ACCOUNTS), some(*CLIENTS)).map(lambda both: Subject("pair", pair(*both))),
    some(*NETWORKS).map(lambda text: Subject("network", text)),
)
LENGTHS = some(MINUTE, SECOND, 10 * SECOND, HOUR)
DEEDS: tuple[st.SearchStrategy[Any], ...] = (
    st.builds(AdoptRules, at=st.just(0), rules=RULE_SETS, brake=some(True, False)),
    st.builds(AdoptLists, at=st.just(0), entries=LISTS),
    st.builds(Hold, at=st.just(0), subject=SUBJECTS, until=LENGTHS, protocols=some(PROTOCOLS, ("smtp",), ("imap", "http"))),
    st.builds(Lift, at=st.just(0), subject=SUBJECTS, grace=some(0, MINUTE, HOUR)),
    st.builds(Forget, at=st.just(0), subject=SUBJECTS),
    st.builds(Pause, at=st.just(0), until=some(MINUTE, HOUR, 0, 10 * SECOND)),
)
QUESTIONS = st.builds(Question, at=st.just(0), client=some(*CLIENTS), protocol=PROTOCOL, stage=some(*QUESTION_STAGES), account=ACCOUNT)
MOMENTS = some("advance", "reload").map(Now)

STEPS = some(SECOND, 0, 1, 5 * SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, DAY, -SECOND, -MINUTE)
LATENESS = some(0, 0, 0, 0, 0, SECOND, 10 * SECOND, 5 * MINUTE, 10 * MINUTE, 10 * MINUTE + 1)


def _steps(items: st.SearchStrategy[Any], repeat: st.SearchStrategy[int], late: st.SearchStrategy[int]) -> st.SearchStrategy[Step]:
    return st.builds(Step, step=STEPS, late=late, repeat=repeat, item=items)


FACT_STEPS = _steps(st.one_of(*FACTS), some(1, 2, 3, 4), LATENESS)
HISTORIES = st.lists(
    st.one_of(FACT_STEPS, FACT_STEPS, FACT_STEPS, _steps(st.one_of(*DEEDS, QUESTIONS, QUESTIONS, QUESTIONS, MOMENTS), st.just(1), st.just(0))),
    min_size=1,
    max_size=30,
)


def timed(steps: list[Step]) -> list[Item]:
    """The items of a history, each at its time."""
    clock, found = BASE, []
    for step in steps:
        for _ in range(step.repeat):
            clock += step.step
            found.append(_at(step.item, clock, step.late))
    return found


def _at(item: Any, clock: int, late: int) -> Any:
    if isinstance(item, Now):
        return Now(f"{item.what} {clock}")
    if isinstance(item, Hold | Pause):
        return structs.replace(item, at=clock, until=clock + item.until if item.until else 0)
    if isinstance(item, Lift):
        return structs.replace(item, at=clock, grace=clock + item.grace if item.grace else 0)
    return structs.replace(item, at=clock - late)


CROWD = tuple(Client(f"198.51.{number}.1") for number in range(14)) + tuple(Client(f"2001:db8:{number:x}::1") for number in range(1, 15))


@st.composite
def crowds(draw: st.DrawFn) -> list[Step]:
    """Many clients, good ones and others, that one connection has held: the brake's business."""
    steps: list[Step] = []
    fact: Callable[..., Any]
    for _ in range(draw(st.integers(1, 6))):
        first, many = draw(st.integers(0, len(CROWD) - 1)), draw(st.integers(1, len(CROWD)))
        step, late = draw(some(0, SECOND, 30 * SECOND, 2 * MINUTE)), draw(some(0, 0, 5 * MINUTE))
        fact = draw(some(AuthFailed, AuthSucceeded, MessageAccepted, Connected))
        crowd = [CROWD[(first + number) % len(CROWD)] for number in range(many)]
        steps += [Step(step, late, 1, fact(0, "mx", "smtp", "", client)) for client in crowd]
        if draw(some(False, False, True)):
            steps.append(draw(_steps(st.one_of(*DEEDS, MOMENTS), st.just(1), st.just(0))))
        steps.append(Step(draw(STEPS), 0, 1, draw(st.one_of(QUESTIONS, MOMENTS))))
    return steps


CROWD_RULES = st.tuples(
    *[
        st.builds(
            Rule,
            name=st.just(name),
            counts=st.just(counts),
            threshold=some(1, 1, 2),
            window=times(600, 60),
            hold_for=times(600, 60, 3600),
            action=some("block", "block", "delay"),
        )
        for name, counts in (("flood", "connected"), ("guess", "auth_failed"), ("again", "held"))
    ]
)
