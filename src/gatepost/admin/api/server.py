"""The routes of the REST API, /api/v1.

Job: read a request, ask the action, write its answer. Promise: bad input is a problem+json (RFC 9457) that names field and cure; each deed is in
the audit trail under the name of who asked, and only a role that may gets it done. Limits: who asks is told by `Ask`: on the unix socket the
socket's permissions are the lock, over TCP a token is the key.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gatepost.admin.accounts import Role, at_least
from gatepost.admin.actions import access, blocks, channels, lasting, lists, migrate, rules
from gatepost.admin.actions.doctor import doctor
from gatepost.admin.actions.metrics import metrics
from gatepost.admin.actions.neighbours import neighbours
from gatepost.admin.actions.preview import AskRules, begin_preview, cancel_preview, preview
from gatepost.admin.actions.status import status
from gatepost.admin.actions.top import top
from gatepost.admin.actions.why import forget, why
from gatepost.admin.desk import Desk, Who
from gatepost.admin.faults import ForbiddenError, StaleError, TooLargeError, UnauthorizedError, UnknownError
from gatepost.core.faults import BadInputError
from gatepost.core.spans import decode_span, encode_span
from gatepost.wire.explain import explain

Handler = Callable[[Desk, Who, Request], Awaitable[Any]]
Ask = Callable[[Request], tuple[Who, Role]]
"""Who asks, and what he may. Raises UnauthorizedError where nobody knows."""

LARGEST = 32 * 1024 * 1024
"""Bytes of a body at most: a list of a hundred thousand entries has room."""


CODES: dict[type[BadInputError], int] = {UnauthorizedError: 401, ForbiddenError: 403, UnknownError: 404, StaleError: 412, TooLargeError: 413}
"""What each kind of bad input is answered with; 422 all others."""

NOT_KEPT = "X-Gatepost-Warning"
"""The header that tells what is in force but could not be stored."""


def application(desk: Desk, more: Mapping[str, Handler] = {}) -> Starlette:
    """The API on the unix socket; ``more`` are deeds of its own, by their path, asked by POST."""
    own = [Route(path, _endpoint(desk, handler, "administrator", _told), methods=["POST"]) for path, handler in more.items()]
    return Starlette(routes=[*routes(desk, _told), *own], exception_handlers={HTTPException: not_found, Exception: our_fault})


def routes(desk: Desk, ask: Ask) -> list[Route]:
    """The API over a desk, for whom ``ask`` knows."""
    return [Route(path, _endpoint(desk, handler, role, ask), methods=[method]) for method, path, handler, role in ROUTES]


def _told(request: Request) -> tuple[Who, Role]:
    """Who is on the socket may do everything; he is taken at his word for the audit trail."""
    user, away = (unquote(request.headers.get(name, "")) for name in ("x-gatepost-user", "x-gatepost-from"))
    return Who(user[:100] or "unknown", away[:100]), "administrator"


def _endpoint(desk: Desk, handler: Handler, role: Role, ask: Ask) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            who, has = ask(request)
            if not at_least(has, role):
                raise ForbiddenError(f"this takes the role {role}; yours is {has}")
            found = await handler(desk, who, request)
        except BadInputError as wrong:
            return _bad_input(wrong)
        if not isinstance(found, Response):
            found = Response(msgspec.json.encode(found, enc_hook=encode_span), media_type="application/json")
        if request.method != "GET" and desk.guard.journal.problem:
            found.headers[NOT_KEPT] = f"in force, but not stored: {desk.guard.journal.problem}".encode("ascii", "replace").decode()[:500]
        return found

    return endpoint


def _bad_input(wrong: BadInputError) -> Response:
    field, colon, _ = wrong.said.partition(": ")
    named = bool(colon) and field.replace("_", "").replace(".", "").replace("-", "").replace(", ", "").isalnum()
    answer = _problem(CODES.get(type(wrong), 422), str(wrong), field if named else "")
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="gatepost"'
    return answer


def _problem(code: int, detail: str, field: str = "") -> Response:
    """An error as RFC 9457 has it."""
    body = {"type": "about:blank", "title": HTTPStatus(code).phrase, "status": code, "detail": detail} | ({"field": field} if field else {})
    return Response(msgspec.json.encode(body), code, media_type="application/problem+json")


async def not_found(request: Request, wrong: Exception) -> Response:
    """What no route answers."""
    code = wrong.status_code if isinstance(wrong, HTTPException) else 404
    path = request.url.path
    if code != HTTPStatus.METHOD_NOT_ALLOWED:
        return _problem(code, f"{path} is not there; docs/api.md lists what is")
    allowed = ", ".join(sorted(method for method, route, *_ in ROUTES if _fits(route, path)))
    answer = _problem(code, f"{path} takes {allowed}, not {request.method}")
    answer.headers["Allow"] = allowed
    return answer


def _fits(route: str, path: str) -> bool:
    wanted, given = route.split("/"), path.split("/")
    return len(wanted) == len(given) and all(want.startswith("{") or want == got for want, got in zip(wanted, given, strict=True))


async def our_fault(request: Request, wrong: Exception) -> Response:
    """Whatever we did not foresee; the daemon's own log has the trace."""
    return _problem(500, f"gatepost failed at this ({type(wrong).__name__}); its log has the trace. Please report it")


