"""Past lines through the engine: what is kept of them, and that it is bounded."""

from datetime import UTC
from typing import Any

import pytest

from gatepost.aid import replay
from gatepost.aid.replay import Deeds, Replay
from gatepost.core.rules import PRESETS, Rule
from gatepost.core.spans import MINUTE, Span
from gatepost.wire.maillog.reader import Reader

LATEST = 1_795_910_400_000_000
"""2026-11-29 00:00 UTC."""
TOUCHY = Rule(name="touchy", counts="connected", threshold=1, window=Span(MINUTE), hold_for=Span(MINUTE))
THIRD = Rule(name="third", counts="connected", threshold=3, window=Span(MINUTE), hold_for=Span(MINUTE))


def made(*rules: Rule) -> Replay:
    """A replay through these rules."""
    return Replay(Reader(timezone=UTC, latest=LATEST), rules, ())


def line(message: str, second: int = 0, pid: int = 10, tag: str = "postfix/smtpd") -> str:
    """A line of smtpd, so many seconds after ten o'clock."""
    return f"Nov 24 {10 + second // 3600}:{second // 60 % 60:02}:{second % 60:02} mx {tag}[{pid}]: {message}"


def connect(address: str, second: int = 0) -> str:
    """A client connects."""
    return line(f"connect from unknown[{address}]", second)


def failure(address: str, name: str) -> str:
    """A client fails to log in."""
    return line(f"warning: unknown[{address}]: SASL LOGIN authentication failed: (reason unavailable), sasl_username={name}")


def login(address: str, name: str) -> str:
    """A client logs in well."""
    return (
        f"Nov 24 10:00:00 mx dovecot: imap-login: Login: user=<{name}>, method=PLAIN, rip={address}, lip=198.51.100.1, mpid=1, TLS, session=<{name}>"
    )


def fed(replay: Replay, lines: list[str], size: int = 1_000) -> Replay:
    """Feeds it lines, so many at a time."""
    for start in range(0, len(lines), size):
        replay.feed(start + 1, lines[start : start + size])
    return replay


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_evidence_are_numbers_of_lines_however_they_are_cut_into_batches(size: int) -> None:
    lines = ["nonsense", connect("192.0.2.7"), "", connect("192.0.2.8"), connect("192.0.2.7", 1), "x", connect("192.0.2.7", 2)]
    (told,) = fed(made(THIRD), lines, size).told.values()
    assert told.evidence == [2, 5, 7]
    assert (told.first.number, told.first.text) == (2, lines[1])
    assert (told.last.number, told.last.text) == (7, lines[6])


def test_a_line_that_tells_of_several_attempts_is_evidence_once() -> None:
    rule = Rule(name="x", counts="auth_failed", threshold=5, window=Span(MINUTE), hold_for=Span(MINUTE))
    text = (
        "Nov 24 10:00:00 mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 3 attempts in 9 secs): user=<bob>, method=PLAIN, "
        "rip=192.0.2.7, lip=198.51.100.1, session=<a>"
    )
    (told,) = fed(made(rule), [text, text]).told.values()
    assert (told.evidence, told.decision.count) == ([1, 2], 5)


@pytest.mark.parametrize(("name", "limit"), [("KEPT_LINES", 4), ("KEPT_BYTES", 300)])
def test_the_text_of_old_lines_is_not_kept_but_their_numbers_are(monkeypatch: pytest.MonkeyPatch, name: str, limit: int) -> None:
    monkeypatch.setattr(replay, name, limit)
    lines = [connect("192.0.2.7"), *[connect(f"192.0.3.{n}") for n in range(20)], connect("192.0.2.7"), connect("192.0.2.7")]
    found = fed(made(THIRD), lines, 2)
    (told,) = found.told.values()
    assert told.evidence == [1, 22, 23]
    assert (told.first.text, told.last.text) == ("", lines[-1])
    assert len(found._kept) <= 3


def test_facts_are_counted_by_kind_and_repetitions_apart() -> None:
    lines = [
        connect("192.0.2.7"),
        connect("192.0.2.7"),
        login("192.0.2.7", "bob"),
        "Nov 24 10:00:00 mx dovecot: auth: passwd-file(bob,192.0.2.7): unknown user",
    ]
    found = fed(made(), lines)
    assert found.facts == {"connected": 3, "auth_succeeded": 1}
    assert found.repeats == 1


def test_the_span_is_from_the_oldest_to_the_newest() -> None:
    found = fed(made(), [connect("192.0.2.7", 30), connect("192.0.2.7", 10), connect("192.0.2.7", 50), connect("192.0.2.7", 20)])
    assert (found.newest - found.first) == 40_000_000


def test_nothing_found_is_nothing_told() -> None:
    found = fed(made(TOUCHY), ["nonsense"])
    assert (found.facts, found.told, found.first, found.newest, list(found.groups())) == ({}, {}, 0, 0, [])


