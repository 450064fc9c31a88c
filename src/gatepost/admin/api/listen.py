"""The listener of the REST API: a unix socket.

Job: listen where root and the group gatepost may ask. Promise: the socket has its permissions before anybody can connect; a socket left behind is
replaced, one that answers is not. Limits: it answers nothing; who connects waits for serve.py, which is slow to import and not needed first.
"""

import contextlib
import grp
import os
import socket
from pathlib import Path

from gatepost.core.faults import BadInputError

GROUP = "gatepost"


def listen(path: Path) -> socket.socket:
    """A listening unix socket, 0660, for root and the group gatepost where there is one. Raises BadInputError where it cannot be made."""
    found = socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _make_room(path)
        before = os.umask(0o117)
        try:
            found.bind(str(path))
        finally:
            os.umask(before)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        found.listen(64)
    except OSError as wrong:
        found.close()
        raise BadInputError(f'cannot listen there: {wrong.strerror or wrong}; name another path: socket = "..."', str(path)) from None
    except BadInputError:
        found.close()
        raise
    return found


def _make_room(path: Path) -> None:
    """Takes a socket away that was left behind. Raises BadInputError where it is alive, or no socket."""
    if not path.exists():
        return
    if not path.is_socket():
        raise BadInputError("is there and no socket; remove it, or name another path", str(path))
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise BadInputError("somebody answers there already; stop the other gatepost, or name another socket", str(path))
    path.unlink()
