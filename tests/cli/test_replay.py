"""`gatepost replay --json`: who would have been held, when, by which rule, because of which lines."""

import gzip
import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import SAMPLE, Ran, connects, postfix, run

RULE = '[[rule]]\nname = "{name}"\ncounts = "connected"\nthreshold = {threshold}\nwindow = "5m"\nfor = "10m"\n'
LATE = ("--year", "2026")


def held(ran: Ran) -> list[tuple[str, str, str]]:
    """Rule, protocol and subject of each decision."""
    return [(each["rule"], each["protocol"], each["subject"]) for each in ran.json["decisions"]]


def replay(folder: Path, text: str, *more: str, tz: str = "UTC") -> Ran:
    """Replays a log that says this."""
    (folder / "log").write_text(text)
    return run("replay", "--json", "log", *more, where=folder, TZ=tz)


class TestTheSample:
    """The log that the repository carries."""

    def test_names_exactly_its_attackers(self) -> None:
        assert held(run("replay", "--json", SAMPLE)) == [
            ("dos", "smtp", "198.51.100.77"),
            ("password-brute-force", "imap", "198.51.100.201"),
            ("harvesting", "smtp", "203.0.113.66"),
            ("dos", "imap", "192.0.2.10"),
            ("password-brute-force", "pop3", "2001:db8:6e:55::/64"),
            ("dos", "smtp", "2001:db8:bad:1::77"),
            ("password-brute-force", "smtp", "203.0.113.200"),
        ]

    def test_is_one_object_with_these_fields(self) -> None:
        ran = run("replay", "--json", SAMPLE)
        assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
        found = ran.json
        assert found["lines"] == len(SAMPLE.read_text().splitlines())
        assert found["facts"]["connected"] == 451
        assert all(isinstance(count, int) for count in found["facts"].values())
        assert [moment[4:] for moment in found["span"]] == ["-11-16T19:00:10Z", "-11-16T19:58:45Z"]
        assert found["elapsed_s"] >= 0
        for decision in found["decisions"]:
            assert {"rule", "protocol", "subject", "from", "until", "count", "evidence"} <= set(decision)

    def test_its_evidence_are_the_lines_that_name_the_attacker(self) -> None:
        lines = SAMPLE.read_text().split("\n")
        for decision in run("replay", "--json", SAMPLE).json["decisions"]:
            name = decision["subject"].partition("::/")[0]
            assert decision["evidence"] == sorted(set(decision["evidence"]))
            assert all(name in lines[number - 1] for number in decision["evidence"]), decision
            assert decision["evidence_in"] == {str(SAMPLE): decision["evidence"]}
            for end, number in (("first", decision["evidence"][0]), ("last", decision["evidence"][-1])):
                assert decision[end] == {"file": str(SAMPLE), "line": number, "text": lines[number - 1]}
            assert decision["from"][11:19] == decision["last"]["text"][7:15]

    def test_the_office_that_delivers_and_logs_in_is_told_to_be_a_good_one(self) -> None:
        good = [each for each in run("replay", "--json", SAMPLE).json["decisions"] if each["logins"] or each["messages"]]
        assert [(each["subject"], each["logins"], each["messages"], len(each["accounts"])) for each in good] == [("192.0.2.10", 77, 5, 24)]


