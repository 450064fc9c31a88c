"""The milter inlet, on real sockets, before a real guard."""

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from gatepost.core.access import Entry
from gatepost.core.facts import AuthFailed, Connected, MessageAccepted, Refused, Rejected, SessionEnded
from gatepost.core.spans import Span
from gatepost.core.subjects import account, client
from gatepost.inlets import asked
from gatepost.inlets.milter import MilterInlet, MilterSettings
from tests.inlets import asking as how
from tests.inlets.asking import LOOPS, Made, asking, connected, now, rule
from tests.inlets.following import until
from tests.inlets.listening import running
from tests.wire.test_milter import connect, macros, offer, packed

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
ALL = ("connected", "message_accepted", "rejected", "session_ended")
CONTINUE, LATER = b"c", b"y421 4.7.0 Not now, try again later\0"


@pytest.fixture(autouse=True, params=LOOPS)
def _loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(how, "chosen_loop", request.param)


def made(guard: Made, **settings: Any) -> MilterInlet:
    """An inlet on loopback."""
    return MilterInlet(MilterSettings(**({"listen": "127.0.0.1:0"} | settings)), guard.guard, now, lambda name: account(name, "example.org"))


class Server:
    """A mail server's connection, by hand."""

    def __init__(self, streams: Streams) -> None:
        self.reader, self.writer = streams

    def send(self, *packets: bytes) -> None:
        """Sends packets in one go."""
        self.writer.write(b"".join(packets))

    async def answer(self) -> bytes:
        """The next answer; empty at the end."""
        try:
            (length,) = struct.unpack(">I", await self.reader.readexactly(4))
            return await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def ask(self, *packets: bytes) -> bytes:
        """Sends what makes one question; its answer."""
        self.send(*packets)
        return await self.answer()

    async def greet(self, version: int = 6, steps: int = 0x1FFFFF) -> None:
        """Negotiates."""
        assert (await self.ask(offer(version, 0x1FF, steps)))[:1] == b"O"


async def server(inlet: MilterInlet, **how: int) -> Server:
    """A mail server that has negotiated."""
    found = Server(await connected(inlet))
    await found.greet(**how)
    return found


MESSAGE = (macros(b"M", auth_authen=b"Bob"), packed(b"M", b"<a@b>\0SIZE=500\0"))


async def deliver(one: Server, recipients: int = 1) -> bytes:
    """A message; what it gets at its end, or the first refusal."""
    answer = await one.ask(*MESSAGE)
    for number in range(recipients):
        if answer != CONTINUE:
            return answer
        answer = await one.ask(packed(b"R", b"<r%d@example.org>\0" % number))
    return await one.ask(packed(b"E")) if answer == CONTINUE else answer


def test_a_session_is_reported_and_the_next_on_the_same_connection_begins_afresh() -> None:
    guard = Made()
    inlet = made(guard, counts=ALL)

    async def doing() -> None:
        one = await server(inlet)
        assert await one.ask(macros(b"C", j=b"mx1.example.org", daemon_port=b"587"), connect()) == CONTINUE
        assert await deliver(one, 3) == CONTINUE
        one.send(packed(b"A"), packed(b"K"))
        assert await one.ask(connect(b"IPv6:2001:db8::9", b"6")) == CONTINUE
        one.send(packed(b"Q"))
        await until(lambda: len(guard.of(SessionEnded)) == 2)

    asking(inlet, doing)
    first, second = guard.of(Connected)
    assert (first.client, first.host, first.service, second.client, second.service) == ("192.0.2.7", "mx1", "submission", "2001:db8::9", "smtp")
    (message,) = guard.of(MessageAccepted)
    assert (message.account, message.recipients, message.size, message.client) == ("bob@example.org", 3, 500, "192.0.2.7")
    ended = guard.of(SessionEnded)
    assert [(each.client, each.messages, each.authenticated) for each in ended] == [("192.0.2.7", 1, True), ("2001:db8::9", 0, False)]
    assert inlet.state().requests == 7


