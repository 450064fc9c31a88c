"""Postfix's messages, one kind after the other, and the client that no peer's text can become."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatepost.core.facts import Connected, MessageAccepted, ProtocolAbused, Rejected, SessionEnded
from gatepost.wire.maillog.grammar import Host, names
from gatepost.wire.maillog.postfix import process
from tests.wire.maillog.lines import facts, reader, syslog, told

A = "host.example[192.0.2.7]"


def queue(*messages: str) -> list[str]:
    return syslog(*messages, tag="postfix/qmgr", pid=20)


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


@example("4bX1: {0}", "", "clie000[0.0.0.0]", "postfix/smtpd")
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
