"""Bodies of Dovecot's auth policy: what it says, and that whatever a body holds is an `Asked` or a ValueError."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.decisions import Allow, Decision, Delay, Refuse
from gatepost.core.spans import SECOND
from gatepost.core.subjects import Subject
from gatepost.wire.dovecot_policy import TEXT, Listed, answer, failure, read, read_entry

REPORT = (  # as Dovecot 2.3.19 sends it
    b'{"device_id":"","login":"bob@example.org","protocol":"imap","pwhash":"07a0","remote":"192.0.2.50",'
    b'"session_id":"hDi9mANhQ8TAAAIy","success":false,"policy_reject":false,"tls":false}'
)


def test_a_report_as_dovecot_sends_it() -> None:
    asked = read(REPORT)
    assert (asked.login, asked.remote, asked.session_id, asked.secret) == ("bob@example.org", "192.0.2.50", "hDi9mANhQ8TAAAIy", "07a0")
    assert asked.service == ("imap", "imap")
    assert (asked.outcome, asked.reason) == ("failed", "")


@pytest.mark.parametrize(
    ("fields", "outcome", "reason"),
    [
        ({"success": True}, "succeeded", ""),
        ({"policy_reject": True}, "refused", ""),
        ({"fail_type": "policy"}, "refused", ""),
        ({"fail_type": "internal"}, "servers", ""),
        ({"fail_type": "temp"}, "servers", ""),
        ({"fail_type": "credentials"}, "failed", "password"),
        ({"fail_type": "account"}, "failed", "unknown_user"),
        ({"fail_type": "disabled"}, "failed", "disabled"),
        ({"fail_type": "expired"}, "failed", "disabled"),
        ({"fail_type": "something new"}, "failed", ""),
    ],
)
def test_how_it_ended(fields: dict[str, Any], outcome: str, reason: str) -> None:
    asked = read(json.dumps(fields).encode())
    assert (asked.outcome, asked.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("imap", ("imap", "imap")),
        ("pop3", ("pop3", "pop3")),
        ("sieve", ("sieve", "sieve")),
        ("managesieve", ("sieve", "sieve")),
        ("submission", ("smtp", "submission")),
        ("smtp", ("smtp", "smtp")),
        ("lmtp", None),
        ("doveadm", None),
        ("", None),
    ],
)
def test_services(name: str, service: tuple[str, str] | None) -> None:
    assert read(json.dumps({"protocol": name}).encode()).service == service


@pytest.mark.parametrize(
    ("mech", "secret"), [("PLAIN", "07a0"), ("LOGIN", "07a0"), ("", "07a0"), ("CRAM-MD5", ""), ("scram-sha-256", ""), ("XOAUTH2", "")]
)
def test_a_mechanism_that_shows_no_password_has_no_hash_of_it(mech: str, secret: str) -> None:
    assert read(json.dumps({"pwhash": "07a0", "mech": mech}).encode()).secret == secret


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"[]", b"null", b'{"login":5}', b'{"login":null}', b'{"success":"yes"}', b'{"login":"\\ud800"}', b'{"a":' + b"[" * 100_000, b"\xff"],
)
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read(body)


def test_a_name_that_is_no_utf8_is_read_all_the_same() -> None:
    assert read(b'{"login":"b\xffb","remote":"192.0.2.1"}').login == "b\N{REPLACEMENT CHARACTER}b"


def test_long_texts_are_cut() -> None:
    asked = read(json.dumps({"login": "a" * 100_000, "success": True}).encode())
    assert (len(asked.login), asked.success) == (TEXT, True)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(
    lambda value: json.dumps({"login": value, "remote": value, "success": value}).encode()
))  # fmt: skip
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    for reader in (read, read_entry):
        try:
            found = reader(body)
        except ValueError:
            continue
        assert all(text.encode() or True for text in (getattr(found, "login", ""), getattr(found, "remote", "")))


@given(st.text(), st.text())
def test_texts_come_out_as_they_went_in(login: str, session: str) -> None:
    body = json.dumps({"login": login, "session_id": session})
    asked = read(body.encode("utf-8", "replace") if body.isascii() else body.encode())
    assert (asked.login, asked.session_id) == (login, session)


def _decision(delay: int = 0) -> Decision:
    subject = Subject("client", "192.0.2.1")
    return Decision(number=1, rule="dos", action="delay", subject=subject, protocols=("imap",), start=0, until=1, delay=delay)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Allow(), 0),
        (Refuse("dos", decision=_decision()), -1),
        (Delay(5 * SECOND, _decision()), 5),
        (Delay(1, _decision()), 1),
        (Delay(SECOND + 1, _decision()), 2),
    ],
)
def test_answers(verdict: Allow | Refuse | Delay, status: int) -> None:
    told = json.loads(answer(verdict))
    assert told["status"] == status
    assert "dos" not in told["msg"], "the peer learns no rule"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", Listed()),
        (b'{"ip":"192.0.2.1","expire_secs":60,"reason":"x"}', Listed("192.0.2.1", "", 60, "x")),
        (b'{"netmask":"192.0.2.0/24"}', Listed("192.0.2.0/24")),
        (b'{"login":"bob","ip":"192.0.2.1"}', Listed("192.0.2.1", "bob")),
    ],
)
def test_entries(body: bytes, found: Listed) -> None:
    assert read_entry(body) == found


@pytest.mark.parametrize(
    "body",
    [b"x", b'{"ip":"192.0.2.0/24"}', b'{"ip":"1.1.1.1","netmask":"1.1.1.0/24"}', b'{"expire_secs":-1}', b'{"expire_secs":1e300}', b"[" * 100_000],
)
def test_entries_that_are_none(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_entry(body)


def test_a_failure_is_told_as_weakforced_does() -> None:
    assert json.loads(failure('no "such" \ud800 entry')) == {"status": "failure", "reason": 'no "such" ? entry'}
