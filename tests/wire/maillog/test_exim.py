"""Exim's lines, as its own sources and Debian's daemon write them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.facts import AuthFailed, AuthSucceeded, Connected, Fact, MessageAccepted, MessageBounced, ProtocolAbused, Rejected, SessionEnded
from gatepost.core.subjects import Client
from gatepost.wire.maillog import exim
from gatepost.wire.maillog.grammar import NOTHING, Host, Process, Yield

ME = Client("192.0.2.7")
ID = "1tABCD-000000-0a"
LONG = "1tABCD-00000001abc-0a2b"


class Log:
    """One host's Exim, read line by line."""

    def __init__(self) -> None:
        self.host = Host("mx", "example.org")
        self.at = 0
        found = exim.process(self.host, "exim4")
        assert found is not None
        self.reader: Process = found

    def read(self, message: str, later: int = 1_000) -> Yield:
        self.at += later
        return self.reader.read(self.at, message)

    def facts(self, message: str, later: int = 1_000) -> tuple[Fact, ...]:
        found = self.read(message, later)
        assert found is not None, message
        return found if isinstance(found, tuple) else (found,)

    def one(self, message: str) -> Any:
        (fact,) = self.facts(message)
        return fact


def one(message: str) -> Any:
    return Log().one(message)


@pytest.mark.parametrize(
    ("message", "service"),
    [
        (f"SMTP connection from [{ME}] (TCP/IP connection count = 1)", "smtp"),
        (f"SMTP connection from [{ME}]:4711 (TCP/IP connection count = 12)", "smtp"),
        (f"SMTP connection from [{ME}]:4711 I=[192.0.2.1]:25 (TCP/IP connection count = 12)", "smtp"),
        (f"SMTP connection from [{ME}] I=[192.0.2.1]:587 (TCP/IP connection count = 12)", "submission"),
        (f"SMTP connection from [::ffff:{ME}]:1 I=[2001:db8::1]:465 (TCP/IP connection count = 12)", "submissions"),
        (f"[77] SMTP connection from [{ME}] (TCP/IP connection count = 1)", "smtp"),
        (f"2026-01-02 03:04:05 [77] SMTP connection from [{ME}] (TCP/IP connection count = 1)", "smtp"),
        (f"2026-01-02 03:04:05.123 +0100 SMTP connection from [{ME}] (TCP/IP connection count = 1)", "smtp"),
        (f"SMTP connection from (helo) [{ME}] (via inetd)", "smtp"),
    ],
)
def test_connections(message: str, service: str) -> None:
    assert one(message) == Connected(1_000, "mx", "smtp", service, ME)


@pytest.mark.parametrize("host", ["", "host.example ", "(helo) ", "host.example (helo) ", "host.example ([192.0.2.99]) ", "([IPv6:2001:db8::5]) "])
@pytest.mark.parametrize("port", ["", ":4711", ":4711 I=[192.0.2.1]:25"])
@pytest.mark.parametrize(
    "said",
    [
        "SMTP connection from {} closed by QUIT",
        "SMTP connection from {} D=1m3s closed by QUIT",
        "SMTP connection from {} closed by EOF",
        "SMTP connection from {} closed by DROP in ACL",
        "SMTP connection from {} closed after SIGTERM",
        "SMTP connection from {} lost D=2s",
        "SMTP connection from {} lost (error: Connection reset by peer) D=2s",
        "SMTP connection from {} lost while reading message data (header)",
        "SMTP connection from {} lost while reading message data",
        "no MAIL in SMTP connection from {} D=0s",
        "no MAIL in TFO* SMTP connection from {} D=0.123s X=TLS1.3:ECDHE:256 CV=no C=EHLO,STARTTLS,EHLO,QUIT",
        "no MAIL in SMTP connection from {} D=0s C=...EHLO,AUTH,QUIT",
        "unexpected disconnection while reading SMTP command from {}",
        "unexpected disconnection while reading SMTP command from {} (error: Connection reset by peer) D=3s",
        "unexpected disconnection while reading SMTP command from {} D=3s",
        "SMTP command timeout on connection from {}",
        "SMTP command timeout on TLS connection from {} D=5m",
        "SMTP data timeout (message abandoned) on connection from {} F=<a@example.net>",
    ],
)
def test_ends_of_sessions(host: str, port: str, said: str) -> None:
    found = one(said.format(f"{host}[{ME}]{port}"))
    assert isinstance(found, SessionEnded)
    assert (found.client, found.messages, found.server_at_fault) == (ME, 0, False)


