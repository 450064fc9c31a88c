"""The routes of the REST API, /api/v1.

Job: read a request, ask the action, write its answer. Promise: bad input is a problem+json (RFC 9457) that names field and cure; each deed is in
the audit trail under the name of who asked. Limits: who may is decided by the socket's permissions.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gatepost.admin.actions import access, blocks, rules
from gatepost.admin.actions.doctor import doctor
from gatepost.admin.actions.metrics import metrics
from gatepost.admin.actions.status import status
from gatepost.admin.desk import Desk, Who
from gatepost.core.faults import BadInputError
from gatepost.core.spans import decode_span, encode_span
from gatepost.wire.explain import explain

Handler = Callable[[Desk, Who, Request], Awaitable[Any]]

LARGEST = 32 * 1024 * 1024
"""Bytes of a body at most: a list of a hundred thousand entries has room."""


def application(desk: Desk) -> Starlette:
    """The API over a desk."""
    return Starlette(routes=[Route(path, _endpoint(desk, handler), methods=[method]) for method, path, handler in ROUTES])


def _endpoint(desk: Desk, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        who = Who(request.headers.get("x-gatepost-user", "unknown")[:100], request.headers.get("x-gatepost-from", "")[:100])
        try:
            found = await handler(desk, who, request)
        except BadInputError as wrong:
            return _problem(422, wrong)
        if isinstance(found, Response):
            return found
        return Response(msgspec.json.encode(found, enc_hook=encode_span), media_type="application/json")

    return endpoint


def _problem(code: int, wrong: BadInputError) -> Response:
    field, colon, _ = wrong.said.partition(": ")
    body = {"type": "about:blank", "title": "Bad input", "status": code, "detail": str(wrong)}
    if colon and field.replace("_", "").replace(".", "").replace(", ", "").isalnum():
        body["field"] = field
    return Response(json.dumps(body), code, media_type="application/problem+json")


async def _body(request: Request) -> bytes:
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > LARGEST:
            raise BadInputError(f"body: longer than {LARGEST} bytes")
    return data


async def _asked(request: Request, kind: type[Any]) -> Any:
    """The body of a request as a declaration. Raises BadInputError with the field."""
    data = await _body(request)
    try:
        plain = json.loads(data or b"{}")
    except ValueError:
        raise BadInputError("body: is no JSON") from None
    try:
        return msgspec.convert(plain, kind, dec_hook=decode_span)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(str(wrong), kind, plain)[0]) from None


async def _text(request: Request) -> str:
    try:
        return (await _body(request)).decode()
    except UnicodeDecodeError:
        raise BadInputError("body: is no UTF-8 text") from None


# --- what each route asks


async def _status(desk: Desk, who: Who, request: Request) -> Any:
    return status(desk)


async def _doctor(desk: Desk, who: Who, request: Request) -> Any:
    return doctor(desk)


async def _metrics(desk: Desk, who: Who, request: Request) -> Any:
    return PlainTextResponse(metrics(desk), media_type="text/plain; version=0.0.4")


async def _blocks(desk: Desk, who: Who, request: Request) -> Any:
    return blocks.list_blocks(desk, "watched" in request.query_params)


async def _add_block(desk: Desk, who: Who, request: Request) -> Any:
    return await blocks.add_block(desk, who, await _asked(request, blocks.AddBlock))


async def _unblock(desk: Desk, who: Who, request: Request) -> Any:
    return await blocks.unblock(desk, who, await _asked(request, blocks.Unblock))


async def _pause(desk: Desk, who: Who, request: Request) -> Any:
    return await blocks.pause(desk, who, await _asked(request, blocks.PauseFor))


async def _resume(desk: Desk, who: Who, request: Request) -> Any:
    await blocks.resume(desk, who)
    return {}


async def _entries(desk: Desk, who: Who, request: Request) -> Any:
    return access.list_entries(desk)


async def _add_entry(desk: Desk, who: Who, request: Request) -> Any:
    return await access.add_entry(desk, who, await _asked(request, access.AddEntry))


async def _remove_entry(desk: Desk, who: Who, request: Request) -> Any:
    return await access.remove_entry(desk, who, request.query_params.get("prefix", ""))


async def _check_client(desk: Desk, who: Who, request: Request) -> Any:
    asked = request.query_params
    protocol, stage = asked.get("protocol", "smtp"), asked.get("stage", "connect")
    return access.check_client(desk, asked.get("client", ""), protocol, stage)  # type: ignore[arg-type]  # it checks both


async def _import_entries(desk: Desk, who: Who, request: Request) -> Any:
    asked = request.query_params
    verb = asked.get("list") or None
    return await access.import_entries(desk, who, await _text(request), verb, "skip_bad" in asked, "dry_run" in asked)  # type: ignore[arg-type]


async def _export_entries(desk: Desk, who: Who, request: Request) -> Any:
    return PlainTextResponse(access.export_entries(desk), media_type="text/csv")


async def _rules(desk: Desk, who: Who, request: Request) -> Any:
    return rules.list_rules(desk)


async def _set_rule(desk: Desk, who: Who, request: Request) -> Any:
    changes = await _asked(request, dict[str, Any])
    return await rules.set_rule(desk, who, request.path_params["name"], changes, request.headers.get("if-match", "").strip('"'))


async def _remove_rule(desk: Desk, who: Who, request: Request) -> Any:
    return await rules.remove_rule(desk, who, request.path_params["name"])


async def _reset_rule(desk: Desk, who: Who, request: Request) -> Any:
    return await rules.reset_rule(desk, who, request.path_params["name"])


async def _preset(desk: Desk, who: Who, request: Request) -> Any:
    return await rules.adopt_preset(desk, who, request.path_params["preset"])


async def _mode(desk: Desk, who: Who, request: Request) -> Any:
    asked: rules.SetMode = await _asked(request, rules.SetMode)
    return await rules.set_mode(desk, who, request.path_params["name"], asked.mode)


async def _import_rules(desk: Desk, who: Who, request: Request) -> Any:
    name = request.query_params.get("name", "rules")
    return await rules.import_rules(desk, who, await _text(request), name, request.headers.get("if-match", "").strip('"'))


async def _export_rules(desk: Desk, who: Who, request: Request) -> Any:
    return PlainTextResponse(rules.export_rules(desk), media_type="application/toml")


async def _audit(desk: Desk, who: Who, request: Request) -> Any:
    asked = request.query_params
    if not all(asked.get(name, "0").isdigit() for name in ("limit", "before")):
        raise BadInputError("limit, before: whole numbers")
    return [
        {"number": number, "audit": line}
        for number, line in desk.store.audit(min(int(asked.get("limit", "100")), 1000), int(asked.get("before", "0")))
    ]


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/metrics", _metrics),
    ("GET", "/api/v1/status", _status),
    ("GET", "/api/v1/doctor", _doctor),
    ("GET", "/api/v1/blocks", _blocks),
    ("POST", "/api/v1/blocks", _add_block),
    ("POST", "/api/v1/unblock", _unblock),
    ("POST", "/api/v1/pause", _pause),
    ("POST", "/api/v1/resume", _resume),
    ("GET", "/api/v1/access", _entries),
    ("POST", "/api/v1/access", _add_entry),
    ("DELETE", "/api/v1/access", _remove_entry),
    ("GET", "/api/v1/access/check", _check_client),
    ("POST", "/api/v1/access/import", _import_entries),
    ("GET", "/api/v1/access/export", _export_entries),
    ("GET", "/api/v1/rules", _rules),
    ("PUT", "/api/v1/rules", _import_rules),
    ("GET", "/api/v1/rules/export", _export_rules),
    ("PATCH", "/api/v1/rules/{name}", _set_rule),
    ("DELETE", "/api/v1/rules/{name}", _remove_rule),
    ("POST", "/api/v1/rules/{name}/reset", _reset_rule),
    ("POST", "/api/v1/rules/{name}/mode", _mode),
    ("POST", "/api/v1/presets/{preset}", _preset),
    ("GET", "/api/v1/audit", _audit),
)
