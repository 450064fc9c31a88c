"""What a message says, and that a stranger's text stays text."""

import pytest

from gatepost.outlets.messengers.digest import Bundle, Digest
from gatepost.outlets.messengers.wording import inert, unblock, write
from gatepost.pipeline.messengers import Message, Notice
from tests.outlets.messengers.made import START, block, brake, trouble

HOST = "mx.example.org"


def told(*notices: Notice, held: int = 1) -> Message:
    """The message about these notices."""
    digest = Digest(0)
    digest.add(notices, START)
    bundle = digest.take(START)
    assert bundle is not None
    return write(bundle, "key", HOST, held)


def test_a_block_names_rule_source_deed_end_and_cure() -> None:
    found = told(block())
    assert found.title == "[gatepost mx.example.org] 203.0.113.1 (NL) is blocked on smtp by dos"
    for words in ("what it did: 50 connections (the rule: 50 in 5m)", "until:       2027-01-15 08:05:00 UTC (5m)", "gatepost unblock 203.0.113.1\n"):
        assert words in found.text


def test_two_hundred_blocks_are_summed_up() -> None:
    found = told(*(block(number) for number in range(300)), block(rule="harvesting"), held=301)
    assert found.title.endswith("301 blocks")
    for words in ("301 are held now.", "300  blocks (dos)", "1  block (harvesting)", "... and 101 more, which are counted above."):
        assert words in found.text
    assert found.text.count("lift it:") == 20


def test_what_cannot_wait_comes_first() -> None:
    found = told(block(), brake(), trouble())
    assert "the brake stopped the rule dos" in found.title
    assert found.text.index("The brake stopped") < found.text.index("Problem: nftables: no kernel") < found.text.index("is blocked on")
    assert "gatepost rules enable dos" in found.text


def test_each_sort_has_its_words() -> None:
    sorts = {
        "alert of the rule dos": block(action="alert", watched=True),
        "would be held": block(watched=True),
        "is delayed": block(action="delay"),
        "by an administrator": block(rule=""),
        "no more": Notice(kind="expired", at=START, rule="dos", subject="192.0.2.1", protocols=("smtp",)),
        "over: nftables: no kernel": Notice(kind="cured", at=START, source="nftables", text="no kernel"),
    }
    for words, notice in sorts.items():
        assert words in told(notice).title


def test_quiet_again_sums_the_wave_up() -> None:
    bundle = Bundle(kind="quiet", at=START, since=START, counts={("block", "dos"): 7})
    found = write(bundle, "key", HOST, 0)
    assert found.title.endswith("quiet again")
    assert "7 blocks since" in found.text
    assert "Nobody is held now." in found.text


@pytest.mark.parametrize(
    "hostile",
    [
        "a\r\nBcc: victim@example.org",
        "https://evil.example/login",
        "www.evil.example",
        "\x1b[31mred",
        "\u202egnp.exe",
        "@everyone",
        "<script>alert(1)</script>",
        "<!channel>",
        "`rm -rf`",
        "x" * 1000,
        "zero\u200bwidth",
        "\ud800",
    ],
)
def test_hostile_names_stay_text(hostile: str) -> None:
    for found in (told(block(subject=hostile)), told(*[block(subject=hostile)] * 30)):
        assert "\r" not in found.title + found.text
        assert "\n" not in found.title
        assert all(c.isprintable() or c == "\n" for c in found.text)
        assert "://" not in found.text
        assert "www." not in found.text
        assert not set(found.text) & set("<>`")
        assert "@everyone" not in found.text
        assert max(map(len, found.text.split("\n"))) < 500
        found.text.encode()
    assert inert(inert(hostile)) == inert(hostile)


@pytest.mark.parametrize(
    ("subject", "command"),
    [
        ("192.0.2.7", "gatepost unblock 192.0.2.7"),
        ("2001:db8::/64", "gatepost unblock 2001:db8::/64"),
        ("bob@example.org from 192.0.2.7", "gatepost unblock 'bob@example.org from 192.0.2.7'"),
        ("$(reboot)@example.org", "its name is not safe to show; gatepost blocks list shows it"),
        ("--help", "its name is not safe to show; gatepost blocks list shows it"),
        ("http://evil.example", "its name is not safe to show; gatepost blocks list shows it"),
    ],
)
def test_the_command_is_shown_only_where_it_is_exact(subject: str, command: str) -> None:
    assert unblock(subject) == command
