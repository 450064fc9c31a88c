"""What is given wrongly, whichever command it is given to: one line that names the place and the cure, exit code 2."""

import gzip
import lzma
import os
import sys
from pathlib import Path

import pytest
import zstandard

from tests.cli.command import SAMPLE, connects, refused, run

COMMANDS = ["parse", "replay"]
RULE = '[[rule]]\nname = "x"\ncounts = "connected"\nthreshold = 5\nwindow = "5m"\nfor = "5m"\n'


@pytest.mark.parametrize("command", COMMANDS)
class TestLogs:
    """Files that are no logs."""

    def test_a_missing_file(self, command: str) -> None:
        refused(run(command, "/nonexistent/mail.log"), "/nonexistent/mail.log: cannot be read: No such file or directory")

    def test_one_missing_file_among_good_ones(self, command: str) -> None:
        refused(run(command, SAMPLE, "/nonexistent/mail.log"), "/nonexistent/mail.log: cannot be read")

    def test_a_directory(self, command: str, tmp_path: Path) -> None:
        refused(run(command, tmp_path), str(tmp_path), "is a directory; name the log files in it")

    def test_a_binary_file(self, command: str) -> None:
        refused(run(command, sys.executable), "is a binary file, not a log")

    @pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress], ids=["gz", "xz", "zst"])
    @pytest.mark.parametrize("more", [[], [str(SAMPLE)]], ids=["alone", "with another"])
    def test_a_file_that_is_cut_short(self, command: str, tmp_path: Path, pack: "type[bytes]", more: list[str]) -> None:
        (tmp_path / "mail.log.1").write_bytes(pack(SAMPLE.read_bytes() * 3)[:-1_000])
        refused(
            run(command, "mail.log.1", *more, where=tmp_path), "gatepost: mail.log.1: its compressed data is damaged or cut short", "fetch it anew"
        )

    def test_standard_input_mixed_with_files(self, command: str) -> None:
        refused(run(command, "-", SAMPLE), "-: standard input cannot be brought into one order with files; name one or the other")

    def test_no_mail_line(self, command: str, tmp_path: Path) -> None:
        (tmp_path / "log").write_text("Nov 24 10:00:00 mx cron[1]: hello\nnonsense\n")
        ran = run(command, tmp_path / "log")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.endswith(
            "2 lines, none of them from a mail server that Gatepost knows (Postfix, Dovecot, Exim); --daemon names it where lines do not.\n"
        )

    def test_an_empty_file(self, command: str, tmp_path: Path) -> None:
        (tmp_path / "log").write_bytes(b"")
        ran = run(command, tmp_path / "log")
        assert (ran.code, ran.out) == (1, "")
        assert "0 lines, none of them from a mail server" in ran.err

    @pytest.mark.parametrize(
        ("option", "value", "words"),
        [
            ("--timezone", "Nowhere", ["--timezone: 'Nowhere' is no time zone", "Europe/Berlin", "+02:00"]),
            ("--timezone", "+99:00", ["--timezone: '+99:00' is no offset; write it like +02:00"]),
            ("--daemon", "nix", ["--daemon: 'nix' is not known; write postfix/smtpd, dovecot or exim"]),
            ("--config", "/nonexistent.toml", ["/nonexistent.toml: cannot be read: No such file"]),
        ],
    )
    def test_a_wrong_option(self, command: str, option: str, value: str, words: list[str]) -> None:
        refused(run(command, option, value, SAMPLE), *words)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[acounts]\n", ["c.toml:1: acounts: unknown field; did you mean accounts?"]),
            ('# ours\n[accounts]\ndefault_domian = "x"\n', ["c.toml:3: accounts.default_domian: unknown field; did you mean default_domain?"]),
            ("[accounts]\n\ndefault_domain = 5\n", ["c.toml:3: accounts.default_domain: 5 is not allowed; a text in quotes"]),
            ("accounts = 5\n", ["c.toml:1: accounts: 5 is not allowed; a table with default_domain"]),
            ("[accounts.domains]\nCORP = 5\n", ["c.toml:1: accounts.domains: {'CORP': 5} is not allowed; a table"]),
            ('[logs]\ntimezone = "Nowhere"\n', ["c.toml:2: logs.timezone: 'Nowhere' is no time zone"]),
            ('[logs]\ndaemon = "nix"\n', ["c.toml:2: logs.daemon: 'nix' is not known; write postfix/smtpd"]),
            ("[logs\n", ["c.toml:1: this is no TOML"]),
            (b"# caf\xe9\n", ["c.toml: is no UTF-8 text (byte 5)"]),
        ],
    )
    def test_a_wrong_configuration(self, command: str, tmp_path: Path, text: str | bytes, words: list[str]) -> None:
        (tmp_path / "c.toml").write_bytes(text.encode() if isinstance(text, str) else text)
        refused(run(command, "--config", "c.toml", SAMPLE, where=tmp_path), *words)


