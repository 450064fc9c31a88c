"""HTTP/1.1 of Dovecot's auth policy: connections, requests and their bounds.

Job: cut a connection's bytes into requests and write the answers in their order. Promise: kept connections and pipelining (RFC 9112, 9.3); headers,
bodies, connections and the time that half a request may take are bounded; each end has its reason, counted; whatever comes is answered or closed.
Limits: no TLS (keep it on this host, or behind a proxy); what a request means is `Answers`' to say.
"""

import asyncio
import hmac
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections import Counter, deque
from collections.abc import Awaitable
from typing import NamedTuple, Protocol, cast
from urllib.parse import parse_qsl

import httptools

HEADERS = 16_384
"""Bytes of a request's first line and headers, at most."""
BODY = 262_144
"""Bytes of a body, at most."""
WAITING = 64
"""Requests of one connection that wait behind a deed, at most."""
UNSENT = 1_048_576
"""Bytes of answers that a client has not taken, at most."""
HALF, IDLE = 10.0, 600.0
"""Seconds within which a request that has begun must end, and for which a connection may rest between two."""

_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_LAST = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
_STATUS = {
    200: b"200 OK",
    400: b"400 Bad Request",
    401: b"401 Unauthorized",
    404: b"404 Not Found",
    413: b"413 Content Too Large",
    431: b"431 Request Header Fields Too Large",
}


_KEYS_LONG = (len("x-api-key"), len("authorization"))


class Reply(NamedTuple):
    """An answer: its HTTP status and body."""

    body: bytes
    status: int = 200


class Answers(Protocol):
    """Who knows the answers."""

    def now(self, command: str, body: bytes, peer: str) -> Reply | None:
        """The answer, if it needs no waiting."""

    async def later(self, command: str, body: bytes, peer: str) -> Reply:
        """The answer of a deed."""


class Key:
    """What a request must show: ``X-API-Key: KEY``, or ``Authorization: Basic`` with KEY as its password, whatever the user."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def fits(self, api_key: bytes, authorization: bytes) -> bool:
        """Whether a request's headers show it; compared in constant time. Any fit where there is no key."""
        if not self._key:
            return True
        if api_key:
            return hmac.compare_digest(api_key, self._key)
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            shown = b64decode(token.strip(), validate=True).partition(b":")[2]
        except (NotBase64, ValueError):
            return False
        return hmac.compare_digest(shown, self._key)


class Doorman:
    """All connections of a listener."""

    def __init__(self, answers: Answers, key: Key, most: int) -> None:
        self.answers, self.key, self.most = answers, key, most
        self.open: set[Connection] = set()
        self.dropped: Counter[str] = Counter()
        """Requests and connections that were turned away or ended, by reason."""

    def __call__(self) -> "Connection":
        return Connection(self)

    def sweep(self) -> None:
        """Ends connections that are too slow."""
        now = time.monotonic()
        for each in [each for each in self.open if each.overdue(now)]:
            self.dropped["too slow" if each.began else "idle"] += 1
            each.abort()

    def close(self) -> None:
        """Ends all."""
        for each in list(self.open):
            each.abort()


