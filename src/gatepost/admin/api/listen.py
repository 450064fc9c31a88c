"""The listeners: a unix socket for the API, and TCP for the console and the API.

Job: listen where root and the group gatepost may ask, and where browsers do. Promise: the socket has its permissions before anybody can connect; a
socket left behind is replaced, one that answers is not. Limits: it answers nothing; who connects waits for serve.py, which is slow to import and not
needed first.
"""

import contextlib
import grp
import os
import socket
import ssl
from pathlib import Path

from gatepost.admin.settings import ConsoleSettings
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


def listen_tcp(settings: ConsoleSettings) -> socket.socket:
    """A listening TCP socket for the console. Raises BadInputError where it cannot be made."""
    host, port = settings.address
    found = socket.socket(socket.AF_INET if host.version == 4 else socket.AF_INET6)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((str(host), port))
        found.listen(128)
    except OSError as wrong:
        found.close()
        said = f"{settings.listen} cannot be listened on: {wrong.strerror or wrong}"
        raise BadInputError(f'console.listen: {said}; name another port, or listen = "" for none') from None
    return found


def tls_of(settings: ConsoleSettings) -> ssl.SSLContext | None:
    """What TLS is spoken with, if it is. Raises BadInputError where certificate or key cannot be used."""
    if not settings.tls:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certificate, settings.key or None, password=lambda: b"")
    except (OSError, ValueError) as wrong:
        raise BadInputError(f"console.certificate: {settings.certificate} or its key cannot be used: {wrong}") from None
    return context