class TestFiles:
    """Several files are one log."""

    def test_a_rotated_series_in_any_order(self, tmp_path: Path) -> None:
        lines = SAMPLE.read_text().splitlines(keepends=True)
        (tmp_path / "mail.log.2.gz").write_bytes(gzip.compress("".join(lines[:700]).encode()))
        (tmp_path / "mail.log.1").write_text("".join(lines[700:1300]))
        (tmp_path / "mail.log").write_text("".join(lines[1300:]))
        alone = run("replay", "--json", SAMPLE).json["decisions"]
        for given in permutations(["mail.log", "mail.log.1", "mail.log.2.gz"]):
            found = run("replay", "--json", *given, where=tmp_path).json
            assert found["lines"] == len(lines)
            for mine, theirs in zip(found["decisions"], alone, strict=True):
                assert {**mine, "evidence_in": 0, "first": 0, "last": 0} == {**theirs, "evidence_in": 0, "first": 0, "last": 0}
                self.look_at(tmp_path, mine)

    def look_at(self, folder: Path, decision: dict[str, Any]) -> None:
        """Opens the files and looks at the lines that a decision names."""
        texts = []
        for name, numbers in decision["evidence_in"].items():
            raw = (folder / name).read_bytes()
            lines = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode().split("\n")
            texts += [lines[number - 1] for number in numbers]
        assert len(texts) == len(decision["evidence"])
        assert all(decision["subject"].partition("::/")[0] in text for text in texts)
        assert (decision["first"]["text"], decision["last"]["text"]) == (texts[0], texts[-1])

    def test_a_copy_is_read_once(self, tmp_path: Path) -> None:
        lines = SAMPLE.read_text().splitlines(keepends=True)
        (tmp_path / "syslog").write_text(
            "".join(line for pair in zip(lines, lines, strict=True) for line in (pair[0], pair[1][:16] + "mx1 cron[1]: x\n"))
        )
        found = run("replay", "--json", SAMPLE, "syslog", where=tmp_path).json
        assert found["repeated_lines"] == len(lines)
        assert found["facts"] == run("replay", "--json", SAMPLE).json["facts"]

    def test_exim_writes_a_rejection_to_two_files(self, tmp_path: Path) -> None:
        rejected = "2026-11-24 10:00:0{} H=(x) [192.0.2.7] F=<a@example.net> rejected RCPT <b@example.org>: Unrouteable address\n"
        main = "".join(rejected.format(n) for n in range(5))
        (tmp_path / "mainlog").write_text(main + "2026-11-24 10:00:09 End queue run: pid=1\n")
        (tmp_path / "rejectlog").write_text("".join(rejected.format(n) + "Envelope-from: <a@example.net>\n----\n" for n in range(5)))
        found = run("replay", "--json", "mainlog", "rejectlog", where=tmp_path).json
        assert found["facts"]["rejected"] == 5
        assert found["repeated_lines"] == 5

    def test_two_identical_lines_of_one_file_count_twice(self, tmp_path: Path) -> None:
        assert held(replay(tmp_path, connects("198.51.100.7", 50))) == [("dos", "smtp", "198.51.100.7")]
        assert held(replay(tmp_path, connects("198.51.100.7", 49))) == []

    def test_what_journalctl_writes_as_json_is_read_from_a_pipe(self) -> None:
        entry = {"__REALTIME_TIMESTAMP": "1795514400000000", "_HOSTNAME": "mx", "SYSLOG_IDENTIFIER": "postfix/smtpd", "SYSLOG_PID": "7"}
        lines = "".join(json.dumps({**entry, "MESSAGE": "connect from unknown[198.51.100.7]"}) + "\n" for _ in range(50))
        found = run("replay", "--json", "-", stdin=lines.encode()).json
        assert [(each["subject"], each["from"], each["first"]["file"]) for each in found["decisions"]] == [
            ("198.51.100.7", "2026-11-24T10:00:00Z", "-")
        ]


class TestRules:
    """Which rules are in force."""

    def test_a_preset(self, tmp_path: Path) -> None:
        log = connects("198.51.100.7", 60)
        assert held(replay(tmp_path, log, "--preset", "standard")) == [("dos", "smtp", "198.51.100.7")]
        assert held(replay(tmp_path, log, "--preset", "relaxed")) == []
        assert held(replay(tmp_path, connects("198.51.100.7", 200), "--preset", "relaxed")) == [("dos", "smtp", "198.51.100.7")]

    @pytest.mark.parametrize(
        ("text", "more", "rules"),
        [
            (RULE.format(name="mine", threshold=3), [], ["mine"]),
            ('preset = "standard"\n' + RULE.format(name="mine", threshold=3) + 'mode = "observe"\n', [], ["mine", "dos"]),
            ('preset = "relaxed"\n' + RULE.format(name="mine", threshold=3) + 'mode = "observe"\n', ["--preset", "standard"], ["mine", "dos"]),
            (RULE.format(name="dos", threshold=3), ["--preset", "standard"], ["dos"]),
            ("", [], ["dos"]),
            ('[[allow]]\nprefix = "198.51.100.0/24"\n', [], []),
            ('[[allow]]\nprefix = "198.51.100.0/24"\nexpires = 2026-11-24T09:00:00Z\n', [], ["dos"]),
            ('[[deny]]\nprefix = "198.51.100.7"\n', [], []),
        ],
    )
    def test_a_file(self, tmp_path: Path, text: str, more: list[str], rules: list[str]) -> None:
        (tmp_path / "r.toml").write_text(text)
        log = "".join(connects("198.51.100.7", 1, f"Nov 24 10:0{n // 60}:{n % 60:02}") for n in range(54))
        ran = replay(tmp_path, log, "--rules", "r.toml", *LATE, *more)
        assert [rule for rule, _, _ in held(ran)] == rules

    def test_a_rule_that_observes_watches(self, tmp_path: Path) -> None:
        (tmp_path / "r.toml").write_text(RULE.format(name="eye", threshold=3) + 'mode = "observe"\n' + RULE.format(name="hand", threshold=4))
        found = replay(tmp_path, connects("198.51.100.7", 20), "--rules", "r.toml").json["decisions"]
        assert [(each["rule"], each["watched"]) for each in found] == [("eye", True), ("hand", False)]

    def test_the_brake_is_told(self, tmp_path: Path) -> None:
        login = (
            "Nov 24 09:00:00 mx dovecot: imap-login: Login: user=<u{0}@example.org>, method=PLAIN, rip=192.0.2.{0}, lip=198.51.100.1, mpid=1, TLS\n"
        )
        log = "".join(login.format(n) for n in range(1, 13)) + "".join(connects(f"192.0.2.{n}", 50) for n in range(1, 13))
        found = replay(tmp_path, log, *LATE).json
        assert found["brakes"] == [{"rule": "dos", "at": "2026-11-24T10:00:00Z", "good": 10, "held": 10}]
        assert [(each["watched"], bool(each["released"])) for each in found["decisions"]] == [(False, True)] * 10 + [(True, False)] * 2

    def test_a_repeat_offender_has_the_lines_that_held_it_as_evidence(self, tmp_path: Path) -> None:
        log = "".join(connects("198.51.100.7", 50, f"Nov 24 1{n}:00:00") for n in range(3))
        last = replay(tmp_path, log, "--preset", "strict").json["decisions"][-1]
        assert (last["rule"], last["subject"], last["evidence"]) == ("repeat-offender", "198.51.100.7", [50, 100, 150])

    def test_a_network_is_told_with_what_its_clients_did(self, tmp_path: Path) -> None:
        fails = "warning: unknown[198.51.100.{0}]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=u{0}"
        local = "Nov 24 10:00:00 mx postfix/pickup[9]: AB12CD: uid=0 from=<root>\n"
        log = local + postfix(*[fails.format(n) for n in range(1, 7) for _ in range(50)]) + connects("203.0.113.1", 1)
        network = replay(tmp_path, log, "--preset", "strict").json["decisions"][-1]
        assert (network["rule"], network["subject"]) == ("bad-neighbourhood", "198.51.100.0/24")
        assert network["tried"] == ["u1", "u2", "u3", "u4", "u5", "u6"]


