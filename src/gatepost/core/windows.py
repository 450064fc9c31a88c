"""How many within how long: exact sliding windows.

Job: for one rule and one way of counting protocols, hold each key's newest facts and say when they are too many. Promise: exact (the law, 2):
N facts in (T-W, T] fire, T being the newest time that the key has seen; late facts take their place; a fired window is cleared.
Limits: only the last N facts of a key are kept; a key idle for W + 10 minutes leaves, in amortised constant time; under pressure the
keys idle for longest leave early and are counted.

A mark is a fact's time and place in one int, so that windows sort by time and still name their evidence.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from gatepost.core.rules import Rule
from gatepost.core.spans import MINUTE

PLACE_BITS = 40
PLACE_MASK = (1 << PLACE_BITS) - 1

LATE = 10 * MINUTE
"""A fact older than the newest by more than this is evidence only (the law, 6)."""


def mark(at: int, place: int) -> int:
    """A fact's time (microseconds) and place (below 2**40) in one int."""
    return at << PLACE_BITS | place


def places(marks: Iterable[int]) -> tuple[int, ...]:
    """The places that marks name."""
    return tuple(each & PLACE_MASK for each in marks)


class Distinct:
    """A key's different values, each at its latest mark; the newest N of them."""

    __slots__ = ("_latest", "_sorted")

    def __init__(self, pairs: Iterable[tuple[int, str]] = ()) -> None:
        self._sorted = sorted(pairs)
        self._latest = {value: at for at, value in self._sorted}

    def push(self, at: int, value: str, most: int) -> None:
        """Takes in a value seen at a mark; beyond ``most`` values the oldest leaves."""
        before = self._latest.get(value)
        if before is not None:
            if at <= before:
                return
            del self._sorted[bisect_left(self._sorted, (before, value))]
        self._latest[value] = at
        insort(self._sorted, (at, value))
        if len(self._sorted) > most:
            del self._latest[self._sorted.pop(0)[1]]

    def reaches(self, threshold: int, window: int) -> bool:
        """Whether so many values lie within the window that ends with the newest."""
        found = self._sorted
        return len(found) >= threshold and (found[-1][0] >> PLACE_BITS) - (found[-threshold][0] >> PLACE_BITS) < window

    @property
    def marks(self) -> list[int]:
        """The marks of the values, oldest first."""
        return [at for at, _ in self._sorted]

    @property
    def pairs(self) -> list[tuple[int, str]]:
        """Marks and values, oldest first."""
        return self._sorted


class Spread:
    """A key's facts, and the clients that they came from, for rules that ask for both."""

    __slots__ = ("clients", "facts")

    def __init__(self) -> None:
        self.facts: list[int] = []
        self.clients = Distinct()


