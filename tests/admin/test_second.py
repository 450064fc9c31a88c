"""The second factor: the RFC's own vectors, and codes that are good once."""

import base64

import pytest

from gatepost.admin.second import STEP, code_at, new_secret, step_of, uri_of
from gatepost.core.spans import SECOND

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_the_vectors_of_rfc_6238(at: int, code: str) -> None:
    assert code_at(SECRET, at * SECOND // STEP) == code
    assert step_of(SECRET, f"{code[:3]} {code[3:]}", at * SECOND) == at // 30


def test_a_code_is_good_in_its_step_and_the_ones_beside_it_and_once() -> None:
    at = 1_800_000_000 * SECOND
    step = at // STEP
    assert [bool(step_of(SECRET, code_at(SECRET, step + shift), at)) for shift in (-2, -1, 0, 1, 2)] == [False, True, True, True, False]
    assert step_of(SECRET, code_at(SECRET, step), at, after=step) == 0
    assert step_of(SECRET, code_at(SECRET, step + 1), at, after=step) == step + 1


@pytest.mark.parametrize("code", ["", "000000", "12345", "x" * 10_000, "\u0660" * 6, "\udcff"])
def test_what_is_no_code(code: str) -> None:
    assert step_of(SECRET, code, 59 * SECOND) == 0


def test_secrets_differ_and_have_160_bits() -> None:
    assert len({new_secret() for _ in range(50)}) == 50
    assert len(base64.b32decode(new_secret())) == 20
    assert uri_of(SECRET, "anna@example.org", "mx") == f"otpauth://totp/Gatepost%20mx%3Aanna%40example.org?secret={SECRET}&issuer=Gatepost+mx"
    with pytest.raises(ValueError, match="no secret in base32"):
        code_at("no secret", 1)
