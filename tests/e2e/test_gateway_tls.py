"""The gateway speaks TLS to real Postfix and Dovecot: by STARTTLS and from the first byte, on SMTP, IMAP, POP3 and ManageSieve.

Job: log in and deliver through it where the servers take log-ins in TLS alone, and see what clients are told. Promise: a wrong authority, a wrong
name and a server without STARTTLS are told apart, and no client gets through. Limits: needs root, namespaces and the servers.
"""

import signal
from collections.abc import Iterator

import pytest

from tests.e2e import hosts, net
from tests.e2e.attackers import Wire, plain
from tests.e2e.campaign import ALICE, Place
from tests.e2e.live import SHARED, Live, machine

SMTP, SUBMISSION, SUBMISSIONS, IMAP, IMAPS, POP3, POP3S, SIEVE = 2525, 2587, 2465, 2143, 2993, 2110, 2995, 4191
CERTIFICATE = 'tls = { certificate = "/etc/postfix/cert.pem", key = "/etc/postfix/key.pem" }\n'
VERIFIED = 'backend_ca = "/etc/postfix/cert.pem"\nbackend_name = "mx50.example.org"\n'
NO_TLS = 34
"""A port of Postfix's without STARTTLS."""


def gateway(service: str, port: int, backend: int, address: str, way: str, verified: str = VERIFIED) -> str:
    """A gateway before a port of this host's."""
    lines = f'[gateway.{service}]\nlisten = ["0.0.0.0:{port}"]\nbackend = "127.0.0.1:{backend}"\nclient_address = "{address}"\n'
    return lines + f'backend_tls = "{way}"\n' + verified + CERTIFICATE


GATEWAYS = "".join(
    [
        gateway("smtp", SMTP, 28, "proxy-v2", "starttls"),
        gateway("submission", SUBMISSION, 587, "xclient", "starttls"),
        gateway("submissions", SUBMISSIONS, 465, "xclient", "implicit"),
        gateway("imap", IMAP, 143, "id", "starttls"),
        gateway("imaps", IMAPS, 993, "id", "implicit"),
        gateway("pop3", POP3, 110, "xclient", "starttls"),
        gateway("pop3s", POP3S, 2996, "proxy-v2", "implicit"),
        gateway("sieve", SIEVE, 4192, "proxy-v2", "starttls"),
    ]
)
WRONG = "".join(
    [
        gateway("smtp", SMTP, NO_TLS, "xclient", "starttls"),
        gateway("submission", SUBMISSION, 587, "xclient", "starttls", 'backend_ca = "/etc/postfix/other/cert.pem"\n'),
        gateway("imap", IMAP, 143, "id", "starttls", 'backend_ca = "/etc/postfix/other/cert.pem"\nbackend_name = "mx50.example.org"\n'),
        gateway("pop3", POP3, 995, "xclient", "implicit", VERIFIED.replace("mx50", "mx51")),
        gateway("sieve", SIEVE, 4192, "proxy-v2", "starttls", VERIFIED.replace("mx50", "mx51")),
    ]
)
DOVECOT = """
disable_plaintext_auth = yes
haproxy_trusted_networks = 127.0.0.0/8
login_trusted_networks = 127.0.0.0/8
service pop3-login {
  inet_listener pop3s_proxied {
    port = 2996
    ssl = yes
    haproxy = yes
  }
}
service managesieve-login {
  inet_listener sieve_proxied {
    port = 4192
    haproxy = yes
  }
}
"""


@pytest.fixture(scope="module")
def place(world: net.World) -> Place:
    """A mail host that takes log-ins in TLS alone, and the client's address from this host."""
    if missing := net.lacking() or hosts.lacking("postfix", "dovecot", "rsyslog", "openssl"):
        pytest.skip(missing)
    host = hosts.MailHost(world, name=("mx50", 50), shared=SHARED)
    where = host.machine
    where.run("postconf", "smtpd_authorized_xclient_hosts=127.0.0.1", "smtpd_tls_auth_only=yes")
    where.run("postconf", "-P", f"{NO_TLS}/inet/smtpd_tls_security_level=none")
    where.run("postfix", "reload")
    with where.path("/etc/dovecot/dovecot.conf").open("a", encoding="ascii") as config:
        config.write(DOVECOT)
    where.run("doveadm", "reload")
    where.run("mkdir", "/etc/postfix/other")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mx50.example.org"]
    where.run(*request, "-keyout", "/etc/postfix/other/key.pem", "-out", "/etc/postfix/other/cert.pem")
    net.wait_until(lambda: where.listening(4192), 10, "Dovecot listens behind the gateway")
    return Place(world.internet, host)


