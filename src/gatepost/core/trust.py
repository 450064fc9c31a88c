"""What the engine remembers of good clients, and what it knows of each client at a glance.

Job: the known pairs (the law, 11), the clients that did good (the law, 12), and the view: what is looked up once for each client. Promise:
bounded; beyond the bound the oldest leave and are counted. Limits: nothing here decides.
"""

from collections.abc import Callable, Iterable

from gatepost.core.access import Entry
from gatepost.core.spans import DAY
from gatepost.core.subjects import Client, groups, prefix6, wider

KNOWN_FOR = 30 * DAY
GOOD_FOR = 7 * DAY


class View:
    """What is looked up once for each client."""

    __slots__ = ("client", "entries", "home", "network", "prefixes", "wide")

    def __init__(self, client: Client, entries: tuple[Entry, ...], shares: bool, lengths: Iterable[tuple[int, int]]) -> None:
        self.client = client
        self.entries = entries
        """The list entries that cover it, the most specific first."""
        six = ":" in client
        parts = groups(client) if six else []
        self.home = prefix6(parts, 4) if six else client[: client.rindex(".")] + ".0/24"
        """Where an account is known from: /24 or /64."""
        self.network = prefix6(parts, 3) if six else self.home
        self.wide = self.home if six and not shares else client
        """The subject by which failed log-ins and protocol abuse see it: an IPv6 client's /64, unless that holds an own or an allowed address."""
        found = dict.fromkeys((client, self.home, self.network))
        for version, length in lengths:
            if version == (6 if six else 4):
                found[wider(client, length, length)] = None
        self.prefixes = tuple(found)
        """Every text under which it can be held; the /64 too where it is not counted by it now, for it may have been when it was held."""


class Recent:
    """Names and when each was last seen; beyond ``most`` names the one seen longest ago leaves, counted."""

    __slots__ = ("dropped", "last", "most", "span")

    def __init__(self, span: int, most: int) -> None:
        self.span = span
        self.most = most
        self.last: dict[str, int] = {}
        self.dropped = 0

    def see(self, name: str, at: int) -> str | None:
        """Sees a name; returns the one that left for it, if any."""
        before = self.last.pop(name, None)
        self.last[name] = at if before is None or at > before else before
        if len(self.last) <= self.most:
            return None
        oldest = next(iter(self.last))
        del self.last[oldest]
        self.dropped += 1
        return oldest

    def has(self, name: str, at: int) -> bool:
        """Whether a name was seen within the span before a time."""
        last = self.last.get(name)
        return last is not None and last > at - self.span


class Known:
    """The pairs of account and place (/24, /64) that logged in well within 30 days."""

    __slots__ = ("_networks", "pairs")

    def __init__(self, most: int) -> None:
        self.pairs = Recent(KNOWN_FOR, most)
        self._networks: dict[str, dict[str, None]] = {}

    @staticmethod
    def _name(account: str, home: str) -> str:
        return f"{home} {account}"

    def see(self, account: str, view: View, at: int) -> None:
        """An account logged in well from a client."""
        name = self._name(account, view.home)
        if name not in self.pairs.last:
            self._networks.setdefault(view.network, {})[name] = None
        gone = self.pairs.see(name, at)
        if gone is not None:
            self._leave(gone)

    def has(self, account: str, view: View, at: int) -> bool:
        """Whether an account is known from where a client is."""
        return self.pairs.has(self._name(account, view.home), at)

    def in_network(self, network: str, at: int) -> bool:
        """Whether anybody is known from a network (/24, /48)."""
        return any(self.pairs.has(name, at) for name in self._networks.get(network, ()))

    def forget(self, is_meant: Callable[[str, str], bool]) -> None:
        """Forgets the pairs of account and home that are meant."""
        for name in list(self.pairs.last):
            home, _, account = name.partition(" ")
            if is_meant(account, home):
                del self.pairs.last[name]
                self._leave(name)

    def _leave(self, name: str) -> None:
        home = name.partition(" ")[0]
        network = wider(Client(home.partition("/")[0]), 24, 48)
        inside = self._networks.get(network, {})
        inside.pop(name, None)
        if not inside:
            self._networks.pop(network, None)

    def load(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Takes up what was dumped, oldest first."""
        for name, at in pairs:
            self.pairs.last[name] = at
            home = name.partition(" ")[0]
            self._networks.setdefault(wider(Client(home.partition("/")[0]), 24, 48), {})[name] = None
