"""The sandbox's mailboxes, in memory.

Job: hold who exists, with which password, and what was delivered. Promise: bounded: the oldest message leaves. Limits: nothing is kept.
"""

import hmac
from collections import deque
from collections.abc import Mapping

MOST = 50
"""Messages of one mailbox."""


class Mailboxes:
    """Accounts and their messages."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = passwords
        self._messages: dict[str, deque[bytes]] = {name: deque(maxlen=MOST) for name in passwords}

    def exists(self, account: str) -> bool:
        """Whether there is such an account."""
        return account.lower() in self._messages

    def opens(self, account: str, password: str) -> bool:
        """Whether a password is an account's."""
        return hmac.compare_digest(self._passwords.get(account.lower(), "").encode(), password.encode()) and self.exists(account)

    def deliver(self, account: str, message: bytes) -> None:
        """Puts a message into a mailbox that exists."""
        self._messages[account.lower()].append(message)

    def messages(self, account: str) -> list[bytes]:
        """What an account's mailbox holds, oldest first."""
        return list(self._messages.get(account.lower(), ()))
