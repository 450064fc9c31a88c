"""Who reads a page, and in which language.

Job: choose the language of each request before anything answers it. Promise: what a browser sends can only choose among the languages there are.
Limits: tongues.py knows these.
"""

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gatepost.admin.tongues import READS, choose


class Reader:
    """Has each request answered in the language that is fixed, or else in the one that its browser likes best."""

    def __init__(self, app: ASGIApp, there: Iterable[str], fixed: str = "") -> None:
        self._app, self._there, self._fixed = app, list(there), fixed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        READS.set(self._fixed or choose(Headers(scope=scope).get("accept-language", ""), self._there))
        await self._app(scope, receive, send)
