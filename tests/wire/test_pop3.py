"""POP3 up to the log-in: what is heard, what is changed, and that where the stream is cut changes nothing."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.pop3 import Pop3Tap
from tests.wire.taps import Heard, Played, Pop3Server, b64

COMMANDS = [
    b"CAPA\r\n",
    b"USER alice\r\nPASS wrong\r\n",
    b"USER mallory\r\npass right\r\n",
    b"APOP bob 0123\r\n",
    b"AUTH PLAIN " + b64("\0alice\0wrong") + b"\r\n",
    b"AUTH PLAIN\r\n" + b64("\0bob\0wrong") + b"\r\n",
    b"AUTH PLAIN\r\n*\r\n",
    b"AUTH PLAIN\r\n" + b64("\0mallory\0right") + b"\r\n",
    b"NOOP\r\n",
    b"XCLIENT ADDR=192.0.2.1\r\n",
    b"STLS\r\n",
    b"\r\n",
    b"NOOP " + b"x" * 3_000 + b"\r\n",
]


def play(client: bytes, heard: Heard | None = None, size: Any = lambda: 1 << 20, **options: Any) -> Played:
    """Plays a session through a tap."""
    return Played(Pop3Tap(heard or Heard(), **options), Pop3Server(), client, size)


@given(st.lists(st.sampled_from(COMMANDS), max_size=6), st.booleans(), st.randoms())
def test_where_the_streams_are_cut_changes_nothing(commands: list[bytes], ends_well: bool, random: Random) -> None:
    client = b"".join(commands) + (b"USER alice\r\nPASS right\r\nLIST\r\nRETR 1\r\n" if ends_well else b"")
    results = []
    for size in (lambda: 1 << 20, lambda: 1, lambda: random.randint(1, 40)):
        heard = Heard(refuse=("mallory",), fails=4)
        played = play(client, heard, size)
        results.append((heard.said, played.shown, played.server.got, played.tap.ended))
    assert results[0] == results[1] == results[2]
    assert b64("\0mallory\0right") not in results[0][2]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_garbage_never_raises(client: bytes, size: int) -> None:
    play(client, size=lambda: size)
    tap = Pop3Tap(Heard())
    tap.from_server(client)


def test_a_session() -> None:
    heard = Heard()
    played = play(b"USER alice\r\nPASS wrong\r\nUSER alice\r\nPASS right\r\nLIST\r\n", heard)
    assert played.server.got == b"USER alice\r\nPASS wrong\r\nUSER alice\r\nPASS right\r\nLIST\r\n"
    assert heard.said == [
        ("login", "alice", "USER"),
        ("failed", "alice", "USER", "gnorw"),
        ("login", "alice", "USER"),
        ("logged_in", "alice", "USER"),
    ]
    assert played.tap.open


def test_a_refused_login_is_answered_here() -> None:
    played = play(b"USER m\r\nPASS pw\r\nAUTH PLAIN\r\n" + b64("\0m\0pw") + b"\r\nNOOP\r\n", Heard(refuse=("m",)))
    assert played.server.got == b"USER m\r\nAUTH PLAIN\r\n*\r\nNOOP\r\n"
    later = b"-ERR [SYS/TEMP] Temporary authentication failure\r\n"
    assert played.shown.endswith(b"+OK\r\n" + later + b"+ \r\n" + later + b"+OK\r\n")


def test_the_nth_failure_ends_the_session() -> None:
    played = play(b"USER a\r\nPASS no\r\n" * 3, Heard(fails=2))
    assert (played.tap.ended, played.shown.count(b"-ERR")) == ("too many failed log-ins", 2)


@pytest.mark.parametrize(
    ("options", "capabilities"),
    [
        ({}, b"USER\r\nSASL PLAIN\r\n"),
        ({"starttls": "pass"}, b"USER\r\nSTLS\r\nSASL PLAIN\r\n"),
        ({"starttls": "terminate"}, b"USER\r\nSASL PLAIN\r\nSTLS\r\n"),
        ({"starttls": "terminate", "logins_need_tls": True}, b"STLS\r\n"),
        ({"starttls": "terminate", "secure": True, "logins_need_tls": True}, b"USER\r\nSASL PLAIN\r\n"),
    ],
)
def test_capabilities(options: dict[str, Any], capabilities: bytes) -> None:
    assert play(b"CAPA\r\n", **options).shown == Pop3Server.greeting + b"+OK\r\n" + capabilities + b".\r\n"


def test_stls() -> None:
    played = play(b"STLS\r\n", starttls="terminate")
    assert (played.tap.upgrade, played.server.got) == (True, b"")
    heard = Heard()
    assert play(b"STLS\r\nUSER x\r\n", heard, starttls="terminate").tap.ended == "clear text behind STARTTLS"
    assert heard.said == [("abused", "pipelining")]


def test_who_the_client_is_is_said_first() -> None:
    tap = Pop3Tap(Heard(), hello=(b"XCLIENT ADDR=192.0.2.1\r\n",))
    tap.from_server(b"+OK [XCLIENT] ready\r\n")
    assert (tap.to_client, tap.to_server) == ([], [b"XCLIENT ADDR=192.0.2.1\r\n"])
    tap.from_server(b"+OK updated\r\n")
    assert tap.to_client == [b"+OK ready\r\n"]


@pytest.mark.parametrize("way", [b"%s", b"AUTH PLAIN %s", b"AUTH PLAIN\r\n%s"])
def test_no_long_line_hides_a_login(way: bytes) -> None:
    """Cyrus reads what stands behind 8,191 bytes of a line as the next command."""
    hidden = b"x" * 8_191 + b"PASS right"
    played = play(b"USER m\r\n" + way % hidden + b"\r\nNOOP\r\n")
    assert b"PASS" not in played.server.got
    assert played.server.got.endswith(b"NOOP\r\n")
    assert played.shown.endswith(b"-ERR Line too long\r\n+OK\r\n")


def test_a_long_response_goes_through() -> None:
    said = b64("\0alice\0" + "x" * 6_000 + "right")
    for way in (b"AUTH PLAIN %s\r\n", b"AUTH PLAIN\r\n%s\r\n"):
        assert play(way % said).server.got == way % said


def test_the_server_asks_with_or_without_a_space() -> None:
    """RFC 5034, 4, has one; Exchange leaves it out."""
    heard = Heard()
    tap = Pop3Tap(heard)
    tap.from_server(b"+OK hi\r\n")
    tap.from_client(b"AUTH PLAIN\r\n")
    tap.from_server(b"+\r\n")
    tap.from_client(b64("\0alice\0right") + b"\r\n")
    tap.from_server(b"+OK in\r\n")
    assert heard.said == [("login", "alice", "PLAIN"), ("logged_in", "alice", "PLAIN")]


def test_what_is_bound_to_tls_is_not_offered() -> None:
    tap = Pop3Tap(Heard())
    tap.from_server(b"+OK hi\r\n")
    tap.from_client(b"CAPA\r\n")
    tap.from_server(b"+OK\r\nsasl PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\nstls\r\n.\r\n")
    assert b"".join(tap.to_client) == b"+OK hi\r\n+OK\r\nsasl PLAIN SCRAM-SHA-256\r\n.\r\n"


def test_what_is_too_long_ends() -> None:
    assert play(b"USER " + b"x" * 100_000).tap.ended == "a line that is too long"
