"""What all taps do: they bound what waits."""

from gatepost.wire.pop3 import Pop3Tap
from gatepost.wire.smtp import SmtpTap
from gatepost.wire.tap import ENOUGH, Incoming, text_of
from tests.wire.taps import Heard


def test_a_tap_says_when_enough_waits() -> None:
    tap = SmtpTap(Heard())
    tap.from_server(b"220 hi\r\n")
    tap.from_client(b"DATA\r\n" + b"x" * ENOUGH)
    before = tap.full
    tap.from_client(b"y")
    assert (before, tap.full) == (False, True)
    tap.from_server(b"354 go\r\n")
    assert len(tap._in) == 0


def test_what_is_ended_takes_nothing() -> None:
    tap = Pop3Tap(Heard())
    tap.end("over")
    tap.from_client(b"USER x\r\n")
    tap.from_server(b"+OK\r\n")
    assert (tap.to_client, tap.to_server) == ([], [])


def test_whether_a_command_is_half_way() -> None:
    tap = Pop3Tap(Heard())
    tap.from_server(b"+OK\r\n")
    assert not tap.midway
    tap.from_client(b"US")
    assert tap.midway


def test_what_waits_is_read_in_any_pieces() -> None:
    waits = Incoming()
    waits.put(b"one\ntwo\nthr")
    assert (waits.line(), len(waits), waits.some(2), waits.line()) == (b"one\n", 7, b"tw", b"o\n")
    assert waits.line() is None
    waits.put(b"ee\n")
    waits.back(b"zero\n")
    assert (waits.line(), waits.rest(), len(waits)) == (b"zero\n", b"three\n", 0)


def test_text_of_strangers() -> None:
    assert text_of(b"b\xfcb") == "b\ufffdb"
