"""Previews: the one engine over the past, what sifting leaves out changes nothing, and what the history cannot know is said."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from gatepost.core.access import Entry, own_entries
from gatepost.core.decisions import Impose
from gatepost.core.deeds import AdoptRules
from gatepost.core.engine import Engine
from gatepost.core.facts import (
    PROTOCOLS,
    REASONS,
    STAGES,
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
from gatepost.core.rules import PRESETS, Rule, Where
from gatepost.core.spans import HOUR, MINUTE, SECOND, Span
from gatepost.core.subjects import Client
from gatepost.keeper import preview as preview_module
from gatepost.keeper.preview import Work
from gatepost.pipeline.order import Order
from gatepost.pipeline.previews import AskPreview, Preview
from tests.keeper.following import ATTACKER, DAY, START, Writer, connected, failed, succeeded

CLIENTS = [Client(f"203.0.113.{last}") for last in range(1, 6)] + [Client("198.51.100.1"), Client("198.51.100.2"), Client("10.0.0.9")]
CLIENTS += [Client(f"2001:db8:1:1::{last}") for last in range(1, 4)] + [Client("2001:db8:1:2::1"), Client("2001:db8:2::1")]
ACCOUNTS = ["", "bob@example.org", "eve@example.org", "al from 203.0.113.1", "203.0.113.2"]
FRIEND = Client("198.51.100.7")
DOS = PRESETS["standard"][0]


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A store that is written to."""
    return Writer(tmp_path)


def look(writer: Writer, after: Sequence[Rule], names: Sequence[str] = ("dos",), days: int = 3, **asked: Any) -> Preview:
    """The preview of a history up to now."""
    follower = writer.follower()
    follower.catch_up()
    wanted: dict[str, Any] = {"before": PRESETS["standard"], "entries": own_entries(), "since": START, "until": START + days * DAY} | asked
    work = Work(follower.history, AskPreview(after=tuple(after), names=tuple(names), **wanted))
    for _ in work.steps():
        pass
    assert work.result is not None
    return work.result


def at_threshold(many: int) -> tuple[Rule, ...]:
    """The standard rules with another threshold of `dos`."""
    return (structs.replace(DOS, threshold=many), *PRESETS["standard"][1:])


def flood(many: int, client: Client = ATTACKER, at: int = START) -> list[Fact]:
    """So many connections, a second apart."""
    return [connected(at + number * SECOND, client) for number in range(many)]


# --- what is left out changes nothing


def some_fact(chance: random.Random, at: int, client: Client) -> Fact:
    """A fact of any kind."""
    named, reason = {"account": chance.choice(ACCOUNTS)}, chance.choice
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (Connected, {}),
        (Connected, {"open": chance.randrange(12)}),
        (SessionEnded, {"messages": chance.randrange(2), "server_at_fault": chance.random() < 0.2}),
        (AuthFailed, named | {"weight": chance.choice((1, 1, 3)), "reason": reason(("", *REASONS["auth_failed"]))}),
        (AuthFailed, named | {"reason": "password"}),
        (AuthSucceeded, named),
        (MessageAccepted, named | {"recipients": chance.randrange(5)}),
        (Rejected, named | {"stage": reason(STAGES), "code": reason((450, 550, 554)), "reason": reason(REASONS["rejected"])}),
        (MessageBounced, named),
        (ProtocolAbused, {"reason": reason(REASONS["protocol_abused"])}),
    ]
    kind, more = chance.choice(kinds)
    found: Fact = kind(at, "mx", chance.choice(PROTOCOLS[:3]), "", client, chance.random() < 0.05, **more)
    return found


def some_history(chance: random.Random) -> Iterator[Fact]:
    """Bursts over three days, some over a midnight, some late."""
    for _ in range(140):
        client, at = chance.choice(CLIENTS), START + chance.randrange(3 * DAY - 2 * HOUR)
        at = at if chance.random() < 0.7 else START + chance.randrange(1, 3) * DAY - chance.randrange(MINUTE)  # over a midnight
        for _ in range(chance.choice((1, 2, 5, 12))):
            at += chance.randrange(chance.choice((1, SECOND, 30 * SECOND)))
            yield some_fact(chance, at, client if chance.random() < 0.8 else chance.choice(CLIENTS))
    for _ in range(40):  # neighbours who together are one subject
        at = START + chance.randrange(3 * DAY)
        for last in range(chance.randrange(4, 10)):
            yield AuthFailed(at + last, "mx", "imap", "", Client(f"2001:db8:3:{at % 3}::{last + 1:x}"), account=chance.choice(ACCOUNTS))


