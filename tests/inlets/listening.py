"""What the tests of the journal and of syslog share: lines that tell a number each, and inlets that run while something is done to them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from tests.inlets.following import AT_MOST, address


class Inlet(Protocol):
    """What the daemon calls of an inlet."""

    async def catch_up(self) -> None:
        """Reads what is there."""

    async def run(self) -> None:
        """Goes on until it is cancelled."""


def message(number: int) -> str:
    """A message of Postfix's smtpd that tells one fact, and the number in it."""
    return f"connect from unknown[{address(number)}]"


def messages(start: int, stop: int) -> list[str]:
    """Messages with the numbers from one to before another."""
    return [message(number) for number in range(start, stop)]


def running(
    inlet: Inlet, doing: Callable[[], Coroutine[Any, Any, None]], factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
) -> None:
    """Runs an inlet while something is done, on a loop."""
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_in_time(inlet, doing))


async def _in_time(inlet: Inlet, doing: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await asyncio.wait_for(_together(inlet, doing()), AT_MOST)


async def _together(inlet: Inlet, doing: Awaitable[None]) -> None:
    await inlet.catch_up()
    task = asyncio.ensure_future(inlet.run())
    doer = asyncio.ensure_future(doing)
    try:
        await asyncio.wait([task, doer], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        await doer
    finally:
        for each in (task, doer):
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
