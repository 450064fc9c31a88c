"""TOML files: what is wrong is told with its line, and what is written is read back."""

import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.access import own_entries
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS
from gatepost.wire.toml_files import line_of, moment, read_rules, write_rules
from tests.core.strategies import Scenario, scenarios

RULE = '[[rule]]\nname = "{}"\ncounts = "connected"\nthreshold = 5\nwindow = "5m"\nfor = "5m"\n'


def numbered(text: str) -> str:
    """A text whose line that holds ``<<<`` is looked for, without the mark."""
    return text.replace(" <<<", "")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a = 1 <<<", "a"),
        ("# a = 1\na = 1 <<<", "a"),
        ("'a' = 1 <<<", "a"),
        ('x = 1\n"a" = 1 <<<', "a"),
        ("aa = 1\na=1 <<<", "a"),
        ("[t]\na = 1 <<<", "t.a"),
        ("a = 1\n[t] # c\n\n  a = 1 <<<", "t.a"),
        ("t.a = 1 <<<", "t.a"),
        ("t . a = 1 <<<", "t.a"),
        ("t = {b = 1, a = 1} <<<", "t.a"),
        ("[t]\nb = 1\n[u]\na = 1\n[t.s]\na = 1 <<<", "t.s.a"),
        ("[t] <<<\nb = 1", "t.a"),
        ("[[r]]\na = 1\n[[r]]\na = 1 <<<\n[[r]]\na = 1", "r[1].a"),
        ("[[r]] # first\na = 1 <<<\n[[r]]\na = 1", "r[0].a"),
        ("[[r]]\na = 1\n[[r]] <<<\nb = 1\n[[r]]\na = 1", "r[1].a"),
        ("[[r]]\na = 1\n[[q]]\na = 1\n[[r]]\nb = 1\na = 1 <<<", "r[1].a"),
        ("[[r]]\nw.a = 1\n[[r]]\nw.b = 1\nw.a = 1 <<<", "r[1].w.a"),
        ("[[r]]\n[r.w]\na = 1\n[[r]]\n[r.w]\na = 1 <<<", "r[1].w.a"),
        ("[[r]]\nw = {a = 1}\n[[r]]\nw = {b = 1, a = 1} <<<", "r[1].w.a"),
        ("[[r]]\non = [1]\n[[r]]\non = [ <<<\n1,\n2]", "r[1].on[1]"),
        ("[[r]]\nb = 1\n[r.w] <<<\nb = 1", "r[0].w.a"),
        ("r = [{a = 1}, {a = 2}] <<<", "r[1].a"),
        ("[[r]]\nb = 1\nw.a = 1 <<<", "r[0].w"),
        ("[[r]]\nb = 1\n[r.w] <<<\na = 1", "r[0].w"),
        ("[ 't' ]\na = 1 <<<", "t.a"),
    ],
)
def test_the_line_of_a_path(text: str, path: str) -> None:
    tomllib.loads(numbered(text))
    expected = next(number for number, line in enumerate(text.split("\n"), 1) if "<<<" in line)
    assert line_of(numbered(text), path) == expected


@pytest.mark.parametrize("path", ["", "b", "t.b"])
def test_the_line_of_what_stands_nowhere_is_none(path: str) -> None:
    assert line_of("a = 1\n[u]\nb = 1", path) == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_read_back(preset: str) -> None:
    rules = PRESETS[preset]  # type: ignore[index]
    assert read_rules(write_rules(rules), "x").rule == rules


@given(scenarios())
def test_any_rules_are_read_back(scenario: Scenario) -> None:
    written = write_rules(scenario.rules)
    assert read_rules(written, "x").rule == scenario.rules
    assert write_rules(read_rules(written, "x").rule) == written


def test_a_rule_is_written_in_the_order_of_its_declaration_without_what_is_usual() -> None:
    assert write_rules(PRESETS["strict"][3:4]) == (
        '[[rule]]\nname = "unknown-recipients"\ncounts = "rejected"\nwhere.reason = "unknown_user"\non = ["smtp"]\nthreshold = 25\nwindow = "10m"\n'
        'for = "30m"\n'
    )


def test_a_line_of_an_error_is_that_of_the_field() -> None:
    text = RULE.format("a") + "\n" + RULE.format("b").replace("= 5", "= 0")
    with pytest.raises(BadInputError) as wrong:
        read_rules(text, "r.toml")
    assert (wrong.value.where, wrong.value.line) == ("r.toml", 11)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE.format("a") + RULE.format("b") + RULE.format("a"), "x:14: rule.name: rule 'a' stands twice"),
        ("".join(RULE.format(f"r{n}") for n in range(501)), "x:2: rule.name: 501 rules; 500 at most"),
        ("[[rule]\n", "x:1: this is no TOML: "),
        ('a = "\n"\n', "x:1: this is no TOML: "),
        ("a = 1\na = 2\n", "x:2: this is no TOML: Cannot overwrite a value"),
        ("a = [", "x: this is no TOML: "),
    ],
)
def test_what_is_wrong_with_a_file(text: str, said: str) -> None:
    with pytest.raises(BadInputError) as wrong:
        read_rules(text, "x")
    assert str(wrong.value).startswith(said)


