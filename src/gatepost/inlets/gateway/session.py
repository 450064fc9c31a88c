"""One client and the server behind: two connections, and the tap between them.

Job: carry bytes both ways through the tap, and carry out what it says. Promise: whoever is slow slows the other; a half-close, a reset and a server
that is away reach the other side as what they are; a message is taken only when the server said so. Limits: what a server says while it breaks off
may be lost with it, as without a gateway.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import Protocol

from gatepost.inlets.gateway.ear import SessionEar
from gatepost.wire.tap import Tap

HANDSHAKE = 10.0
"""Seconds that a TLS handshake with a client may take."""
HALF = 60.0
"""Seconds in which a command that has begun must end."""
LOGIN_TIME = 180.0
"""Seconds until somebody has logged in, SMTP apart, as Dovecot has it."""
ANSWER = 660.0
"""Seconds that the server has for an answer, where `idle` is shorter: clients wait for ten minutes (RFC 5321, 4.5.3.2.6)."""
AWAY = "The server is not available, try again later"


class Host(Protocol):
    """What a session needs of its gateway."""

    idle: int
    longest: int
    logins_only: bool
    """Nothing can be done here without a log-in."""

    def client_tls(self) -> ssl.SSLContext | None:
        """What clients are shown; None where there is no certificate."""

    async def connect(self, protocol: Callable[[], asyncio.Protocol], header: bytes) -> asyncio.Transport:
        """Connects to the server behind; ``header`` is said before TLS. Raises OSError or TimeoutError."""

    def forget(self, session: "Session", why: str) -> None:
        """A session is over; why we ended it, where we did."""


class _Front(asyncio.Protocol):
    """The client's side."""

    __slots__ = ("_session",)

    def __init__(self, session: "Session") -> None:
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._session.front = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        session = self._session
        session.touched = time.monotonic()
        session.tap.from_client(data)
        session.carry()
        if session.tap.full:
            session.stop_reading("server is asked")

    def eof_received(self) -> bool:
        self._session.client_ended()
        return not self._session.tap.secure  # the server's answers still go out; TLS knows no half-close here

    def connection_lost(self, error: Exception | None) -> None:
        self._session.front_lost()

    def pause_writing(self) -> None:
        if self._session.back is not None:
            self._session.back.pause_reading()

    def resume_writing(self) -> None:
        if self._session.back is not None and not self._session.back.is_closing():
            self._session.back.resume_reading()


class _Secured(_Front):
    """The client's side once TLS has begun. What came with the handshake's last bytes waits until the session has its new transport."""

    __slots__ = ("early",)

    def __init__(self, session: "Session") -> None:
        super().__init__(session)
        self.early: list[bytes] | None = []

    def data_received(self, data: bytes) -> None:
        if self.early is None:
            super().data_received(data)
        else:
            self.early.append(data)

    def begin(self) -> None:
        """The session has it."""
        early, self.early = self.early, None
        if early:
            super().data_received(b"".join(early))


