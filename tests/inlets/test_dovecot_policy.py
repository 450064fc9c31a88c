"""Dovecot's auth policy over real sockets: what is answered, what is counted, and that nobody can make it grow, stop or fall."""

import asyncio
import base64
import itertools
import json
import resource
import socket
import stat
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.access import Entry
from gatepost.core.countries import CountryPolicy
from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, Hold
from gatepost.core.facts import AuthFailed, AuthSucceeded, Refused
from gatepost.core.rules import Rule
from gatepost.core.spans import HOUR, Span
from gatepost.core.subjects import Subject
from gatepost.inlets import dovecot_policy_http
from gatepost.inlets.dovecot_policy import DovecotPolicyInlet, DovecotPolicySettings
from gatepost.inlets.dovecot_policy_http import Doorman, Key, Reply
from gatepost.pipeline.guard import SECRETS
from gatepost.wire.dovecot_policy import Listed
from tests.admin.desks import Bench
from tests.inlets.listening import running

KEY = "0123456789abcdef"
CLIENT = "203.0.113.7"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Doing = Callable[[DovecotPolicyInlet, "Dovecot"], Coroutine[Any, Any, None]]


class Dovecot:
    """A connection that asks as Dovecot does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, command: str = "allow", body: Any = None, *headers: str, key: str = KEY) -> None:
        """Sends a request."""
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        lines = [f"POST /?command={command} HTTP/1.1", "Host: 127.0.0.1:4001", *([f"X-API-Key:  {key}"] if key else []), *headers]
        self.writer.write("\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data)

    async def answer(self) -> tuple[int, Any]:
        """The next answer: HTTP status and what the body says."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return int(head.split()[1]), json.loads(await self.reader.readexactly(length))

    async def ask(self, command: str = "allow", body: Any = None, *headers: str, key: str = KEY) -> Any:
        """What is answered, with HTTP status 200."""
        self.send(command, body, *headers, key=key)
        status, told = await self.answer()
        assert status == 200, told
        return told

    async def fails(self, times: int, **more: Any) -> None:
        """Reports failed log-ins."""
        for _ in range(times):
            await self.ask("report", login(success=False, policy_reject=False, **more))

    async def status(self, **more: Any) -> int:
        """What allow answers."""
        told = await self.ask("allow", login(**more))
        return int(told["status"])

    async def closed(self) -> bytes:
        """What comes until the other side closes."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        """Breaks off."""
        self.writer.transport.abort()


def login(**more: Any) -> dict[str, Any]:
    """The body of a request."""
    given = {"device_id": "", "login": "bob@example.org", "protocol": "imap", "pwhash": "07a0", "remote": CLIENT, "session_id": "s1", "tls": False}
    return given | more


async def connect(made: DovecotPolicyInlet) -> Dovecot:
    """A connection to a listener."""
    while not made.state().listening:
        await asyncio.sleep(0.01)
    if made.settings.listen.startswith("/"):
        return Dovecot(*await asyncio.open_unix_connection(made.settings.listen))
    return Dovecot(*await asyncio.open_connection("127.0.0.1", made.door.port))


class Place:
    """A guard with a listener."""

    def __init__(self) -> None:
        self.bench = Bench(real_time=True)
        self.done: list[tuple[str, Listed, str]] = []

    async def _deed(self, command: str, about: Listed, peer: str) -> bytes:
        self.done.append((command, about, peer))
        await asyncio.sleep(0.05)
        if about.prefix == "192.0.2.1":
            raise ValueError("prefix: not that one")
        if about.prefix == "192.0.2.2":
            raise RuntimeError("a fault of ours")
        return b'{"status":"ok"}'

    def inlet(self, **settings: Any) -> DovecotPolicyInlet:
        """A listener on loopback."""
        made = msgspec.convert({"listen": "127.0.0.1:0", "key": KEY, **settings}, DovecotPolicySettings)
        return DovecotPolicyInlet(made, self.bench.guard, self.bench.now, str.lower, "mx", self._deed)

    def run(self, doing: Doing, **settings: Any) -> DovecotPolicyInlet:
        """Does something with a connection to a listener."""
        made = self.inlet(**settings)

        async def do() -> None:
            dovecot = await connect(made)
            try:
                await doing(made, dovecot)
                await self.bench.guard.quiet()
            finally:
                dovecot.close()

        running(made, do)
        return made

    def facts(self) -> list[Any]:
        """What was reported, in its order."""
        self.bench.journal.close()
        return [entry for _, entry in self.bench.store.entries_after(0) if isinstance(entry, AuthFailed | AuthSucceeded | Refused)]

    def adopt(self, *rules: Rule) -> None:
        """These rules are in force."""
        self.bench.guard.order.do(AdoptRules(self.bench.now(), rules))


@pytest.fixture(name="place", params=LOOPS)
def _place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A guard with a listener, on each kind of loop."""

    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(main)

    monkeypatch.setattr(asyncio, "run", run)
    return Place()


