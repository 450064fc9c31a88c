"""The routes over the real socket: deeds, and what is told of bad input."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatepost.admin.actions import status as status_module
from gatepost.admin.api import asked
from gatepost.stores.contract import Batch, StoreError
from tests.admin.desks import ATTACKER
from tests.admin.serving import Answer, Served, served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sockets are."""
    return tmp_path_factory.mktemp("api")


@pytest.fixture
def api(folder: Path) -> Iterator[Served]:
    """A guard with its API."""
    with served(folder / "api.sock") as found:
        yield found


def _problem(answer: Answer, status: int, field: str, words: str) -> None:
    assert (answer.status, answer.kind) == (status, "application/problem+json")
    assert (answer.json["status"], answer.json.get("field", ""), answer.json["type"]) == (status, field, "about:blank")
    assert words in answer.json["detail"]
    assert answer.json["title"]


class TestDeeds:
    """Each route does what its action does."""

    def test_blocks(self, api: Served) -> None:
        added = api.ask("POST", "/api/v1/blocks", {"prefix": ATTACKER, "for": "1d", "reason": "why"}, X_Gatepost_User="J%C3%BCrgen")
        assert (added.status, added.kind, added.json["subject"]) == (200, "application/json", ATTACKER)
        assert [block["subject"] for block in api.ask("GET", "/api/v1/blocks").json["blocks"]] == [ATTACKER]
        assert not api.made.lets_in()
        lifted = api.ask("POST", "/api/v1/unblock", {"subject": ATTACKER, "grace": "1h"}).json
        assert [block["subject"] for block in lifted["released"]] == [ATTACKER]
        assert api.made.lets_in()
        assert [(line.who, line.action) for line in api.made.audit()] == [("unknown", "unblock"), ("Jürgen", "blocks.add")]

    def test_pause_and_resume(self, api: Served) -> None:
        api.made.connect()
        assert len(api.ask("POST", "/api/v1/pause", {"for": "1h"}).json["released"]) == 1
        assert api.ask("GET", "/api/v1/status").json["paused_until"] > 0
        assert len(api.ask("GET", "/api/v1/blocks").json["blocks"]) == 0
        assert api.ask("POST", "/api/v1/resume").json == {}
        assert api.ask("GET", "/api/v1/status").json["paused_until"] == 0

    def test_access(self, api: Served) -> None:
        assert api.ask("POST", "/api/v1/access", {"verb": "deny", "prefix": "203.0.113.0/24"}).json["prefix"] == "203.0.113.0/24"
        answers = api.ask("GET", f"/api/v1/access/check?client={ATTACKER}&protocol=imap").json["answers"]
        assert [(answer["verdict"], answer["entry"]["prefix"]) for answer in answers] == [("refuse", "203.0.113.0/24")]
        exported = api.ask("GET", "/api/v1/access/export")
        assert (exported.kind, exported.text.count("\n")) == ("text/csv; charset=utf-8", 2)
        assert len(api.ask("DELETE", "/api/v1/access?prefix=203.0.113.0/24").json) == 1
        imported = api.ask("POST", "/api/v1/access/import?dry_run=1", exported.text.encode()).json
        assert (imported["added"], imported["applied"]) == (1, False)
        assert api.ask("POST", "/api/v1/access/import", exported.text.encode()).json["applied"]
        assert len(api.ask("GET", "/api/v1/access").json["entries"]) == 10

    def test_rules(self, api: Served) -> None:
        assert api.ask("PATCH", "/api/v1/rules/dos", {"threshold": 80}).json["rules"][0]["rule"]["threshold"] == 80
        assert api.ask("POST", "/api/v1/rules/dos/mode", {"mode": "observe"}).json["rules"][0]["rule"]["mode"] == "observe"
        text = api.ask("GET", "/api/v1/rules/export").text
        assert "rule" not in api.ask("POST", "/api/v1/rules/dos/reset").json["rules"][0]["rule"]
        assert len(api.ask("DELETE", "/api/v1/rules/dos").json["rules"]) == 2
        assert len(api.ask("POST", "/api/v1/presets/strict").json["rules"]) > 3
        assert api.ask("PUT", "/api/v1/rules?name=mine.toml", text.encode()).json["rules"][0]["rule"]["threshold"] == 80

    def test_looking(self, api: Served) -> None:
        assert api.ask("GET", "/metrics").kind.startswith("text/plain; version=0.0.4")
        assert api.ask("GET", "/api/v1/doctor").json[0]["verdict"] == "bad"
        for number in range(5):
            api.ask("POST", "/api/v1/blocks", {"prefix": f"203.0.113.{number}", "for": "1d"})
        trail = api.ask("GET", "/api/v1/audit?limit=2").json
        assert [line["subject"] for line in trail["lines"]] == ["203.0.113.4", "203.0.113.3"]
        older = api.ask("GET", f"/api/v1/audit?limit=2&before={trail['next']}").json
        assert [line["subject"] for line in older["lines"]] == ["203.0.113.2", "203.0.113.1"]


