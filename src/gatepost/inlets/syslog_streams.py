"""Syslog over TCP and TLS: who connects, and for how long.

Job: accept connections, close those of strangers before anything is read from them, cut each stream into messages. Promise: the number of
connections, what waits in each, and the time that a handshake or half a message may take are bounded; each end has its reason, counted. Limits: a
sender that is silent between two messages may stay: that is how syslog works; the kernel's keep-alive finds those that are gone.
"""

import asyncio
import socket
import ssl
import time
from collections import Counter
from typing import cast

from gatepost.inlets.syslog_framing import Frames
from gatepost.inlets.syslog_senders import Senders

HANDSHAKE = 10.0
"""Seconds that a TLS handshake may take."""
HALF = 60.0
"""Seconds within which a message that has begun must end."""
TIRED = 1.0
"""Seconds of rest where a connection cannot be taken, as when there are no more file descriptors."""
KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3))


class _Connection(asyncio.Protocol):
    """One sender's stream."""

    def __init__(self, streams: "Streams", sender: str) -> None:
        self._streams = streams
        self._frames = Frames()
        self._too_long = 0
        self.sender = sender
        self.transport: asyncio.Transport | None = None
        self.half_since = 0.0
        """Since when a message waits for its end; 0 where none does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self._streams.open.add(self)

    def data_received(self, data: bytes) -> None:
        frames, senders = self._frames, self._streams.senders
        messages = frames.feed(data)
        senders.take(self.sender, messages)
        if frames.too_long > self._too_long:
            senders.dropped["too long"] += frames.too_long - self._too_long
            self._too_long = frames.too_long
        if frames.broken:
            self.end(frames.broken)
        elif not frames.waiting:
            self.half_since = 0.0
        elif messages or not self.half_since:
            self.half_since = time.monotonic()

    def connection_lost(self, error: Exception | None) -> None:
        if self._frames.waiting and not self._frames.broken:
            self._streams.senders.dropped["unfinished"] += 1
        self._streams.forget(self)

    def end(self, reason: str) -> None:
        """Ends the connection at once, for a reason that is counted where there is one."""
        if reason:
            self._streams.senders.dropped[reason] += 1
        if self.transport is not None:
            self.transport.abort()


class Streams:
    """All connections of one listener."""

    def __init__(self, senders: Senders, most: int, most_of_one: int, tls: ssl.SSLContext | None) -> None:
        self.senders = senders
        self.open: set[_Connection] = set()
        self._most, self._most_of_one = most, most_of_one
        self._tls = tls
        self._of: Counter[str] = Counter()
        """Connections by sender, handshakes included."""
        self._starting: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """Connections, those in their handshake included."""
        return self._of.total()

    async def serve(self, listening: socket.socket) -> None:
        """Accepts connections until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(listening)
            except OSError:
                self.senders.dropped["not accepted"] += 1
                await asyncio.sleep(TIRED)
                continue
            sender = self.senders.known(peer[0])
            if reason := self._refusal(sender):
                self.senders.dropped[reason] += 1
                sock.close()
                continue
            self._of[sender] += 1
            task = asyncio.create_task(self._start(sock, sender))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    def _refusal(self, sender: str) -> str:
        """Why a connection is not taken; empty where it is."""
        if not sender:
            return "stranger"
        return "too many connections" if self.count >= self._most or self._of[sender] >= self._most_of_one else ""

    async def _start(self, sock: socket.socket, sender: str) -> None:
        """Gives an accepted connection to the loop, after its handshake."""
        connection = _Connection(self, sender)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEP_ALIVE:
                sock.setsockopt(socket.IPPROTO_TCP, name, value)
            timeout = HANDSHAKE if self._tls is not None else None
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: connection, sock, ssl=self._tls, ssl_handshake_timeout=timeout)
        except (OSError, TimeoutError):
            self.senders.dropped["handshake"] += 1
            sock.close()
        finally:
            if connection.transport is None:
                self._leave(sender)

    def forget(self, connection: _Connection) -> None:
        """A connection has ended."""
        if connection in self.open:
            self.open.discard(connection)
            self._leave(connection.sender)

    def _leave(self, sender: str) -> None:
        self._of[sender] -= 1
        if self._of[sender] <= 0:
            del self._of[sender]

    def sweep(self) -> None:
        """Ends the connections in which a message does not come to its end."""
        now = time.monotonic()
        for connection in [each for each in self.open if each.half_since and now - each.half_since > HALF]:
            connection.end("slow")

    def close(self) -> None:
        """Ends all connections."""
        for task in self._starting:
            task.cancel()
        for connection in list(self.open):
            connection.end("")
