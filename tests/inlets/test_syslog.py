"""Syslog over real sockets: every framing and form, from listed senders alone, and nobody can make it grow or stop."""

import asyncio
import resource
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatepost.inlets import syslog_streams
from gatepost.inlets.syslog import SyslogInlet, SyslogSettings
from tests.inlets.following import Desk, now, number, until
from tests.inlets.listening import message, messages, running

HERE = ("127.0.0.1/32", "::1/128")


def inlet(desk: Desk, transport: str = "tcp", **settings: Any) -> SyslogInlet:
    """A listener on loopback that reports to a desk."""
    given = {"transport": transport, "listen": "127.0.0.1:0", "senders": HERE, **settings}
    return SyslogInlet(msgspec.convert(given, SyslogSettings), desk.report, now, dict(desk.cursors), zone=UTC)


def old_form(number: int, host: str = "mx", pid: int = 10) -> bytes:
    """A message of RFC 3164."""
    return f"<22>Nov 24 12:00:00 {host} postfix/smtpd[{pid}]: {message(number)}".encode()


def new_form(number: int) -> bytes:
    """A message of RFC 5424."""
    return f'<22>1 2026-11-24T12:00:00.5Z mx postfix/smtpd 10 - [a@1 b="c"] \ufeff{message(number)}'.encode()


async def connected(made: SyslogInlet, host: str = "127.0.0.1") -> socket.socket:
    """A connection to a listener."""
    await until(lambda: made.state().listening)
    sock = socket.create_connection((host, made.port), timeout=10)
    sock.setblocking(False)
    return sock