BAD = [
    ("POST", "/api/v1/blocks", b"{", 422, "body", "is no JSON"),
    ("POST", "/api/v1/blocks", b"\xff", 422, "body", "is no JSON"),
    ("POST", "/api/v1/blocks", b"[" * 100_000, 422, "body", "is no JSON"),
    ("POST", "/api/v1/blocks", b'{"prefix": "203.0.113.7", "for": "1d", "reason": "\\ud800"}', 422, "body", "is no JSON"),
    ("POST", "/api/v1/blocks", b"[]", 422, "body", "must be a JSON object"),
    ("POST", "/api/v1/blocks", b"", 422, "prefix", "is missing"),
    ("POST", "/api/v1/blocks", {"prefix": 7, "for": "1d"}, 422, "prefix", "7 is not allowed"),
    ("POST", "/api/v1/blocks", {"prefix": ATTACKER, "for": 3600}, 422, "for", "expected a length of time in quotes"),
    ("POST", "/api/v1/blocks", {"prefix": ATTACKER, "for": "401d"}, 422, "for", "400 days"),
    ("POST", "/api/v1/blocks", {"prefix": ATTACKER, "for": "1d", "reasn": "x"}, 422, "reasn", "unknown field; did you mean reason?"),
    ("POST", "/api/v1/blocks", {"prefix": ATTACKER, "for": "1d", "reason": "x" * 501}, 422, "reason", ""),
    ("POST", "/api/v1/blocks", {"prefix": ATTACKER, "for": "1d", "protocols": ["ftp"]}, 422, "protocols", "'ftp' is not allowed"),
    ("POST", "/api/v1/blocks", {"prefix": "0.0.0.0/0", "for": "1d"}, 422, "prefix", "would shut out yourself: you work from 192.0.2.99"),
    ("GET", "/api/v1/blocks/neighbours?prefix=x", None, 422, "prefix", "'x' is no address"),
    ("POST", "/api/v1/blocks/prolong", {"subjects": [], "for": "1d"}, 422, "subjects", ""),
    ("POST", "/api/v1/blocks/prolong", {"subjects": [ATTACKER]}, 422, "for", "is missing"),
    ("POST", "/api/v1/blocks/permanent", {"subjects": [ATTACKER]}, 422, "subjects", "is not held"),
    ("POST", "/api/v1/unblock", {"subject": ""}, 422, "subject", "is empty"),
    ("POST", "/api/v1/pause", {"for": "0s"}, 422, "for", "must be 1s or longer"),
    ("POST", "/api/v1/access", {"verb": "maybe", "prefix": ATTACKER}, 422, "verb", "'maybe' is not allowed"),
    ("POST", "/api/v1/access", {"verb": "allow", "prefix": ATTACKER, "expires": "0s"}, 422, "expires", "must be 1s or longer"),
    ("DELETE", "/api/v1/access?prefix=203.0.113.7", None, 404, "prefix", "there is no entry"),
    ("DELETE", "/api/v1/access", None, 422, "prefix", "is no address"),
    ("GET", "/api/v1/access/check?client=x", None, 422, "client", "'x' is no address"),
    ("PUT", "/api/v1/country", {"mode": "enforce", "codes": ["DE"]}, 422, "mode", "there is no data of countries on this host"),
    ("PUT", "/api/v1/country", {"mode": "observe", "codes": ["UK"]}, 422, "codes", "did you mean GB, United Kingdom?"),
    ("PUT", "/api/v1/country", {"mode": "observe", "code": ["DE"]}, 422, "code", "unknown field; did you mean codes?"),
    ("POST", "/api/v1/access/import", b"203.0.113.7", 422, "list", "say whether"),
    ("POST", "/api/v1/access/import?list=deny", b"\xff", 422, "body", "is no UTF-8 text"),
    ("PATCH", "/api/v1/rules/dos", {"threshod": 5}, 422, "threshod", "did you mean threshold?"),
    ("PATCH", "/api/v1/rules/dos", b"[]", 422, "body", "must be a JSON object"),
    ("DELETE", "/api/v1/rules/nix", None, 404, "name", "there is no rule 'nix'"),
    ("POST", "/api/v1/rules/dos/mode", {"mode": "sleep"}, 422, "mode", "'sleep' is not allowed"),
    ("POST", "/api/v1/presets/strickt", None, 404, "preset", "one of standard"),
    ("PUT", "/api/v1/rules?name=r.toml", b"rule = ", 422, "", "r.toml: this is no TOML"),
    ("GET", "/api/v1/audit?limit=x", None, 422, "limit", "whole number"),
    ("GET", "/api/v1/audit?before=%C2%B2", None, 422, "before", "whole number"),
    ("GET", "/api/v1/nothing", None, 404, "", "/api/v1/nothing is not there"),
    ("GET", "/", None, 404, "", "/ is not there"),
    ("PUT", "/api/v1/blocks", None, 405, "", "/api/v1/blocks takes GET, POST, not PUT"),
    ("GET", "/api/v1/rules/dos/reset", None, 405, "", "takes POST, not GET"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "field", "words"), BAD)
