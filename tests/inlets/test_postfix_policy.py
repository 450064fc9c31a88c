"""Postfix's questions over real sockets: what is answered, what is counted, and what bad peers get."""

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gatepost.core.access import Entry
from gatepost.core.deeds import AdoptLists, AdoptRules, AnyDeed, Hold
from gatepost.core.facts import Fact, MessageAccepted, Refused
from gatepost.core.rules import Rule
from gatepost.core.spans import HOUR, MINUTE, SECOND, Span
from gatepost.core.subjects import Subject, account
from gatepost.inlets.postfix_policy import PostfixPolicyInlet, PostfixPolicySettings
from gatepost.stores.contract import Audit
from tests.admin.desks import Bench, bench, do
from tests.inlets.following import until
from tests.inlets.listening import running

PEER = "203.0.113.7"
DUNNO = b"action=DUNNO\n\n"


def question(context: str = "access", state: str = "RCPT", client: str = PEER, user: str = "", instance: str = "1.2.3", recipients: int = 1) -> bytes:
    """A question as Postfix writes it."""
    told = {
        "request": "smtpd_access_policy",
        "protocol_state": state,
        "protocol_name": "ESMTP",
        "client_address": client,
        "client_name": "unknown",
        "helo_name": "x=y",
        "sender": "friend@friend.example",
        "recipient": "bob@example.org",
        "recipient_count": recipients,
        "instance": instance,
        "size": 1000,
        "sasl_username": user,
        "policy_context": context,
    }
    return "".join(f"{name}={value}\n" for name, value in told.items()).encode() + b"\n"


def end_of(user: str = "Alice@Example.org", instance: str = "1.2.3", recipients: int = 1, client: str = PEER) -> bytes:
    """The question at the end of a message."""
    return question("data", "END-OF-MESSAGE", client, user, instance, recipients)


