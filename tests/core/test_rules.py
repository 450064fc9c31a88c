"""What a rule can say, and how it is told that it cannot."""

from typing import Any

import msgspec
import pytest

from gatepost.core.rules import MOST_RULES, PRESETS, Rule, Where, check_rules, sentence
from gatepost.core.spans import MINUTE, Span, decode_span, encode_span
from tests.core.made import rule

BAD: list[tuple[dict[str, Any], str]] = [
    ({"window": 0.5}, "window: must be 1s or longer"),
    ({"hold": 0}, "for: must be 1s or longer"),
    ({"action": "delay", "delay": Span(0)}, "delay: must lie between 1s and 5m"),
    ({"action": "delay", "delay": Span(5 * MINUTE + 1)}, "delay: must lie between 1s and 5m"),
    ({"on": ("smtp", "smtp")}, "on: names a protocol twice"),
    ({"by": "account"}, "by: connections name no account; count by client or network"),
    ({"by": "pair", "counts": "protocol_abused"}, "by: protocol violations name no account"),
    ({"distinct": "secrets"}, 'distinct: only failed log-ins have secrets; set counts = "auth_failed"'),
    ({"distinct": "accounts"}, "distinct: different accounts are counted by client or network"),
    ({"distinct": "accounts", "counts": "auth_failed", "by": "account"}, "distinct: different accounts"),
    ({"distinct": "clients"}, 'distinct: different clients are counted by account or network; set by = "account"'),
    ({"min_clients": 2}, 'min_clients: one client is one client; set by = "account"'),
    ({"min_clients": 2, "counts": "auth_failed", "by": "account", "distinct": "clients"}, "min_clients: cannot be combined with distinct"),
    ({"min_clients": 4, "by": "network"}, "min_clients: must not exceed the threshold"),
    ({"where": Where(reason="pregreet")}, "where.reason: 'pregreet' is no reason of connected; leave it out"),
    ({"where": Where(reason="x"), "counts": "auth_failed"}, "where.reason: 'x' is no reason of auth_failed; one of password, unknown_user"),
    ({"where": Where(stage="rcpt")}, 'where: stage and code belong to rejections; set counts = "rejected"'),
    ({"where": Where(code=399), "counts": "rejected"}, "where.code: 4, 5, or a code from 400 to 599"),
    ({"counts": "open_connections"}, "window: open connections are looked at in one moment; leave it out"),
    ({"counts": "open_connections", "window": 0, "by": "network"}, 'by: open connections are those of one address; set by = "client"'),
    ({"counts": "open_connections", "window": 0, "together": True}, "together: each gateway looks at its own open connections"),
    ({"counts": "open_connections", "window": 0, "where": Where(reason="pregreet")}, "is no reason of open_connections; leave it out"),
    ({"counts": "rejected", "on": ("imap",)}, 'on: rejected commands exist on smtp only; add "smtp"'),
]


@pytest.mark.parametrize(("fields", "said"), BAD)
def test_a_contradiction_names_its_field_and_the_cure(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as wrong:  # noqa: PT011 - the message is what is tested
        rule(**fields)
    assert said in str(wrong.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"x","counts":"connected","threshold":0,"window":"5m","for":"5m"}',
        '{"name":"x","counts":"connected","threshold":10001,"window":"5m","for":"5m"}',
        '{"name":"X","counts":"connected","threshold":1,"window":"5m","for":"5m"}',
        '{"name":"x","counts":"connected","threshold":1,"window":"5m","for":"5m","burst":1}',
        '{"name":"x","counts":"connected","threshold":1,"window":"5 parsecs","for":"5m"}',
        '{"name":"x","counts":"connected","threshold":1,"window":"5m","for":"5m","on":[]}',
    ],
)
def test_what_a_file_may_not_say(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Rule, dec_hook=decode_span)


@pytest.mark.parametrize("preset", PRESETS.values())
def test_presets_are_written_and_read_back(preset: tuple[Rule, ...]) -> None:
    check_rules(preset)
    assert msgspec.json.decode(msgspec.json.encode(preset, enc_hook=encode_span), type=tuple[Rule, ...], dec_hook=decode_span) == preset


def test_the_standard_preset_is_exactly_that_of_the_design() -> None:
    told = [(each.name, each.counts, each.on, each.threshold, str(each.window), each.action, str(each.hold_for)) for each in PRESETS["standard"]]
    mail = ("smtp", "imap", "pop3")
    assert told == [
        ("dos", "connected", mail, 50, "5m", "block", "5m"),
        ("harvesting", "bad_session", ("smtp",), 20, "5m", "block", "5m"),
        ("password-brute-force", "auth_failed", mail, 50, "10m", "block", "30m"),
    ]
    assert all((each.by, each.scope, each.together, each.mode) == ("client", "protocol", False, "enforce") for each in PRESETS["standard"])


def test_the_other_presets() -> None:
    assert [each.threshold for each in PRESETS["relaxed"]] == [200, 20, 100]
    assert PRESETS["strict"][:3] == PRESETS["standard"]
    assert [each.name for each in PRESETS["strict"][3:]] == [
        *("unknown-recipients", "password-spraying", "account-guessing", "internal-spammer"),
        *("bounces", "dos-network", "repeat-offender", "bad-neighbourhood"),
    ]


def test_rules_that_cannot_stand_together() -> None:
    with pytest.raises(ValueError, match="'connected' stands twice; give one of them another name"):
        check_rules((rule(), rule()))
    with pytest.raises(ValueError, match="501 rules; 500 at most"):
        check_rules(tuple(rule(name=f"r{number}") for number in range(MOST_RULES + 1)))


def test_what_follows_is_no_part_of_the_counting() -> None:
    same = rule(hold=1, action="delay", mode="observe", scope="logins", name="other")
    assert same.counting == rule().counting
    fields: dict[str, Any]
    for fields in ({"threshold": 4}, {"window": 61}, {"on": ("smtp",)}, {"together": True}, {"by": "network"}):
        assert rule(**fields).counting != rule().counting, fields


def test_a_rule_holds_only_where_it_enforces_more_than_an_alert() -> None:
    assert [rule(mode=mode).holds for mode in ("enforce", "observe", "off")] == [True, False, False]
    assert [rule(action=action).holds for action in ("block", "delay", "alert")] == [True, True, False]


def test_the_sentence_of_a_rule() -> None:
    flood = sentence(PRESETS["standard"][0])
    assert flood == "50 connections from one address within 5m on smtp, imap, pop3 (each apart) block that protocol for 5m."
    guessing = next(each for each in PRESETS["strict"] if each.name == "account-guessing")
    assert "on one account and at least 10 addresses within 1h" in sentence(guessing)
