"""The OpenAPI document, and each route held against it: empty, huge, of the wrong type, stale, unknown."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gatepost.admin.api import asked
from gatepost.admin.api.asked import Plain, Way
from gatepost.admin.api.routes import ROUTES
from gatepost.pipeline.messengers import ChannelState
from tests.admin.api.schemas import TYPES, Document
from tests.admin.desks import ATTACKER
from tests.admin.serving import Answer, Served, served

BODIES: dict[str, Any] = {
    "POST /api/v1/blocks": {"prefix": "203.0.113.44", "for": "1d"},
    "POST /api/v1/blocks/prolong": {"subjects": ["203.0.113.8"], "for": "1d"},
    "POST /api/v1/blocks/permanent": {"subjects": ["203.0.113.8"]},
    "POST /api/v1/unblock": {"subject": ATTACKER},
    "POST /api/v1/access": {"verb": "deny", "prefix": "203.0.113.45"},
    "POST /api/v1/access/import": b"203.0.113.46",
    "POST /api/v1/blocks/import": b"203.0.113.47",
    "POST /api/v1/import": {"source": "x"},
    "PUT /api/v1/rules": b"",
    "PATCH /api/v1/rules/dos": {"threshold": 9},
    "POST /api/v1/rules/dos/mode": {"mode": "off"},
    "POST /api/v1/previews": {"preset": "strict"},
}
QUERIES = {
    "DELETE /api/v1/access": "?prefix=203.0.113.9",
    "POST /api/v1/access/import": "?list=deny",
    "POST /api/v1/blocks/import": "?for=1d",
    "GET /api/v1/blocks/neighbours": "?prefix=203.0.113.0/24",
    "GET /api/v1/access/check": "?client=203.0.113.7",
    "GET /api/v1/why": "?subject=203.0.113.7",
}
PATHS = {"{name}": "dos", "{number}": "1", "{preset}": "strict"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A guard with its API, which all of these tests wear out."""
    with served(tmp_path_factory.mktemp("api") / "api.sock") as found:
        found.made.desk.channels = lambda: [ChannelState(name="admins", kind="mail", to="root")]
        found.ask("POST", "/api/v1/access", {"verb": "deny", "prefix": "203.0.113.9"})
        yield found


@pytest.fixture(scope="module")
def document(api: Served) -> Document:
    """What the API says of itself."""
    return Document(api.ask("GET", "/api/v1/openapi.json").json)


def _name(way: Way) -> str:
    return f"{way.method} {way.path}"


def _path(way: Way) -> str:
    path = way.path
    for name, value in PATHS.items():
        path = path.replace(name, value)
    return path


def _check(document: Document, way: Way, answer: Answer) -> None:
    """The answer is one that is declared, and as it is declared."""
    declared = document.document["paths"][way.path][way.method.lower()]["responses"]
    assert answer.status < 500, answer.text
    assert str(answer.status) in declared, answer.text
    kind, _, _ = answer.kind.partition(";")
    content = {name.partition(";")[0]: each for name, each in declared[str(answer.status)].get("content", {}).items()}
    assert kind in content
    if "json" in kind:
        assert document.misfits(answer.json, content[kind]["schema"]) == []


@pytest.mark.parametrize("way", ROUTES, ids=_name)
def test_what_is_well_asked_is_answered(api: Served, document: Document, way: Way, tmp_path: Path) -> None:
    with nullcontext(api) if way.method == "GET" else served(tmp_path / "api.sock") as fresh:
        fresh.made.desk.channels = lambda: [ChannelState(name="dos", kind="mail", to="root")]
        fresh.made.desk.test_channel = _taken
        fresh.ask("POST", "/api/v1/access", {"verb": "deny", "prefix": "203.0.113.9"})
        fresh.ask("POST", "/api/v1/blocks", {"prefix": "203.0.113.8", "for": "1h"})
        name = f"{way.method} {_path(way)}"
        answer = fresh.ask(way.method, _path(way) + QUERIES.get(name, ""), BODIES.get(name, b"" if isinstance(way.body, Plain) else {}))
        _check(document, way, answer)
        history = any(each in way.path for each in ("/history", "/previews", "/report"))  # none is kept here: the keeper's own tests ask these
        assert answer.status == (422 if history else 200), answer.text


async def _taken(name: str) -> str:
    if name != "dos":
        raise KeyError(name)
    return ""


@pytest.mark.parametrize("way", ROUTES, ids=_name)
def test_an_unknown_parameter(api: Served, document: Document, way: Way) -> None:
    answer = api.ask(way.method, _path(way) + "?nonsense=1", b"")
    assert (answer.status, answer.kind, answer.json["field"]) == (422, "application/problem+json", "nonsense")
    assert document.misfits(answer.json, {"$ref": "#/components/schemas/Problem"}) == []


