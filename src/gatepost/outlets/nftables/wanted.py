"""What should stand in the kernel.

Job: decisions, graces and list entries become elements of sets. Promise: pure; what the engine would answer at stage connect is what the kernel
does with a packet (the law, 8 and 9), as far as a kernel can know it. Limits: delays, and holds of accounts and pairs, are no kernel's business:
they are counted as unenforced. A hold of log-ins is a hold of the ports where one logs in.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gatepost.core.access import Entry
from gatepost.core.decisions import Decision
from gatepost.core.facts import PROTOCOLS
from gatepost.core.subjects import network
from gatepost.outlets.nftables.messages import Action, Group, Key, Kind, Port, Scope

Element = tuple[Key, bytes]
Elements = dict[Element, int]
"""Each element with the time at which it ends, in microseconds since 1970 UTC; 0: never."""

HOLDS: tuple[Kind, ...] = ("hand", "rule", "login")
_SUBMISSION: dict[str, Group] = {"smtp": "submission", "imap": "imap", "pop3": "pop3", "sieve": "sieve"}
_KINDS: dict[str, Kind] = {"auth_failed": "login"}
RELAYED = 25
"""Where other servers deliver: never shut for a failed log-in's sake where only log-ins are held."""


class Ports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ports by protocol."""

    smtp: Annotated[tuple[Port, ...], Meta(title="SMTP", description="Delivery and submission.")] = (25, 465, 587)
    imap: Annotated[tuple[Port, ...], Meta(title="IMAP")] = (143, 993)
    pop3: Annotated[tuple[Port, ...], Meta(title="POP3")] = (110, 995)
    sieve: Annotated[tuple[Port, ...], Meta(title="ManageSieve")] = (4190,)
    http: Annotated[tuple[Port, ...], Meta(title="Webmail", description="None unless named.", examples=[[80, 443]])] = ()

    def __post_init__(self) -> None:
        if not self.by_group()["all"]:
            raise ValueError("ports: no port is left; name those of at least one protocol, or take the nftables outlet out")

    def by_group(self) -> dict[Group, tuple[int, ...]]:
        """The ports of each group of ports that sets are made for."""
        of: dict[Group, tuple[int, ...]] = {"smtp": self.smtp, "imap": self.imap, "pop3": self.pop3, "sieve": self.sieve, "http": self.http}
        submission = tuple(port for port in self.smtp if port != RELAYED)
        of["submission"] = submission
        of["logins"] = tuple(dict.fromkeys((*submission, *self.imap, *self.pop3, *self.sieve)))
        of["all"] = tuple(dict.fromkeys((*self.smtp, *self.imap, *self.pop3, *self.sieve, *self.http)))
        return of


class NftablesSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How blocks are put into the kernel."""

    table: Annotated[str, Meta(title="Table", description="Name of our table of family inet.", pattern="^[a-z][a-z0-9_]{0,30}$")] = "gatepost"
    action: Annotated[Action, Meta(title="Action", description="drop says nothing; reject answers with a TCP reset.")] = "drop"
    ports: Annotated[Ports, Meta(title="Ports", description="The ports of each protocol, as clients see them.")] = Ports()
    on_stop: Annotated[Literal["keep", "lift"], Meta(title="On stop", description="keep: holds run out by themselves; lift: all goes.")] = "keep"
    read_back: Annotated[int, Meta(title="Read back", description="Seconds between looks at what really stands.", ge=1, le=3600)] = 5
    destroy_sockets: Annotated[bool, Meta(title="End connections", description="End this host's open connections of a held client.")] = True


def packed(text: str) -> tuple[Literal[4, 6], int, bytes]:
    """The family, prefix length and bytes of a canonical address or prefix. Raises ValueError where the text is none."""
    base, slash, length = text.partition("/")
    try:
        if ":" in base:
            return 6, int(length) if slash else 128, inet_pton(AF_INET6, base)
        return 4, int(length) if slash else 32, inet_pton(AF_INET, base)
    except OSError:
        raise ValueError(f"{text!r} is no address or prefix") from None


def _of(net: IPv4Network | IPv6Network) -> tuple[Literal[4, 6], int, bytes]:
    return 4 if net.version == 4 else 6, net.prefixlen, net.network_address.packed