async def _body(request: Request) -> bytes:
    told = request.headers.get("content-length", "0")
    if told.isdigit() and int(told) > LARGEST:
        raise TooLargeError(f"body: longer than {LARGEST} bytes")
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > LARGEST:
            raise TooLargeError(f"body: longer than {LARGEST} bytes")
    return bytes(data)


async def read_as(request: Request, kind: type[Any]) -> Any:
    """The body of a request as a declaration. Raises BadInputError with the field."""
    data = await _body(request)
    try:
        plain = msgspec.json.decode(data or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInputError("body: is no JSON") from None
    try:
        return msgspec.convert(plain, kind, dec_hook=decode_span)
    except msgspec.ValidationError as wrong:
        if not isinstance(plain, dict):
            raise BadInputError("body: must be a JSON object") from None
        raise BadInputError(explain(str(wrong), kind, plain)[0]) from None


async def _text(request: Request) -> str:
    try:
        return (await _body(request)).decode()
    except UnicodeDecodeError:
        raise BadInputError("body: is no UTF-8 text") from None


# --- what each route asks


async def _status(desk: Desk, who: Who, request: Request) -> Any:
    return status(desk)


async def _top(desk: Desk, who: Who, request: Request) -> Any:
    return top(desk)


async def _doctor(desk: Desk, who: Who, request: Request) -> Any:
    return await doctor(desk, await asyncio.to_thread(desk.wiring))


async def _metrics(desk: Desk, who: Who, request: Request) -> Any:
    return PlainTextResponse(metrics(desk), media_type="text/plain; version=0.0.4")


async def _blocks(desk: Desk, who: Who, request: Request) -> Any:
    return blocks.list_blocks(desk, "watched" in request.query_params)


async def _add_block(desk: Desk, who: Who, request: Request) -> Any:
    return await blocks.add_block(desk, who, await read_as(request, blocks.AddBlock))


async def _neighbours(desk: Desk, who: Who, request: Request) -> Any:
    return await neighbours(desk, request.query_params.get("prefix", ""))


async def _prolong(desk: Desk, who: Who, request: Request) -> Any:
    return await lasting.prolong(desk, who, await read_as(request, lasting.Prolong))


async def _make_permanent(desk: Desk, who: Who, request: Request) -> Any:
    return await lasting.make_permanent(desk, who, await read_as(request, lasting.Permanent))


async def _unblock(desk: Desk, who: Who, request: Request) -> Any:
    return await blocks.unblock(desk, who, await read_as(request, blocks.Unblock))


async def _pause(desk: Desk, who: Who, request: Request) -> Any:
    return await blocks.pause(desk, who, await read_as(request, blocks.PauseFor))


async def _resume(desk: Desk, who: Who, request: Request) -> Any:
    await blocks.resume(desk, who)
    return {}


async def _entries(desk: Desk, who: Who, request: Request) -> Any:
    return access.list_entries(desk)


async def _add_entry(desk: Desk, who: Who, request: Request) -> Any:
    return await access.add_entry(desk, who, await read_as(request, access.AddEntry))


async def _remove_entry(desk: Desk, who: Who, request: Request) -> Any:
    return await access.remove_entry(desk, who, request.query_params.get("prefix", ""))


async def _check_client(desk: Desk, who: Who, request: Request) -> Any:
    asked = request.query_params
    return access.check_client(desk, asked.get("client", ""), asked.get("protocol", ""), asked.get("stage", "connect"))


async def _import_entries(desk: Desk, who: Who, request: Request) -> Any:
    asked = request.query_params
    boxes = {name: name in asked for name in ("skip_bad", "dry_run", "confirm_relay")}
    return await lists.import_entries(desk, who, await _text(request), asked.get("list", ""), protocols=asked.get("protocols", ""), **boxes)


async def _import_blocks(desk: Desk, who: Who, request: Request) -> Any:
    asked = request.query_params
    boxes = {name: name in asked for name in ("skip_bad", "dry_run")}
    return await migrate.import_blocks(desk, who, await _text(request), asked.get("for", ""), protocols=asked.get("protocols", ""), **boxes)


async def _migrate(desk: Desk, who: Who, request: Request) -> Any:
    return await migrate.migrate(desk, who, await read_as(request, migrate.Migration))


async def _export_entries(desk: Desk, who: Who, request: Request) -> Any:
    return PlainTextResponse(lists.export_entries(desk), media_type="text/csv")


async def _rules(desk: Desk, who: Who, request: Request) -> Any:
    return rules.list_rules(desk)


def _version(request: Request) -> str:
    """The version that a change must find, where the caller names one (RFC 9110, 13.1.1)."""
    return request.headers.get("if-match", "").strip().removeprefix("W/").strip('"').replace("*", "")


async def _set_rule(desk: Desk, who: Who, request: Request) -> Any:
    changes = await read_as(request, dict[str, Any])
    return await rules.set_rule(desk, who, request.path_params["name"], changes, _version(request))


async def _remove_rule(desk: Desk, who: Who, request: Request) -> Any:
    return await rules.remove_rule(desk, who, request.path_params["name"], _version(request))


async def _reset_rule(desk: Desk, who: Who, request: Request) -> Any:
    return await rules.reset_rule(desk, who, request.path_params["name"], _version(request))


async def _preset(desk: Desk, who: Who, request: Request) -> Any:
    return await rules.adopt_preset(desk, who, request.path_params["preset"], _version(request))


async def _mode(desk: Desk, who: Who, request: Request) -> Any:
    asked: rules.SetMode = await read_as(request, rules.SetMode)
    return await rules.set_mode(desk, who, request.path_params["name"], asked.mode, _version(request))


async def _import_rules(desk: Desk, who: Who, request: Request) -> Any:
    name = request.query_params.get("name", "rules")
    return await rules.import_rules(desk, who, await _text(request), name, _version(request))


async def _export_rules(desk: Desk, who: Who, request: Request) -> Any:
    return PlainTextResponse(rules.export_rules(desk), media_type="application/toml")


async def _begin_preview(desk: Desk, who: Who, request: Request) -> Any:
    return begin_preview(desk, await read_as(request, AskRules))


async def _preview(desk: Desk, who: Who, request: Request) -> Any:
    return preview(desk, _whole("number", request.path_params["number"]))


async def _cancel_preview(desk: Desk, who: Who, request: Request) -> Any:
    return cancel_preview(desk, _whole("number", request.path_params["number"]))


async def _channels(desk: Desk, who: Who, request: Request) -> Any:
    return channels.list_channels(desk)


async def _test_channel(desk: Desk, who: Who, request: Request) -> Any:
    return await channels.test_channel(desk, request.path_params["name"])


async def _why(desk: Desk, who: Who, request: Request) -> Any:
    return await why(desk, request.query_params.get("subject", ""))


async def _forget(desk: Desk, who: Who, request: Request) -> Any:
    return await forget(desk, who, request.query_params.get("subject", ""))


async def _audit(desk: Desk, who: Who, request: Request) -> Any:
    limit, before = _number(request, "limit", 100), _number(request, "before", 0)
    return [{"number": number, "audit": line} for number, line in desk.store.audit(min(limit, 1000), before)]


def _number(request: Request, name: str, default: int) -> int:
    return _whole(name, request.query_params.get(name, str(default)))


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadInputError(f"{name}: {text!r} is no whole number")
    return int(text)


ROUTES: tuple[tuple[str, str, Handler, Role], ...] = (
    ("GET", "/metrics", _metrics, "viewer"),
    ("GET", "/api/v1/status", _status, "viewer"),
    ("GET", "/api/v1/top", _top, "viewer"),
    ("GET", "/api/v1/doctor", _doctor, "viewer"),
    ("GET", "/api/v1/blocks", _blocks, "viewer"),
    ("POST", "/api/v1/blocks", _add_block, "operator"),
    ("POST", "/api/v1/blocks/import", _import_blocks, "operator"),
    ("GET", "/api/v1/blocks/neighbours", _neighbours, "viewer"),
    ("POST", "/api/v1/blocks/prolong", _prolong, "operator"),
    ("POST", "/api/v1/blocks/permanent", _make_permanent, "operator"),
    ("POST", "/api/v1/unblock", _unblock, "operator"),
    ("POST", "/api/v1/pause", _pause, "operator"),
    ("POST", "/api/v1/resume", _resume, "operator"),
    ("GET", "/api/v1/access", _entries, "viewer"),
    ("POST", "/api/v1/access", _add_entry, "operator"),
    ("DELETE", "/api/v1/access", _remove_entry, "operator"),
    ("GET", "/api/v1/access/check", _check_client, "viewer"),
    ("POST", "/api/v1/access/import", _import_entries, "operator"),
    ("GET", "/api/v1/access/export", _export_entries, "viewer"),
    ("POST", "/api/v1/import", _migrate, "administrator"),
    ("GET", "/api/v1/rules", _rules, "viewer"),
    ("PUT", "/api/v1/rules", _import_rules, "administrator"),
    ("GET", "/api/v1/rules/export", _export_rules, "viewer"),
    ("PATCH", "/api/v1/rules/{name}", _set_rule, "administrator"),
    ("DELETE", "/api/v1/rules/{name}", _remove_rule, "administrator"),
    ("POST", "/api/v1/rules/{name}/reset", _reset_rule, "administrator"),
    ("POST", "/api/v1/rules/{name}/mode", _mode, "administrator"),
    ("POST", "/api/v1/presets/{preset}", _preset, "administrator"),
    ("POST", "/api/v1/previews", _begin_preview, "operator"),
    ("GET", "/api/v1/previews/{number}", _preview, "viewer"),
    ("DELETE", "/api/v1/previews/{number}", _cancel_preview, "operator"),
    ("GET", "/api/v1/channels", _channels, "viewer"),
    ("POST", "/api/v1/channels/{name}/test", _test_channel, "operator"),
    ("GET", "/api/v1/why", _why, "viewer"),
    ("DELETE", "/api/v1/history", _forget, "administrator"),
    ("GET", "/api/v1/audit", _audit, "viewer"),
)
