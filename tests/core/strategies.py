"""Random rules, lists and histories for the proofs of the engine.

Job: scenarios that fire often: few clients that share networks, few accounts, small thresholds and windows, bursts of what the rules count, late
arrivals and clock steps. Promise: every rule and every pair of lists that they draw is valid; whoever picks (hypothesis or a seed) gets the same
shapes. Limits: times start at `BASE`; a history is short.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct, structs

from gatepost.core.access import Entry, check_entries
from gatepost.core.counters import KIND_OF
from gatepost.core.countries import CountryPolicy
from gatepost.core.decisions import QUESTION_STAGES, Decision, Question
from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, AnyDeed, Forget, Hold, Lift, Pause, Retime
from gatepost.core.facts import (
    PROTOCOLS,
    REASONS,
    AnyFact,
    AuthFailed,
    AuthSucceeded,
    Connected,
    Fact,
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
from gatepost.core.subjects import By, Client, Subject, pair, wider

Pick = Callable[..., Any]
"""Picks one of the values that it is given."""

BASE = 1_700_000_000 * SECOND
CLIENTS = tuple(map(Client, ("192.0.2.1", "192.0.2.2", "192.0.3.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db8:1::1", "10.0.0.1")))
ACCOUNTS = ("a@x", "a@x", "b@x", "a@x from 192.0.2.1", "192.0.2.1")
"""Names, and two that would be mistaken for a pair and an address where kinds of subject are not told apart."""
NETWORKS = ("192.0.2.0/24", "192.0.2.0/28", "192.0.2.2", "192.0.0.0/16", "0.0.0.0/0", "2001:db8::/48", "2001:db8::/64", "2001:db8::/32", "::/0")
PREFIXES = (
    *("192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9", "192.0.3.1", "192.0.0.0/16", "10.0.0.0/8"),
    *("2001:db8::1", "2001:db8::/64", "2001:db8::/48", "2001:db8:1::1", "2001:db8::", "2001:db8::/32"),
)
SMTP_ONLY = ("bad_session", "message_accepted", "recipients", "rejected", "message_bounced")
NAMELESS = ("connected", "open_connections", "bad_session", "protocol_abused")


class Now(Struct, frozen=True):
    """Moments of a history besides its entries: what ran out is asked for, the engine is dumped and loaded, what was held last gets another end."""

    what: str
    at: int = 0
    span: int = 0
    """How much later that end is."""

    def retime(self, decisions: Iterable[Decision]) -> Retime | None:
        """The deed, where something stands that holds."""
        held = [each for each in decisions if each.holds and each.start <= self.at < each.until]
        last = max(held, key=lambda each: each.number, default=None)
        return Retime(self.at, last.subject, last.number, self.at + self.span) if last is not None else None


Item = AnyFact | AnyDeed | Question | Now


class Step(Struct, frozen=True):
    """The clock moves by ``step``, then an item comes, ``late`` after it happened; so ``repeat`` times, the items taken in turn."""

    step: int
    late: int
    repeat: int
    items: tuple[Any, ...]


class Scenario(Struct, frozen=True):
    """Rules, lists, and what happens under them."""

    rules: tuple[Rule, ...]
    entries: tuple[Entry, ...]
    history: tuple[Step, ...]


def a_rule(pick: Pick, name: str) -> Rule:
    """A valid rule that fires soon."""
    counts = pick(
        *("connected", "open_connections", "auth_failed", "auth_failed", "held", "held", "bad_session", "rejected", "protocol_abused", "recipients"),
        *("message_accepted", "message_bounced", "auth_succeeded"),
    )
    on: tuple[Protocol, ...] = ("smtp",) if counts in SMTP_ONLY else pick(("smtp", "imap"), ("imap",), ("smtp",), ("imap", "smtp", "http"))
    by: By = pick("client", "network") if counts in NAMELESS else pick("client", "client", "account", "network", "pair")
    by = "client" if counts == "open_connections" else by
    threshold, distinct, least, where = pick(2, 2, 3, 1, 4), "", 0, Where()
    if by in ("client", "network") and counts not in NAMELESS:
        distinct = pick("", "accounts")
    if by in ("network", "account") and not distinct:
        distinct = pick("", "clients")
    if counts == "auth_failed" and not distinct:
        distinct = pick("", "secrets")
    if by in ("network", "account") and not distinct:
        least = min(threshold, pick(0, 2, 3))
    if counts in REASONS:
        where = Where(reason=pick("", "", *REASONS[counts][:2]))
    if counts == "rejected":
        where = Where(reason=where.reason, stage=pick("", "", "rcpt", "data"), code=pick(0, 0, 5, 550))
    return Rule(
        name=name,
        counts=counts,
        where=where,
        on=on,
        together=counts != "open_connections" and pick(False, True),
        by=by,
        distinct=distinct,  # type: ignore[arg-type]
        threshold=threshold,
        min_clients=least,
        window=Span(pick(60, 1, 10, 600, 600, 86400) * SECOND if counts != "open_connections" else 0),
        action=pick("block", "block", "block", "delay", "alert"),
        delay=Span(pick(5, 1, 9) * SECOND),
        hold_for=Span(pick(1, 1, 10, 60, 600, 3600) * SECOND),
        scope=pick("protocol", "logins", "everything"),
        mode=pick(*["enforce"] * 6, "observe", "observe", "off"),
        forgive_known=pick(False, False, True),
    )


def changed(pick: Pick, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules with a few changes, as an administrator makes them."""
    kept = []
    for rule in rules:
        what = pick("", "", "mode", "action", "hold_for", "threshold", "gone")
        if what == "mode":
            rule = structs.replace(rule, mode=pick("observe", "enforce", "off"))
        elif what == "action":
            rule = structs.replace(rule, action=pick("alert", "block", "delay"))
        elif what == "hold_for":
            rule = structs.replace(rule, hold_for=Span(pick(1, 10, 600) * SECOND))
        elif what == "threshold":
            rule = structs.replace(rule, threshold=rule.threshold + 1)
        kept += [rule] if what != "gone" else []
    return tuple(kept)


