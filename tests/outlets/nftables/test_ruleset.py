"""Sets and rules become commands; nothing but numbers and words of ours gets into them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gatepost.outlets.nftables.messages import Apply, Key, Layout, Put, Take
from gatepost.outlets.nftables.ruleset import LONGEST_MS, commands, duration, key_named, removal, rules, set_name
from gatepost.outlets.nftables.wanted import Ports

HELD, WIDE = Key("rule", 4, 32, "smtp"), Key("rule", 6, 64, "all")
LISTS = (Key("deny", 4, 8, "all"), Key("allow", 4, 24, "imap"), Key("shield", 4, 32, "all"))
KEYS = (*LISTS, Key("own", 6, 128, "all"), Key("grace", 4, 32, "all"), HELD, WIDE)
LAYOUT = Layout("drop", Ports().by_group(), KEYS)


def test_the_order_of_rules_is_the_laws() -> None:
    found = list(rules(LAYOUT))
    assert [rule for chain, rule in found if chain == "prerouting"] == [
        'iifname "lo" accept',
        "meta l4proto != tcp accept",
        "tcp dport != { 25, 110, 143, 465, 587, 993, 995, 4190 } accept",
        "ip6 saddr @own_all_6_128 accept",
        "jump lists",
        "jump by_hand",
        "jump graced",
        "jump by_rule",
        "jump by_login",
    ]
    assert [rule.partition("saddr ")[2] for chain, rule in found if chain == "lists"] == [
        "@shield_all_4_32 counter goto shielded",
        "& 255.255.255.0 @allow_imap_4_24 counter accept",
        "& 255.0.0.0 @deny_all_4_8 counter drop",
    ]
    assert [rule for chain, rule in found if chain == "by_rule"] == [
        "tcp dport { 25, 465, 587 } ip saddr @rule_smtp_4_32 counter drop",
        "tcp dport { 25, 110, 143, 465, 587, 993, 995, 4190 } ip6 saddr & ffff:ffff:ffff:ffff:: @rule_all_6_64 counter drop",
    ]
    assert [rule for chain, rule in found if chain == "shielded"] == ["jump by_hand", "jump graced", "jump by_rule", "accept"]


def test_reject_is_a_reset() -> None:
    layout = Layout("reject", Ports().by_group(), (HELD,))
    assert ("by_rule", "tcp dport { 25, 465, 587 } ip saddr @rule_smtp_4_32 counter reject with tcp reset") in list(rules(layout))


def test_a_put_is_add_delete_add_and_a_fresh_one_an_add() -> None:
    put = Put(HELD, [(b"\xc0\0\2\7", 1500), (b"\xc0\0\2\x08", 0)])
    name = "element inet gatepost rule_smtp_4_32"
    timed = f"add {name} {{ 192.0.2.7 timeout 1s500ms, 192.0.2.8 }}"
    assert commands(Apply(put=[put]), "gatepost").split("\n") == [
        f"add {name} {{ 192.0.2.7, 192.0.2.8 }}",
        f"delete {name} {{ 192.0.2.7, 192.0.2.8 }}",
        timed,
    ]
    assert commands(Apply(put=[put], fresh=True), "gatepost") == timed
    assert commands(Apply(put=[Put(HELD, [])], take=[Take(HELD, [])]), "gatepost") == ""


def test_a_take_does_not_fail_where_nothing_is() -> None:
    text = commands(Apply(take=[Take(WIDE, [bytes(16)])]), "t")
    assert text.split("\n") == [f"{verb} element inet t rule_all_6_64 {{ :: }}" for verb in ("add", "delete")]


def test_a_layout_keeps_elements_and_removes_what_is_stale_or_everything() -> None:
    kept = commands(Apply(layout=LAYOUT), "gatepost", stale=["rule_imap_4_32"])
    assert "delete table" not in kept
    assert "flush set" not in kept
    assert "delete set inet gatepost rule_imap_4_32" in kept
    anew = commands(Apply(layout=LAYOUT), "gatepost", anew=True)
    assert anew.startswith(removal("gatepost"))
    assert "flush" not in anew


@given(
    some.lists(some.tuples(some.binary(min_size=4, max_size=4), some.integers(0, 2**62))),
    some.lists(some.binary(min_size=16, max_size=16)),
)
def test_commands_hold_no_other_word(put: list[tuple[bytes, int]], take: list[bytes]) -> None:
    text = commands(Apply(layout=LAYOUT, put=[Put(HELD, put)], take=[Take(WIDE, take)]), "gatepost")
    assert re.fullmatch(r"[a-z0-9_ .:,{};&@!=\"\n-]*", text)
    assert all(line.split()[2:4] == ["inet", "gatepost"] for line in text.split("\n"))


@pytest.mark.parametrize(
    ("ms", "text"), [(1, "0s1ms"), (1500, "1s500ms"), (86_400_000, "1d0s0ms"), (90_061_001, "1d3661s1ms"), (LONGEST_MS + 1, "36500d0s0ms")]
)
def test_durations(ms: int, text: str) -> None:
    assert duration(ms) == text


def test_names_of_sets_lead_back() -> None:
    assert [key_named(set_name(key)) for key in KEYS] == list(KEYS)
    foreign = ("x", "rule_smtp_4", "rule_smtp_5_32", "rule_smtp_4_999", "rule_ftp_4_32", "rule_smtp_4_x", "a_b_4_32")
    assert [key_named(name) for name in foreign] == [None] * len(foreign)
