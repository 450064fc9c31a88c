"""What clients do to Dovecot's IMAP, POP3 and ManageSieve: log-ins good and bad, connections without any, broken TLS, hostile names.

Job: the scenarios whose lines stand in tests/data/dovecot (the same are played to the instance that keeps its own log, and to Dovecot 2.4).
Promise and limits: those of `scenarios`.
"""

import contextlib

from tests.e2e.attackers import HOSTILE_USERS, Client, plain
from tests.e2e.scenarios import Playbook, Stage

BOOK = Playbook("dovecot")
ALICE, BOB = "alice@example.org", "bob@example.org"


@BOOK.scenario(
    "logins",
    "192.0.2.110 logs in as alice with IMAP, IMAP after STARTTLS, IMAPS, POP3, POP3S; 2001:db8:1::110 as bob with IMAP and POP3; .111 as "
    "`Bob@Example.ORG`",
    {
        "192.0.2.110": {"connected": 5, "auth_succeeded": 5},
        "2001:db8:1::110": {"connected": 2, "auth_succeeded": 2},
        "192.0.2.111": {"connected": 1, "auth_succeeded": 1},
    },
    [
        {"kind": "auth_succeeded", "client": "192.0.2.110", "protocol": "imap", "account": "alice@example.org"},
        {"kind": "auth_succeeded", "client": "192.0.2.110", "protocol": "pop3", "account": "alice@example.org"},
        {"kind": "auth_succeeded", "client": "192.0.2.111", "protocol": "imap", "account": "bob@example.org"},
    ],
    forms=("iso", "5424"),
)
def logins(stage: Stage) -> None:
    """See its entry."""
    client, other = stage.client("192.0.2.110"), stage.client("2001:db8:1::110")
    client.imap_guess(ALICE, ["secret-a"], stage.port("imap"))
    client.imap_guess(ALICE, ["secret-a"], stage.port("imap"), starttls=True)
    client.imap_guess(ALICE, ["secret-a"], stage.port("imaps"))
    client.pop3_guess(ALICE, ["secret-a"], stage.port("pop3"))
    client.pop3_guess(ALICE, ["secret-a"], stage.port("pop3s"))
    other.imap_guess(BOB, ["secret-b"], stage.port("imap"))
    other.pop3_guess(BOB, ["secret-b"], stage.port("pop3"))
    stage.client("192.0.2.111").imap_guess("Bob@Example.ORG", ["secret-b"], stage.port("imap"))


@BOOK.scenario(
    "failures",
    "192.0.2.112 fails once in an IMAP connection, then three times in one, once for a user that does not exist, once over IMAPS; 192.0.2.113 "
    "once and twice in POP3 connections; 2001:db8:1::112 once with IMAP; 192.0.2.114 fails twice and then succeeds, which its login line does "
    "not tell",
    {
        "192.0.2.112": {"connected": 4, "auth_failed": 6},
        "192.0.2.113": {"connected": 2, "auth_failed": 3},
        "2001:db8:1::112": {"connected": 1, "auth_failed": 1},
        "192.0.2.114": {"connected": 1, "auth_succeeded": 1},
    },
    [
        {"kind": "auth_failed", "client": "192.0.2.112", "protocol": "imap", "account": "bob@example.org", "weight": 3},
        {"kind": "auth_failed", "client": "192.0.2.113", "protocol": "pop3", "account": "bob@example.org", "weight": 2},
    ],
    forms=("iso", "5424"),
)
def failures(stage: Stage) -> None:
    """See its entry."""
    client, popper = stage.client("192.0.2.112"), stage.client("192.0.2.113")
    client.imap_guess(BOB, ["wrong"], stage.port("imap"))
    client.imap_guess(BOB, ["wrong1", "wrong2", "wrong3"], stage.port("imap"))
    client.imap_guess("nobody@example.org", ["wrong"], stage.port("imap"))
    client.imap_guess(BOB, ["wrong"], stage.port("imaps"))
    popper.pop3_guess(BOB, ["wrong"], stage.port("pop3"))
    popper.pop3_guess(BOB, ["wrong1", "wrong2"], stage.port("pop3"))
    stage.client("2001:db8:1::112").imap_guess(BOB, ["wrong"], stage.port("imap"))
    stage.client("192.0.2.114").imap_guess(BOB, ["wrong1", "wrong2", "secret-b"], stage.port("imap"))


