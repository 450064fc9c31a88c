"""What the reader and the grammars agree on.

Job: the contract between the framing, which finds stamp, host, tag and message in a line, and the grammars, which say what a message means.
Promise: a grammar is a sans-I/O machine: it is handed messages in the order in which one host wrote them, and its only memory is in `Host` and
`Process`, both bounded.
Limits: a grammar never sees a line's stamp or tag as text, and never searches a message for an address: the client stands where the daemon's
own format puts it.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gatepost.core.facts import Fact, Protocol
from gatepost.core.subjects import Client, account, client

Yield = Fact | tuple[Fact, ...] | None
"""What a message tells: a fact, several, `NOTHING`, or None where the grammar does not know such a message."""

NOTHING: tuple[Fact, ...] = ()
"""Understood, and there is nothing to tell."""

NOBODY = Client("")
"""Stands where a daemon names no address, as in ``unknown[unknown]``."""


def names(text: str) -> tuple[str, ...]:
    """The words of a list that is easier to read, and to compare, as one text."""
    return tuple(text.split())


MEMO = 65_536
"""Texts that a memo of a host keeps at most; a full one starts anew."""
MEMO_LENGTH = 400
"""Characters of a text that a memo keeps: a longer one is no daemon's usual text, and would only fill the memory."""


class Host:
    """What the processes of one host share: canonical addresses and accounts, each made once, and the tables of the grammars."""

    __slots__ = ("_accounts", "_clients", "default_domain", "domains", "name", "tables")

    def __init__(self, name: str, default_domain: str = "", domains: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.default_domain = default_domain
        self.domains = dict(domains or {})
        self.tables: dict[str, Any] = {}
        """A table for each grammar that needs one across processes (queue ids), under the grammar's name. It is bounded, and plain data or
        an object whose ``dump()`` gives plain data; after a restart a grammar finds its plain data here."""
        self._clients: dict[str, Client] = {}
        self._accounts: dict[str, str] = {}

    def dump(self) -> dict[str, Any]:
        """All tables, in types that msgspec can write."""
        return {name: table.dump() if hasattr(table, "dump") else table for name, table in self.tables.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Takes back what `dump` gave, as plain data: before any process of the host is made."""
        self.tables = dict(state)

    def client(self, text: str) -> Client:
        """The client that a daemon's text spells, or `NOBODY` where it spells none."""
        found = self._clients.get(text)
        if found is None:
            try:
                found = client(text)
            except ValueError:
                found = NOBODY
            if len(self._clients) >= MEMO:
                self._clients.clear()
            if len(text) <= MEMO_LENGTH:
                self._clients[text] = found
        return found

    def account(self, text: str) -> str:
        """The account that a daemon's text names, by the one function that every inlet uses."""
        found = self._accounts.get(text)
        if found is None:
            found = account(text, self.default_domain, self.domains)
            if len(self._accounts) >= MEMO:
                self._accounts.clear()
            if len(text) <= MEMO_LENGTH:
                self._accounts[text] = found
        return found


class Process:
    """One process of a daemon, told apart by host, tag and process id: what it remembers, and who reads its messages.

    A grammar subclasses it. ``words`` finds the handler of a message by its first word (up to the first space); ``other`` reads what
    has no such word there (a queue id, a client's text). Both are handed the process, the time (microseconds UTC) and the message;
    ``other`` the first word too, and the rest, which were cut to look for the handler.
    """

    __slots__ = ("host", "protocol", "service", "shared")

    words: ClassVar[Mapping[str, Callable[[Any, int, str], Yield]]] = {}

    def __init__(self, host: Host, protocol: Protocol, service: str) -> None:
        self.host = host
        self.protocol: Protocol = protocol
        self.service = service
        self.shared = False
        """No process id was told, so several processes write as one: what one of them said last says nothing of what follows."""

    def read(self, at: int, message: str) -> Yield:
        """Reads a message."""
        word, _, rest = message.partition(" ")
        handler = self.words.get(word)
        return handler(self, at, message) if handler is not None else self.other(at, message, word, rest)

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """Reads a message whose first word is none of ``words``."""
        return None

    def dump(self) -> Any:
        """What the process remembers of an open session, in types that msgspec can write; None where there is nothing."""
        return None

    def load(self, state: Any) -> None:
        """Takes back what `dump` gave."""
