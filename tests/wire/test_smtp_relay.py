"""Which mailboxes are here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.smtp_relay import is_local, mailbox

HERE = ("example.org", ".sub.example.net")


@pytest.mark.parametrize(
    "path",
    [
        "<bob@example.org>",
        "<Bob@EXAMPLE.org.>",
        "bob@example.org",
        "<bob@a.sub.example.net>",
        "<postmaster>",
        "<bob@example.org> NOTIFY=NEVER ORCPT=rfc822;x",
    ],
)
def test_local(path: str) -> None:
    assert is_local(mailbox(f"RCPT TO:{path}\r\n".encode()), HERE)


@pytest.mark.parametrize(
    "path",
    [
        "<bob@elsewhere>",
        "<bob%elsewhere@example.org>",
        "<elsewhere!bob@example.org>",
        '<"bob@elsewhere"@example.org>',
        '<"bob"@example.org>',
        "<@example.org:bob@elsewhere>",
        "<@elsewhere:bob@example.org>",
        "<bob@elsewhere@example.org>",
        "<bob@sub.example.net>",
        "<bob@notexample.org>",
        "bob@example.org <eve@elsewhere>",
        "<bob@example.org> <eve@elsewhere>",
        "<bob@example.org>, <eve@elsewhere>",
        "<bob@example.org>(<eve@elsewhere>)",
        "<bob@example.org(x)>",
        "<bob@[192.0.2.1]>",
        "<@example.org>",
        "<>",
        "<elsewhere!bob>",
        "<bob%elsewhere>",
        "",
    ],
)
def test_not_local(path: str) -> None:
    assert not is_local(mailbox(f"RCPT TO:{path}\r\n".encode()), HERE)


@given(st.binary(max_size=200))
def test_garbage_is_not_local(data: bytes) -> None:
    assert isinstance(is_local(mailbox(b"RCPT TO:" + data), HERE), bool)
