"""Netlink by hand, for what libnftables does not do or does slowly.

Job: ask the kernel for the generation of its rule sets, the names of our sets and, by slices, their elements; and the frames that `sockets` uses
and `writer` use too. Promise: the looks change nothing. Limits: a request and its answer, a dump or a transaction at a time on one socket; numbers
are the kernel's (linux/netlink.h, linux/netfilter/nfnetlink.h and nf_tables.h).
"""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress

NETLINK_SOCK_DIAG, NETLINK_NETFILTER = 4, 12
REQUEST, ACK, DUMP, CREATE = 1, 4, 0x300, 0x400
DUMP_INTR = 0x10
ERROR, DONE = 2, 3
HEADER = struct.Struct("=IHHII")
BUFFER = 1 << 17

_SO_SNDBUFFORCE = 32
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_BATCH = struct.pack(">BBH", 0, 0, 10)
"""For no family, version 0, the subsystem of nf_tables."""
_NFTABLES = 10 << 8
_GETTABLE, _GETCHAIN, _GETRULE, _GETSET, _GETSETELEM, _GETGEN = (_NFTABLES | number for number in (1, 4, 7, 10, 13, 16))
_STRUCTURE = ((_GETTABLE, (2,)), (_GETCHAIN, (3, 2, 5)), (_GETRULE, (2, 3)), (_GETSET, (2, 16)))
"""The table by its flags (dormant is one); chains by name, handle and policy; rules by chain and handle; sets by name and handle. Each has its
table's name as attribute 1."""
_INET = 1
_TYPE = 0x3FFF
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS = 1, 2, 3
_RULE_HANDLE, _RULE_EXPRESSIONS = 3, 4
_ELEM_KEY, _ELEM_TIMEOUT, _ELEM_EXPIRATION = 1, 4, 5
_ATTRIBUTE = struct.Struct("=HH")
_U64 = struct.Struct(">Q")


class Netlink:
    """One netlink socket of one protocol. Raises OSError where the kernel refuses."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._sequence = 0

    def ask(self, kind: int, payload: bytes, flags: int = 0) -> Iterator[tuple[int, int, memoryview]]:
        """Sends a request; yields the type, flags and body of each message of the answer, up to its end."""
        self._sequence += 1
        sequence = self._sequence
        self._socket.sendto(HEADER.pack(HEADER.size + len(payload), kind, REQUEST | flags, sequence, 0) + payload, (0, 0))
        while True:
            data = memoryview(self._socket.recv(BUFFER))
            while len(data) >= HEADER.size:
                length, found, told, number, _ = HEADER.unpack_from(data)
                body, data = data[HEADER.size : length], data[(length + 3) & ~3 :]
                if number != sequence:
                    continue
                if found in (ERROR, DONE):
                    code = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                    if code > 0:
                        raise OSError(code, "netlink")
                    if found == DONE and told & DUMP_INTR:
                        yield found, told, body
                    return
                yield found, told, body
                if not flags & (DUMP | ACK):
                    return

    def transact(self, kind: int, bodies: Sequence[bytes]) -> None:
        """Sends messages of one kind to nf_tables, as one transaction (nfnetlink's batch). Raises OSError; then nothing was changed."""
        first = self._sequence + 1
        self._sequence += len(bodies) + 2
        messages = [(_BATCH_BEGIN, REQUEST, _BATCH), *((kind, REQUEST | CREATE | ACK, body) for body in bodies), (_BATCH_END, REQUEST, _BATCH)]
        data = b"".join(
            [HEADER.pack(HEADER.size + len(body), what, flags, number, 0) + body for number, (what, flags, body) in enumerate(messages, first)]
        )
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, max(BUFFER, 2 * len(data)))
        self._socket.sendto(data, (0, 0))
        waiting, wrong = set(range(first + 1, first + 1 + len(bodies))), 0
        while waiting:
            told = memoryview(self._socket.recv(BUFFER))
            while len(told) >= HEADER.size:
                length, found, _, number, _ = HEADER.unpack_from(told)
                if found == ERROR and first <= number <= self._sequence:
                    wrong = wrong or -struct.unpack_from("=i", told, HEADER.size)[0]
                    waiting.discard(number)
                    if number == first:  # the whole was refused
                        waiting.clear()
                told = told[(length + 3) & ~3 :]
        if wrong:
            raise OSError(wrong, os.strerror(wrong))

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()


