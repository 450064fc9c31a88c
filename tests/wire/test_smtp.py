"""SMTP between client and server: what is heard, what is changed, and that where the stream is cut changes nothing."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.smtp import Relay, SmtpTap
from tests.wire.taps import Heard, Played, SmtpServer, b64

PLAIN = b64("\0alice\0right")
MESSAGE = b"Subject: x\r\n\r\n..dot\r\n.\r\n"
COMMANDS = [
    b"EHLO me\r\n",
    b"HELO me\r\n",
    b"AUTH PLAIN " + PLAIN + b"\r\n",
    b"AUTH PLAIN\r\n" + b64("\0bob\0wrong") + b"\r\n",
    b"AUTH LOGIN\r\n" + b64("eve") + b"\r\n" + b64("wrong") + b"\r\n",
    b"AUTH LOGIN " + b64("alice") + b"\r\n*\r\n",
    b"auth login\r\n" + b64("mallory") + b"\r\n" + b64("right") + b"\r\n",
    b"MAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\nRCPT TO:<x@here>\r\nDATA\r\n" + MESSAGE,
    b"MAIL FROM:<a@b>\r\nRCPT TO:<busy@here>\r\nRCPT TO:<u@elsewhere>\r\n",
    b"DATA\r\n.\r\n",
    b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\nBDAT 5\r\na\nb\r\rBDAT 3 LAST\r\n\r\n.",
    b"BDAT 0 LAST\r\n",
    b"BDAT x\r\n",
    b"NOOP\nNOOP\r\n",
    b"XCLIENT ADDR=1.2.3.4\r\n",
    b"GET / HTTP/1.0\r\n",
    b"\r\n",
    b"RSET\r\n",
    b"QUIT\r\n",
]


def play(client: bytes, heard: Heard | None = None, size: Any = lambda: 1 << 20, server: SmtpServer | None = None, **options: Any) -> Played:
    """Plays a session through a tap."""
    return Played(SmtpTap(heard or Heard(), **options), server or SmtpServer(), client, size)


@given(st.lists(st.sampled_from(COMMANDS), max_size=8), st.randoms())
def test_where_the_streams_are_cut_changes_nothing(commands: list[bytes], random: Random) -> None:
    client = b"".join(commands)
    results = []
    for size in (lambda: 1 << 20, lambda: 1, lambda: random.randint(1, 40)):
        heard = Heard(refuse=("mallory",), fails=3)
        played = play(client, heard, size, relay=Relay(("here",)))
        # What is noticed of a command and what of a reply can cross on the way, as they do in life.
        results.append((sorted(map(str, heard.said)), played.shown, played.server.got, played.tap.ended))
    assert results[0] == results[1] == results[2]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_garbage_never_raises(client: bytes, size: int) -> None:
    play(client, size=lambda: size)
    tap = SmtpTap(Heard())
    tap.from_server(client)


ALTERED = (b"AUTH", b"auth", b"XCLIENT", b"\nNOOP", b"BDAT x", b"BDAT 0")
"""Parts of what is changed, or judged, on its way."""


@given(st.lists(st.sampled_from([command for command in COMMANDS if not any(part in command for part in ALTERED)])))
def test_what_needs_no_change_goes_on_byte_for_byte(commands: list[bytes]) -> None:
    client = b"".join(commands)
    straight = SmtpServer()
    played = play(client, starttls="pass")
    assert played.shown == straight.greeting + straight.take(client)
    assert played.server.got == client


def test_a_refused_login_never_shows_the_server_the_secret() -> None:
    for exchange in (b"AUTH PLAIN " + b64("\0m\0pw"), b"AUTH PLAIN\r\n" + b64("\0m\0pw"), b"AUTH LOGIN\r\n" + b64("m") + b"\r\n" + b64("pw")):
        heard = Heard(refuse=("m",))
        played = play(b"EHLO me\r\n" + exchange + b"\r\nNOOP\r\n", heard)
        assert b64("pw") not in played.server.got
        assert b64("\0m\0pw") not in played.server.got
        assert played.shown.endswith(b"454 4.7.0 Temporary authentication failure\r\n250 2.0.0 Ok\r\n")
        assert heard.said == [("login", "m", exchange.split()[1].decode())]


def test_the_nth_failure_ends_the_session() -> None:
    heard = Heard(fails=2)
    played = play((b"AUTH PLAIN " + b64("\0a\0no") + b"\r\n") * 3, heard)
    assert played.shown.endswith(b"535 5.7.8 no\r\n421 4.7.0 Too many failures, closing\r\n")
    assert [said[0] for said in heard.said] == ["login", "failed"] * 2
    assert heard.said[1] == ("failed", "a", "PLAIN", "on")


def test_messages_and_their_fate() -> None:
    heard = Heard()
    play(b"EHLO me\r\nAUTH PLAIN " + PLAIN + b"\r\n" + COMMANDS[7] + COMMANDS[10], heard)
    assert heard.said[1:] == [
        ("logged_in", "alice", "PLAIN"),
        ("rejected", "rcpt", 550, "x@here"),
        ("accepted", "alice", 1, len(MESSAGE)),
        ("accepted", "alice", 1, 8),
    ]


@pytest.mark.parametrize("inside", [b"a\n.\r\nMAIL", b"a\r.\r\n", b"a\r\n.\nb", b"a\n.\nMAIL FROM:<x@y>\r\n", b"\n.\n", b"a\r\n.\rb"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_smuggling_stops_here(inside: bytes, size: int) -> None:
    heard = Heard()
    played = play(b"MAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\nDATA\r\nx\r\n" + inside + b"\r\n.\r\nNOOP\r\n", heard, lambda: size)
    assert played.shown.endswith(b"550 5.5.2 Message refused: bare CR or LF in it\r\n421 4.7.0 Closing\r\n")
    assert played.tap.cut
    assert b"\r\n.\r\n" not in played.server.got
    assert heard.said == [("abused", "bare_newline")]


def test_what_is_bare_is_handed_on_if_that_is_wanted() -> None:
    client = b"DATA\r\na\nb\n.\nc\r\n.\r\n"
    assert play(client, bare="pass").server.got == client


def test_starttls_begins_here() -> None:
    played = play(b"EHLO me\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\n", starttls="terminate", logins_need_tls=True)
    assert played.server.got == b"EHLO me\r\nMAIL FROM:<a@b>\r\nRSET\r\n"
    assert b"250-PIPELINING\r\n250-CHUNKING\r\n250 STARTTLS\r\n" in played.shown
    assert played.shown.endswith(b"220 2.0.0 Ready to start TLS\r\n")
    assert played.tap.upgrade
    played.tap.secured()
    played.tap.from_client(b"EHLO me\r\nAUTH PLAIN " + PLAIN + b"\r\n")
    played._carry()
    assert b"250-AUTH PLAIN LOGIN\r\n250 CHUNKING\r\n235 2.7.0 yes\r\n" in played.shown
    assert played.shown.count(b"STARTTLS") == 1


def test_no_login_before_tls_where_it_is_needed() -> None:
    heard = Heard()
    played = play(b"AUTH PLAIN " + PLAIN + b"\r\n", heard, starttls="terminate", logins_need_tls=True)
    assert played.shown.endswith(b"530 5.7.0 Must issue a STARTTLS command first\r\n")
    assert heard.said == []


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("way", ["terminate", "pass"])
def test_clear_text_behind_starttls_ends_the_session(size: int, way: str) -> None:
    heard = Heard()
    tap = SmtpTap(heard, starttls=way)
    tap.from_server(b"220 hi\r\n")
    for at in range(0, 30, size):
        tap.from_client(b"STARTTLS\r\nMAIL FROM:<a@b>\r\n"[at : at + size])
    tap.from_server(b"220 go\r\n")
    assert tap.ended == "clear text behind STARTTLS"
    assert ("abused", "pipelining") in heard.said


def test_the_server_may_not_slip_anything_in_either() -> None:
    tap = SmtpTap(Heard(), starttls="pass")
    tap.from_server(b"220 hi\r\n")
    tap.from_client(b"STARTTLS\r\n")
    tap.from_server(b"220 go\r\n250 forged\r\n")
    assert tap.ended == "clear text behind STARTTLS"


def test_blind_behind_starttls_where_that_is_wanted() -> None:
    tap = SmtpTap(Heard(), starttls="pass")
    tap.from_server(b"220 hi\r\n")
    tap.from_client(b"STARTTLS\r\n")
    tap.from_server(b"220 go\r\n")
    tap.to_server.clear()
    tap.from_client(b"\x16\x03\x01")
    assert (tap.blind, tap.to_server) == (True, [b"\x16\x03\x01"])


def test_relay_control() -> None:
    client = b"MAIL FROM:<a@b>\r\nRCPT TO:<u@elsewhere>\r\nRCPT TO:<u@here>\r\n"
    heard = Heard()
    played = play(client, heard, relay=Relay(("here",)))
    assert played.server.got == b"MAIL FROM:<a@b>\r\nNOOP\r\nRCPT TO:<u@here>\r\n"
    assert played.shown.endswith(b"250 2.0.0 Ok\r\n550 5.7.1 Relay access denied\r\n250 2.0.0 Ok\r\n")
    assert heard.said == [("rejected", "rcpt", 550, "u@elsewhere")]
    assert play(client, Heard(relay=True), relay=Relay(("here",))).server.got == client
    logged_in = b"AUTH PLAIN " + PLAIN + b"\r\n"
    assert play(logged_in + client, relay=Relay(("here",))).server.got == logged_in + client


@pytest.mark.parametrize("tab", [b"\t", b" \t ", b"\x0c"])
def test_words_are_parted_by_what_any_server_takes_for_a_space(tab: bytes) -> None:
    heard = Heard(refuse=("m",))
    relayed = play(b"MAIL FROM:<a@b>\r\nRCPT" + tab + b"TO:<u@elsewhere>\r\n", relay=Relay(("here",)))
    assert b"elsewhere" not in relayed.server.got
    login = play(b"AUTH" + tab + b"PLAIN" + tab + b64("\0m\0pw") + b"\r\nX-EXPS LOGIN " + b64("m") + b"\r\n", heard)
    assert b64("\0m\0pw") not in login.server.got
    assert heard.said == [("login", "m", "PLAIN")]
    assert b"STARTTLS" not in play(tab + b"STARTTLS" + tab + b"\r\nDATA:\r\nRCPTTO:<x>\r\nNO\0OP\r\n").server.got


def test_no_chunk_hides_commands_from_the_server() -> None:
    """A server that does not take chunks, or has no recipient, might read one as commands: it gets nothing of it."""
    hidden = b"RCPT TO:<u@elsewhere>\r\n"
    chunk = b"BDAT %d LAST\r\n" % len(hidden) + hidden
    for before in (b"", b"EHLO me\r\n", b"EHLO me\r\nMAIL FROM:<a@b>\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\n"):
        played = play(before + chunk + b"NOOP\r\n", relay=Relay(("here",)))
        assert hidden not in played.server.got
        assert played.server.got == before + b"NOOP\r\nNOOP\r\n"
    whole = b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\n" + chunk
    assert play(whole, relay=Relay(("here",))).server.got == whole


def test_who_is_refused_again_and_again_is_sent_away() -> None:
    heard = Heard()
    played = play(b"NOOP\n" * 100, heard)
    assert played.tap.ended == "too many errors"
    assert len(heard.said) == 52
    assert heard.said[-1] == ("abused", "too_many_errors")


def test_many_short_commands_at_once_cost_little() -> None:
    played = play(b"NOOP\r\n" * 40_000)
    assert played.shown.count(b"250 2.0.0 Ok\r\n") == 40_000


def test_long_commands_are_refused() -> None:
    played = play(b"NOOP " + b"x" * 3_000 + b"\r\nNOOP\r\n")
    assert played.server.got == b"NOOP\r\nNOOP\r\n"
    assert not played.tap.ended


@pytest.mark.parametrize("way", [b"AUTH PLAIN %s", b"AUTH PLAIN\r\n%s"])
def test_no_long_login_hides_a_command(way: bytes) -> None:
    """A server with shorter lines might read the rest as another command; base64 holds none."""
    hidden = b"A" * 8_000 + b"RCPT TO:<u@elsewhere>"
    played = play(way % hidden + b"\r\nNOOP\r\n")
    assert b"RCPT" not in played.server.got
    assert played.shown.endswith(b"500 5.5.6 Line too long\r\n250 2.0.0 Ok\r\n")
    said = b64("\0alice\0" + "x" * 6_000 + "right")
    assert play(way % said + b"\r\n").server.got == way % said + b"\r\n"


def test_replies_need_no_text() -> None:
    """RFC 5321, 4.2: the text is optional."""
    tap = SmtpTap(Heard(), starttls="terminate")
    for said, answer in ((b"", b"220\r\n"), (b"EHLO me\r\n", b"250\r\n"), (b"NOOP\r\n", b"250-\r\n250\r\n")):
        tap.from_client(said)
        tap.from_server(answer)
    assert b"".join(tap.to_client) == b"220\r\n250-\r\n250 STARTTLS\r\n250-\r\n250\r\n"
    assert not tap.ended


EXCHANGE = (
    b"250-X-ANONYMOUSTLS\r\n250-X-EXPS GSSAPI NTLM\r\n250-x-exps=LOGIN\r\n250-XEXCH50\r\n250-XSHADOW\r\n250-PRDR\r\n250-X_PIPE_CONNECT\r\n"
    b"250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256\r\n"
)


def test_what_cannot_be_kept_is_not_offered() -> None:
    """A second TLS of Exchange's own, replies that are not one to one, what is bound to a TLS channel that ends here."""
    kept = b"250-x-exps=LOGIN\r\n250-XSHADOW\r\n250-AUTH SCRAM-SHA-256\r\n"
    shown = play(b"EHLO me\r\n", server=SmtpServer(EXCHANGE)).shown
    assert shown.endswith(b"250-AUTH PLAIN LOGIN\r\n250-X-EXPS GSSAPI NTLM\r\n" + kept + b"250 CHUNKING\r\n")
    late = play(b"EHLO me\r\n", server=SmtpServer(EXCHANGE), starttls="terminate", logins_need_tls=True).shown
    assert late.endswith(b"250-mx\r\n250-PIPELINING\r\n250-XSHADOW\r\n250-CHUNKING\r\n250 STARTTLS\r\n")
    assert play(b"X-ANONYMOUSTLS\r\nXEXCH50 9 2\r\n").server.got == b"NOOP\r\n" * 2


