"""The reader: lines to facts, whatever the lines; what it counts; and going on after a restart."""

import json
import pickle
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.core.facts import Fact
from gatepost.wire.maillog import reader as module
from gatepost.wire.maillog.reader import Reader
from tests.wire.maillog.lines import LATEST, NOON, reader, short, syslog, told

A = "host.example[192.0.2.7]"


def test_each_fact_comes_with_the_number_of_its_line() -> None:
    lines = ["", *syslog(f"connect from {A}"), "noise", *syslog(f"disconnect from {A} commands=0/0")]
    found = reader().read(lines, 100)
    assert [(number, type(fact).__name__) for number, fact in found] == [(101, "Connected"), (103, "SessionEnded")]
    assert {fact.at for _, fact in found} == {NOON}
    assert {fact.host for _, fact in found} == {"mx"}


def test_all_forms_in_one_file() -> None:
    journal = {"__REALTIME_TIMESTAMP": str(NOON), "_HOSTNAME": "mx", "SYSLOG_IDENTIFIER": "postfix/smtpd", "_PID": "10"}
    journal["MESSAGE"] = f"connect from {A}"
    lines = [
        f"Nov 24 12:00:00 mx postfix/smtpd[10]: connect from {A}",
        f"2026-11-24T12:00:00.000000+00:00 mx postfix/smtpd[10]: connect from {A}",
        f"<22>Nov 24 12:00:00 mx postfix/smtpd[10]: connect from {A}",
        f"<22>1 2026-11-24T12:00:00Z mx postfix/smtpd 10 - - connect from {A}",
        json.dumps(journal),
    ] * 3
    found = told(lines)
    assert len(found) == 15
    assert len(set(map(repr, found))) == 1


def test_a_line_without_time_counts_as_written_last() -> None:
    assert [fact.at for fact in told([f"postfix/smtpd[10]: connect from {A}"])] == [LATEST]


def test_a_named_daemon_reads_lines_without_tag() -> None:
    found = reader(daemon="postfix").read([f"connect from {A}", f"Nov 24 12:00:00 mx connect from {A}"], 1)
    assert [fact.at for _, fact in found] == [LATEST, NOON]


def test_the_end_moves_on() -> None:
    one = reader()
    one.latest = LATEST + 5
    assert [fact.at for _, fact in one.read([f"postfix/smtpd[10]: connect from {A}"], 1)] == [LATEST + 5]


def test_folded_lines_happened_that_often() -> None:
    warning = f"warning: {A}: SASL LOGIN authentication failed: UGFzc3dvcmQ6"
    assert len(told(syslog(warning, f"message repeated 4 times: [ {warning}]"))) == 5
    assert len(told(syslog(f"message repeated 999999999 times: [ {warning}]"))) == module.REPEATS
    one = reader()
    assert one.read(syslog(f"message repeated 2 times: [ lost connection after EHLO from {A}]", "message repeated 2 times: [ whatever"), 1) == []
    assert (one.coverage.mail_lines, one.coverage.understood) == (2, 1)


def test_last_message_repeated() -> None:
    warning = syslog(f"warning: {A}: SASL LOGIN authentication failed: UGFzc3dvcmQ6")
    again = ["Nov 24 12:00:09 mx last message repeated 2 times"]
    found = told([*warning, *again])
    assert [fact.at - NOON for fact in found] == [0, 9_000_000, 9_000_000]
    one = reader()
    assert len(one.read(warning, 1)) == 1
    assert len(one.read(again, 2)) == 2, "over the border of two batches"
    assert told(["Nov 24 12:00:00 mx sshd[1]: x", *again]) == []
    assert len(told([*warning, "Nov 24 12:00:09 other last message repeated 2 times"])) == 1
    assert told(again) == []


