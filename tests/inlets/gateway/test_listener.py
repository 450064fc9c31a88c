"""Who gets in: held clients, limits, delays, deny entries, and what is counted."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from gatepost.core.access import Entry
from gatepost.core.facts import Connected, SessionEnded
from gatepost.core.spans import SECOND, Span
from gatepost.core.subjects import client
from gatepost.inlets.gateway.listener import Crowd, GatewayInlet
from gatepost.inlets.gateway.settings import GatewaySettings
from tests.inlets.gateway.gates import Gate, rule

DENIED = (Entry(verb="deny", prefix="127.0.0.1"),)


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ("smtp", b"421 4.7.0 Try again later\r\n"),
        ("imap", b"* BYE Try again later\r\n"),
        ("pop3", b"-ERR [SYS/TEMP] Try again later\r\n"),
        ("sieve", b'BYE (TRYLATER) "Try again later"\r\n'),
    ],
)
@pytest.mark.parametrize("way", ["speak", "close"])
def test_who_is_denied_is_told_in_the_protocol_and_not_counted(service: str, says: bytes, way: str) -> None:
    gate = Gate(service, entries=DENIED, refusal=way)

    async def doing(gate: Gate) -> None:
        for _ in range(5):
            client = await gate.connect()
            assert await client.rest() == (says if way == "speak" else b"")
        assert gate.inlet.state().dropped == {"held": 5}
        assert gate.backend.sessions == []

    gate.run(doing)
    assert gate.facts() == []


def test_the_nth_connection_is_turned_away_itself() -> None:
    gate = Gate("smtp", (rule("connected", 3),))

    async def doing(gate: Gate) -> None:
        for _ in range(2):
            client = await gate.connect()
            assert await client.until(b"\r\n") == b"220 mx ESMTP\r\n"
        for _ in range(3):
            client = await gate.connect()
            assert await client.rest() == b"421 4.7.0 Try again later\r\n"

    gate.run(doing)
    assert sum(isinstance(fact, Connected) for fact in gate.facts()) == 3


def test_connections_open_at_one_time_are_a_rule_of_their_own() -> None:
    gate = Gate("imap", (rule("open_connections", 3),))

    async def doing(gate: Gate) -> None:
        for _ in range(4):  # they come and go: never three at one time
            first, second = await gate.connect(), await gate.connect()
            await first.until(b"\r\n")
            await second.until(b"\r\n")
            first.writer.close()
            second.writer.close()
            await gate.until(lambda: not gate.inlet.state().connections)
        for _ in range(2):
            await (await gate.connect()).until(b"\r\n")
        third = await gate.connect()
        assert await third.rest() == b"* BYE Try again later\r\n"

    gate.run(doing)
    assert [fact.open for fact in gate.facts() if isinstance(fact, Connected)] == [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 3]


def test_who_takes_a_gateways_place_counts_its_connections_on() -> None:
    crowd = Crowd()
    gate = Gate("imap", connections_of_one=2)

    async def doing(gate: Gate) -> None:
        who = client("127.0.0.1")
        crowd.enter(who)  # of the inlet of before
        gate.inlet._crowd = crowd
        await (await gate.connect()).until(b"\r\n")
        assert await (await gate.connect()).rest() == b"* BYE Try again later\r\n"
        crowd.leave(who)
        await (await gate.connect()).until(b"\r\n")

    gate.run(doing)
    assert [fact.open for fact in gate.facts() if isinstance(fact, Connected)] == [2, 2]
    assert (crowd.total, dict(crowd.of)) == (0, {})


def test_a_delay_holds_the_greeting() -> None:
    gate = Gate("smtp", (rule("connected", 1, action="delay", delay=Span(SECOND)),))

    async def doing(gate: Gate) -> None:
        began = time.monotonic()
        client = await gate.connect()
        await asyncio.sleep(0.2)
        assert gate.backend.sessions == []
        assert gate.inlet.state().connections == 1
        await client.until(b"\r\n")
        assert time.monotonic() - began >= 1

    gate.run(doing)


@pytest.mark.parametrize("limit", [{"connections": 2}, {"connections_of_one": 2}])
def test_connections_are_bounded(limit: Any) -> None:
    gate = Gate("imap", **limit)

    async def doing(gate: Gate) -> None:
        first, second = await gate.connect(), await gate.connect()
        await first.until(b"\r\n")
        await second.until(b"\r\n")
        third = await gate.connect()
        assert await third.rest() == b"* BYE Try again later\r\n"
        assert gate.inlet.state().dropped == {"too many connections": 1}
        first.writer.close()
        await gate.until(lambda: gate.inlet.state().connections == 1)
        fourth = await gate.connect()
        await fourth.until(b"\r\n")

    gate.run(doing)
    assert sum(isinstance(fact, Connected) for fact in gate.facts()) == 3


def test_relay_control_and_the_relay_box() -> None:
    relay = {"local_domains": ["here"], "enforce": True}
    command = b"MAIL FROM:<a@b>\r\nRCPT TO:<u@elsewhere>\r\n"

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        assert await client.says(command, b"Relay access denied\r\n") == b"250 2.0.0 Ok\r\n550 5.7.1 Relay access denied\r\n"

    async def allowed(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        assert await client.says(command, b"Ok\r\n250 2.0.0 Ok\r\n") == b"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"

    denied = Gate("smtp", relay=relay)
    denied.run(doing)
    assert [type(fact).__name__ for fact in denied.facts()] == ["Connected", "Rejected", "SessionEnded"]
    Gate("smtp", entries=(Entry(verb="allow", prefix="127.0.0.1"),), relay=relay).run(doing)
    Gate("smtp", entries=(Entry(verb="allow", prefix="127.0.0.1", relay=True),), relay=relay).run(allowed)


def test_what_passes_blindly_counts_connections_alone() -> None:
    gate = Gate("smtp", starttls="pass")

    async def doing(gate: Gate) -> None:
        client = await gate.connect()
        await client.until(b"\r\n")
        client.writer.close()
        await gate.until(lambda: not gate.inlet.state().connections)
        assert {state.kind for state in gate.guard.witness.state()} == {"connected"}
        assert "blindly" in gate.inlet.state().shown

    gate.run(doing)
    assert [(type(fact), fact.evidence_only) for fact in gate.facts()] == [(Connected, False), (SessionEnded, True)]


def test_an_address_that_is_taken_is_told_and_tried_again() -> None:
    gate = Gate("smtp")

    async def doing(gate: Gate) -> None:
        other = Gate("smtp", listen=[f"127.0.0.1:{gate.inlet.ports[0]}"])
        other.backend = gate.backend
        settings = msgspec.convert({"backend": "127.0.0.1:1"} | other._given, GatewaySettings)
        inlet = GatewayInlet("smtp", settings, gate.guard, lambda: 1)
        task = asyncio.create_task(inlet.run())
        await gate.until(lambda: "trying again" in inlet.state().problem)
        task.cancel()
        await asyncio.wait([task])

    gate.run(doing)
