"""The milter codec: what is agreed, what is read, and what breaks the conversation."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire import milter
from gatepost.wire.milter import Abort, Connect, Conversation, End, Event, Mail, Negotiated, Pass, Quit, Recipient


def packed(command: bytes, data: bytes = b"") -> bytes:
    """A packet."""
    return struct.pack(">I", len(data) + 1) + command + data


def offer(version: int = 6, actions: int = 0x1FF, steps: int = 0x1FFFFF) -> bytes:
    """What a mail server offers."""
    return packed(b"O", struct.pack(">III", version, actions, steps))


def macros(command: bytes, **values: bytes) -> bytes:
    """The macros of a command; names of more than one letter stand in braces."""
    pairs = [(name.encode() if len(name) == 1 else b"{%s}" % name.encode(), value) for name, value in values.items()]
    return packed(b"D", command + b"".join(name + b"\0" + value + b"\0" for name, value in pairs))


def connect(address: bytes = b"192.0.2.7", family: bytes = b"4") -> bytes:
    """A client's connection."""
    return packed(b"C", b"client.example\0" + family + struct.pack(">H", 4711) + address + b"\0")


def events(*sent: bytes, wants_refused: bool = False) -> list[Event]:
    """What a conversation tells after the negotiation."""
    talk = Conversation(wants_refused)
    found = talk.feed(offer() + b"".join(sent))
    assert talk.broken == ""
    return found[1:]


def steps_of(found: Event) -> tuple[int, int, int]:
    """Version, actions and steps of an answer."""
    assert isinstance(found, Negotiated)
    length, command, *numbers = struct.unpack_from(">IcIII", found.answer)
    assert command == b"O"
    assert length == len(found.answer) - 4
    return numbers[0], numbers[1], numbers[2]


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6, 7, 99])
def test_the_version_is_the_lower_one_and_nothing_is_asked_for_that_was_not_offered(version: int) -> None:
    (found,) = Conversation(True).feed(offer(version, 0x3F, 0x7F))
    agreed, actions, steps = steps_of(found)
    assert agreed == min(version, 6)
    assert actions == milter.QUARANTINE
    assert steps == 0x72  # header, end of headers, body and HELO are skipped
    assert not found.refused_recipients  # type: ignore[union-attr]


def test_a_new_mail_server_is_told_which_macros_to_send() -> None:
    talk = Conversation(True)
    (found,) = talk.feed(offer())
    assert isinstance(found, Negotiated)
    assert steps_of(found) == (6, 0x120, 0xB72)
    assert (found.quarantine, found.refused_recipients) == (True, True)
    assert found.answer[17:].startswith(b"\0\0\0\0j {daemon_port}\0\0\0\0\x02i {auth_authen}\0")
    assert steps_of(Conversation().feed(offer())[0])[2] == 0x372


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (offer(1), "version too old"),
        (offer(steps=0x0F), "header and body cannot be skipped"),
        (packed(b"O", b"\0\0\0\6"), "bad negotiation"),
        (offer() + offer(), "bad negotiation"),
        (connect(), "no negotiation"),
        (struct.pack(">I", 0) + b"O", "bad length"),
        (struct.pack(">I", milter.LONGEST + 1) + b"O", "bad length"),
        (b"GET / HTTP/1.1\r\n\r\n", "bad length"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "bad length"),
        (offer() + packed(b"C", b"client.example"), "bad connect"),
        (offer() + packed(b"C", b"client.example\x004\x12\x34192.0.2.7"), "bad connect"),
        (offer() + packed(b"Z"), "unknown command"),
        (offer() + packed(b"D"), "bad macros"),
        (offer() + b"".join(packed(b"D", bytes([letter])) for letter in range(65, 90)), "bad macros"),
    ],
)
def test_what_breaks_a_conversation(sent: bytes, why: str) -> None:
    talk = Conversation()
    talk.feed(sent)
    assert talk.broken == why
    assert talk.feed(offer() + connect()) == []
    assert not talk.waiting