@BOOK.scenario(
    "broken-off",
    "192.0.2.115 breaks off while its failed log-in is being delayed; .116 gives up AUTHENTICATE with `*`; .117 sends broken base64; "
    ".118 asks for a mechanism that there is not",
    {
        "192.0.2.115": {"connected": 2, "auth_failed": 2},
        "192.0.2.116": {"connected": 1},
        "192.0.2.117": {"connected": 1},
        "192.0.2.118": {"connected": 1},
    },
)
def broken_off(stage: Stage) -> None:
    """See its entry."""
    for protocol, line in (("imap", b"a LOGIN bob@example.org wrong\r\n"), ("pop3", b"AUTH PLAIN " + plain(BOB, "wrong") + b"\r\n")):
        with stage.client("192.0.2.115").wire(stage.port(protocol)) as wire:
            wire.line()
            wire.send(line)
    stage.client("192.0.2.116").imap_raw(b"a AUTHENTICATE LOGIN", port=stage.port("imap"), then=[b"*"])
    stage.client("192.0.2.117").imap_raw(b"a AUTHENTICATE PLAIN !!!", b"b LOGOUT", port=stage.port("imap"))
    stage.client("192.0.2.118").imap_raw(b"a AUTHENTICATE NTLM", b"b LOGOUT", port=stage.port("imap"))


@BOOK.scenario(
    "no-attempts",
    "Connections without a log-in: 192.0.2.120 leaves after the greeting (IMAP, POP3, IMAPS before any byte), breaks off, says LOGOUT and QUIT; "
    "192.0.2.121 speaks HTTP to IMAP and POP3; 192.0.2.122 has no end of errors; 2001:db8:1::120 leaves",
    {
        "192.0.2.120": {"connected": 6},
        "192.0.2.121": {"connected": 2},
        "192.0.2.122": {"connected": 2},
        "2001:db8:1::120": {"connected": 1},
    },
)
def no_attempts(stage: Stage) -> None:
    """See its entry."""
    client, imap, pop3 = stage.client("192.0.2.120"), stage.port("imap"), stage.port("pop3")
    client.touch(imap)
    client.touch(pop3)
    client.sock(stage.port("imaps")).close()
    wire = client.wire(imap)
    wire.line()
    wire.reset()
    client.imap_raw(b"a LOGOUT", port=imap)
    _say(client, pop3, [b"QUIT"])
    for port in (imap, pop3):
        _say(stage.client("192.0.2.121"), port, [b"GET / HTTP/1.0", b"Host: evil[6.6.6.6], rip=6.6.6.6, lip=1.2.3.4", b""])
        _say(stage.client("192.0.2.122"), port, [b"x NONSENSE rip=6.6.6.6"] * 25)
    stage.client("2001:db8:1::120").touch(imap)


def _say(client: Client, port: int, lines: list[bytes]) -> None:
    with client.wire(port) as wire, contextlib.suppress(OSError):
        wire.line()
        for line in lines:
            wire.send(line + b"\r\n")
            if line and not wire.line():
                return


@BOOK.scenario(
    "tls",
    "192.0.2.123 speaks plain text to IMAPS and POP3S; 192.0.2.124 garbage after STARTTLS; 192.0.2.125 leaves amid the handshake",
    {"192.0.2.123": {"connected": 2}, "192.0.2.124": {"connected": 1}, "192.0.2.125": {"connected": 1}},
)
def tls(stage: Stage) -> None:
    """See its entry."""
    for service in ("imaps", "pop3s"):
        with stage.client("192.0.2.123").wire(stage.port(service)) as wire:
            wire.send(b"a LOGIN evil[6.6.6.6] rip=6.6.6.6\r\n" * 4)
            wire.wait_end()
    with stage.client("192.0.2.124").wire(stage.port("imap")) as wire:
        wire.line()
        wire.send(b"a STARTTLS\r\n")
        wire.line()
        wire.send(b"this is no handshake" * 20)
        wire.wait_end()
    with stage.client("192.0.2.125").wire(stage.port("imaps")) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")