@pytest.mark.parametrize(("version", "steps"), [(6, 0x1FFFFF), (2, 0x7F), (3, 0x1FF), (4, 0x3FF)])
def test_the_nth_connection_is_refused_and_the_next_client_goes_on(version: int, steps: int) -> None:
    guard = Made(rule("connected", 3))
    inlet = made(guard)

    async def doing() -> None:
        for expected in (CONTINUE, CONTINUE, LATER, LATER):
            one = await server(inlet, version=version, steps=steps)
            assert await one.ask(connect()) == expected
        assert await one.ask(packed(b"K"), connect(b"192.0.2.8")) == CONTINUE

    asking(inlet, doing)
    assert [(each.client, each.stage, each.reason) for each in guard.of(Refused)] == [("192.0.2.7", "connect", "too-many-connected")] * 2
    assert inlet.state().refusals == 2


def test_who_is_denied_is_told_so_and_who_comes_from_a_program_is_not_asked_about() -> None:
    guard = Made(entries=(Entry(verb="deny", prefix="192.0.2.7"),))
    inlet = made(guard)

    async def doing() -> None:
        one = await server(inlet)
        assert await one.ask(connect()) == b"y554 5.7.1 Access denied\0"
        for family, address in ((b"U", b""), (b"L", b"/run/x"), (b"4", b"no address"), (b"6", b"IPv6:")):
            assert await one.ask(packed(b"K"), connect(address, family)) == b"a"

    asking(inlet, doing)
    assert len(guard.of(Connected)) == 1


def test_an_account_that_sends_too_much_is_stopped_at_the_message_that_does_it() -> None:
    guard = Made(rule("recipients", 4, by="account"))
    inlet = made(guard)

    async def doing() -> None:
        one = await server(inlet)
        await one.ask(connect())
        assert await deliver(one, 3) == CONTINUE
        assert await deliver(one, 3) == b"y451 4.7.0 Not now, try again later\0"
        other = await server(inlet)
        await other.ask(connect(b"192.0.2.9"))
        assert await other.ask(*MESSAGE) == b"y450 4.7.0 Not now, try again later\0"
        assert await other.ask(packed(b"M", b"<a@b>\0")) == CONTINUE  # nobody's account

    asking(inlet, doing)
    assert [each.recipients for each in guard.of(MessageAccepted)] == [3, 3]


def test_a_strangers_message_is_left_to_the_log() -> None:
    guard = Made()
    inlet = made(guard)

    async def doing() -> None:
        one = await server(inlet)
        for packets in (connect(), packed(b"M", b"<a@b>\0"), packed(b"R", b"<c@d>\0"), packed(b"E")):
            assert await one.ask(packets) == CONTINUE

    asking(inlet, doing)
    assert guard.kinds() == ["Connected"]


@pytest.mark.parametrize(("hold", "actions"), [(True, 0x1FF), (False, 0x1FF), (True, 0x1F)])
def test_an_alert_about_messages_has_them_wait_where_the_server_can(hold: bool, actions: int) -> None:
    guard = Made(rule("recipients", 4, by="account", action="alert"))
    inlet = made(guard, hold=hold)

    async def doing() -> None:
        one = Server(await connected(inlet))
        await one.ask(offer(6, actions))
        await one.ask(connect())
        assert await deliver(one, 3) == CONTINUE
        for _ in range(2):
            answer = await deliver(one, 3)
            assert answer == (b"qheld by Gatepost\0" if hold and actions & 0x20 else CONTINUE)
            assert answer == CONTINUE or await one.answer() == CONTINUE

    asking(inlet, doing)


def test_a_hold_of_log_ins_is_for_who_has_logged_in() -> None:
    guard = Made(rule("auth_failed", 1, scope="logins", on=("imap", "smtp")))
    inlet = made(guard)
    guard.guard.order.report(AuthFailed(now(), "mx1", "imap", "imap", client("192.0.2.7")))

    async def doing() -> None:
        one = await server(inlet)
        assert await one.ask(connect()) == CONTINUE
        assert await one.ask(*MESSAGE) == b"y450 4.7.0 Not now, try again later\0"
        assert await one.ask(packed(b"M", b"<a@b>\0")) == CONTINUE

    asking(inlet, doing)


