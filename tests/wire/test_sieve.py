"""ManageSieve up to the log-in: what is heard, what is changed, and that where the stream is cut changes nothing."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.sieve import SieveTap, strings
from gatepost.wire.tap import ENOUGH
from tests.wire.taps import Heard, Played, SieveServer, b64

GOOD, BAD, HELD = (b64(f"\0{who}\0{word}") for who, word in (("alice", "right"), ("alice", "wrong"), ("mallory", "right")))
LATER = b'NO (TRYLATER) "Temporary authentication failure"\r\n'
NOT_UNDERSTOOD = b'NO "Command not understood"\r\n'


def literal(text: bytes) -> bytes:
    """A client's literal."""
    return b"{%d+}\r\n%s" % (len(text), text)


COMMANDS = [
    b"CAPABILITY\r\n",
    b'AUTHENTICATE "PLAIN" "' + BAD + b'"\r\n',
    b"authenticate " + literal(b"PLAIN") + b" " + literal(BAD) + b"\r\n",
    b'AUTHENTICATE "PLAIN"\r\n"' + BAD + b'"\r\n',
    b'AUTHENTICATE "PLAIN"\r\n' + literal(BAD) + b"\r\n",
    b'AUTHENTICATE "PLAIN"\r\n"*"\r\n',
    b'AUTHENTICATE "PLAIN"\r\n*\r\n',
    b'AUTHENTICATE "PLAIN" "' + HELD + b'"\r\n',
    b'AUTHENTICATE "PLAIN"\r\n' + literal(HELD) + b"\r\n",
    b'AUTHENTICATE "PLAIN" "' + b64("\0bob\0later") + b'"\r\n',
    b'NOOP "tag"\r\n',
    b"NONSENSE " + literal(b'AUTHENTICATE "PLAIN" "' + HELD + b'"') + b"\r\n",
    b"XCLIENT ADDR=192.0.2.1\r\n",
    b"STARTTLS\r\n",
    b"UNAUTHENTICATE\r\n",
    b"\r\n",
    b'NOOP "open\r\n',
]


def play(client: bytes, heard: Heard | None = None, size: Any = lambda: 1 << 20, **options: Any) -> Played:
    """Plays a session through a tap."""
    return Played(SieveTap(heard or Heard(), **options), SieveServer(), client, size)


@given(st.lists(st.sampled_from(COMMANDS), max_size=6), st.booleans(), st.randoms())
def test_where_the_streams_are_cut_changes_nothing(commands: list[bytes], ends_well: bool, random: Random) -> None:
    client = b"".join(commands) + (b'AUTHENTICATE "PLAIN" "' + GOOD + b'"\r\nLISTSCRIPTS\r\nLOGOUT\r\n' if ends_well else b"")
    results = []
    for size in (lambda: 1 << 20, lambda: 1, lambda: random.randint(1, 40)):
        heard = Heard(refuse=("mallory",), fails=4)
        played = play(client, heard, size)
        results.append((heard.said, played.shown, played.server.got, played.tap.ended))
    assert results[0] == results[1] == results[2]
    assert HELD not in results[0][2]


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b'"', b"{3+}", b"{3}", b"\r\n", b"OK", b" ", b"(", b"\\"]), max_size=30).map(b"".join))
def test_garbage_never_raises(data: bytes) -> None:
    for size in (1, 50):
        play(data, size=lambda size=size: size)
        play(b'AUTHENTICATE "PLAIN"\r\n' + data, size=lambda size=size: size)
    tap = SieveTap(Heard())
    tap.from_server(data)


def test_a_session_goes_on_byte_for_byte() -> None:
    heard = Heard()
    client = b'NOOP "x {3+}"\r\nAUTHENTICATE "PLAIN" "' + BAD + b'"\r\nAUTHENTICATE "PLAIN"\r\n"' + GOOD + b'"\r\nPUTSCRIPT "a" {3+}\r\n\0\r\n\r\n'
    played = play(client, heard, starttls="pass")
    assert played.server.got == client
    assert played.tap.open
    login = ("login", "alice", "PLAIN")
    assert heard.said == [login, ("failed", "alice", "PLAIN", "gnorw"), login, ("logged_in", "alice", "PLAIN")]
    shown = b'OK (TAG "x)") "yes"\r\nNO {2}\r\nno\r\n{0}\r\n\r\nOK (SASL "cg==") "in"\r\n'
    assert played.shown.partition(b'OK "ready"\r\n')[2].startswith(shown)


def test_a_refused_login_is_answered_here() -> None:
    heard = Heard(refuse=("mallory",))
    played = play(b'AUTHENTICATE "PLAIN" "' + HELD + b'"\r\nAUTHENTICATE "PLAIN"\r\n"' + HELD + b'"\r\nNOOP\r\n', heard)
    assert played.server.got == b'AUTHENTICATE "PLAIN"\r\n"*"\r\nNOOP\r\n'
    assert played.shown.endswith(LATER + b"{0}\r\n\r\n" + LATER + b'OK (TAG "x)") "yes"\r\n')