BRUTE = Rule(name="brute", counts="auth_failed", on=("imap", "pop3"), by="client", threshold=5, window=Span(HOUR), hold_for=Span(HOUR))


# --- what is answered and counted


def test_the_nth_failure_is_the_last_that_may_be_tried(place: Place) -> None:
    place.adopt(BRUTE)

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        await dovecot.fails(4)
        assert await dovecot.status() == 0
        await dovecot.fails(1)
        assert await dovecot.status() == -1
        assert await dovecot.status(login="alice@example.org") == -1
        assert await dovecot.status(protocol="pop3") == 0
        assert await dovecot.status(remote="203.0.113.8") == 0
        state = made.state()
        assert (state.requests, state.facts, state.refusals, state.connections) == (10, 5, 2, 1)

    place.run(doing)


def test_a_country_is_refused_and_written_down_with_its_reason(place: Place) -> None:
    guard = place.bench.guard
    guard.place = lambda client: "NL"
    guard.order.do(AdoptCountries(place.bench.now(), CountryPolicy(mode="enforce", codes=("DE",), protocols=("imap",))))

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        assert [await dovecot.status(protocol=protocol) for protocol in ("imap", "pop3")] == [-1, 0]
        assert await dovecot.ask("report", login(success=False, policy_reject=True)) == {"status": "ok"}

    place.run(doing)
    (refused,) = place.facts()
    assert (type(refused), refused.stage, refused.reason, refused.country, refused.account) == (Refused, "login", "country", "NL", "bob@example.org")
    assert guard.stats.countries == {("NL", True): 1}


def test_what_is_told_becomes_facts(place: Place) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        for more in (
            {"success": False, "mech": "PLAIN", "login": "Bob@Example.org", "remote": "::ffff:203.0.113.7"},
            {"success": True, "protocol": "submission"},
            {"success": False, "policy_reject": True},
            {"success": False, "fail_type": "internal"},
            {"success": False, "fail_type": "account", "mech": "CRAM-MD5"},
        ):
            assert await dovecot.ask("report", login(**more)) == {"status": "ok"}

    place.run(doing)
    failed, well, refused, servers, unknown = place.facts()
    assert (failed.account, failed.client, failed.method, failed.session, failed.host) == ("bob@example.org", CLIENT, "PLAIN", "s1", "mx")
    assert (type(well), well.protocol, well.service, well.account) == (AuthSucceeded, "smtp", "submission", "bob@example.org")
    assert (type(refused), refused.stage) == (Refused, "login")
    assert (type(servers), servers.evidence_only, failed.evidence_only) == (AuthFailed, True, False)
    assert (unknown.reason, unknown.secret) == ("unknown_user", "")
    assert "07a0" not in failed.secret
    assert len(failed.secret) == 16


def test_allow_counts_nothing_however_often_it_is_asked(place: Place) -> None:
    place.adopt(BRUTE)

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        assert [await dovecot.status() for _ in range(50)] == [0] * 50

    place.run(doing)
    assert place.facts() == []
    assert not place.bench.guard.witness, "who is only asked, and told nothing, is no witness"


def test_the_same_wrong_secret_counts_once_where_secrets_are_counted(place: Place) -> None:
    hour = Span(HOUR)
    place.adopt(Rule(name="guesses", counts="auth_failed", on=("imap",), by="client", distinct="secrets", threshold=3, window=hour, hold_for=hour))

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        await dovecot.fails(20)
        assert await dovecot.status() == 0
        await dovecot.fails(1, pwhash="07a1")
        assert await dovecot.status() == 0
        await dovecot.fails(1, pwhash="07a2")
        assert await dovecot.status() == -1

    place.run(doing)


