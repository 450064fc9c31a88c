"""The daemon's end of the keeper: the real process, killed, asked too much, and left alone."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gatepost.core.access import own_entries
from gatepost.core.rules import PRESETS
from gatepost.core.subjects import Client
from gatepost.keeper import link as link_module
from gatepost.keeper.files import HistorySettings
from gatepost.keeper.link import KeeperLink
from gatepost.pipeline.previews import AskPreview, PreviewState
from gatepost.pipeline.recall import AskWhy, RecallError
from tests.keeper.following import DAY, START, Writer, connected

ASKED = AskPreview(before=PRESETS["standard"], after=PRESETS["relaxed"], names=("dos",), entries=own_entries(), since=START, until=START + 2 * DAY)


def with_keeper(folder: Path, work: Callable[[KeeperLink, Writer], Awaitable[Any]]) -> None:
    """Does something with a keeper at work."""
    writer = Writer(folder)
    for last in range(10):
        writer.write([connected(START + last * 1_000_000 + number * 20_000, Client(f"203.0.113.{last}")) for number in range(5_000)])

    async def main() -> None:
        link = KeeperLink(writer.path, writer.history, HistorySettings())
        running = asyncio.create_task(link.run())
        try:
            await until(lambda: link.counts() is not None)
            await work(link, writer)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


async def until(what: Callable[[], object]) -> None:
    """Waits for something to become true."""
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.02)


async def ended(link: KeeperLink, number: int) -> PreviewState:
    """What became of a preview."""
    await until(lambda: link.preview(number).state != "running")  # type: ignore[union-attr]
    found = link.preview(number)
    assert found is not None
    return found


def test_a_preview_from_beginning_to_end(tmp_path: Path) -> None:
    async def work(link: KeeperLink, writer: Writer) -> None:
        begun = link.begin_preview(ASKED)
        with pytest.raises(RecallError, match=f"preview {begun.number} is running"):
            link.begin_preview(ASKED)
        assert (await link.why(AskWhy(client="203.0.113.1"))).groups[0].count == 5_000
        done = await ended(link, begun.number)
        assert (done.state, done.percent) == ("done", 100)
        assert done.result is not None
        assert done.result.many["before"] == 10
        assert link.preview(begun.number + 1) is None

    with_keeper(tmp_path, work)


def test_cancelled_it_makes_room_for_the_next(tmp_path: Path) -> None:
    async def work(link: KeeperLink, writer: Writer) -> None:
        first = link.begin_preview(ASKED)
        link.cancel_preview(first.number)
        assert (await ended(link, first.number)).state == "cancelled"
        assert (await ended(link, link.begin_preview(ASKED).number)).state == "done"

    with_keeper(tmp_path, work)


def test_a_keeper_that_is_killed_fails_it_and_the_next_one_works(tmp_path: Path) -> None:
    async def work(link: KeeperLink, writer: Writer) -> None:
        os.kill(link.pid, signal.SIGSTOP)
        begun = link.begin_preview(ASKED)
        os.kill(link.pid, signal.SIGKILL)
        failed = await ended(link, begun.number)
        assert (failed.state, "ask again" in failed.problem) == ("failed", True)
        with pytest.raises(RecallError):
            link.begin_preview(ASKED)
        await until(lambda: link.counts() is not None)
        assert (await ended(link, link.begin_preview(ASKED).number)).state == "done"

    with_keeper(tmp_path, work)


def test_a_preview_that_nobody_asks_about_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "ALONE", -1.0)

    async def work(link: KeeperLink, writer: Writer) -> None:
        begun = link.begin_preview(ASKED)
        await until(lambda: link._preview is not None and link._preview.state != "running")
        found = link.preview(begun.number)
        assert found is not None
        assert found.state == "cancelled"

    with_keeper(tmp_path, work)