def some_entries(pick: Pick) -> tuple[Entry, ...]:
    """A valid list: entries that contradict an earlier one are left out."""
    kept: list[Entry] = []
    for _ in range(pick(0, 0, 1, 2, 4)):
        verb = pick("allow", "allow", "deny")
        box = pick("detection", "logins", "relay", "logins relay", "detection relay", "none") if verb == "allow" else "detection"
        entry = Entry(
            verb=verb,
            prefix=pick(*PREFIXES),
            protocols=pick((), ("smtp",), ("imap",)),
            detection="detection" in box,
            logins="logins" in box,
            relay="relay" in box,
            expires=pick(BASE + MINUTE, BASE + HOUR) if box == "none" else pick(0, 0, BASE + MINUTE, BASE + HOUR),
        )
        try:
            check_entries([*kept, entry])
        except ValueError:
            continue
        kept.append(entry)
    return tuple(kept)


def an_account(pick: Pick) -> str:
    """An account, or none."""
    return str(pick("", *ACCOUNTS))


FIELDS: dict[type[Fact], Callable[[Pick], dict[str, Any]]] = {
    Connected: lambda pick: {"open": pick(0, 0, 1, 2, 3, 5)},
    AuthFailed: lambda pick: {
        "account": an_account(pick),
        "secret": pick("", "s", "t"),
        "weight": pick(1, 1, 1, 2, 5, 0),
        "reason": pick("password", "unknown_user"),
    },
    AuthSucceeded: lambda pick: {"account": an_account(pick)},
    SessionEnded: lambda pick: {"messages": pick(0, 0, 0, 1), "server_at_fault": pick(*[False] * 5, True), "refused": pick(*[False] * 5, True)},
    MessageAccepted: lambda pick: {"account": an_account(pick), "recipients": pick(1, 1, 2, 5, 0)},
    Rejected: lambda pick: {
        "stage": pick("rcpt", "rcpt", "data"),
        "code": pick(550, 550, 450, 554, 0),
        "reason": pick("unknown_user", "relay_denied"),
        "account": an_account(pick),
    },
    MessageBounced: lambda pick: {"account": an_account(pick)},
    ProtocolAbused: lambda pick: {"reason": pick("pregreet", "non_smtp_command")},
    Refused: lambda pick: {},
}