def some_rule(chance: random.Random, name: str) -> Rule:
    """Any rule that can be."""
    while True:
        counts: Any = chance.choice(
            (
                "connected",
                "open_connections",
                "open_connections",
                "bad_session",
                "auth_failed",
                "auth_failed",
                "auth_succeeded",
                "message_accepted",
                "recipients",
                "rejected",
                "held",
                "message_bounced",
                "protocol_abused",
            )
        )
        by: Any = chance.choice(("client", "network", "account", "pair"))
        distinct: Any = chance.choice(("", "", "", "accounts", "clients", "secrets"))
        reason = chance.choice(REASONS[counts]) if counts in REASONS and chance.random() < 0.3 else ""
        code, stage = (chance.choice((0, 5, 550)), chance.choice(("", "rcpt"))) if counts == "rejected" else (0, "")
        try:
            return Rule(
                name=name,
                counts=counts,
                by=by,
                distinct=distinct,
                where=Where(reason=reason, code=code, stage=stage),  # type: ignore[arg-type]
                on=chance.choice((PROTOCOLS[:3], ("smtp",), ("smtp", "imap"))),
                together=chance.random() < 0.4,
                threshold=chance.choice((1, 2, 3, 5, 9)),
                min_clients=chance.choice((0, 0, 0, 2)),
                window=Span(0 if counts == "open_connections" else chance.choice((SECOND, 7 * SECOND, MINUTE, 7 * MINUTE, 5 * HOUR, DAY, 2 * DAY))),
                action=chance.choice(("block", "block", "delay", "alert")),
                hold_for=Span(chance.choice((SECOND, MINUTE, HOUR, 2 * DAY))),
                scope=chance.choice(("protocol", "logins", "everything")),
                mode=chance.choice(("enforce", "enforce", "observe", "off")),
                forgive_known=chance.random() < 0.3,
            )
        except ValueError:
            continue


def same(found: Preview) -> Preview:
    """A preview without what it cost."""
    return structs.replace(found, fed=0, took=0)


@pytest.mark.parametrize("seed", range(8))
def test_leaving_out_who_is_too_rare_changes_nothing(writer: Writer, seed: int) -> None:
    chance = random.Random(seed)
    writer.write(list(some_history(chance)))
    follower = writer.follower(mask=False)
    follower.catch_up()
    entries = (*own_entries(), Entry(verb="allow", prefix="198.51.100.2"), Entry(verb="deny", prefix="203.0.113.4"))
    saved = holds = 0
    for _ in range(12):
        names = [f"r{number}" for number in range(chance.randrange(1, 5))]
        before = tuple(some_rule(chance, name) for name in names)
        after = (some_rule(chance, names[0]), *before[1:])
        since = START + chance.randrange(2) * DAY
        asked = AskPreview(before=before, after=after, names=tuple(names), entries=entries, since=since, until=START + 3 * DAY)
        found = []
        for sift in (True, False):
            work = Work(follower.history, structs.replace(asked, sift=sift))
            assert all(step is None for step in work.steps())
            assert work.result is not None
            found.append(work.result)
        assert same(found[0]) == same(found[1]), asked
        saved += found[1].fed - found[0].fed
        holds += sum(total.after for total in found[0].rules)
    assert saved > 0
    assert holds > 0


