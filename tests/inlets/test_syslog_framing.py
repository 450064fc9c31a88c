"""A stream of syslog is cut into messages however it arrives, and nothing that is sent makes it grow or fail."""

import random

import pytest

from gatepost.inlets.syslog_framing import LONGEST, MOST_SKIPPED, Frames, line

MESSAGES = [b"<22>Nov 24 12:00:00 mx postfix/smtpd[1]: a", b"<22>1 2026-11-24T12:00:00Z mx postfix/smtpd 1 - - 17 b", b"x" * 5_000]


def by_newline(messages: list[bytes]) -> bytes:
    return b"".join(message + b"\n" for message in messages)


def by_count(messages: list[bytes]) -> bytes:
    return b"".join(b"%d %s" % (len(message), message) for message in messages)


def cut(stream: bytes, chance: random.Random) -> list[bytes]:
    pieces = []
    while stream:
        size = chance.choice((1, 2, 7, 100, 4_000))
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


@pytest.mark.parametrize("framing", [by_newline, by_count])
@pytest.mark.parametrize("seed", range(20))
def test_messages_are_the_same_however_they_arrive(framing: object, seed: int) -> None:
    assert callable(framing)
    frames = Frames()
    found = [message for piece in cut(framing(MESSAGES * 5), random.Random(seed)) for message in frames.feed(piece)]
    assert found == MESSAGES * 5
    assert (frames.broken, frames.too_long, frames.waiting) == ("", 0, False)


@pytest.mark.parametrize("framing", [by_newline, by_count])
@pytest.mark.parametrize("seed", range(10))
def test_a_message_that_is_too_long_is_left_out_and_the_next_is_read(framing: object, seed: int) -> None:
    assert callable(framing)
    frames = Frames()
    sent = [MESSAGES[0], b"y" * (LONGEST + 1 + 1_000 * seed), MESSAGES[1]]
    pieces = cut(framing(sent), random.Random(seed))
    found = [message for piece in pieces for message in frames.feed(piece)]
    assert found == [MESSAGES[0], MESSAGES[1]]
    assert (frames.broken, frames.too_long) == ("", 1)


@pytest.mark.parametrize("size", [1 << 10, 1 << 18])
def test_an_endless_line_ends_the_connection_and_is_not_kept(size: int) -> None:
    frames = Frames()
    sent = 0
    while not frames.broken:
        assert frames.feed(b"z" * size) == []
        sent += size
        assert sent < 2 * MOST_SKIPPED + LONGEST
    assert frames.broken == "endless message"
    assert len(frames._buffer) == 0
    assert frames.feed(by_newline(MESSAGES)) == []


@pytest.mark.parametrize(
    ("stream", "broken"),
    [
        (b"99999999999999999999 x", "no octet count"),
        (b"9999999 x", "huge octet count"),
        (b"0 x", "no octet count"),
        (b"007 <22>xxx", "no octet count"),
        (b"5 abcde<22>Nov 24", "no octet count"),
        (b"12x <22>", "no octet count"),
        (b"1" * 100_000, "no octet count"),
    ],
)
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_counts_that_are_none(stream: bytes, broken: str, step: int) -> None:
    frames = Frames()
    for at in range(0, len(stream), step):
        frames.feed(stream[at : at + step])
    assert frames.broken == broken
    assert not frames.waiting


def test_what_comes_before_a_bad_count_is_read() -> None:
    frames = Frames()
    assert frames.feed(by_count(MESSAGES) + b"nonsense") == MESSAGES
    assert frames.broken


@pytest.mark.parametrize("stream", [b"40 <22>Nov 24", b"40", b"<22>Nov 24 12:00:00 mx"])
def test_a_truncated_message_is_none(stream: bytes) -> None:
    frames = Frames()
    assert frames.feed(stream) == []
    assert frames.waiting


def test_counted_messages_may_be_followed_by_newlines_or_nuls() -> None:
    assert Frames().feed(b"\n3 abc\n3 def\0\n3 ghi") == [b"abc", b"def", b"ghi"]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"<22>Nov 24 12:00:00 mx a[1]: b\r\n\0", "Nov 24 12:00:00 mx a[1]: b"),
        (b"\xef\xbb\xbf<22>a: b", "a: b"),
        (b"<22>a: \xff\xfe b", "a: \ufffd\ufffd b"),
        (b"a: b\0c\nd", "a: b?c d"),
        (b"\0\0\n", ""),
        (b"<22>", ""),
        (b"<2222>x", "<2222>x"),
    ],
)
def test_the_line_of_a_message(message: bytes, text: str) -> None:
    assert line(message) == text


@pytest.mark.parametrize("seed", range(100))
def test_no_bytes_raise(seed: int) -> None:
    chance = random.Random(seed)
    frames = Frames()
    for _ in range(50):
        piece = bytes(chance.choices(b"0123456789 \n\0<>ab\xff", k=chance.randrange(200)))
        for message in frames.feed(piece):
            line(message)
        assert len(frames._buffer) <= LONGEST + 200
