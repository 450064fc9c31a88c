"""What stands, in the kernel.

Job: mirror decisions and lists into nftables through the helper process. Promise: what is marked is in force within a millisecond or so, in one
transaction with all else that was marked meanwhile; what stands is looked at every few seconds and mended; where the kernel cannot be used, it
says why and what cures it, tries again, and blocks nothing. Limits: the kernel of this network namespace; no delays, accounts or pairs.

The main flow is `run`: build the table, then carry out marks as they come and look now and then. Long work (a table built anew, a look at all
elements) goes by slices, and what was marked meanwhile goes between them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import Any

from gatepost.core.decisions import Brake, Decision, Effect
from gatepost.core.subjects import name_of
from gatepost.outlets.nftables.link import Link, LinkLostError
from gatepost.outlets.nftables.messages import Apply, Done, End, Failed, Probe, Read, Reply, Request, Seen, Stop
from gatepost.outlets.nftables.model import Change, Look, Model
from gatepost.outlets.nftables.proof import prove
from gatepost.outlets.nftables.wanted import NftablesSettings
from gatepost.pipeline.mirrors import MirrorState, Proof, Standing

SLICE = 2000
"""Decisions, or elements, in a transaction when many are put: what is marked meanwhile waits for one."""
DEEP_SECONDS = 300
"""All elements are looked at so often, even if nobody but us changed a table."""
DEEP_SHARE = 50
"""After a look at all elements, so many times its duration passes before the next."""
STOP_SECONDS = 5
PROOF_SECONDS = 15
"""For a proof at most, all its waiting for other work included."""
FIRST_RETRY = 0.5
"""Half of the seconds before the first new try after somebody disturbed us too often; each further one waits twice as long."""

_log = logging.getLogger(__name__)


class _TroubleError(Exception):
    """The kernel's side failed; ``again``: it may work if the table is built anew."""

    def __init__(self, said: str, again: bool) -> None:
        self.again = again
        super().__init__(said)


