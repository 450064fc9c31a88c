"""What clients do to Postfix: connections, log-ins, refusals, abuse. (Deliveries, postscreen and proxies are in `scenarios_postfix_more`.)

Job: the scenarios whose lines stand in tests/data/postfix. Promise and limits: those of `scenarios`.
"""

import base64
import time

from tests.e2e.attackers import HOSTILE_HELOS, HOSTILE_USERS, Client, auth_commands, message, plain
from tests.e2e.scenarios import Playbook, Stage

BOOK = Playbook("postfix")
FRIEND, BOB = b"friend@friend.example", b"bob@example.org"


@BOOK.scenario(
    "connects",
    "192.0.2.10 connects three times and leaves, once more and breaks off; an IPv6 client once; clients with a good, a numeric and a forged PTR"
    " name once",
    {
        "192.0.2.10": {"connected": 4, "session_ended": 4},
        "2001:db8:1::10": {"connected": 1, "session_ended": 1},
        "192.0.2.80": {"connected": 1, "session_ended": 1},
        "192.0.2.81": {"connected": 1, "session_ended": 1},
        "192.0.2.82": {"connected": 1, "session_ended": 1},
    },
)
def connects(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.10")
    for _ in range(3):
        client.touch(25)
    wire = client.wire(25)
    wire.line()
    wire.reset()
    for source in ("2001:db8:1::10", "192.0.2.80", "192.0.2.81", "192.0.2.82"):
        stage.client(source).touch(25)


@BOOK.scenario(
    "sessions",
    "192.0.2.11 has six sessions without a message: EHLO, NOOP and RSET, VRFY, MAIL without RCPT, an end after RCPT, an end amid the text",
    {"192.0.2.11": {"connected": 6, "session_ended": 6}},
    [{"kind": "session_ended", "client": "192.0.2.11", "messages": 0}],
)
def sessions(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.11")
    client.talk([])
    client.talk([b"NOOP", b"RSET"], hello=b"HELO client.example")
    client.talk([b"VRFY bob@example.org"])
    client.talk([b"MAIL FROM:<" + FRIEND + b">"])
    client.talk(message(FRIEND, [BOB])[:2], leave=False)
    with client.greeted() as wire:
        for command in message(FRIEND, [BOB])[:3]:
            wire.smtp(command)
        wire.send(b"Subject: half\r\n\r\nhal")


@BOOK.scenario(
    "sasl-failures",
    "192.0.2.12 fails with PLAIN and LOGIN, twice in one session, with a user that does not exist, with CRAM-MD5, on 587, 465 and 587 after "
    "STARTTLS; 2001:db8:1::12 fails once",
    {
        "192.0.2.12": {"connected": 8, "session_ended": 8, "auth_failed": 9},
        "2001:db8:1::12": {"connected": 1, "session_ended": 1, "auth_failed": 1},
    },
    [
        {"kind": "auth_failed", "client": "192.0.2.12", "method": "PLAIN"},
        {"kind": "auth_failed", "client": "192.0.2.12", "method": "LOGIN"},
        {"kind": "auth_failed", "client": "192.0.2.12", "method": "CRAM-MD5"},
        {"kind": "auth_failed", "client": "192.0.2.12", "service": "submission"},
        {"kind": "auth_failed", "client": "192.0.2.12", "service": "smtps"},
        {"kind": "session_ended", "client": "192.0.2.12", "messages": 0, "authenticated": False},
    ],
    forms=("iso", "5424"),
)
def sasl_failures(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.12")
    client.smtp_guess("bob@example.org", "wrong")
    client.smtp_guess("bob@example.org", "wrong", mechanism="LOGIN")
    client.talk(auth_commands("bob@example.org", "wrong") + auth_commands("alice@example.org", "wrong", "LOGIN"))
    client.smtp_guess("nobody@example.org", "wrong")
    client.talk([b"AUTH CRAM-MD5", base64.b64encode(b"bob@example.org 0123456789abcdef0123456789abcdef")])
    client.smtp_guess("bob@example.org", "wrong", port=587)
    _tls_guess(client, 465)
    _tls_guess(client, 587)
    stage.client("2001:db8:1::12").smtp_guess("bob@example.org", "wrong")


def _tls_guess(client: Client, port: int) -> None:
    with client.wire(port) as wire:
        if port == 465:
            wire.tls()
        wire.reply()
        wire.smtp(b"EHLO client.example")
        if port == 587:
            wire.smtp(b"STARTTLS")
            wire.tls()
            wire.smtp(b"EHLO client.example")
        wire.smtp(b"AUTH PLAIN " + plain("bob@example.org", "wrong"))
        wire.smtp(b"QUIT")


@BOOK.scenario(
    "sasl-odd",
    "192.0.2.13: broken base64, an empty response, an aborted LOGIN, an unknown mechanism, a log-in with a user of 300 letters. "
    "What Postfix calls a failed authentication counts as one; what the client gave up does not",
    {"192.0.2.13": {"connected": 5, "session_ended": 5, "auth_failed": 4}},
)
def sasl_odd(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.13")
    client.talk([b"AUTH PLAIN !!!not-base64"])
    client.talk([b"AUTH PLAIN ="])
    client.talk([b"AUTH LOGIN", b"*"])
    client.talk([b"AUTH NTLM"])
    client.smtp_guess("u" * 300, "wrong")


@BOOK.scenario(
    "sasl-hostile-users",
    "192.0.2.14 fails with user names that look like Postfix's and Dovecot's own words, PLAIN on 587, one session each; 6.6.6.6 and 1.2.3.4 did"
    " nothing",
    {"192.0.2.14": {"connected": len(HOSTILE_USERS), "session_ended": len(HOSTILE_USERS), "auth_failed": len(HOSTILE_USERS)}},
)
def sasl_hostile_users(stage: Stage) -> None:
    """See its entry."""
    for user in HOSTILE_USERS:
        stage.client("192.0.2.14").smtp_guess(user, "wrong", port=587)


@BOOK.scenario(
    "sasl-server-fault",
    "Dovecot's auth process crashes while 192.0.2.15's log-in waits for its answer: the server's fault, no failed log-in",
    {"192.0.2.15": {"connected": 1, "session_ended": 1}},
)
def sasl_server_fault(stage: Stage) -> None:
    """See its entry."""
    with stage.client("192.0.2.15").greeted() as wire:
        wire.send(b"AUTH PLAIN " + plain("bob@example.org", "wrong") + b"\r\n")
        time.sleep(0.2)
        stage.host.machine.kill("dovecot/auth")
        wire.reply()
        wire.smtp(b"QUIT")


@BOOK.scenario(
    "helo-hostile",
    "192.0.2.16 greets with names that look like addresses and log words, and names a recipient that does not exist; 6.6.6.6 and 1.2.3.4 did nothing",
    {"192.0.2.16": {"connected": len(HOSTILE_HELOS), "session_ended": len(HOSTILE_HELOS), "rejected": len(HOSTILE_HELOS)}},
    [{"kind": "rejected", "client": "192.0.2.16", "stage": "rcpt", "code": 550, "reason": "unknown_user"}],
)
def helo_hostile(stage: Stage) -> None:
    """See its entry."""
    for name in HOSTILE_HELOS:
        stage.client("192.0.2.16").talk(message(FRIEND, [b"nobody@example.org"])[:2], hello=b"HELO " + name)


@BOOK.scenario(
    "rejects",
    "Refusals at RCPT: 192.0.2.17 three unknown recipients in a session; .18 relaying (554), and deferred as Debian ships it (454); .19 a bad "
    "sender; .20 greylisted; .21 a policy; .22 a HELO that is no name; 192.0.2.66 and an IPv6 client in a DNSBL; 203.0.113.13 in an access "
    "list, at RCPT and at connect",
    {
        "192.0.2.17": {"connected": 1, "session_ended": 1, "rejected": 3},
        "192.0.2.18": {"connected": 2, "session_ended": 2, "rejected": 1},
        "192.0.2.19": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.20": {"connected": 1, "session_ended": 1},
        "192.0.2.21": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.22": {"connected": 2, "session_ended": 2, "rejected": 2},
        "192.0.2.66": {"connected": 1, "session_ended": 1, "rejected": 1},
        "2001:db8:1:66::1": {"connected": 1, "session_ended": 1, "rejected": 1},
        "203.0.113.13": {"connected": 2, "session_ended": 2, "rejected": 2},
        "2001:db8:2:13::1": {"connected": 1, "session_ended": 1, "rejected": 1},
    },
    [
        {"kind": "rejected", "client": "192.0.2.17", "stage": "rcpt", "code": 550, "reason": "unknown_user", "recipient": "nobody1@example.org"},
        {"kind": "rejected", "client": "192.0.2.18", "stage": "rcpt", "code": 554, "reason": "relay_denied"},
        {"kind": "rejected", "client": "192.0.2.18", "stage": "rcpt", "code": 454, "reason": "relay_denied"},
        {"kind": "rejected", "client": "192.0.2.19", "stage": "rcpt", "code": 554, "reason": "sender"},
        {"kind": "rejected", "client": "192.0.2.20", "stage": "rcpt", "code": 450, "reason": "greylisted"},
        {"kind": "rejected", "client": "192.0.2.22", "stage": "rcpt", "reason": "helo"},
        {"kind": "rejected", "client": "192.0.2.66", "stage": "rcpt", "code": 554, "reason": "dnsbl"},
        {"kind": "rejected", "client": "203.0.113.13", "stage": "connect", "code": 554},
    ],
)
def rejects(stage: Stage) -> None:
    """See its entry."""
    to_bob = message(FRIEND, [BOB])[:2]
    stage.client("192.0.2.17").talk(message(FRIEND, [b"nobody1@example.org", b"nobody2@example.org", b"nobody3@example.org"])[:4])
    for port in (25, 29):
        stage.client("192.0.2.18").talk(message(FRIEND, [b"someone@remote.example"])[:2], port)
    stage.client("192.0.2.19").talk(message(b"x@spammer.example", [BOB])[:2])
    stage.client("192.0.2.20").talk(message(FRIEND, [b"grey@example.org"])[:2])
    stage.client("192.0.2.21").talk(message(FRIEND, [b"policy@example.org"])[:2])
    for name in (b"friend", b"x]y"):
        stage.client("192.0.2.22").talk(to_bob, 29, b"HELO " + name)
    for source in ("192.0.2.66", "2001:db8:1:66::1"):
        stage.client(source).talk(to_bob, 29)
    for port in (25, 31):
        stage.client("203.0.113.13").talk(to_bob, port)
    stage.client("2001:db8:2:13::1").talk(to_bob)


@BOOK.scenario(
    "rejects-late",
    "Refusals after RCPT: 192.0.2.23 announces 999 MB; .24 sends a subject that header_checks refuses, .25 one that pretends to be another client "
    "(its text stands BEFORE the true address), .26 one that is only warned of; .27 is refused by a milter at MAIL, RCPT (451) and at the end",
    {
        "192.0.2.23": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.24": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.25": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.26": {"connected": 1, "session_ended": 1, "message_accepted": 1},
        "192.0.2.27": {"connected": 3, "session_ended": 3, "rejected": 2},
    },
    [
        {"kind": "rejected", "client": "192.0.2.25", "stage": "data", "reason": "content"},
        {"kind": "rejected", "client": "192.0.2.27", "stage": "mail", "code": 550},
        {"kind": "rejected", "client": "192.0.2.27", "stage": "rcpt", "code": 451},
        {"kind": "rejected", "client": "192.0.2.27", "stage": "data"},
        {"kind": "session_ended", "client": "192.0.2.24", "messages": 0},
    ],
)
def rejects_late(stage: Stage) -> None:
    """See its entry."""
    stage.client("192.0.2.23").talk([b"MAIL FROM:<friend@friend.example> SIZE=999000000"])
    stage.client("192.0.2.24").talk(message(FRIEND, [BOB], b"Subject: forbidden\r\n\r\nx"))
    forged = b"Subject: forbidden from evil[6.6.6.6]; from=<a@b> to=<c@d> proto=ESMTP helo=<e>: no\r\n\r\nx"
    stage.client("192.0.2.25").talk(message(FRIEND, [BOB], forged))
    stage.client("192.0.2.26").talk(message(FRIEND, [BOB], b"Subject: noticed from evil[6.6.6.6]; from=<a@b>\r\n\r\nx"))
    client = stage.client("192.0.2.27")
    client.talk(message(b"milter-mail@x.example", [BOB])[:1], 32)
    client.talk(message(FRIEND, [b"milter-later@example.org"])[:2], 32)
    client.talk(message(FRIEND, [BOB], b"Subject: x\r\n\r\nviagra"), 32)


@BOOK.scenario(
    "abuse",
    "192.0.2.28 speaks HTTP; .29 sends commands before the greeting; .30 pipelines after EHLO without waiting and after DATA; .31 makes 21 errors; "
    ".32 sends unknown commands and control characters; .33 sends a text with bare newlines, which is refused",
    {
        "192.0.2.28": {"connected": 2, "session_ended": 2, "protocol_abused": 2},
        "192.0.2.29": {"connected": 1, "session_ended": 1, "protocol_abused": 1},
        "192.0.2.30": {"connected": 2, "session_ended": 2, "protocol_abused": 2, "message_accepted": 1},
        "192.0.2.31": {"connected": 1, "session_ended": 1, "protocol_abused": 1},
        "192.0.2.32": {"connected": 1, "session_ended": 1, "protocol_abused": 1},
        "192.0.2.33": {"connected": 1, "session_ended": 1, "rejected": 1, "protocol_abused": 1},
    },
    [
        {"kind": "protocol_abused", "client": "192.0.2.28", "reason": "non_smtp_command"},
        {"kind": "protocol_abused", "client": "192.0.2.30", "reason": "pipelining"},
        {"kind": "protocol_abused", "client": "192.0.2.31", "reason": "too_many_errors"},
    ],
)
def abuse(stage: Stage) -> None:
    """See its entry."""
    for text in (b"GET / HTTP/1.0\r\n\r\n", b"From: evil[6.6.6.6]\r\n"):
        with stage.client("192.0.2.28").wire(25) as wire:
            wire.line()
            wire.send(text)
            wire.wait_end()
    _early(stage.client("192.0.2.29"), b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n", 31)
    _early(stage.client("192.0.2.30"), b"HELO evil[6.6.6.6]\r\nMAIL FROM:<friend@friend.example>\r\nQUIT\r\n", 31)
    with stage.client("192.0.2.30").greeted() as wire:
        for command in message(FRIEND, [BOB])[:2]:
            wire.smtp(command)
        wire.send(b"DATA\r\nSubject: early evil[6.6.6.6]\r\n\r\nx\r\n.\r\nQUIT\r\n")
        wire.wait_end()
    stage.client("192.0.2.31").talk([b"RCPT TO:<x@example.org>"] * 21, leave=False)
    stage.client("192.0.2.32").talk([b"XYZZY evil[6.6.6.6]", b"\x1b[2J\x07", b"caf\xe9", b"\x00\x00", b"A" * 3000])
    with stage.client("192.0.2.33").greeted(31) as wire:
        for command in message(FRIEND, [BOB])[:3]:
            wire.smtp(command)
        wire.send(b"Subject: x\n\nfirst\n.\nMAIL FROM:<a@b>\r\n.\r\nQUIT\r\n")
        wire.wait_end()


def _early(client: Client, text: bytes, port: int) -> None:
    with client.wire(port) as wire:
        wire.send(text)
        wire.wait_end()


@BOOK.scenario(
    "syntax",
    "192.0.2.34 sends addresses that are none, hostile senders and recipients, 8-bit and quoted ones; what is refused with a line counts as refused",
    {"192.0.2.34": {"connected": 3, "session_ended": 3, "rejected": 3}},
)
def syntax(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.34")
    client.talk([b"MAIL FROM:<a b c>", b"MAIL FROM:evil[6.6.6.6]", b"MAIL FROM:<\x1b[2J@x>", b"MAIL FROM:<caf\xe9@friend.example>"])
    hostile = [b'"x> from evil[6.6.6.6]: 550"@example.org', b"x[6.6.6.6]@example.org", b"nobody@[6.6.6.6]", b'"a\\"b>"@example.org']
    client.talk(message(FRIEND, hostile)[:5])
    client.talk(message(b'"unknown[6.6.6.6]>"@friend.example', [BOB])[:2])


@BOOK.scenario(
    "limits",
    "On a port with low limits: 192.0.2.35 opens a third connection while two stand; .36 makes a third log-in; .37 a third message; .38 three "
    "errors; .39 says nothing until the time is up, and once more after MAIL",
    {
        "192.0.2.35": {"connected": 3, "session_ended": 3},
        "192.0.2.36": {"connected": 3, "session_ended": 3, "auth_failed": 2},
        "192.0.2.37": {"connected": 1, "session_ended": 1},
        "192.0.2.38": {"connected": 1, "session_ended": 1, "protocol_abused": 1},
        "192.0.2.39": {"connected": 2, "session_ended": 2},
    },
)
def limits(stage: Stage) -> None:
    """See its entry."""
    held = [stage.client("192.0.2.35").greeted(30) for _ in range(2)]
    stage.client("192.0.2.35").touch(30)
    for wire in held:
        wire.smtp(b"QUIT")
        wire.sock.close()
    for _ in range(3):
        stage.client("192.0.2.36").smtp_guess("bob@example.org", "wrong", 30)
    stage.client("192.0.2.37").talk([b"MAIL FROM:<>", b"RSET", b"MAIL FROM:<>", b"RSET", b"MAIL FROM:<>"], 30)
    stage.client("192.0.2.38").talk([b"RCPT TO:<x@example.org>"] * 4, 30)
    for commands in ([], [b"MAIL FROM:<friend@friend.example>"]):
        with stage.client("192.0.2.39").greeted(30) as wire:
            for command in commands:
                wire.smtp(command)
            wire.wait_end()
