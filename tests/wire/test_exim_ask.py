"""The line that Exim asks with."""

import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire import exim_ask
from gatepost.wire.exim_ask import Ask, Line, read


def b64(text: str) -> bytes:
    """As ``${base64:...}`` writes it."""
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (b"connect client=192.0.2.7 port=25", Ask("connect", "192.0.2.7", port="25")),
        (b"connect client=2001:db8::7 port=465 host=mx.example.org\r", Ask("connect", "2001:db8::7", "mx.example.org", "465")),
        (b"auth client=192.0.2.7", Ask("auth", "192.0.2.7")),
        (b"rcpt client=192.0.2.7 account64=", Ask("rcpt", "192.0.2.7")),
        (b"relay client=192.0.2.7 new=field =x  ", Ask("relay", "192.0.2.7")),
        (
            b"data client=192.0.2.7 account64=" + b64("b\xfc cher@x") + b" recipients=3 size=99",
            Ask("data", "192.0.2.7", account="b\xfc cher@x", recipients=3, size=99),
        ),
        (b"data client=192.0.2.7 recipients=-1 size=1e9", Ask("data", "192.0.2.7")),
        (b"bounced client=192.0.2.7 recipient64=" + b64("a b\n@x"), Ask("bounced", "192.0.2.7", recipient="a b\n@x")),
        (b"failed client=192.0.2.7 account64=" + base64.b64encode(b"\xff\xfe"), Ask("failed", "192.0.2.7", account="\ufffd\ufffd")),
        (b"connect", Ask("connect")),
    ],
)
def test_a_question(line: bytes, asked: Ask) -> None:
    assert read(line) == asked


NONE = (b"", b" connect", b"CONNECT client=1", b"hello", b"GET / HTTP/1.1", b"\xff\xfe", b"auth account64=*", b"auth account64=\xff")


@pytest.mark.parametrize("line", NONE)
def test_what_is_no_question(line: bytes) -> None:
    assert read(line) in (None, Ask("auth"))
    talk = Line()
    asked = talk.feed(line + b"\n")
    assert (asked is None) == (talk.broken == "no question")


def test_a_line_without_an_end_is_bounded() -> None:
    talk = Line()
    for _ in range(exim_ask.LONGEST + 1):
        assert talk.feed(b"x") is None
    assert talk.broken == "line too long"
    assert not talk._buffer
    assert talk.feed(b"\nconnect client=192.0.2.7\n") is None


def test_the_answers() -> None:
    answers = [exim_ask.OK, exim_ask.RELAY, exim_ask.deny("Access denied"), exim_ask.defer("Not now"), exim_ask.wait(7)]
    assert answers == [b"ok", b"relay", b"deny Access denied", b"defer Not now", b"wait 7"]


WORDS = st.sampled_from(sorted(exim_ask.VERBS))
GOOD = st.builds(lambda verb, name: verb.encode() + b" client=192.0.2.7 account64=" + b64(name) + b"\n", WORDS, st.text())


@given(GOOD | st.binary(max_size=60), st.lists(st.integers(1, 80), max_size=8))
def test_any_split_of_a_line_asks_the_same_and_nothing_raises(line: bytes, cuts: list[int]) -> None:
    whole, split = Line(), Line()
    expected = whole.feed(line)
    places = sorted({0, len(line), *(cut for cut in cuts if cut < len(line))})
    found = [split.feed(line[start:end]) for start, end in pairwise(places)]
    first = next((each for each in found if each is not None), None)
    assert first == expected
    if expected is None:
        assert split.broken == whole.broken
