"""The gateway in front of real Postfix and Dovecot: nothing changes for clients, and who goes too far is turned away in the protocol.

Job: prove what docs/gateway.md promises, with swaks, hydra, smtplib, imaplib, poplib and raw sessions from addresses of their own. Promise:
sessions with and without the gateway are held against each other byte for byte. Limits: the gateway listens on ports of its own beside the servers,
so that the kernel's blocks do not hide what it does itself; needs root, namespaces and the servers.
"""

import base64
import contextlib
import hashlib
import re
import signal
import ssl
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e import hosts, net
from tests.e2e.attackers import Client, Wire, auth_commands, message, plain, together
from tests.e2e.campaign import ALICE, BOB, FRIEND, Place
from tests.e2e.live import FOLLOWED, SHARED, Live, machine

SMTP, SUBMISSION, SUBMISSIONS, OPEN, IMAP, IMAPS, POP3, POP3S = 2525, 2587, 2465, 2526, 2143, 2993, 2110, 2995
TLS = 'tls = { certificate = "/etc/postfix/cert.pem", key = "/etc/postfix/key.pem" }\n'
ENFORCE = 'relay = { local_domains = ["example.org"], enforce = true }\n'
GATEWAYS = f"""
[gateway.smtp]
listen = ["0.0.0.0:{SMTP}", "[::]:{SMTP}"]
backend = "127.0.0.1:28"
client_address = "proxy-v2"
logins_need_tls = false
{TLS}
[gateway.submission]
listen = ["0.0.0.0:{SUBMISSION}"]
backend = "127.0.0.1:25"
client_address = "xclient"
{ENFORCE}
[gateway.submissions]
listen = ["0.0.0.0:{SUBMISSIONS}"]
backend = "127.0.0.1:28"
client_address = "proxy-v1"
{TLS}
[gateway.imap]
listen = ["0.0.0.0:{IMAP}"]
backend = "127.0.0.1:2144"
client_address = "proxy-v2"
logins_need_tls = false
{TLS}
[gateway.imaps]
listen = ["0.0.0.0:{IMAPS}"]
backend = "127.0.0.1:143"
client_address = "id"
{TLS}
[gateway.pop3]
listen = ["0.0.0.0:{POP3}"]
backend = "127.0.0.1:110"
client_address = "xclient"
logins_need_tls = false
{TLS}
[gateway.pop3s]
listen = ["0.0.0.0:{POP3S}"]
backend = "127.0.0.1:2111"
client_address = "proxy-v2"
{TLS}
"""
DOVECOT = """
haproxy_trusted_networks = 127.0.0.0/8
login_trusted_networks = 127.0.0.0/8
service pop3-login {
  inet_listener pop3_proxied {
    port = 2111
    haproxy = yes
  }
}
"""


@pytest.fixture(scope="module")
def place(world: net.World) -> Place:
    """A mail host whose servers take the client's address from this host."""
    if missing := net.lacking() or hosts.lacking("postfix", "dovecot", "rsyslog", "openssl"):
        pytest.skip(missing)
    host = hosts.MailHost(world, name=("mx6", 46), shared=SHARED)
    where = host.machine
    where.run("postconf", "smtpd_authorized_xclient_hosts=127.0.0.1", "message_size_limit=60000000", "smtpd_timeout=60")
    where.run("postconf", "virtual_mailbox_limit=0")
    where.run("postfix", "reload")
    with where.path("/etc/dovecot/dovecot.conf").open("a", encoding="ascii") as config:
        config.write(DOVECOT)
    where.run("doveadm", "reload")
    net.wait_until(lambda: where.listening(2111), 10, "Dovecot listens behind the gateway")
    return Place(world.internet, host)


@pytest.fixture(scope="module")
def guard(place: Place) -> Iterator[Live]:
    """The daemon with its gateways, which follows the servers' log too."""
    made = Live(machine(place), "gw", FOLLOWED + GATEWAYS)
    made.start()
    net.wait_until(lambda: machine(place).listening(POP3S), 10, "the gateways listen")
    made.rules()
    yield made
    made.stop()


