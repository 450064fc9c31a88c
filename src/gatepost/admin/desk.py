"""What an administrator's deed works with.

Job: hold the guard and what surrounds it, and check whom a deed would hit. Promise: a deed that would shut out the host itself, its gateway, an
allowed address or the very administrator who asks is refused with the reason, before anything changed. Limits: decides nothing else.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_network
from typing import Any

import msgspec
from msgspec import Struct

from gatepost.core.access import Network, prefixes
from gatepost.core.decisions import Effect
from gatepost.core.deeds import AnyDeed
from gatepost.core.faults import BadInputError
from gatepost.core.spans import encode_span
from gatepost.pipeline.guard import Guard
from gatepost.stores.contract import Audit, Store


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
    understood: float = 1.0
    """Share of the mail lines."""


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
        problems: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self.guard = guard
        self.store = store
        self.now = now
        self.started = now()
        self.gateways = [ip_network(each) for each in gateways]
        self.daemons = tuple(daemons)
        """The mail daemons that were found here: postfix, dovecot, exim."""
        self.sources = sources
        self.problems = problems

    async def do(
        self, deed: AnyDeed, who: Who, action: str, subject: str = "", before: Any = None, after: Any = None, reason: str = ""
    ) -> tuple[Effect, ...]:
        """Does a deed and writes it into the audit trail. Raises BadInputError where the deed contradicts itself."""
        audit = Audit(at=deed.at, who=who.name, action=action, subject=subject, before=_text(before), after=_text(after), reason=reason)
        try:
            return await self.guard.do(deed, audit)
        except ValueError as wrong:
            raise BadInputError(str(wrong)) from None

    def check_harmless(self, prefix: str, who: Who, field: str = "prefix") -> None:
        """Raises BadInputError where holding or denying a prefix would hit whom it must not."""
        try:
            nets = prefixes(prefix)
        except ValueError as wrong:
            raise BadInputError(str(wrong)) from None
        for net in nets:
            victim = self._victim(net, who)
            if victim:
                raise BadInputError(f"{field}: {prefix} would shut out {victim}")

    def _victim(self, net: Network, who: Who) -> str:
        """Whom a prefix would hit that it must not; empty where nobody."""
        if who.address:
            own = prefixes(who.address)[0]
            if _covers(net, own):
                return f"yourself: you work from {who.address}"
        for gateway in self.gateways:
            if _covers(net, gateway):
                return f"this host's gateway {gateway.network_address}"
        for entry in self.guard.standing.entries():
            if entry.verb == "allow" and any(_covers(net, inner) for inner in entry.networks):
                what = "this host's own network" if entry.own else "the allow entry"
                return f"{what} {entry.prefix}; name a smaller prefix" + ("" if entry.own else ", or remove that entry first")
        return ""


def _covers(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def _text(value: Any) -> str:
    """A value as the audit trail keeps it."""
    if value is None:
        return ""
    return json.dumps(msgspec.to_builtins(value, enc_hook=encode_span), separators=(",", ":"), ensure_ascii=False)
