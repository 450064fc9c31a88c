"""A gateway at its door: who gets in.

Job: accept connections, ask the guard, turn away or begin a session; look after all sessions. Promise: whoever is held costs one accept, one answer
and one close; connections are bounded, in all and for each address; a listener that cannot open is told and tried again; on a reload and at the
stop sessions go on. Limits: with TLS from the first byte nothing can be said to whom is turned away: the connection closes.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import Struct

from gatepost.core.decisions import Delay, Refuse
from gatepost.core.subjects import Client, client
from gatepost.inlets.gateway.backend import Server
from gatepost.inlets.gateway.certificates import Certificates
from gatepost.inlets.gateway.ear import Office, SessionEar
from gatepost.inlets.gateway.probe import probe
from gatepost.inlets.gateway.session import Session
from gatepost.inlets.gateway.settings import IDLE, IMPLICIT_TLS, LONGEST, PROTOCOL, GatewaySettings, endpoint, logs_of
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.mirrors import Proof
from gatepost.wire import proxy_header
from gatepost.wire.imap import OUR_TAG, ImapTap
from gatepost.wire.pop3 import Pop3Tap
from gatepost.wire.sieve import SieveTap
from gatepost.wire.smtp import Relay, SmtpTap
from gatepost.wire.tap import Tap

TICK = 1.0
"""Seconds between two looks at all sessions."""
AT_ONCE = 64
"""Connections that are taken before others get their turn."""
BACKLOG = 1_024
TIRED = 1.0
"""Seconds of rest where a connection cannot be taken, as when there are no more file descriptors."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a listener that could not open is tried again."""
HEADER_TIME = 5.0
"""Seconds in which a balancer must have sent the PROXY header."""
RENEWAL = 30.0
"""Seconds between two looks at the certificate's files."""
REFUSALS = {
    "smtp": b"421 4.7.0 Try again later\r\n",
    "imap": b"* BYE Try again later\r\n",
    "pop3": b"-ERR [SYS/TEMP] Try again later\r\n",
    "sieve": b'BYE (TRYLATER) "Try again later"\r\n',
}

HEADERS = {"proxy-v1": proxy_header.write_1, "proxy-v2": proxy_header.write_2}
"""How the PROXY header is written."""


class GatewayState(Struct, kw_only=True):
    """How a gateway is doing, for status, doctor and metrics."""

    listens: tuple[str, ...]
    """Addresses and ports, while it listens."""
    problem: str
    """What is wrong, and what is done about it; empty where all is well."""
    last: int
    """When the newest question or fact was, in microseconds since 1970 UTC."""
    asked: int
    facts: int
    connections: int
    dropped: dict[str, int]
    """Connections that were turned away or ended here, by the reason."""
    shown: str
    """What the server behind sees as client, and what is seen of it."""


class Crowd:
    """The connections of one gateway, those included that wait to be let in. A reload hands it on: old sessions go on counting."""

    def __init__(self) -> None:
        self.of: Counter[Client] = Counter()
        self.total = 0

    def enter(self, who: Client) -> None:
        """One more."""
        self.of[who] += 1
        self.total += 1

    def leave(self, who: Client) -> None:
        """One less."""
        self.total -= 1
        self.of[who] -= 1
        if self.of[who] <= 0:
            del self.of[who]


