"""The listener of the REST API: a unix socket.

Job: listen where root and the group gatepost may ask. Promise: the socket has its permissions before anybody can connect; a socket left behind is
replaced, one that answers is not. Limits: TCP listeners come with the console.
"""

import contextlib
import grp
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from gatepost.core.faults import BadInputError

GROUP = "gatepost"


class _Server(uvicorn.Server):
    """Uvicorn without its own idea of signals: the daemon has one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(path: Path) -> socket.socket:
    """A listening unix socket, 0660, for root and the group gatepost where there is one. Raises BadInputError where it cannot be made."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    raise BadInputError("somebody answers there already; stop the other gatepost, or name another socket", str(path))
            path.unlink()
        found = socket.socket(socket.AF_UNIX)
        before = os.umask(0o117)
        try:
            found.bind(str(path))
        finally:
            os.umask(before)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
    except OSError as wrong:
        raise BadInputError(f"cannot listen there: {wrong.strerror}", str(path)) from None
    found.listen(64)
    return found


async def serve(application: Starlette, listening: socket.socket) -> None:
    """Answers until it is cancelled."""
    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    await _Server(config).serve([listening])