# --- lists


def entries(text: str) -> list[str]:
    """The lists of a file in words, without the host's own."""
    return [f"{entry} expires={entry.expires} {entry.note}".strip() for entry in read_rules(text, "x").entries() if not entry.own]


def test_entries_have_all_their_boxes() -> None:
    text = """
        [[allow]]
        prefix = "192.0.2.0/24"
        protocols = ["smtp", "imap"]
        relay = true
        logins = true
        note = "ours"
        expires = 2027-01-01T02:00:00+02:00
        [[deny]]
        prefix = "2001:db8::/32"
        [[allow]]
        prefix = "192.0.3.1"
        detection = false
        relay = true
    """
    at = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert entries(text) == [
        f"allow 192.0.2.0/24 on smtp,imap logins relay expires={at} ours",
        "allow 192.0.3.1 relay no-detection expires=0",
        "deny 2001:db8::/32 expires=0",
    ]


def test_the_hosts_own_networks_come_first_and_an_entry_for_one_replaces_it() -> None:
    assert read_rules("", "x").entries() == own_entries()
    found = read_rules('[[deny]]\nprefix = "10.0.0.0/8"\n', "x").entries()
    assert [str(entry) for entry in found if "10.0.0.0" in entry.prefix] == ["deny 10.0.0.0/8"]
    assert len(found) == len(own_entries())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[[allow]]\nprefix = "192.0.2.1"\n[[deny]]\nprefix = "192.0.2.1"\nprotocols = ["imap"]\n',
            "x:4: deny.prefix: 192.0.2.1 on imap stands on both",
        ),
        ('[[allow]]\nprefix = "192.0.2.0-192.0.2.255"\n[[allow]]\nprefix = "192.0.2.0/24"\n', "x:4: allow.prefix: 192.0.2.0/24 on smtp stands twice"),
        ('[[deny]]\nprefix = "127.0.0.0-128.0.0.0"\n', "x:2: deny.prefix: 127.0.0.0/8 on smtp stands on both lists"),
        ('[[allow]]\nprefix = "nix"\n', "x:2: allow.prefix: 'nix' is no address, prefix or range"),
        ('[[allow]]\nprefix = "192.0.2.1"\ndetection = false\n', "x:2: allow.detection: an allow entry with every box off allows nothing"),
        ('[[allow]]\nprefix = "192.0.2.1"\nexpires = 2027-01-01\n', "x:3: allow.expires: "),
    ],
)
def test_what_is_wrong_with_a_list(text: str, said: str) -> None:
    with pytest.raises(BadInputError) as wrong:
        read_rules(text, "x")
    assert str(wrong.value).startswith(said)


def test_the_same_prefix_may_stand_on_both_lists_for_other_protocols() -> None:
    text = '[[allow]]\nprefix = "192.0.2.1"\nprotocols = ["smtp"]\n[[deny]]\nprefix = "192.0.2.1"\nprotocols = ["imap"]\n'
    assert len(entries(text)) == 2


# --- presets


@pytest.mark.parametrize(
    ("text", "preset", "rules"),
    [
        ("", None, ["dos", "harvesting", "password-brute-force"]),
        ('[[deny]]\nprefix = "192.0.2.1"\n', None, ["dos", "harvesting", "password-brute-force"]),
        (RULE.format("a"), None, ["a"]),
        (RULE.format("a"), "standard", ["dos", "harvesting", "password-brute-force", "a"]),
        ('preset = "standard"\n' + RULE.format("harvesting"), None, ["dos", "harvesting", "password-brute-force"]),
        ('preset = "strict"\n', None, [rule.name for rule in PRESETS["strict"]]),
        ('preset = "strict"\n', "relaxed", [rule.name for rule in PRESETS["relaxed"]]),
    ],
)
def test_a_file_and_a_preset_combine(text: str, preset: Any, rules: list[str]) -> None:
    assert [rule.name for rule in read_rules(text, "x").rules(preset)] == rules


def test_a_rule_of_the_same_name_replaces_the_presets() -> None:
    found = read_rules('preset = "standard"\n' + RULE.format("harvesting"), "x").rules()
    assert (found[1].counts, found[1].threshold) == ("connected", 5)


# --- times


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_514_400_000_000, "2026-11-24T10:00:00Z"),
        (1_795_514_400_120_000, "2026-11-24T10:00:00.12Z"),
        (1_795_514_400_000_001, "2026-11-24T10:00:00.000001Z"),
    ],
)
def test_moments(at: int, text: str) -> None:
    assert moment(at) == text


@given(st.integers(0, 4_000_000_000_000_000))
def test_a_moment_is_the_time_that_it_says(at: int) -> None:
    assert datetime.fromisoformat(moment(at)) - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(microseconds=at)
