"""IMAP up to the log-in: what is heard, what is changed, and that where the stream is cut changes nothing."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.imap import ImapTap, arguments
from tests.wire.taps import Heard, ImapServer, Played, b64

COMMANDS = [
    b"a CAPABILITY\r\n",
    b'a LOGIN "alice" wrong\r\n',
    b"b login {5}\r\nalice {5+}\r\nwrong\r\n",
    b"b LOGIN {7+}\r\nmallory right\r\n",
    b"c AUTHENTICATE PLAIN " + b64("\0alice\0wrong") + b"\r\n",
    b"d AUTHENTICATE PLAIN\r\n" + b64("\0bob\0wrong") + b"\r\n",
    b"e AUTHENTICATE PLAIN\r\n*\r\n",
    b"f AUTHENTICATE PLAIN\r\n" + b64("\0mallory\0right") + b"\r\n",
    b"g NOOP\r\n",
    b'h ID ("name" "x")\r\n',
    b'i ID ("x-originating-ip" "192.0.2.1")\r\n',
    b"nonsense\r\n",
    b'j LOGIN "alice {5+}\r\nright\r\n',
    b"k STARTTLS\r\n",
    b"l LOGIN alice\r\n",
]
HIDDEN = [
    b'a "LOGIN" m pw\r\n',
    b"a {5}\r\nLOGIN m pw\r\n",
    b"a\tLOGIN m pw\r\n",
    b" a LOGIN m pw\r\n",
    b"a\x0bLOGIN m pw\r\n",
    b"a LOGIN(m pw)\r\n",
    b'a AUTHENTICATE PLAIN"' + b64("\0m\0pw") + b'"\r\n',
    b'a LOGIN m"pw"\r\n',
    b'a AUTHENTICATE "PLAIN" ' + b64("\0m\0pw") + b"\r\n",
    b'a AUTHENTICATE PLAIN "' + b64("\0m\0pw") + b'"\r\n',
]
"""Log-ins as some servers take them (Courier the first two), or as they do not, answering without the tag (Dovecot, Cyrus)."""
LOGGED_IN = b"z LOGIN alice right\r\n"


def play(client: bytes, heard: Heard | None = None, size: Any = lambda: 1 << 20, **options: Any) -> Played:
    """Plays a session through a tap."""
    return Played(ImapTap(heard or Heard(), **options), ImapServer(), client, size)


@given(st.lists(st.sampled_from(COMMANDS), max_size=6), st.booleans(), st.randoms())
def test_where_the_streams_are_cut_changes_nothing(commands: list[bytes], ends_well: bool, random: Random) -> None:
    client = b"".join(commands) + (LOGGED_IN + b"a SELECT INBOX\r\nb IDLE\r\nDONE\r\n" if ends_well else b"")
    results = []
    for size in (lambda: 1 << 20, lambda: 1, lambda: random.randint(1, 40)):
        heard = Heard(refuse=("mallory",), fails=4)
        played = play(client, heard, size)
        results.append((heard.said, played.shown, played.server.got, played.tap.ended))
    assert results[0] == results[1] == results[2]
    assert b"mallory right" not in results[0][2]
    assert b64("\0mallory\0right") not in results[0][2]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_garbage_never_raises(client: bytes, size: int) -> None:
    play(client, size=lambda: size)
    tap = ImapTap(Heard())
    tap.from_server(client)


@pytest.mark.parametrize("login", HIDDEN)
def test_no_login_is_hidden_and_none_leaves_the_client_waiting(login: bytes) -> None:
    heard = Heard(refuse=("m",))
    played = play(login + b"b NOOP\r\n", heard)
    assert played.server.got == b"b NOOP\r\n"
    assert played.shown.endswith(b"b OK done\r\n")
    assert all(said == ("login", "m", said[2]) for said in heard.said)


def test_a_login_with_literals_is_handed_on_as_the_server_asks_for_it() -> None:
    heard = Heard()
    played = play(b"a LOGIN {5}\r\nalice {5+}\r\nright\r\nb SELECT INBOX\r\n", heard)
    assert played.server.got == b"a LOGIN {5}\r\nalice {5}\r\nright\r\nb SELECT INBOX\r\n"
    assert heard.said == [("login", "alice", "LOGIN"), ("logged_in", "alice", "LOGIN")]
    assert played.tap.open
    assert played.shown.endswith(b"+ OK\r\na OK in\r\n* 1 EXISTS\r\nb OK done\r\n")


def test_a_refused_login_is_answered_by_its_tag() -> None:
    played = play(b"A1 LOGIN m pw\r\nA2 AUTHENTICATE PLAIN\r\n" + b64("\0m\0pw") + b"\r\nA3 NOOP\r\n", Heard(refuse=("m",)))
    assert b"pw" not in played.server.got
    assert played.server.got == b"A2 AUTHENTICATE PLAIN\r\n*\r\nA3 NOOP\r\n"
    no = b" NO [UNAVAILABLE] Temporary authentication failure\r\n"
    assert played.shown.endswith(b"A1" + no + b"+ \r\nA2" + no + b"* 1 EXISTS\r\nA3 OK done\r\n")


def test_a_login_without_arguments_is_for_the_server_to_refuse() -> None:
    heard = Heard()
    played = play(b"a LOGIN\r\nb LOGIN x\r\n", heard)
    assert played.server.got == b"a LOGIN\r\nb LOGIN x\r\n"
    assert heard.said[0] == ("login", "", "LOGIN")


def test_the_nth_failure_ends_the_session() -> None:
    heard = Heard(fails=2)
    played = play(b"a LOGIN a no\r\n" * 3, heard)
    assert played.shown.endswith(b"a NO [AUTHENTICATIONFAILED] no\r\n* BYE Too many failures\r\n")
    assert heard.said[-1] == ("failed", "a", "LOGIN", "on")


def test_no_tag_and_no_quote_hides_a_login() -> None:
    """One command at a time: the answer to another of the same tag is not taken for the log-in's; a quote that does not end holds no literal."""
    heard = Heard()
    played = play(b'a NOOP\r\na LOGIN alice wrong\r\nb LOGIN "x {20+}\r\nc LOGIN eve right\r\n', heard)
    assert heard.said[:2] == [("login", "alice", "LOGIN"), ("failed", "alice", "LOGIN", "gnorw")]
    assert heard.said[2] == ("login", "eve", "LOGIN")
    assert b"b BAD" in played.shown
    assert b'"x' not in played.server.got


