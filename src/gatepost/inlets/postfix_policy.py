"""Postfix asks: who may connect, who may relay, and what was accepted.

Job: listen on TCP or a unix socket, keep hundreds of connections, answer what comes on them. Promise: the number of connections, what waits in each,
and the time that half a request may take are bounded; each end has its reason, counted; a question is answered as soon as it is read. Limits: without
us Postfix goes on as its own ``default_action`` says (`gatepost setup postfix`); what it does not ask about is not seen.
"""

import time
from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta

from gatepost.inlets.asked import Asked, AskedInlet, AskedSettings, AskedState, Door
from gatepost.inlets.postfix_policy_answers import Answers
from gatepost.pipeline.guard import Guard
from gatepost.wire.postfix_policy import Requests

Context = Literal["", "access", "relay", "data"]


class PostfixPolicySettings(AskedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Postfix asks."""

    listen: Annotated[str, Meta(description="Address and port, or a unix socket's path.", max_length=200, examples=["127.0.0.1:8094"])] = (
        "127.0.0.1:8094"
    )
    mode: Annotated[str, Meta(description="Rights of the unix socket.", pattern="^0[0-7]{3}$")] = "0666"
    connections: Annotated[int, Meta(description="Connections at most; each smtpd process keeps one or two.", ge=1, le=50_000)] = 2_000
    context: Annotated[Context, Meta(description="What this socket is for; empty: as policy_context says.")] = ""
    when_away: Annotated[
        Literal["open", "closed"],
        Meta(description="What setup has Postfix do without us: go on, or answer 451 to everybody."),
    ] = "open"
    hold: Annotated[bool, Meta(description="Messages of an account that an alert rule about messages caught go to Postfix's hold queue.")] = True
    delay_s: Annotated[int, Meta(description="Seconds that a delay lasts at most; 0: nobody is delayed.", ge=0, le=30)] = 10
    delays: Annotated[
        int, Meta(description="Clients that are delayed at the same time, at most: each takes a process of Postfix's.", ge=1, le=1_000)
    ] = 30

    @property
    def name(self) -> str:
        """How it is told apart from others."""
        return f"postfix_policy:{self.listen}"


class PostfixPolicyInlet(AskedInlet):
    """A listener. ``now`` is the time in microseconds, ``account`` makes names canonical, ``host`` is this host's name."""

    def __init__(self, settings: PostfixPolicySettings, guard: Guard, now: Callable[[], int], account: Callable[[str], str], host: str) -> None:
        self.settings = settings
        super().__init__(settings, settings.name, guard, lambda door: _Connection(door, self.answers))
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

    def state(self) -> AskedState:
        """How it is doing."""
        answers = self.answers
        self._requests, self._facts, self._last = answers.requests, answers.facts, answers.last
        self._refusals = sum(count for action, count in answers.given.items() if action not in ("OK", "sleep", "HOLD"))
        found = super().state()
        found.dropped |= answers.odd
        return found


class _Connection(Asked):
    """One smtpd process: it keeps its connection for as long as it likes, and asks within `HALF` once it has one."""

    idle = float("inf")

    def __init__(self, door: Door, answers: Answers) -> None:
        super().__init__(door)
        self._answers = answers
        self._requests = Requests()
        self._stalled = False
        """Whether it does not read our answers."""
        self.half_since = time.monotonic()

    def data_received(self, data: bytes) -> None:
        requests, transport = self._requests, self.transport
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

    def eof_received(self) -> None:
        if self._requests.waiting:
            self.door.dropped["unfinished"] += 1

    def pause_writing(self) -> None:
        self._stalled = True
        self.half_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled = False
        self.half_since = time.monotonic() if self._requests.waiting else 0.0
        super().resume_writing()
