"""Ends this host's own sockets of a held client.

Job: find the TCP sockets of some peers on some local ports and destroy them (SOCK_DESTROY, what ``ss -K`` does): a dropped packet alone would
leave the server's process waiting for hours. Promise: only sockets whose peer and local port are asked for, and not those that an allow entry
spares. Limits: sockets in other network namespaces (containers) are out of reach; needs CAP_NET_ADMIN and CONFIG_INET_DIAG_DESTROY.
"""

import errno
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from socket import AF_INET, AF_INET6, IPPROTO_TCP

from gatepost.outlets.nftables.messages import End, Scope
from gatepost.outlets.nftables.netlink import ACK, DUMP, NETLINK_SOCK_DIAG, Netlink, attribute

_BY_FAMILY, _DESTROY = 20, 21
_STATES = 0xFFF & ~(1 << 10 | 1 << 7 | 1 << 6)
"""All but LISTEN, CLOSE and TIME_WAIT."""
_JUMP, _PEER = 1, 8
_MAPPED = bytes(10) + b"\xff\xff"
FILTERED = 32
"""Up to so many prefixes the kernel itself sorts out the sockets; with more, all are looked at here."""

_Found = dict[tuple[int, int], dict[int, list[End]]]


class Sockets:
    """Ends sockets. Raises OSError where the kernel cannot."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_SOCK_DIAG)

    def end(self, ends: Sequence[End]) -> int:
        """Ends the sockets that are asked for; returns how many."""
        wanted: _Found = {}
        for end in ends:
            length, number = end.of.length, _number(end.of)
            wanted.setdefault((len(end.of.prefix), length), {}).setdefault(number, []).append(end)
        code = attribute(1, bytecode([end.of for end in ends])) if len(ends) <= FILTERED else b""
        found = [(family, ident) for family in (AF_INET, AF_INET6) for ident in self._matching(family, code, wanted)]
        return sum(self._destroy(family, ident) for family, ident in found)

    def _matching(self, family: int, code: bytes, wanted: _Found) -> Iterator[bytes]:
        ask = struct.pack("=BBBBI48s", family, IPPROTO_TCP, 0, 0, _STATES, b"") + code
        for _, _, body in self._netlink.ask(_BY_FAMILY, ask, DUMP):
            ident = bytes(body[4:52])
            port = int.from_bytes(ident[:2], "big")
            peer = ident[20:24] if family == AF_INET else ident[20:36]
            if peer[:12] == _MAPPED:
                peer = peer[12:]
            if asked_for(peer, port, wanted):
                yield ident

    def _destroy(self, family: int, ident: bytes) -> bool:
        ask = struct.pack("=BBBBI48s", family, IPPROTO_TCP, 0, 0, _STATES, ident)
        try:
            for _ in self._netlink.ask(_DESTROY, ask, ACK):
                pass
        except OSError as wrong:
            if wrong.errno in (errno.ENOENT, errno.ESTALE):  # it ended by itself
                return False
            raise
        return True

    def close(self) -> None:
        """Closes its socket."""
        with suppress(OSError):
            self._netlink.close()


def asked_for(peer: bytes, port: int, wanted: _Found) -> bool:
    """Whether a socket is to be ended."""
    number = int.from_bytes(peer, "big")
    for (size, length), table in wanted.items():
        if size != len(peer):
            continue
        for end in table.get(number >> (8 * size - length), ()):
            if port in end.of.ports and not any(_covers(spare, peer, port) for spare in end.spare):
                return True
    return False


def _covers(scope: Scope, peer: bytes, port: int) -> bool:
    shift = 8 * len(peer) - scope.length
    return len(scope.prefix) == len(peer) and port in scope.ports and int.from_bytes(peer, "big") >> shift == _number(scope)


def _number(scope: Scope) -> int:
    return int.from_bytes(scope.prefix, "big") >> (8 * len(scope.prefix) - scope.length)


def bytecode(scopes: Sequence[Scope]) -> bytes:
    """The kernel's filter (linux/inet_diag.h) for sockets with a peer in any of some prefixes; an IPv4 prefix finds mapped peers too.

    Each condition that fails skips the jump behind it and comes to the next; one that holds comes to the jump, which leads to the end.
    The last one's failure leads beyond the end, which is no.
    """
    conditions = [struct.pack("=BBhi", AF_INET if len(scope.prefix) == 4 else AF_INET6, scope.length, 0, -1) + scope.prefix for scope in scopes]
    left = sum(4 + len(condition) + 4 for condition in conditions)
    code = b""
    for condition in conditions:
        size = 4 + len(condition)
        left -= size + 4
        code += struct.pack("=BBH", _PEER, size, size + 4 if left else size + 8) + condition
        code += struct.pack("=BBH", _JUMP, 4, left + 4)
    return code