class TestTimes:
    """Stamps without a year or a zone."""

    def test_the_year_turns(self, tmp_path: Path) -> None:
        log = connects("198.51.100.7", 25, "Dec 31 23:59:00") + connects("198.51.100.7", 25, "Jan  1 00:01:00")
        (decision,) = replay(tmp_path, log, "--year", "2025", "--timezone", "UTC").json["decisions"]
        assert (decision["from"], decision["until"]) == ("2026-01-01T00:01:00Z", "2026-01-01T00:06:00Z")

    @pytest.mark.parametrize(
        ("option", "tz", "start"),
        [
            (["--timezone", "Europe/Berlin"], "UTC", "2026-07-01T10:00:00Z"),
            (["--timezone", "-03:30"], "UTC", "2026-07-01T15:30:00Z"),
            ([], "Asia/Tokyo", "2026-07-01T03:00:00Z"),
        ],
    )
    def test_zones(self, tmp_path: Path, option: list[str], tz: str, start: str) -> None:
        (decision,) = replay(tmp_path, connects("198.51.100.7", 50, "Jul  1 12:00:00"), "--year", "2026", *option, tz=tz).json["decisions"]
        assert decision["from"] == start

    def test_the_span_reaches_from_the_oldest_to_the_newest_line_whatever_their_order(self, tmp_path: Path) -> None:
        log = "".join(connects("192.0.2.1", 1, f"Nov 24 10:00:{second}") for second in ("30", "10", "50", "20"))
        assert replay(tmp_path, log, *LATE).json["span"] == ["2026-11-24T10:00:10Z", "2026-11-24T10:00:50Z"]


def test_hostile_names_are_whole_in_json(tmp_path: Path) -> None:
    name = "\x1b[31m\u202e\x9b2j\x7f<b>"
    failed = (
        f"Nov 24 10:00:00 mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 50 attempts in 9 secs): user=<{name}>, method=PLAIN, "
    )
    (decision,) = replay(tmp_path, failed + "rip=198.51.100.7, lip=192.0.2.1, session=<a>\n").json["decisions"]
    assert decision["tried"] == [name]
    assert decision["first"]["text"].count(name) == 1


def test_no_decision_is_an_empty_list(tmp_path: Path) -> None:
    found = replay(tmp_path, connects("192.0.2.1", 1)).json
    assert found["decisions"] == []


def test_a_log_without_mail_is_an_object_and_exit_code_1(tmp_path: Path) -> None:
    ran = replay(tmp_path, "nonsense\n")
    assert ran.code == 1
    assert (ran.json["lines"], ran.json["mail_lines"], ran.json["span"], ran.json["decisions"]) == (1, 0, [], [])
