"""What a report is asked, and what the history answers.

Job: the typed messages about "what was decided in this time, of whom, by which rule?" between administrator, daemon and keeper. Promise: an answer is
bounded, and says how much is behind what it left out. Limits: declares only.
"""

from typing import Literal

from msgspec import Struct

from gatepost.core.facts import kind_name

By = Literal["day", "week", "month", "rule", "protocol", "country", "network", "account"]
"""What a report counts by."""
CountBy = Literal["day", "week", "month", "rule", "protocol", "network", "account", "client"]
"""What the history counts by: it knows clients, and no countries."""
TIMES: tuple[CountBy, ...] = ("day", "week", "month")
MOST_DAYS = 400
MOST_ROWS = 10_000


class AskReport(Struct, frozen=True, kw_only=True, tag_field="ask", tag=kind_name):
    """How many decisions did rules make between two times? Those that administrators made by hand are none of theirs."""

    number: int = 0
    """Comes back with the answer."""
    since: int
    until: int
    """Microseconds since 1970 UTC; this one is not in it."""
    by: CountBy
    limit: int
    """Groups at most: those with the most decisions; times are told in their order."""


class Counted(Struct, frozen=True, kw_only=True):
    """The decisions of a group."""

    key: str
    """The day, the Monday of the week, or the month, in UTC; else the rule, protocol, network, account or client."""
    decisions: int
    watched: int
    """Of these, what would have been held only."""
    subjects: int
    """How many clients, networks and accounts they are about."""


class GapDay(Struct, frozen=True, kw_only=True):
    """A day of which something is in no history."""

    day: str
    missing: int
    """Facts and deeds that are missing."""


class Tally(Struct, frozen=True, kw_only=True):
    """What the history knows of a time."""

    begins: int = 0
    """How far back the history goes; 0: it is empty."""
    total: Counted = Counted(key="", decisions=0, watched=0, subjects=0)
    without: int = 0
    """Decisions that are in no group, for they have no such thing: an account, say."""
    groups: int = 0
    """How many there are, with those behind the limit."""
    rows: list[Counted] = []
    gaps: list[GapDay] = []
