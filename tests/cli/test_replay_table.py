"""The table that `gatepost replay` prints for people."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import SAMPLE, connects, environment, postfix, run

RULE = '[[rule]]\nname = "{name}"\ncounts = "{counts}"\nthreshold = {threshold}\nwindow = "5m"\nfor = "10m"\nmode = "{mode}"\n'
LOGIN = "Nov 24 10:00:00 mx dovecot: imap-login: Login: user=<{user}>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, mpid=9, TLS, session=<abc>\n"
FAILURE = "warning: unknown[198.51.100.7]: SASL LOGIN authentication failed: (reason unavailable), sasl_username={}"


def table(folder: Path, log: str, rules: str = "", columns: int = 160, *more: str) -> str:
    """What a replay prints."""
    (folder / "log").write_text(log)
    (folder / "r.toml").write_text(rules or 'preset = "standard"\n')
    ran = run("replay", "log", "--rules", "r.toml", "--year", "2026", *more, where=folder, COLUMNS=str(columns))
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def on_a_terminal(*args: str, columns: int = 100, stdout: bool = False, stderr: bool = False) -> str:
    """What a terminal receives, when it is the command's standard output, standard error, or both; the other one goes nowhere."""
    ours, theirs = pty.openpty()
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, "-m", "gatepost", *args],
        env=environment(TERM="xterm-256color", COLUMNS=str(columns)),
        stdout=theirs if stdout else nowhere,
        stderr=theirs if stderr else nowhere,
    ) as running:
        os.close(theirs)
        received = b""
        while piece := _read(ours):
            received += piece
    os.close(ours)
    assert running.returncode == 0
    return received.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # a terminal that nobody writes to any more
        return b""


def test_a_row_says_who_when_how_often_and_below_it_why(tmp_path: Path) -> None:
    log = connects("198.51.100.7", 50) + connects("198.51.100.7", 50, "Nov 24 10:10:00")
    assert table(tmp_path, log).split("\n")[:6] == [
        "Who would have been held",
        "",
        "rule  on    who           from                 until     times",
        "dos   smtp  198.51.100.7  2026-11-24 10:00:00  10:15:00  2",
        "    50 connections within 5m",
        "    log:1: Nov 24 10:00:00 mx postfix/smtpd[10]: connect from unknown[198.51.100.7]",
    ]


def test_a_hold_that_ends_on_another_day_says_which(tmp_path: Path) -> None:
    assert "2026-11-24 23:59:00  2026-11-25 00:04:00  1" in table(tmp_path, connects("198.51.100.7", 50, "Nov 24 23:59:00"))


def test_the_accounts_tried_are_named_the_most_frequent_first(tmp_path: Path) -> None:
    log = postfix(*[FAILURE.format(name) for name in ["bob", "eve", "bob", *["ann"] * 47]])
    assert "50 failed log-ins within 10m; tried ann, bob and 1 more" in table(tmp_path, log)


def test_one_of_a_kind_is_told_in_the_singular(tmp_path: Path) -> None:
    told = table(tmp_path, LOGIN.format(user="bob"), RULE.format(name="touchy", counts="connected", threshold=1, mode="enforce"))
    assert "    1 connection within 5m\n" in told
    assert "1 line, 1 of mail daemons; 100 % of these understood.\n" in told
    assert "1 held, 1 time: touchy 1.\n" in told
    assert "198.51.100.7  1 log-in as bob" in told


def test_those_who_did_well_are_told_as_probable_false_positives(tmp_path: Path) -> None:
    log = LOGIN.format(user="ann") * 3 + LOGIN.format(user="bob") * 46 + LOGIN.format(user="eve")
    told = table(tmp_path, log + connects("198.51.100.9", 50))
    behind = told.partition("Probable false positives: they logged in well or delivered mail\n")[2]
    assert behind.strip() == "198.51.100.7  50 log-ins as bob, ann and 1 more"


def test_a_rule_that_observes_has_watched_and_held_nobody(tmp_path: Path) -> None:
    told = table(tmp_path, connects("198.51.100.7", 5), RULE.format(name="eye", counts="connected", threshold=5, mode="observe"))
    assert told.startswith("Who would have been noticed\n")
    assert "eye   smtp (watched)  198.51.100.7" in told
    assert "Nobody would have been held.\n1 noticed by rules that hold nobody, 1 time: eye 1.\n" in told


