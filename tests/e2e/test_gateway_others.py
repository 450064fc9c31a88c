"""The gateway in front of real Cyrus and Courier: what clients see is what the server says, and guessers are turned away.

Job: hold IMAP and POP3 sessions with and without the gateway against each other. Promise: byte for byte; what must differ is taken out by name in
`OURS`. Limits: both servers know no way to be told the client's address, so they see the gateway's host.
"""

import base64
import imaplib
import poplib
import re
import ssl
from collections.abc import Iterator
from functools import partial

import pytest

from tests.e2e import hosts, hosts_more, net
from tests.e2e.attackers import Client, plain, together
from tests.e2e.campaign import ALICE, BOB
from tests.e2e.live import Live

IMAP, POP3 = 2143, 2110
TLS = 'tls = { certificate = "/etc/gatepost/cert.pem", key = "/etc/gatepost/key.pem" }\nlogins_need_tls = false\n'
GATEWAYS = f"""
[gateway.imap]
listen = ["0.0.0.0:{IMAP}"]
backend = "127.0.0.1:143"
client_address = "none"
{TLS}
[gateway.pop3]
listen = ["0.0.0.0:{POP3}"]
backend = "127.0.0.1:110"
client_address = "none"
{TLS}
"""
OURS = re.compile(rb" STARTTLS(?=[ \]\r])|STLS\r\n|(?<=^\+ )(?:OK|go ahead)(?=\r\n$)")
"""What begins here, and stands elsewhere in the server's own list or not at all; and the words in which literals are asked for before the log-in."""
VARIES = re.compile(
    rb"<[0-9.]+@[^>]*>|\+ [A-Za-z0-9+/=]{30,}|SESSIONID=<[^>]*>|APPENDUID [0-9 ]+|MAILBOXID \([^)]*\)|secs=[0-9.]+|[0-9]{10}|[0-9.]+ sec\b"
)
ODD = b"Subject: odd\r\n\r\n" + bytes(each for each in range(1, 256) if each not in (10, 13)) + b"\r\n) FLAGS {3}\r\n.\r\n"
WRONG = plain("bob@example.org", "x")


def sessions_of_imap(account: bytes) -> list[list[bytes]]:
    """Sessions of an account that no other session changes meanwhile: name and password are those of the harness."""
    secret = hosts.SECRETS[account.decode()].encode()
    return [
        [
            b"a CAPABILITY\r\n",
            b"b LOGIN {%d}\r\n" % len(account),
            account + b" {%d}\r\n" % len(secret),
            secret + b"\r\n",
            b"c APPEND INBOX {%d}\r\n" % len(ODD),
            ODD + b"\r\n",
            b"d SELECT INBOX\r\ne FETCH * (BODY[] RFC822.SIZE)\r\n",
            b"f IDLE\r\n",
            b"DONE\r\n",
            b"g STORE * +FLAGS (\\Deleted)\r\nh EXPUNGE\r\n",
            b"i LOGOUT\r\n",
        ],
        [b"a LOGIN bob@example.org wrong\r\n", b"b LOGIN\r\n", b"c NONSENSE\r\n", b"d NOOP\r\n", b"e SELECT INBOX\r\n", b"f LOGOUT\r\n"],
        [b"a AUTHENTICATE PLAIN\r\n", WRONG + b"\r\n", b"b AUTHENTICATE PLAIN\r\n", b"*\r\n", b"c AUTHENTICATE XNONE\r\n", b"d LOGOUT\r\n"],
        [b"a AUTHENTICATE PLAIN\r\n", plain(account.decode(), secret.decode()) + b"\r\n", b"b NOOP\r\nc CHECK\r\nd LOGOUT\r\n"],
        [b'A.1 LOGIN "bob@example.org" "qu\\"ote"\r\n', b"z LOGOUT\r\n"],
    ]


POP3_SESSIONS = [
    [b"CAPA\r\n", b"USER carol@example.org\r\n", b"PASS secret-c\r\n", b"STAT\r\nLIST\r\nNOOP\r\n", b"RETR 1\r\n", b"QUIT\r\n"],
    [b"USER carol@example.org\r\n", b"PASS wrong\r\n", b"STAT\r\n", b"NONSENSE\r\n", b"QUIT\r\n"],
    [b"AUTH PLAIN\r\n", b"*\r\n", b"AUTH XNONE\r\n", b"AUTH PLAIN " + WRONG + b"\r\n", b"QUIT\r\n"],
]
Host = hosts_more.CyrusHost | hosts_more.CourierHost


@pytest.fixture(scope="module", params=["cyrus", "courier"])
def host(request: pytest.FixtureRequest, world: net.World) -> Host:
    """A server."""
    if missing := net.lacking() or hosts.lacking("rsyslog", "openssl") or hosts_more.lacking_more(request.param):
        pytest.skip(missing)
    made = hosts_more.CyrusHost(world, "mx55", 55) if request.param == "cyrus" else hosts_more.CourierHost(world, "mx56", 56)
    hosts.certificate(made.machine, "/etc/gatepost")
    return made