def attributes(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The attributes in a body, each with its type."""
    while len(data) >= 4:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < 4:
            return
        yield kind & _TYPE, data[4:length]
        data = data[(length + 3) & ~3 :]


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute with its padding."""
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


class NftablesReader:
    """Looks at nf_tables. Raises OSError: EPERM without the right, others where the kernel has no nf_tables."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_NETFILTER)

    def generation(self) -> int:
        """Counts the changes that anybody made to any table of this network namespace."""
        for _, _, body in self._netlink.ask(_GETGEN, bytes(4)):
            for kind, value in attributes(body[4:]):
                if kind == 1:
                    return int.from_bytes(value, "big")
        return 0

    def structure(self, table: str) -> tuple[tuple[bytes, ...], ...]:
        """What tells our table, chains, rules and sets from any others: whatever is made anew gets another handle. Empty where there is no table.

        libnftables can list them too, but fetches all elements for it.
        """
        found: list[tuple[bytes, ...]] = []
        wanted = table.encode() + b"\0"
        with suppress(FileNotFoundError):  # no such table
            for kind, numbers in _STRUCTURE:
                for _, _, body in self._netlink.ask(kind, bytes((_INET, 0, 0, 0)) + attribute(1, wanted), DUMP):
                    told = {number: bytes(value) for number, value in attributes(body[4:])}
                    if told.get(1) == wanted and body[0] == _INET:
                        found.append((kind.to_bytes(2, "big"), *(told.get(number, b"") for number in numbers)))
        return tuple(found)

    def sets(self, table: str) -> list[str]:
        """The names of the named sets of a table of family inet."""
        kind = _GETSET.to_bytes(2, "big")
        return [name.rstrip(b"\0").decode() for what, name, *_ in self.structure(table) if what == kind and not name.startswith(b"__")]

    def counters(self, table: str) -> Iterator[tuple[bytes, list[str], int, int]]:
        """Each rule of a table that counts: its handle, the sets that it looks up, packets and bytes."""
        wanted = table.encode() + b"\0"
        for _, _, body in self._netlink.ask(_GETRULE, bytes((_INET, 0, 0, 0)) + attribute(1, wanted), DUMP):
            told = dict(attributes(body[4:]))
            if bytes(told.get(1, b"")) != wanted or body[0] != _INET:
                continue
            sets: list[str] = []
            counted: dict[int, memoryview] = {}
            for _, expression in attributes(told.get(_RULE_EXPRESSIONS, memoryview(b""))):
                parts = dict(attributes(expression))
                name, data = bytes(parts.get(1, b"")), dict(attributes(parts.get(2, memoryview(b""))))
                if name == b"lookup\0" and 1 in data:
                    sets.append(bytes(data[1]).rstrip(b"\0").decode("ascii", "replace"))
                elif name == b"counter\0":
                    counted = data
            if 1 in counted and 2 in counted:
                yield bytes(told[_RULE_HANDLE]), sets, int.from_bytes(counted[2], "big"), int.from_bytes(counted[1], "big")

    def elements(self, table: str, name: str) -> Iterator[tuple[list[tuple[bytes, int]], bool]]:
        """Slices of a set's elements with the milliseconds they have left (0: no end), and whether the set changed under the reading."""
        payload = bytes((_INET, 0, 0, 0)) + attribute(_LIST_TABLE, table.encode() + b"\0") + attribute(_LIST_SET, name.encode() + b"\0")
        for _, flags, body in self._netlink.ask(_GETSETELEM, payload, DUMP):
            found = [element for kind, value in attributes(body[4:]) if kind == _LIST_ELEMENTS for element in _elements(value)]
            yield found, bool(flags & DUMP_INTR)

    def close(self) -> None:
        """Closes its socket."""
        self._netlink.close()


_UNTIL, _LEFT = _ATTRIBUTE.pack(12, _ELEM_TIMEOUT), _ATTRIBUTE.pack(12, _ELEM_EXPIRATION)
_ALIKE = {12 + size + 24: struct.Struct(f">12s{size}s4sQ4sQ") for size in (4, 16)}
"""By its length: an element with nothing but its key, its time-out and what is left of it, as nearly all of ours are."""


def _elements(data: memoryview) -> list[tuple[bytes, int]]:
    """The elements in a list; those that all look alike are read a few times faster."""
    alike = _ALIKE.get(_ATTRIBUTE.unpack_from(data)[0]) if len(data) >= 4 else None
    if alike is not None and len(data) % alike.size == 0:
        rows = list(alike.iter_unpack(data))
        if {(row[0], row[2], row[4]) for row in rows} == {(rows[0][0], _UNTIL, _LEFT)}:
            return [(row[1], row[5] or 1) for row in rows]
    return [_element(each) for _, each in attributes(data)]


def _element(data: memoryview) -> tuple[bytes, int]:
    key, timed, left = b"", False, 0
    for kind, value in attributes(data):
        if kind == _ELEM_KEY:
            key = bytes(value[4:])
        elif kind == _ELEM_TIMEOUT:
            timed = True
        elif kind == _ELEM_EXPIRATION:
            left = _U64.unpack(value)[0]
    return key, max(left, 1) if timed else 0
