"""Which addresses are this host's own, and which are its gateways, as the kernel's tables under /proc/net tell them.

Job: read these tables as text. Promise: pure; a line that is not understood is left out. Limits: the addresses of this network namespace, as they
are now. Loopback and link-local addresses are left out: they are allowed anyway.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_LEAF = re.compile(r"\s*\|-- ([0-9.]{7,15})\s*")
RTF_GATEWAY = 0x2


def own_ipv4(fib_trie: str) -> tuple[str, ...]:
    """The own addresses in /proc/net/fib_trie: the leaves that are ``/32 host LOCAL``."""
    found: dict[str, None] = {}
    leaf = ""
    for line in fib_trie.split("\n"):
        named = _LEAF.fullmatch(line)
        if named is not None:
            leaf = named[1]
        elif line.strip() == "/32 host LOCAL" and (text := _address(leaf)):
            found[text] = None
    return tuple(found)


def own_ipv6(if_inet6: str) -> tuple[str, ...]:
    """The own addresses in /proc/net/if_inet6."""
    found: dict[str, None] = {}
    for line in if_inet6.split("\n"):
        text = _address(_from_hex(line.partition(" ")[0]))
        if text:
            found[text] = None
    return tuple(found)


def gateways_ipv4(route: str) -> tuple[str, ...]:
    """The default gateways in /proc/net/route: its numbers are in the machine's own order of bytes, little-endian wherever we run."""
    found: dict[str, None] = {}
    for line in route.split("\n")[1:]:
        fields = line.split()
        try:
            if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000" and int(fields[3], 16) & RTF_GATEWAY:
                found[str(IPv4Address(int.from_bytes(bytes.fromhex(fields[2]), "little")))] = None
        except ValueError:
            continue
    return tuple(found)


def gateways_ipv6(ipv6_route: str) -> tuple[str, ...]:
    """The default gateways in /proc/net/ipv6_route."""
    found: dict[str, None] = {}
    for line in ipv6_route.split("\n"):
        fields = line.split()
        try:
            if len(fields) > 8 and fields[1] == "00" and fields[0] == "0" * 32 and int(fields[8], 16) & RTF_GATEWAY:
                found[str(IPv6Address(bytes.fromhex(fields[4])))] = None
        except ValueError:
            continue
    return tuple(found)


def networks(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The networks in a list as Postfix and Dovecot write it, loopback left out, and the words that are none (tables, exceptions, host names)."""
    found: dict[str, None] = {}
    other: dict[str, None] = {}
    for word in re.split(r"[\s,]+", text[:65_536]):
        if not word:
            continue
        try:
            net = ip_network(word.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            other[word[:200]] = None
            continue
        if not net.is_loopback:
            found[str(net)] = None
    return tuple(found), tuple(other)


def _from_hex(text: str) -> str:
    try:
        return str(IPv6Address(bytes.fromhex(text)))
    except ValueError:
        return ""


def _address(text: str) -> str:
    """An address, canonically; empty where it is none, or loopback or link-local."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return "" if address.is_loopback or address.is_link_local else str(address)
