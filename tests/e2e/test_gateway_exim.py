"""The gateway in front of a real Exim: what clients see is what Exim says, and Exim sees the client.

Job: hold sessions with and without the gateway against each other. Promise: as in test_gateway.py. Limits: no TLS here.
"""

import re
from collections.abc import Iterator

import pytest

from tests.e2e import hosts, net, services
from tests.e2e.attackers import Client, message, together
from tests.e2e.campaign import FRIEND
from tests.e2e.live import SHARED, Live

THROUGH = 2525
GATEWAY = f"""
[gateway.smtp]
listen = ["0.0.0.0:{THROUGH}"]
backend = "127.0.0.1:25"
client_address = "proxy-v2"
starttls = "hide"

[[logfile]]
path = "/var/log/exim4/mainlog"
"""
OURS = re.compile(rb"250-(?:STARTTLS|PIPECONNECT|PRDR)\r\n")
"""Capabilities that cannot be kept."""
VARIES = re.compile(rb"id=[0-9A-Za-z-]+|, [0-9]+ \w+ [0-9]{4} [0-9:]+ [+-][0-9]+")
SESSIONS = [
    [b"EHLO client.example", *message(FRIEND, [b"bob@example.org"], b"Subject: x\r\n\r\n..dots"), b"QUIT"],
    [
        b"EHLO c",
        b"MAIL FROM:<friend@friend.example>\r\nRCPT TO:<ghost@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA",
        b"x\r\n.",
        b"RSET",
        b"HELP",
    ],
    [b"EHLO c", b"MAIL FROM:<friend@friend.example>\r\nRCPT TO:<bob@example.org>\r\nBDAT 4\r\na\r\nbBDAT 6 LAST\r\n\r\n\r\n.\r", b"QUIT"],
    [b"HELO c", b"MAIL FROM:<friend@friend.example>", b"RCPT TO:<u@remote.example>", b"DATA", b"NONSENSE", b"VRFY bob", b"QUIT"],
    [b"EHLO c", b"AUTH PLAIN AGFsaWNlAHdyb25n", b"AUTH LOGIN", b"*", b"AUTH XNONE", b"NOOP", b"QUIT"],
]


@pytest.fixture(scope="module")
def host(world: net.World) -> hosts.EximHost:
    """Exim, which takes the PROXY protocol from its own host."""
    if missing := net.lacking() or hosts.lacking("exim", "rsyslog", "openssl"):
        pytest.skip(missing)
    logging = hosts.RECOMMENDED + " +incoming_interface"  # which tells ports
    made = hosts.EximHost(world, "mx5", 45, logging, shared=SHARED, more="hosts_proxy = 127.0.0.1\n")
    services.name_server(made.machine)
    return made


@pytest.fixture(scope="module", autouse=True)
def guard(host: hosts.EximHost) -> Iterator[Live]:
    """The daemon with its gateway, which follows Exim's log too."""
    made = Live(host.machine, "gwexim", GATEWAY)
    made.start()
    net.wait_until(lambda: host.machine.listening(THROUGH), 10, "the gateway listens")
    made.rules()
    yield made
    made.stop()


def said(client: Client, port: int, steps: list[bytes]) -> list[bytes]:
    """What the server says to each step, up to a short silence."""
    answers = []
    with client.sock(port) as sock:
        for step in (b"", *steps):
            if step:
                sock.sendall(step + b"\r\n")
            sock.settimeout(10)
            heard = b""
            try:
                while more := sock.recv(65_536):
                    heard += more
                    sock.settimeout(0.8)
            except TimeoutError:
                pass
            answers.append(OURS.sub(b"", VARIES.sub(b"?", heard)))
            if not heard:
                break
    return answers


def test_what_clients_see_is_what_exim_says(world: net.World, host: hosts.EximHost) -> None:
    client = Client(world.internet, "192.0.2.21", host)
    jobs = [lambda port=port, steps=steps: said(client, port, steps) for steps in SESSIONS for port in (THROUGH, 25)]
    results = together(jobs, 8)
    for steps, through, straight in zip(SESSIONS, results[::2], results[1::2], strict=True):
        assert through == straight, steps
        assert through[0].startswith(b"220 ")


def test_exim_sees_the_client(world: net.World, host: hosts.EximHost) -> None:
    assert Client(world.internet, "192.0.2.22", host).deliver(["bob@example.org"], port=THROUGH) == {}
    net.wait_until(lambda: re.search(r"<= friend@friend.example H=.*\[192.0.2.22\]", host.main.read_text()) is not None, 10, "Exim names the client")


def test_the_log_counts_for_the_port_that_is_not_behind_the_gateway(world: net.World, host: hosts.EximHost, guard: Live) -> None:
    """Exim's log tells of both ports: of port 25 it is evidence."""
    guard.quiet()
    before = guard.counted("connected")
    for port in (THROUGH, 587, THROUGH, 587, 587):
        with Client(world.internet, "192.0.2.23", host).greeted(port):
            pass
    net.wait_until(lambda: guard.counted("connected") - before >= 5, 10, "all are counted")
    guard.quiet()
    assert guard.counted("connected") - before == 5