def test_a_session_ends_once() -> None:
    log = Log()
    log.one(f"SMTP connection from [{ME}]:1 (TCP/IP connection count = 1)")
    assert isinstance(log.one(f"SMTP connection from (x) [{ME}]:1 closed by QUIT"), SessionEnded)
    assert log.read(f"no MAIL in SMTP connection from (x) [{ME}]:1 D=0s C=EHLO,QUIT") == NOTHING
    # The same port, used again later.
    assert isinstance(log.facts(f"no MAIL in SMTP connection from (x) [{ME}]:1 D=0s C=EHLO,QUIT", 60_000_000)[0], SessionEnded)


def test_what_was_dropped_ends_once() -> None:
    log = Log()
    abuse, end = log.facts(f'SMTP call from (x) [{ME}] dropped: too many syntax or protocol errors (last command was "X", C=EHLO)')
    assert isinstance(abuse, ProtocolAbused)
    assert abuse.reason == "too_many_errors"
    assert isinstance(end, SessionEnded)
    assert log.read(f"no MAIL in SMTP connection from (x) [{ME}] D=1s C=EHLO") == NOTHING


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f'SMTP call from [{ME}] dropped: too many nonmail commands (last was "NOOP")', "too_many_errors"),
        (
            f'SMTP call from a.example (x) [{ME}]:9 I=[192.0.2.1]:25 dropped: too many unrecognized commands (last was "GET / HTTP/1.1")',
            "too_many_errors",
        ),
        (
            f"SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from H=[{ME}] "
            'input="GET / HTTP/1.1\\r\\n"',
            "pregreet",
        ),
        (
            f'SMTP protocol synchronization error (next input sent too soon: pipelining was not advertised): rejected "HELO x" H=(x) [{ME}] '
            'next input="MAIL FROM:<>\\r\\n"',
            "pipelining",
        ),
        (
            f'SMTP protocol synchronization error (next input sent too soon: pipelining was advertised): rejected "x" H=y" H=(a) [{ME}] '
            'next input="z"',
            "pipelining",
        ),
    ],
)
def test_abuse_of_the_protocol(message: str, reason: str) -> None:
    abuse, end = Log().facts(message)
    assert isinstance(abuse, ProtocolAbused)
    assert (abuse.client, abuse.reason) == (ME, reason)
    assert isinstance(end, SessionEnded)


def test_messages_are_counted_for_each_connection() -> None:
    log = Log()
    for port in (1, 2):
        log.one(f"SMTP connection from [{ME}]:{port} (TCP/IP connection count = 1)")
    log.one(f"{ID} <= a@b.example H=(x) [{ME}]:1 P=esmtp S=100")
    log.one(f"{LONG} <= a@b.example H=(x) [{ME}]:1 P=esmtp S=100")
    assert log.one(f"SMTP connection from (x) [{ME}]:1 closed by QUIT").messages == 2
    assert log.one(f"SMTP connection from (x) [{ME}]:2 closed by QUIT").messages == 0


def test_without_ports_parallel_sessions_share_to_the_clients_favour() -> None:
    log = Log()
    for _ in range(3):
        log.one(f"SMTP connection from [{ME}] (TCP/IP connection count = 1)")
    for _ in range(2):
        log.one(f"{ID} <= a@b.example H=(x) [{ME}] P=esmtp S=100")
    assert [log.one(f"SMTP connection from (x) [{ME}] closed by QUIT").messages for _ in range(3)] == [1, 1, 0]