PARAMETERS = [
    ("/api/v1/blocks?limit=0", "limit"),
    ("/api/v1/blocks?limit=10001", "limit"),
    ("/api/v1/blocks?limit=" + "9" * 5000, "limit"),
    ("/api/v1/blocks?limit=1.5", "limit"),
    ("/api/v1/blocks?limit=", "limit"),
    ("/api/v1/blocks?limit=1&limit=2", "limit"),
    ("/api/v1/blocks?sort=sideways", "sort"),
    ("/api/v1/blocks?watched=maybe", "watched"),
    ("/api/v1/blocks?after=x", "after"),
    ("/api/v1/blocks?text=" + "x" * 256, "text"),
    ("/api/v1/blocks?lmit=5", "lmit"),
    ("/api/v1/blocks?a%20b=5", "query"),
    ("/api/v1/access?list=maybe", "list"),
    ("/api/v1/access?after=203.0.113.0-x", "after"),
    ("/api/v1/access/check?client=203.0.113.7&stage=later", "stage"),
    ("/api/v1/access/check?client=203.0.113.7&protocol=ftp", "protocol"),
    ("/api/v1/audit?limit=1001", "limit"),
    ("/api/v1/audit?before=-1", "before"),
    ("/api/v1/audit?before=9007199254740993", "before"),
    ("/api/v1/why", "subject"),
    ("/api/v1/report?days=0", "days"),
    ("/api/v1/report?days=401", "days"),
    ("/api/v1/report/export?by=hour", "by"),
    ("/api/v1/audit/x", "number"),
    ("/api/v1/audit/-1", "number"),
    ("/api/v1/previews/1234567890123456", "number"),
]


@pytest.mark.parametrize(("path", "field"), PARAMETERS)
def test_a_wrong_parameter_is_named(api: Served, document: Document, path: str, field: str) -> None:
    answer = api.ask("GET", path)
    assert (answer.status, answer.kind, answer.json["field"]) == (422, "application/problem+json", field)
    assert len(answer.json["detail"]) < 6000


JSON_BODIES = [(way, name) for way in ROUTES if way.body and not isinstance(way.body, Plain) and hasattr(way.body, "__struct_encode_fields__")
               for name in way.body.__struct_encode_fields__]  # fmt: skip


@pytest.mark.parametrize(("way", "field"), JSON_BODIES, ids=[f"{_name(way)} {name}" for way, name in JSON_BODIES])
def test_a_field_of_the_wrong_type_is_named(api: Served, document: Document, way: Way, field: str) -> None:
    good = BODIES.get(f"{way.method} {_path(way)}", {})
    for wrong in (7.5, ["x"], {"x": 1}, "x" * 100_000):
        answer = api.ask(way.method, _path(way), good | {field: wrong})
        if answer.status == 200:  # a dictionary or a list is what this one takes
            assert isinstance(wrong, dict | list)
            continue
        assert (answer.status, answer.kind) == (422, "application/problem+json")
        assert answer.json["field"].partition(".")[0] in (field, *WITHIN.get(field, ()))


WITHIN = {"changes": ("rule", "x"), "preset": ("preview", "rule"), "days": ("preview",), "for": ("hold_for",)}
"""What is told in place of a field: what cannot be without the other."""