def test_an_owner_stays_in_while_his_account_is_held(place: Place) -> None:
    place.adopt(Rule(name="guessing", counts="auth_failed", on=("imap",), by="account", threshold=5, window=Span(HOUR), hold_for=Span(HOUR)))

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        await dovecot.ask("report", login(success=True, remote="198.51.100.20"))
        for number in range(5):
            await dovecot.fails(1, remote=f"203.0.113.{number}")
        assert await dovecot.status(remote="203.0.113.99") == -1
        assert await dovecot.status(remote="198.51.100.20") == 0
        assert await dovecot.status(remote="203.0.113.99", login="alice@example.org") == 0

    place.run(doing)


def test_a_delay_is_told_in_seconds(place: Place) -> None:
    rule = Rule(name="slow", counts="auth_failed", on=("imap",), by="client", threshold=1, window=Span(HOUR), hold_for=Span(HOUR), action="delay",
                delay=Span.parse("3s"))  # fmt: skip
    place.adopt(rule)

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        await dovecot.fails(1)
        assert await dovecot.status() == 3
        assert made.state().delays == 1

    place.run(doing)


def test_a_denied_address_and_one_held_by_hand_are_refused(place: Place) -> None:
    now = place.bench.now()
    place.bench.guard.order.do(AdoptLists(now, (Entry(verb="deny", prefix="203.0.113.0/24"),)))
    place.bench.guard.order.do(Hold(now, Subject("account", "eve@example.org"), now + HOUR))

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        assert await dovecot.status() == -1
        assert await dovecot.status(remote="192.0.2.1") == 0
        assert await dovecot.status(remote="192.0.2.1", login="eve@example.org") == -1

    place.run(doing)


def test_it_is_the_witness_from_the_first_report_to_its_end(place: Place) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        await dovecot.ask("report", login(success=True))
        found = {(state.inlet, state.kind, state.protocol) for state in place.bench.guard.witness.state()}
        assert found == {(made.name, "auth_failed", "imap"), (made.name, "auth_succeeded", "imap")}

    place.run(doing)
    assert place.bench.guard.witness.state() == [], "the listener has ended"


def test_the_key_of_secrets_outlives_a_restart(place: Place) -> None:
    first, again = place.inlet(), place.inlet()
    place.bench.journal.close()
    assert len(place.bench.store.open().cursors[SECRETS]) == 16
    assert first.answers._key == again.answers._key


# --- weakforced's API


def test_deeds_are_handed_on_and_answered_in_their_order(place: Place) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        dovecot.send("reset", {"ip": "192.0.2.9"})
        dovecot.send("allow", login())
        dovecot.send("addBLEntry", {"ip": "192.0.2.1", "expire_secs": 60})
        dovecot.send("ping")
        dovecot.send("nonsense")
        answers = [await dovecot.answer() for _ in range(5)]
        assert answers == [
            (200, {"status": "ok"}),
            (200, {"status": 0, "msg": ""}),
            (400, {"status": "failure", "reason": "prefix: not that one"}),
            (200, {"status": "ok"}),
            (404, {"status": "failure", "reason": "there is no such command"}),
        ]

    place.run(doing)
    assert place.done == [("reset", Listed("192.0.2.9"), "127.0.0.1"), ("addBLEntry", Listed("192.0.2.1", "", 60), "127.0.0.1")]


def test_a_deed_that_cannot_be_read_is_not_done(place: Place) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        dovecot.send("reset", b"nonsense")
        status, told = await dovecot.answer()
        assert (status, told["status"]) == (400, "failure")

    place.run(doing)
    assert place.done == []


def test_a_deed_that_breaks_leaves_nobody_waiting(place: Place) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        other = await connect(made)
        other.send("reset", {"ip": "192.0.2.2"})
        assert await other.closed() == b""
        other.close()
        assert made.state().connections == 1
        assert await dovecot.status() == 0

    place.run(doing)


# --- who may ask


@pytest.mark.parametrize(
    ("headers", "key", "status"),
    [
        ((), KEY, 200),
        ((f"Authorization: Basic {base64.b64encode(f'wforce:{KEY}'.encode()).decode()}",), "", 200),
        ((f"Authorization: basic {base64.b64encode(f':{KEY}'.encode()).decode()}",), "", 200),
        ((), "wrong", 401),
        ((), "", 401),
        (("Authorization: Basic !!!",), "", 401),
        (("Authorization: Basic",), "", 401),
        ((f"Authorization: Bearer {KEY}",), "", 401),
        ((f"Authorization: Basic {base64.b64encode(KEY.encode()).decode()}",), "", 401),
    ],
)
def test_the_key(place: Place, headers: tuple[str, ...], key: str, status: int) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        dovecot.send("report", login(success=False), *headers, key=key)
        assert (await dovecot.answer())[0] == status
        assert bool(made.state().problem) == (status == 401)

    place.run(doing)
    assert len(place.facts()) == (status == 200)


