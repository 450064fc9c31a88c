"""Whose fault it is that a session brings nothing: the server's, ours or the client's. Only the client's is counted."""

import asyncio
import time

import pytest

from gatepost.core.facts import ProtocolAbused, SessionEnded
from gatepost.inlets.gateway.session import ANSWER, HALF
from tests.inlets.gateway.gates import Gate
from tests.wire.taps import SmtpServer

RCPT = b"RCPT TO:<x@here>\r\n"


class Odd(SmtpServer):
    """A server that says something else to one command, or breaks off in the middle of an answer, or says nothing at all."""

    def __init__(self, at: bytes, says: bytes, then: str = "") -> None:
        super().__init__()
        self._at, self._says, self._then = at, says, then
        self.silent = False

    def take(self, data: bytes) -> bytes:
        """Reads bytes; what it answers."""
        if self._at not in data or self.silent:
            return b"" if self.silent else super().take(data)
        if self._then == "breaks off":
            raise ConnectionResetError
        self.silent = True
        return self._says


def ended(gate: Gate) -> SessionEnded:
    """How the one session was told to have ended."""
    (found,) = [fact for fact in gate.facts() if isinstance(fact, SessionEnded)]
    return found


@pytest.mark.parametrize("at", [b"EHLO", b"x\r\n.\r\n", b"RCPT"])
def test_a_server_that_breaks_off_is_at_fault(at: bytes) -> None:
    gate = Gate()
    gate.backend._make = lambda: Odd(at, b"", "breaks off")

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        client.writer.write(b"EHLO me\r\n")
        if at != b"EHLO":
            await client.until(b"CHUNKING\r\n")
            client.writer.write(b"MAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\n")
        if at == b"x\r\n.\r\n":
            await client.until(b"Ok\r\n250 2.0.0 Ok\r\n")
            await client.says(b"DATA\r\n")
            client.writer.write(at)
        assert b"250 2.0.0 queued" not in await client.rest()

    gate.run(doing)
    assert ended(gate).server_at_fault


@pytest.mark.parametrize(
    ("says", "fault", "abused"),
    [
        (b"421 4.7.0 mx Error: too many errors\r\n", False, ["too_many_errors"]),
        (b"421 4.4.2 mx Error: timeout exceeded\r\n", False, []),
        (b"421 4.3.2 Service shutting down\r\n", True, []),
        (b"554 5.5.0 synchronization error\r\n", False, []),
        (b"221 2.0.0 Bye\r\n", False, []),
    ],
)
def test_a_farewell_tells_whose_fault_it_is(says: bytes, fault: bool, abused: list[str]) -> None:
    """Even where more was asked, which nobody answers then."""
    gate = Gate()

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        client.writer.write(RCPT * 3)
        await client.until(says)
        await client.rest()

    gate.backend._make = lambda: Odd(b"RCPT", says)
    gate.backend.leaves = True  # as soon as it has said it
    gate.run(doing)
    assert ended(gate).server_at_fault is fault
    assert [fact.reason for fact in gate.facts() if isinstance(fact, ProtocolAbused)] == abused


@pytest.mark.parametrize("at", ["greeting", "text"])
def test_a_server_that_answers_late_or_never(at: str) -> None:
    """It has as long as clients wait (RFC 5321, 4.5.3.2: ten minutes at most), whatever `idle` says; then it is away."""
    gate = Gate(idle=60)
    server = Odd(b"x\r\n.\r\n", b"")
    if at == "greeting":
        server.greeting = b""
    gate.backend._make = lambda: server

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        if at == "text":
            await client.until(b"\r\n")
            await client.says(b"MAIL FROM:<a@b>\r\nRCPT TO:<u@here>\r\nDATA\r\n", b"354 go on\r\n")
            client.writer.write(b"x\r\n.\r\n")
            await gate.until(lambda: server.silent)
        else:
            await gate.until(lambda: bool(gate.inlet._sessions))
        (session,) = gate.inlet._sessions
        await gate.until(lambda: session.back is not None)
        session.look(time.monotonic() + ANSWER - 1)
        await asyncio.sleep(0)
        assert session.front is not None
        assert not session.front.is_closing()
        session.look(time.monotonic() + ANSWER + 1)
        assert await client.rest() == b"421 4.3.0 The server is not available, try again later\r\n"

    gate.run(doing)
    assert ended(gate).server_at_fault


def test_a_server_that_speaks_something_else_is_at_fault() -> None:
    gate = Gate()
    server = SmtpServer()
    server.greeting = b"SSH-2.0\r\n"
    gate.backend._make = lambda: server

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        assert await client.rest() == b"421 4.3.0 The server behind does not speak SMTP\r\n"

    gate.run(doing)
    assert ended(gate).server_at_fault


def test_who_waits_for_a_minute_and_leaves_is_not_accused() -> None:
    gate = Gate()
    server = Odd(b"MAIL", b"")
    gate.backend._make = lambda: server

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        client.writer.write(b"MAIL FROM:<a@b>\r\n")
        await gate.until(lambda: server.silent)
        (session,) = gate.inlet._sessions
        session.forwarded -= HALF + 1
        client.writer.close()
        await gate.until(lambda: not gate.inlet.state().connections)

    gate.run(doing)
    assert ended(gate).server_at_fault


def test_at_the_stop_nobody_is_accused() -> None:
    gate = Gate()

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        await gate.inlet.drained()
        await client.rest()

    gate.run(doing)
    assert ended(gate).refused
