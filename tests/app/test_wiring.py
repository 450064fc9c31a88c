"""What the doctor is told of Postfix's own files."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatepost import config
from gatepost.aid import setup_exim, setup_postfix
from gatepost.app import wiring as looked_at
from gatepost.app.wiring import listeners, wiring
from gatepost.core.faults import BadInputError
from gatepost.inlets.postfix_policy import PostfixPolicySettings
from tests.aid.test_setup_exim import debian


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


@pytest.mark.parametrize(
    ("main", "verdict"),
    [
        ("", "bad"),
        ("smtpd_milters = inet:127.0.0.1:8891\n", "bad"),
        ("smtpd_milters = inet:127.0.0.1:8096\n", "look"),
        ("smtpd_milters = { inet:127.0.0.1:8096, default_action = tempfail }\n", "look"),
        ("smtpd_milters = { inet:127.0.0.1:8096, connect_timeout=2s, default_action = accept }\n", "well"),
        ("smtpd_milters = inet:127.0.0.1:8096\nmilter_default_action = accept\n", "well"),
    ],
)
def test_whether_postfix_has_our_milter_and_goes_on_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main: str, verdict: str) -> None:
    (tmp_path / "main.cf").write_text(main)
    (tmp_path / "master.cf").write_text("")
    monkeypatch.setattr(looked_at, "Postfix", lambda: setup_postfix.Postfix(str(tmp_path), lambda command: None))
    (found,) = wiring(lambda: settings(milter=[{"listen": "0.0.0.0:8096"}]))()
    assert found.verdict == verdict


def test_whether_exim_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = debian(tmp_path, split=True)
    monkeypatch.setattr(looked_at, "Exim", lambda: setup_exim.Exim(str(folder)))
    look = wiring(lambda: settings(exim=[{"listen": "127.0.0.1:8097"}]))
    assert [each.verdict for each in look()] == ["bad"]
    for change in setup_exim.plan_exim(setup_exim.Exim(str(folder)), "127.0.0.1:8097").changes:
        Path(change.path).write_text(change.after)
    assert [each.verdict for each in look()] == ["well"]
    (folder / "conf.d/main/000_local").write_text("acl_smtp_auth = mine\n")
    assert [each.verdict for each in look()] == ["look"]
    (folder / "exim4.conf").write_text("")
    assert [each.verdict for each in look()] == ["look"]
