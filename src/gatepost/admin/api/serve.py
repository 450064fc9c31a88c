"""The server of the REST API and of the console.

Job: answer on a socket that listens. Promise: what is being answered when it is to end has a second. Limits: who may ask is for the application.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

MOST_AT_ONCE = 500
"""Connections and requests at once; more are answered 503."""


class _Server(uvicorn.Server):
    """Uvicorn without its own idea of signals: the daemon has one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(application: ASGIApp, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
    """Answers until it is cancelled; then what is being answered has a second to end."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        proxy_headers=False,  # nobody's word but the connection's own says who asks
        server_header=False,
        ws="none",
        limit_concurrency=MOST_AT_ONCE,
        ssl_context_factory=(lambda _, __: tls) if tls else None,
    )
    server = _Server(config)
    working = asyncio.ensure_future(server.serve([listening]))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        server.should_exit = True
        await working
        raise
