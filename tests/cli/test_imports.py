"""``gatepost import`` against a real guard, from files as fail2ban and CrowdSec leave them."""

import time
from collections.abc import Iterable

import pytest

from tests.admin.desks import ATTACKER
from tests.aid.fail2bans import configured, database
from tests.cli.command import refused
from tests.cli.live import Live

LOCAL = """\
[DEFAULT]
ignoreip = 127.0.0.1/8 233.252.0.0/24 office.example.org 0.0.0.0/0
[sshd]
enabled = true
[postfix]
enabled = true
[dovecot]
enabled = true
maxretry = 3
bantime = 1h
"""
FAIL2BAN = ("import", "fail2ban", "--config-dir", "etc", "--database", "db")


@pytest.fixture
def fail2ban(gatepost: Live) -> Live:
    """A guard, and beside it a fail2ban's files."""
    configured(gatepost.folder / "etc", LOCAL)
    now = int(time.time())
    rows = [
        ("dovecot", ATTACKER, now - 60, 3600),
        ("postfix", "203.0.113.8", now - 60, -1),
        ("dovecot", "10.0.0.7", now, 3600),
        ("dovecot", "\x1b[31mred", now, 3600),
        ("sshd", "203.0.113.9", now, -1),
    ]
    database(gatepost.folder / "db", rows)
    return gatepost


def words(lines: Iterable[str]) -> list[str]:
    """Lines with one space between words."""
    return [" ".join(line.split()) for line in lines]


def test_a_dry_run_shows_what_becomes_what_and_changes_nothing(fail2ban: Live) -> None:
    ran = fail2ban(*FAIL2BAN, "--dry-run", COLUMNS="230")
    assert (ran.code, ran.err) == (0, "")
    shown = words(ran.out.splitlines())
    assert shown[0] == "in fail2ban becomes"
    assert shown[1] == "ignoreip 127.0.0.0/8 allow 127.0.0.0/8 there already: it lies in this host's own network 127.0.0.0/8"
    assert shown[2] == "ignoreip 233.252.0.0/24 allow 233.252.0.0/24 new"
    assert shown[3] == "ignoreip office.example.org allow office.example.org new"
    assert shown[4] == "postfix: permanent ban of 203.0.113.8 deny 203.0.113.8 on smtp new"
    assert shown[5].startswith("dovecot: ban of 203.0.113.7 block 203.0.113.7 on smtp,imap,pop3,sieve for 58m")
    assert shown[6].startswith("postfix: maxretry 5, findtime 10m, bantime 10m rejections: 5 rejected commands from one address within 10m")
    assert shown[6].endswith("only with --rules")
    rest = ran.out.partition("not taken over")[2]
    for left in ("jail sshd (1 banned)", "ignoreip 0.0.0.0/0", "dovecot: ban of 10.0.0.7", "dovecot: ban of \\x1b[31mred"):
        assert left in rest
    assert "would take over: 1 block, 1 denied, 2 allowed, 0 rules; 1 there already, 4 not taken over" in shown
    assert "fail2ban-client stop dovecot" in shown
    assert "the lines below in etc/jail.d/zz-gatepost.local:" in shown
    assert fail2ban.made.audit() == []
    assert fail2ban.made.lets_in()


def test_it_is_taken_over_once(fail2ban: Live) -> None:
    found = fail2ban(*FAIL2BAN, "--json").json
    assert (found["applied"], found["rules_applied"]) == (True, False)
    assert [(line["verb"], line["prefix"], line["state"]) for line in found["lines"]] == [
        ("allow", "127.0.0.0/8", "there"),
        ("allow", "233.252.0.0/24", "new"),
        ("allow", "office.example.org", "new"),
        ("deny", "203.0.113.8", "new"),
        ("hold", ATTACKER, "new"),
    ]
    assert [(rule["name"], rule["state"], rule["changes"]["threshold"]) for rule in found["rules"]] == [
        ("rejections", "new", 5),
        ("password-brute-force", "new", 3),
    ]
    assert len(found["not_taken_over"]) == 4
    assert found["stop"] == ["fail2ban-client stop postfix", "fail2ban-client stop dovecot"]
    assert found["keep_off"]["text"] == "[postfix]\nenabled = false\n[dovecot]\nenabled = false\n"
    assert not fail2ban.made.lets_in()
    assert fail2ban.made.lets_in("203.0.113.8", "imap")
    assert not fail2ban.made.lets_in("203.0.113.8")
    assert [line.action for line in fail2ban.made.audit()] == ["import.blocks", "import.access"]
    again = fail2ban(*FAIL2BAN)
    assert "taken over: 0 blocks, 0 denied, 0 allowed, 0 rules; 5 there already, 4 not taken over" in again.out
    assert len(fail2ban.made.audit()) == 2


