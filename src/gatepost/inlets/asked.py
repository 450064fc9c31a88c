"""Listeners that mail servers ask: who may connect, how many, and for how long.

Job: listen on TCP or a unix socket, take connections of the listed servers, end those that are slow or too many. Promise: bounded, whoever sends
whatever; what is refused is counted by its reason; a listener that cannot open is told, and tried again. Limits: it knows no protocol: that is the
connection's, a class made for it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from msgspec import Meta, Struct

from gatepost.inlets.listener import SPARE_FILES, Listener, check_listen
from gatepost.inlets.sockets import connections
from gatepost.pipeline.guard import Guard

HALF = 10.0
"""Seconds within which a request that has begun must end."""


class AskedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where mail servers ask."""

    listen: Annotated[str, Meta(description="Address and port, or a unix socket's path.", max_length=200, examples=["127.0.0.1:8094"])]
    askers: Annotated[
        tuple[str, ...], Meta(description="Networks that may ask, where that is not this host alone.", max_length=1_000, examples=[["192.0.2.25/32"]])
    ] = ("127.0.0.0/8", "::1/128")
    mode: Annotated[str, Meta(description="Rights of the unix socket.", pattern="^0[0-7]{3}$")] = "0660"
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="Names that the asking servers have in the logs, where logs of others are read too; empty: all.", max_length=1_000),
    ] = ()
    connections: Annotated[int, Meta(description="Connections at most.", ge=1, le=20_000)] = 5_000

    def __post_init__(self) -> None:
        """Raises ValueError where the fields do not fit each other."""
        check_listen(self.listen)
        for each in self.askers:
            try:
                ip_network(each)
            except ValueError as wrong:
                raise ValueError(f"askers: {wrong}") from None

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return self.listen.startswith("/")


class AskedState(Struct, kw_only=True):
    """How a listener is doing, for status, doctor and metrics."""

    listening: bool
    problem: str
    """What is wrong, and what is done about it; empty where all is well."""
    requests: int
    facts: int
    refusals: int
    """Requests that were answered with a no."""
    last: dict[str, int]
    """When each stage was asked about last, in microseconds since 1970 UTC."""
    connections: int
    dropped: dict[str, int]
    """Connections that were not taken or were ended, by reason."""


class Asked(asyncio.Protocol):
    """One connection of a mail server. What is made of the bytes is told by a protocol's own class."""

    idle = 3_600.0
    """Seconds after which a silent connection is ended."""

    def __init__(self, door: "Door") -> None:
        self.door = door
        self.transport: asyncio.Transport | None = None
        self.half_since = 0.0
        """Since when a request waits for its end; 0 where none does."""
        self.heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's
        self.heard = time.monotonic()
        if reason := self.door.refusal(self):
            self.end(reason)

    def connection_lost(self, error: Exception | None) -> None:
        self.door.open.discard(self)

    def pause_writing(self) -> None:
        """The server does not read our answers: its next requests wait, too."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def waits(self, half: bool, began: bool) -> None:
        """Notes whether half a request waits here, and whether it is a new one."""
        self.heard = time.monotonic()
        if not half:
            self.half_since = 0.0
        elif began or not self.half_since:
            self.half_since = self.heard

    def end(self, reason: str = "") -> None:
        """Ends the connection at once, for a reason that is counted where there is one."""
        if reason:
            self.door.dropped[reason] += 1
        if self.transport is not None:
            self.transport.abort()


class Door(Listener):
    """A listener, and the connections that came through it."""

    def __init__(self, settings: AskedSettings, connection: Callable[["Door"], Asked]) -> None:
        super().__init__(settings.listen, settings.mode, lambda: connection(self), self._sweep)
        self.settings = settings
        self.open: set[Asked] = set()
        self.dropped: Counter[str] = Counter()
        self._most = connections(settings.connections, SPARE_FILES)
        self._askers = [ip_network(each) for each in settings.askers]

    async def run(self) -> None:
        """Listens until it is cancelled; then the connections end."""
        try:
            await super().run()
        finally:
            for each in list(self.open):
                each.end()

    def refusal(self, connection: Asked) -> str:
        """Takes a connection, or says why not."""
        if not self.settings.is_unix and not _in(connection.transport, self._askers):
            return "stranger"
        if len(self.open) >= self._most:
            return "too many connections"
        self.open.add(connection)
        return ""

    def _sweep(self) -> None:
        """Ends the connections in which a request does not come to its end, and those that are silent for too long."""
        now = time.monotonic()
        for each in list(self.open):
            if each.half_since and now - each.half_since > HALF:
                each.end("slow")
            elif now - each.heard > each.idle:
                each.end("idle")


class AskedInlet:
    """What inlets behind a door share. ``connection`` makes the protocol of each that comes through it."""

    def __init__(self, settings: AskedSettings, name: str, guard: Guard, connection: Callable[[Door], Asked]) -> None:
        self.name = name
        self.door = Door(settings, connection)
        self._guard = guard
        self._requests = self._refusals = self._facts = 0
        self._last: dict[str, int] = {}

    async def catch_up(self) -> None:
        """There is nothing to catch up with: nobody is asked while he is away."""

    async def run(self) -> None:
        """Answers until it is cancelled."""
        try:
            await self.door.run()
        finally:
            self._guard.stopped(self.name)

    def alerted(self, account: str, at: int) -> bool:
        """Whether an alert rule about messages has caught an account: what it sends waits until somebody has looked at it."""
        return bool(account) and self._guard.standing.alerted(account, at) is not None

    def state(self) -> AskedState:
        """How it is doing."""
        door = self.door
        return AskedState(
            listening=door.listening,
            problem=door.problem,
            requests=self._requests,
            facts=self._facts,
            refusals=self._refusals,
            last=dict(self._last),
            connections=len(door.open),
            dropped=dict(door.dropped),
        )


def _in(transport: asyncio.Transport | None, networks: list[IPv4Network | IPv6Network]) -> bool:
    """Whether the other end of a TCP connection lies in one of the networks."""
    peer = transport.get_extra_info("peername") if transport is not None else None
    if not peer:
        return False  # it has gone already
    found = ip_address(peer[0].partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in each for each in networks)
