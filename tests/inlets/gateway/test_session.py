"""Sessions through the gateway over real sockets: bytes, ends, TLS, and what the guard hears."""

import asyncio
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from gatepost.core.countries import CountryPolicy
from gatepost.core.deeds import AdoptCountries, AdoptLists
from gatepost.core.facts import AuthFailed, MessageAccepted, Refused, SessionEnded
from gatepost.core.spans import SECOND, Span
from gatepost.inlets.gateway import session
from gatepost.wire.proxy_header import write_2
from tests.inlets.gateway.gates import Gate, rule
from tests.inlets.test_syslog import pems
from tests.wire.taps import SmtpServer, b64

__all__ = ["pems"]

MAIL = b"MAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\nDATA\r\n"


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_a_message_goes_through_and_is_told() -> None:
    gate = Gate()

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        assert await client.until(b"\r\n") == SmtpServer.greeting
        await client.says(b"EHLO me\r\n", b"250 CHUNKING\r\n")
        await client.says(MAIL, b"354 go on\r\n")
        assert await client.says(b"Subject: x\r\n\r\n" + b"y" * 5_000_000 + b"\r\n.\r\nQUIT\r\n") == b"250 2.0.0 queued\r\n"
        client.writer.write_eof()
        assert await client.rest() == b"250 2.0.0 Ok\r\n"
        await gate.until(lambda: not gate.inlet.state().connections)

    gate.run(doing)
    assert gate.kinds() == ["Connected", "MessageAccepted", "SessionEnded"]
    accepted, ended = gate.facts()[1:]
    assert isinstance(accepted, MessageAccepted)
    assert isinstance(ended, SessionEnded)
    assert (accepted.recipients, accepted.size) == (1, 5_000_019)
    assert (ended.messages, ended.server_at_fault, ended.refused) == (1, False, False)
    assert gate.backend.ends == ["end"]


def test_the_nth_failure_turns_away_and_a_held_client_gets_no_greeting() -> None:
    gate = Gate("imap", (rule("auth_failed", 3),))

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        for _ in range(2):
            await client.says(b"a LOGIN alice wrong\r\n")
        assert await client.says(b"a LOGIN alice wrong\r\n") == b"a NO [AUTHENTICATIONFAILED] no\r\n"
        assert await client.rest() == b"* BYE Too many failures\r\n"
        again = await gate.connect()
        assert await again.rest() == b"* BYE Try again later\r\n"
        assert len(gate.backend.sessions) == 1
        assert gate.inlet.state().dropped["held"] == 1
        assert {state.inlet for state in gate.guard.witness.state()} == {"gateway:imap"}

    gate.run(doing)
    assert gate.kinds() == ["Connected", "AuthFailed", "AuthFailed", "AuthFailed"]
    failed = [fact for fact in gate.facts() if isinstance(fact, AuthFailed)]
    assert len({fact.secret for fact in failed}) == 1
    assert b"wrong" not in b"".join(fact.secret.encode() for fact in failed)


def test_a_login_that_is_refused_is_answered_here() -> None:
    """Another session of the held client is open already."""
    gate = Gate("pop3", (rule("auth_failed", 1, scope="logins"),))

    async def doing(gate: Gate) -> None:
        first, second = await gate.connect(), await gate.connect()
        await second.until(b"\r\n")
        await first.until(b"\r\n")
        await first.says(b"USER a\r\n")
        await first.says(b"PASS no\r\n")
        await second.says(b"USER a\r\n")
        assert await second.says(b"PASS secret\r\n") == b"-ERR [SYS/TEMP] Temporary authentication failure\r\n"
        assert all(b"secret" not in session.got for session in gate.backend.sessions)

    gate.run(doing)
    assert gate.kinds() == ["Connected", "Connected", "AuthFailed", "Refused"]


