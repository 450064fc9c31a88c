"""A listener that mail servers ask: opened, tried again, swept, closed.

Job: hold one listening socket, at an address or a path. Promise: whatever keeps it from listening is told and tried again, first after a second, then
less and less often; a path that it made goes with it. Limits: the connections, who may open one, and what ends them are the inlet's.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from ipaddress import ip_address

from gatepost.inlets.sockets import tcp_socket, unix_socket

TICK = 1.0
"""Seconds between two looks at the connections."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a listener that could not open is tried again."""
BACKLOG = 1024
SPARE_FILES = 256
"""File descriptors that connections leave to everything else."""
LONGEST_PATH = 107
"""Bytes of a unix socket's path (unix(7))."""
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})")


def endpoint(text: str) -> tuple[str, int]:
    """Address and port. Raises ValueError."""
    found = _HOST_PORT.fullmatch(text)
    if found is None or int(found[3]) > 65_535:
        raise ValueError(f"listen: {text!r} is no address and port, nor a path; write 127.0.0.1:8094, [::1]:8094 or /run/gatepost/NAME")
    return str(ip_address(found[1] or found[2])), int(found[3])


def check_listen(text: str) -> None:
    """Raises ValueError where nobody can listen on what a setting says."""
    if not text.startswith("/"):
        endpoint(text)
    elif len(os.fsencode(text)) > LONGEST_PATH:
        raise ValueError(f"listen: the path of a unix socket has {LONGEST_PATH} bytes at most")


class Listener:
    """Listens at ``listen``, a unix socket with the rights ``mode`` (octal). ``make`` is asked for each connection's protocol, ``sweep`` is called
    every second."""

    def __init__(self, listen: str, mode: str, make: Callable[[], asyncio.Protocol], sweep: Callable[[], None]) -> None:
        self.listening = False
        self.problem = ""
        self.port = 0
        """The port that it listens on, while it does: the kernel's choice where 0 was asked for; 0 for a path."""
        self._listen, self._mode, self._make, self._sweep = listen, int(mode, 8), make, sweep

    async def run(self) -> None:
        """Listens until it is cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                server = await self._open()
            except OSError as wrong:
                self.problem = f"cannot listen on {self._listen}: {wrong}; trying again"
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            self.listening, self.problem = True, ""
            try:
                while True:
                    await asyncio.sleep(TICK)
                    self._sweep()
            finally:
                self.listening = False
                server.close()
                if self._is_path:
                    with contextlib.suppress(OSError):
                        os.unlink(self._listen)

    @property
    def _is_path(self) -> bool:
        return self._listen.startswith("/")

    async def _open(self) -> asyncio.Server:
        """Raises OSError."""
        sock = unix_socket(self._listen, self._mode) if self._is_path else tcp_socket(*endpoint(self._listen))
        loop = asyncio.get_running_loop()
        serving = loop.create_unix_server if self._is_path else loop.create_server
        try:
            server = await serving(self._make, sock=sock, backlog=BACKLOG)
        except OSError:
            sock.close()
            raise
        self.port = 0 if self._is_path else sock.getsockname()[1]
        return server
