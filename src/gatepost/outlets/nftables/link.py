"""The main process's end of the helper.

Job: start the helper, keep a worker at hand, and put requests to it. Promise: answers come in the order of the requests; a worker that dies fails
what it was asked (LinkLostError), and the next request finds a new one. Limits: starting a helper costs some 100 ms; where the main process has
given its rights away, a keeper that was killed cannot be replaced.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from gatepost.outlets.nftables.messages import Reply, Request, frame, reply

START_SECONDS = 10.0


class LinkLostError(Exception):
    """The helper is gone; what it was asked may or may not have been done."""


class Link:
    """The helper, seen from the main process."""

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] = lambda: None
        """Called when a worker is gone: who asks again at once has the next one before the keeper can be gone too."""
        self._control: socket.socket | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._worker: _Worker | None = None
        self.started = 0
        """Workers started so far."""

    @property
    def keeper(self) -> int | None:
        """The process id of the helper's keeper."""
        return self._keeper.pid if self._keeper is not None and self._keeper.poll() is None else None

    def spawn(self) -> None:
        """Starts the helper with the rights of this process. To be called before these are given away. Raises OSError."""
        self.close()
        ours, theirs = socket.socketpair()
        # Of the environment it takes nothing over; it is to find this very package, wherever that lies.
        env = {"PATH": os.defpath, "LC_ALL": "C", "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
        command = [sys.executable, "-P", "-m", "gatepost.outlets.nftables.helper", str(theirs.fileno())]
        with theirs:
            # Its arguments are our own; there is no shell.
            self._keeper = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, env=env)  # noqa: S603
        ours.setblocking(False)
        self._control = ours

    async def ask(self, message: Request) -> Reply:
        """Puts a request to the helper. Raises LinkLostError where it is gone."""
        try:
            if self._worker is None or self._worker.lost:
                self._worker = await asyncio.wait_for(self._hire(), START_SECONDS)
            return await self._worker.ask(message)
        except (OSError, TimeoutError) as wrong:
            raise LinkLostError(f"the helper process cannot be started: {wrong}") from None

    async def _hire(self) -> "_Worker":
        if self.keeper is None or self._control is None:
            self.spawn()
        try:
            handed = await self._next_worker()
        except OSError:
            self.close()
            raise
        loop = asyncio.get_running_loop()
        _, worker = await loop.create_unix_connection(lambda: _Worker(self.on_lost), sock=handed)
        self.started += 1
        return worker

    async def _next_worker(self) -> socket.socket:
        control = self._control
        if control is None:
            raise OSError("no helper")
        control.send(b"w")
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(control, _resolve, ready)
        try:
            await ready
        finally:
            loop.remove_reader(control)
        said, found, _, _ = socket.recv_fds(control, 1, 1)
        if not said or not found:
            raise OSError("the helper ended; its last words are on the standard error stream")
        return socket.socket(fileno=found[0])

    def close(self) -> None:
        """Lets the helper end."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._keeper is not None:
            try:
                self._keeper.wait(2)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                self._keeper.wait()
            self._keeper = None


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class _Worker(asyncio.Protocol):
    """A connection to a worker: requests go out, answers come back in their order."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.on_lost = on_lost
        self._asked: deque[asyncio.Future[Reply]] = deque()
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        held = self._data
        held += data
        while len(held) >= 4:
            end = 4 + int.from_bytes(held[:4], "big")
            if len(held) < end:
                return
            answer = reply(held[4:end])
            del held[:end]
            waiting = self._asked.popleft()
            if not waiting.done():
                waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        for waiting in self._asked:
            if not waiting.done():
                waiting.set_exception(LinkLostError("the helper process died"))
        self._asked.clear()
        self.on_lost()

    def ask(self, message: Request) -> "asyncio.Future[Reply]":
        """Sends a request; the future is its answer."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self.lost or self._transport is None:
            answer.set_exception(LinkLostError("the helper process died"))
        else:
            self._asked.append(answer)
            self._transport.write(frame(message))
        return answer

    def close(self) -> None:
        """Closes the connection: the worker ends."""
        self.lost = True
        if self._transport is not None:
            self._transport.abort()