@BOOK.scenario(
    "hostile-users",
    "192.0.2.126 fails with user names that look like Dovecot's own words, with IMAP (raw, quoted or as a literal) and with POP3; 6.6.6.6 and "
    "1.2.3.4 did nothing",
    {"192.0.2.126": {"connected": 2 * len(HOSTILE_USERS), "auth_failed": 2 * len(HOSTILE_USERS)}},
)
def hostile_users(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.126")
    for user in HOSTILE_USERS:
        client.imap_raw(b"a AUTHENTICATE PLAIN " + plain(user, "wrong"), b"b LOGOUT", port=stage.port("imap"))
    for user in HOSTILE_USERS:
        _say(client, stage.port("pop3"), [b"AUTH PLAIN " + plain(user, "wrong"), b"QUIT"])


@BOOK.scenario(
    "hostile-id",
    "192.0.2.127 introduces itself with an IMAP ID full of addresses, and logs in; .128 the same, and fails",
    {"192.0.2.127": {"connected": 1, "auth_succeeded": 1}, "192.0.2.128": {"connected": 1, "auth_failed": 1}},
)
def hostile_id(stage: Stage) -> None:
    """See its entry."""
    name = b'a ID ("name" "x, rip=6.6.6.6, lip=1.2.3.4" "x-originating-ip" "6.6.6.6" "x-session-id" "rip=6.6.6.6")'
    for source, secret in (("192.0.2.127", b"secret-a"), ("192.0.2.128", b"wrong")):
        stage.client(source).imap_raw(name, b"b LOGIN alice@example.org " + secret, b"c LOGOUT", port=stage.port("imap"))


SYSLOG_ONLY = Playbook("dovecot")


@SYSLOG_ONLY.scenario(
    "sieve",
    "192.0.2.130 fails with ManageSieve, logs in as alice, and leaves without a word",
    {"192.0.2.130": {"connected": 3, "auth_failed": 1, "auth_succeeded": 1}},
    [{"kind": "auth_failed", "client": "192.0.2.130", "protocol": "sieve"}],
)
def sieve(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.130")
    client.sieve_guess(BOB, "wrong")
    client.sieve_guess(ALICE, "secret-a")
    client.touch(4190)


@SYSLOG_ONLY.scenario(
    "plaintext-refused",
    "Plain text without TLS is not allowed to 192.0.2.131, who tries IMAP and POP3 all the same. Dovecot 2.3 calls that "
    "`auth failed`, and USER an attempt of its own, though nobody looked at a password",
    {},
    unchecked=("192.0.2.131",),
)
def plaintext_refused(stage: Stage) -> None:
    """See its entry."""
    client = stage.client("192.0.2.131")
    client.imap_raw(b"a LOGIN bob@example.org secret-b", b"b LOGOUT", port=143)
    _say(client, 110, [b"USER bob@example.org", b"PASS secret-b", b"QUIT"])


@SYSLOG_ONLY.scenario(
    "proxied",
    "The proxy 203.0.113.99 hands on 192.0.2.132, who fails once, and 2001:db8:1::132, who logs in as bob; 192.0.2.133 is no proxy and tries",
    {
        "192.0.2.132": {"connected": 1, "auth_failed": 1},
        "2001:db8:1::132": {"connected": 1, "auth_succeeded": 1},
    },
    unchecked=("192.0.2.133",),
)
def proxied(stage: Stage) -> None:
    """See its entry."""
    for source, header, secret in (
        ("203.0.113.99", b"PROXY TCP4 192.0.2.132 198.51.100.25 40000 143\r\n", b"wrong"),
        ("203.0.113.99", b"PROXY TCP6 2001:db8:1::132 2001:db8:25::25 40000 143\r\n", b"secret-b"),
        ("192.0.2.133", b"PROXY TCP4 6.6.6.6 198.51.100.25 40000 143\r\n", b"wrong"),
    ):
        with stage.client(source).wire(2144) as wire, contextlib.suppress(OSError):
            wire.send(header + b"a LOGIN bob@example.org " + secret + b"\r\nb LOGOUT\r\n")
            wire.wait_end()


@SYSLOG_ONLY.scenario(
    "tools",
    "hydra guesses four passwords for bob from 192.0.2.134 with IMAP and four with POP3; how many connections it makes is its own affair",
    {},
    [{"kind": "auth_failed", "client": "192.0.2.134", "protocol": "imap"}, {"kind": "auth_failed", "client": "192.0.2.134", "protocol": "pop3"}],
    unchecked=("192.0.2.134",),
)
def tools(stage: Stage) -> None:
    """See its entry."""
    for protocol, port in (("imap", 143), ("pop3", 110)):
        stage.client("192.0.2.134").hydra(BOB, [f"guess{number}" for number in range(4)], protocol, port)


@SYSLOG_ONLY.scenario(
    "server-fault",
    "Dovecot's auth process crashes while log-ins of 192.0.2.135 wait for their answer: the server's fault, no failed log-in",
    {"192.0.2.135": {"connected": 1}},
)
def server_fault(stage: Stage) -> None:
    """See its entry."""
    with stage.client("192.0.2.135").wire(143) as wire:
        wire.line()
        wire.send(b"a LOGIN bob@example.org wrong\r\n")
        wire.sock.settimeout(3)
        stage.host.machine.run("sleep", "0.2")
        stage.host.machine.kill("dovecot/auth")
        with contextlib.suppress(OSError):
            wire.line()