@pytest.fixture(scope="module")
def guard(place: Place) -> Iterator[Live]:
    """The daemon with its gateways."""
    made = Live(machine(place), "gwtls", GATEWAYS)
    made.start()
    net.wait_until(lambda: machine(place).listening(SIEVE), 10, "the gateways listen")
    made.rules()
    yield made
    made.stop()


def told(wire: Wire, ends: tuple[bytes, ...]) -> list[bytes]:
    """Lines, up to one that begins so."""
    lines = [wire.line()]
    while not lines[-1].startswith(ends):
        assert lines[-1], lines
        lines.append(wire.line())
    return lines


ASKS: dict[str, tuple[bytes, bytes, tuple[bytes, ...]]] = {
    "smtp": (b"STARTTLS", b"EHLO client.example", (b"220 ", b"250 ")),
    "imap": (b"a STARTTLS", b"b CAPABILITY", (b"* OK", b"a OK", b"b OK")),
    "pop3": (b"STLS", b"CAPA", (b"+OK Dovecot", b"+OK Begin", b".")),
    "sieve": (b"STARTTLS", b"CAPABILITY", (b"OK ",)),
}
"""What a client says for TLS, and to learn what the server can do in it; and how the last line of each answer begins."""


def in_tls(place: Place, source: str, port: int, protocol: str, implicit: bool = False) -> tuple[Wire, list[bytes], list[bytes]]:
    """A session in TLS; its greeting, and what the server can do there."""
    starttls, capabilities, ends = ASKS[protocol]
    wire = place.at(source).wire(port)
    if implicit:
        wire.tls()
    greeting = told(wire, ends)
    if not implicit:
        wire.send(starttls + b"\r\n")
        told(wire, ends)
        wire.tls()
        if protocol == "sieve":
            told(wire, ends)
    wire.send(capabilities + b"\r\n")
    return wire, greeting, told(wire, ends)


@pytest.mark.parametrize(
    ("protocol", "port", "direct", "implicit"),
    [
        ("smtp", SUBMISSION, 587, False),
        ("smtp", SUBMISSIONS, 465, True),
        ("imap", IMAP, 143, False),
        ("imap", IMAPS, 993, True),
        ("pop3", POP3, 110, False),
        ("pop3", POP3S, 995, True),
        ("sieve", SIEVE, 4190, False),
    ],
)
def test_clients_are_told_what_the_server_can_do_in_tls(place: Place, guard: Live, protocol: str, port: int, direct: int, implicit: bool) -> None:
    wire, greeting, offered = in_tls(place, "192.0.2.11", port, protocol, implicit)
    wire.sock.close()
    wire, straight, really = in_tls(place, "192.0.2.12", direct, protocol, implicit)
    wire.sock.close()
    hidden = (b"250-XCLIENT", b"XCLIENT", b'"UNAUTHENTICATE"')
    assert sorted(offered) == sorted(line for line in really if not line.startswith(hidden))
    assert greeting[-1] == straight[-1] or protocol != "smtp"
    assert greeting[-1][:4] == straight[-1][:4]
    assert not any(b"STARTTLS" in line or b"LOGINDISABLED" in line for line in offered)


@pytest.mark.parametrize(
    ("port", "protocol", "implicit", "login", "well"),
    [
        (IMAP, "imap", False, [b"c LOGIN %s %s"], b"c OK"),
        (IMAPS, "imap", True, [b"c LOGIN %s %s"], b"c OK"),
        (POP3, "pop3", False, [b"USER %s", b"PASS %s"], b"+OK"),
        (POP3S, "pop3", True, [b"USER %s", b"PASS %s"], b"+OK"),
        (SIEVE, "sieve", False, [b'AUTHENTICATE "PLAIN" "' + plain(*ALICE) + b'"'], b"OK"),
    ],
)
def test_log_ins_reach_dovecot_in_tls_with_the_clients_address(
    place: Place, guard: Live, port: int, protocol: str, implicit: bool, login: list[bytes], well: bytes
) -> None:
    source = f"192.0.2.{20 + port % 97}"
    wire, _, _ = in_tls(place, source, port, protocol, implicit)
    given = [each.encode() for each in ALICE]
    with wire:
        for line in login:
            wire.send(line % tuple(given[: line.count(b"%s")]) + b"\r\n")
            given = given[line.count(b"%s") :]
            assert told(wire, (well, b"c NO", b"-ERR", b"NO"))[-1].startswith(well)
        log = place.host.syslog  # type: ignore[attr-defined]

        def seen() -> bool:
            return any(f"rip={source}," in line and "Login: user=<alice" in line and ", TLS" in line for line in log.read_text().splitlines())

        net.wait_until(seen, 10, f"Dovecot names {source}, in TLS")