def trusting() -> ssl.SSLContext:
    """TLS, whatever the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


# --- nothing changes

VARIES = re.compile(
    rb"queued as [0-9A-F]+|session=<[^>]*>|<[0-9a-f.]+@[^>]*>|[0-9A-F]{10,12}: |\([0-9.]+ \+[^)]*secs\)|APPENDUID [0-9 ]+|192\.0\.2\.[0-9]+"
)


def said(client: Client, port: int, steps: Sequence[bytes]) -> list[bytes]:
    """Everything that a server says to each step of a session, from its greeting on, up to a short silence."""
    answers = []
    with client.sock(port) as sock:
        for step in (b"", *steps):
            if step:
                sock.sendall(step)
            sock.settimeout(10)
            heard = b""
            while True:
                try:
                    more = sock.recv(65_536)
                except TimeoutError:
                    break
                heard += more
                if not more:
                    break
                sock.settimeout(1.2)  # longer than Dovecot's wait after a failure
            answers.append(VARIES.sub(b"?", heard))
            if not heard:
                break
    return answers


TEXT = b"Subject: hello\r\n\r\n..a line with dots\r\n" + b"\xc3\xbc\xff 8 bit\r\n" * 20 + b"a line too long for RFC 5321" * 200 + b"\r\n"
SMTP_SESSIONS = [
    [b"EHLO client.example\r\n", *[step + b"\r\n" for step in message(FRIEND, [BOB], TEXT)], b"RSET\r\n", b"QUIT\r\n"],
    [
        b"HELO x\r\n",
        b"NOOP\r\nMAIL FROM:<a@friend.example>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
        TEXT + b".\r\n",
    ],
    [
        b"EHLO c\r\n",
        b"MAIL FROM:<a@friend.example> SIZE=300 BODY=8BITMIME\r\nRCPT TO:<bob@example.org>\r\nBDAT 4\r\na\r\nbBDAT 6 LAST\r\n\r\n\r\n.\r",
        b"QUIT\r\n",
    ],
    [
        b"EHLO c\r\n",
        b"MAIL FROM:<\xc3\xbc@friend.example> SMTPUTF8\r\n",
        b"RCPT TO:<u@elsewhere.example>\r\n",
        b"DATA\r\n",
        b"VRFY bob\r\n",
        b"HELP\r\n",
    ],
    [
        b"EHLO c\r\n",
        b"AUTH PLAIN " + plain("alice@example.org", "wrong") + b"\r\n",
        b"AUTH PLAIN " + plain(*ALICE) + b"\r\n",
        b"AUTH PLAIN\r\n",
    ],
    [b"EHLO c\r\n", b"AUTH LOGIN\r\n", b"*\r\n", b"AUTH XNONE\r\n", b"AUTH PLAIN ===\r\n", b"NONSENSE\r\n", b"\r\n", b"RCPT TO:<x>\r\n"],
    [
        b"EHLO c\r\n",
        b"AUTH LOGIN\r\n",
        base64.b64encode(ALICE[0].encode()) + b"\r\n",
        base64.b64encode(ALICE[1].encode()) + b"\r\n",
        b"QUIT\r\n",
    ],
]
IMAP_SESSIONS = [
    [
        b"a CAPABILITY\r\n",
        b"b LOGIN alice@example.org secret-a\r\n",
        b"c SELECT INBOX\r\nd FETCH 1:* UID\r\n",
        b"e IDLE\r\n",
        b"DONE\r\n",
        b"f LOGOUT\r\n",
    ],
    [b"a LOGIN alice@example.org wrong\r\n", b"b LOGIN\r\n", b"c NONSENSE\r\n", b"d NOOP\r\n", b'e ID ("name" "x")\r\n', b"f LOGOUT\r\n"],
    [
        b"a AUTHENTICATE PLAIN\r\n",
        plain("bob@example.org", "secret-b") + b"\r\n",
        b"b APPEND INBOX {5}\r\n",
        b"a\r\nbc\r\n",
        b"c APPEND INBOX {3+}\r\nabc\r\n",
        b"d LOGOUT\r\n",
    ],
    [b"a AUTHENTICATE PLAIN " + plain("bob@example.org", "x") + b"\r\n", b"b AUTHENTICATE LOGIN\r\n", b"*\r\n", b"c LOGOUT\r\n"],
]
POP3_SESSIONS = [
    [b"CAPA\r\n", b"USER alice@example.org\r\n", b"PASS secret-a\r\n", b"STAT\r\nLIST\r\n", b"RETR 1\r\n", b"QUIT\r\n"],
    [b"USER alice@example.org\r\n", b"PASS wrong\r\n", b"AUTH\r\n", b"AUTH PLAIN\r\n", plain(*ALICE) + b"\r\n", b"STAT\r\n", b"QUIT\r\n"],
]
SESSIONS = (
    [(SMTP, 25, steps) for steps in SMTP_SESSIONS] + [(IMAP, 143, steps) for steps in IMAP_SESSIONS] + [(POP3, 110, steps) for steps in POP3_SESSIONS]
)
"""A gateway's port, the port of the same server without it, and a session."""