BAD_RULES = [
    (RULE.replace("threshold", "threshod"), ["r.toml:4: rule.threshod: unknown field; did you mean threshold?"]),
    (RULE.replace("= 5\n", "= 0\n"), ["r.toml:4: rule.threshold: 0 is not allowed; a whole number from 1 to 10000"]),
    (RULE.replace('window = "5m"', 'window = "5 parsecs"'), ["r.toml:5: rule.window: '5 parsecs' is no length of time; write a number and a unit"]),
    (RULE.replace('window = "5m"', "window = 5"), ["r.toml:5: rule.window: expected a length of time in quotes"]),
    (RULE + RULE, ["r.toml:8: rule.name: rule 'x' stands twice; give one of them another name"]),
    (RULE.replace("[[rule]]", "[rule]"), ["r.toml:1: rule:", "a list of tables, each written under [[rule]]"]),
    (RULE.replace('"x"', '"X y"'), ["r.toml:2: rule.name:", "Lower-case letters"]),
    (RULE.replace('"connected"', '"conected"'), ["r.toml:3: rule.counts: 'conected' is not allowed; one of"]),
    (RULE + 'where.reason = "nix"\n', ["r.toml:7: rule.where.reason: 'nix' is no reason of connected"]),
    (RULE + 'by = "account"\n', ["r.toml:7: rule.by: connections name no account"]),
    ('[[rule]]\nname = "x"\n', ["r.toml:1: rule.counts: is missing; one of"]),
    ('[[allow]]\nprefix = "192.0.2.0/33"\n', ["r.toml:2: allow.prefix: '192.0.2.0/33'", "from 0 to 32"]),
    ('[[deny]]\nprefix = "192.0.2.9-192.0.2.1"\n', ["r.toml:2: deny.prefix: the range", "from a lower to a higher"]),
    (
        '[[allow]]\nprefix = "192.0.2.1"\n[[deny]]\nprefix = "192.0.2.1"\n',
        ["r.toml:4: deny.prefix: 192.0.2.1 on smtp stands on both lists", "remove one"],
    ),
    ('[[deny]]\nprefix = "192.0.2.1"\n\n[[deny]]\nprefix = "192.0.2.1"\n', ["r.toml:5: deny.prefix: 192.0.2.1 on smtp stands twice"]),
    ('[[deny]]\nprefix = "192.0.2.1"\nrelay = true\n', ["r.toml:2: deny.relay, logins: boxes of the allow list"]),
    ('[[allow]]\nprefix = "192.0.2.1"\nexpires = 2027-01-01T00:00:00\n', ["r.toml:3: allow.expires: name its offset"]),
    ('preset = "strickt"\n', ["r.toml:1: preset: 'strickt' is not allowed; one of 'relaxed', 'standard', 'strict'"]),
    ("rule = \n", ["r.toml:1: this is no TOML"]),
    (b"# \xff\n", ["r.toml: is no UTF-8 text (byte 2)"]),
]


@pytest.mark.parametrize(("text", "words"), BAD_RULES)
def test_wrong_rules(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    (tmp_path / "r.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    refused(run("replay", "--rules", "r.toml", SAMPLE, where=tmp_path), *words)


@pytest.mark.parametrize("command", [["replay", str(SAMPLE)], ["rules", "list"], ["rules", "show", "dos"], ["rules", "export"]])
def test_a_missing_rules_file(command: list[str]) -> None:
    refused(run(*command, "--rules", "/nonexistent.toml"), "/nonexistent.toml: cannot be read: No such file or directory")


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/mail\xff.log"
    Path(os.fsdecode(path)).write_text(connects("198.51.100.77", 50))
    assert run("replay", os.fsdecode(path), "--json").json["files"] == [f"{tmp_path}/mail\\xff.log"]
    assert rf"{tmp_path}/mail\xff.log:1: " in run("replay", os.fsdecode(path)).out
