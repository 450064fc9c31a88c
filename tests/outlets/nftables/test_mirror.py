"""The mirror and a helper that is played: what is coalesced, told, retried."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from gatepost.core.access import own_entries
from gatepost.core.deeds import Hold
from gatepost.core.engine import Engine
from gatepost.core.subjects import Subject
from gatepost.outlets.nftables.link import Link, LinkLostError
from gatepost.outlets.nftables.messages import Apply, Done, Failed, Read, Reply, Request, Seen, Stop
from gatepost.outlets.nftables.mirror import SLICE, NftablesMirror
from gatepost.outlets.nftables.wanted import NftablesSettings
from gatepost.pipeline.mirrors import Standing
from gatepost.pipeline.order import Order

LATER = 10**15


class PlayedLink(Link):
    """A helper that says yes, unless it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Request] = []
        self.says: Callable[[Request], Reply | Exception | None] = lambda message: None
        self.has: dict[object, int] = {}

    async def ask(self, message: Request) -> Reply:
        self.asked.append(message)
        await asyncio.sleep(0)
        said = self.says(message)
        if isinstance(said, Exception):
            raise said
        if said is not None:
            return said
        return Seen(touched=False, intact=True) if isinstance(message, Read) else Done(1, fresh=True)

    def puts(self) -> list[int]:
        """How many elements each change put, those of the layout apart."""
        return [sum(len(put.elements) for put in each.put) for each in self.asked if isinstance(each, Apply) and each.put and not each.layout]


class Play:
    """A mirror, its order and its played helper."""

    def __init__(self) -> None:
        self.order = Order(Engine(entries=own_entries()))
        self.mirror = NftablesMirror(NftablesSettings(destroy_sockets=False), Standing(self.order.engine), lambda: 5)
        self.mirror.retry_seconds = 0.01
        self.link = self.mirror.link = PlayedLink()

    def hold(self, text: str) -> None:
        """Holds an address; the mirror is told."""
        self.mirror.mark(self.order.do(Hold(1, Subject("client", text), LATER, ("smtp",))))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Play"]:
        """At work, its table built."""
        work = asyncio.create_task(self.mirror.run())
        await self.mirror.built()
        try:
            yield self
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work


def test_what_is_marked_together_goes_in_one_transaction() -> None:
    async def play() -> None:
        async with Play().running() as it:
            it.hold("192.0.2.1")
            await it.mirror.settled()
            for number in range(2, 9):
                it.hold(f"192.0.2.{number}")
            await it.mirror.settled()
            assert it.link.puts() == [7], "the first came with the layout of its set"
            assert it.mirror.state().decided == 8 + 8

    asyncio.run(play())


def test_many_go_by_slices_and_a_new_one_between_them() -> None:
    async def play() -> None:
        it = Play()
        for number in range(4 * SLICE):
            it.order.do(Hold(1, Subject("client", f"198.18.{number >> 8}.{number & 255}"), LATER, ("smtp",)))
        new: list[int] = []

        def says(message: Request) -> None:
            if isinstance(message, Apply) and message.put and not message.layout and not new:
                new.append(len(it.link.asked))
                it.hold("192.0.2.1")

        it.link.says = says
        async with it.running():
            assert 1 in it.link.puts()[:-1], "the new one did not wait for the last slice"
            assert max(it.link.puts()) == SLICE

    asyncio.run(play())


def test_nothing_new_is_nothing_to_do() -> None:
    async def play() -> None:
        async with Play().running() as it:
            it.mirror.mark(())
            await it.mirror.settled()
            before = len(it.link.asked)
            it.mirror.mark_lists()
            await it.mirror.settled()
            assert len(it.link.asked) == before + 1

    asyncio.run(play())


@pytest.mark.parametrize("code", ["rights", "library", "kernel"])
def test_where_the_kernel_cannot_be_used_it_observes_and_tries_again(code: str, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        it = Play()
        it.link.says = lambda message: Failed(code, "install it")  # type: ignore[arg-type]
        async with it.running():
            it.hold("192.0.2.1")
            await it.mirror.settled()
            state = it.mirror.state()
            assert (state.working, state.problem, state.enforced) == (False, "install it", 0)
            it.link.says = lambda message: None
            async with asyncio.timeout(5):
                while not it.mirror.state().working:
                    await asyncio.sleep(0.01)
            assert it.mirror.state().problem == ""
            assert it.link.puts()[-1:] == [] or it.mirror.state().enforced == 9

    asyncio.run(play())
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["nftables: nothing is blocked in the kernel: install it"]


def test_a_helper_that_died_costs_no_block() -> None:
    async def play() -> None:
        async with Play().running() as it:
            died = [LinkLostError("the helper process died")]
            it.link.says = lambda message: died.pop() if died else None
            it.hold("192.0.2.1")
            await it.mirror.settled()
            state = it.mirror.state()
            assert (state.working, state.decided, state.enforced, state.mended) == (True, 9, 9, 0)

    asyncio.run(play())


def test_a_kernel_that_ends_no_sockets_still_blocks() -> None:
    async def play() -> None:
        it = Play()
        it.mirror = NftablesMirror(NftablesSettings(), Standing(it.order.engine), lambda: 5)
        it.mirror.link = it.link
        it.link.says = lambda message: Failed("refused", "stay open") if isinstance(message, Apply) and message.ends else None
        async with it.running():
            it.hold("192.0.2.1")
            await it.mirror.settled()
            await asyncio.sleep(0.05)
            state = it.mirror.state()
            assert (state.working, state.problem) == (True, "stay open")

    asyncio.run(play())


@pytest.mark.parametrize("on_stop", ["keep", "lift"])
def test_the_end_is_told(on_stop: str) -> None:
    async def play() -> None:
        it = Play()
        it.mirror = NftablesMirror(NftablesSettings(on_stop=on_stop), Standing(it.order.engine), lambda: 5)  # type: ignore[arg-type]
        it.mirror.link = it.link
        async with it.running():
            pass
        assert it.link.asked[-1] == Stop(on_stop == "lift")

    asyncio.run(play())
