"""Postfix asks: who may connect, who may relay, and what was accepted.

Job: listen on TCP or a unix socket, keep hundreds of connections, answer what comes on them. Promise: the number of connections, what waits in each,
and the time that half a request may take are bounded; each end has its reason, counted; a question is answered as soon as it is read. Limits: without
us Postfix goes on as its own ``default_action`` says (`gatepost setup postfix`); what it does not ask about is not seen.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, cast

from msgspec import Meta, Struct

from gatepost.core.subjects import address
from gatepost.inlets.listener import SPARE_FILES, Listener, check_listen
from gatepost.inlets.postfix_policy_answers import Answers
from gatepost.inlets.sockets import connections
from gatepost.pipeline.guard import Guard
from gatepost.wire.postfix_policy import Requests

HALF = 10.0
"""Seconds within which a request that has begun must end, and a new connection must ask."""

Context = Literal["", "access", "relay", "data"]


class PostfixPolicySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Postfix asks."""

    listen: Annotated[str, Meta(description="Address and port, or a socket's path.", max_length=200, examples=["127.0.0.1:8094"])] = "127.0.0.1:8094"
    context: Annotated[Context, Meta(description="What this socket is for; empty: as policy_context says.")] = ""
    askers: Annotated[
        tuple[str, ...], Meta(description="Networks that may ask, where that is not this host alone.", max_length=1_000, examples=[["192.0.2.25/32"]])
    ] = ("127.0.0.0/8", "::1/128")
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="Names that the asking servers have in the logs, where logs of others are read too; empty: all.", max_length=1_000),
    ] = ()
    mode: Annotated[str, Meta(description="Rights of a unix socket.", pattern="^0[0-7]{3}$")] = "0666"
    when_away: Annotated[
        Literal["open", "closed"],
        Meta(description="What setup has Postfix do without us: go on, or answer 451 to everybody."),
    ] = "open"
    hold: Annotated[bool, Meta(description="Messages of an account that an alert rule about messages caught go to Postfix's hold queue.")] = True
    delay_s: Annotated[int, Meta(description="Seconds that a delay lasts at most; 0: nobody is delayed.", ge=0, le=30)] = 10
    delays: Annotated[
        int, Meta(description="Clients that are delayed at the same time, at most: each takes a process of Postfix's.", ge=1, le=1_000)
    ] = 30
    connections: Annotated[int, Meta(description="Connections at most; each smtpd process keeps one or two.", ge=1, le=50_000)] = 2_000

    def __post_init__(self) -> None:
        """Raises ValueError where a field says nothing."""
        check_listen(self.listen)
        for each in self.askers:
            try:
                ip_network(each)
            except ValueError as wrong:
                raise ValueError(f"askers: {wrong}") from None

    @property
    def name(self) -> str:
        """How it is told apart from others."""
        return f"postfix_policy:{self.listen}"


class PostfixPolicyState(Struct, kw_only=True):
    """How a listener is doing. Times are microseconds since 1970 UTC."""

    listening: bool
    problem: str
    connections: int
    requests: int
    facts: int
    last: dict[str, int]
    """When each context was asked about last; 0: never."""
    refusals: int
    given: dict[str, int]
    """How often something else than DUNNO was said, by the action."""
    dropped: dict[str, int]
    """Connections that were ended, and questions let pass unread, by the reason."""


class PostfixPolicyInlet:
    """A listener. ``now`` is the time in microseconds, ``account`` makes names canonical, ``host`` is this host's name."""

    def __init__(self, settings: PostfixPolicySettings, guard: Guard, now: Callable[[], int], account: Callable[[str], str], host: str) -> None:
        self.settings = settings
        self._guard = guard
        self.name = settings.name
        self.answers = Answers(
            guard,
            now,
            account,
            inlet=self.name,
            host=host,
            context=settings.context,
            hosts=settings.hosts,
            hold=settings.hold,
            delay=settings.delay_s,
            delays=settings.delays,
        )
        self.listener = Listener(settings.listen, settings.mode, lambda: _Connection(self), self._sweep)
        self.open: set[_Connection] = set()
        self.ended: Counter[str] = Counter()
        self._askers: list[IPv4Network | IPv6Network] = [ip_network(each) for each in settings.askers]
        self._most = connections(settings.connections, SPARE_FILES)

    async def catch_up(self) -> None:
        """There is nothing to catch up with: what was not asked here was let pass."""

    async def run(self) -> None:
        """Answers until it is cancelled."""
        try:
            await self.listener.run()
        finally:
            for each in list(self.open):
                each.end("")
            self._guard.stopped(self.name)

    def state(self) -> PostfixPolicyState:
        """How it is doing."""
        answers = self.answers
        return PostfixPolicyState(
            listening=self.listener.listening,
            problem=self.listener.problem,
            connections=len(self.open),
            requests=answers.requests,
            facts=answers.facts,
            last=dict(answers.last),
            refusals=sum(count for action, count in answers.given.items() if action not in ("OK", "sleep", "HOLD")),
            given=dict(answers.given),
            dropped=dict(self.ended) | dict(answers.odd),
        )

    # --- connections

    def _sweep(self) -> None:
        """Ends the connections on which a request does not come to its end."""
        now = time.monotonic()
        for each in [each for each in self.open if each.half_since and now - each.half_since > HALF]:
            each.end("slow")

    def refusal(self, peer: object) -> str:
        """Why a connection is not taken; empty where it is."""
        if len(self.open) >= self._most:
            return "too many connections"
        if isinstance(peer, tuple):
            asker = address(peer[0])
            if not any(asker in net for net in self._askers):
                return "stranger"
        return ""


class _Connection(asyncio.Protocol):
    """One smtpd process."""

    __slots__ = ("_answers", "_inlet", "_requests", "_stalled", "_transport", "half_since")

    def __init__(self, inlet: PostfixPolicyInlet) -> None:
        self._inlet = inlet
        self._answers = inlet.answers
        self._requests = Requests()
        self._transport: asyncio.Transport | None = None
        self._stalled = False
        """Whether it does not read our answers."""
        self.half_since = time.monotonic()
        """Since when it owes us the rest of a request, or its first one; 0 where it does not."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        refusal = self._inlet.refusal(transport.get_extra_info("peername"))
        if refusal:
            self.end(refusal)
            return
        self._inlet.open.add(self)

    def data_received(self, data: bytes) -> None:
        requests, transport = self._requests, self._transport
        if transport is None or transport.is_closing():
            return
        found = requests.feed(data)
        if found:
            transport.write(self._answers(found[0]) if len(found) == 1 else b"".join(map(self._answers, found)))
        if requests.broken:
            self.end(requests.broken)
        elif self._stalled:
            pass  # since when, pause_writing noted
        elif not requests.waiting:
            self.half_since = 0.0
        elif found or not self.half_since:
            self.half_since = time.monotonic()

    def eof_received(self) -> bool:
        if self._requests.waiting:
            self._inlet.ended["unfinished"] += 1
        return False

    def pause_writing(self) -> None:
        """It asks, and does not read the answers: nothing more is read from it until it does."""
        self._stalled = True
        self.half_since = time.monotonic()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._stalled = False
        self.half_since = time.monotonic() if self._requests.waiting else 0.0
        if self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._inlet.open.discard(self)

    def end(self, reason: str) -> None:
        """Ends the connection at once, for a reason that is counted where there is one."""
        if reason:
            self._inlet.ended[reason] += 1
        if self._transport is not None:
            self._transport.abort()
