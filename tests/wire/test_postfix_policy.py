"""Postfix's policy protocol: requests in, actions out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire import postfix_policy as policy
from gatepost.wire.postfix_policy import MOST, Request, Requests

RCPT = b"""request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address=203.0.113.7
client_name=host=with=equals.example
sender=a=b@example.org
recipient=bob@example.org
recipient_count=0
instance=1f2e.674.0
size=12345
sasl_username=Bob@Example.org
policy_context=access
new_in_postfix_9=whatever

"""
END = b"request=smtpd_access_policy\nprotocol_state=END-OF-MESSAGE\nrecipient_count=3\nsize=4567\nserver_port=587\n\n"


def test_a_request_is_read() -> None:
    (found,) = Requests().feed(RCPT)
    assert found == Request(b"203.0.113.7", b"RCPT", b"access", b"Bob@Example.org", b"1f2e.674.0")


def test_numbers_are_read_at_the_end_of_a_message() -> None:
    (found,) = Requests().feed(END)
    assert (found.recipients, found.size, found.port) == (3, 4567, 587)


@pytest.mark.parametrize("digits", [b"", b"-1", b"1e3", b"9" * 16, b"\xc2\xb2", b" 1"])
def test_odd_numbers_are_none(digits: bytes) -> None:
    (found,) = Requests().feed(END.replace(b"=3\n", b"=" + digits + b"\n"))
    assert (found.recipients, found.size) == (0, 4567)


def test_what_is_not_there_is_empty() -> None:
    assert Requests().feed(b"request=smtpd_access_policy\n\n") == [Request(b"", b"", b"", b"", b"")]


def test_a_name_within_a_value_is_a_value() -> None:
    (found,) = Requests().feed(b"request=smtpd_access_policy\nsender=client_address=192.0.2.1\nclient_address=203.0.113.7\n\n")
    assert found.client == b"203.0.113.7"


@given(st.lists(st.sampled_from([RCPT, END]), max_size=4), st.lists(st.integers(1, 90), max_size=12))
def test_however_a_stream_is_split_it_is_the_same(requests: list[bytes], cuts: list[int]) -> None:
    stream, one = b"".join(requests), Requests()
    found, at = [], 0
    for cut in [*cuts, len(stream)]:
        found += one.feed(stream[at : at + cut])
        at += cut
    found += one.feed(stream[at:])
    assert found == Requests().feed(stream)
    assert not one.broken
    assert not one.waiting


PIECES = [RCPT, END, RCPT[:40], b"\n", b"\n\n", b"request=smtpd_access_policy\n"]


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(PIECES)), max_size=8))
def test_garbage_never_raises_and_its_split_does_not_matter(chunks: list[bytes]) -> None:
    whole, apart = Requests(), Requests()
    found = [each for chunk in chunks for each in apart.feed(chunk)]
    assert found == whole.feed(b"".join(chunks))
    assert bool(apart.broken) == bool(whole.broken)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"EHLO there\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"\n",
        b"name=value\n\n",
        b"request=junk\n\n",
        b"\0" * 100,
        b'{"login": "bob"}\n',
    ],
)
def test_what_is_no_request_ends_the_stream(garbage: bytes) -> None:
    stream = Requests()
    assert stream.feed(garbage) == []
    assert stream.broken == "no policy request"
    assert stream.feed(RCPT) == []


def test_requests_before_the_garbage_are_answered() -> None:
    stream = Requests()
    assert len(stream.feed(RCPT + END + b"GET / HTTP/1.1\r\n\r\n")) == 2
    assert stream.broken


def test_a_request_that_never_ends_is_bounded() -> None:
    stream = Requests()
    stream.feed(b"request=smtpd_access_policy\n")
    for _ in range(MOST // 1000 + 2):
        stream.feed(b"sender=" + b"x" * 993)
    assert stream.broken == "too long"
    assert not stream.waiting
    stream = Requests()
    stream.feed(b"request=smtpd_access_policy\nsender=" + b"x" * MOST + b"\n\n")
    assert stream.broken == "too long"


def test_an_action_is_one_line() -> None:
    assert policy.answer("REJECT a\n\nb\u20ac") == b"action=REJECT a  b?\n\n"
    assert policy.sleep(1, 10) == policy.sleep(1_000_000, 10) == b"action=sleep 1\n\n"
    assert policy.sleep(1_000_001, 10) == b"action=sleep 2\n\n"
    assert policy.sleep(90_000_000, 10) == b"action=sleep 10\n\n"