def test_a_server_that_skips_lines_finds_no_login_in_a_literal() -> None:
    """Literals of clients are never asked for: what a server does not take, it may read on in as commands."""
    played = play(b"NONSENSE " + literal(b'AUTHENTICATE "PLAIN" "' + GOOD + b'"') + b"\r\nNOOP\r\n")
    assert played.server.got == b"NOOP\r\n"
    played = play(b'AUTHENTICATE "X" ' + literal(b"NOOP") + b'\r\nAUTHENTICATE "PLAIN" ' + literal(b'"\r\nNOOP\r\n') + b"\r\n")
    assert played.server.got == b'AUTHENTICATE "X" "NOOP"\r\n'
    assert played.shown.endswith(NOT_UNDERSTOOD)
    assert play(b'NOOP {5"x"+}\r\n').server.got == b'NOOP {5"x"+}\r\n'
    assert play(b"NOOP {5}\r\n").server.got == b""


def test_long_secrets_stay_literals() -> None:
    token = b64("\0alice\0" + "x" * 2_000)
    assert play(b'AUTHENTICATE "PLAIN" ' + literal(token) + b"\r\n").server.got == b'AUTHENTICATE "PLAIN" ' + literal(token) + b"\r\n"


def test_the_nth_failure_ends_the_session() -> None:
    played = play((b'AUTHENTICATE "PLAIN" "' + BAD + b'"\r\n') * 3, Heard(fails=2))
    assert (played.tap.ended, played.shown.count(b"NO {2}")) == ("too many failed log-ins", 2)
    assert played.shown.endswith(b'BYE (TRYLATER) "Too many failures"\r\n')


def test_a_server_that_is_busy_accuses_nobody() -> None:
    heard = Heard()
    play(b'AUTHENTICATE "PLAIN" "' + b64("\0bob\0later") + b'"\r\n', heard)
    assert heard.said == [("login", "bob", "PLAIN")]


FIRST = b'"IMPLEMENTATION" "x {3}"\r\n"SIEVE" {6}\r\na\r\nb c\r\n'


@pytest.mark.parametrize(
    ("options", "capabilities"),
    [
        ({}, b'"SASL" "PLAIN"\r\n'),
        ({"starttls": "pass"}, b'"SASL" "PLAIN"\r\n"STARTTLS"\r\n'),
        ({"starttls": "terminate"}, b'"SASL" "PLAIN"\r\n"STARTTLS"\r\n'),
        ({"starttls": "terminate", "logins_need_tls": True}, b'"SASL" ""\r\n"STARTTLS"\r\n'),
        ({"starttls": "terminate", "secure": True, "logins_need_tls": True}, b'"SASL" "PLAIN"\r\n'),
    ],
)
def test_capabilities(options: dict[str, Any], capabilities: bytes) -> None:
    told = FIRST + capabilities
    assert play(b"CAPABILITY\r\n", **options).shown == told + b'OK "ready"\r\n' + told + b"OK {5}\r\ndo\r\nn\r\n"


def test_starttls_tells_the_capabilities_once_more() -> None:
    played = play(b"STARTTLS\r\n", starttls="terminate", logins_need_tls=True)
    assert (played.tap.upgrade, played.server.got) == (True, b"")
    tap = played.tap
    tap.secured()
    assert tap.to_server == [b"CAPABILITY\r\n"]
    tap.from_server(SieveServer.greeting)
    assert b"".join(tap.to_client) == FIRST + b'"SASL" "PLAIN"\r\nOK "ready"\r\n'
    heard = Heard()
    assert play(b"STARTTLS\r\nNOOP\r\n", heard, starttls="terminate").tap.ended == "clear text behind STARTTLS"
    assert heard.said == [("abused", "pipelining")]


def test_log_ins_need_tls() -> None:
    played = play(b'AUTHENTICATE "PLAIN" "' + GOOD + b'"\r\n', starttls="terminate", logins_need_tls=True)
    assert (played.server.got, played.shown[-9:]) == (b"", b'log-in"\r\n')
    assert b"NO (ENCRYPT-NEEDED)" in played.shown


@pytest.mark.parametrize("said", [b"220 mx\r\n", b"OK", b'"X" {9999999999}\r\n', b'"' + b"x" * 70_000])
def test_a_server_that_does_not_speak_it(said: bytes) -> None:
    tap = SieveTap(Heard())
    tap.from_server(said)
    assert bool(tap.ended) == (said != b"OK")


def test_what_is_too_long_ends() -> None:
    assert play(b'NOOP "' + b"x" * 100_000).tap.ended == "a line that is too long"
    assert play(b"NOOP {9999999999+}\r\n").tap.ended == "a command that is too long"
    tap = SieveTap(Heard())
    tap.from_client(b"x" * (ENOUGH + 1))
    assert tap.full


@pytest.mark.parametrize(
    ("text", "found"),
    [(b' "a\\"b" {3+}\r\nx\r\n\r\n', [b'a"b', b"x\r\n"]), (b"\r\n", []), (b" atom\r\n", None), (b'"open\r\n', None)],
)
def test_strings(text: bytes, found: list[bytes] | None) -> None:
    assert strings(text) == found
