"""``gatepost rules`` with a daemon and without one."""

import pytest

from tests.cli.command import refused, run
from tests.cli.live import Live


def test_list_shows_what_is_in_force(gatepost: Live) -> None:
    gatepost.made.connect()
    gatepost("rules", "set", "dos", "--threshold", "80")
    out = gatepost("rules", "list").out
    assert "80 connections" in out
    version = gatepost("rules", "list", "--json").json["version"]
    assert out.endswith(f"version {version}; brake on\n")
    assert gatepost("rules", "list", "--json").json == gatepost.api.ask("GET", "/api/v1/rules").json
    assert "threshold = 80" in gatepost("rules", "show", "dos").out
    assert "50 connections" in gatepost("rules", "list", "--preset", "standard").out


def test_without_a_daemon_it_says_whose_rules_these_are() -> None:
    ran = run("rules", "list")
    assert (ran.code, ran.err) == (0, "no gatepost answers; these are the rules of a new installation\n")
    assert run("rules", "list", "--preset", "strict").err == ""


def test_set(gatepost: Live) -> None:
    ran = gatepost("rules", "set", "dos", "--threshold", "80", "--window", "1m", "--for", "1h", "--on", "smtp,imap", "--field", "scope=everything")
    assert ran == (0, "dos: 80 connections from one address within 1m on smtp, imap (each apart) block everything for 1h.\n", "")
    assert gatepost("rules", "set", "dos", "--threshold", "90", "--json").json["rules"][0]["rule"]["threshold"] == 90


def test_modes_reset_and_remove(gatepost: Live) -> None:
    gatepost.made.connect()
    assert gatepost("rules", "observe", "dos").out.endswith("(observed only).\n")
    assert gatepost.made.lets_in()
    assert gatepost("rules", "disable", "dos").out.endswith("(off).\n")
    assert gatepost("rules", "enable", "dos").code == 0
    assert gatepost("rules", "reset", "dos").out.startswith("dos: 50 connections")
    assert gatepost("rules", "remove", "dos").out == "removed: dos\n"
    assert [line.action for line in gatepost.made.audit()] == ["rules.remove", "rules.reset", "rules.enforce", "rules.off", "rules.observe"]


def test_preset_export_and_import(gatepost: Live) -> None:
    assert gatepost("rules", "preset", "strict").out.count("\n") == 11
    text = gatepost("rules", "export").out
    (gatepost.folder / "mine.toml").write_text(text)
    gatepost("rules", "preset", "relaxed")
    assert gatepost("rules", "import", "mine.toml").out.count("\n") == 11
    assert gatepost("rules", "export").out == text


def test_two_administrators(gatepost: Live) -> None:
    version = gatepost("rules", "list", "--json").json["version"]
    (gatepost.folder / "mine.toml").write_text(gatepost("rules", "export").out)
    assert gatepost("rules", "set", "dos", "--threshold", "80", "--if-version", version).code == 0
    for command in (("set", "dos", "--threshold", "90"), ("preset", "strict"), ("import", "mine.toml")):
        refused(gatepost("rules", *command, "--if-version", version), "version: the rules were changed meanwhile", "look again and repeat")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("set", "dos", "--field", "threshod=80"), "threshod: unknown field; did you mean threshold?"),
        (("set", "dos", "--field", "threshold"), "write NAME=VALUE"),
        (("set", "dos", "--threshold", "0"), "threshold: '0' is not allowed; a whole number from 1 to 10000"),
        (("set", "dos"), "nothing to change; name a field"),
        (("set", "new", "--threshold", "5"), "is missing"),
        (("observe", "dso"), "there is no rule 'dso'; did you mean dos?"),
        (("reset", "mine"), "came with no preset"),
        (("preset", "strickt"), "'strickt' is not one of"),
        (("import", "/nonexistent.toml"), "/nonexistent.toml: cannot be read"),
        (("import", "gatepost.toml"), "gatepost.toml:1: socket: unknown field"),
        (("show", "nix"), "there is no rule 'nix'"),
    ],
)
def test_bad_input(gatepost: Live, command: tuple[str, ...], words: str) -> None:
    refused(gatepost("rules", *command), words)
    assert gatepost.made.audit() == []
