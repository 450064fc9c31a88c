"""A dictionary that forgets what was not used for long.

Job: bound the tables that grow with what peers do (processes, queue ids, hosts). Promise: at most twice ``limit`` keys; what was used
within the last ``limit`` new keys is still there; every operation takes constant time.
Limits: two generations, not an exact least-recently-used order.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Two generations of a dictionary: when the young one is full it becomes the old one, and the old one is dropped."""

    __slots__ = ("_limit", "_old", "young")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._old: dict[K, V] = {}
        self.young: dict[K, V] = {}
        """The newer generation, for callers that cannot afford a call; always read it anew after `put` or `find`."""

    def find(self, key: K) -> V:
        """The value of a key, which counts as a use. Raises KeyError."""
        try:
            return self.young[key]
        except KeyError:
            value = self._old.pop(key)
        self.put(key, value)
        return value

    def get(self, key: K) -> V | None:
        """The value of a key, or None."""
        found = self.young.get(key)
        if found is None and key in self._old:
            return self.find(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Sets the value of a key."""
        if len(self.young) >= self._limit:
            self._old, self.young = self.young, {}
        self.young[key] = value

    def pop(self, key: K) -> V | None:
        """Forgets a key, and returns what it had."""
        old = self._old.pop(key, None)
        return self.young.pop(key, old)

    def items(self) -> Iterator[tuple[K, V]]:
        """All keys and values, the older generation first."""
        for key, value in self._old.items():
            if key not in self.young:
                yield key, value
        yield from self.young.items()

    def clear(self) -> None:
        """Forgets everything."""
        self._old, self.young = {}, {}

    def __len__(self) -> int:
        return len(self._old) + len(self.young)