def test_a_unix_socket_has_its_rights_and_needs_no_key(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "policy"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await dovecot.ask("allow", login(), key="") == {"status": 0, "msg": ""}

    place.run(doing, listen=str(path), key="", mode="0600")
    assert not path.exists()


@pytest.mark.parametrize(
    "settings", [{"listen": "localhost:1"}, {"listen": "127.0.0.1:99999"}, {"key": "short"}, {"key": ""}, {"listen": "/" + "x" * 150}]
)
def test_settings_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"^(listen|key): "):
        msgspec.convert({"key": KEY, **settings}, DovecotPolicySettings)


def test_a_port_that_is_taken_is_told_and_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatepost.inlets.listener.FIRST_PAUSE", 0.05)
    taken = socket.create_server(("127.0.0.1", 0))
    made = place.inlet(listen=f"127.0.0.1:{taken.getsockname()[1]}")

    async def do() -> None:
        while not made.state().problem:
            await asyncio.sleep(0.01)
        assert "cannot listen" in made.state().problem
        taken.close()
        dovecot = await connect(made)
        assert await dovecot.status() == 0
        dovecot.close()

    running(made, do)


# --- bad input


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[1,2]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(login(remote="not an address")).encode(),
        json.dumps(login(remote="")).encode(),
        json.dumps(login(protocol="lmtp")).encode(),
        json.dumps(login(login=7)).encode(),
    ],
)
@pytest.mark.parametrize("command", ["allow", "report"])
def test_what_cannot_be_understood_goes_on_and_is_counted(place: Place, command: str, body: bytes) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        assert await dovecot.ask(command, body) in ({"status": 0, "msg": ""}, {"status": "ok"})
        assert sum(made.state().dropped.values()) == 1
        assert await dovecot.status() == 0

    place.run(doing)
    assert place.facts() == []


@pytest.mark.parametrize("name", ["a" * 100_000, "\x00\x1b[31m\r\n", "' or 1=1 --", "\N{RIGHT-TO-LEFT OVERRIDE}", "\u2028"])
def test_hostile_names_stay_text_and_are_held_like_others(place: Place, name: str) -> None:
    place.adopt(BRUTE)

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        await dovecot.fails(5, login=name)
        assert await dovecot.status(login=name) == -1

    place.run(doing)
    assert all(fact.account == name.lower()[:4096] for fact in place.facts())


GARBAGE = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an EHLO": b"EHLO client.example\r\n\r\n",
    "a bad length": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a bad chunk": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a long address": b"POST /" + b"x" * 40_000,
    "a long header": b"POST / HTTP/1.1\r\nX: " + b"y" * 1_000_000,
    "many headers": b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
    "a large body": b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"z" * 1_000_000,
    "endless chunks": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nzzzzz\r\n" * 200_000,
    "an upgrade": b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_ends_its_connection_and_no_other(place: Place, what: str) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        other = await connect(made)
        other.writer.write(GARBAGE[what])
        told = await other.closed()
        assert told == b"" or told.startswith(b"HTTP/1.1 4")
        assert sum(made.state().dropped.values()) == 1, made.state().dropped
        other.close()
        assert await dovecot.status() == 0

    place.run(doing)


def test_slow_requests_and_idle_connections_are_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dovecot_policy_http, "HALF", 0.5)

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        other = await connect(made)
        other.writer.write(b"POST /?command=allow HTTP/1.1\r\nContent-Le")
        assert await other.closed() == b""
        other.close()
        assert made.state().dropped == {"too slow": 1}
        assert await dovecot.status() == 0, "one that only rests is not slow"
        monkeypatch.setattr(dovecot_policy_http, "IDLE", 0.5)
        assert await dovecot.closed() == b""
        assert made.state().dropped == {"too slow": 1, "idle": 1}

    place.run(doing)