def test_what_clients_see_is_what_the_server_says(place: Place, guard: Live) -> None:
    """With and without the gateway, at the same time; STARTTLS alone stands elsewhere in the list of what the server can do."""

    def sorted_lines(answers: list[bytes]) -> list[bytes]:
        """A list of capabilities in the order of its words; all else as it is."""
        capabilities = re.compile(rb"(?<=CAPABILITY )[^\]\r]*")
        found = [capabilities.sub(lambda words: b" ".join(sorted(words[0].split())), answer) for answer in answers]
        is_list = re.compile(rb"250-|\+OK\r\n[A-Z]")
        return [
            b"\n".join(sorted(line[4:] if line[:3] == b"250" else line for line in each.split(b"\n"))) if is_list.match(each) else each
            for each in found
        ]

    client = place.at("192.0.2.11")
    client.deliver([ALICE[0]])
    log = place.host.syslog  # type: ignore[attr-defined]
    net.wait_until(lambda: "to=<alice@example.org>, relay=virtual" in log.read_text(), 20, "there is a message to read")
    client.imap_guess(ALICE[0], [ALICE[1]], 143)  # who looks first is told that it is new
    jobs = [lambda port=port, steps=steps: said(client, port, steps) for through, direct, steps in SESSIONS for port in (through, direct)]
    results = together(jobs, 8)
    for (_, direct, steps), through, straight in zip(SESSIONS, results[::2], results[1::2], strict=True):
        assert sorted_lines(through) == sorted_lines(straight), (direct, steps)
        assert straight[0], (direct, steps)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize(("port", "tls"), [(SMTP, ()), (SMTP, ("--tls",)), (SUBMISSION, ()), (SUBMISSIONS, ("--tls-on-connect",))])
def test_every_form_of_login_and_tls(place: Place, guard: Live, port: int, tls: tuple[str, ...], mechanism: str) -> None:
    login = ("--auth", mechanism, "--auth-user", ALICE[0], "--auth-password", ALICE[1])
    told = place.at("192.0.2.12").swaks("--port", str(port), *tls, *login, "--from", ALICE[0], "--to", "u@remote.example", "--quit-after", "RCPT")
    assert "235 2.7.0 Authentication successful" in told
    assert "250 2.1.5 Ok" in told


@pytest.mark.parametrize(("port", "tls"), [(SMTP, False), (SUBMISSION, False), (SUBMISSIONS, True)])
def test_the_server_sees_the_client(place: Place, guard: Live, port: int, tls: bool) -> None:
    options = ("--tls-on-connect",) if tls else ()
    login = ("--auth", "PLAIN", "--auth-user", ALICE[0], "--auth-password", ALICE[1])
    source = f"192.0.2.{20 + port % 10}"
    assert "250 2.0.0 Ok" in place.at(source).swaks("--port", str(port), *options, *login, "--from", ALICE[0], "--to", "bob@example.org")
    net.wait_until(lambda: f"[{source}], sasl_method=PLAIN" in place.host.syslog.read_text(), 10, f"Postfix names {source}")  # type: ignore[attr-defined]


def test_the_server_sees_a_client_of_ipv6(place: Place, guard: Live) -> None:
    client = place.at("2001:db8:1::77")
    assert client.deliver(["bob@example.org"], port=SMTP, starttls=True) == {}
    log = place.host.syslog  # type: ignore[attr-defined]
    net.wait_until(lambda: "client=unknown[2001:db8:1::77]" in log.read_text(), 10, "Postfix names the client")
    assert client.talk(message(FRIEND, [b"u@remote.example"])[:2], SMTP)[-1] == 554


def test_imap_and_pop3_with_tls(place: Place, guard: Live) -> None:
    machine(place).run("doveadm", "quota", "get", check=False)
    client = place.at("192.0.2.30")
    assert client.imap_guess(ALICE[0], ["wrong", ALICE[1]], IMAP) == 1
    assert client.imap_guess(ALICE[0], [ALICE[1]], IMAP, starttls=True) == 0
    assert client.pop3_guess(ALICE[0], ["wrong", ALICE[1]], POP3) == 1
    for port, lines in ((IMAPS, [b"a LOGIN alice@example.org secret-a"]), (POP3S, [b"USER alice@example.org", b"PASS secret-a"])):
        with Wire(trusting().wrap_socket(client.sock(port))) as wire:
            wire.line()
            for line in lines:
                wire.send(line + b"\r\n")
                answer = wire.line()
            assert answer.startswith((b"a OK", b"+OK"))
    log = place.host.syslog  # type: ignore[attr-defined]
    net.wait_until(
        lambda: log.read_text().count("Login: user=<alice@example.org>, method=PLAIN, rip=192.0.2.30") >= 5, 10, "Dovecot names the client"
    )


