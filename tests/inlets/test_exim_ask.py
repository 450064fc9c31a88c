"""The inlet that Exim asks, on real sockets, before a real guard."""

import asyncio
import base64
import os
from typing import Any

import pytest

from gatepost.core.access import Entry
from gatepost.core.countries import CountryPolicy
from gatepost.core.deeds import AdoptCountries
from gatepost.core.facts import AuthFailed, Connected, MessageAccepted, MessageBounced, Refused
from gatepost.core.spans import Span
from gatepost.core.subjects import account
from gatepost.inlets import asked
from gatepost.inlets.exim_ask import EximInlet, EximSettings
from tests.inlets import asking as how
from tests.inlets.asking import LOOPS, Made, asking, connected, now, rule
from tests.inlets.following import until

BOB = base64.b64encode(b"Bob").decode()
CLIENT = "client=192.0.2.7 port=587 host=mx1.example.org"


@pytest.fixture(autouse=True, params=LOOPS)
def _loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(how, "chosen_loop", request.param)


def made(guard: Made, **settings: Any) -> EximInlet:
    """An inlet on loopback."""
    return EximInlet(EximSettings(**({"listen": "127.0.0.1:0"} | settings)), guard.guard, now, lambda name: account(name, "example.org"))


async def ask(inlet: EximInlet, *pieces: str | bytes, eof: bool = True) -> str:
    """What Exim reads: all to the end of the stream."""
    reader, writer = await connected(inlet)
    for piece in pieces:
        writer.write(piece.encode() if isinstance(piece, str) else piece)
        await asyncio.sleep(0)
    if eof and writer.can_write_eof():
        writer.write_eof()
    try:
        return (await reader.read()).decode()
    except ConnectionError:
        return ""


def test_what_is_asked_is_reported() -> None:
    guard = Made()
    inlet = made(guard)

    async def doing() -> None:
        assert await ask(inlet, f"connect {CLIENT}\n") == "ok"
        assert await ask(inlet, "conn", f"ect {CLIENT}", "\n", eof=False) == "ok"
        assert await ask(inlet, f"auth {CLIENT}\n") == "ok"
        assert await ask(inlet, f"failed {CLIENT} account64={BOB}\n") == "ok"
        assert await ask(inlet, f"rcpt {CLIENT} account64={BOB}\n") == "ok"
        assert await ask(inlet, f"data {CLIENT} account64={BOB} recipients=3 size=500\n") == "ok"
        assert await ask(inlet, f"bounced {CLIENT} account64={BOB} recipient64={BOB}\n") == "ok"
        assert await ask(inlet, "connect client= port=\n") == "ok"

        assert await ask(inlet, f"data {CLIENT} account64= recipients=3 size=500\n") == "ok"  # a stranger's: the log tells of it

    asking(inlet, doing)
    assert guard.kinds() == ["Connected", "Connected", "AuthFailed", "MessageAccepted", "MessageBounced"]
    first = guard.of(Connected)[0]
    assert (first.client, first.host, first.service) == ("192.0.2.7", "mx1", "submission")
    assert [each.account for kind in (AuthFailed, MessageAccepted, MessageBounced) for each in guard.of(kind)] == ["bob@example.org"] * 3
    (message,) = guard.of(MessageAccepted)
    assert (message.recipients, message.size) == (3, 500)
    assert inlet.state().dropped == {"no address": 1}
    assert inlet.state().requests == 9


def test_the_nth_failed_log_in_is_the_last() -> None:
    guard = Made(rule("auth_failed", 3))
    inlet = made(guard)

    async def doing() -> None:
        for _ in range(3):
            assert await ask(inlet, f"auth {CLIENT}\n") == "ok"
            assert await ask(inlet, f"failed {CLIENT} account64={BOB}\n") == "ok"
        assert await ask(inlet, f"auth {CLIENT}\n") == "defer Not now, try again later"
        assert await ask(inlet, "auth client=192.0.2.8\n") == "ok"

    asking(inlet, doing)
    assert [(each.stage, each.reason) for each in guard.of(Refused)] == [("auth", "too-many-auth-failed")]


