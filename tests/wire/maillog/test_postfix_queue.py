"""Messages by their queue ids: accepted once, bounced, handed back by a filter."""

from gatepost.core.facts import AuthSucceeded, MessageAccepted, MessageBounced
from tests.wire.maillog.lines import short, syslog, told

A = "host.example[192.0.2.7]"
TO = "to=<x@y.example>, relay=mx.y.example[198.51.100.9]:25, delay=1, delays=0/0/1/0, dsn=5.1.1,"


def queue(*messages: str) -> list[str]:
    return syslog(*messages, tag="postfix/qmgr", pid=20)


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