def test_a_session_that_was_put_off_accuses_nobody() -> None:
    log = Log()
    log.one(f"SMTP connection from [{ME}] (TCP/IP connection count = 1)")
    put_off = log.one(f"H=(x) [{ME}] F=<a@b.example> temporarily rejected RCPT <c@example.org>: greylisted, try again")
    assert (put_off.code, put_off.reason, put_off.evidence_only) == (451, "greylisted", True)
    assert log.one(f"SMTP connection from (x) [{ME}] closed by QUIT").server_at_fault


@pytest.mark.parametrize("given_id", [ID, LONG])
def test_a_message_with_a_login(given_id: str) -> None:
    log = Log()
    login, message = log.facts(
        f"{given_id} <= bob@example.org H=h.example (x y) [{ME}]:1 I=[192.0.2.1]:587 P=esmtpsa X=TLS1.3:ECDHE:256 CV=no "
        f'DN="CN=a, b" A=plain:Bob K S=1234 M8S=8 RT=0.1s id=x@y T="hello" from <bob@example.org> for a@b.example c@d.example'
    )
    assert login == AuthSucceeded(1_000, "mx", "smtp", "submission", ME, False, "bob@example.org", "plain")
    assert message == MessageAccepted(1_000, "mx", "smtp", "submission", ME, False, "bob@example.org", 2, 1234)
    bounced = log.one(f"{given_id} ** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [198.51.100.9]: SMTP error: 550 no such user")
    assert bounced == MessageBounced(2_000, "mx", "smtp", "submission", ME, False, "bob@example.org", "a@b.example")
    assert log.read(f"{given_id} Completed") == NOTHING
    assert log.read(f"{given_id} ** a@b.example: late") == NOTHING


def test_one_login_for_each_session() -> None:
    log = Log()
    log.one(f"SMTP connection from [{ME}] (TCP/IP connection count = 1)")
    line = f"{ID} <= bob@example.org H=(x) [{ME}] P=esmtpsa A=login:bob S=1"
    assert [type(fact) for fact in log.facts(line)] == [AuthSucceeded, MessageAccepted]
    assert [type(fact) for fact in log.facts(line)] == [MessageAccepted]


def test_incoming_bounces_accuse_nobody() -> None:
    log = Log()
    assert isinstance(log.one(f"{ID} <= <> H=mx.example (x) [{ME}] P=esmtp S=9"), MessageAccepted)
    assert log.read(f"{ID} ** gone@example.org: Unrouteable address") == NOTHING


@pytest.mark.parametrize(
    "message",
    [
        f"{ID} <= <> R=1tABCC-000000-0b U=Debian-exim P=local S=1900",
        f"{ID} <= root@example.org U=root P=local S=400 id=E1@x",
        f"{ID} => bob <bob@example.org> R=local_user T=mail_spool",
        f"{ID} -> bob <bob@example.org> R=local_user T=mail_spool",
        f"{ID} == a@b.example R=dnslookup T=remote_smtp defer (-53): retry time not reached",
        f"{ID} ** a@b.example: Unrouteable address",
        f"{ID} Completed",
        f"{ID} Message is frozen",
        f"{ID} DKIM: d=example.net s=x c=relaxed/relaxed a=rsa-sha256 b=2048 [verification succeeded]",
        "Start queue run: pid=4711",
        "End queue run: pid=4711",
        "exim 4.96 daemon started: pid=1, -q30m, listening for SMTP on [127.0.0.1]:25",
        "Warning: purging the environment.",
        f"TLS error on connection from (x) [{ME}] (SSL_accept): error",
        f"[{ME}] after QUIT, client reset TCP before SMTP response and TLS close",
        f"no host name found for IP address {ME}",
        f"no IP address found for host a.example (during SMTP connection from (x) [{ME}])",
        f"H=(x) [{ME}] incomplete transaction (QUIT) from <a@b.example> for c@example.org",
        f"H=(x) [{ME}] sender verify fail for <a@b.example>: Unrouteable address",
        f"H=(x) [{ME}] Warning: message has been greylisted",
        f"H=(x) [{ME}] rejected AUTH LOGIN: not here",
        f'SMTP syntax error in "FOO" H=(x) [{ME}] unrecognized command',
        "SMTP connection from root closed by QUIT",
        "Envelope-from: <a@b.example>",
        "Envelope-to: <c@example.org>",
        "    <d@example.org>",
        "P Received: from x ([6.6.6.6])",
        "  Subject: SMTP connection from [6.6.6.6] (TCP/IP connection count = 1)",
        "\tSMTP connection from [6.6.6.6] (TCP/IP connection count = 1)",
        "[3/7] SMTP connection from [6.6.6.6] (TCP/IP connection count = 1)",
        "-------------------------------------------------------------------",
        "*** truncated ***",
        "cwd=/ 4 args: /usr/sbin/exim4 -bd -q30m",
        "",
    ],
)
def test_understood_and_nothing_to_tell(message: str) -> None:
    assert Log().read(message) == NOTHING