def test_bad_input(api: Served, method: str, path: str, body: Any, status: int, field: str, words: str) -> None:
    _problem(api.ask(method, path, body, X_Gatepost_From="192.0.2.99"), status, field, words)
    assert api.made.audit() == []


def test_a_huge_body_is_not_read_to_its_end(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "LARGEST", 1000)
    _problem(api.ask("POST", "/api/v1/blocks", b"x" * 1001), 413, "body", "longer than 1000 bytes")
    _problem(api.ask("POST", "/api/v1/blocks", b"1\r\n", Content_Length="99999999999"), 413, "body", "longer than 1000 bytes")


def test_a_stale_version(api: Served) -> None:
    seen = api.ask("GET", "/api/v1/rules").json["version"]
    assert api.ask("PATCH", "/api/v1/rules/dos", {"threshold": 80}, If_Match=f'"{seen}"').status == 200
    _problem(api.ask("PATCH", "/api/v1/rules/dos", {"threshold": 90}, If_Match=f'"{seen}"'), 412, "version", "look again and repeat")
    _problem(api.ask("POST", "/api/v1/presets/strict", If_Match=seen), 412, "version", "changed meanwhile")
    assert api.ask("PATCH", "/api/v1/rules/dos", {"threshold": 90}, If_Match="*").status == 200


def test_what_could_not_be_stored_is_said(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(batch: Batch) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(api.made.store, "write", full)
        found = api.ask("POST", "/api/v1/blocks", {"prefix": ATTACKER, "for": "1d"})
        assert (found.status, found.headers["x-gatepost-warning"]) == (200, "in force, but not stored: the disk is full")
        assert not api.made.lets_in()
    assert "x-gatepost-warning" not in api.ask("GET", "/api/v1/status").headers


def test_a_fault_of_ours_is_told_as_such(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(desk: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(status_module, "_feeds", broken)
    _problem(api.ask("GET", "/api/v1/status"), 500, "", "gatepost failed at this (ZeroDivisionError)")
    assert api.ask("GET", "/api/v1/rules").status == 200
