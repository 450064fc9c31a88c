"""Bar charts, drawn by the server.

Job: turn counted rows into the numbers of an SVG: a bar's place, length and what of it was only watched. Promise: sizes are attributes, so that no
page needs an inline style; a bar that is not nothing can be seen. Limits: a template draws it, a table beside it has the figures.
"""

from collections.abc import Sequence

from msgspec import Struct

from gatepost.pipeline.reports import Counted

WIDTH, HEIGHT = 1000, 100
"""What a chart of columns is drawn in; it is stretched to its place."""
LEAST = 1.5
"""The shortest bar."""
MOST_BARS = 15
"""Bars that lie: more cannot be read."""


class Bar(Struct, frozen=True, kw_only=True):
    """A bar: where it begins, how broad it is, how long what was held is, and what was only watched, behind it."""

    key: str
    decisions: int
    at: float
    broad: float
    held: float
    watched: float


def columns(rows: Sequence[Counted]) -> list[Bar]:
    """Standing bars, one beside the other, in `WIDTH` by `HEIGHT`."""
    step = WIDTH / max(1, len(rows))
    broad = min(step * 0.8, 60)
    return [_bar(row, number * step + (step - broad) / 2, broad, HEIGHT, most_of(rows)) for number, row in enumerate(rows)]


def lines(rows: Sequence[Counted]) -> list[Bar]:
    """Lying bars, one below the other, in 100 by 1 each."""
    return [_bar(row, 0, 1, 100, most_of(rows)) for row in rows[:MOST_BARS]]


def most_of(rows: Sequence[Counted]) -> int:
    """The longest bar's decisions."""
    return max((row.decisions for row in rows), default=0)


def _bar(row: Counted, at: float, broad: float, whole: int, most: int) -> Bar:
    length = max(LEAST, whole * row.decisions / most) if row.decisions else 0.0
    watched = length * row.watched / row.decisions if row.decisions else 0.0
    figures = (round(each, 2) for each in (at, broad, length - watched, watched))
    return Bar(key=row.key, decisions=row.decisions, **dict(zip(("at", "broad", "held", "watched"), figures, strict=True)))