def test_rules_only_where_that_is_asked(fail2ban: Live) -> None:
    assert "rejections" not in fail2ban("rules", "list").out
    ran = fail2ban(*FAIL2BAN, "--rules", COLUMNS="300")
    assert "2 rules; 1 there already" in ran.out
    assert "3 failed log-ins from one address within 10m" in fail2ban("rules", "list", COLUMNS="200").out
    assert "rejections" in fail2ban("rules", "list").out
    again = words(fail2ban(*FAIL2BAN, "--rules", COLUMNS="300").out.splitlines())
    assert [line.endswith("there already") for line in again if "maxretry" in line] == [True, True]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--config-dir", "nowhere"), "nowhere/jail.conf: is not there; name fail2ban's folder with --config-dir"),
        (("--database", "nowhere"), "nowhere: is not there; name fail2ban's database with --database"),
        (("--config-dir", "x" * 300), "cannot be read (File name too long); root can, with sudo"),
        (("--database", "x" * 300), "cannot be read (File name too long)"),
        (("--database", "gatepost.toml"), "gatepost.toml: cannot be read (file is not a database)"),
    ],
)
def test_files_that_are_not_there(fail2ban: Live, more: tuple[str, ...], said: str) -> None:
    refused(fail2ban(*FAIL2BAN, *more), said)


def test_a_list(gatepost: Live) -> None:
    (gatepost.folder / "list.txt").write_text("# mine\n203.0.113.7\n203.0.114.0-203.0.114.9 ; theirs\n")
    assert gatepost("import", "list", "list.txt", "--deny", "--protocol", "smtp", "--dry-run").out == "would import 2 new, 0 replaced\n"
    assert gatepost.made.lets_in()
    assert gatepost("import", "list", "list.txt", "--deny", "--protocol", "smtp").out == "imported 2 new, 0 replaced\n"
    assert not gatepost.made.lets_in()
    assert gatepost.made.lets_in(protocol="imap")
    assert gatepost("import", "list", "list.txt", "--for", "1d", "--protocol", "imap", "--json").json["added"] == 3
    assert not gatepost.made.lets_in(protocol="imap")
    assert gatepost.made.lets_in(protocol="pop3")
    exported = gatepost("access", "export").out.encode()
    assert gatepost("import", "list", "-", stdin=exported).out == "imported 0 new, 0 replaced, 2 duplicates\n"
    assert gatepost("import", "list", "-", "--allow", stdin=b"office.example.org\n").out == "imported 1 new, 0 replaced\n"


def test_a_row_with_the_relay_box_wants_a_word_more(gatepost: Live) -> None:
    row = b"list,prefix,relay\nallow,8.8.8.8,yes\n"
    assert "(--confirm-relay)" in gatepost("import", "list", "-", stdin=row).err
    assert gatepost("import", "list", "-", "--confirm-relay", stdin=row).out == "imported 1 new, 0 replaced\n"


def test_bad_rows_of_a_list_are_all_named(gatepost: Live) -> None:
    for how, good in (("--deny", "1"), ("--for=1h", "1")):
        ran = gatepost("import", "list", "-", how, stdin=b"203.0.113.7\nx\n10.0.0.0/8\n")
        assert (ran.code, ran.out) == (2, f"nothing imported; good rows: {good} new, 0 replaced, 2 bad rows; mend them, or --skip-bad\n")
        assert [line[:9] for line in ran.err.splitlines()] == ["-: line 2", "-: line 3"]
        assert gatepost.made.lets_in()
    assert gatepost("import", "list", "-", "--for", "1h", "--skip-bad", stdin=b"203.0.113.7\nx\n").code == 0
    assert not gatepost.made.lets_in()


def test_crowdsecs_decisions(gatepost: Live) -> None:
    rows = [
        "id,source,ip,reason,action,country,as,events_count,expiration,simulated,alert_id",
        "1,crowdsec,Ip:203.0.113.7,crowdsecurity/dovecot-spam,ban,CN,4134 Chinanet,7,3h59m50.9s,false,3",
        "2,cscli,Range:203.0.114.0/24,manual,ban,,,1,167h0m0s,false,4",
        "3,cscli,Country:XX,manual,ban,,,1,1h,false,5",
        "4,cscli,Ip:203.0.113.9,manual,captcha,,,1,1h,false,6",
    ]
    text = "\n".join(rows).encode()
    ran = gatepost("import", "list", "-", "--for", "4h", stdin=text)
    assert (ran.code, ran.out) == (0, "imported 2 new, 0 replaced\n")
    assert [line.partition(": a ")[0] for line in ran.err.splitlines()] == ["-: left out: line 4", "-: left out: line 5"]
    held = {each["subject"]: each for each in gatepost("blocks", "list", "--json").json}
    assert held.keys() == {ATTACKER, "203.0.114.0/24"}
    assert held["203.0.114.0/24"]["until"] - held[ATTACKER]["until"] > 163 * 3_600_000_000 - 60_000_000
    assert held[ATTACKER]["reason"] == "CrowdSec: crowdsecurity/dovecot-spam"
    found = gatepost("import", "list", "-", "--deny", "--json", stdin=text).json
    assert (found["added"], len(found["left_out"])) == (2, 2)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--deny", "--for", "1h"), "--for: blocks end, entries of the deny list stay"),
        ((), "list: say whether these are allowed or denied"),
        (("--for", "soon"), "for: 'soon' is no length of time"),
    ],
)
def test_bad_usage_of_list(gatepost: Live, args: tuple[str, ...], said: str) -> None:
    refused(gatepost("import", "list", "-", *args, stdin=b"203.0.113.7\n"), said)