def test_recipients_that_the_server_refuses_are_told_where_that_is_wanted() -> None:
    refused = (macros(b"R", rcpt_mailer=b"error", rcpt_host=b"5.1.1", rcpt_addr=b"550 5.1.1 <g@x>: User unknown"), packed(b"R", b"<g@x>\0"))
    later = (macros(b"R", rcpt_mailer=b"error", rcpt_host=b"4.7.1", rcpt_addr=b"450 4.7.1 <h@x>: Greylisted"), packed(b"R", b"<h@x>\0"))
    for counts, expected in ((ALL, [("g@x", 550, "unknown_user"), ("h@x", 450, "greylisted")]), (("connected",), [])):
        guard = Made()
        inlet = made(guard, counts=counts)

        async def doing(inlet: MilterInlet = inlet) -> None:
            one = await server(inlet)
            for packets in ((connect(),), MESSAGE, refused, later):
                assert await one.ask(*packets) == CONTINUE
            one.writer.close()
            await until(lambda: not inlet.door.open)

        asking(inlet, doing)
        assert [(each.recipient, each.code, each.reason) for each in guard.of(Rejected)] == expected
        assert [(each.messages, each.server_at_fault) for each in guard.of(SessionEnded)] == ([(0, True)] if expected else [])


def test_a_delay_holds_the_answer_back_and_the_questions_behind_it() -> None:
    guard = Made(rule("connected", 2, action="delay", delay=Span(1_000_000)))
    inlet = made(guard, delays=1)

    async def doing() -> None:
        one = await server(inlet)
        assert await one.ask(connect()) == CONTINUE
        one.send(packed(b"K"), connect(), *MESSAGE, packed(b"R", b"<c@d>\0"), packed(b"K"), connect(b"192.0.2.8"))
        began = asyncio.get_running_loop().time()
        two = await server(inlet)
        await until(lambda: inlet.delayed == 1)
        assert await two.ask(connect()) == CONTINUE  # one waits already
        assert inlet.delayed == 1
        assert [await one.answer() for _ in range(4)] == [CONTINUE] * 4
        assert asyncio.get_running_loop().time() - began >= 2  # connection and sender, not the recipient
        two.send(packed(b"K"), connect())
        await until(lambda: inlet.delayed == 1)
        two.writer.close()  # gives up meanwhile
        await until(lambda: inlet.delayed == 0)

    asking(inlet, doing)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "bad length"),
        (offer() + os.urandom(3) + b"\xff" * 200_000, ""),
        (offer() + packed(b"Z"), "unknown command"),
        (connect(), "no negotiation"),
        (offer(1), "version too old"),
    ],
)
def test_garbage_ends_its_connection_alone(sent: bytes, why: str) -> None:
    guard = Made()
    inlet = made(guard)

    async def doing() -> None:
        good = await server(inlet)
        bad = Server(await connected(inlet))
        bad.send(sent)
        while await bad.answer():
            pass
        await until(lambda: len(inlet.door.open) == 1)
        assert await good.ask(connect()) == CONTINUE

    asking(inlet, doing)
    assert sum(inlet.state().dropped.values()) == 1
    if why:
        assert inlet.state().dropped == {why: 1}


def test_half_a_packet_and_silence_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "HALF", 0.5)
    monkeypatch.setattr("gatepost.inlets.listener.TICK", 0.1)
    guard = Made()
    inlet = made(guard)

    async def doing() -> None:
        slow = await server(inlet)
        slow.send(connect()[:7])
        assert await slow.answer() == b""
        monkeypatch.setattr(asked.Asked, "idle", 0.3)
        idle = await server(inlet)
        assert await idle.answer() == b""

    asking(inlet, doing)
    assert inlet.state().dropped == {"slow": 1, "idle": 1}