class Wanted:
    """Turns what stands into elements, by the ports that are configured."""

    __slots__ = ("_held", "_keys", "_usable")

    def __init__(self, ports: Ports) -> None:
        self._keys: dict[tuple[Kind, int, int, Group], Key] = {}
        self._held: dict[tuple[tuple[str, ...], bool, Kind, int, int], list[Key]] = {}
        self._usable = {group for group, numbers in ports.by_group().items() if numbers}

    def groups(self, protocols: Sequence[str], logins: bool = False) -> list[Group]:
        """The groups of ports of some protocols; none where none of them has a port."""
        if len(protocols) == len(PROTOCOLS):
            found: list[Group] = ["logins" if logins else "all"]
        elif logins:
            found = [_SUBMISSION[name] for name in protocols if name in _SUBMISSION]
        else:
            found = list(protocols)  # type: ignore[arg-type]
        return [group for group in found if group in self._usable]

    def _key(self, kind: Kind, family: Literal[4, 6], length: int, group: Group) -> Key:
        """One object for equal keys: there are few keys and many elements."""
        name = (kind, family, length, group)
        found = self._keys.get(name)
        if found is None:
            found = self._keys[name] = Key(kind, family, length, group)
        return found

    def held(self, decisions: Iterable[Decision]) -> tuple[Elements, int]:
        """The elements that hold what some decisions hold, and how many decisions no kernel can carry out."""
        elements: Elements = {}
        unenforced = 0
        for decision in decisions:
            subject, until = decision.subject, decision.until
            if decision.action != "block" or subject.by not in ("client", "network"):
                unenforced += 1
                continue
            family, length, prefix = packed(subject.text)
            kind: Kind = _KINDS.get(decision.counts, "rule") if decision.rule else "hand"
            name = (decision.protocols, decision.logins, kind, family, length)
            keys = self._held.get(name)
            if keys is None:
                groups = self.groups(decision.protocols, decision.logins)
                keys = self._held[name] = [self._key(kind, family, length, group) for group in groups]
            unenforced += not keys
            for key in keys:
                element = (key, prefix)
                if elements.get(element, 0) < until:
                    elements[element] = until
        return elements, unenforced

    def listed(self, own: Iterable[str], entries: Iterable[Entry], graces: Mapping[str, int], at: int) -> Elements:
        """The elements of the host's own addresses, of the lists and of graces."""
        elements: Elements = {(Key("own", family, length, "all"), prefix): 0 for family, length, prefix in (_of(network(text)) for text in own)}
        for entry in entries:
            kind = kind_of(entry)
            if kind is None or not entry.in_force(at):
                continue
            for group in self.groups(entry.on):
                for net in entry.networks:
                    family, length, prefix = _of(net)
                    elements[self._key(kind, family, length, group), prefix] = entry.expires
        for text, until in graces.items():
            try:
                family, length, prefix = _of(network(text))
            except ValueError:  # an account's
                continue
            if until > at:
                elements[Key("grace", family, length, "all"), prefix] = until
        return elements


def kind_of(entry: Entry) -> Kind | None:
    """What an entry does to packets. One for log-ins alone lets past shorter deny entries and holds for failed log-ins, and nothing else; one for
    relaying alone does nothing: relaying is asked about later than a packet is seen."""
    if entry.verb == "deny":
        return "deny"
    if not (entry.detection or entry.logins):
        return None
    return "shield" if entry.logins else "allow"


class Spared:
    """Which allowed prefixes a hold leaves alone: their sockets stay open. Found by where they start, for prefixes nest or lie apart."""

    __slots__ = ("_by_prefix", "_ports", "_starts")

    def __init__(self, elements: Iterable[Element], ports: Mapping[Group, tuple[int, ...]]) -> None:
        self._ports = ports
        self._by_prefix: dict[tuple[int, int, int], list[Key]] = {}
        for key, prefix in elements:
            if key.kind in ("own", "allow", "shield", "grace"):
                self._by_prefix.setdefault((key.family, int.from_bytes(prefix, "big"), key.length), []).append(key)
        self._starts = sorted(self._by_prefix)

    def of(self, held: Key, prefix: bytes) -> tuple[Scope, ...]:
        """What a hold of a prefix spares, or a deny entry: only what is allowed more specifically."""
        family, bits, number = held.family, 8 * len(prefix), int.from_bytes(prefix, "big")
        last = number | (1 << (bits - held.length)) - 1
        low = bisect_left(self._starts, (family, number, 0))
        high = bisect_left(self._starts, (family, last + 1, 0))
        around = [] if held.kind == "deny" else [(family, number >> (bits - n) << (bits - n), n) for n in range(held.length)]
        found = [(where, key) for where in (*around, *self._starts[low:high]) for key in self._by_prefix.get(where, ()) if self._spares(key, held)]
        return tuple(Scope(where[1].to_bytes(len(prefix), "big"), where[2], self._ports[key.group]) for where, key in dict.fromkeys(found))

    def _spares(self, key: Key, held: Key) -> bool:
        if held.kind == "deny":
            return key.kind == "own" or (key.kind in ("allow", "shield") and key.length > held.length)
        if key.kind == "shield":
            return held.kind == "login"
        return key.kind != "grace" or held.kind != "hand"
