"""What an administrator's deed works with.

Job: hold the guard and what surrounds it, and check whom a deed would hit. Promise: a deed that would shut out the host itself, its gateway, an
allowed address or the very administrator who asks is refused with the reason, before anything changed. Limits: decides nothing else.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from gatepost.core.access import Entry, Network
from gatepost.core.decisions import Effect
from gatepost.core.deeds import AnyDeed
from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.rules import Rule
from gatepost.core.spans import encode_span
from gatepost.core.subjects import account, network, prefix_text
from gatepost.core.texts import say
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.messengers import ChannelState
from gatepost.pipeline.mirrors import Proof
from gatepost.pipeline.recall import Recall
from gatepost.stores.contract import Audit, Store

Resolve = Callable[[str], Awaitable[tuple[str, ...]]]
"""The addresses of a host name; empty where it has none. Raises OSError where nobody could say."""


class Who(Struct, frozen=True):
    """Who asks: a name for the audit trail, and the address that he works from, where it is known."""

    name: str
    address: str = ""


class Source(Struct, frozen=True, kw_only=True):
    """An inlet as status shows it."""

    name: str
    reading: bool
    problem: str = ""
    last: int = 0
    """When its newest line or question was written, in microseconds."""
    lag_bytes: int = 0
    lines: int = 0
    facts: int = 0
    last_client: str = ""
    """Whom its newest fact is about: a proxy's address tells that the clients are hidden behind it."""
    understood: float = 1.0
    """Share of the mail lines."""
    dropped: dict[str, int] = {}
    """What was dropped since the start, by reason."""
    requests: int = 0
    """Questions of a mail server's since the start; an inlet that is asked reads no lines."""
    refusals: int = 0
    """How many of them were answered with no."""
    connections: int = 0
    asked: dict[str, int] = {}
    """When it was asked last, by what it is asked about."""
    listens: tuple[str, ...] = ()
    """Addresses and ports on which a gateway listens, while it does."""
    tells_open: Protocol | Literal[""] = ""
    """The protocol on which it tells how many connections of a client are open; empty where it cannot."""
    note: str = ""
    """What it stands for, where that is to be seen."""


class Wired(Struct, frozen=True, kw_only=True):
    """What was found about how a mail server is wired to us."""

    what: str
    verdict: Literal["well", "look", "bad"]
    said: str
    cure: str = ""


def unfed(rule: Rule, sources: Iterable[Source]) -> str:
    """Where a rule cannot fire, for no inlet tells what it counts, and the cure; empty where all is well."""
    if rule.counts != "open_connections" or rule.mode == "off":
        return ""
    told = {source.tells_open for source in sources}
    deaf = [protocol for protocol in rule.on if protocol not in told]
    if not deaf:
        return ""
    where = ", ".join(deaf)
    return say(
        "cannot be carried out on {where}: only a gateway knows how many connections are open; put one before {where}, or change on", where=where
    )


async def nobody(name: str) -> tuple[str, ...]:
    """Resolves nothing: for a guard that may not ask."""
    raise OSError("host names are not looked up here")


async def untold(name: str) -> str:
    """Tests no channel: for a guard that has none."""
    raise KeyError(name)


async def unproved() -> dict[str, Proof]:
    """Tries nothing out: for a guard whose inlets cannot."""
    return {}


class Desk:
    """The guard, its store, and what the host is."""

    def __init__(
        self,
        guard: Guard,
        store: Store,
        now: Callable[[], int],
        *,
        gateways: Iterable[str] = (),
        daemons: Iterable[str] = (),
        sources: Callable[[], Sequence[Source]] = lambda: (),
        proofs: Callable[[], Awaitable[Mapping[str, Proof]]] = unproved,
        problems: Callable[[], Sequence[str]] = lambda: (),
        recall: Recall | None = None,
        canonical: Callable[[str], str] = account,
        resolve: Resolve = nobody,
        state: Path | None = None,
        socket: Path | None = None,
        steady: Callable[[], int] | None = None,
        confined: bool = False,
        channels: Callable[[], Sequence[ChannelState]] = lambda: (),
        test_channel: Callable[[str], Awaitable[str]] = untold,
        wiring: Callable[[], Sequence[Wired]] = lambda: (),
        country: Callable[[str], str] = lambda subject: "",
        country_data: Callable[[], str] = lambda: "",
    ) -> None:
        self.guard = guard
        self.store = store
        self.now = now
        self.started = now()
        self.gateways = [ip_network(each) for each in gateways]
        self.daemons = tuple(daemons)
        """The mail daemons that were found here: postfix, dovecot, exim."""
        self.sources = sources
        self.proofs = proofs
        """By name, which inlets can try out whether they do what they say, and whether they did."""
        self.problems = problems
        self.recall = recall
        """Who remembers the past; None where no history is kept."""
        self.canonical = canonical
        """The one name of an account, as inlets make it too."""
        self.resolve = resolve
        self.state, self.socket = state, socket
        """The folder of the state, and the control socket."""
        self.confined = confined
        """Whether this process gave its rights away, so that holding any is worth a word."""
        self._steady = steady or now
        self._began = now() - self._steady()
        self.channels = channels
        self.test_channel = test_channel
        """Sends a test message; why it failed. Raises KeyError where there is no such channel."""
        self.wiring = wiring
        """Looks at the mail servers that are to ask; may take a second, so call it off the loop."""
        self.country = country
        """Where a client or network is registered, as an ISO 3166-1 code; empty where nobody knows."""
        self.country_data = country_data
        """The file that countries are looked up in; empty where there is none."""
        self.lists_version: tuple[object, int, str] = (None, 0, "")
        """The lists that a version was made of, until when it is theirs, and the version; kept by actions/access.py."""
        self.unresolved: dict[str, str] = {}
        """By host name, what is wrong with it; kept by hostnames.py."""

    def clock_step(self) -> int:
        """By how many microseconds the clock was set since the start; 0 where no steady clock was given."""
        return self.now() - self._steady() - self._began

    async def do(
        self, deed: AnyDeed, who: Who, action: str, subject: str = "", before: Any = None, after: Any = None, reason: str = ""
    ) -> tuple[Effect, ...]:
        """Does a deed and writes it into the audit trail. Raises BadInputError where the deed contradicts itself."""
        audit = audit_line(deed.at, who, action, subject, before, after, reason)
        try:
            return await self.guard.do(deed, audit)
        except ValueError as wrong:
            raise BadInputError(str(wrong)) from None