def test_strangers_and_too_many_are_sent_away() -> None:
    guard = Made()
    few, closed = made(guard, connections=20), made(guard, askers=("192.0.2.0/24",))

    async def many() -> None:
        found = [await server(few) for _ in range(20)]
        assert await Server(await connected(few)).answer() == b""
        assert [await each.ask(connect()) for each in found] == [CONTINUE] * 20
        found[0].writer.close()
        await until(lambda: len(few.door.open) == 19)
        await server(few)

    async def strange() -> None:
        assert await Server(await connected(closed)).answer() == b""

    asking(few, many)
    asking(closed, strange)
    assert (few.state().dropped, closed.state().dropped) == ({"too many connections": 1}, {"stranger": 1})


def test_a_thousand_connections_are_kept_and_answered() -> None:
    guard = Made()
    guard.engine.set_rules(())
    inlet = made(guard)

    async def doing() -> None:
        found = [await server(inlet) for _ in range(1_000)]
        assert inlet.state().connections == 1_000
        assert {await each.ask(connect()) for each in found} == {CONTINUE}

    asking(inlet, doing)
    assert inlet.state().dropped == {}


def test_a_server_that_does_not_read_its_answers_waits_itself() -> None:
    guard = Made()
    guard.engine.set_rules(())
    inlet = made(guard)

    def unread() -> int:
        return max(each.transport.get_write_buffer_size() if each.transport is not None else 0 for each in inlet.door.open)

    async def doing() -> None:
        greedy = await server(inlet)
        greedy.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for each in inlet.door.open:  # what cannot be sent is to show soon
            assert each.transport is not None
            each.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sending = asyncio.create_task(_flood(greedy, connect() * 500))
        await until(lambda: unread() > 64 * 1024)
        asked = inlet.state().requests
        good = await server(inlet)
        assert await good.ask(connect(b"192.0.2.8")) == CONTINUE
        assert inlet.state().requests == asked + 1
        assert unread() < 1 << 20
        sending.cancel()

    asking(inlet, doing)


async def _flood(one: Server, data: bytes) -> None:
    while True:
        one.writer.write(data)
        await one.writer.drain()


def test_a_unix_socket_has_its_rights_and_goes_with_the_inlet(tmp_path: Path) -> None:
    path = tmp_path / "milter"
    guard = Made()
    inlet = made(guard, listen=str(path), mode="0600")
    path.touch()

    async def doing() -> None:
        await until(lambda: "trying again" in inlet.state().problem)
        path.unlink()
        await until(lambda: inlet.door.listening)
        assert path.stat().st_mode & 0o777 == 0o600
        one = await server(inlet)
        assert await one.ask(connect()) == CONTINUE
        one.writer.close()
        await one.writer.wait_closed()

    running(inlet, doing, LOOPS[how.chosen_loop])
    assert not path.exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"listen": "localhost:1"}, "listen"),
        ({"listen": "127.0.0.1:99999"}, "listen"),
        ({"listen": "/" + "x" * 120}, "107"),
        ({"askers": ("x",)}, "askers"),
    ],
)
def test_settings_that_do_not_fit_are_told(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MilterSettings(**({"listen": "127.0.0.1:1"} | settings))


def test_what_is_reported_makes_the_same_in_the_log_evidence() -> None:
    guard = Made(rule("connected", 2))
    inlet = made(guard)

    async def doing() -> None:
        one = await server(inlet)
        assert await one.ask(connect()) == CONTINUE
        guard.guard.report([Connected(now(), "mx1", "smtp", "smtp", guard.of(Connected)[0].client)])
        assert await one.ask(packed(b"K"), connect(b"192.0.2.8")) == CONTINUE
        assert [each.evidence_only for each in guard.of(Connected)] == [False, True, False]

    asking(inlet, doing)
    guard.guard.report([Connected(now() + 1, "mx1", "smtp", "smtp", client("192.0.2.99"))])
    assert [each.evidence_only for each in guard.of(Connected)][-1] is False  # it has stopped