@pytest.fixture(scope="module")
def guard(host: Host) -> Iterator[Live]:
    """The daemon with its gateways."""
    made = Live(host.machine, "gwmore", GATEWAYS)
    made.start()
    net.wait_until(lambda: host.machine.listening(IMAP) and host.machine.listening(POP3), 10, "the gateways listen")
    yield made
    made.stop()


def said(client: Client, port: int, steps: list[bytes]) -> list[bytes]:
    """What the server says to each step, up to a short silence."""
    answers = []
    with client.sock(port) as sock:
        for step in (b"", *steps):
            sock.sendall(step)
            sock.settimeout(10)
            heard = b""
            try:
                while more := sock.recv(65_536):
                    heard += more
                    sock.settimeout(0.5)
            except TimeoutError:
                pass
            answers.append(OURS.sub(b"", VARIES.sub(b"?", heard)))
            if not heard:
                break
    return answers


def test_what_clients_see_is_what_the_server_says(world: net.World, host: Host, guard: Live) -> None:
    """Those that write use one mailbox each, with and without the gateway."""
    client = Client(world.internet, "192.0.2.11", host)
    for account in ("alice", "bob", "carol"):
        assert client.imap_guess(f"{account}@example.org", [f"secret-{account[0]}"]) == 0
    through = [(IMAP, steps) for steps in sessions_of_imap(b"alice@example.org")]
    straight = [(143, steps) for steps in sessions_of_imap(b"bob@example.org")]
    pairs = [*zip(through, straight, strict=True), *(((POP3, steps), (110, steps)) for steps in POP3_SESSIONS)]
    jobs = [lambda port=port, steps=steps: said(client, port, steps) for pair in pairs for port, steps in pair]
    results = together(jobs, 16)
    for (_, (port, steps)), here, there in zip(pairs, results[::2], results[1::2], strict=True):
        assert [each.replace(b"alice@", b"bob@") for each in here] == there, (port, steps)
        assert all(there[:2]), (port, steps)


def test_every_form_of_login(world: net.World, host: Host, guard: Live) -> None:
    """imaplib and poplib: LOGIN, CRAM-MD5 and PLAIN, in clear text and behind STARTTLS and STLS, which end at the gateway."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    world.internet.prefer("192.0.2.12", host.v4)
    for secured in (False, True):
        for form in ("login", "cram", "plain"):
            with world.internet.inside():
                imap = imaplib.IMAP4(host.v4, IMAP, 20)
            with imap:
                if secured:
                    imap.starttls(context)
                if form == "login":
                    imap.login(*ALICE)
                elif form == "cram":
                    imap.login_cram_md5(*ALICE)
                else:
                    imap.authenticate("PLAIN", lambda _: base64.b64decode(plain(*ALICE)))
                assert imap.noop()[0] == "OK", form
        with world.internet.inside():
            pop = poplib.POP3(host.v4, POP3, timeout=20)
        if secured:
            pop.stls(context)
        pop.user(BOB.decode())
        pop.pass_("secret-b")
        pop.quit()
    assert guard.counted("auth_succeeded") >= 8


def test_curl_in_clear_and_in_tls(world: net.World, host: Host, guard: Live) -> None:
    """curl chooses the mechanism from what the gateway shows; a wrong password stays one (67: log-in denied)."""

    def curl(where: str, secret: str, *tls: str) -> str:
        options = ["--silent", "--user", f"bob@example.org:{secret}", "--interface", "192.0.2.15", "--max-time", "20", *tls]
        return world.internet.run("curl", *options, where, "--output", "/dev/null", "--write-out", "%{exitcode}").strip()

    places = [f"imap://{host.v4}:{IMAP}/", f"pop3://{host.v4}:{POP3}/"]
    ways = [(where, secret, *tls) for where in places for secret in ("secret-b", "wrong") for tls in ((), ("--ssl-reqd", "--insecure"))]
    assert together([partial(curl, *way) for way in ways]) == ["0", "0", "67", "67"] * 2


def test_the_nth_failure_bites(world: net.World, host: Host, guard: Live) -> None:
    """Failures in several forms, up to the Nth; then neither door says a greeting, and others go on."""
    guard.cli("rules", "set", "password-brute-force", "--threshold", "4", "--window", "60s", "--for", "60s")
    client = Client(world.internet, "192.0.2.13", host)
    tries = [
        lambda: client.imap_raw(b"a LOGIN bob@example.org w1", port=IMAP),
        lambda: client.imap_raw(b"a LOGIN {15}", port=IMAP, then=[b"bob@example.org {2}", b"w2"]),
        lambda: client.imap_raw(b"a AUTHENTICATE PLAIN", port=IMAP, then=[WRONG]),
    ]
    assert [answers[0][:4] for answers in together(tries)] == [b"a NO"] * 3
    assert not guard.held("192.0.2.13")
    client.imap_guess("bob@example.org", ["w4"], IMAP)
    assert guard.held("192.0.2.13")
    with client.wire(IMAP) as wire:
        assert wire.line() == b"* BYE Try again later"
    assert Client(world.internet, "192.0.2.14", host).pop3_guess("bob@example.org", ["secret-b"], POP3) == 0
