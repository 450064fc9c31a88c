"""What shows the world what stands.

Job: the contract of mirrors, and the view of the engine that they read. Promise: a mirror is told what is dirty and reads what stands, so it
coalesces and cannot overflow. Limits: a mirror decides nothing.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from msgspec import Struct

from gatepost.core.access import Entry
from gatepost.core.decisions import Decision, Effect
from gatepost.core.engine import Engine
from gatepost.pipeline.dropped import Dropped

ABOUT_MESSAGES = ("message_accepted", "recipients")
"""What rules about the messages of an account count."""
SLICE = 1_024
"""Decisions looked at before whoever else waits is let go on: half a millisecond or so."""


class Standing:
    """What stands: decisions that hold, list entries, graces. Read by mirrors, status and lists of blocks; changed by the engine alone."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def holds(self, at: int) -> list[Decision]:
        """The decisions that turn away or slow down at a time, in the order in which they were made."""
        return [decision for decision in self._engine.holdings.standing(at) if decision.holds]

    def decisions(self, at: int) -> list[Decision]:
        """All decisions that stand at a time, watched ones included."""
        return self._engine.holdings.standing(at)

    def slices(self, at: int) -> Iterator[list[Decision]]:
        """The same, so many at once that who looks can let others go on in between; what comes meanwhile is not among them."""
        decisions = list(self._engine.holdings.decisions.values())
        for first in range(0, len(decisions), SLICE):
            yield [each for each in decisions[first : first + SLICE] if each.start <= at < each.until]

    def tally(self, at: int) -> dict[tuple[str, bool], int]:
        """How many decisions stand at a time, by rule (empty: by hand) and whether they hold; at once, however many they are."""
        return self._engine.holdings.tally(at)

    def held(self, at: int) -> int:
        """How many decisions turn away or slow down at a time."""
        return sum(many for (_, holds), many in self.tally(at).items() if holds)

    def newest(self, at: int, most: int) -> list[Decision]:
        """The newest of them, the newest first."""
        return list(islice(self._engine.holdings.newest(at), most))

    def about(self, name: str, at: int) -> list[Decision]:
        """The decisions that hold one subject, named as `name_of` names it, at a time: what a mirror asks when the subject is dirty."""
        holdings = self._engine.holdings
        numbers = holdings.by_address.get(name) or holdings.by_account.get(name) or ()
        found = [holdings.decisions[number] for number in numbers]
        return [decision for decision in found if decision.start <= at < decision.until and not decision.watched]

    def often(self, name: str, at: int) -> int:
        """How often a subject, named as `name_of` names it, was held on the day of a time and the 30 days before."""
        return self._engine.often.count(name, at)

    def decision(self, number: int) -> Decision | None:
        """A decision by its number, as it is now; None once it is forgotten."""
        return self._engine.holdings.decisions.get(number)

    def alerted(self, account: str, at: int) -> Decision | None:
        """What an alert rule that is in force found about the messages of an account, while it stands: an inlet that can puts them on hold."""
        engine = self._engine
        if at < engine.paused_until:
            return None
        for number in engine.holdings.by_account.get(f"account {account}", ()):
            found = engine.holdings.decisions[number]
            if found.action == "alert" and found.counts in ABOUT_MESSAGES and found.start <= at < found.until:
                rule = next((rule for rule in engine.rules if rule.name == found.rule), None)
                if rule is not None and rule.mode == "enforce":
                    return found
        return None

    def entries(self) -> tuple[Entry, ...]:
        """The deny and allow lists."""
        return self._engine.lists.entries

    def graces(self, at: int) -> dict[str, int]:
        """Addresses and networks that no rule holds until a time."""
        return {name: until for name, until in self._engine.graces.items() if until > at}


class MirrorState(Struct, kw_only=True):
    """How a mirror is doing, for status and metrics."""

    name: str
    working: bool = True
    """False where it cannot enforce; `problem` says why and what cures it."""
    problem: str = ""
    decided: int = 0
    """Elements that should be in force."""
    enforced: int = 0
    """Elements that were there when it last looked."""
    mended: int = 0
    """Differences that it found and mended since the start."""
    unenforced: int = 0
    """Decisions that it cannot carry out (accounts, delays)."""
    last_us: int = 0
    """How long the last change took, in microseconds."""
    waiting: int = 0
    """Subjects that were marked and are not in force yet."""
    dropped: tuple[Dropped, ...] = ()
    """What was dropped since its helper started, at the last look."""


class Proof(Struct, frozen=True, kw_only=True):
    """Whether a mirror really does what it says, tried out just now."""

    works: bool | None
    """None where it could not be tried out."""
    said: str
    cure: str = ""


class Mirror(Protocol):
    """Shows what stands: a kernel's packet filter, a list that others fetch."""

    def mark(self, effects: Iterable[Effect]) -> None:
        """These effects came up; look at what stands for their subjects. Returns at once."""

    def mark_lists(self) -> None:
        """The lists changed. Returns at once."""

    async def settled(self) -> None:
        """Returns when all that was marked so far is in force, or known to have failed."""

    async def run(self) -> None:
        """Works until it is cancelled; then leaves or lifts what stands, as set."""

    def state(self) -> MirrorState:
        """How it is doing."""

    async def prove(self) -> Proof:
        """Tries out whether what it puts in force really holds, without touching anybody's traffic."""