async def send(sock: socket.socket, data: bytes) -> None:
    """Sends all of it."""
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def is_closed(sock: socket.socket) -> bool:
    """Waits until the other side has closed."""
    try:
        return await asyncio.get_running_loop().sock_recv(sock, 1) == b""
    except OSError:
        return True


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """Closes what is put into it."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("form", [old_form, new_form])
@pytest.mark.parametrize("counted", [True, False])
def test_tcp(form: Callable[[int], bytes], counted: bool, sockets: ExitStack) -> None:
    desk = Desk()
    made = inlet(desk)

    async def doing() -> None:
        sock = sockets.enter_context(await connected(made))
        sent = [form(each) for each in range(20)]
        await send(sock, b"".join(b"%d %s" % (len(each), each) if counted else each + b"\n" for each in sent))
        await until(lambda: desk.numbers == list(range(20)))

    running(made, doing)
    state = made.state()
    assert (state.lines, state.facts, state.dropped, state.listening) == (20, 20, {}, False)
    assert all(fact.at <= now() for fact in desk.facts)


def test_udp_on_ipv6_with_a_sender_on_ipv4(sockets: ExitStack) -> None:
    desk = Desk()
    made = inlet(desk, "udp", listen="[::]:0")

    async def doing() -> None:
        await until(lambda: made.state().listening)
        for kind, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            sock = sockets.enter_context(socket.socket(kind, socket.SOCK_DGRAM))
            sock.sendto(old_form(1), (host, made.port))
            sock.sendto(b"\xef\xbb\xbf" + new_form(2) + b"\n\0", (host, made.port))
        await until(lambda: len(desk.facts) == 4)

    running(made, doing)
    assert sorted(desk.numbers) == [1, 1, 2, 2]
    assert made.state().senders == 2


def test_a_unix_socket(tmp_path: Path, sockets: ExitStack) -> None:
    desk = Desk()
    path = tmp_path / "log"
    left_behind = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left_behind.bind(str(path))
    left_behind.close()
    made = inlet(desk, "unix", listen=str(path), senders=(), mode="0622")

    async def doing() -> None:
        await until(lambda: made.state().listening)
        assert path.stat().st_mode & 0o777 == 0o622
        sock = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        sock.sendto(f"<22>Nov 24 12:00:00 postfix/smtpd[10]: {message(1)}".encode(), str(path))
        await until(lambda: desk.numbers == [1])

    running(made, doing)
    assert not path.exists()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_strangers_are_dropped_and_counted(transport: str, sockets: ExitStack) -> None:
    desk = Desk()
    made = inlet(desk, transport, senders=("192.0.2.0/24", "127.0.0.2/32"))

    async def doing() -> None:
        if transport == "tcp":
            assert await is_closed(sockets.enter_context(await connected(made)))
        else:
            await until(lambda: made.state().listening)
            stranger = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            stranger.sendto(old_form(1), ("127.0.0.1", made.port))
        await until(lambda: made.state().dropped == {"stranger": 1})

    running(made, doing)
    assert desk.facts == []


def test_the_process_ids_of_two_senders_are_not_mixed(sockets: ExitStack) -> None:
    desk = Desk()
    made = inlet(desk, "udp", senders=("127.0.0.0/8",))
    ends = "disconnect from unknown[{}] ehlo=1 mail=1 rcpt=0/1 data=0/1 commands=2/4"

    async def doing() -> None:
        await until(lambda: made.state().listening)
        first, second = (sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        first.bind(("127.0.0.2", 0))
        second.bind(("127.0.0.3", 0))
        for sock, client in ((first, "192.0.2.1"), (second, "192.0.2.2")):
            sock.sendto(f"<22>Nov 24 12:00:00 mx postfix/smtpd[10]: connect from unknown[{client}]".encode(), ("127.0.0.1", made.port))
        for sock, client in ((first, "192.0.2.1"), (second, "192.0.2.2")):
            sock.sendto(f"<22>Nov 24 12:00:01 mx postfix/smtpd[10]: {ends.format(client)}".encode(), ("127.0.0.1", made.port))
        await until(lambda: len(desk.facts) == 4)

    running(made, doing)
    told = sorted((type(fact).__name__, fact.client, fact.evidence_only) for fact in desk.facts)
    assert told == [(kind, client, False) for kind in ("Connected", "SessionEnded") for client in ("192.0.2.1", "192.0.2.2")]
    assert made.state().senders == 2
    assert set(made.senders.daemons()) == {("mx", "postfix")}


def test_memory_outlasts_a_restart(sockets: ExitStack) -> None:
    desk = Desk()

    async def doing(made: SyslogInlet, said: str) -> None:
        sock = sockets.enter_context(await connected(made))
        before = made.state().lines
        await send(sock, f"<22>Nov 24 12:00:00 mx postfix/{said}\n".encode())
        await until(lambda: made.state().lines > before)

    for said in (
        "smtpd[10]: A1: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=bob@example.org",
        "qmgr[11]: A1: from=<bob@example.org>, size=100, nrcpt=1 (queue active)",
    ):
        made = inlet(desk)
        running(made, lambda made=made, said=said: doing(made, said))  # type: ignore[misc]
    assert [(type(fact).__name__, fact.client) for fact in desk.facts][-1] == ("MessageAccepted", "192.0.2.7")


def test_a_time_in_the_future_is_that_of_arrival(sockets: ExitStack) -> None:
    desk = Desk()
    made = inlet(desk)

    async def doing() -> None:
        sock = sockets.enter_context(await connected(made))
        await send(sock, b"<22>1 2099-01-01T00:00:00Z mx postfix/smtpd 10 - - " + message(1).encode() + b"\n")
        await until(lambda: desk.numbers == [1])
        assert desk.facts[0].at <= now()

    running(made, doing)


def test_a_broken_stream_is_closed_and_the_others_go_on(sockets: ExitStack) -> None:
    desk = Desk()
    made = inlet(desk)

    async def doing() -> None:
        good = sockets.enter_context(await connected(made))
        for stream in (b"9999999 x", b"5 abcdeX", b"z" * (3 << 20)):
            bad = sockets.enter_context(await connected(made))
            with suppress(OSError):
                await send(bad, stream)
            assert await is_closed(bad)
        half = sockets.enter_context(await connected(made))
        await send(half, old_form(7)[:-3])
        half.close()
        await until(lambda: "unfinished" in made.state().dropped)
        await send(good, old_form(1) + b"\n")
        await until(lambda: desk.numbers == [1])

    running(made, doing)
    assert made.state().dropped == {"huge octet count": 1, "no octet count": 1, "too long": 1, "endless message": 1, "unfinished": 1}


def test_two_thousand_connections(sockets: ExitStack) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8_192)), hard))
    desk = Desk()
    made = inlet(desk, connections=100, connections_of_one=60, senders=("127.0.0.0/8",))

    async def doing() -> None:
        await until(lambda: made.state().listening)
        loop = asyncio.get_running_loop()
        held = []
        for number_of in range(2_000):
            sock = sockets.enter_context(socket.socket())
            sock.setblocking(False)
            sock.bind((f"127.0.0.{2 + number_of % 2}", 0))
            await loop.sock_connect(sock, ("127.0.0.1", made.port))
            held.append(sock)
        await until(lambda: made.state().dropped.get("too many connections") == 1_900)
        assert made.state().connections == 100
        await send(held[0], old_form(1) + b"\n")
        await until(lambda: desk.numbers == [1])
        for sock in held:
            sock.close()
        await until(lambda: made.state().connections == 0)
        await send(sockets.enter_context(await connected(made)), old_form(2) + b"\n")
        await until(lambda: desk.numbers == [1, 2])

    running(made, doing)


def test_half_a_message_does_not_hold_a_connection(sockets: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog_streams, "HALF", 0.0)
    desk = Desk()
    made = inlet(desk)

    async def doing() -> None:
        silent = sockets.enter_context(await connected(made))
        slow = sockets.enter_context(await connected(made))
        await send(slow, b"<22>Nov")
        assert await is_closed(slow)
        await send(silent, old_form(1) + b"\n")
        await until(lambda: desk.numbers == [1])

    running(made, doing)
    assert made.state().dropped["slow"] == 1


def test_a_port_that_is_taken_is_told_and_tried_again(sockets: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatepost.inlets.syslog.FIRST_PAUSE", 0.01)
    taken = socket.create_server(("127.0.0.1", 0))
    desk = Desk()
    made = inlet(desk, listen=f"127.0.0.1:{taken.getsockname()[1]}")

    async def doing() -> None:
        await until(lambda: "cannot listen" in made.state().problem)
        taken.close()
        await until(lambda: made.state().listening and not made.state().problem)

    running(made, doing)


# --- TLS


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates that sign themselves, `ours` and `theirs`, with their keys."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("ours", "theirs"):
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ]
        subprocess.run([*command, "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")], check=True, capture_output=True)
    return folder


def client_side(pems: Path, own: str = "") -> ssl.SSLContext:
    """A sender's TLS."""
    context = ssl.create_default_context(cafile=str(pems / "ours.pem"))
    if own:
        context.load_cert_chain(pems / f"{own}.pem", pems / f"{own}.key")
    return context


