"""What the doctor is told of Postfix's own files."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatepost import config
from gatepost.aid import setup_postfix
from gatepost.app import wiring as looked_at
from gatepost.app.wiring import listeners, wiring
from gatepost.core.faults import BadInputError
from gatepost.inlets.postfix_policy import PostfixPolicySettings


def settings(*sockets: dict[str, Any], **more: Any) -> config.Settings:
    """Settings with listeners."""
    return msgspec.convert({"postfix_policy": sockets} | more, config.Settings)


def test_each_context_has_its_socket_or_the_one_for_all() -> None:
    one = PostfixPolicySettings(listen="127.0.0.1:1")
    relay = PostfixPolicySettings(listen="/run/gatepost/relay", context="relay")
    assert listeners([one]) == {"access": "127.0.0.1:1", "relay": "127.0.0.1:1", "data": "127.0.0.1:1"}
    assert listeners([one, relay])["relay"] == "/run/gatepost/relay"
    with pytest.raises(BadInputError, match="no socket is for access"):
        listeners([relay])


def test_nobody_looks_where_nobody_is_to_ask() -> None:
    assert wiring(settings)() == []


def test_lines_that_are_missing_and_lines_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main, master = tmp_path / "main.cf", tmp_path / "master.cf"
    main.write_text("mynetworks = 192.0.2.0/24, 127.0.0.0/8\n")
    master.write_text("smtp inet n - y - - smtpd\n")
    monkeypatch.setattr(looked_at, "Postfix", lambda: setup_postfix.Postfix(str(tmp_path), lambda command: None))
    look = wiring(lambda: settings({"listen": "127.0.0.1:8094"}))
    missing, relaying = look()
    assert (missing.verdict, relaying.verdict) == ("bad", "well")
    assert "gatepost setup postfix" in missing.cure
    assert "mynetworks (192.0.2.0/24 127.0.0.0/8)" in relaying.said
    server = setup_postfix.Postfix(str(tmp_path), lambda command: None)
    for change in setup_postfix.plan_postfix(server, dict.fromkeys(("access", "relay", "data"), "127.0.0.1:8094")).changes:
        Path(change.path).write_text(change.after)
    assert [each.verdict for each in look()] == ["well", "well"]


def test_files_that_are_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looked_at, "Postfix", lambda: setup_postfix.Postfix(str(tmp_path / "nowhere"), lambda command: None))
    (found,) = wiring(lambda: settings({}))()
    assert (found.verdict, found.cure) == ("look", "is Postfix on another host? look there")
