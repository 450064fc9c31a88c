"""The brake: a rule that hits too many good clients is put to observe.

Job: count, for each rule, the different clients that it held in the last 10 minutes and how many of them did good before (the law, 12). Promise: it
answers at the very hold that is one too many, in logarithmic time: a flood holds many. Limits: it only tells; the engine releases. Beyond ``most``
clients of a rule the one held longest ago leaves, counted.
"""

from collections.abc import Iterable
from heapq import heappop, heappush

from gatepost.core.spans import MINUTE

BRAKE_WINDOW = 10 * MINUTE
BRAKE_LEAST = 10
"""Good clients held by one rule within the window that pull the brake, where they are over a quarter of all that it holds."""


class Lately:
    """The clients that one rule held lately: when last, and whether they are good ones."""

    __slots__ = ("_order", "good", "held", "newest")

    def __init__(self, held: Iterable[tuple[str, int, bool]] = ()) -> None:
        self.held: dict[str, tuple[int, bool]] = {}
        self.good = 0
        self.newest = 0
        self._order: list[tuple[int, str]] = []
        """When which client was held; also what was overtaken by a later hold."""
        for client, at, good in held:
            self.take(client, at, good)

    def take(self, client: str, at: int, good: bool) -> None:
        """Takes a hold in, unless a later one of that client is known."""
        before = self.held.get(client)
        if before is not None and at < before[0]:
            return
        self.good += good - (before is not None and before[1])
        self.held[client] = (at, good)
        self.newest = max(self.newest, at)
        heappush(self._order, (at, client))

    def leave(self, most: int) -> int:
        """Lets go what is older than the window, and the oldest beyond ``most``; how many the latter are."""
        dropped = 0
        while self._order[0][0] <= self.newest - BRAKE_WINDOW or len(self.held) > most:
            at, client = heappop(self._order)
            held = self.held.get(client)
            if held is not None and held[0] == at:
                dropped += at > self.newest - BRAKE_WINDOW
                self.good -= held[1]
                del self.held[client]
        return dropped


class Braking:
    """What each rule held lately."""

    __slots__ = ("dropped", "most", "rules")

    def __init__(self, most: int) -> None:
        self.most = most
        self.dropped = 0
        self.rules: dict[str, Lately] = {}

    def pull(self, rule: str, client: str, at: int, good: bool) -> tuple[int, int] | None:
        """A rule holds a client. Returns (good, all) where these are too many good ones."""
        lately = self.rules.setdefault(rule, Lately())
        lately.take(client, at, good)
        self.dropped += lately.leave(self.most)
        many = lately.good >= BRAKE_LEAST and lately.good * 4 > len(lately.held)
        return (lately.good, len(lately.held)) if many else None

    def good_clients(self, rule: str) -> list[str]:
        """The good clients that a rule held lately."""
        return [client for client, (_, good) in self.rules[rule].held.items() if good]
