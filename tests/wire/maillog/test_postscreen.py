"""postscreen's messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.facts import Connected, Fact, ProtocolAbused, Rejected, SessionEnded
from tests.wire.maillog.lines import facts, reader, syslog, told

P = "[192.0.2.7]:51234"
BEGIN = f"CONNECT from {P} to [198.51.100.1]:25"
END = f"DISCONNECT {P}"


def screened(*messages: str) -> list[Fact]:
    return facts(*messages, tag="postfix/postscreen")


def test_a_connection_that_it_keeps() -> None:
    found = screened(BEGIN, f"HANGUP after 0.1 from {P} in tests before SMTP handshake", END)
    assert [type(fact) for fact in found] == [Connected, SessionEnded]
    assert {fact.client for fact in found} == {"192.0.2.7"}


def test_what_it_hands_on_is_smtpds_to_tell() -> None:
    assert screened(BEGIN, f"PASS OLD {P}") == []
    assert screened(BEGIN, f"PASS NEW {P}") == []
    assert screened(BEGIN, f"PASS OLD {P}", END) == []
    assert screened(BEGIN, f"ALLOWLISTED {P}") == []


def test_a_good_new_client_is_told_to_come_back() -> None:
    later = f"NOQUEUE: reject: RCPT from {P}: 450 4.3.2 Service currently unavailable; from=<a@b>, to=<c@d>, proto=ESMTP, helo=<x>"
    found = screened(BEGIN, later, f"PASS NEW {P}", END)
    assert [type(fact) for fact in found] == [Rejected, Connected]
    assert isinstance(found[0], Rejected)
    assert (found[0].reason, found[0].evidence_only) == ("greylisted", False)
    assert [type(fact) for fact in screened(BEGIN, f"PASS NEW {P}", END, BEGIN, END)] == [Connected, Connected, SessionEnded]


def test_whose_fault_it_is() -> None:
    later = f"NOQUEUE: reject: RCPT from {P}: 450 4.3.2 Service currently unavailable; from=<a@b>, to=<c@d>, proto=ESMTP, helo=<x>"
    never = f"NOQUEUE: reject: RCPT from {P}: 550 5.7.1 Service unavailable; client [192.0.2.7] blocked using zen.example; from=<a@b>, to=<c@d>"
    busy = f"NOQUEUE: reject: CONNECT from {P}: all server ports busy"
    for message, fault in ((later, True), (busy, True), (never, False)):
        refused, _, ended = screened(BEGIN, message, END)
        assert isinstance(ended, SessionEnded)
        assert ended.server_at_fault is fault
        assert refused.evidence_only is (message is busy), "a busy server's answer is nobody's deed"
        assert isinstance(screened(BEGIN, message, END, BEGIN, END)[-1], SessionEnded)
        assert not screened(BEGIN, message, END, BEGIN, END)[-1].server_at_fault  # type: ignore[attr-defined]


def test_rejections() -> None:
    message = f"NOQUEUE: reject: RCPT from {P}: 550 5.7.1 Service unavailable; client [192.0.2.9] blocked using z.example; from=<a>, to=<c@d>"
    [found] = screened(message)
    assert isinstance(found, Rejected)
    assert (found.client, found.stage, found.code, found.reason, found.recipient) == ("192.0.2.7", "rcpt", 550, "dnsbl", "c@d")
    for text in ("too many connections", "all server ports busy"):
        [found] = screened(f"NOQUEUE: reject: CONNECT from {P}: {text}")
        assert isinstance(found, Rejected)
        assert (found.stage, found.code, found.reason, found.evidence_only) == ("connect", 421, "busy", True)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f"PREGREET 11 after 0.05 from {P}: EHLO [192.0.2.9]:1\\r\\n", "pregreet"),
        (f"COMMAND PIPELINING from {P} after EHLO: MAIL FROM:<x@[192.0.2.9]:1>", "pipelining"),
        (f"BARE NEWLINE from {P} after CONNECT", "bare_newline"),
        (f"NON-SMTP COMMAND from {P} after CONNECT: GET / HTTP/1.1", "non_smtp_command"),
        (f"COMMAND TIME LIMIT from {P} after CONNECT", "command"),
        (f"COMMAND COUNT LIMIT from {P} after RCPT", "command"),
        (f"COMMAND LENGTH LIMIT from {P} after RCPT", "command"),
        (f"DNSBL rank 5 for {P}", "dnsbl"),
    ],
)
def test_protocol_abuse(message: str, reason: str) -> None:
    [found] = screened(message)
    assert isinstance(found, ProtocolAbused)
    assert (found.client, found.reason) == ("192.0.2.7", reason)


@pytest.mark.parametrize(
    "message",
    [
        "cache btree:/var/lib/postfix/postscreen_cache full cleanup: retained=1 dropped=0 entries",
        "close database /var/lib/postfix/postscreen_cache.db: No such file or directory (possible Berkeley DB bug)",
        f"BLACKLISTED {P}",
        f"DENYLISTED {P}",
        f"WHITELIST VETO {P}",
        f"ALLOWLIST VETO {P}",
        "entering STRESS mode with 90 connections",
        f"DATA without valid RCPT from {P}",
        f'{P}: replacing command "X" with "Y"',
        "warning: psc_cache_update: btree:x update average delay is 102 ms",
        f"reject: connect from {P}: all screening ports busy",
        "PASS NEW nobody",
        "DISCONNECT [unknown]:0",
        "PREGREET",
    ],
)
def test_understood_and_nothing_to_tell(message: str) -> None:
    one = reader()
    assert one.read(syslog(message, tag="postfix/postscreen"), 1) == []
    assert one.coverage.understood == 1


@given(st.text(max_size=100))
def test_no_text_of_a_peer_becomes_the_client(text: str) -> None:
    for message in (
        f"PREGREET 9 after 0 from {P}: {text}",
        f"COMMAND PIPELINING from {P} after {text}: {text}",
        f"NON-SMTP COMMAND from {P} after CONNECT: {text}",
        f"NOQUEUE: reject: RCPT from {P}: 550 5.5.1 {text}; from=<{text}>, to=<{text}>, proto=ESMTP, helo=<{text}>",
    ):
        for tag in ("postfix/postscreen", "postfix"):
            assert {fact.client for fact in told(syslog(message, tag=tag))} == {"192.0.2.7"}