def test_what_a_client_did_is_told_with_its_decision() -> None:
    lines = [failure("192.0.2.7", "bob"), failure("192.0.2.7", "bob"), failure("192.0.2.7", "eve"), login("192.0.2.7", "ann"), connect("192.0.2.7")]
    found = fed(made(TOUCHY), [*lines, login("192.0.2.9", "zoe")])
    deeds = found.deeds_in(next(told.decision for told in found.told.values() if told.decision.subject.text == "192.0.2.7"))
    assert (deeds.logins, deeds.messages, deeds.accounts, deeds.tried) == (1, 0, {"ann": 1}, {"bob": 2, "eve": 1})


@pytest.mark.parametrize(("inside", "outside"), [("192.0.2.{}", "192.0.3.{}"), ("2001:db8::{}:1", "2001:db8:1::{}:1")])
def test_what_a_network_did_is_what_its_clients_did(inside: str, outside: str) -> None:
    rule = Rule(name="net", counts="auth_failed", by="network", threshold=4, window=Span(MINUTE), hold_for=Span(MINUTE))
    lines = [failure(inside.format(n), f"u{n}") for n in range(1, 5)] + [failure(outside.format(1), "other"), login(inside.format(9), "ann")]
    found = fed(made(rule), lines, 4)
    (told,) = found.told.values()
    assert "/" in told.decision.subject.text
    deeds = found.deeds_in(told.decision)
    assert (set(deeds.tried), deeds.logins) == ({"u1", "u2", "u3", "u4"}, 1)
    fed(found, [login(inside.format(10), "bob")])
    assert found.deeds_in(told.decision).logins == 2


def test_an_account_and_a_pair_are_subjects_too() -> None:
    rules = [Rule(name=by, counts="auth_failed", by=by, threshold=2, window=Span(MINUTE), hold_for=Span(MINUTE)) for by in ("account", "pair")]
    found = fed(made(*rules), [failure("192.0.2.7", "bob"), failure("192.0.2.7", "bob")])
    tried = {told.decision.rule: found.deeds_in(told.decision).tried for told in found.told.values()}
    assert tried == {"account": {}, "pair": {"bob": 2}}


def test_a_line_without_a_client_is_nobodys_deed() -> None:
    rule = Rule(name="net", counts="auth_failed", by="network", threshold=2, window=Span(MINUTE), hold_for=Span(MINUTE))
    message = ["uid=0 from=<root>", "message-id=<a@b>", "from=<root@mx>, size=1, nrcpt=1 (queue active)"]
    local = [line(f"AB12CD34: {said}", tag=f"postfix/{who}") for who, said in zip(("pickup", "cleanup", "qmgr"), message, strict=True)]
    found = fed(made(rule), [*local, failure("192.0.2.7", "bob"), failure("192.0.2.8", "eve")])
    (told,) = found.told.values()
    assert found.deeds_in(told.decision).tried == {"bob": 1, "eve": 1}


def test_no_more_clients_and_names_are_kept_than_the_limits_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_CLIENTS", 10)
    monkeypatch.setattr(replay, "MOST_NAMES", 3)
    found = fed(made(), [failure(f"192.0.2.{n}", "x") for n in range(1, 14)] + [failure("192.0.2.13", f"u{n}") for n in range(9)])
    assert len(found.deeds) == 8
    assert set(found.deeds) == {f"192.0.2.{n}" for n in range(6, 14)}
    assert found.dropped["deeds"] == 5
    assert set(found.deeds["192.0.2.13"].tried) == {"x", "u0", "u1"}


def test_decisions_of_a_rule_about_a_subject_are_one_group() -> None:
    lines = [connect("192.0.2.7"), connect("192.0.2.8"), connect("192.0.2.7", 60), connect("192.0.2.7", 61)]
    found = fed(made(TOUCHY), lines)
    assert [[told.evidence for told in group] for group in found.groups()] == [[[1], [3]], [[2]]]


def test_who_is_let_go_early_is_told_why() -> None:
    held = [login(f"192.0.2.{n}", f"u{n}") for n in range(1, 12)]
    found = fed(made(*PRESETS["standard"]), held + [connect(f"192.0.2.{n}") for n in range(1, 12) for _ in range(50)])
    assert [(brake.rule, brake.good, brake.held) for brake in found.brakes] == [("dos", 10, 10)]
    assert [bool(told.released) for told in found.told.values()] == [True] * 10 + [False]
    assert [group[0].decision.watched for group in found.groups()] == [False] * 10 + [True]


def test_deeds_add_up() -> None:
    both: Any = Deeds(1, 2, {"a": 1}, {"x": 1})
    both.add(Deeds(10, 20, {"a": 5, "b": 1}, {}))
    assert both == Deeds(11, 22, {"a": 6, "b": 1}, {"x": 1})
