"""The OpenAPI document, made from the routes' declarations.

Job: turn rows of routes.py into OpenAPI 3.1. Promise: what it says of a field is what the declaration says that the server reads it by; it names
nothing that is outside. Limits: what the unix socket alone answers (the console's link) is not in it; docs/api.md tells of it.
"""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from msgspec import Meta, Struct

from gatepost.admin.api.asked import Plain, Way
from gatepost.admin.api.schema import Schemas
from gatepost.core.rules import PRESETS

TITLE = "Gatepost"
ABOUT = (
    "Times are microseconds since 1970 UTC; lengths of time are texts like `1h30m`. Over the control socket no token is wanted: its permissions are "
    "the lock. Over TCP a token is the key, and `x-role` is the least role that may."
)
PATH: dict[str, dict[str, Any]] = {
    "name": {"type": "string"},
    "number": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999},
    "preset": {"type": "string", "enum": list(PRESETS)},
}
"""What the names in braces take."""
TAG = {"schema": {"type": "string"}, "description": 'The version, in quotes: `"1f2e3d4c"`. A strong validator of what decides.'}


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error, as RFC 9457 has it."""

    type: Annotated[str, Meta(description="Always about:blank: the status says it all.")]
    title: str
    status: int
    detail: Annotated[str, Meta(description="A sentence with the cure.")]
    field: Annotated[str, Meta(description="What is wrong, where it is a field, a parameter or a name in the path.")] = ""


def document(ways: Sequence[Way]) -> dict[str, Any]:
    """The document of these routes."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for way in ways:
        paths.setdefault(way.path, {})[way.method.lower()] = _operation(way, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": "1", "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}, "schemas": schemas.components},
    }


def _operation(way: Way, schemas: Schemas) -> dict[str, Any]:
    parameters = [*_path(way), *_query(way, schemas), *_headers(way)]
    ok: dict[str, Any] = {"description": way.said, "content": _content(way.answer, schemas)}
    answers: dict[str, Any] = {"200": ok}
    if way.version and way.method == "GET":
        ok["headers"] = {"ETag": TAG}
        answers["304"] = {"description": "It is as it was.", "headers": {"ETag": TAG}}
    for status in way.statuses:
        schema = schemas.of(Problem)
        answers[str(status)] = {"description": HTTPStatus(status).phrase, "content": {"application/problem+json": {"schema": schema}}}
    found: dict[str, Any] = {"operationId": _id(way), "summary": way.said, "x-role": way.role}
    found |= {"parameters": parameters} if parameters else {}
    found |= {"requestBody": {"required": True, "content": _content(way.body, schemas)}} if way.body else {}
    return found | {"responses": answers}


def _id(way: Way) -> str:
    words = re.findall(r"[a-z]+", way.path.removeprefix("/api/v1"))
    return "_".join([way.method.lower(), *words])


def _content(kind: Any, schemas: Schemas) -> dict[str, Any]:
    if isinstance(kind, Plain):
        return {kind.media: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": schemas.of(kind)}}


def _path(way: Way) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", way.path):
        yield {"name": name, "in": "path", "required": True, "schema": PATH[name]}


def _query(way: Way, schemas: Schemas) -> Iterable[dict[str, Any]]:
    fields, required = schemas.properties(way.query)
    for name, schema in fields.items():
        yield {"name": name, "in": "query", "required": name in required, "description": schema.pop("description", ""), "schema": schema}


def _headers(way: Way) -> Iterable[dict[str, Any]]:
    if way.version:
        name = "If-None-Match" if way.method == "GET" else "If-Match"
        yield {"name": name, "in": "header", "required": False, "description": "The version that was seen.", "schema": {"type": "string"}}
