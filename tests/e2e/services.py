"""What surrounds a mail host: a name server, a remote mail server that bounces, a milter that refuses.

Job: small threads on sockets inside the namespaces. Promise: they answer at once, and end when closed.
Limits: they speak just enough of DNS (RFC 1035), SMTP and the milter protocol for Postfix and Exim to go on.
"""

import ipaddress
import socket
import struct
import threading
from collections.abc import Callable

from tests.e2e.net import Internet, Machine

LISTED = ("192.0.2.66", "2001:db8:1:66::1")
POINTERS = {"192.0.2.80": "mail.friend.example", "192.0.2.81": "6.6.6.6.evil.example", "192.0.2.82": "forged.friend.example"}
HOSTS = {
    "friend.example": "192.0.2.80",
    "mail.friend.example": "192.0.2.80",
    "6.6.6.6.evil.example": "192.0.2.81",
    "forged.friend.example": "192.0.2.1",
    "spammer.example": "192.0.2.83",
}
REMOTE = "203.0.113.25"


def _reverse(address: str, zone: str) -> str:
    parsed = ipaddress.ip_address(address)
    return parsed.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa") + "." + zone


def _zone() -> dict[tuple[str, int], bytes]:
    """The records: (name, type) and what stands there. Types: A 1, PTR 12, MX 15, TXT 16."""
    zone: dict[tuple[str, int], bytes] = {}
    for address in LISTED:
        name = _reverse(address, "bl.example.net")
        zone[name, 1] = socket.inet_aton("127.0.0.2")
        zone[name, 16] = b"\x16listed, see [10.9.8.7]"
    for address, host in POINTERS.items():
        zone[_reverse(address, "in-addr.arpa"), 12] = _wire_name(host)
    for host, address in HOSTS.items():
        zone[host, 1] = socket.inet_aton(address)
    zone["remote.example", 15] = b"\x00\x0a" + _wire_name("mx.remote.example")
    zone["mx.remote.example", 1] = socket.inet_aton(REMOTE)
    return zone


def _wire_name(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode("ascii") for part in name.split(".")) + b"\0"


def dns_answer(query: bytes, zone: dict[tuple[str, int], bytes]) -> bytes:
    """The answer to one question: the record, or a name error."""
    at, parts = 12, []
    while query[at]:
        parts.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    question = query[12 : at + 5]
    (kind,) = struct.unpack_from(">H", query, at + 1)
    name = ".".join(parts)
    found = zone.get((name, kind))
    if found is not None:
        record = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(found)) + found
        return query[:2] + struct.pack(">HHHHH", 0x8580, 1, 1, 0, 0) + question + record
    known = any(held == name for held, _ in zone)
    return query[:2] + struct.pack(">HHHHH", 0x8580 if known else 0x8583, 1, 0, 0, 0) + question


class Service:
    """A listening thread; each TCP connection gets a thread of its own."""

    def __init__(self, sock: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        self._sock, self._serve = sock, serve
        self._open = True
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self) -> None:
        while self._open:
            try:
                peer, _ = self._sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(peer,), daemon=True).start()

    def _one(self, peer: socket.socket) -> None:
        peer.settimeout(60)
        with peer:
            try:
                self._serve(peer)
            except (OSError, EOFError):
                return

    def close(self) -> None:
        """Stops listening."""
        self._open = False
        # Closing alone would leave the thread in accept().
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


def name_server(machine: Machine) -> None:
    """A name server on the machine's 127.0.0.1, for as long as this process lives or the socket does."""
    sock, zone = machine.listen(socket.SOCK_DGRAM, "127.0.0.1", 53), _zone()

    def loop() -> None:
        while True:
            query, peer = sock.recvfrom(1500)
            sock.sendto(dns_answer(query, zone), peer)

    threading.Thread(target=loop, daemon=True).start()


def remote_mail(internet: Internet) -> Service:
    """The mail server of remote.example: takes mail, knows no `nobody`, and is busy for `later`."""
    with internet.inside():
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((REMOTE, 25))
    sock.listen(50)
    return Service(sock, _remote_session)


def _remote_session(peer: socket.socket) -> None:
    stream = peer.makefile("rwb")

    def say(text: str) -> None:
        stream.write(text.encode("ascii") + b"\r\n")
        stream.flush()

    say("220 mx.remote.example ESMTP")
    while line := stream.readline():
        verb = line[:4].upper()
        if verb == b"RCPT" and b"nobody" in line:
            say("550 5.1.1 No such user here, says host mx[6.6.6.6] status=sent")
        elif verb == b"RCPT" and b"later" in line:
            say("451 4.3.0 Come back later")
        elif verb == b"DATA":
            say("354 go on")
            while stream.readline() not in (b".\r\n", b""):
                pass
            say("250 2.0.0 Ok")
        elif verb == b"QUIT":
            say("221 bye")
            return
        else:
            say("250 mx.remote.example")


def milter(machine: Machine) -> Service:
    """A milter on the machine's 127.0.0.1:7357 that refuses at the envelope's sender, recipient or the message's end what names it."""
    sock = machine.listen(socket.SOCK_STREAM, "127.0.0.1", 7357)
    sock.listen(50)
    return Service(sock, _milter_session)


def _milter_session(peer: socket.socket) -> None:
    stream = peer.makefile("rwb")
    text = b""

    def answer(kind: bytes, data: bytes = b"") -> None:
        stream.write(struct.pack(">I", len(data) + 1) + kind + data)
        stream.flush()

    while head := stream.read(5):
        length, kind = struct.unpack(">I", head[:4])[0], head[4:5]
        data = stream.read(length - 1)
        if kind == b"O":  # negotiate: version 6, no actions, every event
            answer(b"O", struct.pack(">III", 6, 0, 0))
        elif kind in (b"D", b"A"):  # macros and aborts have no answer
            text = b"" if kind == b"A" else text
        elif kind == b"Q":
            return
        elif kind == b"M" and b"milter-mail@" in data:
            answer(b"y", b"550 5.7.1 Milter: not from you\0")
        elif kind == b"R" and b"milter-later@" in data:
            answer(b"y", b"451 4.7.1 Milter: later\0")
        elif kind == b"E":
            answer(b"y", b"554 5.7.1 Milter: spam from [6.6.6.6]\0") if b"viagra" in text else answer(b"a")
            text = b""
        else:
            text += data if kind == b"B" else b""
            answer(b"c")