def a_fact(pick: Pick, kind: type[Fact], clients: tuple[Client, ...], protocols: tuple[Protocol, ...]) -> Fact:
    """A fact of a kind, its time left open."""
    return kind(
        at=0, host="mx", protocol=pick(*protocols), service="", client=pick(*clients), evidence_only=pick(*[False] * 15, True), **FIELDS[kind](pick)
    )


def a_subject(pick: Pick, clients: tuple[Client, ...]) -> Subject:
    """A subject of any kind."""
    client = pick(*clients)
    by = pick("client", "client", "account", "pair", "network")
    if by == "client":
        return Subject(by, wider(client, 32, pick(128, 64)))
    if by == "network":
        return Subject(by, pick(*NETWORKS, wider(client, 24, 48)))
    return Subject(by, pick(*ACCOUNTS) if by == "account" else pair(pick(*ACCOUNTS), wider(client, 32, pick(128, 64))))


def a_question(pick: Pick, clients: tuple[Client, ...]) -> Question:
    """A question, its time left open."""
    stage = pick(*QUESTION_STAGES, "login", "login")
    return Question(0, pick(*clients), pick("smtp", "imap", "http"), stage, an_account(pick), pick("", "DE", "DE", "NL", "unknown"))


def a_policy(pick: Pick) -> CountryPolicy:
    """Any policy of countries."""
    return CountryPolicy(
        mode=pick("enforce", "enforce", "observe", "off"),
        direction=pick("allow", "refuse"),
        codes=pick(("DE",), ("DE", "NL"), ("AT",)),
        unknown=pick(True, False),
        protocols=pick((), (), ("imap",)),
        known_may=pick(True, True, False),
    )


def an_interlude(pick: Pick, rules: tuple[Rule, ...], clients: tuple[Client, ...]) -> Any:
    """A deed, a question or a moment, its times left relative."""
    what = pick(*["ask"] * 4, "advance", "reload", "rules", "lists", "countries", "countries", "hold", "retime", "lift", "lift", "forget", "pause")
    if what == "ask":
        return a_question(pick, clients)
    if what == "rules":
        return AdoptRules(0, changed(pick, rules), pick(True, True, False))
    if what == "lists":
        return AdoptLists(0, some_entries(pick))
    if what == "countries":
        return AdoptCountries(0, a_policy(pick))
    if what == "hold":
        return Hold(0, a_subject(pick, clients), pick(SECOND, 10 * SECOND, MINUTE), pick(PROTOCOLS, ("smtp",), ("imap", "http")), "by hand")
    if what == "lift":
        return Lift(0, a_subject(pick, clients), pick(0, 0, MINUTE, HOUR))
    if what == "forget":
        return Forget(0, a_subject(pick, clients))
    if what == "pause":
        return Pause(0, pick(MINUTE, HOUR, 0, 10 * SECOND))
    return Now(what, span=pick(0, SECOND, MINUTE, DAY) if what == "retime" else 0)


def a_step(pick: Pick) -> int:
    """How far the clock goes on."""
    return int(pick(*[SECOND] * 6, 0, 0, 1, *[5 * SECOND, 10 * SECOND] * 2, MINUTE, 10 * MINUTE, HOUR, DAY, -SECOND, -MINUTE))