def test_what_was_not_understood_is_counted_by_shape() -> None:
    one = reader()
    one.read([*syslog("odd thing 17 x[192.0.2.7]", "odd thing 18 y[192.0.2.7]"), "Nov 24 12:00:00 mx sshd[1]: Failed password", "binary\x00"], 1)
    seen = one.coverage
    assert (seen.lines, seen.mail_lines, seen.understood) == (4, 2, 0)
    assert seen.shapes == {"postfix/smtpd odd thing * *": 2}
    one.read(syslog(*(chr(97 + n // 26) + chr(97 + n % 26) + " odd" for n in range(600))), 5)
    assert len(one.coverage.shapes) == module.SHAPES


def test_a_line_that_is_too_long_is_counted_and_not_read() -> None:
    one = reader()
    start = syslog(f"warning: {A}: SASL PLAIN authentication failed: x, sasl_username=")[0]
    assert one.read([start + "x" * module.LONGEST, start + "x" * 100_000_000], 1) == []
    assert one.coverage.cut == 2
    assert len(one.read([start + "x" * 1000], 3)) == 1


def test_a_line_that_is_too_long_is_not_unfolded_either() -> None:
    one = reader()
    cut = syslog(f"warning: {A}: SASL PLAIN authentication failed: x, sasl_username=" + "x" * module.LONGEST)
    assert one.read([*cut, "Nov 24 12:00:09 mx last message repeated 2 times"], 1) == []
    assert one.read(cut, 3) == one.read(["Nov 24 12:00:09 mx last message repeated 2 times"], 4) == []


def test_each_further_process_of_a_foreign_program_is_passed_over() -> None:
    one = reader()
    assert one.read([f"Nov 24 12:00:0{n} mx sshd[{n}]: Failed password" for n in range(4)], 1) == []
    assert (one.coverage.lines, one.coverage.mail_lines) == (4, 0)
    assert one.newest == NOON + 3_000_000, "its stamps count"
    assert len(one._origins) == 1, "only the first was framed"
    assert one.read(["Nov 99 12:00:09 mx sshd[5]: x", "Nov 24 12:00:09 mx sshd[x]: y", "Nov 24 12:00:09 mx sshd[5: z"], 5) == []
    assert (one.coverage.lines, one.coverage.mail_lines, one.newest) == (7, 0, NOON + 3_000_000), "no stamp, or no process id"
    assert len(one.read([f"Nov 24 12:00:09 mx postfix/smtpd[6]: connect from {A}"], 8)) == 1


def test_foreign_programs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMO", 3)
    one = reader()
    assert one.read([f"Nov 24 12:00:00 mx cron{n}[{n}]: x" for n in range(10)], 1) == []
    assert len(one._foreign) <= 3


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROCESSES", 50)
    monkeypatch.setattr(module, "HOSTS", 20)
    one = reader()
    for n in range(500):
        one.read([f"Nov 24 12:00:00 mx{n} postfix/smtpd[{n}]: connect from {A}"], n)
    assert len(one._processes) <= 100
    assert len(one._origins) <= 100
    assert len(one._hosts) <= 40


STORY = [
    *syslog(f"connect from {A}", tag="postfix/submission/smtpd"),
    *syslog("connect from proxy[198.51.100.1]", "disconnect from true[192.0.2.8] commands=0/0", "connect from proxy[198.51.100.1]", pid=11),
    *syslog(f"4bX1: client={A}, sasl_method=PLAIN, sasl_username=bob", tag="postfix/submission/smtpd"),
    *syslog("CONNECT from [192.0.2.9]:99 to [198.51.100.1]:25", "PASS NEW [192.0.2.9]:99", tag="postfix/postscreen", pid=12),
    *syslog("DISCONNECT [192.0.2.9]:99", tag="postfix/postscreen", pid=12),
    *syslog("4bX1: from=<bob@x>, size=10, nrcpt=1 (queue active)", tag="postfix/qmgr", pid=13),
    *syslog("4bX1: from=<bob@x>, size=10, nrcpt=1 (queue active)", "4bX1: removed", tag="postfix/qmgr", pid=13),
    *syslog(f"4bX2: client={A}, sasl_method=PLAIN, sasl_username=bob", tag="postfix/submission/smtpd"),
    *syslog("4bX2: from=<bob@x>, size=10, nrcpt=1 (queue active)", tag="postfix/qmgr", pid=13),
    *syslog(f"disconnect from {A} ehlo=1 auth=1 mail=2 rcpt=2 bdat=2 quit=1 commands=8", tag="postfix/submission/smtpd"),
    *syslog("connect from b[192.0.2.10]", "NOQUEUE: reject: MAIL from b[192.0.2.10]: 452 4.3.1 Insufficient system storage; proto=SMTP", pid=14),
    *syslog("4bX2: to=<c@d>, relay=none, dsn=5.1.1, status=bounced (no)", tag="postfix/smtp", pid=15),
    *syslog("disconnect from b[192.0.2.10] mail=0/1 commands=0/1", pid=14),
    *syslog("CONNECT from [192.0.2.9]:98", "connect from c[192.0.2.11]", "DISCONNECT [192.0.2.9]:98", tag="postfix", pid=16),
    "Nov 24 12:00:09 mx last message repeated 2 times",
    *syslog("disconnect from proxy[198.51.100.1] commands=0/0", pid=11),
]


def test_the_story_tells_what_it_should() -> None:
    assert short(told(STORY)) == [
        "Connected 192.0.2.7",
        "Connected 198.51.100.1",
        "Connected 192.0.2.8",
        "SessionEnded 192.0.2.8",
        "Connected 198.51.100.1 evidence",
        "AuthSucceeded 192.0.2.7",
        "Connected 192.0.2.9",
        "MessageAccepted 192.0.2.7",
        "MessageAccepted 192.0.2.7",
        "SessionEnded 192.0.2.7",
        "Connected 192.0.2.10",
        "Rejected 192.0.2.10 evidence",
        "MessageBounced 192.0.2.7",
        "SessionEnded 192.0.2.10",
        "Connected 192.0.2.11",
        "SessionEnded 198.51.100.1 evidence",
    ]


@pytest.mark.parametrize("cut", range(len(STORY) + 1))
def test_a_restart_anywhere_changes_nothing(cut: int) -> None:
    first, second = reader(), reader()
    facts: list[tuple[int, Fact]] = first.read(STORY[:cut], 1)
    second.load(first.dump())
    facts += second.read(STORY[cut:], cut + 1)
    whole = reader()
    assert facts == whole.read(STORY, 1)
    assert second.coverage == whole.coverage
    again = reader()
    again.load(second.dump())
    assert again.dump() == second.dump()


def test_loading_what_is_no_dump_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"msgpack|Expected"):
        reader().load(pickle.dumps({}))


FRONTS = [
    "",
    "Nov 24 12:00:00 mx postfix/smtpd[10]: ",
    "Nov 24 12:00:00 mx postfix[10]: ",
    "2026-11-24T12:00:00Z mx postfix/postscreen[1]: ",
    "<22>1 - mx postfix 1 - - ",
    "{",
]
STARTS = [
    "",
    "warning: ",
    "NOQUEUE: ",
    "NOQUEUE: reject: ",
    "4bX1: ",
    "4bX1: client=",
    "connect from ",
    "disconnect from ",
    "message repeated 2 times: [ ",
    "last ",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(FRONTS), st.sampled_from(STARTS), st.text(max_size=80)).map("".join), max_size=6))
def test_no_text_raises(lines: list[str]) -> None:
    one = reader()
    one.read(lines, 1)
    other = reader()
    other.load(one.dump())
    seen = one.coverage
    assert seen.lines == len(lines)
    assert 0 <= seen.understood <= seen.mail_lines <= seen.lines


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    Reader(timezone=UTC, latest=LATEST).read(data.decode("utf-8", "replace").split("\n"), 1)
