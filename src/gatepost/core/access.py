"""Who is never let in and who is trusted: the deny and allow lists.

Job: declare an entry, check a list, and find the entries that cover a client, the most specific first. Promise: an allow and a deny entry for
the same prefix and protocol never stand together; a look-up costs one dictionary access for each prefix length in use.
Limits: what an entry means for a decision is said in engine.py; host names are resolved elsewhere.
"""

from collections.abc import Iterable
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, summarize_address_range
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.subjects import address, network, prefix_text
from gatepost.core.texts import say

Verb = Literal["allow", "deny"]
Network = IPv4Network | IPv6Network
Place = tuple[int, int, int]

MOST_PREFIXES = 256
"""Prefixes that one range may fall into; an unaligned IPv6 range can need 254."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """A line of the deny or the allow list. ``prefix`` is an address, a CIDR prefix, or a range ``first-last``."""

    verb: Annotated[Verb, Meta(title="List", description="allow or deny.")]
    prefix: Annotated[str, Meta(title="Address", description="An address, a prefix or a range.", max_length=100, examples=["203.0.113.0/24"])]
    protocols: Annotated[tuple[Protocol, ...], Meta(title="Protocols", description="Where it counts; empty: everywhere.")] = ()
    detection: Annotated[bool, Meta(title="Detection", description="No rule about a client, network or pair counts or holds it.")] = True
    logins: Annotated[bool, Meta(title="Log-ins only", description="Only the rules about failed log-ins leave it alone, instead of all.")] = False
    relay: Annotated[bool, Meta(title="Relay", description="It may relay mail through this server without a log-in.")] = False
    expires: Annotated[int, Meta(title="Expires", description="Microseconds since 1970 UTC; 0: stays until removed.", ge=0)] = 0
    note: Annotated[str, Meta(title="Note", description="What you want to remember about it.", max_length=500)] = ""
    own: Annotated[bool, Meta(title="Own", description="One of the host's own networks: can be edited, not deleted.")] = False
    name: Annotated[str, Meta(title="Host name", description="The host name that it stands for; without an address, the wish for one.")] = ""

    def __post_init__(self) -> None:
        if not self.networks and not self.name:
            prefixes(self.prefix)  # says what is wrong with an empty one
        if self.name and (self.verb == "deny" or self.relay or self.own):
            raise ValueError(say("prefix: a host name can be trusted for detection or log-ins only: who answers for the name decides what it means"))
        if self.verb == "deny" and (self.relay or self.logins):
            raise ValueError(say("relay, logins: boxes of the allow list; a denied address gets nothing. Leave them out"))
        if self.verb == "allow" and not (self.detection or self.logins or self.relay or self.expires):
            raise ValueError(say("detection: an allow entry with every box off allows nothing; check detection, logins or relay, or let it expire"))
        if self.own and not (self.detection or self.logins or self.relay):
            raise ValueError(say("detection: one of this host's own networks, whose trust cannot be taken away as a whole; name protocols instead"))

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """The prefixes that it stands for: one, or those that make up its range; none where it only names a host."""
        return prefixes(self.prefix) if self.prefix else ()

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The same as numbers, which are quicker to compare and to look up: IP version, bits behind the prefix, the bits before them."""
        return tuple(_place(net) for net in self.networks)

    @property
    def on(self) -> tuple[Protocol, ...]:
        """The protocols that it counts on, spelled out."""
        return self.protocols or PROTOCOLS

    def in_force(self, at: int) -> bool:
        """Whether it counts at a time."""
        return not self.expires or at < self.expires

    @property
    def speaks(self) -> bool:
        """Whether it says anything at the stages before and behind relaying. One with the relay box alone leaves those to wider entries; one with
        every box off does not: it takes back, for a while, what a wider entry gives."""
        return self.detection or self.logins or not self.relay

    def trusts(self, counts: str) -> bool:
        """Whether rules that count such facts leave its clients alone."""
        return self.verb == "allow" and (counts == "auth_failed" if self.logins else self.detection)

    def __str__(self) -> str:
        boxes = [name for name in ("logins", "relay") if getattr(self, name)]
        boxes += [] if self.detection or self.logins else ["no-detection"]
        words = [self.verb, self.prefix or self.name, *(["on " + ",".join(self.protocols)] if self.protocols else []), *boxes]
        return " ".join(words)


def _place(net: Network) -> Place:
    shift = net.max_prefixlen - net.prefixlen
    return net.version, shift, int(net.network_address) >> shift


