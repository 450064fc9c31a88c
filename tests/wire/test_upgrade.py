"""STARTTLS towards the server: what is asked, what ends it, and what the client is still told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.facts import Protocol
from gatepost.wire.upgrade import Upgrade

DIALOGUES: list[tuple[Protocol, list[bytes], list[bytes], bytes]] = [
    (
        "smtp",
        [b"220-mx\r\n220 ready\r\n", b"250-mx\r\n250-STARTTLS\r\n250 HELP\r\n", b"220 go\r\n"],
        [b"EHLO gatepost\r\n", b"STARTTLS\r\n", b""],
        b"220-mx\r\n220 ready\r\n",
    ),
    (
        "imap",
        [b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n", b"* NO wait\r\ngatepost OK go\r\n"],
        [b"gatepost STARTTLS\r\n", b""],
        b"* OK hi\r\n",
    ),
    ("pop3", [b"+OK hi <1.2@mx>\r\n", b"+OK go\r\n"], [b"STLS\r\n", b""], b"+OK hi <1.2@mx>\r\n"),
    ("sieve", [b'"SASL" ""\r\n"STARTTLS"\r\nOK "hi"\r\n', b'OK "go"\r\n'], [b"STARTTLS\r\n", b""], b""),
]


@pytest.mark.parametrize(("protocol", "says", "asks", "greeting"), DIALOGUES)
def test_a_server_that_takes_it_up(protocol: Protocol, says: list[bytes], asks: list[bytes], greeting: bytes) -> None:
    for cut in (1, 7, 1_000):
        dialogue = Upgrade(protocol)
        for said, asked in zip(says, asks, strict=True):
            assert not dialogue.done
            assert b"".join(dialogue.feed(said[at : at + cut]) for at in range(0, len(said), cut)) == asked
        assert (dialogue.done, dialogue.greeting) == (True, greeting)
        with pytest.raises(ValueError, match="in clear text"):
            dialogue.feed(b"x")


@pytest.mark.parametrize(("protocol", "says", "asks", "greeting"), DIALOGUES)
def test_what_is_slipped_in_behind_any_answer_ends_it(protocol: Protocol, says: list[bytes], asks: list[bytes], greeting: bytes) -> None:
    for number in range(len(says)):
        dialogue = Upgrade(protocol)
        for said in says[:number]:
            dialogue.feed(said)
        with pytest.raises(ValueError, match="more in clear text"):
            dialogue.feed(says[number] + b"250 slipped in")


@pytest.mark.parametrize(
    ("protocol", "says", "why"),
    [
        ("smtp", [b"554 no\x1b[2J\r\n"], r"turns us away: 554 no\?\[2J"),
        ("smtp", [b"220 hi\r\n", b"502 what\r\n"], "turns us away: 502"),
        ("smtp", [b"220 hi\r\n", b"250-mx\r\n250 STARTTLSX\r\n"], "does not offer STARTTLS"),
        ("smtp", [b"220 hi\r\n", b"250 STARTTLS\r\n", b"454 4.7.0 no\r\n"], "does not offer STARTTLS: 454"),
        ("imap", [b"* PREAUTH hi\r\n"], "turns us away"),
        ("imap", [b"* OK hi\r\n", b"* BYE over\r\n"], r"does not offer STARTTLS: \* BYE"),
        ("imap", [b"* OK hi\r\n", b"gatepost BAD what\r\n"], "does not offer STARTTLS"),
        ("pop3", [b"+OK hi\r\n", b"-ERR what\r\n"], "does not offer STARTTLS: -ERR what"),
        ("sieve", [b'BYE "full"\r\n'], "turns us away"),
        ("sieve", [b'"SASL" ""\r\nOK\r\n', b'NO "what"\r\n'], "does not offer STARTTLS"),
        ("smtp", [b"220-" + b"x" * 70_000], "does not come to an end"),
    ],
)
def test_a_server_that_does_not(protocol: Protocol, says: list[bytes], why: str) -> None:
    dialogue = Upgrade(protocol)
    for said in says[:-1]:
        dialogue.feed(said)
    with pytest.raises(ValueError, match=why):
        dialogue.feed(says[-1])


@given(st.sampled_from(["smtp", "imap", "pop3", "sieve"]), st.lists(st.binary(max_size=40), max_size=5))
def test_garbage_is_refused_and_nothing_else(protocol: Protocol, says: list[bytes]) -> None:
    dialogue = Upgrade(protocol)
    try:
        for said in says:
            dialogue.feed(said)
    except ValueError:
        return
