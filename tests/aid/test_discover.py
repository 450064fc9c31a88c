"""What runs on a host is found: from what programs answer, from configuration, and from what lies around."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.aid.discover import Discovery, Findings, LogSource, Network, ask, dovecot_conf, main_cf
from gatepost.aid.discover_network import gateways_ipv4, gateways_ipv6, networks, own_ipv4, own_ipv6
from gatepost.aid.discover_syslog import rsyslog, syslog_ng

DEBIAN = """\
module(load="imuxsock") # provides support for local system logging
$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat
$IncludeConfig /etc/rsyslog.d/*.conf
*.*;auth,authpriv.none\t\t-/var/log/syslog
cron.*\t\t\t\t-/var/log/cron.log
mail.*\t\t\t\t-/var/log/mail.log
mail.err\t\t\t/var/log/mail.err
mail.info\t\t\t-/var/log/mail.info
*.emerg\t\t\t\t:omusrmsg:*
"""
RED_HAT = """\
include(file="/etc/rsyslog.d/*.conf" mode="optional")
*.info;mail.none;authpriv.none;cron.none                /var/log/messages
mail.*                                                  -/var/log/maillog
"""
SYSLOG_NG = """\
source s_src { system(); internal(); };
destination d_mail { file("/var/log/mail.log"); };
destination d_mailerr { file("/var/log/mail.err"); };
filter f_mail { facility(mail) and not filter(f_debug); };
filter f_mail2 { facility(mail); };
filter f_err { level(err .. emerg); };
log { source(s_src); filter(f_mail2); filter(f_err); destination(d_mailerr); };
log {
  source(s_src); filter(f_mail2); destination(d_mail);
};
"""
FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.3
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
Local:
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 999.0.2.2
        /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000000000000000001 02 40 20 80     eth0
20010db8000000000000000000000007 02 40 00 80     eth0
rubbish
"""
ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\tFFFFFF00\t0\t0\t0
eth0\tzz
"""
NONE = "0" * 32
IPV6_ROUTE = f"""\
{NONE} 00 {NONE} 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003 eth0
fe800000000000000000000000000000 40 {NONE} 00 {NONE} 00000100 00000001 00000000 00000001 eth0
"""


def look(root: Path, files: Mapping[str, str], answers: Mapping[str, str] | None = None) -> Findings:
    """What is found on a host with these files and programs."""
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    told = answers or {}
    return Discovery(str(root), lambda command: told.get(command[0])).look()


def test_debian_with_postfix_and_dovecot(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        {"/etc/rsyslog.conf": DEBIAN, "/var/log/mail.log": "", "/var/log/mail.info": "", "/var/log/syslog": "", "/proc/net/route": ROUTE},
        {"postconf": "\n127.0.0.0/8 [::1]/128 192.0.2.0/24\n", "doveconf": "syslog\n\n2001:db8::/32\n"},
    )
    assert [(log.path, log.daemons, log.daemon) for log in found.logs] == [("/var/log/mail.log", ("postfix", "dovecot"), "")]
    assert "/etc/rsyslog.conf:6" in found.logs[0].why
    assert "left out" in found.logs[0].why
    assert [net.prefix for net in found.trusted] == ["192.0.2.0/24", "2001:db8::/32"]
    assert found.gateways == ("192.0.2.1",)
    assert found.troubles == ()
    for said in ("/var/log/mail.log", "mynetworks of Postfix", "gateways: 192.0.2.1"):
        assert said in str(found)


def test_daemons_with_files_of_their_own(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        {"/etc/rsyslog.conf": DEBIAN},
        {
            "postconf": "/var/log/postfix.log\n\n",
            "doveconf": "/var/log/dovecot.log\n/var/log/dovecot-info.log\n\n",
            "exim4": "log_file_path = /var/log/exim4/%slog\n",
        },
    )
    assert [(log.path, log.daemons, log.daemon) for log in found.logs] == [
        ("/var/log/postfix.log", ("postfix",), ""),
        ("/var/log/dovecot-info.log", ("dovecot",), "dovecot"),
        ("/var/log/exim4/mainlog", ("exim",), "exim"),
    ]


def test_two_daemons_with_one_file_share_a_source(tmp_path: Path) -> None:
    found = look(tmp_path, {"/etc/rsyslog.conf": DEBIAN}, {"postconf": "\n\n", "doveconf": "/var/log/mail.log\n\n\n"})
    assert [(log.path, log.daemons, log.daemon) for log in found.logs] == [("/var/log/mail.log", ("dovecot", "postfix"), "")]


def test_without_programs_the_files_tell(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        {
            "/etc/postfix/main.cf": "# mail\nmynetworks = 127.0.0.0/8\n  192.0.2.0/25 $more hash:/etc/postfix/nets\nmore = 198.51.100.1\n",
            "/etc/dovecot/dovecot.conf": "protocols = imap\nservice x {\n  log_path = /wrong\n}\n",
            "/etc/dovecot/conf.d/10-logging.conf": "#log_path = syslog\nlog_path = /var/log/dovecot.log # here\n",
            "/var/log/exim4/mainlog": "",
            "/etc/rsyslog.conf": RED_HAT,
        },
    )
    assert [daemon.name for daemon in found.daemons] == ["postfix", "dovecot", "exim"]
    assert [log.path for log in found.logs] == ["/var/log/dovecot.log", "/var/log/exim4/mainlog", "/var/log/maillog"]
    assert [net.prefix for net in found.trusted] == ["192.0.2.0/25", "198.51.100.1/32"]
    assert "hash:/etc/postfix/nets" in found.troubles[0].said


@pytest.mark.parametrize(
    ("setting", "file", "troubles"),
    [
        ("log_file_path = ", "/var/log/exim4/mainlog", 0),
        ("log_file_path = syslog", "syslog", 0),
        ("log_file_path = syslog : /var/log/exim/%s.log", "/var/log/exim/main.log", 0),
        ("log_file_path = /var/log/exim/%slog-%D", "", 1),
        ("log_file_path = syslog:/var/log/exim/%slog-%D", "syslog", 1),
    ],
)
def test_where_exim_logs_to(tmp_path: Path, setting: str, file: str, troubles: int) -> None:
    found = look(tmp_path, {"/etc/rsyslog.conf": DEBIAN}, {"exim": setting})
    assert found.daemons[0].logs_to == file
    assert len(found.troubles) == troubles


def test_the_journal_only(tmp_path: Path) -> None:
    answers = {"postconf": "\n\n", "doveconf": "\n\n\n"}
    found = look(tmp_path, {"/run/systemd/journal/socket": ""}, answers | {"journalctl": "systemd 252\n"})
    assert (found.logs, found.troubles) == ((), ())
    assert found.journal is not None
    assert found.journal.daemons == ("postfix", "dovecot")
    assert "journal (postfix, dovecot)" in str(found)


def test_a_journal_without_journalctl(tmp_path: Path) -> None:
    found = look(tmp_path, {"/run/systemd/journal/socket": ""}, {"postconf": "\n\n", "doveconf": "\n\n\n"})
    assert found.logs == ()
    assert found.journal is None
    assert "journal only" in found.troubles[0].said
    assert "maillog_file" in found.troubles[0].cure


def test_a_leftover_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "var/log").mkdir(parents=True)
    log = tmp_path / "var/log/mail.log"
    log.write_text("old\n")
    long_ago = time.time() - 30 * 86_400
    os.utime(log, (long_ago, long_ago))
    found = look(tmp_path, {}, {"postconf": "\n\n"})
    assert found.logs == ()
    assert any("not written to" in trouble.said for trouble in found.troubles)
    os.utime(log)
    assert [log.path for log in look(tmp_path, {}, {"postconf": "\n\n"}).logs] == ["/var/log/mail.log"]


def test_no_daemon_but_a_log(tmp_path: Path) -> None:
    found = look(tmp_path, {"/etc/rsyslog.conf": DEBIAN, "/var/log/mail.log": ""})
    assert [(log.path, log.daemons) for log in found.logs] == [("/var/log/mail.log", ())]


def test_an_empty_host(tmp_path: Path) -> None:
    assert look(tmp_path, {}) == Findings((), (), (), (), (), ())


def test_containers_log_to_standard_output(tmp_path: Path) -> None:
    found = look(tmp_path, {}, {"postconf": "/dev/stdout\n\n", "doveconf": "/dev/stderr\n\n\n"})
    assert found.logs == ()
    assert [trouble.cure for trouble in found.troubles] == [
        "set its maillog_file to a file, or leave it empty for syslog",
        "set its log_path to syslog or to a file",
    ]


def test_own_addresses_and_gateways() -> None:
    assert own_ipv4(FIB_TRIE) == ("192.0.2.2",)
    assert own_ipv6(IF_INET6) == ("2001:db8::7",)
    assert gateways_ipv4(ROUTE) == ("192.0.2.1",)
    assert gateways_ipv6(IPV6_ROUTE) == ("2001:db8::1",)


def test_networks_and_what_is_none() -> None:
    assert networks("127.0.0.0/8, [::1]/128 [2001:db8::]/32 192.0.2.77/24 !192.0.2.1 hash:/x") == (
        ("2001:db8::/32", "192.0.2.0/24"),
        ("!192.0.2.1", "hash:/x"),
    )


def files(texts: Mapping[str, str]) -> tuple[Callable[[str], str], Callable[[str], list[str]]]:
    """How a reader of configuration sees files."""
    return lambda path: texts.get(path, ""), lambda pattern: [path for path in texts if path.startswith(pattern.partition("*")[0])]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("mail.* -/var/log/mail.log", "/var/log/mail.log"),
        ("mail.info /var/log/mail.log;RSYSLOG_FileFormat", "/var/log/mail.log"),
        ("mail.=info /var/log/mail.log", "/var/log/mail.log"),
        ("mail,news.* /var/log/mail.log", "/var/log/mail.log"),
        ("*.*;mail.none /var/log/messages", ""),
        ("*.info;auth.none /var/log/messages", "/var/log/messages"),
        ("mail.err /var/log/mail.err", ""),
        ("mail.warning /var/log/mail.warn", ""),
        ("mail.* @@192.0.2.1:514", ""),
        ("mail.* ?Dynamic", ""),
        ("mail.* ~", ""),
        ("*.* /dev/console", ""),
        ('mail.* action(type="omfile" dirCreateMode="0700" file="/var/log/maillog")', "/var/log/maillog"),
        ("if $syslogfacility-text == 'mail' then /var/log/mail.log", "/var/log/mail.log"),
        ('if ($syslogfacility-text == "mail") then { action(type="omfile" file="/var/log/m") stop }', "/var/log/m"),
        ("# mail.* /var/log/mail.log", ""),
    ],
)
def test_lines_of_rsyslog(line: str, path: str) -> None:
    assert [written.path for written in rsyslog("/c", *files({"/c": line}))] == ([path] if path else [])


def test_rsyslog_includes() -> None:
    texts = {"/c": "$IncludeConfig /d/*\nmail.* /var/log/late", "/d/a": "mail.* /var/log/early", "/d/b": 'include(file="/c")'}
    assert [(each.path, each.where) for each in rsyslog("/c", *files(texts))] == [("/var/log/early", "/d/a:1"), ("/var/log/late", "/c:2")]


def test_syslog_ng() -> None:
    found = syslog_ng("/c", SYSLOG_NG)
    assert [(each.path, each.where) for each in found] == [("/var/log/mail.log", "/c:8")]


def test_main_cf() -> None:
    assert main_cf("a = 1\n b\n#c = 2\n\nd=$a ${a}\n x") == {"a": "1 b", "d": "1 b 1 b x"}


def test_dovecot_conf() -> None:
    assert dovecot_conf('a = "1"\nb {\n a = 2\n}\n}\nc = 3 # four') == {"a": "1", "c": "3"}


def test_what_is_printed_obeys_no_terminal() -> None:
    found = Findings((), (LogSource("/x\x1b[2J", (), "", "y\nz"),), (), (), (Network("a", "b\x07"),), ())
    assert not set("\x1b\x07") & set(str(found))
    assert len(str(found).split("\n")) == 4


HOSTILE = st.text(st.sampled_from("mail.*;=!/{}()$\"' \t\n-facilityfilterdestinationlog|0123456789abcdef:,[]"), max_size=400)


@given(HOSTILE)
def test_no_text_is_an_error(text: str) -> None:
    for reads in (own_ipv4, own_ipv6, gateways_ipv4, gateways_ipv6, networks, main_cf, dovecot_conf, lambda text: syslog_ng("/c", text)):
        reads(text)
    rsyslog("/c", *files({"/c": text}))


@pytest.mark.parametrize("text", ["filter {" * 30_000, "mail.*" * 100_000, "(" * 500_000, "$" * 500_000, "a = $a$a$a\n" * 20_000])
def test_hostile_text_takes_no_long_time(text: str) -> None:
    test_no_text_is_an_error.hypothesis.inner_test(text)  # type: ignore[attr-defined]


def test_a_program_that_hangs_or_is_missing_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatepost.aid.discover.SECONDS", 0.1)
    assert ask(["no-such-program-anywhere"]) is None
    assert ask(["sleep", "60"]) is None
    assert ask(["false"]) is None
    assert ask(["echo", "yes"]) == "yes\n"


def test_this_host() -> None:
    """Whatever runs here: it ends, and can be printed."""
    commands: list[Sequence[str]] = []

    def asked(command: Sequence[str]) -> str | None:
        commands.append(command)
        return ask(command)

    assert str(Discovery(ask=asked).look())
    assert commands
