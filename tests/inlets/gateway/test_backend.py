"""The way to the server behind: TLS by STARTTLS and from the first byte, and what is not believed."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.inlets.gateway.gates import Backend, Gate
from tests.inlets.test_syslog import pems
from tests.wire.taps import AnyServer, ImapServer, Pop3Server, SieveServer, SmtpServer, b64

__all__ = ["pems"]

AWAY = b"421 4.3.0 The server is not available, try again later\r\n"
SERVERS: dict[str, tuple[type[AnyServer], list[tuple[bytes, bytes]]]] = {
    "smtp": (SmtpServer, [(b"EHLO gatepost\r\n", b"250-mx\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go\r\n")]),
    "imap": (ImapServer, [(b"gatepost STARTTLS\r\n", b"gatepost OK go\r\n")]),
    "pop3": (Pop3Server, [(b"STLS\r\n", b"+OK go\r\n")]),
    "sieve": (SieveServer, [(b"STARTTLS\r\n", b'OK "go"\r\n')]),
}
"""A server in TLS, and what it is asked before, with its answers."""


class TlsBackend(Backend):
    """A server behind that speaks TLS; ``slipped`` is said in clear text behind its last answer, ``hangs_up`` instead of the handshake."""

    def __init__(self, protocol: str, pems: Path, *, slipped: bytes = b"", hangs_up: bool = False, implicit: bool = False) -> None:
        make, self._dialogue = SERVERS[protocol]
        super().__init__(make)
        self._again = make.greeting if protocol == "sieve" or implicit else b""
        self._slipped, self._hangs_up, self._implicit = slipped, hangs_up, implicit
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pems / "ours.pem", pems / "ours.key")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = self._make()
        try:
            if self.header:
                self.headers.append(await reader.readexactly(self.header))
            if not self._implicit:
                writer.write(server.greeting)
                for asked, answer in self._dialogue:
                    assert await reader.readline() == asked
                    writer.write(answer + (self._slipped if answer == self._dialogue[-1][1] else b""))
            if self._hangs_up:
                return
            await writer.start_tls(self._context)
            self.sessions.append(server)
            writer.write(self._again)
            while data := await reader.read(65_536):
                writer.write(server.take(data))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self.ends.append("broken off")
        finally:
            writer.close()


def gate(pems: Path, service: str = "smtp", backend: dict[str, Any] | None = None, **settings: Any) -> Gate:
    """A gateway before such a server."""
    given: dict[str, Any] = {"backend_tls": "starttls", "backend_ca": str(pems / "ours.pem"), "backend_wait": 5}
    made = Gate(service, **given | settings)
    made.backend = TlsBackend(made.protocol, pems, implicit=settings.get("backend_tls") == "implicit", **backend or {})
    return made


@pytest.mark.parametrize("way", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("service", "greeting", "says", "well"),
    [
        ("smtp", SmtpServer.greeting, b"AUTH PLAIN " + b64("\0alice\0right") + b"\r\n", b"235 2.7.0 yes\r\n"),
        ("imap", b" ready\r\n", b"a LOGIN alice right\r\n", b"a OK in\r\n"),
        ("pop3", Pop3Server.greeting, b"AUTH PLAIN " + b64("\0alice\0right") + b"\r\n", b"+OK in\r\n"),
        ("sieve", b'OK "ready"\r\n', b'AUTHENTICATE "PLAIN" "' + b64("\0alice\0right") + b'"\r\n', b'OK (SASL "cg==") "in"\r\n'),
    ],
)
def test_the_session_goes_on_in_tls(pems: Path, way: str, service: str, greeting: bytes, says: bytes, well: bytes) -> None:
    made = gate(pems, service, backend_tls=way)

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        assert b"STARTTLS" not in await client.until(greeting)
        assert await client.says(says) == well
        assert gate.backend.sessions[0].got == says
        client.writer.close()
        assert gate.inlet.state().problem == ""
        assert gate.inlet.state().shown.split(" sees")[0].endswith(", verified)")

    made.run(doing)
    assert made.kinds()[:2] == ["Connected", "AuthSucceeded"]


@pytest.mark.parametrize(
    ("backend", "settings", "why"),
    [
        ({"slipped": b"250 believe me\r\n"}, {}, "more in clear text than it was asked"),
        ({"hangs_up": True}, {}, "is away: "),
        ({}, {"backend_name": "elsewhere.example"}, "does not verify: Hostname mismatch, certificate is not valid for 'elsewhere.example'"),
        ({}, {"backend_ca": "theirs.pem"}, "its certificate does not verify: self"),
        ({}, {"backend_tls": "implicit", "backend_name": "elsewhere.example"}, "does not verify"),
    ],
)
def test_a_server_that_cannot_be_trusted_is_away(pems: Path, backend: dict[str, Any], settings: dict[str, Any], why: str) -> None:
    made = gate(pems, "smtp", backend, **{name: str(pems / each) if name == "backend_ca" else each for name, each in settings.items()})

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        client.writer.write(b"AUTH PLAIN secret\r\n")
        assert await client.rest() == AWAY
        assert why in gate.inlet.state().problem
        assert all(session.got == b"" for session in gate.backend.sessions)

    made.run(doing)


def test_the_header_goes_before_tls(pems: Path) -> None:
    made = gate(pems, client_address="proxy-v2")
    made.backend.header = 28

    async def doing(gate: Gate) -> None:
        assert await (await gate.connect()).until(b"\r\n") == SmtpServer.greeting
        assert gate.backend.headers[0].startswith(b"\r\n\r\n\0\r\nQUIT\n")

    made.run(doing)


def test_a_client_that_leaves_meanwhile_leaves_nothing(pems: Path) -> None:
    made = gate(pems)
    made.backend.header = 1_000  # which never comes: the server does not greet

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await gate.until(lambda: gate.inlet.state().connections == 1)
        client.writer.transport.abort()
        await gate.until(lambda: gate.inlet.state().connections == 0 and gate.backend.ends != [])
        with contextlib.suppress(OSError):
            await client.writer.wait_closed()

    made.run(doing)


def test_manage_sieve_with_starttls_on_both_legs(pems: Path) -> None:
    made = gate(pems, "sieve", tls={"certificate": str(pems / "ours.pem"), "key": str(pems / "ours.key")})
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        offered = await client.until(b'OK "ready"\r\n')
        assert b'"SASL" ""\r\n"STARTTLS"\r\n' in offered
        await client.says(b"STARTTLS\r\n", b'now"\r\n')
        await client.writer.start_tls(trusting)
        offered = await client.until(b"do\r\nn\r\n")  # unasked (RFC 5804, 2.2)
        assert b'"SASL" "PLAIN"\r\nOK' in offered
        assert await client.says(b'AUTHENTICATE "PLAIN" "' + b64("\0alice\0right") + b'"\r\n') == b'OK (SASL "cg==") "in"\r\n'

    made.run(doing)
