"""gatepost.toml: where it is looked for, what its defaults are, and time zones."""

import os
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from gatepost import config
from gatepost.config import Settings, load, zone
from gatepost.core.faults import BadInputError

SUMMER, WINTER = datetime(2026, 7, 1, 12), datetime(2026, 1, 1, 12)
ZONES = Path(str(files("tzdata"))) / "zoneinfo"


@pytest.fixture(autouse=True)
def _nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "etc" / "gatepost.toml")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("TZ", raising=False)


def write(path: Path, text: str) -> Path:
    """A file with this text, its folders too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def domain(text: str) -> str:
    """A file that names a default domain, to be told apart by it."""
    return f'accounts.default_domain = "{text}"\n'


def test_without_a_file_the_defaults_are_in_force() -> None:
    assert load() == Settings()
    assert (load().accounts.default_domain, load().accounts.domains, load().logs.timezone, load().logs.daemon) == ("", {}, "", "")


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(str(write(tmp_path / "c.toml", ""))) == Settings()


def test_the_first_of_these_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "etc" / "gatepost.toml", domain("etc"))
    assert load().accounts.default_domain == "etc"
    write(tmp_path / "home" / ".config" / "gatepost" / "gatepost.toml", domain("home"))
    assert load().accounts.default_domain == "home"
    write(tmp_path / "xdg" / "gatepost" / "gatepost.toml", domain("xdg"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert load().accounts.default_domain == "xdg"
    assert load(str(write(tmp_path / "c.toml", domain("named")))).accounts.default_domain == "named"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load().accounts.default_domain == "etc"


def test_a_relative_xdg_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", "xdg")
    write(tmp_path / "xdg" / "gatepost" / "gatepost.toml", domain("xdg"))
    assert load() == Settings()


def test_a_user_without_a_home_gets_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as a number."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError()))
    assert load() == Settings()


def test_a_file_that_one_may_not_look_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)  # root may look at everything
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(BadInputError, match=r"gatepost\.toml: cannot be read: Permission denied"):
        load()


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nix\.toml: cannot be read: No such file"):
        load(str(tmp_path / "nix.toml"))
    with pytest.raises(BadInputError, match="cannot be read: Is a directory"):
        load(str(tmp_path))


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    text = """
        [accounts]
        default_domain = "Example.org"
        domains = { CORP = "Corp.Example" }
        [logs]
        timezone = "Europe/Berlin"
        daemon = "postfix/smtpd"
    """
    found = load(str(write(tmp_path / "c.toml", text)))
    assert found.accounts.domains == {"corp": "corp.example"}
    assert (found.accounts.default_domain, found.logs.timezone, found.logs.daemon) == ("Example.org", "Europe/Berlin", "postfix/smtpd")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", ":1: x: unknown field; it may be one of accounts, logs"),
        ("[logs]\n\ntimezone = '+25:00'", ":3: logs.timezone: '+25:00' is no offset; write it like +02:00"),
        ("[logs]\ntimezone = 'Mars'", ":2: logs.timezone: 'Mars' is no time zone; write a name like Europe/Berlin"),
        ("[logs]\ndaemon = 'sendmail'", ":2: logs.daemon: 'sendmail' is not known; write postfix/smtpd, dovecot or exim"),
        (f"[accounts]\ndefault_domain = '{'x' * 254}'", ":2: accounts.default_domain: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInputError) as wrong:
        load(str(write(tmp_path / "c.toml", text)))
    assert str(wrong.value).startswith(f"{tmp_path}/c.toml{said}")


# --- time zones


@pytest.mark.parametrize(
    ("name", "summer", "winter"),
    [("Europe/Berlin", 120, 60), ("UTC", 0, 0), ("+02:00", 120, 120), ("-0330", -210, -210), ("+00:00", 0, 0), ("Asia/Kolkata", 330, 330)],
)
def test_zones(name: str, summer: int, winter: int) -> None:
    found = zone(name)
    assert [found.utcoffset(at) for at in (SUMMER, WINTER)] == [timedelta(minutes=summer), timedelta(minutes=winter)]


@pytest.mark.parametrize("name", ["Nowhere", "Europe", "../../etc/passwd", "/etc/localtime", "tzdata.zi", "a\0b", "\udcff", "Europe/Berlin ", " "])
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(BadInputError, match="is no time zone; write a name like Europe/Berlin, an offset like \\+02:00, or UTC"):
        zone(name)


@pytest.mark.parametrize("name", ["+2", "+", "-", "+24:00", "+99:00", "+02:60", "+0200 ", "+ab:cd"])
def test_what_is_no_offset(name: str) -> None:
    with pytest.raises(BadInputError, match="is no offset; write it like \\+02:00"):
        zone(name)


@pytest.mark.parametrize("tz", ["America/New_York", ":America/New_York"])
def test_the_hosts_zone_is_that_of_tz(monkeypatch: pytest.MonkeyPatch, tz: str) -> None:
    monkeypatch.setenv("TZ", tz)
    assert zone("").utcoffset(SUMMER) == timedelta(hours=-4)


@pytest.mark.parametrize("copied", [False, True], ids=["linked", "copied"])
def test_the_hosts_zone_is_that_of_its_local_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: bool) -> None:
    """A container often has a copy: a log of July that is read in November must not be an hour off."""
    local, there = tmp_path / "localtime", ZONES / "America" / "New_York"
    if copied:
        local.write_bytes(there.read_bytes())
    else:
        local.symlink_to(there)
    monkeypatch.setattr(config, "LOCAL_TIME", local)
    found = zone("")
    assert [found.utcoffset(at) for at in (SUMMER, WINTER)] == [timedelta(hours=-4), timedelta(hours=-5)]
    assert str(found) == ("local time" if copied else "America/New_York")


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_a_host_that_does_not_tell_its_zone_has_the_one_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "localtime").write_bytes(content)
    monkeypatch.setattr(config, "LOCAL_TIME", tmp_path / "localtime")
    now = datetime.now(UTC)
    assert zone("").utcoffset(now) == now.astimezone().utcoffset()


@pytest.mark.parametrize("name", ["", "postfix/smtpd", "dovecot", "exim", "postfix/submission/smtpd"])
def test_known_daemons(name: str) -> None:
    config.check_daemon(name)


def test_two_listeners_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "gatepost.toml"
    file.write_text("[[postfix_policy]]\n[[postfix_policy]]\ncontext = 'relay'\n")
    with pytest.raises(BadInputError, match=r"postfix_policy\.listen: 127\.0\.0\.1:8094 stands twice"):
        load(str(file))


def test_messages_that_two_listeners_tell_of_are_warned_of(tmp_path: Path) -> None:
    both = '[[postfix_policy]]\nlisten = "127.0.0.1:1"\n[[milter]]\nlisten = "127.0.0.1:2"\n'
    (said,) = load(str(write(tmp_path / "a.toml", both))).warnings()
    assert "take message_accepted out of counts" in said
    for spared in (both + 'counts = ["connected"]\n', both + 'hosts = ["mx1"]\n[[postfix_policy]]\nlisten = "127.0.0.1:3"\n'):
        text = spared.replace(':1"', ':1"\nhosts = ["mx2"]').replace(':3"', ':3"\ncontext = "relay"')
        assert load(str(write(tmp_path / "b.toml", text))).warnings() == []
