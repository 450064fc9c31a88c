"""How the command line asks the daemon.

Job: one request over the control socket, one answer. Promise: what the daemon calls bad input is told as such, exit 2; where no daemon answers, the
cure is told. Limits: one host, one socket.
"""

import getpass
import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gatepost import config
from gatepost.core.faults import BadInputError

TIMEOUT = 30
"""Seconds for an answer."""


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


class NoDaemonError(Exception):
    """No daemon answers; the text says where it was looked for, and the cure."""


def socket_path(config_path: str | None = None) -> Path:
    """Where the daemon listens: as the configuration says, else where root's or this user's would."""
    return config.load(config_path).paths().socket


def is_running(config_path: str | None = None) -> bool:
    """Whether a daemon answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(socket_path(config_path))) == 0


def ask(method: str, path: str, body: Any = None, query: dict[str, str] | None = None, config_path: str | None = None, headers: Any = None) -> Any:
    """One request; the answer's JSON, or its text where it is none. Raises BadInputError, NoDaemonError."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    link = _OverSocket(socket_path(config_path))
    try:
        link.request(method, f"{path}?{urlencode(query)}" if query else path, data, _who() | (headers or {}))
        answer = link.getresponse()
        text = answer.read()
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoDaemonError(f"no gatepost answers at {socket_path(config_path)}; start it with: gatepost run") from None
    except PermissionError:
        raise NoDaemonError(f"{socket_path(config_path)}: only root and the group gatepost may ask; use sudo, or join that group") from None
    except OSError as wrong:
        raise NoDaemonError(f"{socket_path(config_path)}: {wrong}") from None
    finally:
        link.close()
    is_json = "json" in answer.headers.get("content-type", "")
    found: Any = json.loads(text) if is_json else text.decode()
    if answer.status == 422:
        raise BadInputError(found["detail"])
    if answer.status >= 400:
        raise NoDaemonError(f"the daemon answered {answer.status}: {found}")
    return found


def _who() -> dict[str, str]:
    """Who asks, for the audit trail, and from where, so that nobody shuts himself out."""
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    away = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    return {"X-Gatepost-User": user.encode("ascii", "replace").decode(), "X-Gatepost-From": away.encode("ascii", "replace").decode()}
