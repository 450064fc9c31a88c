"""`gatepost check`: is the configuration right?"""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from gatepost import config
from gatepost.cli.check import check
from gatepost.core.countries import CountryPolicy
from gatepost.core.deeds import AdoptCountries, AdoptRules
from gatepost.core.rules import Rule
from gatepost.core.spans import MINUTE, Span
from gatepost.stores.contract import Batch
from gatepost.stores.sqlite import SqliteStore
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
    for name in ("XDG_CONFIG_HOME", "STATE_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path))
    assert CliRunner().invoke(check).output == f"{missing}: is not there; the defaults are in force\n"
    assert msgspec.json.decode(CliRunner().invoke(check, ["--json"]).output)["found"] is False


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A folder with a store in it that holds a rule which only gateways feed, and a policy of countries."""
    rule = Rule(name="many-at-once", counts="open_connections", threshold=20, hold_for=Span(5 * MINUTE), on=("smtp", "imap"))
    policy = CountryPolicy(mode="enforce", codes=("DE",), protocols=("smtp", "imap"))
    store = SqliteStore(tmp_path / "gatepost.db")
    store.open()
    store.write(Batch(first=1, entries=[AdoptRules(1, (rule,)), AdoptCountries(2, policy)]))
    store.close()
    (tmp_path / "geoip").write_text("3221225984,3221226239,DE\n")
    return tmp_path


GATEWAY = '[gateway.{}]\nlisten = ["127.0.0.1:{}"]\nbackend = "127.0.0.1:{}"\nclient_address = "proxy-v2"\n'


def warnings(where: Path, text: str) -> list[str]:
    """What `check` warns of for a configuration whose state is there."""
    (where / "c.toml").write_text(f'state = "{where}"\n[country]\ndatabase = "{where}/geoip"\n{text}')
    told: list[str] = run("check", "--config", "c.toml", "--json", where=where).json["warnings"]
    return told


def test_what_the_store_holds_and_nobody_feeds_or_enforces(held: Path) -> None:
    country, rule = warnings(held, "")
    assert country.startswith("country: unenforced on smtp, imap: nobody asks about log-ins there")
    assert rule.startswith("rule many-at-once: cannot be carried out on smtp, imap: only a gateway knows")
    assert "c.toml: warning: rule many-at-once: cannot be carried out" in run("check", "--config", "c.toml", where=held).out
    (rule,) = warnings(held, GATEWAY.format("imap", 143, 1143) + '[[exim]]\nlisten = "/run/x"\n')
    assert rule.startswith("rule many-at-once: cannot be carried out on smtp: ")
    assert warnings(held, GATEWAY.format("imap", 143, 1143) + GATEWAY.format("smtp", 25, 1025)) == []
    assert [each.name for each in held.iterdir() if each.name.startswith("gatepost.db")] == ["gatepost.db"], "nothing is left behind"


def test_what_cannot_be_looked_at_is_told(held: Path) -> None:
    (held / "geoip").unlink()
    broken, country, _ = warnings(held, "")
    assert broken == f"country.database: {held}/geoip cannot be read: No such file or directory"
    assert "there is no data of countries" in country
    (held / "gatepost.db").write_text("this is no database, and nobody can read rules in it" * 9)
    assert warnings(held, "")[0].startswith(f"state: rules and policies in it were not looked at: {held}/gatepost.db is damaged")