def test_a_country_is_refused_before_the_password_and_when_the_account_is_known() -> None:
    guard = Made()
    inlet = made(guard)
    guard.guard.place = lambda client: "NL"
    guard.guard.order.do(AdoptCountries(1, CountryPolicy(mode="enforce", codes=("DE",))))

    async def doing() -> None:
        assert await ask(inlet, f"auth {CLIENT}\n") == "deny Access denied"
        assert await ask(inlet, f"connect {CLIENT}\n") == "ok"
        assert await ask(inlet, f"rcpt {CLIENT} account64=\n") == "ok"
        assert await ask(inlet, f"rcpt {CLIENT} account64={BOB}\n") == "deny Access denied"

    asking(inlet, doing)
    assert [(each.stage, each.reason, each.country) for each in guard.of(Refused)] == [("auth", "country", "NL"), ("rcpt", "country", "NL")]


def test_relaying_is_granted_for_the_box_and_nothing_else() -> None:
    boxed = Entry(verb="allow", prefix="192.0.2.0/25", relay=True, detection=False)
    guard = Made(
        rule("connected", 2),
        entries=(boxed, Entry(verb="allow", prefix="192.0.2.200"), Entry(verb="deny", prefix="192.0.2.9"), Entry(verb="allow", prefix="127.0.0.0/8")),
    )
    inlet = made(guard)

    async def doing() -> None:
        answers = {"192.0.2.7": "relay", "192.0.2.200": "ok", "192.0.2.130": "ok", "192.0.2.9": "deny Access denied", "127.0.0.1": "ok"}
        assert {client: await ask(inlet, f"relay client={client}\n") for client in answers} == answers
        assert await ask(inlet, "rcpt client=192.0.2.7\n") == "ok"

    asking(inlet, doing)


def test_an_alert_about_messages_has_them_wait() -> None:
    for hold in (True, False):
        guard = Made(rule("recipients", 4, by="account", action="alert"))
        inlet = made(guard, hold=hold)

        async def doing(inlet: EximInlet = inlet, hold: bool = hold) -> None:
            answers = [await ask(inlet, f"data {CLIENT} account64={BOB} recipients=3\n") for _ in range(3)]
            assert answers == ["ok", "hold", "hold"] if hold else ["ok"] * 3
            assert await ask(inlet, f"rcpt {CLIENT} account64={BOB}\n") == "ok"

        asking(inlet, doing)


def test_a_delay_is_told_in_whole_seconds() -> None:
    guard = Made(rule("connected", 1, action="delay", delay=Span(1_500_000)))
    inlet = made(guard)

    async def doing() -> None:
        assert await ask(inlet, f"connect {CLIENT}\n") == "wait 2"
        assert await ask(inlet, f"rcpt {CLIENT}\n") == "ok"

    asking(inlet, doing)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no question"),
        (b"\0" * 10 + b"\n", "no question"),
        (b"x" * 5_000, "line too long"),
        (b"connect client=192.0.2.7 " + b"x=y " * 2_000 + b"\n", "line too long"),
        (b"connect client=192.0.2.7", "unfinished"),
        (b"", "unfinished"),
        (b"auth client=192.0.2.7 account64=%%%\xff\n", "no question"),
        (os.urandom(2_000).replace(b"\n", b"") + b"\n", "no question"),
    ],
)
def test_bad_questions_end_their_connection_alone(sent: bytes, why: str) -> None:
    guard = Made()
    inlet = made(guard)

    async def doing() -> None:
        assert await ask(inlet, sent) == ""
        assert await ask(inlet, f"auth {CLIENT}\n") == "ok"

    asking(inlet, doing)
    assert inlet.state().dropped == {why: 1}
    assert guard.facts == []


def test_slow_ones_are_ended_while_many_others_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "HALF", 1.0)
    monkeypatch.setattr("gatepost.inlets.listener.TICK", 0.1)
    guard = Made()
    guard.engine.set_rules(())
    inlet = made(guard)

    async def doing() -> None:
        slow = [asyncio.create_task(ask(inlet, "connect client=", eof=False)) for _ in range(100)]
        await until(lambda: len(inlet.door.open) == 100)
        answers = await asyncio.gather(*(ask(inlet, f"connect {CLIENT}\n") for _ in range(300)))
        assert answers == ["ok"] * 300
        assert set(await asyncio.gather(*slow)) == {""}

    asking(inlet, doing)
    assert inlet.state().dropped == {"slow": 100}