def test_capabilities() -> None:
    greeting = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR LITERAL+] ready\r\n"
    assert play(b"").shown == greeting
    assert play(b"", starttls="pass").shown == greeting.replace(b"rev1", b"rev1 STARTTLS")
    assert play(b"", starttls="terminate").shown == greeting.replace(b"LITERAL+", b"LITERAL+ STARTTLS")
    assert play(b"", starttls="terminate", logins_need_tls=True).shown == b"* OK [CAPABILITY IMAP4rev1 LITERAL+ STARTTLS LOGINDISABLED] ready\r\n"
    late = play(b"a CAPABILITY\r\nb LOGIN x y\r\n", starttls="terminate", logins_need_tls=True)
    assert b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na OK done\r\nb NO [PRIVACYREQUIRED]" in late.shown


def test_what_can_be_done_after_the_login_is_the_servers_to_say() -> None:
    tap = ImapTap(Heard(), starttls="terminate")
    tap.from_server(b"* OK hi\r\n")
    tap.from_client(b"a LOGIN x y\r\n")
    tap.from_server(b"* CAPABILITY IMAP4rev1 IDLE\r\na OK [CAPABILITY IMAP4rev1 IDLE] in\r\n")
    assert tap.to_client[1:] == [b"* CAPABILITY IMAP4rev1 IDLE\r\n", b"a OK [CAPABILITY IMAP4rev1 IDLE] in\r\n"]


def test_starttls() -> None:
    played = play(b"a STARTTLS\r\n", starttls="terminate")
    assert (played.tap.upgrade, played.server.got) == (True, b"")
    assert played.shown.endswith(b"a OK Begin TLS negotiation now\r\n")
    played.tap.secured()
    played.tap.from_client(LOGGED_IN)
    played._carry()
    assert played.tap.open
    heard = Heard()
    assert play(b"a STARTTLS\r\nb LOGIN x y\r\n", heard, starttls="terminate").tap.ended == "clear text behind STARTTLS"
    assert heard.said == [("abused", "pipelining")]


@pytest.mark.parametrize("answer", [b"gatepost OK done\r\n", b"* ID NIL\r\ngatepost OK done\r\n"])
def test_who_the_client_is_is_said_first(answer: bytes) -> None:
    tap = ImapTap(Heard(), hello=(b'gatepost ID ("x-originating-ip" "192.0.2.1")\r\n',))
    tap.from_server(b"* OK hi\r\n")
    assert (tap.to_client, tap.to_server) == ([], [b'gatepost ID ("x-originating-ip" "192.0.2.1")\r\n'])
    tap.from_server(answer)
    assert (tap.to_client, tap.greeted) == ([b"* OK hi\r\n"], True)


def test_a_session_that_is_logged_in_from_its_start_passes() -> None:
    tap = ImapTap(Heard())
    tap.from_server(b"* PREAUTH hi\r\n* more")
    assert (tap.open, tap.to_client) == (True, [b"* PREAUTH hi\r\n", b"* more"])


def test_arguments() -> None:
    assert arguments([b'a LOGIN "a\\"b c" x\r\n']) == [b'a"b c', b"x"]
    assert arguments([b"a LOGIN {3}\r\n", b"a b", b' "" \r\n']) == [b"a b", b""]


def test_what_is_too_long_ends() -> None:
    assert play(b"a " + b"x" * 100_000).tap.ended == "a line that is too long"
    assert play(b"a LOGIN {100000}\r\n").tap.ended == "a command that is too long"
