"""The brake: a rule that hits too many good clients is put to observe.

Job: count, for each rule, the clients that it held in the last 10 minutes and how many of them did good before (the law, 12). Promise: it
answers at the very hold that is one too many. Limits: it only tells; the engine releases.
"""

from gatepost.core.spans import MINUTE

BRAKE_WINDOW = 10 * MINUTE
BRAKE_LEAST = 10
"""Good clients held by one rule within the window that pull the brake, where they are over a quarter of all that it holds."""


class Braking:
    """For each rule, the clients held lately: when last, and whether they are good ones."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: dict[str, dict[str, tuple[int, bool]]] = {}

    def pull(self, rule: str, client: str, at: int, good: bool) -> tuple[int, int] | None:
        """A rule holds a client. Returns (good, all) where that is one good client too many."""
        held = self.held.setdefault(rule, {})
        held.pop(client, None)
        held[client] = (at, good)
        for name in [name for name, (then, _) in held.items() if then <= at - BRAKE_WINDOW]:
            del held[name]
        of_good = sum(1 for _, is_good in held.values() if is_good)
        return (of_good, len(held)) if good and of_good >= BRAKE_LEAST and of_good * 4 > len(held) else None

    def good_clients(self, rule: str) -> list[str]:
        """The good clients that a rule held lately."""
        return [name for name, (_, good) in self.held.get(rule, {}).items() if good]

    def release(self, rule: str) -> None:
        """Forgets a rule's holds."""
        self.held.pop(rule, None)