def test_other_daemons_are_not_understood() -> None:
    assert exim.process(Host("mx"), "dovecot") is None
    assert Log().read("something else entirely") is None


@pytest.mark.parametrize(
    ("said", "stage", "code", "reason", "recipient"),
    [
        ("F=<a@b.example> rejected RCPT <c@example.net>: relay not permitted", "rcpt", 550, "relay_denied", "c@example.net"),
        ("F=<> rejected RCPT <no@example.org>: Unrouteable address", "rcpt", 550, "unknown_user", "no@example.org"),
        ("X=TLS1.3:x:256 CV=no F=<a@b.example> rejected RCPT <no@example.org>: Unknown user", "rcpt", 550, "unknown_user", "no@example.org"),
        ('F=<"a > b"@b.example> rejected RCPT <"x: y"@example.org>: Unknown user', "rcpt", 550, "unknown_user", '"x: y"@example.org'),
        ("F=<a@b.example> rejected RCPT <c@example.org>: Sender verify failed", "rcpt", 550, "sender", "c@example.org"),
        ("F=<a@b.example> rejected RCPT <c@example.org>: 192.0.2.7 is in a black list at x.example", "rcpt", 550, "dnsbl", "c@example.org"),
        ("F=<a@b.example> rejected RCPT <c@example.org>", "rcpt", 550, "other", "c@example.org"),
        ("F=<a@b.example> temporarily rejected RCPT <c@example.org>: host lookup did not complete", "rcpt", 451, "other", "c@example.org"),
        ("F=<a@b.example> temporarily rejected RCPT <c@example.org>: 450 4.2.0 Greylisted", "rcpt", 450, "greylisted", "c@example.org"),
        ("rejected MAIL <a@b.example>: Administrative prohibition", "mail", 550, "policy", ""),
        ("rejected EHLO or HELO 192.0.2.1: it is me", "helo", 550, "helo", ""),
        ('rejected connection in "connect" ACL: no thanks', "connect", 550, "other", ""),
        ("F=<a@b.example> rejected after DATA: This message contains malware", "data", 550, "content", ""),
        ("F=<a@b.example> rejected DATA: x", "data", 550, "other", ""),
        ("F=<a@b.example> rejected during MIME ACL checks: x", "data", 550, "other", ""),
    ],
)
@pytest.mark.parametrize("host", [f"[{ME}]", f"h.example (x) [{ME}]:4711 I=[192.0.2.1]:25", f"(x) [{ME}]"])
def test_refusals(host: str, said: str, stage: str, code: int, reason: str, recipient: str) -> None:
    for before in ("", f"{ID} ", f"[12] {LONG} "):
        found = one(f"{before}H={host} {said}")
        assert isinstance(found, Rejected)
        assert (found.client, found.stage, found.code, found.reason, found.recipient) == (ME, stage, code, reason, recipient)


def test_a_refused_account_is_named() -> None:
    found = one(f"H=(x) [{ME}] F=<a@b.example> A=login:bob rejected RCPT <c@example.net>: ratelimit")
    assert (found.account, found.reason) == ("bob@example.org", "policy")


