"""Framing: every form gives the same parts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.maillog.framing import REPEATED, frame, readable

PARTS = ("mx", "postfix/smtpd", "10", "connect from a[192.0.2.7]")


@pytest.mark.parametrize(
    "line",
    [
        "Nov 24 12:00:00 mx postfix/smtpd[10]: connect from a[192.0.2.7]",
        "<22>Nov 24 12:00:00 mx postfix/smtpd[10]: connect from a[192.0.2.7]",
        "Nov  4 12:00:00 mx postfix/smtpd[10]: connect from a[192.0.2.7]",
        "Nov 4 12:00:00 mx postfix/smtpd[10]: connect from a[192.0.2.7]",
        "Nov 24 12:00:00   mx  postfix/smtpd[10]: connect from a[192.0.2.7]",
        "2026-11-24T12:00:00.123456+00:00 mx postfix/smtpd[10]: connect from a[192.0.2.7]",
        "2026-11-24T12:00:00Z mx postfix/smtpd[10]: connect from a[192.0.2.7]",
        "2026-11-24 12:00:00 mx postfix/smtpd[10]: connect from a[192.0.2.7]",
        "<22>1 2026-11-24T12:00:00.123456+00:00 mx postfix/smtpd 10 - - connect from a[192.0.2.7]",
        "<22>1 2026-11-24T12:00:00Z mx postfix/smtpd 10 - -  connect from a[192.0.2.7]",
        '<22>1 2026-11-24T12:00:00Z mx postfix/smtpd 10 ID [x@1 a="]\\"" b="2"][y@2] \ufeffconnect from a[192.0.2.7]',
        "<22>1 2026-11-24T12:00:00Z mx postfix/smtpd 10 - - postfix/smtpd[10]: connect from a[192.0.2.7]",
        "2026-11-24T12:00:00.123456789Z Nov 24 12:00:00 mx postfix/smtpd[10]: connect from a[192.0.2.7]",
    ],
)
def test_every_form_of_syslog_has_the_same_parts(line: str) -> None:
    found = frame(line)
    assert found is not None
    assert (found.host, found.tag, found.pid, found.message) == PARTS


def journal(**fields: object) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": "1795521600000001", "_HOSTNAME": "mx", "SYSLOG_IDENTIFIER": "postfix/smtpd", "_PID": "10", **fields})


def test_a_person_reads_what_syslog_would_have_written() -> None:
    assert (
        readable(journal(MESSAGE="connect from a[192.0.2.7]")) == "2026-11-24T12:00:00.000001+00:00 mx postfix/smtpd[10]: connect from a[192.0.2.7]"
    )
    assert readable(journal(MESSAGE="x", __REALTIME_TIMESTAMP=str((1 << 60) - 1))).startswith("9999-12-31T23:59:59.999999+00:00 mx")
    for as_it_is in ("Nov 24 12:00:00 mx postfix/smtpd[10]: x", "{", journal()):
        assert readable(as_it_is) == as_it_is


def test_journald() -> None:
    found = frame(journal(MESSAGE="connect from a[192.0.2.7]"))
    assert found is not None
    assert (found.host, found.tag, found.pid, found.message) == PARTS
    assert found.stamp == 1795521600000001
    found = frame(journal(MESSAGE=list(b"connect from \xff"), _SOURCE_REALTIME_TIMESTAMP="1795521600000000", SYSLOG_PID="11"))
    assert found is not None
    assert (found.stamp, found.pid, found.message) == (1795521600000000, "11", "connect from \ufffd")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "{}",
        "[1]",
        journal(),
        journal(MESSAGE=None),
        journal(MESSAGE=[1, 300]),
        journal(MESSAGE="x", __REALTIME_TIMESTAMP="soon"),
        journal(MESSAGE="x", __REALTIME_TIMESTAMP="9" * 5000),
        journal(MESSAGE="x", SYSLOG_IDENTIFIER="a b"),
        '{"MESSAGE": ' + "[" * 100_000,
        "<22>",
        "<22><22><22>",
        "<",
        "<22>1 - - - - - -",
        "1 2026-11-24T12:00:00Z mx",
        "",
        " ",
        ": ",
        "Nov 24 12:00:00",
        "Nov 24 12:00:00 ",
        "Nov 24 12:00:00 mx",
        "Nov 24 12:00:00 mx no tag here",
        "2026-11-24T12:00:00Z",
        "2026-13-99",
        "\x00\x1b[31m\ufffd",
    ],
)
def test_what_fits_no_form_is_nothing(line: str) -> None:
    assert frame(line) is None


def test_lines_without_host() -> None:
    found = frame("Nov 24 12:00:00 imap-login: Info: Disconnected: x")
    assert found is not None
    assert (found.host, found.tag, found.message) == ("", "imap-login", "Info: Disconnected: x")
    found = frame("postfix/smtpd[10]: connect from a[192.0.2.7]")
    assert found is not None
    assert (found.stamp, found.host, found.tag, found.pid) == ("", "", "postfix/smtpd", "10")
    found = frame("Nov 24 12:00:00 imap(bob smith)<12><abc>: Info: Logged out")
    assert found is None or found.host == ""


@pytest.mark.parametrize(
    ("line", "pid", "message"),
    [
        ("2026-11-24 12:00:00 no host name found for IP address 192.0.2.7", "", "no host name found for IP address 192.0.2.7"),
        ("2026-11-24 12:00:00 +0100 [123] SMTP connection from x", "123", "SMTP connection from x"),
        ("2026-11-24 12:00:00.123 1abc-00 <= a@b H=x (mx y[10]: z) [192.0.2.7]", "", "1abc-00 <= a@b H=x (mx y[10]: z) [192.0.2.7]"),
    ],
)
def test_exim_writes_neither_host_nor_tag(line: str, pid: str, message: str) -> None:
    found = frame(line)
    assert found is not None
    assert (found.host, found.tag, found.pid, found.message) == ("", "exim", pid, message)


def test_a_daemon_can_be_named_for_lines_without_tag() -> None:
    found = frame("connect from a[192.0.2.7]", "postfix")
    assert found is not None
    assert (found.tag, found.message) == ("postfix", "connect from a[192.0.2.7]")
    found = frame("warning: a[192.0.2.7]: SASL x", "postfix")
    assert found is not None
    assert (found.tag, found.message) == ("postfix", "warning: a[192.0.2.7]: SASL x")
    found = frame("2026-11-24 12:00:00 x", "exim4")
    assert found is not None
    assert found.tag == "exim4"


def test_repetition_of_old_syslogs() -> None:
    found = frame("Nov 24 12:00:00 mx last message repeated 3 times")
    assert found is not None
    assert found.tag == REPEATED


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    for front in ("", "<22>", "{", "Nov 24 12:00:00 ", "2026-11-24T12:00:00Z ", "2026-11-24 12:00:00 ", "<22>1 2026-11-24T12:00:00Z "):
        frame(front + text)
        frame(front + text, "postfix")


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    frame(data.decode("utf-8", "replace"))
    frame(data.decode("utf-8", "surrogateescape"))