def test_any_cut_of_the_stream_is_the_same_stream(place: Place) -> None:
    place.adopt(BRUTE)

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        whole = Dovecot(dovecot.reader, _Kept())  # type: ignore[arg-type]
        for number in range(6):
            whole.send("report" if number < 5 else "allow", login(success=False))
        data = b"".join(whole.writer.parts)  # type: ignore[attr-defined]
        for at in range(0, len(data), 7):
            dovecot.writer.write(data[at : at + 7])
            await asyncio.sleep(0)
        answers = [await dovecot.answer() for _ in range(6)]
        assert [told["status"] for _, told in answers] == ["ok"] * 5 + [-1]

    place.run(doing)


class _Kept:
    """A writer that keeps what is written."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.parts.append(data)


def test_an_old_client_is_answered_and_closed(place: Place) -> None:
    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        dovecot.writer.write(f"GET /?command=ping HTTP/1.0\r\nX-API-Key: {KEY}\r\n\r\nGET / HTTP/1.0\r\n\r\n".encode())
        told = await dovecot.closed()
        assert told.startswith(b"HTTP/1.1 200 OK")
        assert told.count(b"HTTP/1.1") == 1

    place.run(doing)


def test_who_takes_no_answers_is_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dovecot_policy_http, "UNSENT", 10_000)

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        other = await connect(made)
        other.writer.transport.pause_reading()  # type: ignore[attr-defined]
        request = f"POST /?command=ping HTTP/1.1\r\nX-API-Key: {KEY}\r\nContent-Length: 0\r\n\r\n".encode() * 500
        until = time.monotonic() + 60
        while not made.state().dropped.get("takes no answers"):
            assert time.monotonic() < until
            other.writer.write(request)
            await asyncio.sleep(0.001)
        other.close()
        assert await dovecot.status() == 0

    place.run(doing)


def test_five_thousand_connections(place: Place) -> None:
    many, spare = 5_000, 400
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * many + spare:
        pytest.skip(f"the limit of open files is {hard}; this needs {2 * many + spare}, for both ends are here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * many + spare), hard))

    async def doing(made: DovecotPolicyInlet, dovecot: Dovecot) -> None:
        loop = asyncio.get_running_loop()
        socks = []
        for _ in range(many):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", made.door.port))
            socks.append(sock)
        request = f"GET /?command=ping HTTP/1.1\r\nX-API-Key: {KEY}\r\n\r\n".encode()
        answered = 0
        for sock in socks:
            try:
                await loop.sock_sendall(sock, request)
                answered += (await loop.sock_recv(sock, 1_000)).startswith(b"HTTP/1.1 200")
            except ConnectionError:
                continue
        assert answered == 3_999, "the first connection is the one that asks below"
        assert made.state().dropped == {"too many connections": many - answered}
        assert await dovecot.status() == 0
        for sock in socks:
            sock.close()

    place.run(doing, connections=4_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- fuzzing, without sockets


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keeps it."""
        self.written += bytes(data)

    def close(self) -> None:
        """Ends it."""
        self.ended = True

    abort = close

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""


class Known:
    """Answers that tell what was asked."""

    def now(self, command: str, body: bytes, peer: str) -> Reply | None:
        """The command and the body's length."""
        return Reply(f'"{command} {len(body)}"'.encode("utf-8", "replace"))

    async def later(self, command: str, body: bytes, peer: str) -> Reply:
        """Never asked."""
        raise AssertionError


def answers(*parts: bytes) -> tuple[bytes, bool]:
    """What is answered to a stream that comes in these parts, and whether the connection was ended."""
    made, wire = Doorman(Known(), Key(""), 10)(), Wire()
    made.connection_made(wire)
    for part in parts:
        if not wire.ended:
            made.data_received(part)
    made.connection_lost(None)
    return wire.written, wire.ended


PIECES = st.sampled_from(
    [
        *(b"POST /?command=allow HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"Host: a\r\n", b"\r\n", b"abc", b"\x00"),
        *(b"Content-Length: 3\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
        *(b"Connection: upgrade\r\nUpgrade: x\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
        *(b"X-API-Key: \xff\r\n", b"Authorization: Basic ====\r\n"),
    ]
)


@given(st.lists(PIECES | st.binary(max_size=50), max_size=20), st.lists(st.integers(0, 400), max_size=10))
def test_whatever_comes_is_answered_or_ended_and_any_cut_is_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    assert answers(*(data[one:other] for one, other in itertools.pairwise(places))) == answers(data)
