"""What the reader and the grammars agree on.

Job: the contract between the framing, which finds stamp, host, tag and message in a line, and the grammars, which say what a message means.
Promise: a grammar is a sans-I/O machine: it is handed messages in the order in which one host wrote them, and its only memory is in `Host` and
`Process`, both bounded.
Limits: a grammar never sees a line's stamp or tag as text, and never searches a message for an address: the client stands where the daemon's
own format puts it.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar
from typing import Protocol as Shape

from gatepost.core.facts import Fact, Protocol
from gatepost.core.subjects import Client, account, client

Yield = Fact | tuple[Fact, ...] | None
"""What a message tells: a fact, several, `NOTHING`, or None where the grammar does not know such a message."""

NOTHING: tuple[Fact, ...] = ()
"""Understood, and there is nothing to tell."""

NOBODY = Client("")
"""Stands where a daemon names no address, as in ``unknown[unknown]``."""


class Table(Shape):
    """What a grammar remembers of a host across its processes (queue ids): bounded, and saved with the reader's cursor."""

    def dump(self) -> Any:
        """The whole memory, in types that msgspec can write."""

    def load(self, state: Any) -> None:
        """Takes back what `dump` gave, as msgspec's plain types."""


def names(text: str) -> tuple[str, ...]:
    """The words of a list that is easier to read, and to compare, as one text."""
    return tuple(text.split())


AnyTable = TypeVar("AnyTable", bound=Table)

MEMO = 65_536
"""Texts that a memo of a host keeps at most; a full one starts anew."""


class Host:
    """What the processes of one host share: canonical addresses and accounts, each made once, and the tables of the grammars."""

    __slots__ = ("_accounts", "_clients", "_saved", "_tables", "default_domain", "domains", "name")

    def __init__(self, name: str, default_domain: str = "", domains: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.default_domain = default_domain
        self.domains = dict(domains or {})
        self._tables: dict[str, Table] = {}
        self._saved: dict[str, Any] = {}
        self._clients: dict[str, Client] = {}
        self._accounts: dict[str, str] = {}

    def table(self, name: str, make: Callable[[], AnyTable]) -> AnyTable:
        """The table of the grammar ``name``, made at its first use; what was saved of it is loaded then."""
        found = self._tables.get(name)
        if found is None:
            found = self._tables[name] = make()
            if name in self._saved:
                found.load(self._saved.pop(name))
        return found  # type: ignore[return-value]  # one name, one type of table

    def dump(self) -> dict[str, Any]:
        """All tables, in types that msgspec can write."""
        return {**self._saved, **{name: table.dump() for name, table in self._tables.items()}}

    def load(self, state: dict[str, Any]) -> None:
        """Takes back what `dump` gave; each grammar fetches its own with `table`."""
        self._tables.clear()
        self._saved = dict(state)

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
            self._clients[text] = found
        return found

    def account(self, text: str) -> str:
        """The account that a daemon's text names, by the one function that every inlet uses."""
        found = self._accounts.get(text)
        if found is None:
            found = account(text, self.default_domain, self.domains)
            if len(self._accounts) >= MEMO:
                self._accounts.clear()
            self._accounts[text] = found
        return found


class Process:
    """One process of a daemon, told apart by host, tag and process id: what it remembers, and who reads its messages.

    A grammar subclasses it. ``words`` finds the handler of a message by its first word (up to the first space); ``other`` reads what
    has no such word there (a queue id, a client's text). Both are handed the process, the time (microseconds UTC) and the message.
    """

    __slots__ = ("host", "protocol", "service", "shared")

    words: ClassVar[Mapping[str, Callable[[Any, int, str], Yield]]] = {}

    def __init__(self, host: Host, protocol: Protocol, service: str) -> None:
        self.host = host
        self.protocol: Protocol = protocol
        self.service = service
        self.shared = False
        """No process id was told, so several processes write as one: what one of them said last says nothing of what follows."""

    def other(self, at: int, message: str) -> Yield:
        """Reads a message whose first word is none of ``words``."""
        return None

    def dump(self) -> Any:
        """What the process remembers of an open session, in types that msgspec can write; None where there is nothing."""
        return None

    def load(self, state: Any) -> None:
        """Takes back what `dump` gave."""
