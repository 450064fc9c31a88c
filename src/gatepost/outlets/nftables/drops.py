"""What the kernel dropped.

Job: add up the counters of our rules, which begin anew whenever the rules are made anew. Promise: what was counted at a look is never lost and never
counted twice. Limits: what was dropped between the last look and a table that somebody removed is not known.
"""

from collections.abc import Iterable

from gatepost.outlets.nftables.ruleset import key_named
from gatepost.pipeline.dropped import Dropped

DROPPING = ("deny", "hand", "rule", "login")


class Drops:
    """Totals by why and by group of ports: at most a few dozen."""

    def __init__(self) -> None:
        self._last: dict[bytes, tuple[int, int]] = {}
        self._totals: dict[tuple[str, str], tuple[int, int]] = {}

    def see(self, counters: Iterable[tuple[bytes, list[str], int, int]]) -> None:
        """Takes in what the rules count now, as `NftablesReader.counters` tells it."""
        seen: dict[bytes, tuple[int, int]] = {}
        for handle, sets, packets, size in counters:
            key = next((key for name in sets if (key := key_named(name)) is not None), None)
            if key is None or key.kind not in DROPPING:
                continue
            before = self._last.get(handle, (0, 0))
            if packets < before[0]:  # another rule got the handle of one that is gone
                before = (0, 0)
            all_packets, all_bytes = self._totals.get((key.kind, key.group), (0, 0))
            self._totals[key.kind, key.group] = all_packets + packets - before[0], all_bytes + size - before[1]
            seen[handle] = packets, size
        self._last = seen

    def totals(self) -> tuple[Dropped, ...]:
        """What was dropped since the beginning."""
        return tuple(Dropped(why, ports, *counted) for (why, ports), counted in sorted(self._totals.items()))