def test_starttls_takes_recipients_back() -> None:
    """The server forgot them too, and might read a chunk as commands."""
    played = play(b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\nSTARTTLS\r\n", starttls="terminate")
    played.tap.secured()
    played.tap.from_client(b"BDAT 6 LAST\r\nQUIT\r\n")
    played._carry()
    assert b"QUIT" not in played.server.got


def test_who_the_client_is_is_said_first() -> None:
    played = play(b"EHLO me\r\n", hello=(b"EHLO gatepost\r\n", b"XCLIENT ADDR=192.0.2.1\r\n"))
    assert played.server.got == b"EHLO gatepost\r\nXCLIENT ADDR=192.0.2.1\r\nEHLO me\r\n"
    assert played.shown.startswith(b"250 2.0.0 Ok\r\n250-mx\r\n")
    tap = SmtpTap(Heard(), hello=(b"XCLIENT ADDR=192.0.2.1\r\n",))
    tap.from_server(b"220 hi\r\n")
    tap.from_server(b"550 5.7.0 insufficient authorization\r\n")
    assert b"".join(tap.to_client) == b"421 4.3.0 The server behind does not take the client's address\r\n"
    assert tap.ended


@pytest.mark.parametrize("size", [1, 100])
def test_a_server_that_does_not_take_the_proxy_header_gets_nobody(size: int) -> None:
    """Postfix answers it as a command, would take all clients for this host, and relay for them; and each reply would be one command late."""
    said = b"220 mx ESMTP Postfix\r\n500 5.5.2 Error: command not recognized\r\n"
    heard = Heard()
    tap = SmtpTap(heard, proxied=True)
    for at in range(0, len(said), size):
        tap.from_server(said[at : at + size])
    tap.from_client(b"MAIL FROM:<a@b>\r\n")
    assert b"".join(tap.to_client) == b"220 mx ESMTP Postfix\r\n421 4.3.0 The server behind does not take the client's address\r\n"
    assert not tap.to_server
    assert heard.said == [("rejected", "connect", 421, "")]


def test_who_speaks_first_is_noticed() -> None:
    heard = Heard()
    tap = SmtpTap(heard)
    tap.from_client(b"EHLO me\r\n")
    assert (heard.said, tap.to_server) == ([("abused", "pregreet")], [])
    tap.from_server(b"220 hi\r\n")
    assert tap.to_server == [b"EHLO me\r\n"]


def test_endless_lines_end() -> None:
    played = play(b"A" * 100_000)
    assert played.tap.ended == "a line that is too long"
    tap = SmtpTap(Heard())
    tap.from_server(b"2" * 100_000)
    assert tap.ended
    tap = SmtpTap(Heard())
    tap.from_server(b"220-x\r\n" * 20_000)
    assert tap.ended
