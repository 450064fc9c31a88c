"""Lengths of time as people write them.

Job: `Span`, a length of time in whole microseconds that reads and writes ``5m``, ``1h30m``, ``30 d``. Promise: what is written is read back the same.
Limits: years and months have no fixed length and are refused; the longest span is 400 days.
"""

import re
from typing import Any

from gatepost.core.texts import Text, plain, say

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

LONGEST = 400 * DAY

_UNITS = {"w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1000}
_NAMES = {
    "week": "w",
    "weeks": "w",
    "day": "d",
    "days": "d",
    "hour": "h",
    "hours": "h",
    "min": "m",
    "mins": "m",
    "minute": "m",
    "minutes": "m",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
}
_PART = re.compile(r"(\d{1,9}) ?([a-z]+) ?", re.ASCII)


class Span:
    """A length of time; ``us`` is its microseconds, 0 to 400 days."""

    __slots__ = ("us",)

    def __init__(self, us: int) -> None:
        if not 0 <= us <= LONGEST:
            raise ValueError(say("a length of time must lie between 0 and 400 days"))
        self.us = us

    @classmethod
    def parse(cls, text: str) -> "Span":
        """The span that a text spells. Raises ValueError where it spells none."""
        total, at, lower = 0, 0, text.strip().lower()
        while at < len(lower):
            part = _PART.match(lower, at)
            unit = part and _UNITS.get(_NAMES.get(part[2], part[2]))
            if not part or not unit:
                total = -1
                break
            total += int(part[1]) * unit
            at = part.end()
        if total < 0 or not lower:
            raise ValueError(say("{text!r} is no length of time; write a number and a unit (s, m, h, d, w), like 5m, 90s or 1h30m", text=text))
        return cls(total)

    def __str__(self) -> str:
        left, parts = self.us, []
        for name in ("d", "h", "m", "s", "ms"):
            count, left = divmod(left, _UNITS[name])
            if count:
                parts.append(f"{count}{name}")
        return "".join(parts) or "0s"

    def __repr__(self) -> str:
        return f"Span({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and other.us == self.us

    def __hash__(self) -> int:
        return self.us


def decode_span(kind: type, value: Any) -> Any:
    """msgspec's hook for the types that it does not know: a `Span` is written as text."""
    if kind is Span and isinstance(value, str):
        return Span.parse(value)
    raise TypeError(say('expected a length of time in quotes, like "5m", got {value!r}', value=value))


def encode_span(value: Any) -> Any:
    """msgspec's hook the other way round; a `Text` is written in English."""
    if isinstance(value, Span):
        return str(value)
    if isinstance(value, Text):
        return plain(value)
    raise TypeError(f"{type(value).__name__} cannot be written")
