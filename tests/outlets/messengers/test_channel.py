"""A channel at work: chosen, written, on disk, tried until taken."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatepost.core.spans import DAY
from gatepost.outlets.messengers import channel as module
from gatepost.outlets.messengers.channel import Channel
from gatepost.outlets.messengers.settings import ChannelSettings
from gatepost.outlets.messengers.spool import Spool
from gatepost.pipeline.messengers import Message, Notice, SendError
from tests.outlets.messengers.made import START, block, brake, message, trouble


class Recorder:
    """A sender that keeps what it is given, and fails as ``script`` says."""

    kind, to = "mail", "postmaster@example.org"

    def __init__(self, *script: Exception | None) -> None:
        self.script = list(script)
        self.tries: list[Message] = []
        self.taken: list[Message] = []

    async def send(self, message: Message) -> str:
        """Takes or refuses a message."""
        self.tries.append(message)
        wrong = self.script.pop(0) if self.script else None
        if wrong:
            raise wrong
        self.taken.append(message)
        return ""


def made(folder: Path, sender: Recorder, now: Callable[[], int] = lambda: START, **given: Any) -> Channel:
    """A channel that does not wait long."""
    settings = ChannelSettings(kind="mail", name="admins", to=("postmaster@example.org",), **given)
    found = Channel(settings, sender, Spool(folder / "spool"), now, "mx.example.org", lambda: 1)
    found.retry = 0.001
    return found


async def until(true: Callable[[], bool]) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def working(*channels: Channel) -> Any:
    """Channels at work, ended in an orderly way."""
    tasks = [asyncio.create_task(each.run()) for each in channels]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_failing_server_gets_the_same_message_until_it_takes_it(tmp_path: Path) -> None:
    async def run() -> None:
        sender = Recorder(SendError("busy"), SendError("busy"))
        channel = made(tmp_path, sender)
        async with working(channel):
            channel.tell([block()])
            await until(lambda: bool(sender.taken))
            await until(lambda: channel.state().waiting == 0)
        assert [each.key for each in sender.tries] == [sender.taken[0].key] * 3
        state = channel.state()
        assert (state.sent, state.failures, state.dropped, state.failing_since, state.problem) == (1, 2, 0, 0, "")

    asyncio.run(run())


def test_a_fault_in_a_sender_does_not_end_the_channel(tmp_path: Path) -> None:
    async def run() -> None:
        sender = Recorder(KeyError("oops"))
        channel = made(tmp_path, sender)
        async with working(channel):
            channel.tell([block()])
            await until(lambda: bool(sender.taken))
        assert channel.state().failures == 1

    asyncio.run(run())


def test_what_nobody_takes_is_let_go_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_MOST", 0.001)

    async def run() -> None:
        sender = Recorder(*[SendError("no such user", again=False)] * 5)
        channel = made(tmp_path, sender, every=None)
        async with working(channel):
            channel.tell([block()])
            await until(lambda: channel.state().dropped == 1)
        assert (len(sender.tries), channel.state().waiting) == (5, 0)

    asyncio.run(run())


def test_a_message_that_is_too_old_is_let_go(tmp_path: Path) -> None:
    async def run() -> None:
        spool = Spool(tmp_path / "spool")
        spool.open()
        spool.put(message("old", at=START - 4 * DAY))
        spool.put(message("new"))
        sender = Recorder()
        async with working(made(tmp_path, sender)):
            await until(lambda: bool(sender.taken))
        assert [each.key for each in sender.taken] == ["new"]

    asyncio.run(run())


def test_what_is_collected_is_on_disk_after_an_orderly_end(tmp_path: Path) -> None:
    async def run() -> None:
        sender = Recorder()
        channel = made(tmp_path, sender)
        async with working(channel):
            channel.tell([block(1)])
            await until(lambda: bool(sender.taken))
            channel.tell([block(2), block(3)])
        again = Recorder()
        async with working(made(tmp_path, again)):
            await until(lambda: bool(again.taken))
        assert len(again.taken[0].notices) == 2

    asyncio.run(run())


def test_a_flood_is_bounded_and_counted(tmp_path: Path) -> None:
    async def run() -> None:
        channel = made(tmp_path, Recorder())
        channel.tell(block(number) for number in range(5_000))
        state = channel.state()
        assert (state.collected, state.dropped) == (5_000, 4_000)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("given", "notice", "wanted"),
    [
        ({}, block(), True),
        ({}, block(action="delay"), True),
        ({}, block(watched=True), False),
        ({}, block(rule=""), False),
        ({"tell": ("hand",)}, block(rule=""), True),
        ({"tell": ()}, block(), False),
        ({"tell": ()}, block(action="alert", watched=True), True),
        ({"tell": (), "rules": ("x",)}, brake(), True),
        ({"tell": ()}, trouble(), True),
        ({}, trouble(source="channel admins"), False),
        ({}, trouble(source="channel other"), True),
        ({"rules": ("dos",)}, block(), True),
        ({"rules": ("harvesting",)}, block(), False),
        ({"rules": ("harvesting",)}, block(action="alert", watched=True), True),
    ],
)
def test_what_a_channel_tells(tmp_path: Path, given: Any, notice: Notice, wanted: bool) -> None:
    assert made(tmp_path, Recorder(), **given).wants(notice) is wanted


def test_a_test_goes_past_what_waits_and_says_what_is_wrong(tmp_path: Path) -> None:
    async def run() -> None:
        channel = made(tmp_path, Recorder(SendError("no route")))
        assert await channel.test() == "no route"
        assert channel.state().failing_since == START
        assert await channel.test() == ""
        assert channel.state().failing_since == 0

    asyncio.run(run())
