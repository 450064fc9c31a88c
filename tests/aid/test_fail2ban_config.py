"""fail2ban's configuration: the order of its files, includes, references, lengths of time."""

from pathlib import Path

import pytest

from gatepost.aid.fail2ban_config import Config, seconds
from gatepost.core.faults import BadInputError
from tests.aid.fail2bans import configured

PIECES = {"jail_d__b__conf": "[dovecot]\nmaxretry = 2\n", "jail_d__a__conf": "[dovecot]\nmaxretry = 1\nfindtime = 1h\n"}


@pytest.mark.parametrize(
    ("local", "more", "maxretry"),
    [
        ("", {}, "5"),
        ("", PIECES, "2"),
        ("[dovecot]\nmaxretry = 3\n", PIECES, "3"),
        ("[dovecot]\nmaxretry = 3\n", PIECES | {"jail_d__a__local": "[dovecot]\nmaxretry = 4\n"}, "4"),
        ("[DEFAULT]\nmaxretry = 7\n", {}, "7"),
        ("[DEFAULT]\nmaxretry = 7\n", PIECES, "2"),
        ("[dovecot]\nMaxRetry = 8 ; the cat\n", {}, "8"),
        ("[INCLUDES]\nafter = more.conf\n[dovecot]\nmaxretry = 3\n", {"more__conf": "[dovecot]\nmaxretry = 9\n"}, "9"),
        ("[INCLUDES]\nafter = more.conf\n", {"more__conf": "[dovecot]\nmaxretry = 9\n", "more__local": "[dovecot]\nmaxretry = 10\n"}, "10"),
        ("[INCLUDES]\nafter = nowhere.conf\n", {}, "5"),
        ("[INCLUDES]\nafter = jail.local\n[dovecot]\nmaxretry = 3\n", {}, "3"),
    ],
)
def test_later_files_win(tmp_path: Path, local: str, more: dict[str, str], maxretry: str) -> None:
    assert Config(configured(tmp_path, local, **more), "jail").get("dovecot", "maxretry") == maxretry


@pytest.mark.parametrize(
    ("value", "is_"),
    [
        ("%(bantime)s", "10m"),
        ("%(__name__)s", "dovecot"),
        ("%(BanTime)s", "10m"),
        ("100%%", "100%"),
        ("%(mail_log)s", "/var/log/mail.log"),
        ("%(default/maxretry)s", "5"),
        ("%(postfix-rbl/maxretry)s", "1"),
        ("%(postfix/maxretry)s", "5"),
        ("%(action_mw)s", 'iptables-multiport[port="pop3,pop3s,imap,imaps,submission,465,sieve", protocol="tcp"]\nsendmail-whois[sender="root"]'),
    ],
)
def test_references_are_filled_in(tmp_path: Path, value: str, is_: str) -> None:
    assert Config(configured(tmp_path, f"[dovecot]\nx = {value}\n"), "jail").get("dovecot", "x") == is_


def test_known_is_the_value_before(tmp_path: Path) -> None:
    local = "[DEFAULT]\nignoreip = 192.0.2.1\n[dovecot]\nport = %(known/port)s,2000\nignoreip = %(known/ignoreip)s 192.0.2.2\n"
    found = Config(configured(tmp_path, local), "jail")
    assert found.get("dovecot", "port") == "pop3,pop3s,imap,imaps,submission,465,sieve,2000"
    assert found.get("dovecot", "ignoreip") == "192.0.2.1 192.0.2.2"


@pytest.mark.parametrize(
    ("local", "words"),
    [
        ("[dovecot]\nport = %(nowhere)s\n", "[dovecot] port: %(nowhere)s is set nowhere"),
        ("[dovecot]\nport = %(port)s\n", "[dovecot] port: its references go round in a circle"),
        ("[dovecot]\nport = " + "%(a)s" * 9 + "\na = " + "%(b)s" * 99 + "\nb = " + "%(c)s" * 99 + "\nc = " + "x" * 99 + "\n", "is longer than"),
    ],
)
def test_what_leads_nowhere_is_told(tmp_path: Path, local: str, words: str) -> None:
    found = Config(configured(tmp_path, local), "jail")
    with pytest.raises(BadInputError) as wrong:
        found.get("dovecot", "port")
    assert words in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"maxretry = 3\n", "no section headers"),
        (b"[dovecot]\nport = 1\nport = 2\n", "[line 3]"),
        (b"[dovecot]\nport\n", "parsing errors"),
        (b"[dovecot]\nport = \xff\n", "is no UTF-8 text"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: bytes, words: str) -> None:
    (configured(tmp_path, "") / "jail.local").write_bytes(text)
    with pytest.raises(BadInputError) as wrong:
        Config(tmp_path, "jail")
    assert "jail.local" in str(wrong.value)
    assert words in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_no_configuration_is_told_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"jail.conf: is not there; name fail2ban's folder with --config-dir"):
        Config(tmp_path, "jail")


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("600", 600),
        ("10m", 600),
        ("1d 12h", 129_600),
        ("1d12h", 129_600),
        ("1h + 30min", 5400),
        ("60*60", 3600),
        ("86400 * 7", 604_800),
        ("2*1h 30s", 7230),
        ("1y-6mo", 15_778_800),
        ("1.5h", 5400),
        ("52W", 31_449_600),
        ("-1", -1),
    ],
)
def test_lengths_of_time(text: str, is_: int) -> None:
    assert seconds(text) == is_


@pytest.mark.parametrize("text", ["", "soon", "1 fortnight", "*5", "10m!", "__import__('os')", "9" * 13, "9" * 12 + "y"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(BadInputError, match="is no length of time"):
        seconds(text)