@pytest.mark.parametrize("way", [way for way in ROUTES if way.body], ids=_name)
def test_a_body_that_is_empty_or_huge_or_none(api: Served, document: Document, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    query = QUERIES.get(f"{way.method} {_path(way)}", "")
    _check(document, way, api.ask(way.method, _path(way) + query, b""))
    broken = api.ask(way.method, _path(way) + query, b"\xff{")
    assert (broken.status, broken.json["field"]) == (422, "body")
    monkeypatch.setattr(asked, "LARGEST", 1000)
    huge = api.ask(way.method, _path(way) + query, b" " * 1001)
    assert (huge.status, huge.json["field"]) == (413, "body")
    _check(document, way, huge)


UNKNOWN = [
    *(("GET", "/api/v1/rules/nix"), ("DELETE", "/api/v1/rules/nix"), ("POST", "/api/v1/rules/nix/reset"), ("POST", "/api/v1/presets/nix")),
    *(("GET", "/api/v1/audit/99999"), ("POST", "/api/v1/audit/99999/undo"), ("GET", "/api/v1/audit/0")),
    *(("POST", "/api/v1/channels/nix/test"), ("DELETE", "/api/v1/access?prefix=203.0.113.254")),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_an_unknown_id(api: Served, method: str, path: str) -> None:
    answer = api.ask(method, path)
    assert (answer.status, answer.kind) == (404, "application/problem+json")
    assert answer.json["field"] in ("name", "preset", "number", "prefix")


VERSIONED = [way for way in ROUTES if way.version]


@pytest.mark.parametrize("way", [way for way in VERSIONED if way.method != "GET"], ids=_name)
def test_a_stale_version_changes_nothing_and_tells_both(tmp_path: Path, way: Way) -> None:
    with served(tmp_path / "api.sock") as api:
        before = api.made.engine.rules, api.made.engine.lists.entries
        name = f"{way.method} {_path(way)}"
        api_path = _path(way) + QUERIES.get(name, "")
        answer = api.ask(way.method, api_path, BODIES.get(name, b""), If_Match='"0badc0de", W/"1"')
        assert (answer.status, answer.json["field"]) == (412, "version")
        now = answer.headers["etag"].strip('"')
        assert f"they are {now}" in answer.json["detail"] or way.path.startswith("/api/v1/rules/")
        assert "0badc0de" in answer.json["detail"]
        assert (api.made.engine.rules, api.made.engine.lists.entries) == before
        if way.method != "DELETE" or "rules" in way.path:
            again = api.ask(way.method, api_path, BODIES.get(name, b""), If_Match=f'"0badc0de", "{now}"')
            assert again.status == 200, again.text


@pytest.mark.parametrize("way", [way for way in VERSIONED if way.method == "GET"], ids=_name)
def test_what_did_not_change_is_not_told_again(api: Served, way: Way) -> None:
    first = api.ask("GET", _path(way))
    tag = first.headers["etag"]
    for seen in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = api.ask("GET", _path(way), If_None_Match=seen)
        assert (again.status, again.text, again.headers["etag"]) == (304, "", tag)
    assert api.ask("GET", _path(way), If_None_Match='"x"').text == first.text


class TestTheDocument:
    """What it says."""

    def test_every_route_is_in_it_with_its_role(self, document: Document) -> None:
        told = {(method.upper(), path, each["x-role"]) for path, methods in document.document["paths"].items() for method, each in methods.items()}
        assert told == {(way.method, way.path, way.role) for way in ROUTES}
        ids = [each["operationId"] for methods in document.document["paths"].values() for each in methods.values()]
        assert len(ids) == len(set(ids))

    def test_it_names_nothing_outside_and_every_reference_is_there(self, document: Document) -> None:
        text = json.dumps(document.document)
        assert document.document["openapi"] == "3.1.0"
        assert "://" not in text
        for part in text.split('"$ref": "')[1:]:
            name = part.partition('"')[0].removeprefix("#/components/schemas/")
            assert name in document.document["components"]["schemas"]

    def test_a_declaration_is_a_schema(self, document: Document) -> None:
        schemas = document.document["components"]["schemas"]
        assert schemas["PauseFor"]["properties"]["for"]["default"] == "1h"
        assert schemas["AddBlock"]["required"] == ["prefix", "for"]
        assert schemas["AddBlock"]["additionalProperties"] is False
        assert schemas["Rule"]["properties"]["threshold"] | {"minimum": 1, "maximum": 10000} == schemas["Rule"]["properties"]["threshold"]
        assert {each["type"] for each in schemas.values()} <= set(TYPES)


def test_keyset_pages_are_stable_while_entries_come_and_go(tmp_path: Path) -> None:
    with served(tmp_path / "api.sock") as api:
        for number in range(6):
            api.ask("POST", "/api/v1/access", {"verb": "deny", "prefix": f"203.0.113.{number}"})
        api.ask("POST", "/api/v1/access", {"verb": "deny", "prefix": "203.0.113.200-203.0.113.210", "protocols": ["smtp"]})
        every = [each["id"] for each in api.ask("GET", "/api/v1/access").json["entries"]]
        assert "203.0.113.200-203.0.113.210 on smtp" in every
        seen, after = [], ""
        while True:
            page = api.ask("GET", f"/api/v1/access?limit=3&after={quote(after)}").json
            seen += [each["id"] for each in page["entries"]]
            after = page["next"]
            if not after:
                break
            api.ask("DELETE", f"/api/v1/access?prefix={quote(seen[-1])}")  # the end of a page may go
            api.ask("POST", "/api/v1/access", {"verb": "deny", "prefix": "0.0.0.1", "replace": True})  # and one before it may come
        assert [each for each in seen if each != "0.0.0.1"] == every


def test_an_undo_over_the_api(tmp_path: Path) -> None:
    with served(tmp_path / "api.sock") as api:
        api.ask("PATCH", "/api/v1/rules/dos", {"threshold": 80})
        shown = api.ask("GET", "/api/v1/audit/1").json
        assert shown["line"]["action"] == "rules.set"
        assert shown["undo"].startswith("dos says again: 50 connections")
        assert api.ask("POST", "/api/v1/audit/1/undo").json == {"number": 1, "said": shown["undo"]}
        refused = api.ask("POST", "/api/v1/audit/1/undo")
        assert (refused.status, refused.json["field"]) == (409, "number")
        assert "line 2 changed it since" in refused.json["detail"]
