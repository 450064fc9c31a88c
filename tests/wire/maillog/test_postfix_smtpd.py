"""What smtpd's sessions tell: who came, how they ended, who failed to log in, who broke the protocol."""

import pytest

from gatepost.core.facts import AuthFailed, AuthSucceeded, ProtocolAbused, SessionEnded
from gatepost.wire.maillog.postfix_smtpd import count
from tests.wire.maillog.lines import facts, short, syslog, told

A = "host.example[192.0.2.7]"


def session(*between: str, end: str = f"disconnect from {A} ehlo=1 quit=1 commands=2", tag: str = "postfix/smtpd") -> list[str]:
    return syslog(f"connect from {A}", *between, end, tag=tag)


def queue(*messages: str) -> list[str]:
    return syslog(*messages, tag="postfix/qmgr", pid=20)


def ended(lines: list[str]) -> SessionEnded:
    [found] = [fact for fact in told(lines) if isinstance(fact, SessionEnded)]
    return found


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("host.example[192.0.2.7]", "192.0.2.7"),
        ("unknown[192.0.2.7]", "192.0.2.7"),
        ("unknown[192.0.2.7]:51234", "192.0.2.7"),
        ("unknown[2001:DB8::0007]", "2001:db8::7"),
        ("unknown[::ffff:192.0.2.7]", "192.0.2.7"),
        ("unknown[IPv6:2001:db8::7]:25", "2001:db8::7"),
    ],
)
def test_who_connects_and_leaves(peer: str, client: str) -> None:
    found = facts(f"connect from {peer}", f"disconnect from {peer} ehlo=1 quit=1 commands=2")
    assert short(found) == [f"Connected {client}", f"SessionEnded {client}"]


@pytest.mark.parametrize("peer", ["unknown[unknown]", "localhost", "", "x[", "x[]", "x[unix:/run/x]", "[192.0.2]", "x]192.0.2.7["])
def test_no_address_accuses_nobody(peer: str) -> None:
    assert facts(f"connect from {peer}", f"disconnect from {peer} commands=0/0") == []


@pytest.mark.parametrize(
    ("counters", "messages", "authenticated"),
    [
        ("ehlo=1 auth=0/1 quit=1 commands=2/3", 0, False),
        ("ehlo=2 starttls=1 auth=1 mail=2 rcpt=2 data=2 quit=1 commands=10", 2, True),
        ("ehlo=1 mail=1 rcpt=0/1 data=0/1 commands=2/4", 0, False),
        ("ehlo=1 auth=1/3 mail=3 rcpt=3 data=1/3 commands=9/13", 1, True),
        ("commands=0/0", 0, False),
        ("", -1, False),
        ("ehlo=1 mail=1 rcpt=1 bdat=3 commands=6", -1, False),
        ("ehlo=1 mail=1 rcpt=1 data=1 bdat=0/1 commands=4/5", 1, False),
        ("x=y =1 data data=/1 commands=99999999999999999999", -1, False),
    ],
)
def test_counters(counters: str, messages: int, authenticated: bool) -> None:
    assert count(counters) == (messages, authenticated)


def test_chunks_are_not_messages() -> None:
    begun = session("4bX1: client=" + A, "4bX2: client=" + A, end=f"disconnect from {A} ehlo=1 mail=2 rcpt=2 bdat=5/6 commands=9/10")
    active = queue("4bX1: from=<a@b>, size=10, nrcpt=1 (queue active)", "4bX1: removed")
    assert ended(begun).messages == 0
    assert ended([*begun[:-1], *active, begun[-1]]).messages == 1


def test_versions_without_counters_count_by_queue_id() -> None:
    lines = session("4bX1: client=" + A, end=f"disconnect from {A}")
    active = queue("4bX1: from=<a@b>, size=10, nrcpt=1 (queue active)")
    assert ended(lines).messages == 0
    assert ended([*lines[:-1], *active, lines[-1]]).messages == 1