class Connection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        *("_api_key", "_authorization", "_body", "_busy", "_doorman", "_fed", "_out", "_parser", "_peer", "_queue", "_size", "_transport", "_url"),
        *("began", "used"),
    )

    def __init__(self, doorman: Doorman) -> None:
        self._doorman = doorman
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._out: list[bytes] = []
        self._queue: deque[tuple[bytes, bytes, bytes, bytes, bool]] = deque()
        self._busy: asyncio.Task[None] | None = None
        self.began = 0.0
        """Since when a request waits for its end; 0 where none does."""
        self.used = time.monotonic()
        self._fed = 0
        self._fresh()

    def _fresh(self) -> None:
        self._url = self._api_key = self._authorization = b""
        self._body: list[bytes] = []
        self._size = 0
        """Bytes of the part that comes now: of the headers, then of the body."""
        self._fed = 0

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        doorman = self._doorman
        if len(doorman.open) >= doorman.most:
            doorman.dropped["too many connections"] += 1
            self.abort()
            return
        doorman.open.add(self)
        self._transport.set_write_buffer_limits(UNSENT)
        name = transport.get_extra_info("peername")
        self._peer = str(name[0]) if isinstance(name, tuple) else ""

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            return
        self.used = time.monotonic()
        self._fed += len(data)
        try:
            parser.feed_data(data)
            if self._fed > HEADERS + BODY + len(data):  # a header that never ends is the parser's own, and shows nowhere else
                raise _TooMuchError(431, "too long")
        except _TooMuchError as wrong:
            self._refuse(wrong.status, wrong.reason)
        except httptools.HttpParserCallbackError as wrong:
            cause = wrong.__context__
            if not isinstance(cause, _TooMuchError):
                raise
            self._refuse(cause.status, cause.reason)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(400, "no HTTP")
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self.began and error is None:
            self._doorman.dropped["unfinished"] += 1
        self._forget()

    def pause_writing(self) -> None:
        """A client that takes no answers gets no more."""
        self._doorman.dropped["takes no answers"] += 1
        self.abort()

    def overdue(self, now: float) -> bool:
        """Whether it takes too long."""
        return self._busy is None and (now - self.began > HALF if self.began else now - self.used > IDLE)

    def abort(self) -> None:
        """Ends it at once."""
        if self._transport is not None:
            self._transport.abort()
        self._forget()

    def _forget(self) -> None:
        self._doorman.open.discard(self)
        self._transport = None
        self.began = 0.0
        self._queue.clear()
        # The parser holds on to us: without it, nothing waits for the garbage collector.
        self._parser = None

    # --- httptools

    def on_message_begin(self) -> None:
        """A request begins."""
        self.began = self.used

    def on_url(self, url: bytes) -> None:
        """A part of its address."""
        self._url += url
        self._measure(len(url), HEADERS)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._size += len(name) + len(value)
        if self._size > HEADERS:
            raise _TooMuchError(431, "too long")
        if len(name) in _KEYS_LONG:
            which = name.lower()
            if which == b"x-api-key":
                self._api_key = value.strip()
            elif which == b"authorization":
                self._authorization = value.strip()

    def on_headers_complete(self) -> None:
        """Its body begins."""
        self._size = 0

    def on_body(self, data: bytes) -> None:
        """A part of its body."""
        self._measure(len(data), BODY)
        self._body.append(data)

    def on_message_complete(self) -> None:
        """It is whole."""
        self.began = 0.0
        if self._parser is None or self._parser.should_upgrade():
            return  # it came behind the last that is answered; or it asks for another protocol, which `data_received` is told
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        whole = (self._url, self._api_key, self._authorization, body, self._parser.should_keep_alive())
        self._fresh()
        if self._busy is None:
            self._answer(*whole)
        elif len(self._queue) < WAITING:
            self._queue.append(whole)
        else:
            raise _TooMuchError(400, "too many requests at once")

    def _measure(self, more: int, most: int) -> None:
        self._size += more
        if self._size > most:
            raise _TooMuchError(431 if most == HEADERS else 413, "too long")

    # --- answering

    def _answer(self, url: bytes, api_key: bytes, authorization: bytes, body: bytes, keep: bool) -> None:
        doorman = self._doorman
        if not doorman.key.fits(api_key, authorization):
            doorman.dropped["wrong key"] += 1
            self._write(Reply(b'{"status":"failure","reason":"the API key is wrong or missing"}', 401), keep)
            return
        command = command_of(url)
        reply = doorman.answers.now(command, body, self._peer)
        if reply is not None:
            self._write(reply, keep)
        elif self._transport is not None:
            self._transport.pause_reading()
            self._busy = asyncio.ensure_future(self._wait(doorman.answers.later(command, body, self._peer), keep))

    async def _wait(self, deed: Awaitable[Reply], keep: bool) -> None:
        """Answers when a deed is done, and then what came behind it."""
        try:
            reply = await deed
        except BaseException:
            self.abort()  # whatever went wrong, the client must not wait for ever
            raise
        self._busy = None
        self._write(reply, keep)
        while self._queue:
            self._answer(*self._queue.popleft())
            if self._waits():
                break
        self._flush()
        if self._transport is not None and not self._waits():
            self.used = time.monotonic()
            self._transport.resume_reading()

    def _waits(self) -> bool:
        """Whether a deed is being done."""
        return self._busy is not None

    def _write(self, reply: Reply, keep: bool) -> None:
        status = _STATUS[reply.status]
        self._out.append((_HEAD if keep else _LAST) % (status, len(reply.body)) + reply.body)
        if not keep:
            self._flush()
            self._leave()

    def _refuse(self, status: int, reason: str) -> None:
        """Answers what cannot be read, and closes."""
        self._doorman.dropped[reason] += 1
        self.began = 0.0
        self._write(Reply(b'{"status":"failure","reason":"the request cannot be read"}', status), False)

    def _leave(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._forget()

    def _flush(self) -> None:
        out = self._out
        if out:
            if self._transport is not None:
                self._transport.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()


class _TooMuchError(Exception):
    """A bound was passed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


_COMMANDS: dict[bytes, str] = {b"/?command=allow": "allow", b"/?command=report": "report"}
"""The addresses that nearly all requests have."""


def command_of(url: bytes) -> str:
    """The command that a request's address names; empty where it names none."""
    known = _COMMANDS.get(url)
    if known is not None:
        return known
    query = url.partition(b"?")[2].decode("ascii", "replace")
    return next((value for name, value in parse_qsl(query, max_num_fields=None) if name == "command"), "")[:64]
