"""What clients do to Exim: connections, log-ins, refusals, abuse, deliveries.

Job: the scenarios whose lines stand in tests/data/exim, in a folder for each way of logging. Promise and limits: those of `scenarios`; the facts
told are those of the recommended `log_selector` (Debian's own logs neither `connected` nor `session_ended`).
"""

import contextlib
import time

from tests.e2e.attackers import HOSTILE_HELOS, HOSTILE_USERS, auth_commands, message, plain
from tests.e2e.scenarios import Playbook, Stage

BOOK = Playbook("exim")
FRIEND, BOB = b"friend@friend.example", b"bob@example.org"
ALICE = ("alice@example.org", "secret-a")


@BOOK.scenario(
    "connects",
    "192.0.2.140 connects three times and leaves, and breaks off once; 2001:db8:1::140 once; clients with a good and a numeric PTR name once",
    {
        "192.0.2.140": {"connected": 4, "session_ended": 4},
        "2001:db8:1::140": {"connected": 1, "session_ended": 1},
        "192.0.2.80": {"connected": 1, "session_ended": 1},
        "192.0.2.81": {"connected": 1, "session_ended": 1},
    },
)
def connects(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.140")
    for _ in range(3):
        client.touch(25)
    wire = client.wire(25)
    wire.line()
    wire.reset()
    for source in ("2001:db8:1::140", "192.0.2.80", "192.0.2.81"):
        stage.client(source).touch(25)


@BOOK.scenario(
    "sessions",
    "192.0.2.141 has five sessions without a message: EHLO, NOOP and RSET, MAIL without RCPT, an end after RCPT, an end amid the text",
    {"192.0.2.141": {"connected": 5, "session_ended": 5}},
    [{"kind": "session_ended", "client": "192.0.2.141", "messages": 0}],
)
def sessions(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.141")
    client.talk([])
    client.talk([b"NOOP", b"RSET"], hello=b"HELO client.example")
    client.talk([b"MAIL FROM:<" + FRIEND + b">"])
    client.talk(message(FRIEND, [BOB])[:2], leave=False)
    with client.greeted() as wire:
        for command in message(FRIEND, [BOB])[:3]:
            wire.smtp(command)
        wire.send(b"Subject: half\r\n\r\nhal")


@BOOK.scenario(
    "auth-failures",
    "192.0.2.142 fails with PLAIN and LOGIN, twice in one session, with a user that does not exist, on 587; 2001:db8:1::142 fails once; "
    "192.0.2.143 sends broken base64, asks for a mechanism that there is not, and gives up a LOGIN",
    {
        "192.0.2.142": {"connected": 5, "session_ended": 5, "auth_failed": 6},
        "2001:db8:1::142": {"connected": 1, "session_ended": 1, "auth_failed": 1},
    },
    [{"kind": "auth_failed", "client": "192.0.2.142", "account": "bob@example.org"}],
    forms=("reject", "syslog"),
    unchecked=("192.0.2.143",),
)
def auth_failures(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.142")
    client.smtp_guess("bob@example.org", "wrong")
    client.smtp_guess("bob@example.org", "wrong", mechanism="LOGIN")
    client.talk(auth_commands("bob@example.org", "wrong") + auth_commands("alice@example.org", "wrong", "LOGIN"))
    client.smtp_guess("ghost@example.org", "wrong")
    client.smtp_guess("bob@example.org", "wrong", port=587)
    stage.client("2001:db8:1::142").smtp_guess("bob@example.org", "wrong")
    stage.client("192.0.2.143").talk([b"AUTH PLAIN !!!not-base64"])
    stage.client("192.0.2.143").talk([b"AUTH NTLM"])
    stage.client("192.0.2.143").talk([b"AUTH LOGIN", b"*"])


@BOOK.scenario(
    "auth-hostile-users",
    "192.0.2.144 fails with user names that look like log words, one session each; 6.6.6.6 and 1.2.3.4 did nothing",
    {"192.0.2.144": {"connected": len(HOSTILE_USERS), "session_ended": len(HOSTILE_USERS), "auth_failed": len(HOSTILE_USERS)}},
)
def auth_hostile_users(stage: Stage) -> None:
    """See its entry."""
    for user in HOSTILE_USERS:
        stage.client("192.0.2.144").smtp_guess(user, "wrong")


@BOOK.scenario(
    "helo-hostile",
    "192.0.2.145 greets with names that look like addresses and log words, fails to log in and names an unknown recipient; 6.6.6.6 and 1.2.3.4 "
    "did nothing. Where Exim refuses the name itself, it says so in lines of its own",
    {},
    [
        {"kind": "rejected", "client": "192.0.2.145", "stage": "rcpt", "code": 550, "reason": "unknown_user"},
        {"kind": "auth_failed", "client": "192.0.2.145"},
    ],
    unchecked=("192.0.2.145",),
)
def helo_hostile(stage: Stage) -> None:
    """See its entry."""
    for name in HOSTILE_HELOS:
        commands = [b"AUTH PLAIN " + plain("bob", "wrong"), *message(FRIEND, [b"ghost@example.org"])[:2]]
        stage.client("192.0.2.145").talk(commands, hello=b"EHLO " + name)


@BOOK.scenario(
    "rejects",
    "Refusals: 192.0.2.146 three unknown recipients in a session; .147 relaying; .148 a sender on the list, and one that cannot be verified; "
    ".149 greylisted; .150 a policy whose words hold an address; 192.0.2.66 in a DNSBL; 203.0.113.13 on the host list, 203.0.113.14 at connect;"
    " .151 a subject; .152 its size",
    {
        "192.0.2.146": {"connected": 1, "session_ended": 1, "rejected": 3},
        "192.0.2.147": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.148": {"connected": 2, "session_ended": 2, "rejected": 2},
        "192.0.2.149": {"connected": 1, "session_ended": 1},
        "192.0.2.150": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.66": {"connected": 1, "session_ended": 1, "rejected": 1},
        "203.0.113.13": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.151": {"connected": 1, "session_ended": 1, "rejected": 1},
    },
    [
        {"kind": "rejected", "client": "192.0.2.146", "stage": "rcpt", "reason": "unknown_user"},
        {"kind": "rejected", "client": "192.0.2.147", "stage": "rcpt", "reason": "relay_denied"},
        {"kind": "rejected", "client": "192.0.2.151", "stage": "data"},
    ],
    forms=("reject", "syslog"),
    unchecked=("203.0.113.14", "192.0.2.152"),
)
def rejects(stage: Stage) -> None:
    """See its entry."""
    to_bob = message(FRIEND, [BOB])[:2]
    stage.client("192.0.2.146").talk(message(FRIEND, [b"nobody1@example.org", b"nobody2@example.org", b"nobody3@example.org"])[:4])
    stage.client("192.0.2.147").talk(message(FRIEND, [b"someone@remote.example"])[:2])
    stage.client("192.0.2.148").talk(message(b"x@spammer.example", [BOB])[:2])
    stage.client("192.0.2.148").talk(message(b"x@nowhere.invalid", [BOB])[:2])
    stage.client("192.0.2.149").talk(message(FRIEND, [b"grey@example.org"])[:2])
    stage.client("192.0.2.150").talk(message(FRIEND, [b"policy@example.org"])[:2])
    for source in ("192.0.2.66", "203.0.113.13"):
        stage.client(source).talk(to_bob)
    with contextlib.suppress(OSError):
        stage.client("203.0.113.14").talk(to_bob)
    stage.client("192.0.2.151").talk(message(FRIEND, [BOB], b"Subject: forbidden H=(x) [6.6.6.6]\r\n\r\nx"))
    stage.client("192.0.2.152").talk([b"MAIL FROM:<friend@friend.example> SIZE=999000000"])


@BOOK.scenario(
    "abuse",
    "192.0.2.153 speaks HTTP; .154 sends commands without waiting after HELO; .155 sends unknown commands until it is dropped; .156 pipelines "
    "its text behind a refused DATA; .157 sends addresses that are none until it is dropped; .158 names eleven bad recipients; .159 holds three"
    " connections where two are allowed",
    {},
    [
        {"kind": "protocol_abused", "client": "192.0.2.154"},
        {"kind": "protocol_abused", "client": "192.0.2.155"},
        {"kind": "rejected", "client": "192.0.2.158"},
    ],
    unchecked=("192.0.2.153", "192.0.2.154", "192.0.2.155", "192.0.2.156", "192.0.2.157", "192.0.2.158", "192.0.2.159"),
)
def abuse(stage: Stage) -> None:
    """See its entry."""
    with stage.client("192.0.2.153").wire(25) as wire:
        wire.line()
        wire.send(b"GET / HTTP/1.0\r\nHost: evil[6.6.6.6]\r\n\r\nQUIT\r\n")
        wire.wait_end()
    with stage.client("192.0.2.154").greeted(hello=b"HELO [6.6.6.6]") as wire:
        wire.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.org>\r\nQUIT\r\n")
        wire.wait_end()
    stage.client("192.0.2.155").talk([b"XYZZY H=(x) [6.6.6.6]:25 \x1b[2J"] * 6, leave=False)
    stage.client("192.0.2.156").talk([*message(FRIEND, [b"ghost@example.org"])[:2], b"DATA\r\nSubject: [6.6.6.6]\r\n\r\nx\r\n."], leave=False)
    stage.client("192.0.2.157").talk([b"MAIL FROM:<a b c [6.6.6.6]>"] * 6, leave=False)
    stage.client("192.0.2.158").talk(message(FRIEND, [b"ghost%d@example.org" % number for number in range(12)])[:13])
    held = [stage.client("192.0.2.159").greeted() for _ in range(2)]
    with stage.client("192.0.2.159").wire(25) as wire:
        wire.wait_end()
    for wire in held:
        wire.smtp(b"QUIT")
        wire.sock.close()


@BOOK.scenario(
    "syntax",
    "192.0.2.160 sends hostile senders and recipients: quoted, with addresses in them, 8-bit, with control characters; 6.6.6.6 did nothing",
    {},
    unchecked=("192.0.2.160",),
)
def syntax(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.160")
    hostile = [b'"x> H=(a) [6.6.6.6]: b"@example.org', b"x[6.6.6.6]@example.org", b"nobody@[6.6.6.6]"]
    hostile += [b'"a\\"b>"@example.org', b"caf\xe9@example.org"]
    client.talk(message(b'"H=(x) [6.6.6.6] F=<"@friend.example', hostile)[:6])
    client.talk([b"MAIL FROM:<\x1b[2J@x>", b"MAIL FROM:evil[6.6.6.6]"])


@BOOK.scenario(
    "deliveries",
    "192.0.2.161 delivers one message to two recipients, two messages in one session, one with BDAT in three chunks, one over STARTTLS; "
    "2001:db8:1::161 one; 192.0.2.162 one with a good and an unknown recipient",
    {
        "192.0.2.161": {"connected": 4, "session_ended": 4, "message_accepted": 5},
        "2001:db8:1::161": {"connected": 1, "session_ended": 1, "message_accepted": 1},
        "192.0.2.162": {"connected": 1, "session_ended": 1, "message_accepted": 1, "rejected": 1},
    },
    [{"kind": "message_accepted", "client": "192.0.2.161", "account": ""}, {"kind": "session_ended", "client": "192.0.2.161", "messages": 2}],
    forms=("syslog",),
)
def deliveries(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.161")
    client.deliver(["bob@example.org", "carol@example.org"])
    client.talk(message(FRIEND, [BOB]) + message(FRIEND, [b"carol@example.org"]))
    with client.greeted() as wire:
        for command in message(FRIEND, [BOB])[:2]:
            wire.smtp(command)
        for chunk, last in ((b"Subject: chunks\r\n", b""), (b"\r\none\r\n", b""), (b"two\r\n", b" LAST")):
            wire.send(b"BDAT %d%s\r\n" % (len(chunk), last) + chunk)
            wire.reply()
        wire.smtp(b"QUIT")
    client.deliver(["bob@example.org"], starttls=True)
    stage.client("2001:db8:1::161").deliver(["bob@example.org"])
    stage.client("192.0.2.162").talk(message(FRIEND, [BOB, b"ghost@example.org"]))


@BOOK.scenario(
    "authenticated",
    "192.0.2.163 logs in as alice and mails bob on 587 and on 465, fails once and then logs in and sends nothing; mails an address at "
    "remote.example that bounces",
    {"192.0.2.163": {"connected": 4, "session_ended": 4, "message_accepted": 3, "auth_failed": 1, "message_bounced": 1}},
    [{"kind": "message_accepted", "client": "192.0.2.163", "account": "alice@example.org"}],
)
def authenticated(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.163")
    client.deliver(["bob@example.org"], ALICE[0], port=587, login=ALICE, starttls=True)
    client.deliver(["bob@example.org"], ALICE[0], port=465, login=ALICE)
    client.talk([b"AUTH PLAIN " + plain(ALICE[0], "wrong"), b"AUTH PLAIN " + plain(*ALICE)], 587)
    client.deliver(["nobody@remote.example"], ALICE[0], port=587, login=ALICE)
    time.sleep(2)


@BOOK.scenario(
    "others",
    "A local program sends mail; 192.0.2.164 delivers an incoming bounce, and mail to an alias whose target bounces; nobody is accused by that",
    {"192.0.2.164": {"connected": 2, "session_ended": 2, "message_accepted": 2}},
)
def others(stage: Stage) -> None:
    """See its entry."""
    stage.host.machine.run("exim4", "-f", "bob@example.org", "carol@example.org", feed="Subject: by hand\n\nx\n")
    stage.client("192.0.2.164").deliver(["bob@example.org"], "")
    stage.client("192.0.2.164").deliver(["gone@example.org"], "")
    time.sleep(2)


@BOOK.scenario(
    "tls",
    "192.0.2.165 speaks plain text to 465; .166 garbage after STARTTLS; .167 leaves amid the handshake. Of the first and the last Exim logs the"
    " error, but no end",
    {"192.0.2.166": {"connected": 1, "session_ended": 1}},
    unchecked=("192.0.2.165", "192.0.2.167"),
)
def tls(stage: Stage) -> None:
    """See its entry."""
    with stage.client("192.0.2.165").wire(465) as wire:
        wire.send(b"EHLO evil[6.6.6.6]\r\n" * 4)
        wire.wait_end()
    with stage.client("192.0.2.166").greeted() as wire:
        wire.smtp(b"STARTTLS")
        wire.send(b"this is no handshake" * 20)
        wire.wait_end()
    with stage.client("192.0.2.167").wire(465) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
