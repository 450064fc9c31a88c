"""What protects every page and every route over TCP.

Job: refuse what comes from another site, and tell browsers what they must not do. Promise: no page runs a script, loads a picture, or is framed by
anything but ours; a name that is not ours is not answered (DNS rebinding). Limits: who asks is told elsewhere.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # A form's Origin would be "null" with no-referrer.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Shield:
    """Stands before an application. ``names`` are the host names that are ours beside loopback's."""

    def __init__(self, app: ASGIApp, names: Collection[str] = (), tls: bool = False) -> None:
        self._app = app
        self._names = frozenset(name.lower().rstrip(".") for name in (*LOOPBACK, *names))
        self._headers = HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    told.setdefault(name, value)
                told.setdefault("Cache-Control", "no-store")
            await send(message)

        wrong = self._wrong(scope["method"], headers)
        if wrong:
            await PlainTextResponse(wrong[1], wrong[0])(scope, receive, send_more)
        else:
            await self._app(scope, receive, send_more)

    def _wrong(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if _host(f"//{host}") not in self._names:
            return 421, f"{host[:100]!r} is no name of this console; add it to names in [console] of gatepost.toml\n"
        origin = headers.get("origin", "")
        if method in SAFE or not origin:
            return None
        if urlsplit(origin).netloc.lower() != host.lower() or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "this came from another site\n"
        return None


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