def test_a_session() -> None:
    assert events(
        macros(b"C", j=b"mx.example.org", daemon_port=b"587"),
        connect(b"IPv6:2001:db8::7", b"6"),
        macros(b"M", i=b"4X", auth_authen=b"Bob@Example.org"),
        packed(b"M", b"<friend@friend.example>\0BODY=8BITMIME\0size=1234\0"),
        packed(b"R", b"<bob@example.org>\0"),
        packed(b"A"),
        packed(b"M", b"<>\0"),
        packed(b"R", b"<carol@example.org>\0NOTIFY=NEVER\0"),
        macros(b"E", i=b"4X", msg_size=b"99"),
        packed(b"E"),
        packed(b"K"),
        connect(),
        packed(b"Q"),
        wants_refused=True,
    ) == [
        Connect("IPv6:2001:db8::7", "mx.example.org", "587"),
        Mail("Bob@Example.org", 1234),
        Recipient("bob@example.org"),
        Abort(),
        Mail("", 0),  # macros are those of one command
        Recipient("carol@example.org"),
        End(99),
        Quit(True),
        Connect("192.0.2.7", "", ""),
        Quit(False),
    ]


@pytest.mark.parametrize("family", [b"U", b"L"])
def test_a_client_without_an_address(family: bytes) -> None:
    assert events(packed(b"C", b"localhost\0" + family + b"\0")) == [Connect("", "", "")]


@pytest.mark.parametrize(
    ("host", "said", "code"),
    [
        (b"5.1.1", b"550 5.1.1 <ghost@example.org>: Recipient address rejected: User unknown", 550),
        (b"4.7.1", b"450 4.7.1 <x@example.org>: greylisted", 450),
        (b"5.1.1", b"<ghost@example.org>... User unknown", 550),
        (b"4.2.0", b"busy", 450),
        (b"", b"", 550),
        (b"5.7.1", b"999 what", 550),
    ],
)
def test_a_recipient_that_the_mail_server_refuses(host: bytes, said: bytes, code: int) -> None:
    (found,) = events(macros(b"R", rcpt_mailer=b"error", rcpt_host=host, rcpt_addr=said), packed(b"R", b"<ghost@example.org>\0"))
    assert isinstance(found, Recipient)
    assert (found.recipient, found.code) == ("ghost@example.org", code)
    assert found.said.startswith(str(code))


def test_what_an_old_mail_server_sends_all_the_same_is_passed() -> None:
    sent = [packed(letter, b"x\0") for letter in (b"H", b"T", b"U", b"L", b"N", b"B")]
    assert events(*sent) == [Pass()] * 6


@pytest.mark.parametrize("size", [b"-1", b"1e9", b"\xb2", b"9" * 16, b""])
def test_a_size_that_is_no_number_is_none(size: bytes) -> None:
    assert events(packed(b"M", b"<a@b>\0SIZE=" + size + b"\0")) == [Mail("", 0)]


PIECES = st.sampled_from(
    [
        offer(),
        offer(2, 0, 0x7F),
        connect(),
        macros(b"M", auth_authen=b"bob"),
        packed(b"M", b"<a@b>\0SIZE=5\0"),
        packed(b"R", b"<c@d>\0"),
        packed(b"E"),
        packed(b"A"),
        packed(b"K"),
        packed(b"Q"),
        packed(b"Z"),
        b"\0",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=40), max_size=12), st.lists(st.integers(0, 400), max_size=8))
def test_any_split_of_a_stream_tells_the_same_and_nothing_raises(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join([offer(), *pieces])
    whole, split = Conversation(), Conversation()
    expected = whole.feed(stream)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    found = [event for start, end in pairwise(places) for event in split.feed(stream[start:end])]
    assert found == expected
    assert (split.broken, split.waiting) == (whole.broken, whole.waiting)


def test_what_waits_is_bounded() -> None:
    talk = Conversation()
    talk.feed(offer() + struct.pack(">I", milter.LONGEST) + b"R")
    for _ in range(milter.LONGEST // 64 + 1):
        talk.feed(b"x" * 64)
    assert len(talk._buffer) <= milter.LONGEST + 4
    assert talk.broken  # the x behind the packet are no length