def test_a_login_from_a_refused_country_is_answered_here() -> None:
    gate = Gate("pop3")
    gate.guard.place = lambda client: "NL"
    gate.guard.order.do(AdoptLists(1, ()))  # loopback would be trusted
    gate.guard.order.do(AdoptCountries(1, CountryPolicy(mode="enforce", codes=("DE",))))

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        await client.says(b"USER a\r\n")
        assert await client.says(b"PASS secret\r\n") == b"-ERR [SYS/TEMP] Temporary authentication failure\r\n"
        assert all(b"secret" not in session.got for session in gate.backend.sessions)

    gate.run(doing)
    assert gate.kinds() == ["Connected", "Refused"]
    refused = gate.facts()[1]
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.country, refused.account) == ("country", "NL", "a")


def test_a_server_that_is_away_is_told_and_nobody_is_accused() -> None:
    gate = Gate(backend_wait=1)

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        assert await client.rest() == b"421 4.3.0 The server is not available, try again later\r\n"
        assert "is away" in gate.inlet.state().problem
        await gate.until(lambda: not gate.inlet.state().connections)

    gate.run(doing, backend=False)
    ended = gate.facts()[-1]
    assert isinstance(ended, SessionEnded)
    assert ended.server_at_fault


def test_starttls_ends_here_and_the_session_goes_on(pems: Path) -> None:
    gate = Gate("smtp", tls={"certificate": str(pems / "ours.pem"), "key": str(pems / "ours.key")})

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        assert b"AUTH" not in await client.says(b"EHLO me\r\n", b"250 STARTTLS\r\n")
        await client.says(b"STARTTLS\r\n")
        await client.writer.start_tls(trusting())
        assert b"AUTH" in await client.says(b"EHLO me\r\n", b"250 CHUNKING\r\n")
        assert await client.says(b"AUTH PLAIN " + b64("\0alice\0right") + b"\r\n") == b"235 2.7.0 yes\r\n"
        await client.says(MAIL, b"354 go on\r\n")
        assert await client.says(b"z" * 3_000_000 + b"\r\n.\r\n") == b"250 2.0.0 queued\r\n"
        client.writer.close()
        await gate.until(lambda: not gate.inlet.state().connections)

    gate.run(doing)
    assert gate.kinds() == ["Connected", "AuthSucceeded", "MessageAccepted", "SessionEnded"]


def test_a_handshake_that_fails_behind_starttls_leaves_nothing(pems: Path) -> None:
    gate = Gate("imap", tls={"certificate": str(pems / "ours.pem"), "key": str(pems / "ours.key")})

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        await client.says(b"a STARTTLS\r\n")
        client.writer.write(b"this is no TLS\r\n")
        await client.rest()
        await gate.until(lambda: not gate.inlet.state().connections)
        assert gate.inlet.state().dropped == {"handshake": 1}

    gate.run(doing)


@pytest.mark.parametrize("service", ["submissions", "imaps", "pop3s"])
def test_tls_from_the_first_byte(pems: Path, service: str) -> None:
    gate = Gate(service, tls={"certificate": str(pems / "ours.pem"), "key": str(pems / "ours.key")})

    async def doing(gate: Gate) -> None:
        client = await gate.connect(ssl=trusting())
        await client.until(b"\r\n")
        plain = await gate.connect()
        plain.writer.write(b"EHLO me\r\n")
        assert await plain.rest() == b""
        await gate.until(lambda: gate.inlet.state().dropped.get("handshake") == 1)

    gate.run(doing)


