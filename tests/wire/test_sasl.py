"""Who logs in, by mechanism."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.sasl import Sasl, decoded
from tests.wire.taps import b64


@pytest.mark.parametrize(
    ("mechanism", "responses", "account", "secret"),
    [
        ("PLAIN", ["admin\0bob\0pw"], "bob", b"pw"),
        ("LOGIN", ["bob", "pw"], "bob", b"pw"),
        ("CRAM-MD5", ["bob smith 0123abc"], "bob smith", b""),
        ("SCRAM-SHA-256", ["n,,n=bo=2Cb,r=abc"], "bo,b", b""),
        ("SCRAM-SHA-1", ["y,a=x,n=bob,r=abc"], "bob", b""),
        ("SCRAM-SHA-256-PLUS", ["p=tls-exporter,,n=bob,r=abc"], "bob", b""),
        ("XOAUTH2", ["user=bob@example.org\x01auth=Bearer tok\x01\x01"], "bob@example.org", b"tok"),
        ("OAUTHBEARER", ["n,a=bob@example.org,\x01host=h\x01auth=Bearer tok\x01\x01"], "bob@example.org", b"tok"),
        ("GSSAPI", ["anything"], "", b""),
    ],
)
def test_who(mechanism: str, responses: list[str], account: str, secret: bytes) -> None:
    sasl = Sasl(mechanism.lower().encode())
    assert [sasl.take(b64(each)) for each in responses] == [False] * (len(responses) - 1) + [True]
    assert (sasl.account, sasl.secret) == (account, secret)
    assert not sasl.take(b64("more"))


@given(st.binary(max_size=100), st.sampled_from(["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "OAUTHBEARER", "X"]))
def test_garbage_never_raises(data: bytes, mechanism: str) -> None:
    sasl = Sasl(mechanism.encode())
    for _ in range(3):
        sasl.take(data)


def test_an_empty_response() -> None:
    assert [decoded(each) for each in (b"=", b"", b"\r\n", b"YQ==\r\n", b"YQ", b"\xff")] == [b"", b"", b"", b"a", b"a", b""]