@pytest.fixture(params=["asyncio", "uvloop"])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A guard, on either loop."""
    if request.param == "uvloop":
        monkeypatch.setattr(asyncio.events, "new_event_loop", uvloop.new_event_loop)
    with bench() as found:
        yield found


class Peer:
    """A program that asks."""

    def __init__(self, inlet: PostfixPolicyInlet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.inlet, self.reader, self.writer = inlet, reader, writer

    async def ask(self, *questions: bytes) -> list[str]:
        """The actions that answer some questions."""
        self.writer.write(b"".join(questions))
        found = [await asyncio.wait_for(self.reader.readuntil(b"\n\n"), 30) for _ in questions]
        return [each.decode().removeprefix("action=").strip() for each in found]

    async def ended(self) -> bytes:
        """What comes until the other side hangs up."""
        found = b""
        try:
            while more := await asyncio.wait_for(self.reader.read(65536), 30):
                found += more
        except ConnectionError:
            pass
        return found


Doing = Callable[[PostfixPolicyInlet, Callable[[], Coroutine[Any, Any, Peer]]], Coroutine[Any, Any, None]]


def asked(made: Bench, doing: Doing, **settings: Any) -> PostfixPolicyInlet:
    """Has an inlet listen while something is done to it."""
    inlet = PostfixPolicyInlet(
        PostfixPolicySettings(**{"listen": "127.0.0.1:0"} | settings), made.guard, made.now, lambda name: account(name, "example.org"), "mx"
    )

    peers: list[Peer] = []

    async def connect() -> Peer:
        if inlet.settings.listen.startswith("/"):
            peers.append(Peer(inlet, *await asyncio.open_unix_connection(inlet.settings.listen)))
        else:
            peers.append(Peer(inlet, *await asyncio.open_connection("127.0.0.1", inlet.door.port)))
        return peers[-1]

    async def work() -> None:
        await until(lambda: inlet.state().listening)
        await doing(inlet, connect)
        await made.guard.quiet()
        for peer in peers:
            peer.writer.transport.abort()
        await asyncio.gather(*(peer.writer.wait_closed() for peer in peers), return_exceptions=True)

    running(inlet, work)
    return inlet


def one(made: Bench, *questions: bytes, **settings: Any) -> list[str]:
    """The answers to questions on one connection."""
    found: list[str] = []

    async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
        peer = await connect()
        for each in questions:
            found.extend(await peer.ask(each))
        peer.writer.close()

    asked(made, doing, **settings)
    return found


def deed(made: Bench, given: AnyDeed) -> None:
    """Does a deed."""
    do(made.guard.do(given, Audit(at=made.at, who="anna", action="test")))


def listed(made: Bench, *entries: Entry) -> None:
    """Puts entries in force beside the own ones."""
    deed(made, AdoptLists(made.at, (*made.engine.lists.entries, *entries)))


def facts(made: Bench) -> list[Fact]:
    """The facts that are in the store."""
    made.journal.flush()
    made.journal.close()
    return [entry for _, entry in made.store.entries_after(0) if isinstance(entry, Fact)]


def spam(threshold: int, **more: Any) -> Rule:
    """A rule about the recipients of an account."""
    given: dict[str, Any] = {"action": "alert"} | more
    return Rule(
        name="spam", counts="recipients", on=("smtp",), by="account", threshold=threshold, window=Span(HOUR), hold_for=Span(10 * MINUTE), **given
    )


def rules(made: Bench, *given: Rule) -> None:
    """Puts rules in force."""
    deed(made, AdoptRules(made.at, given))


def hold(made: Bench, subject: Subject) -> None:
    """Holds somebody by hand."""
    deed(made, Hold(made.at, subject, made.at + HOUR, ("smtp",), "by hand"))


class TestAccess:
    """Who may go on."""

    def test_a_client_that_nothing_speaks_against(self, made: Bench) -> None:
        assert one(made, question(), question(state="MAIL"), question(state="CONNECT", client="2001:db8::1")) == ["DUNNO"] * 3

    def test_ok_is_never_said(self, made: Bench) -> None:
        listed(made, Entry(verb="allow", prefix=PEER, relay=True))
        states = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE", "VRFY", "ETRN", "")
        assert set(one(made, *(question(state=state) for state in states))) == {"DUNNO"}

    def test_who_is_held_is_told_to_come_back_and_who_is_denied_is_not(self, made: Bench) -> None:
        hold(made, Subject("client", PEER))
        listed(made, Entry(verb="deny", prefix="192.0.2.0/24"))
        first, second, other = one(made, question(), question(client="192.0.2.9"), question(client="198.18.0.1"))
        assert (first[:10], second, other) == ("421 4.3.2 ", "REJECT", "DUNNO")
        assert "gatepost" not in first.lower()

    def test_a_refusal_is_kept_once_a_message_and_counted_by_nobody(self, made: Bench) -> None:
        hold(made, Subject("client", PEER))
        one(made, *[question(instance="a")] * 3, question(instance="b"))
        assert [(type(each), each.client) for each in facts(made)] == [(Refused, PEER)] * 2

    def test_mapped_addresses_are_ipv4(self, made: Bench) -> None:
        hold(made, Subject("client", PEER))
        assert one(made, question(client=f"::ffff:{PEER}"))[0][:3] == "421"

    def test_a_held_account_is_refused_from_elsewhere(self, made: Bench) -> None:
        hold(made, Subject("account", "alice@example.org"))
        assert [each[:3] for each in one(made, question(user="ALICE"), question(user="bob"), question())] == ["421", "DUN", "DUN"]

    def test_a_delay_is_postfixs_to_sit_out_once_a_message_and_never_too_many(self, made: Bench) -> None:
        delay = Rule(name="slow", counts="connected", threshold=2, window=Span(HOUR), action="delay", delay=Span(3 * SECOND), hold_for=Span(HOUR))
        rules(made, delay)
        for number in (7, 8, 9):
            made.connect(f"203.0.113.{number}", 2)
        answers = one(made, *(question(client=f"203.0.113.{number}", instance=str(number)) for number in (7, 7, 8, 9)), delays=2, delay_s=2)
        assert answers == ["sleep 2", "DUNNO", "sleep 2", "DUNNO"]


class TestRelay:
    """Who may relay."""

    def test_only_an_entry_with_the_box_at_rcpt_and_when_asked_for_relaying(self, made: Bench) -> None:
        listed(made, Entry(verb="allow", prefix=PEER, relay=True), Entry(verb="allow", prefix="203.0.113.8"))
        ask = [question("relay"), question("relay", "DATA"), question("relay", ""), question("access"), question(""), question("relays")]
        assert one(made, *ask, question("relay", client="203.0.113.8")) == ["OK", *["DUNNO"] * 6]

    @pytest.mark.parametrize("client", ["203.0.114.7", "2001:db8::cb00:7107", "unknown", "", "203.0.113.7.evil", "٢٠٣.0.113.7"])
    def test_nobody_near_it(self, made: Bench, client: str) -> None:
        listed(made, Entry(verb="allow", prefix="203.0.113.0/24", relay=True))
        assert one(made, question("relay", client=client)) == ["DUNNO"]

    def test_a_denied_address_inside_and_an_expired_entry(self, made: Bench) -> None:
        listed(made, Entry(verb="allow", prefix="203.0.113.0/24", relay=True), Entry(verb="deny", prefix=PEER))
        listed(made, Entry(verb="allow", prefix="198.18.0.1", relay=True, expires=made.at))
        assert one(made, question("relay"), question("relay", client="198.18.0.1")) == ["DUNNO", "DUNNO"]

    def test_own_networks_do_not_relay(self, made: Bench) -> None:
        assert one(made, question("relay", client="127.0.0.1"), question("relay", client="10.0.0.1")) == ["DUNNO", "DUNNO"]

    def test_a_socket_of_its_own_and_a_name_that_contradicts_it(self, made: Bench) -> None:
        listed(made, Entry(verb="allow", prefix=PEER, relay=True))
        assert one(made, question("relay"), question(""), question("access"), context="relay") == ["OK", "OK", "DUNNO"]
        assert one(made, question("relay"), context="access") == ["DUNNO"]


class TestMessages:
    """What an account sent."""

    def test_a_message_counts_once_however_often_it_is_asked_about(self, made: Bench) -> None:
        assert one(made, end_of(recipients=3), end_of(recipients=3), end_of(instance="4.5.6", recipients=0)) == ["DUNNO"] * 3
        kept = [each for each in facts(made) if isinstance(each, MessageAccepted)]
        assert [(each.account, each.recipients, each.size, each.client) for each in kept] == [
            ("alice@example.org", 3, 1000, PEER),
            ("alice@example.org", 1, 1000, PEER),
        ]

    def test_it_is_the_witness_from_the_first_message_on(self, made: Bench) -> None:
        told = MessageAccepted(made.at, "mx", "smtp", "smtp", PEER, False, "alice@example.org", 3)  # type: ignore[arg-type]

        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            peer = await connect()
            await peer.ask(question(), question("relay"))
            assert not made.guard.witness.covers(told)
            await peer.ask(end_of())
            assert made.guard.witness.covers(told)
            stranger = MessageAccepted(made.at, "mx", "smtp", "smtp", PEER)  # type: ignore[arg-type]
            assert not made.guard.witness.covers(stranger)

        asked(made, doing)
        assert not made.guard.witness.listening

    def test_messages_of_strangers_are_the_logs_to_tell(self, made: Bench) -> None:
        assert one(made, end_of(user="")) == ["DUNNO"]
        assert facts(made) == []

    @pytest.mark.parametrize(
        ("rule", "answers"),
        [
            (spam(3), ["DUNNO", "HOLD", "HOLD"]),
            (spam(3, action="block"), ["DUNNO", "450", "450"]),
            (spam(3, mode="observe"), ["DUNNO", "DUNNO", "DUNNO"]),
            (spam(3, action="block", mode="observe"), ["DUNNO", "DUNNO", "DUNNO"]),
        ],
    )
    def test_the_message_that_is_too_much_gets_what_the_rule_says(self, made: Bench, rule: Rule, answers: list[str]) -> None:
        rules(made, rule)
        found = one(made, end_of(recipients=2), end_of(instance="b"), end_of(instance="c"), end_of(user="bob", instance="d"))
        assert [each.split()[0] for each in found] == [*answers, "DUNNO"]

    def test_hold_is_a_setting(self, made: Bench) -> None:
        rules(made, spam(1))
        assert one(made, end_of(), hold=False) == ["DUNNO"]

    def test_what_was_refused_is_no_accepted_message(self, made: Bench) -> None:
        rules(made, spam(1, action="block"))
        one(made, end_of(), end_of(instance="b"), end_of(instance="c"))
        assert [type(each) for each in facts(made)] == [MessageAccepted, Refused, Refused, Refused]


class TestPeers:
    """Connections."""

    def test_hundreds_are_kept_and_all_are_answered(self, made: Bench) -> None:
        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            peers = [await connect() for _ in range(300)]
            for _ in range(3):
                assert await asyncio.gather(*(peer.ask(question()) for peer in peers)) == [["DUNNO"]] * 300
            assert (inlet.state().connections, inlet.state().requests) == (300, 900)
            for peer in peers:
                peer.writer.close()
            await until(lambda: inlet.state().connections == 0)

        asked(made, doing)

    def test_of_five_thousand_as_many_are_taken_as_are_allowed(self, made: Bench) -> None:
        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            first = await connect()
            assert await first.ask(question()) == ["DUNNO"]
            kept, turned = [first], 0
            for _ in range(5_000):
                peer = await connect()
                if inlet.state().connections == 100 and len(kept) >= 100:
                    turned += 1
                    peer.writer.transport.abort()
                else:
                    await until(lambda: inlet.state().connections == len(kept) + 1)
                    kept.append(peer)
            assert (len(kept), inlet.state().connections) == (100, 100)
            await until(lambda: inlet.state().dropped.get("too many connections", 0) == turned)
            assert await first.ask(question()) == ["DUNNO"]

        asked(made, doing, connections=100)

    @pytest.mark.parametrize(
        ("sent", "reason"),
        [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "no policy request"),
            (os.urandom(1_000), "no policy request"),
            (b"\n\n", "no policy request"),
            (b"request=smtpd_access_policy\nsender=" + b"x" * 200_000, "too long"),
            (b"request=smtpd_access_policy\n" + b"a=b\n" * 50_000 + b"\n", "too long"),
        ],
        ids=["http", "garbage", "nothing", "never-ending", "oversized"],
    )
    def test_what_is_no_request_ends_the_connection_counted(self, made: Bench, sent: bytes, reason: str) -> None:
        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            peer = await connect()
            peer.writer.write(sent)
            assert await peer.ended() == b""
            assert inlet.state().dropped == {reason: 1}
            other = await connect()
            assert await other.ask(question()) == ["DUNNO"]

        asked(made, doing)

    def test_a_request_that_is_cut_short_is_counted(self, made: Bench) -> None:
        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            peer = await connect()
            peer.writer.write(question()[:-40])
            peer.writer.close()
            await until(lambda: inlet.state().dropped == {"unfinished": 1})

        asked(made, doing)

    def test_slow_peers_are_ended_and_kept_ones_are_not(self, made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gatepost.inlets.asked.HALF", 0.3)
        monkeypatch.setattr("gatepost.inlets.listener.TICK", 0.05)

        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            kept, silent, slow = await connect(), await connect(), await connect()
            assert await kept.ask(question()) == ["DUNNO"]
            slow.writer.write(b"request=smtpd_access_policy\nclient")
            assert (await silent.ended(), await slow.ended()) == (b"", b"")
            assert inlet.state().dropped == {"slow": 2}
            assert await kept.ask(question()) == ["DUNNO"]

        asked(made, doing)

    def test_a_byte_at_a_time_is_answered(self, made: Bench) -> None:
        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            peer = await connect()
            for byte in question():
                peer.writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert await peer.reader.readuntil(b"\n\n") == DUNNO

        asked(made, doing)

    def test_who_asks_and_does_not_read_is_ended(self, made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gatepost.inlets.asked.HALF", 0.5)
        monkeypatch.setattr("gatepost.inlets.listener.TICK", 0.05)

        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            with socket.create_connection(("127.0.0.1", inlet.door.port)) as sock:
                sock.setblocking(False)
                short = b"request=smtpd_access_policy\n\n" * 1_000
                loop = asyncio.get_running_loop()

                async def flood() -> None:
                    while True:
                        await loop.sock_sendall(sock, short)

                with pytest.raises(ConnectionError):
                    await asyncio.wait_for(flood(), 30)
            await until(lambda: inlet.state().dropped.get("slow") == 1)

        asked(made, doing)

    def test_strangers_may_not_ask(self, made: Bench) -> None:
        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            peer = await connect()
            assert await peer.ended() == b""
            assert inlet.state().dropped == {"stranger": 1}

        asked(made, doing, askers=("192.0.2.0/24",))

    def test_odd_names_are_text(self, made: Bench) -> None:
        users = ["x" * 20_000, "a\x1b[2J\x00b", "\u202eevil", "b\u00fccher@example.org"]
        assert one(made, *(end_of(user=user, instance=str(number)) for number, user in enumerate(users))) == ["DUNNO"] * 4
        names = [each.account for each in facts(made) if isinstance(each, MessageAccepted)]
        assert len(names[0]) == 255
        assert names[3] == "b\u00fccher@example.org"
        assert one(made, end_of(user="").replace(b"sasl_username=", b"sasl_username=\xff\xfe")) == ["DUNNO"]


class TestListening:
    """The listener itself."""

    def test_a_unix_socket(self, made: Bench, tmp_path: Path) -> None:
        path = tmp_path / "policy"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))  # as a crash leaves it behind

        async def doing(inlet: PostfixPolicyInlet, connect: Callable[[], Coroutine[Any, Any, Peer]]) -> None:
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            peer = await connect()
            assert await peer.ask(question()) == ["DUNNO"]

        asked(made, doing, listen=str(path), mode="0660")
        assert not path.exists()

    def test_a_port_that_is_taken_is_told_and_tried_again(self, made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gatepost.inlets.listener.FIRST_PAUSE", 0.05)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            inlet = PostfixPolicyInlet(
                PostfixPolicySettings(listen=f"127.0.0.1:{taken.getsockname()[1]}"), made.guard, made.now, lambda name: name, "mx"
            )

            async def doing() -> None:
                await until(lambda: "cannot listen" in inlet.state().problem)
                taken.close()
                await until(lambda: inlet.state().listening)
                assert inlet.state().problem == ""

            running(inlet, doing)

    @pytest.mark.parametrize(
        "wrong", [{"listen": "nowhere"}, {"listen": "127.0.0.1:99999"}, {"listen": "/" + "x" * 110}, {"askers": ("192.0.2.1/24",)}]
    )
    def test_settings_that_say_nothing(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"listen|askers"):
            PostfixPolicySettings(**wrong)
