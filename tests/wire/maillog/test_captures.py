"""The lines that our own servers wrote (tests/data): every client of them did what was driven, and nobody else did anything.

Job: hold the grammars against `NAME.expected.json`, in every form in which the lines were kept. Promise: what is expected was stated by those who
drove the clients. Limits: order and times are for other tests.
"""

import json
from collections import Counter
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from gatepost.core.facts import AuthFailed, Fact, Rejected, kind
from gatepost.wire.maillog.reader import Reader

DATA = Path(__file__).parents[2] / "data"
LOGS = sorted(path for path in DATA.rglob("*.log"))
LATEST = 1_900_000_000_000_000
TEMPORARY = range(400, 500)


def read(path: Path, evidence: bool = False) -> tuple[list[Fact], Reader]:
    """The counted facts of a captured log; or all of them."""
    reader = Reader(daemon="exim" if "exim" in path.parts and "syslog" not in path.name else "", timezone=UTC, year=2026, latest=LATEST)
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    return [fact for _, fact in reader.read(lines, 1) if evidence or not fact.evidence_only], reader


def expected(path: Path) -> dict[str, Any]:
    """What was driven."""
    told: dict[str, Any] = json.loads((path.parent / f"{path.name.partition('.')[0]}.expected.json").read_text("utf-8"))
    return told


@pytest.mark.parametrize("path", LOGS, ids=lambda path: str(path.relative_to(DATA)))
def test_every_client_did_what_was_driven_and_nobody_else_did_anything(path: Path) -> None:
    told = expected(path)
    facts, _ = read(path)
    ignored = ("connected", "session_ended") if ".reject." in path.name else () if "dovecot" in path.parts else ("auth_succeeded",)
    counts: dict[str, Counter[str]] = {}
    for fact in facts:
        if fact.client in told["unchecked"]:
            continue
        if kind(fact) in ignored or (isinstance(fact, Rejected) and fact.code in TEMPORARY):
            continue
        counts.setdefault(fact.client, Counter())[kind(fact)] += fact.weight if isinstance(fact, AuthFailed) else 1
    wanted = {client: kinds for client, kinds in told["facts"].items() if kinds}
    if ".reject." in path.name:
        wanted = {client: part for client, kinds in wanted.items() if (part := _refusals(kinds))}
    assert {client: dict(kinds) for client, kinds in counts.items()} == wanted


def _refusals(kinds: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in kinds.items() if name in ("rejected", "auth_failed", "protocol_abused")}


@pytest.mark.parametrize("path", [path for path in LOGS if ".reject." not in path.name], ids=lambda path: str(path.relative_to(DATA)))
def test_what_was_to_be_seen_in_it_is_seen(path: Path) -> None:
    facts, _ = read(path, evidence=True)
    seen = [{"kind": kind(fact)} | {name: getattr(fact, name) for name in fact.__struct_fields__} for fact in facts]
    for wanted in expected(path)["contains"]:
        if "5424" in path.name:
            # rsyslog's RFC 5424 form cuts the tag at the slash: submission and smtps are lost.
            wanted = {name: value for name, value in wanted.items() if name != "service"}
        assert any(wanted.items() <= fact.items() for fact in seen), wanted


@pytest.mark.parametrize("path", LOGS, ids=lambda path: str(path.relative_to(DATA)))
def test_every_line_is_understood(path: Path) -> None:
    _, reader = read(path)
    assert reader.coverage.shapes == {}
    assert reader.coverage.understood == reader.coverage.mail_lines > 0