class Harm:
    """Whom a hold or a deny entry of one administrator must not hit; made anew for each request, asked for each of its prefixes."""

    def __init__(self, desk: Desk, who: Who, entries: Iterable[Entry] | None = None) -> None:
        """``entries`` are the lists as they are going to be, where they are to change with it."""
        at, entries = desk.now(), desk.guard.standing.entries() if entries is None else entries
        self._allowed = [entry for entry in entries if entry.verb == "allow" and entry.networks and entry.in_force(at)]
        self._own = [entry for entry in self._allowed if entry.own]
        self._victims = [(gateway, say("this host's gateway {address}", address=gateway.network_address)) for gateway in desk.gateways]
        with contextlib.suppress(ValueError):  # where he works from may not be known, as in `UNKNOWN` of sshd(8)
            self._victims.insert(0, (network(who.address), say("yourself: you work from {address}", address=who.address)))

        self._points = [_point(net) for net in (*(each[0] for each in self._victims), *(net for entry in self._own for net in entry.networks))]

    def check_deny(self, entry: Entry) -> None:
        """Raises BadInputError where a deny entry would shut out whom it must not; a more specific allow entry goes before it."""
        for index, (version, shift, number) in enumerate(entry.places):
            if not any(family == version and bits <= shift and low >> shift == number for family, bits, low in self._points):
                continue  # nobody is in it: what holds for nearly every row of a long list
            net = entry.networks[index]
            for victim, what in self._victims:
                if covers(net, victim) and not any(_between(victim, each, net) for other in self._allowed for each in other.networks):
                    raise BadInputError(say("prefix: {net} would shut out {what}", net=prefix_text(net), what=what))
            _refuse_covered(net, self._own)

    def check_hold(self, net: Network, protocols: Iterable[Protocol] = PROTOCOLS) -> None:
        """Raises BadInputError where a hold would shut out whom it must not, or where an allow entry goes before it."""
        for victim, what in self._victims:
            if covers(net, victim):
                raise BadInputError(say("prefix: {net} would shut out {what}", net=prefix_text(net), what=what))
        there = [entry for entry in self._allowed if set(entry.on) & set(protocols)]
        _refuse_covered(net, there)
        for entry in there:
            if entry.trusts("") and any(covers(outer, net) for outer in entry.networks):
                said = say(
                    "prefix: {net} lies in {entry}, which goes before blocks; "
                    "gatepost access deny {net} goes before it in turn, for its prefix is longer",
                    net=prefix_text(net),
                    entry=_whose(entry),
                )
                raise BadInputError(said)


def _refuse_covered(net: Network, entries: Iterable[Entry]) -> None:
    for entry in entries:
        if any(covers(net, inner) for inner in entry.networks):
            cure = say("name a smaller prefix") if entry.own else say("name a smaller prefix, or remove that entry first")
            raise BadInputError(say("prefix: {net} would shut out {entry}; {cure}", net=prefix_text(net), entry=_whose(entry), cure=cure))


def _whose(entry: Entry) -> str:
    if entry.own:
        return say("this host's own network {prefix}", prefix=entry.prefix)
    return say("the allow entry {prefix}", prefix=entry.prefix)


def _point(net: Network) -> tuple[int, int, int]:
    return net.version, net.max_prefixlen - net.prefixlen, int(net.network_address)


def covers(outer: Network, inner: Network) -> bool:
    """Whether all of a prefix lies in another one."""
    return outer.version == inner.version and outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def _between(inner: Network, middle: Network, outer: Network) -> bool:
    return covers(outer, middle) and covers(middle, inner) and middle != outer


def audit_line(at: int, who: Who, action: str, subject: str = "", before: Any = None, after: Any = None, reason: str = "") -> Audit:
    """A line for the audit trail; ``before`` and ``after`` are kept as JSON."""
    return Audit(at=at, who=who.name, action=action, subject=subject, before=_text(before), after=_text(after), reason=reason)


def _text(value: Any) -> str:
    """A value as the audit trail keeps it."""
    if value is None:
        return ""
    return json.dumps(msgspec.to_builtins(value, enc_hook=encode_span), separators=(",", ":"), ensure_ascii=False)
