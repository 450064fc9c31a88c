"""The server of the REST API.

Job: answer on a socket that listens. Promise: what is being answered when it is to end has a second. Limits: TCP listeners come with the console.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette


class _Server(uvicorn.Server):
    """Uvicorn without its own idea of signals: the daemon has one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(application: Starlette, listening: socket.socket) -> None:
    """Answers until it is cancelled; then what is being answered has a second to end."""
    server = _Server(uvicorn.Config(application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1))
    working = asyncio.ensure_future(server.serve([listening]))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        server.should_exit = True
        await working
        raise
