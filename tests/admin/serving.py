"""The API over a real unix socket, served on a thread of the test."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gatepost.admin.api.listen import listen
from gatepost.admin.api.serve import serve
from gatepost.admin.api.server import application
from tests.admin.desks import Bench, bench


class Answer(NamedTuple):
    """What the API answered."""

    status: int
    kind: str
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Its JSON."""
        return json.loads(self.text)


class Served:
    """A guard whose API answers at ``path``."""

    def __init__(self, made: Bench, path: Path) -> None:
        self.made = made
        self.path = path
        self.loop = asyncio.new_event_loop()
        self._listening = listen(path)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        self._task = self.loop.create_task(serve(application(self.made.desk), self._listening))
        try:
            self.loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            self.loop.close()

    def close(self) -> None:
        """Cancels it and waits until it has ended."""
        self.loop.call_soon_threadsafe(lambda: self._task.cancel())
        self._thread.join()
        self._listening.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request over a connection of its own."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        link = http.client.HTTPConnection("localhost", timeout=60)
        link.sock = socket.socket(socket.AF_UNIX)
        link.sock.settimeout(60)
        link.sock.connect(str(self.path))
        try:
            link.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
            found = link.getresponse()
            text = found.read().decode()
        finally:
            link.close()
        return Answer(found.status, found.headers["content-type"], {name.lower(): value for name, value in found.headers.items()}, text)


@contextmanager
def served(path: Path, names: dict[str, tuple[str, ...]] | None = None) -> Iterator[Served]:
    """A guard with its API, by the real clock."""
    with bench(real_time=True, names=names) as made:
        found = Served(made, path)
        try:
            yield found
        finally:
            found.close()
