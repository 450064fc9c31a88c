"""What clients do to Postfix, continued: deliveries and bounces, TLS, proxies in front, postscreen.

Job: the other half of the scenarios whose lines stand in tests/data/postfix. Promise and limits: those of `scenarios`.
"""

import contextlib
import time

from tests.e2e.attackers import Client, Wire, message, plain
from tests.e2e.scenarios import Playbook, Stage

BOOK = Playbook("postfix")
FRIEND, BOB = b"friend@friend.example", b"bob@example.org"
ALICE = ("alice@example.org", "secret-a")


@BOOK.scenario(
    "deliveries",
    "192.0.2.40 delivers one message to two recipients, then two messages in one session, then one with BDAT in three chunks, then one over "
    "STARTTLS; 2001:db8:1::40 delivers one; 192.0.2.41 sends one message with one good and one unknown recipient",
    {
        "192.0.2.40": {"connected": 4, "session_ended": 4, "message_accepted": 5},
        "2001:db8:1::40": {"connected": 1, "session_ended": 1, "message_accepted": 1},
        "192.0.2.41": {"connected": 1, "session_ended": 1, "message_accepted": 1, "rejected": 1},
    },
    [
        {"kind": "message_accepted", "client": "192.0.2.40", "recipients": 2, "account": ""},
        {"kind": "session_ended", "client": "192.0.2.40", "messages": 2},
        {"kind": "session_ended", "client": "192.0.2.40", "messages": 1},
    ],
    forms=("iso", "5424"),
)
def deliveries(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.40")
    client.deliver(["bob@example.org", "carol@example.org"])
    client.talk(message(FRIEND, [BOB]) + message(FRIEND, [b"carol@example.org"]))
    _bdat(client, [b"Subject: chunks\r\n", b"\r\none\r\n", b"two\r\n"], last=True)
    client.deliver(["bob@example.org"], starttls=True)
    stage.client("2001:db8:1::40").deliver(["bob@example.org"])
    stage.client("192.0.2.41").talk(message(FRIEND, [BOB, b"nobody@example.org"]))


def _bdat(client: Client, chunks: list[bytes], last: bool) -> None:
    with client.greeted() as wire:
        for command in message(FRIEND, [BOB])[:2]:
            wire.smtp(command)
        for number, chunk in enumerate(chunks, 1):
            wire.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last and number == len(chunks) else b"") + chunk)
            wire.reply()
        if last:
            wire.smtp(b"QUIT")


@BOOK.scenario(
    "broken-off",
    "192.0.2.42 leaves amid BDAT after two chunks; .43 breaks off amid DATA; .44 sends more than the size limit. Nobody delivered anything",
    {
        "192.0.2.42": {"connected": 1, "session_ended": 1},
        "192.0.2.43": {"connected": 1, "session_ended": 1},
        "192.0.2.44": {"connected": 1, "session_ended": 1},
    },
    [
        {"kind": "session_ended", "client": "192.0.2.42", "messages": 0},
        {"kind": "session_ended", "client": "192.0.2.43", "messages": 0},
        {"kind": "session_ended", "client": "192.0.2.44", "messages": 0},
    ],
)
def broken_off(stage: Stage) -> None:
    """See its entry."""
    _bdat(stage.client("192.0.2.42"), [b"Subject: chunks\r\n\r\n", b"one\r\n"], last=False)
    wire = stage.client("192.0.2.43").greeted()
    for command in message(FRIEND, [BOB])[:3]:
        wire.smtp(command)
    wire.send(b"Subject: half\r\n")
    wire.reset()
    stage.client("192.0.2.44").talk(message(FRIEND, [BOB], b"Subject: big\r\n\r\n" + b"x" * 70 + (b"\r\n" + b"y" * 70) * 3000))


