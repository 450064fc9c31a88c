"""A way into the API, declared, and one request that came by it.

Job: the form of a row of routes.py; read a request's query and body by what its row declares. Promise: what is read was checked whole against the
declaration; a name that is not declared, a wrong type or a number out of range is bad input that names the field and the cure. Limits: decides
nothing; who asks is told by the server.
"""

from collections.abc import Awaitable, Callable, Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request

from gatepost.admin.accounts import Role
from gatepost.admin.desk import Desk, Who
from gatepost.admin.faults import TooLargeError
from gatepost.core.faults import BadInputError
from gatepost.core.spans import decode_span
from gatepost.wire.explain import explain

LARGEST = 32 * 1024 * 1024
"""Bytes of a body at most: a list of a hundred thousand entries has room."""


ALWAYS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""Problems that any way can give."""


class Plain(Struct, frozen=True):
    """A body or an answer that is a text, of a media type."""

    media: str


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No query, or an answer that says no more than that it was done."""


class Asked(Struct, frozen=True, kw_only=True):
    """One request, read and checked."""

    desk: Desk
    who: Who
    role: Role
    """What who asks may do."""
    query: Any
    """As the row's ``query`` declares it."""
    body: Any
    """As the row's ``body`` declares it; a text where it is `Plain`."""
    path: Mapping[str, str]
    """The names in braces."""
    version: str = ""
    """The version that a change must find, where the caller names one (RFC 9110, 13.1.1)."""

    @property
    def name(self) -> str:
        """The name in the path."""
        return self.path["name"]

    @property
    def number(self) -> int:
        """The number in the path. Raises BadInputError where it is none."""
        text = self.path["number"]
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise BadInputError(f"number: {text[:80]!r} is no whole number")
        return int(text)


class Way(Struct, frozen=True, kw_only=True):
    """A method and path of the API: who may, what it takes, what it answers, and what can be wrong."""

    method: str
    path: str
    role: Role
    does: Callable[[Asked], Any | Awaitable[Any]]
    said: str
    """What it does, in a few words."""
    answer: Any
    """The type of its answer, or `Plain`."""
    query: type[Struct] = Nothing
    body: Any = None
    """The type of its body, or `Plain`; None: it reads none."""
    problems: tuple[int, ...] = ()
    """Statuses of problems beside those that `statuses` adds."""
    version: Callable[[Asked], str] | None = None
    """The version of what it shows or changes: its ETag; a GET is answered 304 by it, a change 412."""

    @property
    def statuses(self) -> tuple[int, ...]:
        """The statuses of all problems that it can give."""
        own = {*ALWAYS, *self.problems}
        own |= {HTTPStatus.NOT_FOUND} if "{" in self.path else set()
        own |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE} if self.body else set()
        own |= {HTTPStatus.PRECONDITION_FAILED} if self.version and self.method != "GET" else set()
        return tuple(sorted(int(each) for each in own))


def read_query(request: Request, kind: type[Struct]) -> Any:
    """The query of a request as a declaration. A box is on where it stands without a value. Raises BadInputError with the parameter."""
    fields = msgspec.structs.fields(kind)
    known = {each.encode_name: each.type for each in fields}
    given: dict[str, str | bool] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            cure = f"did you mean {near[0]}?" if near else f"it may be one of {', '.join(known)}" if known else "this takes none"
            shown = name if name.replace("_", "").isalnum() else f"query: {name[:80]!r}"
            raise BadInputError(f"{shown}: unknown parameter; {cure}")
        if name in given:
            raise BadInputError(f"{name}: stands there twice; name it once")
        given[name] = True if not value and bool in getattr(known[name], "__args__", (known[name],)) else value
    try:
        return msgspec.convert(given, kind, strict=False, dec_hook=decode_span)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(wrong, kind, given)[0]) from None


async def read_body(request: Request, kind: Any) -> Any:
    """The body of a request as a declaration, or as text. Raises BadInputError with the field."""
    data = await _data(request)
    if isinstance(kind, Plain):
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise BadInputError("body: is no UTF-8 text") from None
    try:
        plain = msgspec.json.decode(data or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInputError("body: is no JSON") from None
    if not isinstance(plain, dict):
        raise BadInputError("body: must be a JSON object")
    try:
        return msgspec.convert(plain, kind, dec_hook=decode_span)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(wrong, kind, plain)[0]) from None


async def _data(request: Request) -> bytes:
    told = request.headers.get("content-length", "0")
    if told.isdigit() and int(told) > LARGEST:
        raise TooLargeError(f"body: longer than {LARGEST} bytes")
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > LARGEST:
            raise TooLargeError(f"body: longer than {LARGEST} bytes")
    return bytes(data)


def tags(header: str) -> list[str]:
    """The entity tags of If-Match or If-None-Match without their quotes; weak ones keep their ``W/`` (RFC 9110, 8.8.3)."""
    found = (each.strip() for each in header.split(","))
    return [each.strip('"') if not each.startswith("W/") else each for each in found if each]
