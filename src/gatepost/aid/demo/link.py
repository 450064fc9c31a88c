"""How the demo asks the daemon.

Job: one request over the control socket, one answer, without blocking the loop that the sandbox's servers run on. Promise: an answer is JSON of a
request that succeeded, else LinkError says why. Limits: one connection a request.
"""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

PATIENCE = 5.0
"""Seconds for an answer."""


class LinkError(Exception):
    """The daemon did not answer, or refused."""


class Link:
    """The daemon behind a socket."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def ask(self, method: str, target: str, body: Any = None, query: dict[str, str] | None = None) -> Any:
        """One request; the answer's JSON. Raises LinkError."""
        data = b"" if body is None else json.dumps(body).encode()
        where = f"{target}?{urlencode(query)}" if query else target
        head = f"{method} {where} HTTP/1.1\r\nHost: localhost\r\nX-Gatepost-User: demo\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
        try:
            answer = await asyncio.wait_for(self._exchange(head.encode() + data), PATIENCE)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as wrong:
            raise LinkError(f"{self.path}: {str(wrong) or 'no answer'}") from None
        head_text, _, text = answer.partition(b"\r\n\r\n")
        status = head_text.split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise LinkError(f"{method} {target}: {text.decode('utf-8', 'replace')}")
        return json.loads(text)

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()
