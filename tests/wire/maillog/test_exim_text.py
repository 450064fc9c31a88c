"""Where Exim's lines name the client, and how its refusals are read."""

import pytest

from gatepost.wire.maillog.exim_text import Peer, accepted, at_end, behind, peer, reason, refusal, settle

ME = "192.0.2.7"
NOT_ME = "6.6.6.6"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"[{ME}]", (ME, "", "")),
        (f"[{ME}]:4711", (ME, "4711", "")),
        (f"host.example (helo) [{ME}]:4711 I=[198.51.100.25]:587", (ME, "4711", "587")),
        (f"(helo) [{ME}]", (ME, "", "")),
        (f"([{NOT_ME}]) [{ME}]", (ME, "", "")),
        ("[2001:db8::1]:25", ("2001:db8::1", "25", "")),
    ],
)
def test_the_client_stands_behind_host_and_helo(text: str, found: tuple[str, str, str]) -> None:
    one = peer(text, 0, at_end, {})
    assert one is not None
    assert (one.address, one.port, one.to) == found


@pytest.mark.parametrize("text", ["", "host.example", "(helo)", "[not an address]", f"[{ME}] and something that the daemon never writes"])
def test_no_client_no_reading(text: str) -> None:
    assert peer(text, 0, at_end, {}) is None


def test_a_line_that_reads_two_ways_is_settled_by_the_open_connection() -> None:
    text = f"(a) [{NOT_ME}]:1 P=esmtp S=1 (b) [{ME}]:2 P=esmtp S=2"
    assert peer(text, 0, accepted, {}) is None
    known = peer(text, 0, accepted, {f"{ME}:2": [1, 0, 0]})
    assert known is not None
    assert known.address == ME


def test_behind_a_mark_that_the_client_can_write_too() -> None:
    text = f"said H=[{NOT_ME}]:1 then H=[{ME}]:2"
    assert behind(text, "H=", at_end, {}) == Peer(ME, "2", "", len(text))


def test_settling() -> None:
    mine, other = Peer(ME, "1", "", 0), Peer(NOT_ME, "1", "", 0)
    assert settle([], {}) is None
    assert settle([mine], {}) == mine
    assert settle([mine, other], {}) is None
    assert settle([mine, other], {mine.key: [1, 0, 0]}) == mine
    assert settle([mine, other], {mine.key: [1, 0, 0], other.key: [1, 0, 0]}) is None


@pytest.mark.parametrize(
    ("rest", "temporarily", "found"),
    [
        ("RCPT <a@b.example>: relay not permitted", False, ("rcpt", 550, "relay_denied", "a@b.example")),
        ("RCPT <a@b.example>: Unrouteable address", False, ("rcpt", 550, "unknown_user", "a@b.example")),
        ("RCPT <a@b.example>: greylisted", True, ("rcpt", 451, "greylisted", "a@b.example")),
        ("RCPT <a@b.example>: 554 no such user", False, ("rcpt", 554, "unknown_user", "a@b.example")),
        ("EHLO or HELO x: syntactically invalid argument", False, ("helo", 550, "helo", "")),
        ("after DATA: this message looks like spam", False, ("data", 550, "content", "")),
        ("MAIL <a: b@c.example>: sender verify failed", False, ("mail", 550, "sender", "")),
    ],
)
def test_refusals(rest: str, temporarily: bool, found: tuple[str, int, str, str]) -> None:
    assert refusal(rest, temporarily) == found


def test_a_command_without_a_stage_is_no_refusal() -> None:
    assert refusal("STARTTLS: no", False) is None


def test_reasons_without_known_words() -> None:
    assert (reason("whatever", "rcpt"), reason("whatever", "helo")) == ("other", "helo")
