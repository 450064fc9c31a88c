"""The PROXY protocol's header, versions 1 and 2: who really connects, told by the proxy in front or to the server behind.

Job: read and write the header. Promise: exact: a header is whole, still short, or wrong; nothing behind it is touched. Limits: TLVs are passed
over; of the families TCP over IPv4 and IPv6 alone. Source: HAProxy's proxy-protocol.txt, sections 2.1 and 2.2.
"""

from ipaddress import ip_address

from msgspec import Struct

from gatepost.core.subjects import Client, client

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST_1 = 107
"""Bytes of a header of version 1, its end included."""
LONGEST_2 = 16 + 4_096
"""Bytes of a header of version 2 that are taken: addresses and TLVs."""


class Header(Struct, frozen=True):
    """A header, and how many bytes it took."""

    length: int
    client: Client | None
    """Who connects; None where the proxy speaks for itself (LOCAL, a health check) or does not know (UNKNOWN)."""
    port: int = 0
    health: bool = False
    """The proxy itself connects: it is not to be counted."""


def read(data: bytes) -> Header | None:
    """The header at the front of a stream; None where it is not whole yet. Raises ValueError where there is none."""
    if data.startswith(SIGNATURE[: len(data)]):
        return _read_2(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _read_1(data)
    raise ValueError("no PROXY header")


def _read_1(data: bytes) -> Header | None:
    line, end, _ = data[:LONGEST_1].partition(b"\r\n")
    if not end:
        if len(data) >= LONGEST_1:
            raise ValueError("a PROXY header of version 1 without its end")
        return None
    length = len(line) + 2
    words = line.split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return Header(length, None)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ValueError("a PROXY header of version 1 that is none")
    source, target = ip_address(words[2].decode("ascii")), ip_address(words[3].decode("ascii"))
    if not source.version == target.version == int(words[1][3:]):
        raise ValueError("a PROXY header whose addresses are of another family")
    port, _ = (_port(word) for word in words[4:])
    return Header(length, client(str(source)), port)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65_535:
        raise ValueError("a PROXY header with a port that is none")
    return int(word)


def _read_2(data: bytes) -> Header | None:
    if len(data) < 16:
        return None
    version, command, family, size = data[12] >> 4, data[12] & 15, data[13], int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1:
        raise ValueError("a PROXY header of an unknown version or command")
    length = 16 + size
    if length > LONGEST_2:
        raise ValueError("a PROXY header that is too long")
    if len(data) < length:
        return None
    if command == 0:
        return Header(length, None, health=True)
    width = {0x11: 4, 0x21: 16}.get(family)
    if width is None:
        return Header(length, None)
    if size < 2 * width + 4:
        raise ValueError("a PROXY header that is too short for its addresses")
    port = int.from_bytes(data[16 + 2 * width : 18 + 2 * width], "big")
    return Header(length, client(str(ip_address(data[16 : 16 + width]))), port)


def write_1(source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """A header of version 1, from the client's address and port and those that it connected to."""
    (host, port), (to, to_port) = source, target
    family = "TCP6" if ":" in host else "TCP4"
    return f"PROXY {family} {host} {_alike(host, to)} {port} {to_port}\r\n".encode("ascii")


def write_2(source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """A header of version 2."""
    (host, port), (to, to_port) = source, target
    addresses = ip_address(host).packed + ip_address(_alike(host, to)).packed + port.to_bytes(2, "big") + to_port.to_bytes(2, "big")
    return SIGNATURE + bytes([0x21, 0x21 if ":" in host else 0x11]) + len(addresses).to_bytes(2, "big") + addresses


def _alike(source: str, target: str) -> str:
    """The target in the source's family: an IPv4 client may have come to an IPv6 socket, and a proxy may have spoken for another family."""
    if ":" in source:
        return target if ":" in target else f"::ffff:{target}"
    return "0.0.0.0" if ":" in target else target  # noqa: S104