@pytest.mark.parametrize(
    ("message", "stage", "code", "reason"),
    [
        (f"rejected EHLO from (x) [{ME}]: syntactically invalid argument(s): a b", "helo", 501, "helo"),
        (f'rejected "EHLO a.example" from (a.example) [{ME}]', "helo", 550, "helo"),
        (f'temporarily rejected "HELO x" from [6.6.6.6]" from (x) [{ME}]', "helo", 451, "helo"),
        (f"rejected MAIL from [{ME}]: no HELO/EHLO given", "mail", 503, "helo"),
        (f"rejected MAIL command H=(x) [{ME}]: too many messages in one connection", "mail", 421, "busy"),
        (f"rejected MAIL FROM:<a@b.example> H=(x) [{ME}]: message too big: size=9 max=1", "mail", 552, "policy"),
        (f"{ID} rejected from <a@b.example> H=(x) [{ME}]: message too big: read=9 max=1", "data", 552, "policy"),
        (f"refused connection from [{ME}] (host_reject_connection)", "connect", 554, "policy"),
        (f"temporarily refused connection from [{ME}]: not in reserve list: connected=1 max=1 reserve=1", "connect", 421, "busy"),
        (f"unqualified sender rejected: <a> H=(x) [{ME}]", "mail", 501, "sender"),
        (f"unqualified recipient rejected: <a> H=(x) [{ME}] (failed to find host name from IP address)", "rcpt", 501, "policy"),
        (f"too many recipients: message rejected: sender=<a@b.example> H=(x) [{ME}]", "rcpt", 552, "policy"),
        (f"too many recipients: excess temporarily rejected: sender=<a@b.example> H=(x) [{ME}]", "rcpt", 452, "policy"),
    ],
)
def test_refusals_without_an_access_list(message: str, stage: str, code: int, reason: str) -> None:
    found = one(message)
    assert isinstance(found, Rejected)
    assert (found.client, found.stage, found.code, found.reason) == (ME, stage, code, reason)


def test_through_syslog_a_refusal_is_written_twice_and_told_once() -> None:
    log = Log()
    line = f"2026-01-02 03:04:05 H=(x) [{ME}] F=<a@b.example> rejected RCPT <c@example.org>: Unrouteable address"
    assert [log.read(line) == NOTHING for _ in range(4)] == [False, True, False, True]
    headers = f"2026-01-02 03:04:05 {ID} H=(x) [{ME}] F=<a@b.example> rejected after DATA: spam"
    assert isinstance(log.one(headers), Rejected)
    assert log.read(f"[1/9] {headers}") == NOTHING
    connect = f"2026-01-02 03:04:05 SMTP connection from [{ME}] (TCP/IP connection count = 1)"
    assert [len(log.facts(connect)) for _ in range(2)] == [1, 1]
    from_file = f"H=(x) [{ME}] F=<a@b.example> rejected RCPT <c@example.org>: Unrouteable address"
    assert [len(log.facts(from_file)) for _ in range(2)] == [1, 1]


def test_a_full_server_accuses_nobody() -> None:
    connected, busy = Log().facts(f"Connection from [{ME}]:4711 I=[192.0.2.1]:25 refused: too many connections from that IP address")
    assert isinstance(connected, Connected)
    assert isinstance(busy, Rejected)
    assert (busy.evidence_only, busy.reason, busy.code) == (True, "busy", 421)


def test_failed_logins() -> None:
    failed = one(f"login authenticator failed for h.example (x) [{ME}]:1 I=[192.0.2.1]:465: 535 Incorrect authentication data (set_id=Bob)")
    assert failed == AuthFailed(1_000, "mx", "smtp", "submissions", ME, False, "bob@example.org", "", 1, "login", "password")
    assert one(f"plain_server authenticator failed for [{ME}]: 535 Incorrect authentication data").account == ""
    deferred = one(f"plain authenticator failed for (x) [{ME}]: 435 Unable to authenticate at present (set_id=bob): no (such): socket")
    assert (deferred.evidence_only, deferred.account) == (True, "bob@example.org")
    assert Log().read(f"plain authenticator failed for (x) [{ME}]: 501 Invalid base64 data") == NOTHING


