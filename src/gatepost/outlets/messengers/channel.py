"""One channel at work.

Job: take notices in, choose those that the channel tells, have them written as messages when they are due, and hand these over in their order, again
and again until they are taken. Promise: `tell` returns at once; a message is on disk before it is tried, so that a killed guard goes on where it was;
what is let go is counted. Limits: what is still collected when the guard is killed is not told; at an orderly end it is written to disk first.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from typing import TypeVar

from gatepost.core.spans import DAY, SECOND
from gatepost.outlets.messengers.digest import Digest
from gatepost.outlets.messengers.settings import ChannelSettings
from gatepost.outlets.messengers.spool import Spool
from gatepost.outlets.messengers.wording import inert, test_message, write
from gatepost.pipeline.messengers import ChannelState, Message, Notice, Sender, SendError

T = TypeVar("T")

RETRY, RETRY_MOST = 2.0, 600.0
"""Seconds before the second try, and between two later ones at most."""
OLDEST = 3 * DAY
"""A message that nobody took for so long is let go."""
REFUSALS = 5
"""So often a message is tried that is refused for good."""


class Channel:
    """A messenger: who is told, by which sender. ``held`` says how many are held now, ``host`` names this one."""

    def __init__(self, settings: ChannelSettings, sender: Sender, spool: Spool, now: Callable[[], int], host: str, held: Callable[[], int]) -> None:
        self.settings = settings
        self.retry = RETRY
        self._sender, self._spool = sender, spool
        self._now, self._host, self._held = now, host, held
        self._digest = Digest(settings.interval)
        self._state = ChannelState(name=settings.name, kind=settings.kind, to=sender.to)
        self._refusals = 0
        self._some = asyncio.Event()
        self._filled = asyncio.Event()
        self._disk = asyncio.Lock()

    # --- taking in

    def tell(self, notices: Iterable[Notice]) -> None:
        """This changed; what the channel does not tell is passed over. Returns at once."""
        chosen = [notice for notice in notices if self.wants(notice)]
        if chosen:
            self._state.dropped += self._digest.add(chosen, self._now())
            self._some.set()

    def wants(self, notice: Notice) -> bool:
        """Whether the channel tells a notice. A channel is not told that it fails itself."""
        sort = notice.sort
        if sort in ("alert", "brake"):
            return True
        if sort == "trouble":
            return notice.source != f"channel {self.settings.name}"
        return sort in self.settings.tell and (not self.settings.rules or notice.rule in self.settings.rules)

    # --- at work

    async def run(self) -> None:
        """Collects and hands over until it is cancelled; then what is collected is written to disk."""
        await self._with_disk(self._spool.open)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._collect())
                group.create_task(self._hand_over())
        finally:
            if last := self._written(closing=True):
                self._spool.put(last)

    async def _collect(self) -> None:
        while True:
            self._some.clear()
            now = self._now()
            due = self._digest.due(now)
            if due and due <= now:
                if message := self._written():
                    await self._with_disk(self._spool.put, message)
                self._filled.set()
                continue
            try:
                await asyncio.wait_for(self._some.wait(), (due - now) / SECOND if due else None)
            except TimeoutError:
                continue

    def _written(self, closing: bool = False) -> Message | None:
        bundle = self._digest.take(self._now(), closing)
        return write(bundle, uuid.uuid4().hex, self._host, self._held()) if bundle else None

    async def _with_disk(self, work: Callable[..., T], *given: object) -> T:
        """Has the disk's work done beside the loop, one after the other, and to its end even where nobody waits any more."""
        async with self._disk:
            task = asyncio.create_task(asyncio.to_thread(work, *given))
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                await asyncio.wait([task])
                raise

    async def _hand_over(self) -> None:
        pause = self.retry
        while True:
            self._filled.clear()
            first = await self._with_disk(self._spool.first)
            if first is None:
                await self._filled.wait()
                continue
            name, message = first
            wait = await self._try(name, message)
            if wait is None:
                pause = self.retry
                continue
            await asyncio.sleep(max(pause, min(wait, 3600.0)))
            pause = min(2 * pause, RETRY_MOST)

    async def _try(self, name: str, message: Message) -> float | None:
        """One try; None where the message is off the list, else for how many seconds at least the next has to wait."""
        if self._now() - message.at > OLDEST:
            await self._off(self._spool.drop, name)
            return None
        try:
            self._went_well(await self._sender.send(message))
        except SendError as wrong:
            self._failed(str(wrong))
            self._refusals += not wrong.again
            if self._refusals >= REFUSALS:
                await self._off(self._spool.drop, name)
                return 0
            return wrong.wait
        except Exception as wrong:  # a fault in a sender, most of which are others' code, must not end the channel
            self._failed(f"{type(wrong).__name__}: {wrong}")
            return 0
        await self._off(self._spool.done, name)
        return None

    async def _off(self, way: Callable[[str], None], name: str) -> None:
        self._refusals = 0
        await self._with_disk(way, name)

    def _went_well(self, said: str) -> None:
        self._state.sent += 1
        self._state.last_at = self._now()
        self._state.failing_since = 0
        self._state.problem = said

    def _failed(self, said: str) -> None:
        self._state.failures += 1
        self._state.failing_since = self._state.failing_since or self._now()
        self._state.problem = inert(said, 300)

    # --- asked

    async def test(self) -> str:
        """Hands a test message over now, past all that waits; why that failed, empty where it went well."""
        try:
            said = await self._sender.send(test_message(uuid.uuid4().hex, self._host, self._now(), self.settings.name))
        except SendError as wrong:
            self._failed(str(wrong))
            return self._state.problem
        except Exception as wrong:  # as above
            self._failed(f"{type(wrong).__name__}: {wrong}")
            return self._state.problem
        self._went_well(said)
        return said

    def state(self) -> ChannelState:
        """How it is doing."""
        state, now = self._state, self._now()
        return ChannelState(
            name=state.name,
            kind=state.kind,
            to=state.to,
            sent=state.sent,
            failures=state.failures,
            dropped=state.dropped + self._spool.dropped,
            waiting=len(self._spool),
            collected=self._digest.waiting,
            next_at=self._digest.due(now),
            last_at=state.last_at,
            failing_since=state.failing_since,
            problem=state.problem or self._spool.problem,
        )
