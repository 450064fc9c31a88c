"""Passwords: what is kept of them, and which are refused."""

import asyncio

import pytest

from gatepost.admin.passwords import LONGEST, Passwords, check_password
from gatepost.core.faults import BadInputError
from tests.admin.consoles import PASSWORD, QUICK


def test_a_password_is_kept_as_argon2id_and_known_again() -> None:
    async def work() -> tuple[str, bool, bool, bool]:
        passwords = Passwords(QUICK)
        kept = await passwords.hash(PASSWORD)
        return kept, await passwords.verify(kept, PASSWORD), await passwords.verify(kept, PASSWORD + "x"), await passwords.verify("damaged", PASSWORD)

    kept, right, wrong, damaged = asyncio.run(work())
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept
    assert (right, wrong, damaged) == (True, False, False)


def test_what_ships_costs_64_mib_and_three_rounds() -> None:
    assert "$m=65536,t=3,p=4$" in asyncio.run(Passwords().hash(PASSWORD))


def test_for_nobody_it_is_verified_all_the_same() -> None:
    class Counting:
        def __init__(self) -> None:
            self.verified: list[str] = []

        def hash(self, password: str) -> str:
            return QUICK.hash(password)

        def verify(self, kept: str, password: str) -> bool:
            self.verified.append(kept)
            return QUICK.verify(kept, password)

    counting = Counting()
    passwords = Passwords(counting)  # type: ignore[arg-type]  # only what is asked of it
    assert not asyncio.run(passwords.verify("", PASSWORD))
    assert not asyncio.run(passwords.verify("", "nobody has this password"))
    assert len(counting.verified) == 2


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "password: has 0 characters; 10 at least"),
        ("short", "password: has 5 characters"),
        ("x" * (LONGEST + 1), "password: is longer than"),
        ("aaaaaaaaaaaa", "password: is too easy"),
        ("anna.example", "password: is too easy"),
    ],
)
def test_what_is_no_password(password: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        check_password(password, "anna.example")