def test_state_goes_through_msgspec_and_back() -> None:
    log = Log()
    log.one(f"SMTP connection from [{ME}]:1 (TCP/IP connection count = 1)")
    log.one(f"{ID} <= a@b.example H=(x) [{ME}]:1 P=esmtp S=100")
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(log.host.dump()))
    again = Log()
    again.host.load(kept)
    again.reader = exim.process(again.host, "exim")  # type: ignore[assignment]
    assert again.host.dump() == log.host.dump()
    assert isinstance(again.one(f"{ID} ** c@d.example: no"), MessageBounced)
    assert again.one(f"SMTP connection from (x) [{ME}]:1 closed by QUIT").messages == 1


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exim, "LIMIT", 10)
    log = Log()
    for n in range(50):
        log.one(f"SMTP connection from [10.0.0.{n}]:{n} (TCP/IP connection count = 1)")
        log.one(f"1tABCD-0000{n:02}-0a <= a@b.example H=(x) [10.0.1.{n}] P=esmtp S=1")
        log.one(f"SMTP connection from [10.0.2.{n}] closed by QUIT")
    assert max(len(table) for table in log.host.tables["exim"].values()) == 10


# A client's texts, as they could be made to look like Exim's own.
BITS = st.sampled_from(
    [
        "x", " ", "(", ")", "[6.6.6.6]", ") [6.6.6.6]", ") [6.6.6.6] (y", "(x) [6.6.6.6]:25", " I=[1.1.1.1]:25", " F=<a@b>", " F=<", "<", ">", '"',
        "\\",
        " rejected RCPT <a@b>: relay not permitted", " closed by QUIT", ": 535 Incorrect authentication data (set_id=a)", " P=esmtp S=1", " D=1s",
        " dropped: too many nonmail commands (", ' next input="', '" H=', "> H=", " H=", " U=a", " X=TLS", ' DN="', " (TCP/IP connection count = 1)",
        "IPv6:2001:db8::1", '" from ', " for a@b",
    ]
)  # fmt: skip
HOSTILE = st.lists(BITS | st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=4), max_size=8).map("".join)
HELO = HOSTILE | st.sampled_from(["x", "[192.0.2.99]", "[IPv6:2001:db8::1]"])
NAME = st.sampled_from(["", "host.example ", "[6.6.6.6].example ", "x[6.6.6.6] ", "6.6.6.6 "])
KINDS = st.sampled_from(
    [
        "SMTP connection from {host} closed by QUIT",
        "SMTP connection from {host} lost (error: Connection reset by peer) D=2s",
        "no MAIL in SMTP connection from {host} D=0s X=TLS1.3:a:256 CV=no C=EHLO,QUIT",
        "unexpected disconnection while reading SMTP command from {host} D=1s",
        "SMTP command timeout on connection from {host}",
        "SMTP data timeout (message abandoned) on connection from {host} F=<{one}>",
        'SMTP call from {host} dropped: too many unrecognized commands (last was "{one}")',
        'SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from H={host} input="{one}"',
        'SMTP protocol synchronization error (next input sent too soon: pipelining was advertised): rejected "{one}" H={host} next input="{two}"',
        "login authenticator failed for {host}: 535 Incorrect authentication data (set_id={one})",
        "login authenticator failed for {host}: 435 Unable to authenticate at present (set_id={one}): {two}",
        "H={host} F=<{one}> rejected RCPT <{two}>: Unrouteable address",
        'H={host} X=TLS CV=no DN="{one}" F=<{two}> temporarily rejected RCPT <a@b.example>: greylisted',
        "H={host} rejected MAIL {one}: no",
        "H={host} rejected EHLO or HELO {one}: no",
        'rejected "EHLO {one}" from {host}',
        "rejected EHLO from {host}: syntactically invalid argument(s): {one}",
        "rejected MAIL FROM:<{one}> H={host}: message too big: size=2 max=1",
        "unqualified recipient rejected: <{one}> H={host} (failed to find host name)",
        "too many recipients: message rejected: sender=<{one}> H={host}",
        'H={host} U={one} F=<{two}> rejected RCPT <a@b.example>: relay not permitted',
        ID + ' <= {one}@b.example H={host} P=esmtps X=TLS CV=no DN="{two}" A=login:bob S=12 id={two}@x T="{one}"',
    ]
)  # fmt: skip