def test_the_name_that_a_client_asks_for_chooses_the_certificate(pems: Path) -> None:
    also = [{"names": ["mail.example.net", "*.example.org"], "certificate": str(pems / "theirs.pem"), "key": str(pems / "theirs.key")}]
    gate = Gate("imaps", tls={"certificate": str(pems / "ours.pem"), "key": str(pems / "ours.key"), "also": also})
    shown: dict[str, bytes] = {}

    async def doing(gate: Gate) -> None:
        for name in ("mail.example.net", "IMAP.example.org", "a.b.example.org", "elsewhere"):
            client = await gate.connect(ssl=trusting(), server_hostname=name)
            await client.until(b"\r\n")
            shown[name] = client.writer.get_extra_info("ssl_object").getpeercert(True)

    gate.run(doing)
    ours, theirs = (ssl.PEM_cert_to_DER_cert((pems / f"{name}.pem").read_text()) for name in ("ours", "theirs"))
    assert list(shown.values()) == [theirs, theirs, ours, ours]


def test_a_renewed_certificate_is_read_without_cutting_sessions(pems: Path, tmp_path: Path) -> None:
    files = {"certificate": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}

    def put(name: str) -> None:
        files["certificate"].write_bytes((pems / f"{name}.pem").read_bytes())
        files["key"].write_bytes((pems / f"{name}.key").read_bytes())

    put("ours")
    gate = Gate("imaps", tls={name: str(path) for name, path in files.items()})

    async def shown(gate: Gate) -> bytes:
        client = await gate.connect(ssl=trusting())
        await client.until(b"\r\n")
        return client.writer.get_extra_info("ssl_object").getpeercert(True)  # type: ignore[no-any-return]

    async def doing(gate: Gate) -> None:
        old = await gate.connect(ssl=trusting())
        await old.until(b"\r\n")
        before = await shown(gate)
        put("theirs")
        gate.inlet.renew()
        assert await shown(gate) != before
        files["key"].write_bytes((pems / "ours.key").read_bytes())
        gate.inlet.renew()
        assert "the old certificate stays" in gate.inlet.state().problem
        await shown(gate)
        await old.says(b"a NOOP\r\n", b"a OK done\r\n")

    gate.run(doing)


def test_smuggling_never_reaches_the_server() -> None:
    gate = Gate()

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        await client.says(MAIL, b"354 go on\r\n")
        client.writer.write(b"a\r\n" * 100_000 + b"\n.\r\nMAIL FROM:<evil@x>\r\n.\r\n")
        assert await client.rest() == b"550 5.5.2 Message refused: bare CR or LF in it\r\n421 4.7.0 Closing\r\n"
        await gate.until(lambda: not gate.inlet.state().connections)

    gate.run(doing)
    got = gate.backend.sessions[0].got
    assert b"evil" not in got
    assert b"\r\n.\r\n" not in got
    assert gate.kinds() == ["Connected", "ProtocolAbused", "SessionEnded"]


def test_the_server_is_told_who_connects() -> None:
    gate = Gate(client_address="proxy-v2")
    gate.backend.header = 28

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        own = client.writer.get_extra_info("sockname")
        assert gate.backend.headers == [write_2(own, ("127.0.0.1", gate.inlet.ports[0]))]

    gate.run(doing)


@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_a_balancer_tells_who_connects_even_before_tls(pems: Path, pause: float) -> None:
    """The header and the client's first TLS bytes come in one segment, or the header in two."""
    tls = {"certificate": str(pems / "ours.pem"), "key": str(pems / "ours.key")}
    gate = Gate("imaps", tls=tls, proxy_from=["127.0.0.0/8"])

    def talk(port: int) -> bytes:
        header = write_2(("192.0.2.9", 4711), ("198.51.100.1", 993))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        shaking = trusting().wrap_bio(incoming, outgoing)
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            with pytest.raises(ssl.SSLWantReadError):
                shaking.do_handshake()
            first = header + outgoing.read()
            if pause:
                sock.sendall(first[:10])
                time.sleep(pause)
                first = first[10:]
            sock.sendall(first)
            while True:
                incoming.write(sock.recv(65_536))
                try:
                    return shaking.read(100)
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())

    async def doing(gate: Gate) -> None:
        assert (await asyncio.to_thread(talk, gate.inlet.ports[0])).startswith(b"* OK")

    gate.run(doing)
    assert [fact.client for fact in gate.facts()] == ["192.0.2.9"]