class _Back(asyncio.Protocol):
    """The server's side."""

    __slots__ = ("_session",)

    def __init__(self, session: "Session") -> None:
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._session.back_made(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        session = self._session
        session.touched = time.monotonic()
        session.tap.from_server(data)
        session.carry()

    def connection_lost(self, error: Exception | None) -> None:
        self._session.back_lost()

    def pause_writing(self) -> None:
        self._session.stop_reading("server is slow")

    def resume_writing(self) -> None:
        self._session.go_on_reading("server is slow")


class Session:
    """One client. `start` begins it; it ends by itself."""

    __slots__ = (
        "_eof", "_eof_sent", "_half", "_held", "_over", "_stops", "_why", "back", "began", "client", "ear", "forwarded", "front", "header",
        "host", "tap", "task", "touched",
    )  # fmt: skip

    def __init__(self, host: Host, client: str, ear: SessionEar, tap: Tap, header: bytes) -> None:
        """``header`` is said to the server before anything else (the PROXY protocol)."""
        self.host, self.client, self.ear, self.tap, self.header = host, client, ear, tap, header
        self.front: asyncio.Transport | None = None
        self.back: asyncio.Transport | None = None
        self.task: asyncio.Task[None] | None = None
        """What the session waits for: a handshake, or the server."""
        self.began = self.touched = self.forwarded = time.monotonic()
        self._stops: list[str] = []
        """Why nothing more is read from the client now."""
        self._half = 0.0
        """Since when a command has begun and not ended; 0 where none has."""
        self._held = False
        self._eof = self._eof_sent = self._over = False
        self._why = ""

    # --- its beginning

    def start(self, sock: socket.socket, implicit: ssl.SSLContext | None) -> None:
        """Begins with a client's socket; ``implicit``: in TLS from the first byte."""
        self.task = asyncio.get_running_loop().create_task(self._start(sock, implicit))

    async def _start(self, sock: socket.socket, implicit: ssl.SSLContext | None) -> None:
        timeout = HANDSHAKE if implicit is not None else None
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: _Front(self), sock, ssl=implicit, ssl_handshake_timeout=timeout)
        except (OSError, TimeoutError):
            self.end("handshake")
        finally:
            if self.front is None:
                sock.close()
                self._finish("handshake")
        if self.front is not None and not self._over:
            await self._connect()

    async def _connect(self) -> None:
        """Connects to the server; where that fails, the client is told to come back."""
        try:
            back = await self.host.connect(lambda: _Back(self), self.header)
            if self.back is not None:
                self.back = back
        except (OSError, TimeoutError):
            self.ear.server_failed()
            if self.front is not None and not self.front.is_closing():
                self.front.write(self._farewell(AWAY))
            self.end("server away")
        finally:
            self.task = None

    def back_made(self, transport: asyncio.Transport) -> None:
        """The server is there."""
        self.back = transport
        if self.front is None or self.front.is_closing():
            transport.abort()
        elif self.header and transport.get_extra_info("sslcontext") is None:  # in TLS it went before
            transport.write(self.header)

    # --- its course

    def carry(self) -> None:
        """Carries out what the tap says."""
        tap, front, back = self.tap, self.front, self.back
        if tap.to_client and front is not None:
            front.write(b"".join(tap.to_client))
            tap.to_client.clear()
        if tap.to_server and back is not None and not tap.cut:
            if self.ear.delay:
                self._hold()
            if not self._held:
                self.forwarded = self.touched
                back.write(b"".join(tap.to_server))
                tap.to_server.clear()
        if tap.cut and back is not None:
            back.abort()
        if tap.upgrade and self.task is None:
            self._upgrade()
        if tap.ended:
            self.end(tap.ended)
            return
        if self._stops and not tap.full:
            self.go_on_reading("server is asked")
        if self._eof:
            self._pass_end()

    def stop_reading(self, why: str) -> None:
        """Reads no more from the client, for one more reason."""
        if why not in self._stops:
            self._stops.append(why)
            if self.front is not None and len(self._stops) == 1:
                self.front.pause_reading()

    def go_on_reading(self, why: str) -> None:
        """A reason is gone; where it was the last, reads on."""
        if why in self._stops:
            self._stops.remove(why)
            if not self._stops and self.front is not None and not self.front.is_closing():
                self.front.resume_reading()

    def _hold(self) -> None:
        """Holds what goes to the server, as long as the guard said."""
        delay, self.ear.delay = self.ear.delay / 1_000_000, 0
        self._held = True
        self.stop_reading("held")
        asyncio.get_running_loop().call_later(delay, self._let_go)

    def _let_go(self) -> None:
        self._held = False
        if not self._over:
            self.go_on_reading("held")
            self.carry()

    def _upgrade(self) -> None:
        """Begins TLS with the client, who was just told to."""
        context, front = self.host.client_tls(), self.front
        if context is None or front is None:
            self.end("no certificate")
            return
        front.pause_reading()
        self.task = asyncio.get_running_loop().create_task(self._secure(front, context))

    async def _secure(self, front: asyncio.Transport, context: ssl.SSLContext) -> None:
        protocol = _Secured(self)
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(front, protocol, context, server_side=True, ssl_handshake_timeout=HANDSHAKE)
        except (OSError, TimeoutError):
            secured = None
        self.task = None
        if secured is None:
            self._why = self._why or "handshake"
            front.abort()
            self.front_lost()
            return
        self.front = secured
        self._stops.clear()
        self.tap.secured()
        self.carry()
        protocol.begin()

    # --- its end

    def client_ended(self) -> None:
        """The client sends nothing more."""
        self._eof = True
        self._waited()
        if self.tap.cut:
            self.end("gone")
        self._pass_end()

    def _pass_end(self) -> None:
        """Tells the server so, once all that came before has gone."""
        if not self._eof_sent and self.back is not None and not self.tap.waiting and not self._held:
            self._eof_sent = True
            if self.back.can_write_eof():
                self.back.write_eof()
            else:
                self.back.close()

    def _waited(self) -> None:
        """Whoever leaves after a long wait for the server is not to blame."""
        if self.tap.owing and not self._why and time.monotonic() - self.forwarded > HALF:
            self.ear.server_failed()

    def front_lost(self) -> None:
        """The client is gone."""
        self.front = None
        self._waited()
        if self.task is not None:
            self.task.cancel()
        if self.back is not None:
            self.back.close()
        else:
            self._finish("")

    def back_lost(self) -> None:
        """The server is gone."""
        self.back = None
        front = self.front
        if front is None:
            self._finish("")
        elif not self.tap.cut or self.tap.ended:
            if not self.tap.greeted and not self.tap.ended:
                self.ear.server_failed()
                front.write(self._farewell(AWAY))
            elif self.tap.unfinished and not (self._eof or self._why):
                self.ear.server_failed()
            front.close()

    def _farewell(self, words: str) -> bytes:
        """The last words; where the server is away, they say so (RFC 3463, 3.4)."""
        said = self.tap.farewell(words)
        return said.replace(b" 4.7.0 ", b" 4.3.0 ") if words is AWAY else said

    def end(self, why: str, words: str = "") -> None:
        """Ends it from our side, after what was written; ``words`` are said in the protocol."""
        self._why = self._why or why
        if self.front is not None:
            if words and not self.tap.open:
                self.front.write(self._farewell(words))
            self.front.close()
        if self.back is not None:
            self.back.close()

    def abort(self) -> None:
        """Ends it at once."""
        for transport in (self.front, self.back):
            if transport is not None:
                transport.abort()
        if self.task is not None:
            self.task.cancel()

    def look(self, now: float) -> None:
        """Ends it where it is silent, or has lasted, for too long."""
        host, tap = self.host, self.tap
        if now - self.touched > host.idle and not tap.owing:
            self._time_out("idle", "Idle for too long")
        elif now - self.touched > max(host.idle, ANSWER):
            self.ear.server_failed()
            self._time_out("server silent", AWAY)
        elif host.longest and now - self.began > host.longest:
            self._time_out("too long", "Session lasted too long")
        elif self._slow(now):
            self._time_out("slow", "Too slow")
        elif host.logins_only and not tap.open and now - self.began > LOGIN_TIME:
            self._time_out("no log-in", "No log-in for too long")

    def _slow(self, now: float) -> bool:
        """Whether a command that has begun does not come to its end."""
        if not self.tap.midway:
            self._half = 0.0
        elif not self._half or self.forwarded > self._half:
            self._half = now
        return self._half != 0.0 and now - self._half > HALF

    def _time_out(self, why: str, words: str) -> None:
        if self._why:  # it was told before, and does not take it
            self.abort()
            return
        self.end(why, words)

    def _finish(self, why: str) -> None:
        if not self._over:
            self._over = True
            self._why = self._why or why
            self.ear.ended()
            self.host.forget(self, self._why)