def a_scenario(pick: Pick) -> Scenario:
    """A history that keeps to a few clients, and mostly to what the rules count, so that rules fire."""
    rules = tuple(a_rule(pick, f"rule-{number}") for number in range(pick(1, 2, 3, 4)))
    clients = tuple(pick(*CLIENTS) for _ in range(pick(1, 2, 3)))
    protocols = tuple(protocol for rule in rules for protocol in rule.on)
    kinds = [KIND_OF[rule.counts] for rule in rules if rule.counts != "held"] * 3 + [AuthSucceeded, pick(*FIELDS)]
    entries, history = some_entries(pick), []
    for _ in range(pick(5, 10, 15, 20, 25)):
        if pick(False, False, True):
            history.append(Step(a_step(pick), 0, 1, (an_interlude(pick, rules, (*clients, pick(*CLIENTS))),)))
            continue
        items = tuple(a_fact(pick, pick(*kinds), clients, protocols) for _ in range(pick(1, 1, 2, 3)))
        late = pick(*[0] * 6, SECOND, 10 * SECOND, MINUTE, 5 * MINUTE, 10 * MINUTE, 10 * MINUTE + 1)
        history.append(Step(a_step(pick), late, pick(1, 2, 3, 4, 6), items))
    return Scenario(rules, entries, tuple(history))


CROWD = tuple(Client(f"198.51.{number}.1") for number in range(14)) + tuple(Client(f"2001:db8:{number:x}::1") for number in range(1, 15))


def a_crowd(pick: Pick) -> Scenario:
    """Many clients, good ones and others, whom one or two facts have held: the brake's business."""
    rules = tuple(
        Rule(
            name=name,
            counts=counts,  # type: ignore[arg-type]
            threshold=pick(1, 1, 2),
            window=Span(pick(600, 60) * SECOND),
            hold_for=Span(pick(600, 60, 3600) * SECOND),
            action=pick("block", "block", "delay"),
        )
        for name, counts in (("flood", "connected"), ("guess", "auth_failed"), ("again", "held"))
    )
    history: list[Step] = []
    for _ in range(pick(2, 4, 6)):
        first, many, late = pick(*range(len(CROWD))), pick(5, 10, 15, 20, 28), pick(0, 0, 5 * MINUTE)
        kind = pick(AuthFailed, AuthSucceeded, MessageAccepted, Connected, Connected)
        items = tuple(kind(0, "mx", "smtp", "", CROWD[(first + number) % len(CROWD)]) for number in range(many))
        history.append(Step(pick(0, SECOND, 30 * SECOND, 2 * MINUTE), late, many, items))
        if pick(False, True):
            history.append(Step(a_step(pick), 0, 1, (an_interlude(pick, rules, CROWD),)))
    return Scenario(rules, pick((), (), some_entries(pick)), tuple(history))


def seeded(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = Random(seed)
    return pick_scenario(lambda *values: dice.choice(values))


def pick_scenario(pick: Pick) -> Scenario:
    """A scenario of either kind."""
    return a_crowd(pick) if pick(False, False, False, True) else a_scenario(pick)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """The same, picked by hypothesis, which makes a failing one small."""
    return pick_scenario(lambda *values: draw(st.sampled_from(values)))


def timed(history: tuple[Step, ...]) -> list[Item]:
    """The items of a history, each at its time."""
    clock, found = BASE, []
    for step in history:
        for turn in range(step.repeat):
            clock += step.step
            found.append(_at(step.items[turn % len(step.items)], clock, step.late))
    return found


def _at(item: Any, clock: int, late: int) -> Any:
    if isinstance(item, Hold | Pause):
        return structs.replace(item, at=clock, until=clock + item.until if item.until else 0)
    if isinstance(item, Lift):
        return structs.replace(item, at=clock, grace=clock + item.grace if item.grace else 0)
    return structs.replace(item, at=clock - late)
