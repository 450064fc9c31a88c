"""How often each subject was held lately.

Job: count the holds of a subject by day. Promise: exact for today and the 30 days before, in UTC; bounded: beyond ``most`` subjects the one held
longest ago leaves, counted. Limits: tells, and decides nothing; rules that count holds have windows of their own.
"""

from collections.abc import Iterable

from gatepost.core.spans import DAY

DAYS = 30
_BITS = 24
"""Of a day's count; the day stands above them."""
_MASK = (1 << _BITS) - 1


class Often:
    """Subjects, named as `name_of` names them, and how often each was held on which day."""

    __slots__ = ("days", "dropped", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self.days: dict[str, tuple[int, ...]] = {}
        """Day and count in one int for each day with holds, the earliest first: a subject that was held once costs one."""
        self.dropped = 0

    def see(self, name: str, at: int) -> None:
        """A subject is held."""
        found = {each >> _BITS: each & _MASK for each in self.days.pop(name, ())}
        day = at // DAY
        found[day] = min(found.get(day, 0) + 1, _MASK)
        first = max(found) - DAYS
        self.days[name] = tuple(day << _BITS | found[day] for day in sorted(found) if day >= first)
        if len(self.days) > self.most:
            del self.days[next(iter(self.days))]
            self.dropped += 1

    def count(self, name: str, at: int) -> int:
        """How often a subject was held on the day of a time and the 30 days before."""
        first, found = (at // DAY - DAYS) << _BITS, self.days.get(name, ())
        if len(found) == 1:  # nearly all of them; a page asks a hundred thousand times
            return found[0] & _MASK if found[0] >= first else 0
        return sum(each & _MASK for each in found if each >= first)

    def forget(self, names: Iterable[str]) -> None:
        """Forgets subjects."""
        for name in names:
            del self.days[name]
