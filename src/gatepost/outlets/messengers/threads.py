"""Work that may hang, beside the event loop.

Job: run a call that waits for others in a thread of its own, up to a time. Promise: who waits is answered in time, whatever the call does; a hanging
call does not keep the program from ending. Limits: a call that ignores ``cancel`` holds its thread until it ends by itself.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from gatepost.pipeline.messengers import SendError

T = TypeVar("T")


async def in_thread(work: Callable[[], T], seconds: float, cancel: Callable[[], None] = lambda: None) -> T:
    """What a call returns. Raises what it raises, and SendError after so many seconds; then ``cancel`` is called."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(found: T | None, wrong: BaseException | None) -> None:
        if future.done():
            return
        if wrong is not None:
            future.set_exception(wrong)
        else:
            future.set_result(found)  # type: ignore[arg-type]

    def run() -> None:
        found: T | None = None
        caught: BaseException | None = None
        try:
            found = work()
        except BaseException as wrong:  # it is raised where the work was asked for
            caught = wrong
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, found, caught)

    threading.Thread(target=run, name="messenger", daemon=True).start()
    try:
        return await asyncio.wait_for(future, seconds)
    except TimeoutError:
        raise SendError(f"no answer within {seconds:g} s") from None
    finally:
        cancel()