def test_without_the_header_a_balancer_gets_nothing() -> None:
    gate = Gate(proxy_from=["127.0.0.0/8"])

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        client.writer.write(b"EHLO me\r\n")
        assert await client.rest() == b""
        assert gate.inlet.state().dropped == {"no PROXY header": 1}

    gate.run(doing)


def test_a_header_from_a_stranger_is_no_header() -> None:
    gate = Gate(proxy_from=["192.0.2.0/24"])

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        client.writer.write(b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n")
        await client.until(b"\r\n")

    gate.run(doing)
    assert {fact.client for fact in gate.facts()} == {"127.0.0.1"}


def test_a_reset_reaches_the_server_and_leaves_nothing() -> None:
    gate = Gate()

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        await client.says(MAIL, b"354 go on\r\n")
        client.writer.write(b"half a message\r\n")
        await client.writer.drain()
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.transport.abort()
        await gate.until(lambda: not gate.inlet.state().connections and len(gate.backend.ends) == 1)

    gate.run(doing)
    assert "MessageAccepted" not in gate.kinds()


def test_a_client_that_does_not_read_slows_the_server() -> None:
    """An IMAP client that takes nothing of a large answer: what waits for it in between is bounded."""
    gate = Gate("imap")

    class Flood:
        greeting = b"* PREAUTH hi\r\n"
        got = b""
        given = 0

        def take(self, data: bytes) -> bytes:
            Flood.given += 1
            return b"x" * 1_000_000

    gate.backend = type(gate.backend)(Flood)  # type: ignore[arg-type]

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(100):
            client.writer.write(b"more\r\n")
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)
        (session,) = gate.inlet._sessions
        assert session.front is not None
        assert session.front.get_write_buffer_size() < 2_000_000
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]

    gate.run(doing)


@pytest.mark.parametrize(
    ("settings", "why", "says"),
    [({"idle": 1}, "idle", b"421 4.7.0 Idle for too long\r\n"), ({"longest": 1}, "too long", b"421 4.7.0 Session lasted too long\r\n")],
)
def test_sessions_do_not_last_for_ever(settings: dict[str, Any], why: str, says: bytes) -> None:
    gate = Gate(**settings)

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        assert await client.rest() == says
        await gate.until(lambda: gate.inlet.state().dropped == {why: 1})

    gate.run(doing)


@pytest.mark.parametrize(("limit", "why", "sends"), [("HALF", "slow", b"a LOG"), ("LOGIN_TIME", "no log-in", b"")])
def test_nobody_takes_for_ever_to_say_something(monkeypatch: pytest.MonkeyPatch, limit: str, why: str, sends: bytes) -> None:
    monkeypatch.setattr(session, limit, 0.5)
    gate = Gate("imap")

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        client.writer.write(sends)
        assert (await client.rest()).startswith(b"* BYE ")
        await gate.until(lambda: gate.inlet.state().dropped == {why: 1})

    gate.run(doing)


def test_a_login_that_is_delayed_reaches_the_server_later() -> None:
    gate = Gate("imap", (rule("auth_failed", 1, action="delay", delay=Span(SECOND), scope="logins"),))

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        await client.says(b"a LOGIN alice wrong\r\n")
        (server,) = gate.backend.sessions
        began = time.monotonic()
        client.writer.write(b"b LOGIN alice right\r\nc NOOP\r\n")
        await asyncio.sleep(0.2)
        assert b"right" not in server.got
        assert (await client.until(b"c OK done\r\n")).startswith(b"b OK in\r\n")
        assert time.monotonic() - began >= 1

    gate.run(doing)


def test_at_the_stop_sessions_are_told() -> None:
    gate = Gate()

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        await gate.inlet.drained()
        assert await client.rest() == b"421 4.7.0 Shutting down, try again later\r\n"

    gate.run(doing)
