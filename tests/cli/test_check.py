"""`gatepost check`: is the configuration right?"""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from gatepost import config
from gatepost.cli.check import check
from tests.cli.command import refused, run


def test_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[logs]\ntimezone = "Europe/Berlin"\n')
    assert run("check", "--config", "c.toml", where=tmp_path).out == "c.toml: all is well\n"


def test_what_is_in_force_as_json(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('accounts.domains.CORP = "Corp.example"\nlogs.daemon = "exim"\n')
    said = run("check", "--config", "c.toml", "--json", where=tmp_path).json
    assert (said["file"], said["found"]) == ("c.toml", True)
    assert said["settings"]["accounts"] == {"default_domain": "", "domains": {"corp": "corp.example"}}
    assert said["settings"]["logs"] == {"timezone": "", "daemon": "exim"}


def test_what_is_probably_not_meant(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('journal.follow = "yes"\n[[logfile]]\npath = "/var/log/mail.log"\n')
    done = run("check", "--config", "c.toml", where=tmp_path)
    assert "warning" in done.out
    assert "counted twice" in done.out
    assert len(run("check", "--config", "c.toml", "--json", where=tmp_path).json["warnings"]) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('\n[logs]\ntimezon = "UTC"\n', ["c.toml:3: logs.timezon: unknown field; did you mean timezone?"]),
        ("[logs]\ntimezone = true\n", ["c.toml:2: logs.timezone: True is not allowed; a text in quotes"]),
        ("=\n", ["c.toml:1: this is no TOML"]),
        ('[[syslog]]\ntransport = "tcp"\nlisten = "0.0.0.0:601"\n', ["senders"]),
        ('[[syslog]]\ntransport = "unix"\nlisten = "/run/x"\n' * 2, ["/run/x stands twice"]),
        ('[journal]\nfollow = "always"\n', ["journal.follow"]),
    ],
)
def test_a_wrong_file(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "c.toml").write_text(text)
    refused(run("check", "--config", "c.toml", where=tmp_path), *words)


def test_a_file_that_is_asked_for_must_be_there() -> None:
    refused(run("check", "--config", "/nonexistent.toml"), "/nonexistent.toml: cannot be read: No such file")


def test_without_a_file_the_defaults_are_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "gatepost.toml"
    monkeypatch.setattr(config, "SYSTEM_FILE", missing)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert CliRunner().invoke(check).output == f"{missing}: is not there; the defaults are in force\n"
    assert msgspec.json.decode(CliRunner().invoke(check, ["--json"]).output)["found"] is False
