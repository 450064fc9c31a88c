"""What stands: the decisions in force and those that ended a moment ago.

Job: keep decisions by the text of their subject, end them in time, release them early. Promise: a decision stays findable for 10 minutes after
its end, so that a late fact is judged by what stood at its own time; releasing it shortens it. How many stand, and which are the newest, is
known without looking at all. Limits: bounded; past the bound the decision that ends first is released, counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from msgspec import structs

from gatepost.core.decisions import Decision, Expire, QuestionStage, Release
from gatepost.core.facts import Protocol
from gatepost.core.subjects import Subject, name_of, network, pair
from gatepost.core.trust import View
from gatepost.core.windows import LATE

USUAL = ((4, 32), (4, 24), (6, 128), (6, 64), (6, 48))
"""The IP versions and prefix lengths by which every client is looked up."""


class Holdings:
    """Decisions, found by the text under which they hold."""

    __slots__ = ("_ends", "_leaves", "_open", "_tally", "by_account", "by_address", "decisions", "dropped", "lengths", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self.dropped = 0
        self.decisions: dict[int, Decision] = {}
        """Every decision that is remembered, by its number, in the order in which they were made."""
        self.by_address: dict[str, list[int]] = {}
        self.by_account: dict[str, list[int]] = {}
        """By account and by pair, the kind before the text: an account can be named like a pair."""
        self.lengths: dict[tuple[int, int], None] = {}
        """Prefix lengths in use besides the usual ones, each with its IP version, in the order in which they came."""
        self._ends: list[tuple[int, int]] = []
        self._leaves: list[tuple[int, int]] = []
        self._open: dict[bool, dict[int, None]] = {True: {}, False: {}}
        """The numbers of the decisions whose end was not told, those that hold and those that are watched, in the order in which they were made."""
        self._tally: Counter[tuple[str, bool]] = Counter()
        """How many they are, by rule and whether they hold."""

    def add(self, decision: Decision) -> list[Release]:
        """Takes in a decision; returns what had to be released to make room."""
        freed = self._make_room(decision.start)
        self.decisions[decision.number] = decision
        self._table(decision).setdefault(name_of(decision.subject), []).append(decision.number)
        heappush(self._ends, (decision.until, decision.number))
        self._begin(decision)
        return freed

    def widen(self, subject: Subject) -> bool:
        """Notes the prefix length of a subject; True where it is a new one, so that views must be made anew."""
        if subject.by not in ("client", "network"):
            return False
        net = network(subject.text)
        length = (net.version, net.prefixlen)
        if length in self.lengths or length in USUAL:
            return False
        self.lengths[length] = None
        return True

    def on(self, view: View, account: str) -> list[Decision]:
        """The decisions about a client, its networks, an account and its pairs, whether they stand or ended lately; the newest of each first."""
        decisions, by_address = self.decisions, self.by_address
        found: list[Decision] = []
        for text in view.prefixes:
            if text in by_address:
                found += map(decisions.__getitem__, reversed(by_address[text]))
        if account and self.by_account:
            for text in (f"account {account}", f"pair {pair(account, view.client)}", f"pair {pair(account, view.home)}"):
                found += [decisions[number] for number in reversed(self.by_account.get(text, ()))]
        return found

    def blocks(self, view: View, at: int, protocol: Protocol, stage: QuestionStage) -> bool:
        """Whether a client or a network of its is blocked at a time: what `on` tells of these, and no more."""
        decisions, by_address = self.decisions, self.by_address
        for text in view.prefixes:
            for number in reversed(by_address.get(text, ())):
                decision = decisions[number]
                if decision.action == "block" and decision.covers(at, protocol, stage):
                    return True
        return False

    def release(self, decision: Decision, at: int, why: str, protocols: tuple[Protocol, ...] = ()) -> Release:
        """Ends a decision at a time, on some of its protocols or (where none are named) on all."""
        gone = tuple(name for name in decision.protocols if not protocols or name in protocols)
        left = tuple(name for name in decision.protocols if name not in gone)
        if left:
            self.decisions[decision.number] = structs.replace(decision, protocols=left)
        else:
            until = min(at, decision.until)
            self.decisions[decision.number] = structs.replace(decision, until=until)
            heappush(self._leaves, (until + LATE, decision.number))
            self._end(decision)
        return Release(decision, gone, at, why)

    def standing(self, at: int) -> list[Decision]:
        """The decisions that stand at a time, watched ones included, in the order in which they were made."""
        return [decision for decision in self.decisions.values() if decision.start <= at < decision.until]

    def lasting(self, at: int) -> list[Decision]:
        """The decisions that end after a time, be it that they start after it too: a clock was set back, and a deed must still find them."""
        return [decision for decision in self.decisions.values() if at < decision.until]

    def tally(self, at: int) -> dict[tuple[str, bool], int]:
        """How many decisions stand at a time, by rule and whether they hold; those included that begin later, where a clock was set back."""
        found = self._tally.copy()
        for decision in self._due(at):
            found[decision.rule, decision.holds] -= 1
        return {name: many for name, many in found.items() if many}

    def newest(self, at: int) -> Iterator[Decision]:
        """The decisions that hold at a time, the newest first."""
        return (decision for decision in map(self.decisions.__getitem__, reversed(self._open[True])) if decision.start <= at < decision.until)

    def _due(self, at: int) -> Iterator[Decision]:
        """The decisions that ran out by a time and whose end was not told yet: the top of the heap, as far as it reaches."""
        places = [0]
        while places:
            place = places.pop()
            if place < len(self._ends) and self._ends[place][0] <= at:
                until, number = self._ends[place]
                decision = self.decisions.get(number)
                if decision is not None and decision.until == until and number in self._open[decision.holds]:
                    yield decision
                places += (2 * place + 1, 2 * place + 2)

    def _begin(self, decision: Decision) -> None:
        self._open[decision.holds][decision.number] = None
        self._tally[decision.rule, decision.holds] += 1

    def _end(self, decision: Decision) -> None:
        """It stands no more: told once, or again where a clock was set back."""
        if self._open[decision.holds].pop(decision.number, 0) is None:
            self._tally[decision.rule, decision.holds] -= 1

    def advance(self, at: int) -> list[Expire]:
        """What ran out by a time and was not told before."""
        ended = []
        while self._ends and self._ends[0][0] <= at:
            until, number = heappop(self._ends)
            decision = self.decisions.get(number)
            if decision is not None and decision.until == until:
                ended.append(Expire(decision))
                self._end(decision)
                heappush(self._leaves, (until + LATE, number))
        return ended

    def sweep(self, newest: int) -> None:
        """Forgets the decisions that no late fact can ask for any more."""
        while self._leaves and self._leaves[0][0] <= newest:
            number = heappop(self._leaves)[1]
            if number in self.decisions:
                self._drop(number)

    def load(self, decisions: Iterable[Decision], told: frozenset[int]) -> None:
        """Takes up what was dumped; ``told`` are the numbers of those whose end was told already."""
        for decision in decisions:
            number = decision.number
            self.decisions[number] = decision
            self._table(decision).setdefault(name_of(decision.subject), []).append(number)
            if number in told:
                self._leaves.append((decision.until + LATE, number))
            else:
                self._ends.append((decision.until, number))
                self._begin(decision)
        heapify(self._leaves)
        heapify(self._ends)

    def told(self) -> list[int]:
        """The numbers of the decisions whose end was told."""
        return sorted({number for _, number in self._leaves if number in self.decisions})

    def _table(self, decision: Decision) -> dict[str, list[int]]:
        return self.by_address if decision.subject.by in ("client", "network") else self.by_account

    def _make_room(self, at: int) -> list[Release]:
        if len(self.decisions) < self.most:
            return []
        while self._leaves:
            number = heappop(self._leaves)[1]
            if number in self.decisions:
                self._drop(number)
                return []
        while True:
            until, number = heappop(self._ends)
            decision = self.decisions.get(number)
            if decision is not None and decision.until == until:
                self.dropped += 1
                self._drop(number)
                return [Release(decision, decision.protocols, at, "no room")]

    def _drop(self, number: int) -> Decision:
        decision = self.decisions.pop(number)
        self._end(decision)
        table, text = self._table(decision), name_of(decision.subject)
        table[text].remove(number)
        if not table[text]:
            del table[text]
        return decision
