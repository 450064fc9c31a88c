"""Syslog by datagrams: UDP, and a unix socket of this host.

Job: take what waits in the socket, many datagrams at a turn, and hand each sender's messages on in their order. Promise: a turn is bounded, so that
others on the loop have theirs; what the kernel dropped because we were too slow is counted. Limits: datagrams that were lost on the way nobody can
count.

asyncio's own datagram transport reads one datagram in each turn of the loop, which is a fifth of the speed: so the socket is read here.
"""

import asyncio
import socket
import struct

from gatepost.inlets.syslog_senders import LOCAL, Senders

TURN = 256
"""Datagrams that are read in one turn."""
LONGEST = 65_536
BUFFER = 4 << 20
"""Bytes that the kernel is asked to keep for us; it may give less (net.core.rmem_max)."""
_SO_MEMINFO, _WORDS = 55, 9  # asm-generic/socket.h, SK_MEMINFO_VARS; the last word is SK_MEMINFO_DROPS


class Datagrams:
    """One socket that datagrams come to. ``local`` says that it is a unix socket."""

    def __init__(self, senders: Senders, sock: socket.socket, *, local: bool) -> None:
        self._senders = senders
        self._sock = sock
        self._local = local
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)

    def start(self) -> None:
        """Reads from now on."""
        asyncio.get_running_loop().add_reader(self._sock, self._read)

    def close(self) -> None:
        """Reads no more."""
        asyncio.get_running_loop().remove_reader(self._sock)

    def overflow(self) -> int:
        """Datagrams that the kernel dropped since the socket was opened, its buffer being full."""
        try:
            told = self._sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _WORDS)
        except OSError:
            return 0
        return int(struct.unpack(f"{_WORDS}I", told)[-1]) if len(told) == 4 * _WORDS else 0

    def _read(self) -> None:
        """One turn."""
        senders = self._senders
        waiting: dict[str, list[bytes]] = {}
        for _ in range(TURN):
            try:
                message, peer = self._sock.recvfrom(LONGEST)
            except OSError:
                break
            sender = LOCAL if self._local else senders.known(peer[0])
            if sender:
                waiting.setdefault(sender, []).append(message)
            else:
                senders.dropped["stranger"] += 1
        for sender, messages in waiting.items():
            senders.take(sender, messages)