@pytest.mark.parametrize(
    ("rest", "account", "method", "reason", "server"),
    [
        ("SASL LOGIN authentication failed: UGFzc3dvcmQ6", "", "LOGIN", "", False),
        ("SASL LOGIN authentication failed: (reason unavailable), sasl_username=Bob@Example.org", "bob@example.org", "LOGIN", "", False),
        ("SASL PLAIN authentication failed: , sasl_username=bob", "bob", "PLAIN", "", False),
        ("SASL PLAIN authentication failed:", "", "PLAIN", "", False),
        ("SASL CRAM-MD5 authentication failed: PDEyMz4=, sasl_username=(unavailable)", "", "CRAM-MD5", "", False),
        ("SASL PLAIN authentication failed: authentication failure", "", "PLAIN", "password", False),
        ("SASL PLAIN authentication failed: user not found", "", "PLAIN", "unknown_user", False),
        ("SASL FOO authentication failed: Invalid authentication mechanism", "", "FOO", "other", False),
        ("SASL PLAIN authentication failed: Connection lost to authentication server", "", "PLAIN", "other", True),
        ("SASL PLAIN authentication failed: Connection lost to authentication server, sasl_username=bob", "bob", "PLAIN", "other", True),
        ("SASL PLAIN authentication failed: generic failure", "", "PLAIN", "other", True),
        ("SASL PLAIN authentication failed: Temporary authentication failure", "", "PLAIN", "other", True),
    ],
)
def test_failed_logins(rest: str, account: str, method: str, reason: str, server: bool) -> None:
    [found] = facts(f"warning: {A}: {rest}")
    assert isinstance(found, AuthFailed)
    assert (found.client, found.account, found.method, found.reason, found.evidence_only) == ("192.0.2.7", account, method, reason, server)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (f"NOQUEUE: reject: RCPT from {A}: 450 4.2.0 <x@y>: Recipient address rejected: Greylisted; from=<> to=<x@y>", True),
        (f"NOQUEUE: reject: MAIL from {A}: 452 4.3.1 Insufficient system storage; proto=ESMTP helo=<x>", True),
        (f"NOQUEUE: milter-reject: CONNECT from {A}: 451 4.7.1 Service unavailable - try again later; proto=SMTP", True),
        (f"warning: Connection concurrency limit exceeded: 51 from {A} for service smtp", True),
        ("warning: not enough free space in mail queue: 1 bytes < 1.5*message size limit", True),
        (f"warning: {A}: SASL PLAIN authentication failed: Connection lost to authentication server", True),
        ("proxy-reject: END-OF-MESSAGE: 451 4.3.0 Error: queue file write error; from=<> to=<x@y>", True),
        (f"NOQUEUE: reject: RCPT from {A}: 450 4.1.1 <x@y>: Recipient address rejected: User unknown in virtual mailbox table; to=<x@y>", False),
        (f"NOQUEUE: reject: RCPT from {A}: 450 4.1.1 <x@y>: Recipient address rejected: unverified address: busy; from=<> to=<x@y>", False),
        (f"NOQUEUE: reject: RCPT from {A}: 550 5.7.1 <x@y>: Relay access denied; from=<> to=<x@y>", False),
        (f"warning: {A}: SASL PLAIN authentication failed: authentication failure", False),
        (f"lost connection after EHLO from {A}", False),
    ],
)
def test_whose_fault_a_session_without_message_is(message: str, fault: bool) -> None:
    assert ended(session(message)).server_at_fault is fault
    assert not ended(session(message, end=f"disconnect from {A} ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6")).server_at_fault
    again = [*session(message), *session()]
    last = [fact for fact in told(again) if isinstance(fact, SessionEnded)][-1]
    assert not last.server_at_fault, "the next session starts clean"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f"too many errors after RCPT from {A}", "too_many_errors"),
        (f"too many errors after DATA (12 bytes) from {A}", "too_many_errors"),
        (f"improper command pipelining after EHLO from {A}: MAIL FROM:<a[192.0.2.9]>", "pipelining"),
        (f"warning: improper command pipelining after CONNECT from {A}: EHLO x from y[192.0.2.9]: z", "pipelining"),
        (f"warning: non-SMTP command from {A}: GET / HTTP/1.1", "non_smtp_command"),
        (f"non-SMTP command from {A}: From: evil[6.6.6.6]: x", "non_smtp_command"),
    ],
)
def test_protocol_abuse(message: str, reason: str) -> None:
    [found] = facts(message)
    assert isinstance(found, ProtocolAbused)
    assert (found.client, found.reason) == ("192.0.2.7", reason)


def test_a_proxy_in_front_is_not_counted() -> None:
    through = syslog("connect from proxy[198.51.100.1]", f"disconnect from {A} ehlo=2 xclient=0/1 quit=1 commands=3/4")
    own = syslog("connect from proxy[198.51.100.1]", "disconnect from proxy[198.51.100.1] commands=0/0")
    assert short(told([*through, *through])) == [
        "Connected 198.51.100.1",
        "Connected 192.0.2.7",
        "SessionEnded 192.0.2.7",
        "Connected 198.51.100.1 evidence",
        "Connected 192.0.2.7",
        "SessionEnded 192.0.2.7",
    ]
    assert short(told([*through, *own, *own]))[3:] == [
        "Connected 198.51.100.1 evidence",
        "SessionEnded 198.51.100.1 evidence",
        "Connected 198.51.100.1",
        "SessionEnded 198.51.100.1",
    ], "lines that were lost do not make a client a proxy for good"


def test_without_process_ids_sessions_are_not_mixed_up() -> None:
    mixed = (f"connect from {A}", "connect from b[192.0.2.8]", f"disconnect from {A} commands=0/0")
    lines = [f"Nov 24 12:00:00 mx postfix/smtpd: {text}" for text in mixed]
    assert short(told(lines)) == ["Connected 192.0.2.7", "Connected 192.0.2.8", "SessionEnded 192.0.2.7"]
    sasl = [f"Nov 24 12:00:00 mx postfix/smtpd: 4bX{n}: client=h[192.0.2.{n}], sasl_method=PLAIN, sasl_username=u{n}" for n in (1, 2)]
    assert [fact.account for fact in told(sasl) if isinstance(fact, AuthSucceeded)] == ["u1", "u2"]
