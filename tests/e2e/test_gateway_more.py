"""The gateway in front of real Postfix and Dovecot: log-ins that show no password, IDLE beyond the gateway's own limits, hydra, and a server that
is told the client's address in a way that it does not take.

Job: prove what docs/gateway.md promises of these. Promise: real exchanges, and the facts that they lead to. Limits: the mail servers' own logs are
not followed, so all that is counted is the gateway's.
"""

import base64
import hashlib
import hmac
import re
import smtplib
from collections.abc import Iterator
from functools import partial

import pytest

from tests.e2e import hosts, net
from tests.e2e.attackers import Wire, message, together
from tests.e2e.campaign import ALICE, FRIEND, Place
from tests.e2e.live import SHARED, Live, machine

SMTP, WRONG, IMAP, POP3 = 2525, 2587, 2143, 2110
IDLE = 3
"""Seconds of silence that the gateway stands; Dovecot says that it is still there every two."""


def gateway(service: str, port: int, backend: int, address: str, more: str = "") -> str:
    """A gateway before a port of this host's."""
    return (
        f'[gateway.{service}]\nlisten = ["0.0.0.0:{port}"]\nbackend = "127.0.0.1:{backend}"\nclient_address = "{address}"\n{more}starttls = "hide"\n'
    )


GATEWAYS = (
    gateway("smtp", SMTP, 28, "proxy-v2")
    + gateway("submission", WRONG, 25, "proxy-v1")
    + gateway("imap", IMAP, 2144, "proxy-v2", f"idle = {IDLE}\n")
    + gateway("pop3", POP3, 110, "xclient")
)
DOVECOT = """
auth_mechanisms = plain login cram-md5 scram-sha-256
haproxy_trusted_networks = 127.0.0.0/8
login_trusted_networks = 127.0.0.0/8
imap_idle_notify_interval = 2 secs
"""


@pytest.fixture(scope="module")
def place(world: net.World) -> Place:
    """A mail host whose servers take the client's address from this host, Postfix's port 25 apart."""
    if missing := net.lacking() or hosts.lacking("postfix", "dovecot", "rsyslog", "openssl"):
        pytest.skip(missing)
    host = hosts.MailHost(world, name=("mx60", 60), shared=SHARED)
    with host.machine.path("/etc/dovecot/dovecot.conf").open("a", encoding="ascii") as config:
        config.write(DOVECOT)
    host.machine.run("doveadm", "reload")
    return Place(world.internet, host)


@pytest.fixture(scope="module")
def guard(place: Place) -> Iterator[Live]:
    """The daemon with its gateways."""
    made = Live(machine(place), "gwfar", GATEWAYS)
    made.start()
    net.wait_until(lambda: machine(place).listening(POP3), 10, "the gateways listen")
    made.rules()
    yield made
    made.stop()
    assert "Traceback" not in made.words()
    told = [(type(entry).__name__, getattr(entry, "method", ""), getattr(entry, "account", "")) for entry in made.journal()]
    for kind in ("AuthSucceeded", "AuthFailed"):
        for method in ("SCRAM-SHA-256", "CRAM-MD5"):
            assert (kind, method, ALICE[0]) in told


def scram(wire: Wire, user: str, secret: str) -> bytes:
    """An exchange of SCRAM-SHA-256 on IMAP (RFC 5802, RFC 7677); the server's answer, and its own proof is looked at."""

    def said(text: str) -> bytes:
        wire.send(base64.b64encode(text.encode()) + b"\r\n")
        return wire.line()

    wire.line()
    wire.send(b"a AUTHENTICATE SCRAM-SHA-256\r\n")
    wire.line()
    begun = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
    asked = base64.b64decode(said("n,," + begun)[2:]).decode()
    fields = dict(each.split("=", 1) for each in asked.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    bound = f"c=biws,r={fields['r']}"
    all_said = f"{begun},{asked},{bound}".encode()
    proof = bytes(a ^ b for a, b in zip(key, hmac.digest(hashlib.sha256(key).digest(), all_said, "sha256"), strict=True))
    answer = said(f"{bound},p={base64.b64encode(proof).decode()}")
    if answer.startswith(b"+ "):
        own = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), all_said, "sha256")
        assert base64.b64decode(answer[2:]) == b"v=" + base64.b64encode(own)
        answer = said("")
    return answer