class GatewayInlet:
    """A gateway in front of one server."""

    def __init__(
        self,
        service: str,
        settings: GatewaySettings,
        guard: Guard,
        now: Callable[[], int],
        *,
        default_domain: str = "",
        domains: dict[str, str] | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        """``crowd``: the connections of the gateway whose place it takes, and which go on."""
        self.settings = settings
        self.name = f"gateway:{service}"
        self._service, self._protocol = service, PROTOCOL[service]
        self._implicit = service in IMPLICIT_TLS
        self._starttls = settings.starttls_here()
        self.idle = settings.idle or IDLE[self._protocol]
        self.longest = settings.longest or LONGEST[self._protocol]
        self.logins_only = self._protocol != "smtp"
        self._server: Server | None = None
        self._office = Office(
            guard,
            now,
            self.name,
            service,
            self._protocol,
            blind=self._starttls == "pass",
            key=guard.key(),
            logs=logs_of(service, settings),
            default_domain=default_domain,
            domains=domains,
        )
        self._guard = guard
        self._balancers = [ip_network(each) for each in settings.proxy_from]
        relay = settings.relay
        self._relay = Relay(tuple(each.lower() for each in relay.local_domains)) if relay is not None and relay.enforce else None
        self._refusal = b"" if self._implicit or settings.refusal == "close" else REFUSALS[self._protocol]
        self._certificates: Certificates | None = None
        self._listening: list[socket.socket] = []
        self._sessions: dict[Session, None] = {}
        self._crowd = crowd or Crowd()
        self._waiting: dict[asyncio.Task[None], None] = {}
        self._problem = ""
        self._stopping = False

    # --- what the daemon calls

    async def catch_up(self) -> None:
        """There is nothing to catch up with."""

    async def run(self) -> None:
        """Listens until it is cancelled; then the sessions go on. A listener that cannot open is tried again."""
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    self._open()
                except OSError as wrong:
                    self._close()
                    self._problem = f"cannot listen: {wrong}; trying again"
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                self._problem = ""
                await self._look_after()
        finally:
            self._close()
            self._office.closed = True
            self._guard.stopped(self.name)

    async def run_out(self) -> None:
        """Looks after the sessions that a listener left behind, until the last has ended."""
        while self._sessions:
            await asyncio.sleep(TICK)
            self._look(time.monotonic())

    async def drained(self) -> None:
        """Returns when all sessions have ended; those that do not in their time are told to, and then ended."""
        self._stopping = True
        until = time.monotonic() + self.settings.drain
        while self._sessions and time.monotonic() < until:
            await asyncio.sleep(0.05)
        for session in list(self._sessions):
            session.ear.turned_away()
            session.end("stopping", "Shutting down, try again later")
        await asyncio.sleep(0.1 if self._sessions else 0)
        for session in list(self._sessions):
            session.abort()
        for task in list(self._waiting):
            task.cancel()

    def renew(self) -> None:
        """Reads certificate and key anew, for handshakes from now on."""
        if self._certificates is not None:
            self._problem = self._certificates.renew(anyway=True)

    @property
    def ports(self) -> list[int]:
        """The ports that it listens on, while it does."""
        return [each.getsockname()[1] for each in self._listening]

    async def prove(self) -> Proof:
        """Tries whether the server behind takes what it is told of clients, as one of this host's own."""
        if self._server is None:
            return Proof(works=None, said="not tried: the gateway does not listen")
        who, port = Client("127.0.0.1"), 1
        header = HEADERS[way]((who, port), (who, port)) if (way := self.settings.client_address) in HEADERS else b""
        return await probe(self._server, self._protocol, way, header, self._hello(who, port))

    def state(self) -> GatewayState:
        """How it is doing."""
        office = self._office
        return GatewayState(
            listens=tuple(_place(sock) for sock in self._listening),
            problem=self._problem or (self._server.problem if self._server is not None else ""),
            last=office.last,
            asked=office.asked,
            facts=office.told,
            connections=self._crowd.total,
            dropped=dict(office.dropped),
            shown=self._shown(),
        )

    def _shown(self) -> str:
        way = self.settings.client_address
        seen = "this host as client" if way == "none" else f"the client's own address ({way})"
        sight = "nothing is seen behind STARTTLS: it is handed on blindly" if self._office.blind else "all is seen"
        tls = {"none": "", "implicit": " (TLS", "starttls": " (STARTTLS"}[self.settings.backend_tls]
        if tls:
            tls += ", verified)" if self.settings.backend_ca else ", not verified)"
        return f"{self.settings.backend}{tls} sees {seen}; {sight}"

    # --- listening

    def _open(self) -> None:
        """Opens all. Raises OSError (ssl.SSLError is one)."""
        settings = self.settings
        self._certificates = Certificates(settings.tls) if settings.tls is not None else None
        self._server = Server(settings, self._protocol)
        loop = asyncio.get_running_loop()
        for each in settings.listen:
            host, port = endpoint("listen", each)
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
            self._listening.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setblocking(False)
            sock.bind((host, port))
            sock.listen(BACKLOG)
            loop.add_reader(sock, self._accept, sock)

    def _close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._listening:
            loop.remove_reader(sock)
            sock.close()
        self._listening.clear()

    async def _look_after(self) -> None:
        """Looks at sessions and certificate, for as long as it listens."""
        renewal = time.monotonic() + RENEWAL
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self._look(now)
            if self._certificates is not None and now > renewal:
                renewal = now + RENEWAL
                self._problem = self._certificates.renew()

    def _look(self, now: float) -> None:
        for session in list(self._sessions):
            session.look(now)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._office.dropped["not accepted"] += 1
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(TIRED, self._accept_again, listening)
                return
            sock.setblocking(False)
            who = client(peer[0])
            if self._balancers and any(ip_address(who) in network for network in self._balancers):
                task = asyncio.get_running_loop().create_task(self._proxied(sock, who))
                self._waiting[task] = None
                task.add_done_callback(lambda task: self._waiting.pop(task, None))
            else:
                self._enter(sock, who, peer[1], True)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    async def _proxied(self, sock: socket.socket, balancer: Client) -> None:
        """Reads a balancer's PROXY header, and not a byte more: what follows may be TLS."""
        try:
            async with asyncio.timeout(HEADER_TIME):
                header = await _header(sock)
        except (OSError, ValueError, TimeoutError):
            self._office.dropped["no PROXY header"] += 1
            sock.close()
            return
        except BaseException:
            sock.close()
            raise
        self._enter(sock, header.client or balancer, header.port, header.client is not None)

    # --- who gets in

    def _enter(self, sock: socket.socket, who: Client, port: int, counted: bool) -> None:
        """Lets a client in, or turns it away. ``counted`` is false where a balancer connects for itself."""
        settings, dropped, crowd = self.settings, self._office.dropped, self._crowd
        if crowd.total >= settings.connections or crowd.of[who] >= settings.connections_of_one:
            dropped["too many connections"] += 1
            self._turn_away(sock)
            return
        verdict = self._office.enter(who, counted, crowd.of[who] + 1)
        if isinstance(verdict, Refuse):
            dropped["held"] += 1
            self._turn_away(sock)
            return
        crowd.enter(who)
        if isinstance(verdict, Delay):
            asyncio.get_running_loop().call_later(verdict.us / 1_000_000, self._begin, sock, who, port, counted)
        else:
            self._begin(sock, who, port, counted)

    def _turn_away(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._refusal:
                sock.send(self._refusal)
                sock.shutdown(socket.SHUT_WR)
        sock.close()

    def _begin(self, sock: socket.socket, who: Client, port: int, counted: bool) -> None:
        """Begins a session."""
        if self._stopping:
            self._crowd.leave(who)
            sock.close()
            return
        ear = SessionEar(self._office, who, counted)
        session = Session(self, who, ear, self._tap(ear, who, port), self._header(sock, who, port))
        self._sessions[session] = None
        session.start(sock, self.client_tls() if self._implicit else None)

    def _header(self, sock: socket.socket, who: Client, port: int) -> bytes:
        """What the server is told in the PROXY protocol."""
        write = HEADERS.get(self.settings.client_address)
        if write is None:
            return b""
        host, to = sock.getsockname()[:2]
        return write((who, port), (client(host), to))

    def _tap(self, ear: SessionEar, who: Client, port: int) -> Tap:
        settings = self.settings
        common: dict[str, Any] = {
            "starttls": self._starttls,
            "secure": self._implicit,
            "logins_need_tls": settings.tls is not None and settings.logins_need_tls,
        }
        hello = self._hello(who, port)
        if self._protocol == "imap":
            return ImapTap(ear, hello=hello, **common)
        if self._protocol == "sieve":
            return SieveTap(ear, **common)
        if self._protocol == "pop3":
            return Pop3Tap(ear, hello=hello, **common)
        proxied = settings.client_address in HEADERS
        return SmtpTap(ear, relay=self._relay, bare=settings.bare_newlines, hello=hello, proxied=proxied, **common)

    def _hello(self, who: Client, port: int) -> tuple[bytes, ...]:
        """What the server is told of a client in the protocol itself."""
        way = self.settings.client_address
        if way == "id":
            return (b'%s ID ("x-originating-ip" "%s" "x-originating-port" "%d")\r\n' % (OUR_TAG, who.encode(), port),)
        if way != "xclient":
            return ()
        if self._protocol == "pop3":
            return (f"XCLIENT ADDR={who} PORT={port}\r\n".encode(),)
        six = "IPV6:" if ":" in who else ""
        # Without a name Postfix would keep that of this host.
        return (b"EHLO gatepost\r\n", f"XCLIENT NAME=[UNAVAILABLE] ADDR={six}{who} PORT={port}\r\n".encode())

    # --- what sessions call

    def client_tls(self) -> ssl.SSLContext | None:
        """What clients are shown."""
        return self._certificates.context if self._certificates is not None else None

    async def connect(self, protocol: Callable[[], asyncio.Protocol], header: bytes) -> asyncio.Transport:
        """Connects to the server behind. Raises OSError or TimeoutError."""
        if self._server is None:
            raise ConnectionError("the gateway is not open")
        return await self._server.connect(protocol, header)

    def forget(self, session: Session, why: str) -> None:
        """A session is over."""
        if self._sessions.pop(session, 0) is None:
            self._crowd.leave(Client(session.client))
            if why:
                self._office.dropped[why] += 1


def _place(sock: socket.socket) -> str:
    """Where a socket listens, as settings write it."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _header(sock: socket.socket) -> proxy_header.Header:
    """Takes exactly the PROXY header off a socket: it is looked at first. Raises OSError, and ValueError where there is none."""
    loop = asyncio.get_running_loop()
    pause = 0.0
    while True:
        await _readable(loop, sock)
        seen = sock.recv(proxy_header.LONGEST_2, socket.MSG_PEEK)
        if not seen:
            raise ValueError("the balancer sent nothing")
        found = proxy_header.read(seen)
        if found is not None:
            sock.recv(found.length)
            return found
        pause = min(pause + 0.01, 0.2)  # it stays readable while it is looked at
        await asyncio.sleep(pause)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready = loop.create_future()
    loop.add_reader(sock, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)
