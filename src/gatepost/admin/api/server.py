"""The server of the REST API, /api/v1.

Job: read a request as its row in routes.py declares it, ask the action, write its answer. Promise: bad input is a problem+json (RFC 9457) that names
field and cure; each deed is in the audit trail under the name of who asked, and only a role that may gets it done. Limits: who asks is told by
`Ask`: on the unix socket the socket's permissions are the lock, over TCP a token is the key.
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from inspect import isawaitable
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatepost.admin.accounts import Role, at_least
from gatepost.admin.api.asked import Asked, Plain, Way, read_body, read_query, tags
from gatepost.admin.api.openapi import Problem
from gatepost.admin.api.routes import ROUTES
from gatepost.admin.desk import Desk, Who
from gatepost.admin.faults import ConflictError, ForbiddenError, StaleError, TooLargeError, UnauthorizedError, UnknownError
from gatepost.core.faults import BadInputError
from gatepost.core.spans import encode_span
from gatepost.stores.contract import StoreError

Ask = Callable[[Request], tuple[Who, Role]]
"""Who asks, and what he may. Raises UnauthorizedError where nobody knows."""

CODES: dict[type[BadInputError], int] = {
    UnauthorizedError: 401,
    ForbiddenError: 403,
    UnknownError: 404,
    ConflictError: 409,
    StaleError: 412,
    TooLargeError: 413,
}
"""What each kind of bad input is answered with; 422 all others."""

NOT_KEPT = "X-Gatepost-Warning"
"""The header that tells what is in force but could not be stored."""


def application(desk: Desk, more: Sequence[Way] = ()) -> Starlette:
    """The API on the unix socket; ``more`` are ways that it alone has."""
    handlers: Any = {HTTPException: not_found, Exception: our_fault}
    made = Starlette(routes=routes(desk, _told, (*ROUTES, *more)), exception_handlers=handlers)
    made.router.redirect_slashes = False  # a path is one that is declared, or is not there
    return made


def routes(desk: Desk, ask: Ask, ways: Sequence[Way] = ROUTES) -> list[Route]:
    """The API over a desk, for whom ``ask`` knows."""
    return [Route(way.path, _endpoint(desk, way, ask), methods=[way.method]) for way in ways]


def _told(request: Request) -> tuple[Who, Role]:
    """Who is on the socket may do everything; he is taken at his word for the audit trail."""
    user, away = (unquote(request.headers.get(name, "")) for name in ("x-gatepost-user", "x-gatepost-from"))
    return Who(user[:100] or "unknown", away[:100]), "administrator"


def _endpoint(desk: Desk, way: Way, ask: Ask) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        asked = None
        try:
            who, has = ask(request)
            if not at_least(has, way.role):
                raise ForbiddenError(f"this takes the role {way.role}; yours is {has}")
            query = read_query(request, way.query)
            body = await read_body(request, way.body) if way.body else None
            asked = Asked(desk=desk, who=who, role=has, query=query, body=body, path=request.path_params)
            return await _answer(asked, way, request)
        except BadInputError as wrong:
            answer = _bad_input(wrong)
            if asked and way.version and isinstance(wrong, StaleError):
                answer.headers["ETag"] = f'"{way.version(asked)}"'
            return answer
        except StoreError as wrong:
            return _problem(503, f"the store cannot be read now: {wrong}")

    return endpoint


async def _answer(asked: Asked, way: Way, request: Request) -> Response:
    tag, reads = way.version(asked) if way.version else "", request.method in ("GET", "HEAD")
    if tag and reads and not {tag, f'W/"{tag}"', "*"}.isdisjoint(tags(request.headers.get("if-none-match", ""))):
        return Response(None, 304, {"ETag": f'"{tag}"'})
    if tag and not reads:
        asked = msgspec.structs.replace(asked, version=_wanted(tags(request.headers.get("if-match", "")), tag))
    found = way.does(asked)
    if isawaitable(found):
        found = await found
    if isinstance(way.answer, Plain):
        answer = Response(found, media_type=way.answer.media)
    else:
        answer = Response(msgspec.json.encode(found, enc_hook=encode_span), media_type="application/json")
    if tag and reads:
        answer.headers["ETag"] = f'"{tag}"'
    if not reads and asked.desk.guard.journal.problem:
        answer.headers[NOT_KEPT] = f"in force, but not stored: {asked.desk.guard.journal.problem}".encode("ascii", "replace").decode()[:500]
    return answer


def _wanted(seen: Sequence[str], tag: str) -> str:
    """The version that a change must find: the one of If-Match that it still has, else the first; empty where any will do."""
    return "" if not seen or "*" in seen else tag if tag in seen else seen[0]


def _bad_input(wrong: BadInputError) -> Response:
    field, colon, _ = wrong.said.partition(": ")
    named = bool(colon) and field.replace("_", "").replace(".", "").replace("-", "").replace(", ", "").isalnum()
    answer = _problem(CODES.get(type(wrong), 422), str(wrong), field if named else "")
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="gatepost"'
    return answer


def _problem(code: int, detail: str, field: str = "") -> Response:
    """An error as RFC 9457 has it."""
    said = Problem(type="about:blank", title=HTTPStatus(code).phrase, status=code, detail=detail, field=field)
    return Response(msgspec.json.encode(said, enc_hook=encode_span), code, media_type="application/problem+json")


async def not_found(request: Request, wrong: Exception) -> Response:
    """What no route answers."""
    code = wrong.status_code if isinstance(wrong, HTTPException) else 404
    path = request.url.path
    if code != HTTPStatus.METHOD_NOT_ALLOWED:
        return _problem(code, f"{path} is not there; docs/api.md lists what is")
    allowed = ", ".join(sorted({way.method for way in ROUTES if _fits(way.path, path)}))
    answer = _problem(code, f"{path} takes {allowed}, not {request.method}")
    answer.headers["Allow"] = allowed
    return answer


def _fits(route: str, path: str) -> bool:
    wanted, given = route.split("/"), path.split("/")
    return len(wanted) == len(given) and all(want.startswith("{") or want == got for want, got in zip(wanted, given, strict=True))


async def our_fault(request: Request, wrong: Exception) -> Response:
    """Whatever we did not foresee; the daemon's own log has the trace."""
    return _problem(500, f"gatepost failed at this ({type(wrong).__name__}); its log has the trace. Please report it")
