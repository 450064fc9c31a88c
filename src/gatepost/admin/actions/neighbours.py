"""Who else is in a network.

Job: tell whom a hold of a network would hit besides the one that it is meant for. Promise: looks at every name that the guard knows, in slices
between which it answers. Limits: who never logged in well or delivered mail here is nobody that it knows.
"""

import asyncio
from collections.abc import Callable, Iterable

from msgspec import Struct

from gatepost.admin.desk import Desk, covers
from gatepost.core.access import Entry, Network, prefixes
from gatepost.core.faults import BadInputError
from gatepost.core.subjects import Client, numbered, pair, prefix_text
from gatepost.core.texts import say, say_many

SLICE = 4_096
SHOWN = 20
"""Names of each kind that are spelled out."""


class Neighbours(Struct, frozen=True, kw_only=True):
    """Who is in a network."""

    prefix: str
    held: int
    """Addresses and networks in it that are held now."""
    some_held: list[str]
    trusted: list[Entry]
    """Allow entries for what lies in it, or for what it lies in."""
    known: int
    """Accounts that logged in well from it within 30 days, each with the /24 or /64 that it came from."""
    some_known: list[str]
    good: int
    """Addresses in it that logged in well or delivered mail within 7 days."""
    some_good: list[str]

    @property
    def warning(self) -> str:
        """Who would be hit that should perhaps not; empty where nobody is known."""
        good = say_many(
            "{count} address in it logged in well or delivered mail in the last days",
            "{count} addresses in it logged in well or delivered mail in the last days",
            self.good,
        )
        names = tuple(self.some_known[:3])
        known: str = say("{names} logged in well from there", names=names) if self.known else ""
        if self.known > 3:
            known = say("{names} and others logged in well from there", names=names)
        return say("{good}; {known}", good=good, known=known) if self.good and known else good if self.good else known


def net_of(text: str) -> Network:
    """The one prefix that a text spells. Raises BadInputError."""
    try:
        nets = prefixes(text)
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None
    if len(nets) > 1:
        raise BadInputError(say("prefix: a range can be denied, not blocked; write it as a prefix, or use gatepost access deny"))
    return nets[0]


async def neighbours(desk: Desk, prefix: str) -> Neighbours:
    """Who is in a network. Raises BadInputError where the text is none."""
    net, now, engine = net_of(prefix), desk.now(), desk.guard.order.engine
    inside = _inside(net)
    held = [name for name in await _chosen(engine.holdings.by_address, inside) if desk.guard.standing.about(name, now)]
    good = [name for name in await _chosen(engine.good.last, inside) if "/" not in name and engine.good.has(name, now)]
    touches = touches_of(net)
    known = [name for name in await _chosen(engine.known.pairs.last, touches) if engine.known.pairs.has(name, now)]
    entries = [each for each in desk.guard.standing.entries() if each.verb == "allow" and each.in_force(now)]
    return Neighbours(
        prefix=prefix_text(net),
        held=len(held),
        some_held=held[:SHOWN],
        trusted=[each for each in entries if any(covers(net, other) or covers(other, net) for other in each.networks)][:SHOWN],
        known=len(known),
        some_known=[pair(account, home) for home, _, account in (name.partition(" ") for name in known[:SHOWN])],
        good=len(good),
        some_good=good[:SHOWN],
    )


async def _chosen(names: Iterable[str], meant: Callable[[str], bool]) -> list[str]:
    """The names that are meant; whoever waits goes on in between."""
    there, found = list(names), []
    for first in range(0, len(there), SLICE):
        found += [name for name in there[first : first + SLICE] if meant(name)]
        await asyncio.sleep(0)
    return found


def _place(text: str) -> tuple[int, int, int]:
    """Family, number and prefix length of an address or prefix as the guard writes it; a name that follows it is no matter."""
    base, _, length = text.partition(" ")[0].partition("/")
    version, number = numbered(Client(base))
    return version, number, int(length) if length else (32 if version == 4 else 128)


def _inside(net: Network) -> Callable[[str], bool]:
    shift, wanted = net.max_prefixlen - net.prefixlen, int(net.network_address)

    def meant(text: str) -> bool:
        version, number, length = _place(text)
        return version == net.version and length >= net.prefixlen and number >> shift << shift == wanted

    return meant


def touches_of(net: Network) -> Callable[[str], bool]:
    """Tells whether an address or prefix, as the guard writes it, lies in a network, or the network in it."""

    def meant(text: str) -> bool:
        version, number, length = _place(text)
        shift = net.max_prefixlen - min(length, net.prefixlen)
        return version == net.version and number >> shift == int(net.network_address) >> shift

    return meant