class NftablesMirror:
    """The mirror of one network namespace. ``own`` are this host's addresses: nothing ever blocks them. ``link`` may be at work already."""

    def __init__(
        self, settings: NftablesSettings, standing: Standing, now: Callable[[], int], own: Iterable[str] = (), link: Link | None = None
    ) -> None:
        self.link = link or Link()
        self.link.on_lost = self._look_now
        self.retry_seconds = 30.0
        self._settings = settings
        self._standing = standing
        self._now = now
        self._model = Model(settings, standing, own)
        self._state = MirrorState(name="nftables")
        self._dirty: dict[str, None] = {}
        self._lists_dirty = False
        self._marked = self._settled = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._built = asyncio.Event()
        self._ends: list[End] = []
        self._errands: list[tuple[Probe, asyncio.Future[Reply]]] = []
        self._proving = asyncio.Lock()
        self._look: Look | None = None
        self._suspect = self._observing = False
        self._next_look = self._next_deep = self._deep_from = 0.0
        self._retry = FIRST_RETRY

    # --- the contract

    def mark(self, effects: Iterable[Effect]) -> None:
        """These effects came up; look at what stands for their subjects. Returns at once."""
        names = [name_of(effect.decision.subject) for effect in effects if not isinstance(effect, Brake)]
        if names:
            self._dirty.update(dict.fromkeys(names))
            self._noted()

    def mark_lists(self) -> None:
        """The lists changed, or a grace was given. Returns at once."""
        self._lists_dirty = True
        self._noted()

    async def settled(self) -> None:
        """Returns when all that was marked so far is in force, or known to have failed."""
        if self._settled < self._marked:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((self._marked, waiting))
            await waiting

    async def built(self) -> None:
        """Returns when the table was first built and holds all that stood at the start, or that is known to have failed."""
        await self._built.wait()

    def state(self) -> MirrorState:
        """How it is doing."""
        self._state.decided = len(self._model)
        self._state.unenforced = self._model.unenforced
        self._state.waiting = len(self._dirty)
        return self._state

    async def prove(self) -> Proof:
        """Tries out whether our table really drops, on loopback."""
        if not self._state.working:
            return Proof(works=False, said=self._state.problem or "it enforces nothing", cure="until then blocks are recorded only")
        async with self._proving:
            try:
                return await asyncio.wait_for(prove(self._probe, self._settings.table), PROOF_SECONDS)
            except (LinkLostError, TimeoutError):
                said = "could not try out whether it really drops: the helper is busy, or was started anew"
                return Proof(works=None, said=said, cure="try again in a moment")

    async def _probe(self, probe: Probe) -> Reply:
        """Has the main flow put a probe to the helper: it alone speaks to it."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._errands.append((probe, answer))
        self._wake.set()
        return await answer

    async def run(self) -> None:
        """Works until it is cancelled; then leaves or lifts what stands, as set."""
        try:
            await self._guarded(self._build)
            while True:
                await self._pause()
                if self._observing:
                    await self._guarded(self._build)
                    continue
                if self._dirty or self._lists_dirty:
                    await self._guarded(self._flush)
                elif self._ends:
                    await self._guarded(self._end_sockets)
                elif self._errands:
                    await self._run_errands()
                if time.monotonic() >= self._next_look:
                    await self._guarded(self._look_after)
        finally:
            self._settle(self._marked)
            with suppress(LinkLostError, TimeoutError):
                if not self._observing:
                    await asyncio.wait_for(self.link.ask(Stop(self._settings.on_stop == "lift", self._settings.table)), STOP_SECONDS)
            self.link.close()

    # --- marks

    def _noted(self) -> None:
        self._marked += 1
        if self._observing:
            # It is all read anew when the kernel can be used again.
            self._dirty.clear()
            self._settle(self._marked)
        else:
            self._wake.set()

    def _settle(self, upto: int) -> None:
        self._settled = max(self._settled, upto)
        ready = [waiting for number, waiting in self._waiting if number <= upto]
        self._waiting = [pair for pair in self._waiting if pair[0] > upto]
        for waiting in ready:
            if not waiting.done():
                waiting.set_result(None)

    def _look_now(self) -> None:
        """The helper's worker is gone: the next one is hired by looking at what stands."""
        if not self._observing:
            self._next_look = 0.0
            self._wake.set()

    async def _pause(self) -> None:
        """Waits for a mark or for the time of the next look or try."""
        if not self._observing and (self._dirty or self._lists_dirty or self._ends or self._errands):
            return
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._next_look - time.monotonic())):
                await self._wake.wait()

    async def _flush(self) -> None:
        """Puts all that is marked in force, in one transaction."""
        upto, names, lists = self._marked, self._dirty, self._lists_dirty
        self._dirty, self._lists_dirty = {}, False
        at, model = self._now(), self._model
        known = len(model.keys)
        change = model.subjects(names, at)
        if lists or model.graces_changed(at):
            model.relist(at, change)
            lists = True
        layout = model.layout() if lists or len(model.keys) != known else None
        if layout is not None or change:
            try:
                await self._apply(model.message(change, at, layout=layout), change)
            except (_TroubleError, LinkLostError):
                # To be put, and told as settled, when the table is built anew.
                self._dirty, self._lists_dirty = names | self._dirty, self._lists_dirty or lists
                raise
        self._state.enforced = len(model) if self._built.is_set() else 0
        if self._settings.destroy_sockets:
            self._ends += model.ends(change)
        self._settle(upto)

    async def _end_sockets(self) -> None:
        """Ends the sockets of those who are newly held. A kernel that cannot is no reason to stop blocking."""
        ends, self._ends = self._ends, []
        answer = await self._ask(Apply(ends=ends))
        said = answer.said if isinstance(answer, Failed) else ""
        if said and said != self._state.problem:
            _log.warning("nftables: %s", said)
        self._state.problem = said

    async def _run_errands(self) -> None:
        """Puts the probes of a proof to the helper. What goes wrong is the proof's to tell; the next look finds what is to be mended."""
        errands, self._errands = self._errands, []
        for probe, answer in errands:
            try:
                reply = await self.link.ask(Apply(probe=probe))
            except LinkLostError as wrong:
                if not answer.done():
                    answer.set_exception(wrong)
            else:
                if not answer.done():
                    answer.set_result(reply)

    # --- building and mending

    async def _build(self) -> None:
        """Builds the table and puts all that stands: lists and rules at once, then holds by slices. An earlier run's holds stay meanwhile."""
        model, self._look = self._model, None
        seen = await self._ask(Read(table=self._settings.table))
        model.reset(seen.keys if isinstance(seen, Seen) else ())
        at, upto, lists = self._now(), self._marked, Change()
        model.relist(at, lists)
        layout = model.layout()
        self._lists_dirty = False
        done = await self._apply(model.message(lists, at, layout=layout), lists)
        if not self._dirty:
            self._settle(upto)
        if done.fresh:
            await self._put_all(self._standing.holds(at))
        else:
            await self._deep(self._standing.holds(at), counted=False)
        self._working()

    async def _put_all(self, decisions: Sequence[Decision]) -> None:
        """Puts what stands into empty sets, by slices; the next is made while the helper works on the one before."""
        sent: asyncio.Task[None] | None = None
        try:
            for start in range(0, len(decisions), SLICE):
                await self._between()
                message, change = self._slice(decisions[start : start + SLICE], fresh=True)
                if sent is not None:
                    await sent
                sent = asyncio.create_task(self._send(message, change))
            if sent is not None:
                await sent
        finally:
            if sent is not None and not sent.done():
                sent.cancel()
        await self._between()

    def _slice(self, decisions: Sequence[Decision], fresh: bool) -> tuple[Apply, Change]:
        at, model = self._now(), self._model
        known = len(model.keys)
        change = model.take_up(decisions, at)
        layout = model.layout() if len(model.keys) != known else None
        if not fresh:
            change = Change()  # where an earlier run's elements stand, the look puts what is missing
        return model.message(change, at, fresh=fresh, layout=layout), change

    async def _send(self, message: Apply, change: Change) -> None:
        if message.layout is not None or message.put:
            await self._apply(message, change)

    async def _between(self) -> None:
        """Lets what was marked go first."""
        await asyncio.sleep(0)
        if self._dirty or self._lists_dirty:
            await self._flush()

    async def _look_after(self) -> None:
        """Looks at what stands, and mends it."""
        self._next_look = time.monotonic() + self._settings.read_back
        seen = await self._ask(Read(table=self._settings.table))
        if not isinstance(seen, Seen) or not seen.intact:
            raise _TroubleError("somebody else changed or removed our table", again=True)
        self._state.dropped = seen.dropped
        self._suspect = self._suspect or seen.touched
        now = time.monotonic()
        if now >= self._next_deep or (self._suspect and now >= self._deep_from):
            await self._deep()
        else:
            self._state.enforced = len(self._model)

    async def _deep(self, decisions: Sequence[Decision] = (), counted: bool = True) -> None:
        """Compares all elements and mends the differences. Decisions that the model lacks are taken up first, while the helper reads."""
        began = time.monotonic()
        look = self._look = Look(self._model)
        self._suspect = False
        early: list[tuple[Seen, int]] = []
        parts = iter([decisions[start : start + SLICE] for start in range(0, len(decisions), SLICE)])
        async with aclosing(self._seen()) as slices:
            async for seen in slices:
                early.append((seen, self._now()))
                await self._between()  # first what was marked: it would be taken up here too, and not put
                part = next(parts, None)
                if part is not None:
                    await self._send(*self._slice(part, fresh=False))
                else:
                    for each in early[-2:]:
                        look.see(*each)
                    del early[-2:]
        for part in parts:
            await self._between()
            await self._send(*self._slice(part, fresh=False))
        for each in early:
            await self._between()
            look.see(*each)
        change, found = look.differences(self._now())
        self._look = None
        await self._mend(change)
        self._state.mended += found if counted else 0
        if found and counted:
            _log.warning("nftables: mended %d differences between what is decided and what stood", found)
        self._state.enforced = look.enforced + len(change.put)
        ended = time.monotonic()
        self._deep_from = ended + DEEP_SHARE * (ended - began)
        self._next_deep = ended + DEEP_SECONDS

    async def _seen(self) -> AsyncGenerator[Seen, None]:
        """All elements that stand, by slices; the helper reads the next while one is looked at."""
        asked = asyncio.create_task(self._ask(Read(deep=True)))
        try:
            while True:
                seen = await asked
                if not isinstance(seen, Seen):
                    raise _TroubleError("our table is gone", again=True)
                if seen.done:
                    return
                asked = asyncio.create_task(self._ask(Read(deep=True)))
                await asyncio.sleep(0)
                yield seen
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    async def _mend(self, change: Change) -> None:
        """A change of any size, by slices; what was decided otherwise meanwhile is left out."""
        model = self._model
        elements = [*change.put.items(), *((element, -1) for element in change.take)]
        for start in range(0, len(elements), SLICE):
            await self._between()
            part = Change()
            for element, until in elements[start : start + SLICE]:
                now = model.holds.get(element, model.lists.get(element))
                if until == -1 and now is None:
                    part.take[element] = None
                elif until == now:
                    part.put[element] = until
            if part:
                await self._apply(model.message(part, self._now()), part)

    # --- the helper

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does some work; where it fails and the table may be built anew, that is done; where that fails too, we only observe."""
        for attempt in (1, 2, 3):
            try:
                await work()
            except (_TroubleError, LinkLostError) as wrong:
                again = not isinstance(wrong, _TroubleError) or wrong.again
                if attempt == 3 or not again:
                    self._observe(str(wrong), again)
                    return
                _log.warning("nftables: %s; building our table anew", wrong)
                if isinstance(wrong, _TroubleError) and self._built.is_set():
                    self._state.mended += max(1, len(self._model))
                work = self._build
            else:
                return

    async def _ask(self, message: Request) -> Reply:
        answer = await self.link.ask(message)
        if isinstance(answer, Failed) and not (isinstance(message, Apply) and message.ends):
            raise _TroubleError(answer.said, again=answer.code in ("missing", "refused"))
        return answer

    async def _apply(self, message: Apply, change: Change) -> Done:
        if self._look is not None:
            self._look.changed(change)
        start = time.perf_counter_ns()
        answer = await self._ask(message)
        self._state.last_us = (time.perf_counter_ns() - start) // 1000
        return answer if isinstance(answer, Done) else Done()

    def _working(self) -> None:
        if not self._state.working or not self._built.is_set():
            _log.info("nftables: table inet %s stands, with %d elements", self._settings.table, len(self._model))
        self._state.working, self._state.problem, self._observing = True, "", False
        self._retry = FIRST_RETRY
        self._state.enforced = len(self._model)
        self._next_look = time.monotonic() + self._settings.read_back
        self._next_deep = time.monotonic() + DEEP_SECONDS
        self._built.set()

    def _observe(self, problem: str, again: bool) -> None:
        if self._state.problem != problem:
            _log.error("nftables: nothing is blocked in the kernel: %s", problem)
        self._state.working, self._state.problem, self._state.enforced, self._observing = False, problem, 0, True
        # What somebody else disturbed may stand a moment later; what this host lacks does not come that fast.
        self._retry = min(2 * self._retry, self.retry_seconds) if again else self.retry_seconds
        self._next_look = time.monotonic() + self._retry
        self._dirty.clear()
        self._ends.clear()
        self._lists_dirty = False
        self._built.set()
        self._settle(self._marked)