def test_it_is_the_engine_that_decides(writer: Writer) -> None:
    facts = sorted(some_history(random.Random(99)), key=lambda fact: fact.at)
    writer.write(facts)
    rules = tuple(structs.replace(rule, threshold=max(1, rule.threshold // 10), min_clients=0) for rule in PRESETS["strict"])
    order = Order(Engine(rules, own_entries()))
    effects = [effect for each in order.report_all(facts) for effect in each]
    decided = Counter(effect.decision.rule for effect in effects if isinstance(effect, Impose))
    found = look(writer, rules, [rule.name for rule in rules])
    # Accounts that do not exist are masked there, which is another name and still one name each.
    assert {total.rule: total.after for total in found.rules} == {rule.name: decided[rule.name] for rule in rules}
    assert sum(decided.values()) > 10


# --- what is told


def test_gained_lost_and_by_day(writer: Writer) -> None:
    writer.write([*flood(60), *flood(35, FRIEND, START + DAY)])
    lower = look(writer, at_threshold(30))
    assert [(day.before, day.after) for day in lower.days] == [(1, 1), (0, 1), (0, 0)]
    assert [(hit.subject, hit.both) for hit in lower.gained] == [(FRIEND, False)]
    assert (lower.lost, lower.many["before"], lower.many["after"]) == ([], 1, 2)
    assert [(total.rule, total.before, total.after) for total in lower.rules] == [("dos", 1, 2)]
    assert (lower.facts, lower.fed) == (95, 95)
    higher = look(writer, at_threshold(100))
    assert [hit.subject for hit in higher.lost] == [ATTACKER]
    assert (higher.gained, higher.many["after"]) == ([], 0)


def test_who_logged_in_well_before_or_after_is_a_probable_false_positive(writer: Writer) -> None:
    later = Client("198.51.100.8")
    writer.write([succeeded(START - 2 * DAY, "bob@example.org", FRIEND), *flood(35, FRIEND), *flood(35, later, START + HOUR), *flood(60)])
    writer.write([succeeded(START + 2 * DAY, "eve@example.org", later), succeeded(START + 2 * DAY + 1, "eve@example.org", later)])
    found = look(writer, at_threshold(30))
    assert [(hit.subject, hit.logins, hit.accounts, hit.both) for hit in sorted(found.friends, key=lambda hit: hit.subject)] == [
        (FRIEND, 1, ("bob@example.org",), False),
        (later, 2, ("eve@example.org",), False),
    ]
    assert (found.many["friends"], found.many["friends_gained"]) == (2, 2)


def test_an_ipv6_network_that_holds_a_good_client_is_a_false_positive(writer: Writer) -> None:
    neighbours = [Client(f"2001:db8::{last}") for last in range(1, 9)]
    writer.write([failed(START + turn * SECOND, f"a{turn}", "", neighbours[turn % 8]) for turn in range(40)])
    writer.write([succeeded(START + HOUR, "bob@example.org", Client("2001:db8::99"))])
    after = (*PRESETS["standard"][:2], structs.replace(PRESETS["standard"][2], threshold=30))
    found = look(writer, after, ["password-brute-force"])
    assert [(hit.subject, hit.logins, hit.accounts) for hit in found.friends] == [("2001:db8::/64", 1, ("bob@example.org",))]


def test_what_was_really_blocked_is_unknown_not_quiet(writer: Writer) -> None:
    writer.write(flood(50))  # the 50th blocks it: what it did after was seen by nobody
    found = look(writer, at_threshold(80))
    assert [(hit.subject, hit.unknown) for hit in found.lost] == [(ATTACKER, True)]
    assert found.many["lost_unknown"] == 1
    assert [(each.subject, each.until - each.start) for each in found.blocked] == [(ATTACKER, 5 * MINUTE)]
    assert [day.unknown for day in found.days] == [1, 0, 0]


def test_a_rule_that_only_observed_hid_nothing(writer: Writer) -> None:
    watching = tuple(structs.replace(rule, mode="observe") for rule in PRESETS["standard"])
    writer.write([AdoptRules(START - 1, watching), *flood(50)])
    found = look(writer, at_threshold(80), before=watching)
    assert [(hit.subject, hit.unknown) for hit in found.lost] == [(ATTACKER, False)]
    assert (found.blocked, [day.unknown for day in found.days]) == ([], [0, 0, 0])


def test_a_gap_of_the_history_is_unknown(writer: Writer) -> None:
    writer.write([connected(START + HOUR)])
    writer.place += 7  # the journal lost seven
    writer.write([connected(START + 2 * HOUR)])
    found = look(writer, at_threshold(30))
    assert [(gap.start - START, gap.until - START, gap.missing) for gap in found.gaps] == [(0, HOUR, 0), (HOUR, 2 * HOUR, 7)]


def test_a_rule_that_does_not_exist_yet_and_one_that_is_off(writer: Writer) -> None:
    writer.write(flood(30))
    new = Rule(name="quick", counts="connected", threshold=20, window=Span(MINUTE), hold_for=Span(MINUTE))
    found = look(writer, (*PRESETS["standard"], new), ["quick"])
    assert [(total.rule, total.before, total.after) for total in found.rules] == [("quick", -1, 1)]
    off = (structs.replace(DOS, mode="off"), *PRESETS["standard"][1:])
    assert look(writer, off).rules[0].after == -1


def test_what_follows_in_other_rules_is_told_and_the_brake(writer: Writer) -> None:
    good = [Client(f"198.51.100.{last}") for last in range(10, 24)]
    writer.write([succeeded(START, f"u{at}@example.org", client) for at, client in enumerate(good)])
    writer.write([fact for client in good for fact in flood(30, client, START + MINUTE)])
    repeat = Rule(name="again", counts="held", threshold=1, window=Span(DAY), hold_for=Span(DAY), on=("imap",))
    found = look(writer, (*at_threshold(20), repeat), before=(*PRESETS["standard"], repeat))
    assert [(total.rule, total.before) for total in found.rules] == [("dos", 0), ("again", 0)]
    assert found.rules[0].after >= 10
    assert found.rules[0].braked > START
    assert found.rules[1].after >= 9


def test_who_was_good_before_the_span_is_known_in_it_but_not_counted(writer: Writer) -> None:
    before = [succeeded(START + DAY - 9 + turn, "bob@example.org", FRIEND) for turn in range(9)]
    writer.write([*before, *(failed(START + DAY + turn, "bob@example.org", "", FRIEND) for turn in range(8)), succeeded(START + DAY + 8, "eve")])
    front: dict[str, Any] = {"window": Span(HOUR), "hold_for": Span(HOUR), "on": ("imap",)}
    forgiving = Rule(name="forgiving", counts="auth_failed", threshold=5, forgive_known=True, **front)
    strict = Rule(name="strict", counts="auth_failed", threshold=5, **front)
    logins = Rule(name="logins", counts="auth_succeeded", threshold=5, **front)
    found = look(writer, (forgiving, strict, logins), ["forgiving", "strict", "logins"], since=START + DAY)
    assert [(total.rule, total.after) for total in found.rules] == [("forgiving", 0), ("strict", 1), ("logins", 0)]
    assert found.facts == 9


def test_an_account_that_is_named_like_a_client_is_another_subject(writer: Writer) -> None:
    writer.write([failed(START + turn, ATTACKER) for turn in range(9)])
    front: dict[str, Any] = {"counts": "auth_failed", "threshold": 5, "window": Span(HOUR), "hold_for": Span(HOUR), "mode": "observe"}
    after = (Rule(name="a", by="client", **front), Rule(name="b", by="account", **front))
    writer.write([succeeded(START + DAY, ATTACKER, FRIEND)])
    found = look(writer, after, ["a", "b"], before=())
    assert sorted((hit.by, hit.subject, hit.rules, hit.logins) for hit in found.gained if hit.by == "client") == [("client", ATTACKER, ("a",), 0)]
    assert found.many["gained"] == 2


def test_secrets_are_in_no_history_and_that_is_said(writer: Writer) -> None:
    rule = Rule(name="guess", counts="auth_failed", distinct="secrets", threshold=5, window=Span(MINUTE), hold_for=Span(MINUTE))
    writer.write([failed(START + turn, "bob@example.org") for turn in range(9)])
    found = look(writer, (rule,), ["guess"])
    assert found.rules[0].after == 1
    assert any("no history keeps secrets" in note for note in found.notes)


def test_lists_are_short_and_say_how_long_they_were(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatepost.keeper.compare.MOST_TOLD", 3)
    monkeypatch.setattr(preview_module, "MOST_SUBJECTS", 5)
    crowd = [Client(f"203.0.113.{last}") for last in range(8)]
    writer.write([fact for client in crowd for fact in flood(30, client)])
    found = look(writer, at_threshold(30))
    assert (len(found.gained), found.many["gained"], found.rules[0].after) == (3, 5, 8)
    assert any("3 holds of more subjects" in note for note in found.notes)


def test_without_any_history_all_is_unknown(writer: Writer) -> None:
    found = look(writer, at_threshold(30))
    assert (found.facts, [total.after for total in found.rules]) == (0, [0])
    assert [(gap.start, gap.until) for gap in found.gaps] == [(START, START + 3 * DAY)]
