"""From what a store remembers to the engine that wrote it.

Job: load the newest snapshot and bring in the entries behind it, through the same order. Promise: where nothing is missing the engine is the one
that stopped; what is damaged or missing is noted, and everything else used. Limits: with no snapshot that can be read, and no journal from its
beginning, there is nothing to stand on; that is an error, never a guess.
"""

from collections.abc import Mapping

from msgspec import Struct

from gatepost.core.deeds import Deed
from gatepost.core.engine import Engine
from gatepost.core.snapshot import load
from gatepost.pipeline.order import Order
from gatepost.stores.contract import DamagedError, Recovered, Store, StoreError

NOTES = 20
"""Notes that are kept at most; the rest are counted."""


class Recovery(Struct, kw_only=True):
    """What was recovered, and what could not be."""

    engine: Engine
    place: int = 0
    """The place of the newest entry; the next entry's lies behind it."""
    cursors: Mapping[str, bytes] = {}
    notes: list[str] = []
    """What was damaged or missing, in sentences; empty where all is well."""
    base: int = 0
    """The place of the newest snapshot that the store has, readable or not; 0 where it has none."""
    applied: int = 0
    """Entries behind the snapshot that were brought in."""
    missing: int = 0
    """Entries that are lost. Where it is not 0, hand the journal a snapshot soon: it makes the store whole again."""

    @property
    def fresh(self) -> bool:
        """Whether nothing was stored: this is a first start, and the engine a new one."""
        return not self.place

    def note(self, text: str) -> None:
        """Adds a note, unless there are too many."""
        if len(self.notes) < NOTES:
            self.notes.append(text)
        elif len(self.notes) == NOTES:
            self.notes.append("and more of the kind")


def recover(store: Store) -> Recovery:
    """Opens a store and makes the engine that it remembers; a new one, with the default rules and lists, where it remembers nothing.

    Raises StoreError where the store cannot be opened, or what it remembers cannot be used.
    """
    opened = store.open()
    found = _newest_snapshot(store, opened)
    order = Order(found.engine, found.place)
    while True:
        try:
            _bring_in(store, order, found, opened.last)
            break
        except DamagedError as wrong:
            if wrong.last <= order.place:
                raise
            found.note(str(wrong))
            found.missing += wrong.last - order.place
            order.place = wrong.last
    if opened.last > order.place:
        found.missing += opened.last - order.place
        found.note(f"entries {order.place + 1} to {opened.last} are missing from the journal")
    found.place = max(order.place, opened.last)
    return found


def _newest_snapshot(store: Store, opened: Recovered) -> Recovery:
    """What the newest snapshot that can be read remembers; without any, a new engine, where the journal tells everything from the beginning."""
    found = Recovery(engine=Engine(), cursors=opened.cursors, base=max(opened.snapshots, default=0))
    for place in opened.snapshots:
        try:
            found.engine = load(store.snapshot(place))
        except (StoreError, ValueError, LookupError) as wrong:
            found.note(f"the snapshot at entry {place} is passed over: {wrong}")
            continue
        found.place = place
        return found
    if opened.snapshots and next(iter(store.entries_after(0)), (0, None))[0] != 1:
        cure = "restore a backup of the store, or move it away and start anew"
        raise StoreError(f"no snapshot can be used, and the journal does not reach back to the beginning ({'; '.join(found.notes)}); {cure}")
    return found


def _bring_in(store: Store, order: Order, found: Recovery, last: int) -> None:
    """Applies the entries behind the order's place, up to the last: a daemon that goes on writing would be chased for ever."""
    for place, entry in store.entries_after(order.place):
        if place > last:
            break
        if place != order.place + 1:
            found.note(f"entries {order.place + 1} to {place - 1} are missing from the journal")
            found.missing += place - 1 - order.place
            order.place = place - 1
        found.applied += 1
        if isinstance(entry, Deed):
            try:
                order.do(entry)
            except ValueError as wrong:
                found.note(f"the deed at entry {place} is passed over: {wrong}")
                order.place = place
        else:
            order.report(entry)
