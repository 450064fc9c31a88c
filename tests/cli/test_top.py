"""`gatepost top`: one picture where there is no terminal; the rates of two looks."""

import io
from typing import Any

from rich.console import Console

from gatepost.cli.top import picture
from tests.cli.command import run


def _found(now: int, facts: int, **more: Any) -> dict[str, Any]:
    count = {"protocol": "imap", "kind": "connected", "facts": facts}
    return {"now": now, "facts": [count], "near": [], "keys": 3, "looked_at": 3, "held": 0, "newest": []} | more


def _text(found: dict[str, Any], before: dict[str, Any]) -> str:
    screen = Console(width=120, record=True, file=io.StringIO())
    screen.print(picture(found, before))
    return screen.export_text()


def test_rates_are_what_came_between_two_looks() -> None:
    text = _text(_found(12_000_000, 150), _found(10_000_000, 100))
    assert text.split("\n")[3].split() == ["imap", "connected", "25.0", "150"]


def test_a_daemon_that_was_started_anew_between_them_has_no_negative_rates() -> None:
    assert _text(_found(11_000_000, 5), _found(10_000_000, 100)).split("\n")[3].split() == ["imap", "connected", "0.0", "5"]


def test_hostile_names_are_made_safe_and_what_was_not_looked_at_is_told() -> None:
    near = [{"subject": "a\x1b[2Jb", "rule": "account-guessing", "protocols": ["imap"], "count": 29, "threshold": 30}]
    text = _text(_found(2, 1, near=near, keys=50_000), _found(1, 0))
    assert "a\\x1b[2Jb" in text
    assert "counted: 50,000 keys; of these the newest 3 were looked at" in text


def test_without_a_daemon_the_cure_is_told() -> None:
    ran = run("top", XDG_RUNTIME_DIR="/nonexistent")
    assert ran.code == 1
    assert "gatepost run" in ran.err