def test_an_alert_and_a_delay_are_marked(tmp_path: Path) -> None:
    rules = RULE.format(name="bell", counts="connected", threshold=5, mode="enforce") + 'action = "alert"\n'
    rules += RULE.format(name="brakes", counts="connected", threshold=5, mode="enforce") + 'action = "delay"\ndelay = "7s"\nscope = "everything"\n'
    told = table(tmp_path, connects("198.51.100.7", 5), rules)
    assert "smtp (alert)" in told
    assert "all (+7s)" in told


def test_the_brake_is_told_and_whom_it_let_go(tmp_path: Path) -> None:
    log = "".join(LOGIN.format(user=f"u{n}").replace("198.51.100.7", f"198.51.100.{n}") for n in range(1, 12))
    told = table(tmp_path, log + "".join(connects(f"198.51.100.{n}", 50) for n in range(1, 12)))
    assert "The brake put dos to observe: 10 of the 10 clients that it held were good ones.\n" in told
    assert "    50 connections within 5m; let go early: " in told
    assert "10 held, 10 times: dos 10.\n1 noticed by rules that hold nobody, 1 time: dos 1.\n" in told


def test_nobody_is_held(tmp_path: Path) -> None:
    told = table(tmp_path, connects("198.51.100.7", 1))
    assert "Who would have been" not in told
    assert "Nobody would have been held.\n" in told


def test_lines_of_several_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "copy").write_text(connects("198.51.100.7", 2))
    assert "2 lines stood in several files and were read once.\n" in table(tmp_path, connects("198.51.100.7", 2), "", 160, "copy")


def test_no_more_than_200_rows(tmp_path: Path) -> None:
    log = "".join(connects(f"198.51.{n // 250}.{n % 250}", 1) for n in range(1_201))
    told = table(tmp_path, log, RULE.format(name="touchy", counts="connected", threshold=1, mode="enforce"))
    assert told.count("    1 connection within 5m\n") == 200
    assert "... and 1,001 more; --json prints them all.\n" in told
    assert "1,201 held, 1,201 times: touchy 1,201.\n" in told


@pytest.mark.parametrize("columns", [1, 20, 40, 80, 120, 200])
def test_no_line_of_the_table_is_wider_than_the_terminal(columns: int) -> None:
    ran = run("replay", "--preset", "strict", SAMPLE, COLUMNS=str(columns))
    assert ran.code == 0
    assert max(map(len, ran.out.split("\n"))) <= columns


def test_at_80_columns_every_cell_of_a_row_is_there() -> None:
    rows = run("replay", SAMPLE, COLUMNS="80").out.split("\n")
    assert rows[2].split() == ["rule", "on", "who", "from", "until", "times"]
    assert next(row for row in rows if row.startswith("password-brute-force  pop3")).split()[2:] == [
        "2001:db8:6e:55::/64",
        "11-16",
        "19:44",
        "20:14",
        "1",
    ]


def test_hostile_text_is_shown_never_obeyed(tmp_path: Path) -> None:
    for name, shown in (("[bold]x[/]\x1b[2j\x9b2j\x7f", r"[bold]x[/]\x1b[2j\x9b2j\x7f"), ("\u202e\u2066\xa0\u200b", r"\u202e\u2066\xa0\u200b")):
        told = table(tmp_path, LOGIN.format(user=name) * 50)  # `run` looks for what a terminal obeys
        assert f"user=<{shown}>" in told  # and rich would read its own markup
        assert f"50 log-ins as {shown}\n" in told


def test_characters_of_two_cells_do_not_break_the_columns(tmp_path: Path) -> None:
    rules = RULE.format(name="guessed", counts="auth_failed", threshold=1, mode="enforce") + 'by = "account"\n'
    rows = table(tmp_path, postfix(FAILURE.format("日本"), FAILURE.format("abcd")), rules).split("\n")
    assert [row for row in rows if row.startswith("guessed")] == [
        "guessed  smtp  日本  2026-11-24 10:00:00  10:10:00  1",
        "guessed  smtp  abcd  2026-11-24 10:00:00  10:10:00  1",
    ]


def test_colours_are_for_terminals_alone() -> None:
    assert "\x1b[" in on_a_terminal("replay", str(SAMPLE), stdout=True)
    assert "\x1b" not in run("replay", SAMPLE).out


def test_the_progress_bar_is_for_terminals_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(SAMPLE.read_bytes())
    assert "reading" in on_a_terminal("replay", "--json", str(log), stderr=True)
    assert "reading" not in on_a_terminal("replay", str(log), stdout=True)
    assert run("replay", log).err == ""
