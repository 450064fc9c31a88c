"""Postfix's messages, one kind after the other, and the client that no peer's text can become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.facts import AuthFailed, AuthSucceeded, Connected, MessageAccepted, MessageBounced, ProtocolAbused, Rejected, SessionEnded
from gatepost.wire.maillog.grammar import Host, names
from gatepost.wire.maillog.postfix import process
from gatepost.wire.maillog.postfix_smtpd import count
from tests.wire.maillog.lines import facts, reader, short, syslog, told

A = "host.example[192.0.2.7]"
TO = "to=<x@y.example>, relay=mx.y.example[198.51.100.9]:25, delay=1, delays=0/0/1/0, dsn=5.1.1,"


def session(*between: str, end: str = f"disconnect from {A} ehlo=1 quit=1 commands=2", tag: str = "postfix/smtpd") -> list[str]:
    return syslog(f"connect from {A}", *between, end, tag=tag)


def queue(*messages: str) -> list[str]:
    return syslog(*messages, tag="postfix/qmgr", pid=20)


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
    ("tag", "service"),
    [
        ("postfix/smtpd", "smtp"),
        ("postfix/submission/smtpd", "submission"),
        ("postfix/submissions/smtpd", "submissions"),
        ("postfix/smtps/smtpd", "smtps"),
        ("postfix-mta/smtpd", "smtp"),
        ("postfix-out/submission/smtpd", "submission"),
        ("postfix-submission/smtpd", "submission"),
        ("mta-out/smtpd", "smtp"),
    ],
)
def test_any_instance_and_service(tag: str, service: str) -> None:
    assert [fact.service for fact in facts(f"connect from {A}", tag=tag)] == [service]


@pytest.mark.parametrize("tag", ["sshd", "kernel", "smtpd", "rspamd", "foo/bar", "/", "", "postgrey", "postfixadmin"])
def test_what_is_not_postfix(tag: str) -> None:
    assert process(Host("mx"), tag) is None


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


def ended(lines: list[str]) -> SessionEnded:
    [found] = [fact for fact in told(lines) if isinstance(fact, SessionEnded)]
    return found


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
    "message",
    [
        f"warning: {A}: SASL LOGIN authentication aborted",
        "warning: SASL authentication failure: Password verification failed",
        "warning: hostname evil.example does not resolve to address 192.0.2.7: Name or service not known",
        f"warning: Illegal address syntax from {A} in RCPT command: <x[192.0.2.9]>",
        f"lost connection after AUTH from {A}",
        f"lost connection after DATA (12 bytes) from {A}",
        f"timeout after END-OF-MESSAGE from {A}",
        f"SSL_accept error from {A}: -1",
        "warning: TLS library problem: error:1408F10B:SSL routines:ssl3_get_record:wrong version number:../ssl/record/ssl3_record.c:332:",
        f"Anonymous TLS connection established from {A}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
        f"setting up TLS connection from {A}",
        f"NOQUEUE: warn: RCPT from {A}: test; from=<> to=<b@c> proto=SMTP helo=<x>",
        f"NOQUEUE: reject_warning: RCPT from {A}: 550 5.1.1 <x@y>: Recipient address rejected: User unknown; from=<> to=<x@y>",
        f"4bX1: hold: RCPT from {A}: test; from=<> to=<b@c>",
        f"4bX1: discard: RCPT from {A}: test; from=<> to=<b@c>",
        f"NOQUEUE: filter: RCPT from {A}: test; from=<> to=<b@c>",
        "proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as 4bX2; from=<a@b> to=<c@d>",
        "fatal: open database /etc/aliases.db: No such file or directory",
        "table hash:/etc/postfix/access(0,lock|fold_fix) has changed -- restarting",
    ],
)
def test_understood_and_nothing_to_tell(message: str) -> None:
    one = reader()
    assert one.read(syslog(message), 1) == []
    assert one.coverage.understood == 1


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


def test_a_message_counts_once() -> None:
    lines = [
        *syslog(f"connect from {A}", f"4bX1: client={A}, sasl_method=PLAIN, sasl_username=Bob@Example.org", tag="postfix/submission/smtpd"),
        *syslog("4bX1: message-id=<a@b>", tag="postfix/cleanup", pid=30),
        *queue("4bX1: from=<bob@example.org>, size=1234, nrcpt=3 (queue active)", "4bX1: from=<bob@example.org>, size=1234, nrcpt=3 (queue active)"),
        *syslog(f"4bX2: client={A}, sasl_method=PLAIN, sasl_username=Bob@Example.org", tag="postfix/submission/smtpd"),
        *queue("4bX1: removed", "4bX1: from=<>, size=9, nrcpt=1 (queue active)"),
    ]
    found = told(lines)
    assert short(found) == ["Connected 192.0.2.7", "AuthSucceeded 192.0.2.7", "MessageAccepted 192.0.2.7"]
    assert isinstance(found[1], AuthSucceeded)
    assert (found[1].account, found[1].method, found[1].service) == ("bob@example.org", "PLAIN", "submission")
    assert isinstance(found[2], MessageAccepted)
    assert (found[2].account, found[2].recipients, found[2].size, found[2].service) == ("bob@example.org", 3, 1234, "submission")


def test_sender_text_cannot_change_size_or_recipients() -> None:
    hostile = 'from=<"x>, size=1, nrcpt=999 (queue active)"@y>, size=50, nrcpt=2 (queue active)'
    [found] = told([*syslog("4bX1: client=" + A), *queue(f"4bX1: {hostile}")])
    assert isinstance(found, MessageAccepted)
    assert (found.size, found.recipients) == (50, 2)


def test_queue_ids_are_used_again() -> None:
    other = "other.example[192.0.2.8]"
    active = "4bX1: from=<a@b>, size=10, nrcpt=1 (queue active)"
    lines = [*syslog("4bX1: client=" + A), *queue(active, "4bX1: removed"), *syslog("4bX1: client=" + other), *queue(active)]
    assert short(told(lines)) == ["MessageAccepted 192.0.2.7", "MessageAccepted 192.0.2.8"]
    local = [*syslog("4bX1: client=" + A), *syslog("4bX1: uid=0 from=<root>", tag="postfix/pickup"), *queue(active)]
    assert told(local) == [], "the line that said removed was lost"


def test_bounces_accuse_who_submitted() -> None:
    lines = [
        *syslog(f"4bX1: client={A}, sasl_method=PLAIN, sasl_username=bob"),
        *queue("4bX1: from=<bob@example.org>, size=10, nrcpt=1 (queue active)"),
        *syslog(f"4bX1: {TO} status=bounced (host mx said: 550 no)", f"4bX1: {TO} status=sent (ok)", tag="postfix/smtp", pid=40),
        *syslog(f"4bX1: {TO} status=deferred (host mx said: 450, status=bounced (x))", tag="postfix/smtp", pid=40),
    ]
    found = told(lines)[-1]
    assert isinstance(found, MessageBounced)
    assert (found.client, found.account, found.recipient) == ("192.0.2.7", "bob", "x@y.example")
    assert len(told(lines)) == 3


def test_incoming_bounces_and_local_mail_accuse_nobody() -> None:
    bounced = syslog(f"4bX1: {TO} status=bounced (no)", tag="postfix/lmtp", pid=40)
    null = [*syslog("4bX1: client=" + A), *queue("4bX1: from=<>, size=10, nrcpt=1 (queue active)")]
    assert short(told([*null, *bounced])) == ["MessageAccepted 192.0.2.7"]
    local = syslog("4bX1: uid=0 from=<root>", tag="postfix/pickup")
    assert told([*local, *queue("4bX1: from=<root@x>, size=10, nrcpt=1 (queue active)"), *bounced]) == []


def test_a_filter_hands_a_message_back() -> None:
    active = "from=<bob@example.org>, size=10, nrcpt=1 (queue active)"
    lines = [
        *syslog(f"4bX1: client={A}, sasl_method=PLAIN, sasl_username=bob"),
        *queue(f"4bX1: {active}"),
        *syslog(f"4bX2: client=localhost[127.0.0.1], orig_queue_id=4bX1, orig_client={A}", tag="postfix/10025/smtpd", pid=50),
        *queue("4bX1: removed", f"4bX2: {active}"),
        *syslog(f"4bX2: {TO} status=bounced (no)", tag="postfix/smtp", pid=40),
    ]
    found = told(lines)
    assert short(found) == ["AuthSucceeded 192.0.2.7", "MessageAccepted 192.0.2.7", "MessageBounced 192.0.2.7"]
    assert isinstance(found[2], MessageBounced)
    assert found[2].account == "bob"


def test_a_filter_before_the_queue_names_the_client() -> None:
    lines = [
        *syslog(f"NOQUEUE: client={A}"),
        *syslog(f"4bX2: client=localhost[127.0.0.1], orig_client={A}", tag="postfix/10025/smtpd", pid=50),
        *queue("4bX2: from=<a@b>, size=10, nrcpt=1 (queue active)"),
    ]
    assert short(told(lines)) == ["MessageAccepted 192.0.2.7"]


def test_who_logs_in_cannot_pretend_to_hand_a_message_back() -> None:
    name = "x, orig_queue_id=4bX9, orig_client=victim[192.0.2.99]"
    lines = [*syslog(f"4bX1: client={A}, sasl_method=PLAIN, sasl_username={name}"), *queue("4bX1: from=<a@b>, size=10, nrcpt=1 (queue active)")]
    assert {fact.client for fact in told(lines)} == {"192.0.2.7"}


def test_header_checks_quote_the_peer_before_the_client() -> None:
    message = f"4bX1: reject: header Subject: x from evil[6.6.6.6]; from=<a@b> to=<c@d>: 5.7.1 no from {A}; from=<a@b> to=<c@d>: 5.7.1 no"
    cleanup = syslog(message, tag="postfix/cleanup", pid=30)
    [found] = told([*syslog("4bX1: client=" + A), *cleanup])
    assert isinstance(found, Rejected)
    assert (found.client, found.stage, found.reason) == ("192.0.2.7", "data", "content")
    assert told(cleanup) == [], "a message whose begin we never saw is nobody's"


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


def test_a_bare_newline_is_both() -> None:
    found = facts(f"NOQUEUE: reject: DATA from {A}: 550 5.5.2 mx Error: bare <LF> received; from=<a@b> to=<c@d>")
    assert [type(fact) for fact in found] == [Rejected, ProtocolAbused]


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


def test_a_service_that_was_lost_is_told_by_the_messages() -> None:
    lines = [
        *syslog(f"connect from {A}", f"4bX1: client={A}", tag="postfix"),
        *syslog("4bX1: from=<a@b>, size=10, nrcpt=1 (queue active)", "4bX1: removed", tag="postfix", pid=11),
        *syslog("connect to mx.y.example[198.51.100.9]:25: Connection timed out", "statistics: max connection rate 1/60s", tag="postfix", pid=12),
        *syslog("CONNECT from [192.0.2.8]:99 to [198.51.100.1]:25", "PREGREET 11 after 0 from [192.0.2.8]:99: EHLO x", tag="postfix", pid=13),
        *syslog("NOQUEUE: reject: RCPT from [192.0.2.8]:99: 550 5.5.1 Protocol error; from=<>, to=<x@y>", tag="postfix", pid=13),
        *syslog("DISCONNECT [192.0.2.8]:99", tag="postfix", pid=13),
        *syslog("CONNECT from [192.0.2.8]:99", "DISCONNECT [192.0.2.8]:99", tag="postfix", pid=14),
        *syslog(f"disconnect from {A} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5", tag="postfix"),
    ]
    assert [type(fact) for fact in told(lines)] == [
        *(Connected, MessageAccepted),
        *(ProtocolAbused, Rejected, Connected, SessionEnded),
        SessionEnded,
    ]


BITS = (
    "from to in x[6.6.6.6] [6.6.6.6]:25 [6.6.6.6]: ]: : ; > < , client= orig_client=x[6.6.6.6] orig_queue_id=4bX1 sasl_username= from=<>"
    " to=<a@b> (queue active) status=bounced ( ) NOQUEUE: reject: RCPT connect disconnect commands=1 550 5.1.1 SASL authentication failed:"
    " \0 \x1b[2J"
)
HOSTILE = st.one_of(
    st.text(max_size=120),
    st.lists(st.sampled_from(names(BITS)), max_size=12).map(" ".join),
)
FORMATS = [
    "warning: {peer}: SASL PLAIN authentication failed: (reason unavailable), sasl_username={0}",
    "warning: {peer}: SASL {0} authentication failed: (reason unavailable), sasl_username={0}",
    "warning: {peer}: SASL {0} authentication aborted",
    "NOQUEUE: reject: RCPT from {peer}: 550 5.1.1 <{0}>: Recipient address rejected: User unknown; from=<{0}> to=<{0}> proto=ESMTP helo=<{0}>",
    "NOQUEUE: reject: RCPT from {peer}: 554 5.7.1 {0}",
    "NOQUEUE: milter-reject: MAIL from {peer}: {0}; from=<{0}> helo=<{0}>",
    "4bX1: client={peer}, sasl_method={0}, sasl_username={0}",
    "4bX1: client={peer}, sasl_method=PLAIN, sasl_username={0}, sasl_sender={0}",
    "warning: non-SMTP command from {peer}: {0}",
    "improper command pipelining after EHLO from {peer}: {0}",
    "warning: Illegal address syntax from {peer} in MAIL command: {0}",
    "lost connection after EHLO from {peer}{0}",
    "4bX1: reject: header Subject: {0} from {peer}; from=<{0}> to=<{0}> proto=ESMTP helo=<{0}>: {0}",
    "4bX1: reject: body {0} from {peer}; from=<{0}>: {0}",
    "4bX1: milter-reject: END-OF-MESSAGE from {peer}: 5.7.1 {0}; from=<{0}>",
    "4bX1: from=<{0}>, size=10, nrcpt=1 (queue active)",
    "4bX1: to=<{0}>, orig_to=<{0}>, relay=none, delay=1, dsn=5.1.1, status=bounced ({0})",
    "4bX1: message-id={0}",
    "reject: ETRN {0}... from {peer}",
    "4bX1: {0}",
]


@given(st.sampled_from(FORMATS), HOSTILE, HOSTILE, st.sampled_from(["postfix/smtpd", "postfix/cleanup", "postfix/qmgr", "postfix/smtp", "postfix"]))
def test_no_text_of_a_peer_becomes_the_client(message: str, first: str, second: str, tag: str) -> None:
    lines = [
        *syslog(f"connect from {A}", f"4bX1: client={A}"),
        *syslog(message.format(first, peer=A), message.format(second, peer=A), tag=tag),
        *queue("4bX1: from=<a@b>, size=10, nrcpt=1 (queue active)"),
        *syslog(f"disconnect from {A} ehlo=1 commands=1"),
    ]
    found = told(lines)
    assert {fact.client for fact in found} == {"192.0.2.7"}
    assert sum(isinstance(fact, Connected) for fact in found) == 1