def tls(desk: Desk, pems: Path, **settings: Any) -> SyslogInlet:
    """A TLS listener."""
    return inlet(desk, "tls", certificate=str(pems / "ours.pem"), key=str(pems / "ours.key"), **settings)


async def say(made: SyslogInlet, context: ssl.SSLContext, data: bytes) -> None:
    """Sends something through TLS."""
    await until(lambda: made.state().listening)
    _, writer = await asyncio.open_connection("127.0.0.1", made.port, ssl=context)
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def test_tls(pems: Path) -> None:
    desk = Desk()
    made = tls(desk, pems)

    async def doing() -> None:
        await say(made, client_side(pems), b"".join(b"%d %s" % (len(each), each) for each in map(old_form, range(5))))
        await until(lambda: desk.numbers == list(range(5)))

    running(made, doing)


def test_tls_wants_a_certificate_of_the_authority(pems: Path) -> None:
    desk = Desk()
    made = tls(desk, pems, client_ca=str(pems / "theirs.pem"))

    async def doing() -> None:
        with suppress(OSError):
            await say(made, client_side(pems), old_form(1) + b"\n")
        await until(lambda: made.state().dropped.get("handshake") == 1)
        await say(made, client_side(pems, "theirs"), old_form(2) + b"\n")
        await until(lambda: desk.numbers == [2])
        await until(lambda: made.state().connections == 0)

    running(made, doing)


def test_tls_turns_clear_text_and_old_versions_away(pems: Path, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog_streams, "HANDSHAKE", 0.2)
    desk = Desk()
    made = tls(desk, pems)
    old = client_side(pems)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1

    async def doing() -> None:
        clear = sockets.enter_context(await connected(made))
        await send(clear, old_form(1) + b"\n")
        assert await is_closed(clear)
        silent = sockets.enter_context(await connected(made))
        assert await is_closed(silent)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await say(made, old, old_form(1) + b"\n")
        await until(lambda: made.state().dropped.get("handshake", 0) >= 2)
        assert made.state().connections == 0

    running(made, doing)
    assert desk.facts == []


def test_a_renewed_certificate_is_taken_up(pems: Path, tmp_path: Path) -> None:
    for kind in ("pem", "key"):
        (tmp_path / f"ours.{kind}").write_bytes((pems / f"theirs.{kind}").read_bytes())
    desk = Desk()
    made = tls(desk, tmp_path)

    async def doing() -> None:
        with pytest.raises(ssl.SSLError):
            await say(made, client_side(pems), old_form(1) + b"\n")
        for kind in ("pem", "key"):
            (tmp_path / f"ours.{kind}").write_bytes((pems / f"ours.{kind}").read_bytes())
        made.renew()
        await say(made, client_side(pems), old_form(2) + b"\n")
        await until(lambda: desk.numbers == [2])
        (tmp_path / "ours.pem").write_text("nonsense")
        made.renew()
        assert "stays in use" in made.state().problem

    running(made, doing)


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    made = tls(Desk(), tmp_path)

    async def doing() -> None:
        await until(lambda: "ours.pem" in made.state().problem)

    running(made, doing)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"transport": "tcp", "listen": "127.0.0.1:601"}, "senders"),
        ({"transport": "tcp", "listen": "mail.example.org:601", "senders": HERE}, "listen"),
        ({"transport": "udp", "listen": "127.0.0.1:99999", "senders": HERE}, "listen"),
        ({"transport": "udp", "listen": "127.0.0.1:514", "senders": ["10.0.0.1/8"]}, "senders"),
        ({"transport": "tls", "listen": "127.0.0.1:6514", "senders": HERE}, "certificate"),
        ({"transport": "unix", "listen": "log"}, "listen"),
        ({"transport": "unix", "listen": "/" + "x" * 200}, "listen"),
        ({"transport": "carrier pigeon", "listen": "/x"}, "transport"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(settings, SyslogSettings)


def test_many_datagrams_at_once(sockets: ExitStack) -> None:
    desk = Desk()
    made = inlet(desk, "udp")

    async def doing() -> None:
        await until(lambda: made.state().listening)
        sock = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for start in range(0, 2_000, 100):
            for text in messages(start, start + 100):
                sock.sendto(f"<22>Nov 24 12:00:00 mx postfix/smtpd[10]: {text}".encode(), ("127.0.0.1", made.port))
            await asyncio.sleep(0)
        await until(lambda: len(desk.facts) == 2_000)

    running(made, doing)
    assert [number(fact) for fact in desk.facts] == list(range(2_000))