def test_idle_tells_of_new_mail(place: Place, guard: Live) -> None:
    client = place.at("192.0.2.31")
    with Wire(client.sock(IMAP)) as wire:
        for line in (b"", b"a LOGIN bob@example.org secret-b\r\n", b"b SELECT INBOX\r\n", b"c IDLE\r\n"):
            wire.send(line)
            while line and not wire.line().startswith((line[:2] + b"OK", b"+ ")):
                pass
        place.at("192.0.2.32").deliver(["bob@example.org"], port=SMTP)
        wire.sock.settimeout(40)
        while b"EXISTS" not in wire.line():
            pass


def test_large_messages_and_pipelining(place: Place, guard: Live) -> None:
    text = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 145_000  # 10 MB
    with place.at("192.0.2.33").greeted(SMTP) as wire:
        wire.send(b"MAIL FROM:<friend@friend.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
        assert [wire.reply() for _ in range(3)] == [250, 250, 354]
        wire.send(
            text + b".\r\n" + b"MAIL FROM:<friend@friend.example>\r\nRCPT TO:<bob@example.org>\r\nBDAT 10 LAST\r\n\x00\n\r\n.\r\n\r\n\nQUIT\r\n"
        )
        assert [wire.reply() for _ in range(5)] == [250, 250, 250, 250, 221]
    mailbox = machine(place).path("/var/mail/vhosts/bob/new")
    net.wait_until(lambda: any(mail.stat().st_size > 10_000_000 for mail in mailbox.glob("*")), 30, "the large message is there")
    large = next(mail for mail in mailbox.glob("*") if mail.stat().st_size > 10_000_000)
    assert large.read_bytes().endswith(b"Subject: large\n\n" + (b"x" * 70 + b"\n") * 145_000)


def test_fifty_megabytes_there_and_back(place: Place, guard: Live) -> None:
    """By DATA and by BDAT, fetched by IMAP and POP3, in bounded memory: of one message the gateway holds what is under way."""
    text = b"Subject: large\r\n\r\n" + b"".join(b"%068d\r\n" % number for number in range(714_000))
    before = peak(guard.pid)
    with place.at("192.0.2.37").greeted(SMTP) as wire:
        for step in (b"MAIL FROM:<friend@friend.example>", b"RCPT TO:<carol@example.org>"):
            assert wire.smtp(step) == 250
        assert wire.smtp(b"DATA") == 354
        assert wire.smtp(text + b".") == 250
        for step in (b"MAIL FROM:<friend@friend.example>", b"RCPT TO:<carol@example.org>"):
            assert wire.smtp(step) == 250
        wire.send(b"BDAT %d LAST\r\n" % len(text) + text)
        assert wire.reply() == 250
    mailbox = machine(place).path("/var/mail/vhosts/carol/new")
    net.wait_until(lambda: mailbox.exists() and len(list(mailbox.glob("*"))) == 2, 60, "both messages are there")
    sent = hashlib.sha256(text).hexdigest()
    with place.at("192.0.2.37").wire(IMAP) as wire:
        wire.line()
        wire.send(b"a LOGIN carol@example.org secret-c\r\nb SELECT INBOX\r\nc FETCH 1:2 BODY.PEEK[]\r\n")
        for _ in range(2):
            while not (found := re.search(rb"\{([0-9]+)\}$", wire.line())):
                pass
            whole = wire.some(int(found[1]))
            assert hashlib.sha256(whole[whole.index(b"Subject: large") :]).hexdigest() == sent
    with place.at("192.0.2.37").wire(POP3) as wire:
        wire.send(b"USER carol@example.org\r\nPASS secret-c\r\nRETR 1\r\n")
        for _ in range(3):
            wire.line()
        size = int(re.search(rb"([0-9]+) octets", wire.line())[1])  # type: ignore[index]
        whole = wire.some(size)
        assert hashlib.sha256(whole[whole.index(b"Subject: large") :]).hexdigest() == sent
    assert peak(guard.pid) - before < 16 * 1024, "KiB more at the peak"


def test_no_message_is_taken_that_the_server_did_not_take(place: Place, guard: Live) -> None:
    """The server dies in the middle of DATA: the client gets no 250, and nothing is delivered."""
    with place.at("192.0.2.38").greeted(SMTP) as wire:
        assert [wire.smtp(step) for step in message(FRIEND, [BOB])[:3]] == [250, 250, 354]
        wire.send(b"Subject: half\r\n\r\n" + b"half\r\n" * 1000)
        machine(place).kill("smtpd")
        heard = b""
        with contextlib.suppress(OSError):
            wire.send(b"half\r\n.\r\n")
            while line := wire.line():
                heard += line
        assert b"250" not in heard
    with place.at("192.0.2.38").greeted(SMTP) as wire:  # a reset in the middle of DATA
        assert [wire.smtp(step) for step in message(FRIEND, [BOB])[:3]] == [250, 250, 354]
        wire.send(b"Subject: half\r\n\r\nhalf\r\n")
        wire.reset()
    assert place.at("192.0.2.38").deliver(["bob@example.org"], port=SMTP) == {}
    new = machine(place).path("/var/mail/vhosts/bob/new")
    assert not [mail for mail in new.glob("*") if b"Subject: half" in mail.read_bytes()[:2_000]]


def peak(pid: int) -> int:
    """The most memory that a process ever held, in KiB."""
    found = re.search(r"VmHWM:\s+([0-9]+)", Path(f"/proc/{pid}/status").read_text("ascii"))
    assert found is not None
    return int(found[1])


# --- who goes too far


def test_smuggling_stops_here(place: Place, guard: Live) -> None:
    """Postfix here takes a bare LF for the end of a line, as older ones do; what comes behind is then a message of its own."""
    smuggled = b"Subject: x\r\n\r\nhello\n.\nMAIL FROM:<evil@friend.example>\r\nRCPT TO:<carol@example.org>\r\nDATA\r\nSubject: evil\r\n\r\nx"
    commands = [*message(FRIEND, [BOB], smuggled)]
    with place.at("192.0.2.34").greeted(SMTP) as wire:
        answers = [wire.smtp(command) for command in commands]
        assert answers == [250, 250, 354, 550]
        assert wire.reply() == 421
    log = place.host.syslog  # type: ignore[attr-defined]
    place.at("192.0.2.34").deliver(["bob@example.org"], port=SMTP)
    net.wait_until(lambda: log.read_text().count("client=unknown[192.0.2.34]") >= 2, 10, "the later message is in the log")
    assert "evil@" not in log.read_text()


def test_relaying_needs_a_login_or_its_box(place: Place, guard: Live) -> None:
    """Behind `submission` Postfix would relay for loopback; it is told the client, and the gateway polices too."""
    client = place.at("192.0.2.35")
    outside = message(FRIEND, [b"u@remote.example"])[:2]
    assert client.talk(outside, SUBMISSION)[-1] == 550
    assert client.talk([b"MAIL FROM:<a@b.example>", b"RCPT TO:<bob%remote.example@example.org>"], SUBMISSION)[-1] == 550
    assert client.talk([*auth_commands(*ALICE), *outside], SUBMISSION)[-1] == 250
    assert client.talk([b"XCLIENT ADDR=127.0.0.1"], SUBMISSION)[-1] == 502
    with client.greeted(SUBMISSION) as wire:
        assert wire.smtp(b"STARTTLS") == 502


def test_the_nth_failure_bites_once_counted(place: Place, guard: Live) -> None:
    """The servers' log is followed too, and tells the same failures: N is still N."""
    guard.rules(password_brute_force=(6, "60s", "60s"))
    before = guard.counted("auth_failed")
    client = place.at("192.0.2.40")
    assert client.imap_guess("bob@example.org", ["w1", "w2", "w3"], IMAP) == 3
    guard.quiet()
    assert not guard.held("192.0.2.40")
    assert client.imap_guess("bob@example.org", [f"x{number}" for number in range(9)], IMAP) == 3
    assert guard.held("192.0.2.40")
    with client.wire(IMAP) as wire:
        assert wire.line() == b"* BYE Try again later"
    guard.quiet()
    assert guard.counted("auth_failed") - before == 6
    with client.wire(POP3) as wire:
        assert wire.line().startswith(b"+OK")
    told = guard.cli("why", "192.0.2.40")
    assert "password-brute-force" in told
    guard.rules()


def test_hydra_and_a_flood_are_turned_away(place: Place, guard: Live) -> None:
    guard.rules(password_brute_force=(10, "60s", "60s"), dos=(20, "60s", "60s"))
    said = place.at("192.0.2.41").hydra("bob@example.org", [f"word{number}" for number in range(60)] + ["secret-b"], "pop3", POP3, 4)
    assert "secret-b" not in said
    assert ("password-brute-force", "pop3", "192.0.2.41") in guard.blocks() or ("dos", "pop3", "192.0.2.41") in guard.blocks()
    flooder = place.at("192.0.2.42")
    greetings = []
    for _ in range(25):
        with flooder.wire(SMTP) as wire:
            greetings.append(wire.line()[:3])
    assert greetings == [b"220"] * 19 + [b"421"] * 6
    assert guard.status()["sources"]
    guard.rules()


def test_harvesters_are_seen(place: Place, guard: Live) -> None:
    guard.rules(harvesting=(5, "60s", "60s"))
    harvester = place.at("192.0.2.43")
    for _ in range(5):
        assert harvester.talk(message(FRIEND, [b"ghost@example.org"])[:2], SMTP)[-1] == 550
    net.wait_until(lambda: guard.held("192.0.2.43"), 5, "the harvester is held")
    with harvester.wire(SMTP) as wire:
        assert wire.line() == b"421 4.7.0 Try again later"
    guard.rules()


# --- what happens when something is away


def test_a_server_that_is_away_loses_no_mail(place: Place, guard: Live) -> None:
    machine(place).run("postfix", "stop")
    with place.at("192.0.2.50").wire(SMTP) as wire:
        assert wire.reply() == 421
    assert any("is away" in problem for problem in guard.status()["problems"])
    machine(place).run("postfix", "start")
    net.wait_until(lambda: machine(place).listening(28), 10, "Postfix listens")
    assert place.at("192.0.2.50").deliver(["bob@example.org"], port=SMTP) == {}
    assert not any("is away" in problem for problem in guard.status()["problems"])


def test_sessions_outlast_a_reload(place: Place, guard: Live) -> None:
    """And they count on among the connections that their client has open at one time."""
    fields = ("--field", "counts=open_connections", "--threshold", "3", "--for", "60s", "--on", "smtp,http")
    assert "cannot be carried out on http: only a gateway knows" in guard.cli("rules", "set", "many-at-once", *fields)
    with place.at("192.0.2.51").greeted(SMTP) as wire:
        guard.configure((FOLLOWED + GATEWAYS).replace("idle = 900\n", "").replace("[gateway.smtp]\n", "[gateway.smtp]\nidle = 900\n"))
        guard.tell(signal.SIGHUP)
        guard.says("reloaded")
        time.sleep(1)
        net.wait_until(lambda: machine(place).listening(SMTP), 10, "the gateway listens again")
        assert [wire.smtp(command) for command in message(FRIEND, [BOB])] == [250, 250, 354, 250]
        with place.at("192.0.2.51").greeted(SMTP) as new:
            assert new.smtp(b"NOOP") == 250
            assert not guard.held("192.0.2.51")
            with place.at("192.0.2.51").wire(SMTP) as third:
                assert third.line() == b"421 4.7.0 Try again later"
    assert ("many-at-once", "smtp", "192.0.2.51") in guard.blocks()
    assert "3 at one time" in guard.cli("why", "192.0.2.51")
    guard.cli("rules", "remove", "many-at-once")


def test_an_open_relay_does_not_start(place: Place) -> None:
    config = f'[gateway.smtp]\nlisten = ["0.0.0.0:{OPEN}"]\nbackend = "127.0.0.1:25"\nclient_address = "none"\n'
    code, words = Live(machine(place), "open", config, table="open").refused()
    assert code == 2
    assert "gateway.smtp.client_address: with none the server behind" in words


def test_status_and_doctor_tell_what_the_server_sees(place: Place, guard: Live) -> None:
    notes = {source["name"]: source["note"] for source in guard.status()["sources"]}
    assert "sees the client's own address (proxy-v2)" in notes["gateway:smtp"]
    doctor = guard.cli("doctor", code=1)
    assert "sees the client's own address (xclient)" in doctor
    for way in ("proxy-v2", "xclient"):
        assert f"it greets, and takes the client's address ({way})" in doctor
    assert "takes the PROXY header for commands" not in doctor
    assert "gateway:submission: 127.0.0.1:25 sees the client's own address (xclient)" in guard.cli("status", code=1)
