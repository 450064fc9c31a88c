"""The daemon's event loop: uvloop where it is installed, else asyncio's own.

Job: run the daemon to its end. Promise: both do the same; uvloop answers about twice as many questions a second. Limits: none of its own.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

try:
    import uvloop
except ImportError:  # no wheel for this platform, and nobody built it
    factory = asyncio.new_event_loop
else:
    factory = uvloop.new_event_loop

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Runs it, and returns what it returns."""
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
