"""The server behind, tried out: what it takes, what it takes for commands, and when it is silent."""

import asyncio
import contextlib
from typing import Any

import pytest

from gatepost.inlets.gateway import probe as module
from gatepost.pipeline.mirrors import Proof
from tests.inlets.gateway.gates import Gate

ANSWERS: dict[str, tuple[bytes, dict[bytes, bytes], bytes]] = {
    "smtp": (b"220-mx waits\r\n220 mx\r\n", {b"QUIT": b"221 bye\r\n", b"EHLO": b"250-mx\r\n250 XCLIENT\r\n"}, b"500 5.5.2 what\x1b[2J?\r\n"),
    "imap": (b"* OK ready\r\n", {b"gatepost": b"* BYE\r\ngatepost OK out\r\n"}, b"* BAD what?\r\n"),
    "pop3": (b"+OK ready\r\n", {b"QUIT": b"+OK bye\r\n"}, b"-ERR what?\r\n"),
    "sieve": (b'"IMPLEMENTATION" "x"\r\nOK "ready"\r\n', {b"LOGOUT": b"OK\r\n"}, b'NO "what?"\r\n'),
}
"""The greeting, the answers by the line's first word, and the answer to anything else."""


async def tried(service: str, way: str, *, header: int = 0, greets: bool = True, leaves: bool = False, **answers: bytes) -> Proof:
    """Tries a server that takes so many bytes of a header off."""
    greeting, known, else_said = ANSWERS[service]
    known = known | {name.encode(): said for name, said in answers.items()}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if header:
                await reader.readexactly(header)
            if greets:
                writer.write(greeting)
            while not leaves and (line := await reader.readline()):
                if greets:
                    writer.write(known.get(line.split(b" ")[0].strip(), else_said))
                if line.split()[-1:] in ([b"QUIT"], [b"LOGOUT"]):
                    break
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        given: dict[str, Any] = {"backend": f"127.0.0.1:{server.sockets[0].getsockname()[1]}", "client_address": way}
        found: list[Proof] = []

        async def doing(gate: Gate) -> None:
            found.append(await gate.inlet.prove())

        await Gate(service, **given)._run(doing, False)
        return found[0]


@pytest.mark.parametrize(
    ("service", "way", "header"),
    [
        ("smtp", "proxy-v1", 36),
        ("smtp", "proxy-v2", 28),
        ("imap", "proxy-v2", 28),
        ("pop3", "proxy-v2", 28),
        ("sieve", "proxy-v2", 28),
        ("imap", "id", 0),
    ],
)
def test_it_takes_the_address(service: str, way: str, header: int) -> None:
    found = asyncio.run(tried(service, way, header=header))
    assert (found.works, found.said) == (True, f"it greets, and takes the client's address ({way}): tried with 127.0.0.1 as the client")


def test_it_takes_xclient_step_by_step() -> None:
    assert asyncio.run(tried("smtp", "xclient", XCLIENT=b"220 mx\r\n")).works
    assert asyncio.run(tried("pop3", "xclient", XCLIENT=b"+OK\r\n")).works
    refused = asyncio.run(tried("smtp", "xclient"))
    assert not refused.works
    assert refused.said == "it does not take the client's address by XCLIENT (500 5.5.2 what?[2J?)"
    assert "smtpd_authorized_xclient_hosts" in refused.cure


@pytest.mark.parametrize("service", ["smtp", "imap", "pop3", "sieve"])
@pytest.mark.parametrize("way", ["proxy-v1", "proxy-v2"])
def test_it_takes_the_header_for_commands(service: str, way: str) -> None:
    found = asyncio.run(tried(service, way))
    assert not found.works
    assert found.said.startswith("it takes the PROXY header for commands (")
    assert "PROXY protocol" in found.cure


def test_it_waits_for_a_header_or_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT", 0.2)
    silent = asyncio.run(tried("imap", "none", header=28))
    assert (silent.works, silent.cure.partition(";")[0]) == (False, 'if it waits for a PROXY header: client_address = "proxy-v2"')
    assert not asyncio.run(tried("imap", "proxy-v2", greets=False)).works
    gone = asyncio.run(tried("pop3", "proxy-v2", greets=False, leaves=True))
    assert gone.said == "it hangs up before it is spoken to, though it was sent a PROXY header (proxy-v2)"


@pytest.mark.parametrize(
    ("service", "greeting"),
    [("smtp", b"421 4.3.2 busy\r\n"), ("imap", b"* BYE busy\r\n"), ("pop3", b"-ERR busy\r\n"), ("sieve", b'BYE "busy"\r\n')],
)
def test_a_server_that_turns_us_away_says_nothing_of_the_header(service: str, greeting: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, service, (greeting, *ANSWERS[service][1:]))
    found = asyncio.run(tried(service, "proxy-v2", header=28))
    assert (found.works, found.said) == (None, f"it greets with {greeting.decode().strip()}")


def test_a_server_that_only_greets_is_not_well() -> None:
    found = asyncio.run(tried("pop3", "proxy-v2", header=28, QUIT=b""))
    assert (found.works, found.said) == (None, "it greets, and answers nothing")


def test_it_is_away_or_answers_oddly() -> None:
    async def away(gate: Gate) -> None:
        found = await gate.inlet.prove()
        assert not found.works
        assert "is away" in found.said

    Gate("imap").run(away, backend=False)
    odd = asyncio.run(tried("pop3", "none", QUIT=b"-ERR not now\r\n"))
    assert (odd.works, odd.said) == (None, "it answers -ERR not now")