def prefixes(text: str) -> tuple[Network, ...]:
    """The prefixes that an entry's text spells. Raises ValueError where it spells none, or a range that runs backwards."""
    first, dash, last = text.partition("-")
    try:
        if not dash:
            return (network(text),)
        low, high = address(first), address(last)
    except ValueError as wrong:
        said = str(wrong)
        ours = (
            said
            if "prefix" in said
            else say("{text!r} is no address, prefix or range; write 192.0.2.7, 192.0.2.0/24 or 192.0.2.1-192.0.2.9", text=text)
        )
        raise ValueError(say("prefix: {said}", said=ours)) from None
    if low.version != high.version or int(low) > int(high):
        raise ValueError(say("prefix: the range {text!r} must run from a lower to a higher address of one family", text=text))
    found: tuple[Network, ...] = tuple(summarize_address_range(low, high))
    if len(found) > MOST_PREFIXES:
        raise ValueError(
            say(
                "prefix: the range {text!r} falls into {many} prefixes; {most} at most. Write it as prefixes",
                text=text,
                many=len(found),
                most=MOST_PREFIXES,
            )
        )
    return found


OWN_RANGES = ("127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
"""Loopback, RFC 1918, RFC 3927 and the IPv6 unique and link-local ranges (RFC 4193, RFC 4291): trusted from the first start."""


def own_entries(addresses: Iterable[str] = ()) -> tuple[Entry, ...]:
    """The allow entries that every installation starts with: the own ranges and the host's own addresses."""
    return tuple(Entry(verb="allow", prefix=text, note="own network", own=True) for text in dict.fromkeys((*OWN_RANGES, *addresses)))


class ContradictionError(ValueError):
    """An entry contradicts or repeats another one."""

    def __init__(self, entry: Entry, said: str) -> None:
        self.entry = entry
        super().__init__(say("prefix: {said}; remove one of them, or name other protocols", said=said))


def check_entries(entries: Iterable[Entry]) -> None:
    """Raises ContradictionError where two entries contradict or repeat each other: the same prefix on the same protocol."""
    taken: dict[Place, list[Entry]] = {}
    for entry in entries:
        for index, place in enumerate(entry.places):
            others = taken.setdefault(place, [])
            if others:
                _check_apart(entry, others, prefix_text(entry.networks[index]))
            others.append(entry)


def _check_apart(entry: Entry, others: Iterable[Entry], prefix: str) -> None:
    for protocol in entry.on:
        for other in others:
            if protocol in other.on:
                there = {"prefix": prefix, "protocol": protocol, "other": str(other), "entry": str(entry)}
                if other.verb == entry.verb:
                    raise ContradictionError(entry, say("{prefix} on {protocol} stands twice ({other}; {entry})", **there))
                raise ContradictionError(entry, say("{prefix} on {protocol} stands on both lists ({other}; {entry})", **there))


class Lists:
    """The entries in force, found by address."""

    __slots__ = ("_by_length", "_inside", "entries")

    def __init__(self, entries: tuple[Entry, ...], now: int = 0) -> None:
        check_entries(entries)
        self.entries = entries
        self.expire(now)
        found: dict[int, dict[int, dict[int, list[Entry]]]] = {4: {}, 6: {}}
        for entry in entries:
            for version, shift, number in entry.places:
                found[version].setdefault(shift, {}).setdefault(number, []).append(entry)
        self._by_length = {version: [(shift, lengths[shift]) for shift in sorted(lengths)] for version, lengths in found.items()}

    def expire(self, now: int) -> bool:
        """Lets expired entries share no network any more; whether there are any, so that views must be made anew."""
        allowed = [entry for entry in self.entries if entry.verb == "allow" and entry.in_force(now)]
        self._inside = {(version, shift): _numbers(allowed, version, shift) for version, shift in ((4, 8), (6, 64), (6, 80))}
        return not all(entry.in_force(now) for entry in self.entries)

    def covering(self, version: int, number: int) -> tuple[Entry, ...]:
        """The entries whose prefix covers an address, the most specific first."""
        return tuple(entry for shift, table in self._by_length[version] for entry in table.get(number >> shift, ()))

    def shares(self, version: int, number: int, length6: int) -> bool:
        """Whether the network of an address (IPv4: /24; IPv6: /64 or /48) holds an address or prefix that the allow list names now."""
        shift = 8 if version == 4 else 128 - length6
        return number >> shift in self._inside[version, shift]


def _numbers(entries: Iterable[Entry], version: int, shift: int) -> frozenset[int]:
    """The networks, as numbers without their last ``shift`` bits, that hold a prefix of the entries, at least as long."""
    return frozenset(
        number >> (shift - behind) for entry in entries for family, behind, number in entry.places if family == version and behind <= shift
    )