class Windows:
    """The windows of one rule's keys, in two generations: what is touched is young; a turn makes the young old and drops what was old."""

    __slots__ = ("dropped", "half", "old", "rule", "silences", "span", "threshold", "turn_at", "young")

    def __init__(self, rule: Rule, half: int) -> None:
        self.rule = rule
        self.threshold = rule.threshold
        self.span = rule.window.us
        self.half = half
        self.young: dict[str, Any] = {}
        """Windows by key: a lone mark, a sorted list of marks, or what the rule's way of counting needs."""
        self.old: dict[str, Any] = {}
        self.silences: dict[str, list[tuple[int, int]]] = {}
        """Spans, as (until, start) and sorted so, in which a key is not counted because a decision that holds nothing stands (the law, 3)."""
        self.dropped = 0
        self.turn_at = 0

    def turn(self, now: int) -> None:
        """Lets the keys go that were not touched since the turn before."""
        self.old = self.young
        self.young = {}
        self.turn_at = now + self.span + LATE
        ended = [key for key, spans in self.silences.items() if spans[-1][0] + LATE <= now]
        for key in ended:
            del self.silences[key]

    def find(self, key: str, fresh: Callable[[], Any]) -> Any:
        """A key's window, young again; ``fresh`` makes one where there is none."""
        window = self.young.get(key)
        if window is None:
            window = self.old.pop(key, None)
            if window is None:
                window = fresh()
            self.keep(key, window)
        return window

    def keep(self, key: str, window: Any) -> None:
        """Puts a key among the young; where these are too many, the old ones leave early, counted."""
        if len(self.young) >= self.half:
            self.dropped += len(self.old)
            self.old = self.young
            self.young = {}
        self.young[key] = window

    def filled(self, at: int, most: int) -> Iterator[tuple[str, int]]:
        """Keys and how many facts or values lie in their window that ends at a time, for a look from outside; one with a lone fact is left out. Looks
        at ``most`` keys, those that came last first."""
        oldest = (at - self.span + 1) << PLACE_BITS
        for key, window in islice(chain(reversed(self.young.items()), reversed(self.old.items())), most):
            if type(window) is int:
                continue
            marks = window.facts if type(window) is Spread else window.marks if type(window) is Distinct else window
            yield key, len(marks) - bisect_left(marks, oldest)

    def clear(self, key: str) -> None:
        """Forgets a key."""
        self.young.pop(key, None)
        self.old.pop(key, None)

    def silence(self, key: str, start: int, until: int) -> None:
        """Counts nothing of a key in [start, until). Where too many keys are silent, the one silenced longest ago is counted again."""
        spans = [span for span in self.silences.pop(key, ()) if span[0] > start - LATE]
        insort(spans, (until, start))
        self.silences[key] = spans
        if len(self.silences) > 2 * self.half:
            del self.silences[next(iter(self.silences))]
            self.dropped += 1

    def is_silent(self, key: str, at: int) -> bool:
        """Whether a key is not counted at a time."""
        if key not in self.silences:
            return False
        for until, start in reversed(self.silences[key]):
            if until <= at:
                return False
            if start <= at:
                return True
        return False

    def fill(self, key: str, at: int) -> int:
        """How many facts, or different values, of a key lie in the window that ends at a time."""
        window = self.young.get(key, self.old.get(key))
        if window is None:
            return 0
        if isinstance(window, Spread):
            marks = window.facts
        else:
            marks = [window] if isinstance(window, int) else window.marks if isinstance(window, Distinct) else window
        return sum(at - self.span < each >> PLACE_BITS <= at for each in marks)

    def end_silences(self, at: int) -> None:
        """Has every silence end at a time at the latest."""
        self.silences = {key: sorted((min(until, at), start) for until, start in spans) for key, spans in self.silences.items()}

    def count(self, key: str, new: int, weight: int = 1) -> list[int] | None:
        """Counts a fact at mark ``new``, ``weight`` times. Returns the marks that fire, the key's window being cleared, or None.

        The hottest path of all: most keys are touched once, many a few times.
        """
        young, threshold = self.young, self.threshold
        window = young.get(key)
        if window is None:
            window = self.old.pop(key, None)
            if window is None and weight == 1 and threshold > 1:
                if len(young) >= self.half:
                    self.keep(key, new)
                else:
                    young[key] = new
                return None
            if window is None:
                window = []
            self.keep(key, window)
        if type(window) is int:
            window = self.young[key] = [window]
        if weight == 1 and window and new >= window[-1]:
            window.append(new)
            if len(window) > threshold:
                del window[0]
        else:
            _insert(window, new, weight, threshold)
        if len(window) < threshold or (window[-1] >> PLACE_BITS) - (window[0] >> PLACE_BITS) >= self.span:
            return None
        del self.young[key]
        fired: list[int] = window
        return fired

    def count_values(self, key: str, new: int, values: Iterable[str]) -> list[int] | None:
        """Counts different values at a mark. Returns the marks that fire, the key's window being cleared, or None."""
        window: Distinct = self.find(key, Distinct)
        for value in values:
            window.push(new, value, self.threshold)
        if not window.reaches(self.threshold, self.span):
            return None
        self.clear(key)
        return window.marks

    def count_spread(self, key: str, new: int, weight: int, client: str) -> list[int] | None:
        """Counts a fact and the client that it came from; fires when both are enough. Returns the marks that fire, or None."""
        window: Spread = self.find(key, Spread)
        _insert(window.facts, new, weight, self.threshold)
        window.clients.push(new, client, self.rule.min_clients)
        facts = window.facts
        if (
            len(facts) < self.threshold
            or (facts[-1] >> PLACE_BITS) - (facts[0] >> PLACE_BITS) >= self.span
            or not window.clients.reaches(self.rule.min_clients, self.span)
        ):
            return None
        self.clear(key)
        return facts


def _insert(window: list[int], new: int, weight: int, most: int) -> None:
    """Puts a mark into its place in a sorted window, ``weight`` times; the oldest leave beyond ``most``."""
    if weight == 1:
        insort(window, new)
    else:
        at = bisect_left(window, new)
        window[at:at] = [new] * min(weight, most)
    if len(window) > most:
        del window[: len(window) - most]
