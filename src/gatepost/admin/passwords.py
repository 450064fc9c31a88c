"""Passwords of the console: argon2id.

Job: hash and verify, off the event loop. Promise: one at a time (64 MiB each, RFC 9106, 4, second choice), so that log-ins cannot eat the guard's
memory; an unknown name costs as long as a known one. Limits: who may try, and how often, is throttle.py's.
"""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from gatepost.core.faults import BadInputError
from gatepost.core.texts import say

SHORTEST, LONGEST = 10, 500
"""Characters of a password."""


class Passwords:
    """Hashes and verifies; ``hasher`` is argon2-cffi's."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._nobody = self._hasher.hash("nobody has this password")
        self._turn = asyncio.Lock()

    async def hash(self, password: str) -> str:
        """What is kept of a password."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, kept: str, password: str) -> bool:
        """Whether it is the password; for ``kept`` = "" (nobody has that name) it takes as long and is no."""
        async with self._turn:
            right = await asyncio.to_thread(self._verify, kept or self._nobody, password)
        return right and bool(kept)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False


def check_password(password: str, name: str) -> None:
    """Raises BadInputError where a new password is too easy or cannot be kept."""
    if len(password) < SHORTEST:
        raise BadInputError(say("password: has {many} characters; {shortest} at least", many=len(password), shortest=SHORTEST))
    if len(password) > LONGEST:
        raise BadInputError(say("password: is longer than {longest} characters", longest=LONGEST))
    if password.lower().strip() == name or len(set(password)) < 4:
        raise BadInputError(say("password: is too easy to guess; take another"))
