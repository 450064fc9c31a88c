"""How the command line asks the daemon.

Job: one request over the control socket, one answer. Promise: what the daemon calls bad input is told as such, exit 2; where no daemon answers, the
cure is told. Limits: one host, one socket.
"""

import contextlib
import getpass
import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from gatepost import config
from gatepost.cli.faults import NoDaemonError
from gatepost.cli.show import safe
from gatepost.core.faults import BadInputError

TIMEOUT = 30
"""Seconds for an answer."""
MOST_ROWS = "10000"
"""Rows of a page that the daemon tells at most."""
MOST_ANCESTORS = 16
"""Processes between this one and the administrator's shell."""


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)
        self._timeout = timeout

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._timeout)
        self.sock.connect(self._path)


def socket_path(config_path: str | None = None) -> Path:
    """Where the daemon listens: as the configuration says, else where root's or this user's would."""
    return config.load(config_path).paths().socket


def is_running(config_path: str | None = None) -> bool:
    """Whether a daemon answers. Raises NoDaemonError where that may not be asked: then what it would say is not known."""
    path = socket_path(config_path)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except PermissionError:
            raise NoDaemonError(_FORBIDDEN.format(path)) from None
        except OSError:
            return False
    return True


_FORBIDDEN = "{}: only root and the group gatepost may ask; use sudo, or join that group"


def ask(
    method: str,
    path: str,
    body: Any = None,
    query: dict[str, str] | None = None,
    config_path: str | None = None,
    headers: Any = None,
    timeout: float = TIMEOUT,
) -> Any:
    """One request; the answer's JSON, or its text where it is none. Raises BadInputError, NoDaemonError."""
    socket_at = socket_path(config_path)
    link = _OverSocket(socket_at, timeout)
    try:
        data = body if isinstance(body, bytes | None) else json.dumps(body, ensure_ascii=False).encode()
        target = f"{path}?{urlencode(query)}" if query else path
    except UnicodeEncodeError:
        raise BadInputError("an argument is no UTF-8 text") from None
    try:
        answer = _answer(link, method, target, data, _who() | (headers or {}))
        text = answer.read()
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoDaemonError(f"no gatepost answers at {socket_at}; start it with: gatepost run") from None
    except PermissionError:
        raise NoDaemonError(_FORBIDDEN.format(socket_at)) from None
    except (OSError, http.client.HTTPException) as wrong:
        raise NoDaemonError(f"{socket_at}: {str(wrong) or type(wrong).__name__}") from None
    finally:
        link.close()
    return _found(answer, text)


def quoted(name: str) -> str:
    """A name as part of a path; bytes of an argument that are no text stay what they are."""
    return quote(os.fsencode(name), safe="")


def ask_all(path: str, name: str, query: dict[str, str], config_path: str | None = None) -> list[Any]:
    """All rows of what is told in pages, under a name."""
    found, after = [], ""
    while True:
        page = ask("GET", path, query=query | {"limit": MOST_ROWS} | ({"after": after} if after else {}), config_path=config_path)
        found += page[name]
        after = page["next"]
        if not after:
            return found


def _answer(link: _OverSocket, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> http.client.HTTPResponse:
    link.connect()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # A body that is refused is not read to its end: the answer is there all the same.
        link.request(method, target, data, headers)
    return link.getresponse()


def _found(answer: http.client.HTTPResponse, text: bytes) -> Any:
    """What an answer holds. Raises BadInputError where the daemon calls the request one."""
    warning = answer.headers.get("x-gatepost-warning")
    if warning:
        click.echo(f"warning: {safe(warning)}", err=True)
    kind = answer.headers.get("content-type", "")
    try:
        found: Any = json.loads(text) if "json" in kind else text.decode()
    except ValueError:
        raise NoDaemonError(f"what answers there is no gatepost (status {answer.status})") from None
    if "problem+json" in kind and answer.status < 500:
        raise BadInputError(found["detail"])
    if answer.status >= 400:
        said = found["detail"] if "problem+json" in kind else f"status {answer.status}"
        raise NoDaemonError(f"the daemon did not do it: {said}")
    return found


def _who() -> dict[str, str]:
    """Who asks, for the audit trail, and from where, so that nobody shuts himself out; percent-encoded."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"  # a container's user without a name
    return {"X-Gatepost-User": quote(os.fsencode(user)), "X-Gatepost-From": quote(os.fsencode(_from()))}


def _from() -> str:
    """The address that this administrator works from, as sshd(8) tells his shell. sudo(8) takes it away: then an ancestor still has it."""
    found = os.environ.get("SSH_CONNECTION", "")
    process = os.getppid()
    for _ in range(MOST_ANCESTORS):
        if found or process <= 1:
            break
        try:
            told = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            break
        found = next((each[15:].decode("ascii", "replace") for each in told if each.startswith(b"SSH_CONNECTION=")), "")
        process = next((int(line[5:]) for line in status.split("\n") if line.startswith("PPid:")), 0)
    return found.partition(" ")[0]