@pytest.mark.parametrize(("port", "tls"), [(SMTP, "--tls"), (SUBMISSION, "--tls"), (SUBMISSIONS, "--tls-on-connect")])
def test_mail_reaches_postfix_in_tls_with_the_clients_address(place: Place, guard: Live, port: int, tls: str) -> None:
    source = f"192.0.2.{50 + port % 10}"
    login = ("--auth", "PLAIN", "--auth-user", ALICE[0], "--auth-password", ALICE[1])
    said = place.at(source).swaks("--port", str(port), tls, *login, "--from", ALICE[0], "--to", "bob@example.org")
    assert "235 2.7.0 Authentication successful" in said  # which Postfix takes in TLS alone here
    assert "250 2.0.0 Ok" in said
    log = place.host.syslog  # type: ignore[attr-defined]
    net.wait_until(lambda: f"[{source}], sasl_method=PLAIN" in log.read_text(), 10, f"Postfix names {source}")


def test_sieve_guessers_are_turned_away(place: Place, guard: Live) -> None:
    guard.cli("rules", "set", "password-brute-force", "--threshold", "3", "--window", "60s", "--for", "60s", "--on", "smtp,imap,pop3,sieve")
    before = guard.counted("auth_failed")
    wire, _, _ = in_tls(place, "192.0.2.61", SIEVE, "sieve")
    with wire:
        for _ in range(3):
            wire.send(b'AUTHENTICATE "PLAIN" "' + plain(ALICE[0], "wrong") + b'"\r\n')
            assert wire.line().startswith(b"NO")
        assert wire.line() == b'BYE (TRYLATER) "Too many failures"'
    assert ("password-brute-force", "sieve", "192.0.2.61") in guard.blocks()
    with place.at("192.0.2.61").wire(SIEVE) as held:
        assert held.line() == b'BYE (TRYLATER) "Try again later"'
    assert guard.counted("auth_failed") - before == 3
    drilled = guard.cli("drill", "password-brute-force", "--protocol", "sieve", "--port", str(SIEVE), "--yes")
    assert "fired: password-brute-force holds 127.0.0.66 on sieve" in drilled
    assert "went wrong" not in drilled
    assert drilled.count('another connection: turned away by the server (BYE (TRYLATER) "Try again later")') == 2
    guard.cli("rules", "set", "password-brute-force", "--on", "smtp,imap,pop3")
    guard.rules()


def test_a_server_that_cannot_be_trusted_is_away(place: Place, guard: Live) -> None:
    guard.configure(WRONG)
    guard.tell(signal.SIGHUP)
    guard.says("reloaded")
    net.wait_until(lambda: not machine(place).listening(IMAPS) and machine(place).listening(SIEVE), 20, "the gateways listen anew")
    client = place.at("192.0.2.70")
    for port, line in (
        (SMTP, b"421 4.3.0 The server is not available, try again later"),
        (SUBMISSION, b"421 4.3.0 The server is not available, try again later"),
        (IMAP, b"* BYE The server is not available, try again later"),
        (POP3, b"-ERR [SYS/TEMP] The server is not available, try again later"),
        (SIEVE, b'BYE (TRYLATER) "The server is not available, try again later"'),
    ):
        with client.wire(port) as wire:
            assert wire.line() == line
            assert wire.line() == b""
    problems = {source["name"]: source["problem"] for source in guard.status()["sources"]}
    assert "127.0.0.1:34, is away: it does not offer STARTTLS: 250 " in problems["gateway:smtp"]
    assert "is away: its certificate does not verify: " in problems["gateway:submission"]
    assert "is away: its certificate does not verify: " in problems["gateway:imap"]
    assert "mx51.example.org" in problems["gateway:pop3"]
    assert "mx51.example.org" in problems["gateway:sieve"]
