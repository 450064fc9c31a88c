"""What Postfix refuses: stage, code, reason, recipient, and whose fault it is."""

import pytest

from gatepost.core.facts import ProtocolAbused, Rejected, SessionEnded
from tests.wire.maillog.lines import facts, syslog, told

A = "host.example[192.0.2.7]"


def session(*between: str, end: str = f"disconnect from {A} ehlo=1 quit=1 commands=2", tag: str = "postfix/smtpd") -> list[str]:
    return syslog(f"connect from {A}", *between, end, tag=tag)


def queue(*messages: str) -> list[str]:
    return syslog(*messages, tag="postfix/qmgr", pid=20)


def ended(lines: list[str]) -> SessionEnded:
    [found] = [fact for fact in told(lines) if isinstance(fact, SessionEnded)]
    return found


@pytest.mark.parametrize(
    ("text", "stage", "code", "reason", "recipient"),
    [
        ("RCPT 550 5.1.1 <X@y.org>: Recipient address rejected: User unknown in local recipient table", "rcpt", 550, "unknown_user", "X@y.org"),
        ("RCPT 450 4.1.1 <x@y.org>: Recipient address rejected: unverified address: in progress", "rcpt", 450, "unknown_user", "x@y.org"),
        ("RCPT 554 5.7.1 <x@y.org>: Relay access denied", "rcpt", 554, "relay_denied", "x@y.org"),
        ("RCPT 454 4.7.1 <x@y.org>: Relay access denied", "rcpt", 454, "relay_denied", "x@y.org"),
        ("RCPT 554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org; https://x", "rcpt", 554, "dnsbl", "to@y.org"),
        ("CONNECT 554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org", "connect", 554, "dnsbl", ""),
        ("EHLO 504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", "helo", 504, "helo", ""),
        ("RCPT 450 4.7.1 <x>: Helo command rejected: Host not found", "rcpt", 450, "helo", "to@y.org"),
        ("MAIL 450 4.1.8 <a@b>: Sender address rejected: Domain not found", "mail", 450, "sender", ""),
        ("RCPT 550 5.1.0 <a@b>: Sender address rejected: User unknown in relay recipient table", "rcpt", 550, "sender", "to@y.org"),
        ("RCPT 450 4.2.0 <x@y.org>: Recipient address rejected: Greylisted, see http://x", "rcpt", 450, "greylisted", "x@y.org"),
        ("RCPT 450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.7]", "rcpt", 450, "policy", "to@y.org"),
        ("MAIL 452 4.3.1 Insufficient system storage", "mail", 452, "busy", ""),
        ("RCPT 451 4.3.0 <x@y.org>: Temporary lookup failure", "rcpt", 451, "busy", "to@y.org"),
        ("MAIL 552 5.3.4 Message size exceeds fixed limit", "mail", 552, "policy", ""),
        ("DATA 550 5.7.1 <DATA>: Data command rejected: Multi-recipient bounce", "data", 550, "content", ""),
        ("VRFY 550 5.1.1 <x@y.org>: Recipient address rejected: User unknown", "rcpt", 550, "unknown_user", "x@y.org"),
        ("END-OF-MESSAGE 550 5.7.1 spam", "data", 550, "content", ""),
    ],
)
def test_rejections(text: str, stage: str, code: int, reason: str, recipient: str) -> None:
    where, _, reply = text.partition(" ")
    for action in ("reject", "milter-reject"):
        [found] = facts(f"NOQUEUE: {action}: {where} from {A}: {reply}; from=<a@b.example> to=<to@y.org> proto=ESMTP helo=<x>")
        assert isinstance(found, Rejected)
        assert (found.client, found.stage, found.code, found.reason, found.recipient) == ("192.0.2.7", stage, code, reason, recipient)
        assert found.evidence_only == (reason == "busy")


@pytest.mark.parametrize(
    "cleanup",
    [
        f"4bX1: milter-reject: END-OF-MESSAGE from {A}: 4.7.1 Service unavailable - try again later; from=<a@b> to=<c@d> proto=ESMTP helo=<x>",
        "warning: 4bX1: write queue file: No space left on device",
        "warning: 4bX1: virtual_alias_maps map lookup problem for x@y -- message not accepted, try again later",
    ],
)
def test_cleanup_fails_the_message_of_a_session(cleanup: str) -> None:
    lines = session("4bX1: client=" + A, end=f"disconnect from {A} ehlo=1 mail=1 rcpt=1 data=0/1 quit=1 commands=4/5")
    assert ended([*lines[:-1], *syslog(cleanup, tag="postfix/cleanup", pid=30), lines[-1]]).server_at_fault
    assert not ended(lines).server_at_fault


def test_limits_are_the_servers_doing() -> None:
    [found] = facts(f"warning: Connection rate limit exceeded: 61 from {A} for service smtp")
    assert isinstance(found, Rejected)
    assert (found.stage, found.code, found.reason, found.evidence_only) == ("connect", 421, "busy", True)


def test_header_checks_quote_the_peer_before_the_client() -> None:
    message = f"4bX1: reject: header Subject: x from evil[6.6.6.6]; from=<a@b> to=<c@d>: 5.7.1 no from {A}; from=<a@b> to=<c@d>: 5.7.1 no"
    cleanup = syslog(message, tag="postfix/cleanup", pid=30)
    [found] = told([*syslog("4bX1: client=" + A), *cleanup])
    assert isinstance(found, Rejected)
    assert (found.client, found.stage, found.reason) == ("192.0.2.7", "data", "content")
    assert told(cleanup) == [], "a message whose begin we never saw is nobody's"


def test_a_bare_newline_is_both() -> None:
    found = facts(f"NOQUEUE: reject: DATA from {A}: 550 5.5.2 mx Error: bare <LF> received; from=<a@b> to=<c@d>")
    assert [type(fact) for fact in found] == [Rejected, ProtocolAbused]