@BOOK.scenario(
    "authenticated",
    "192.0.2.45 logs in as alice on 587 and mails bob; logs in as `Alice@Example.ORG` on 465; fails once, then logs in and sends nothing",
    {"192.0.2.45": {"connected": 3, "session_ended": 3, "message_accepted": 2, "auth_failed": 1}},
    [
        {"kind": "message_accepted", "client": "192.0.2.45", "account": "alice@example.org", "service": "submission"},
        {"kind": "message_accepted", "client": "192.0.2.45", "account": "alice@example.org", "service": "smtps"},
        {"kind": "session_ended", "client": "192.0.2.45", "messages": 1, "authenticated": True},
        {"kind": "session_ended", "client": "192.0.2.45", "messages": 0, "authenticated": True},
    ],
)
def authenticated(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.45")
    client.deliver(["bob@example.org"], ALICE[0], port=587, login=ALICE, starttls=True)
    client.deliver(["bob@example.org"], ALICE[0], port=465, login=("Alice@Example.ORG", "secret-a"))
    client.talk([b"AUTH PLAIN " + plain(ALICE[0], "wrong"), b"AUTH PLAIN " + plain(*ALICE)], 587)


@BOOK.scenario(
    "bounces",
    "192.0.2.46, logged in as alice, mails two addresses at remote.example of which one bounces, and one that is deferred; 192.0.2.47, a "
    "stranger, mails an alias that is forwarded and bounces; 192.0.2.48 delivers an incoming bounce (null sender), 192.0.2.49 an incoming "
    "bounce to an alias that bounces",
    {
        "192.0.2.46": {"connected": 2, "session_ended": 2, "message_accepted": 2, "message_bounced": 1},
        "192.0.2.48": {"connected": 1, "session_ended": 1, "message_accepted": 1},
        "192.0.2.49": {"connected": 1, "session_ended": 1, "message_accepted": 1},
    },
    [{"kind": "message_bounced", "client": "192.0.2.46", "account": "alice@example.org", "recipient": "nobody@remote.example"}],
    unchecked=("192.0.2.47",),
)
def bounces(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.46")
    client.deliver(["nobody@remote.example", "friend@remote.example"], ALICE[0], port=587, login=ALICE)
    client.deliver(["later@remote.example"], ALICE[0], port=587, login=ALICE)
    stage.client("192.0.2.47").deliver(["gone@example.org"])
    stage.client("192.0.2.48").deliver(["bob@example.org"], "")
    stage.client("192.0.2.49").deliver(["gone@example.org"], "")
    stage.host.machine.run("postqueue", "-f")
    time.sleep(1)


@BOOK.scenario("local", "A program on the host itself sends mail (pickup): no client is to be accused", {})
def local(stage: Stage) -> None:
    """See its entry."""
    stage.host.machine.run("sendmail", "-f", "bob@example.org", "carol@example.org", feed="Subject: by hand\n\nx\n")
    stage.host.machine.run("sendmail", "-f", "bob@example.org", "nobody@remote.example", feed="Subject: by hand\n\nx\n")
    time.sleep(0.5)


@BOOK.scenario(
    "tls",
    "192.0.2.50 speaks plain text to 465; .51 garbage after STARTTLS; .52 plain text before and a session after STARTTLS; .53 offers an old "
    "protocol only",
    {
        "192.0.2.50": {"connected": 1, "session_ended": 1},
        "192.0.2.51": {"connected": 1, "session_ended": 1},
        "192.0.2.52": {"connected": 1, "session_ended": 1},
    },
)
def tls(stage: Stage) -> None:
    """See its entry."""
    with stage.client("192.0.2.50").wire(465) as wire:
        wire.send(b"EHLO evil[6.6.6.6]\r\n" * 4)
        wire.wait_end()
    with stage.client("192.0.2.51").greeted() as wire:
        wire.smtp(b"STARTTLS")
        wire.send(b"this is no handshake" * 20)
        wire.wait_end()
    with stage.client("192.0.2.52").greeted() as wire:
        wire.smtp(b"STARTTLS")
        wire.tls()
        wire.smtp(b"EHLO client.example")
        wire.smtp(b"QUIT")


@BOOK.scenario(
    "xclient",
    "The proxy 203.0.113.99 hands on two clients: 192.0.2.55, who names an unknown recipient, and 192.0.2.56, who delivers. 192.0.2.57 is no "
    "proxy and tries",
    {
        "192.0.2.55": {"connected": 1, "session_ended": 1, "rejected": 1},
        "192.0.2.56": {"connected": 1, "session_ended": 1, "message_accepted": 1},
        "192.0.2.57": {"connected": 1, "session_ended": 1},
    },
    unchecked=("203.0.113.99",),
)
def xclient(stage: Stage) -> None:
    """See its entry."""
    proxy = stage.client("203.0.113.99")
    _via(proxy, b"NAME=[UNAVAILABLE] ADDR=192.0.2.55", message(FRIEND, [b"nobody@example.org"])[:2])
    _via(proxy, b"NAME=shop.friend.example ADDR=192.0.2.56 HELO=shop", message(FRIEND, [BOB]))
    _via(stage.client("192.0.2.57"), b"NAME=evil ADDR=6.6.6.6", [])


def _via(client: Client, attributes: bytes, commands: list[bytes]) -> None:
    with client.greeted() as wire:
        if wire.smtp(b"XCLIENT " + attributes) == 220:
            wire.smtp(b"EHLO client.example")
        for command in commands:
            wire.smtp(command)
        wire.smtp(b"QUIT")


@BOOK.scenario(
    "proxy-protocol",
    "203.0.113.99 hands on 192.0.2.58 and 2001:db8:1::58 with the PROXY protocol, once without an address, and once nonsense",
    {
        "192.0.2.58": {"connected": 1, "session_ended": 1},
        "2001:db8:1::58": {"connected": 1, "session_ended": 1},
    },
    unchecked=("203.0.113.99",),
)
def proxy_protocol(stage: Stage) -> None:
    """See its entry."""
    headers = (
        b"PROXY TCP4 192.0.2.58 198.51.100.25 40000 28\r\n",
        b"PROXY TCP6 2001:db8:1::58 2001:db8:25::25 40000 28\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY TCP4 evil[6.6.6.6] 1.2.3.4 1 2\r\n",
    )
    for header in headers:
        with stage.client("203.0.113.99").wire(28) as wire:
            wire.send(header)
            if wire.reply() == 220:
                wire.smtp(b"EHLO client.example")
                wire.smtp(b"QUIT")


@BOOK.scenario(
    "instance",
    "An instance named postfix-mta: 192.0.2.59 names an unknown recipient and fails to log in",
    {"192.0.2.59": {"connected": 1, "session_ended": 1, "rejected": 1, "auth_failed": 1}},
)
def instance(stage: Stage) -> None:
    """See its entry."""
    stage.client("192.0.2.59").talk([b"AUTH PLAIN " + plain("bob", "wrong"), *message(FRIEND, [b"nobody@example.org"])[:2]], 33)


@BOOK.scenario(
    "postscreen",
    "Port 26. 192.0.2.60 speaks before the greeting; .61 hangs up; .62 passes, its session goes on in smtpd, and comes back (PASS OLD); "
    "192.0.2.66 is in a DNSBL and tries to mail; 203.0.113.14 is on the deny list, .15 on the allow list; 2001:db8:1::60 speaks early",
    {
        "192.0.2.60": {"connected": 1, "session_ended": 1, "protocol_abused": 1},
        "192.0.2.61": {"connected": 1, "session_ended": 1},
        "192.0.2.62": {"connected": 2, "session_ended": 2},
        "192.0.2.66": {"connected": 1, "session_ended": 1, "protocol_abused": 1, "rejected": 1},
        "203.0.113.14": {"connected": 1, "session_ended": 1, "rejected": 1},
        "203.0.113.15": {"connected": 1, "session_ended": 1},
        "2001:db8:1::60": {"connected": 1, "session_ended": 1, "protocol_abused": 1},
    },
    [
        {"kind": "protocol_abused", "client": "192.0.2.60", "reason": "pregreet"},
        {"kind": "protocol_abused", "client": "192.0.2.66", "reason": "dnsbl"},
    ],
    forms=("iso", "5424"),
)
def postscreen(stage: Stage) -> None:
    """See its entry."""
    _pregreet(stage.client("192.0.2.60"), b"EHLO evil[6.6.6.6]:25 after 0 from [6.6.6.6]\r\n")
    stage.client("192.0.2.61").touch(26)
    for _ in range(2):
        stage.client("192.0.2.62").talk([], 26)
    for source in ("192.0.2.66", "203.0.113.14"):
        with stage.client(source).wire(26) as wire:
            _patient(wire, [b"EHLO client.example", *message(FRIEND, [BOB])[:2], b"QUIT"])
    stage.client("203.0.113.15").talk([], 26)
    _pregreet(stage.client("2001:db8:1::60"), b"HELO early\r\n")


def _patient(wire: Wire, commands: list[bytes]) -> None:
    """Waits for the whole greeting, a teaser line and the real one, then speaks."""
    wire.reply()
    for command in commands:
        if wire.smtp(command) == 0:
            return


def _pregreet(client: Client, text: bytes) -> None:
    with client.wire(26) as wire:
        wire.line()
        wire.send(text)
        time.sleep(0.2)
        wire.send(b"QUIT\r\n")
        wire.wait_end()


@BOOK.scenario(
    "postscreen-deep",
    "Port 27, tests after the greeting. 192.0.2.63 is good and new: 450, and told to come back; comes back and delivers; .64 pipelines; .65 "
    "speaks HTTP; .67 sends a bare newline and a command behind it; .68 hangs up in the middle; .69 gives more commands than postscreen waits "
    "for",
    {
        "192.0.2.63": {"connected": 2, "session_ended": 1, "message_accepted": 1},
        "192.0.2.64": {"connected": 1, "session_ended": 1, "protocol_abused": 1, "rejected": 1},
        "192.0.2.65": {"connected": 1, "session_ended": 1, "protocol_abused": 1},
        "192.0.2.67": {"connected": 1, "session_ended": 1, "protocol_abused": 2},
        "192.0.2.68": {"connected": 1, "session_ended": 1},
    },
    [
        {"kind": "protocol_abused", "client": "192.0.2.64", "reason": "pipelining"},
        {"kind": "protocol_abused", "client": "192.0.2.65", "reason": "non_smtp_command"},
        {"kind": "protocol_abused", "client": "192.0.2.67", "reason": "bare_newline"},
    ],
    unchecked=("192.0.2.69",),
)
def postscreen_deep(stage: Stage) -> None:
    """See its entry."""
    hello, mail = [b"EHLO client.example"], message(FRIEND, [BOB])
    for commands in ([*hello, *mail[:2], b"QUIT"], [*hello, *mail, b"QUIT"]):
        with stage.client("192.0.2.63").wire(27) as wire:
            _patient(wire, commands)
    for source, text in (
        ("192.0.2.64", b"EHLO evil[6.6.6.6]\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.org>\r\nQUIT\r\n"),
        ("192.0.2.65", b"GET / HTTP/1.0 [6.6.6.6]\r\n\r\n"),
        ("192.0.2.67", b"EHLO client.example\nQUIT\r\n"),
    ):
        with stage.client(source).wire(27) as wire:
            wire.reply()
            wire.send(text)
            time.sleep(0.2)
            wire.send(b"QUIT\r\n")
            wire.wait_end()
    with stage.client("192.0.2.68").wire(27) as wire:
        _patient(wire, hello)
    with stage.client("192.0.2.69").wire(27) as wire, contextlib.suppress(OSError):
        _patient(wire, hello + [b"RCPT TO:<x@example.org>"] * 21)


@BOOK.scenario(
    "tools",
    "hydra guesses six passwords for bob from 192.0.2.70; swaks delivers one message from 192.0.2.71 and fails to log in from 192.0.2.72",
    {
        "192.0.2.70": {"connected": 1, "session_ended": 1, "auth_failed": 6},
        "192.0.2.71": {"connected": 1, "session_ended": 1, "message_accepted": 1},
        "192.0.2.72": {"connected": 1, "session_ended": 1, "auth_failed": 1},
    },
)
def tools(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.70")
    client.hydra("bob@example.org", [f"guess{number}" for number in range(6)], "smtp", 587)
    stage.client("192.0.2.71").swaks("--to", "bob@example.org", "--from", "friend@friend.example", "--h-Message-Id", "<tool@client.example>")
    stage.client("192.0.2.72").swaks("--to", "bob@example.org", "--auth", "LOGIN", "--auth-user", "bob", "--auth-password", "wrong")


FOLDED = Playbook("postfix")


@FOLDED.scenario(
    "guesses",
    "192.0.2.75 guesses bob's password six times in one session, 192.0.2.76 five times; rsyslog folds the lines that repeat",
    {
        "192.0.2.75": {"connected": 1, "session_ended": 1, "auth_failed": 6},
        "192.0.2.76": {"connected": 1, "session_ended": 1, "auth_failed": 5},
    },
)
def guesses(stage: Stage) -> None:
    """See its entry."""
    for source, times in (("192.0.2.75", 6), ("192.0.2.76", 5)):
        stage.client(source).talk([b"AUTH PLAIN " + plain("bob@example.org", "wrong")] * times)


@BOOK.scenario(
    "sasl-away",
    "Dovecot's auth service is stopped for good. 192.0.2.73's session has begun before, and its log-in fails through the server's fault: no "
    "failed log-in. 192.0.2.74 connects afterwards and is cut off by smtpd's own failure, so that its session has no end in the log",
    {"192.0.2.73": {"connected": 1, "session_ended": 1}, "192.0.2.74": {"connected": 1}},
)
def sasl_away(stage: Stage) -> None:
    """See its entry; it must be the last, for it leaves the host without log-ins."""
    with stage.client("192.0.2.73").greeted(587) as wire:
        stage.host.machine.run("doveadm", "service", "stop", "auth")
        stage.host.machine.kill("dovecot/auth")
        wire.smtp(b"AUTH PLAIN " + plain(*ALICE))
        wire.smtp(b"QUIT")
    stage.client("192.0.2.74").touch(34)
    time.sleep(1)