def clients(found: Yield) -> set[str]:
    return {fact.client for fact in (found if isinstance(found, tuple) else (found,)) if isinstance(fact, Fact)}


@given(KINDS, NAME, HELO, HOSTILE, HOSTILE, st.sampled_from(["", ":4711", ":4711 I=[192.0.2.1]:587"]), st.booleans())
def test_nobody_else_is_ever_named(said: str, name: str, helo: str, one: str, two: str, port: str, known: bool) -> None:
    log = Log()
    if known:
        log.one(f"SMTP connection from [{ME}]{port} (TCP/IP connection count = 1)")
    helo = f"({helo}) " if helo else ""
    assert clients(log.read(said.format(host=f"{name}{helo}[{ME}]{port}", one=one, two=two))) <= {ME}


@given(KINDS, NAME, HELO, st.sampled_from(["", ":4711", ":4711 I=[192.0.2.1]:587"]))
def test_a_hostile_name_alone_cannot_hide_an_open_connection(said: str, name: str, helo: str, port: str) -> None:
    log = Log()
    log.one(f"SMTP connection from [{ME}]{port} (TCP/IP connection count = 1)")
    line = said.format(host=f"{name}({helo}) [{ME}]{port}", one="a@b.example", two="c@d.example")
    found = log.read(line)
    if " U=" in said or any(mark in helo for mark in ("]", "<", '"', "H=", ") [")):
        assert clients(found) <= {ME}
    else:
        assert clients(found) == {ME}


@given(KINDS, NAME, st.sampled_from(["x", "a-b.example", "[192.0.2.99]", "[IPv6:2001:db8::1]"]), HOSTILE)
def test_clean_names_and_a_hostile_argument_name_the_client_of_an_open_connection(said: str, name: str, helo: str, one: str) -> None:
    log = Log()
    log.one(f"SMTP connection from [{ME}]:4711 (TCP/IP connection count = 1)")
    argument = one.replace('"', "").replace("<", "").replace(">", "").replace("\\", "")
    if " U=" in said or " DN=" in said or "<=" in said:
        return
    assert clients(log.read(said.format(host=f"{name}({helo}) [{ME}]:4711", one=argument, two="c@d.example"))) == {ME}


@given(st.sampled_from(["", "SMTP ", "SMTP connection from ", "H=", f"{ID} ", f"{ID} <= ", "[1] ", "rejected ", "no MAIL in "]), HOSTILE | st.text())
def test_random_text_never_raises(head: str, text: str) -> None:
    found: Any = Log().read(head + text)
    assert found is None or isinstance(found, Fact | tuple)


def test_no_work_grows_beyond_the_line() -> None:
    """What the patterns repeat cannot be split in two ways: long lines made of their own parts come back at once."""
    parts = [") [6.6.6.6]", "> H=[6.6.6.6]", '" H=', "(", '"', "\\", " X=a", '"a"', "[1] ", " F=<a>", " for a@b", ") [6.6.6.6] D=1s", " U=a", "<"]
    heads = [
        "H=",
        "SMTP connection from ",
        f"{ID} <= ",
        f"H=[{ME}] F=<",
        'rejected "EHLO ',
        "unqualified sender rejected: <",
        "no MAIL in SMTP connection from ",
    ]
    for part in parts:
        for head in heads:
            Log().read(head + part * (16_384 // len(part)))