def test_log_ins_that_show_no_password(place: Place, guard: Live) -> None:
    """What they lead to, with the account, is looked for in the store when the daemon has ended."""
    client = place.at("192.0.2.11")
    for secret, answer in ((ALICE[1], b"a OK"), ("wrong", b"a NO")):
        with client.wire(IMAP) as wire:
            assert scram(wire, ALICE[0], secret).startswith(answer)
    with client.mail_library(SMTP) as smtp:
        smtp.ehlo()
        smtp.user, smtp.password = ALICE[0], "wrong"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth("CRAM-MD5", smtp.auth_cram_md5)
        smtp.password = ALICE[1]
        assert smtp.auth("CRAM-MD5", smtp.auth_cram_md5)[0] == 235


def test_idle_lasts_longer_than_idle_time_and_tells_at_once(place: Place, guard: Live) -> None:
    """What the server says keeps a session alive: Dovecot speaks up every two minutes, here every two seconds."""
    with place.at("192.0.2.12").wire(IMAP) as wire:
        for line in (b"", b"a LOGIN bob@example.org secret-b\r\n", b"b SELECT INBOX\r\n", b"c IDLE\r\n"):
            wire.send(line)
            while line and not wire.line().startswith((line[:2] + b"OK", b"+ ")):
                pass
        assert [wire.line() for _ in range(3)] == [b"* OK Still here"] * 3  # four seconds at least
        place.at("192.0.2.13").deliver(["bob@example.org"], port=SMTP)
        said = b""
        while b"EXISTS" not in said:
            said = wire.line()
            assert said


def test_the_nth_guess_is_the_last_that_the_server_sees(place: Place, guard: Live) -> None:
    """On each protocol apart, at the same time."""
    guard.rules(password_brute_force=(3, "60s", "60s"))
    client = place.at("192.0.2.21")
    words = [*(f"word{number}" for number in range(8)), "secret-b"]
    ways = (("imap", IMAP), ("pop3", POP3), ("smtp", SMTP))
    told = together([partial(client.hydra, "bob@example.org", words, *way) for way in ways])
    assert not any("secret-b" in each for each in told)
    assert guard.blocks() == {("password-brute-force", protocol, client.source) for protocol, _ in ways}
    log = place.host.syslog  # type: ignore[attr-defined]
    seen = re.compile(rf"passwd-file\(bob@example.org,{re.escape(client.source)}.*Password mismatch")
    net.wait_until(lambda: len(seen.findall(log.read_text())) >= 9, 10, "Dovecot wrote of the guesses")
    guard.quiet()
    assert len(seen.findall(log.read_text())) == 9
    guard.rules()


def test_a_server_that_ends_a_session_for_errors_does_not_excuse_it(place: Place, guard: Live) -> None:
    before = guard.counted("protocol_abused")
    guard.rules(harvesting=(1, "60s", "60s"))
    client = place.at("192.0.2.31")
    codes = client.talk([b"MAIL FROM:<a@friend.example>"] + [b"RCPT TO:<ghost@example.org>"] * 21, SMTP)
    assert codes[-2:] == [550, 421]
    net.wait_until(lambda: guard.held("192.0.2.31"), 10, "the harvester is held")
    assert guard.counted("protocol_abused") > before
    guard.rules()


def test_postfix_that_takes_no_proxy_header_relays_for_nobody(place: Place, guard: Live) -> None:
    """Behind it Postfix sees a client on loopback, for which it would relay."""
    with place.at("192.0.2.32").wire(WRONG) as wire:
        assert wire.reply() == 220
        assert wire.reply() == 421
        assert not wire.line()
    assert place.at("192.0.2.33").talk(message(FRIEND, [b"u@remote.example"])[:2], 25)[-1] == 554
    assert "it takes the PROXY header for commands (5" in guard.cli("doctor", code=1)
