"""What a preview is asked, and what it answers.

Job: the typed messages about "what would these rules have done to our own past?" between administrator, daemon and keeper. Promise: an answer is
bounded, and says how much was left out of it. Limits: declares only.
"""

from typing import Literal

from msgspec import Struct

from gatepost.core.access import Entry
from gatepost.core.facts import kind_name
from gatepost.core.rules import Rule

State = Literal["running", "done", "failed", "cancelled"]


class AskPreview(Struct, frozen=True, kw_only=True, tag_field="ask", tag=kind_name):
    """What would two sets of rules have done between two times? Both see the same facts and the same lists."""

    number: int = 0
    """The preview's; states of it come back under this number."""
    before: tuple[Rule, ...]
    after: tuple[Rule, ...]
    names: tuple[str, ...]
    """The rules in question: what these would hold is told subject by subject."""
    entries: tuple[Entry, ...]
    brake: bool = True
    since: int
    """Microseconds since 1970 UTC; the start of a day."""
    until: int
    sift: bool = True
    """Leave out the subjects too rare to fire; it changes nothing but the time that it takes."""


class AskCancel(Struct, frozen=True, kw_only=True, tag_field="ask", tag=kind_name):
    """Stop the preview of this number."""

    number: int


class Hit(Struct, frozen=True, kw_only=True):
    """A subject that was held, or would have been."""

    subject: str
    by: str
    holds: int
    first: int
    """When it was first held, in microseconds."""
    until: int
    """When the last of its holds ended."""
    rules: tuple[str, ...]
    unknown: bool = False
    """It was really blocked at the time, and what it sent then was seen by nobody: it may have gone on."""
    logins: int = 0
    """Good log-ins from it in the whole history; for an account: of it."""
    messages: int = 0
    """Messages accepted from it."""
    accounts: tuple[str, ...] = ()
    """Whose log-ins these were; for an account: from where."""
    both: bool = True
    """Held by the rules of today and by the changed ones."""


class Day(Struct, frozen=True, kw_only=True):
    """A day, in UTC."""

    day: str
    before: int
    """Holds that the rules of today would have imposed."""
    after: int
    unknown: int
    """Subjects that were really blocked at some time of it."""


class Gap(Struct, frozen=True, kw_only=True):
    """A span of which the history knows nothing."""

    start: int
    until: int
    missing: int = 0
    """Entries that are known to be missing; 0 where the history did not reach back so far."""


class Blocked(Struct, frozen=True, kw_only=True):
    """A span in which a subject was really blocked, so that it shows as quiet and was not."""

    subject: str
    start: int
    until: int


class Total(Struct, frozen=True, kw_only=True):
    """What one rule would have done on both sides."""

    rule: str
    before: int
    """Holds; -1 where it does not exist or is off."""
    after: int
    braked: int = 0
    """When the brake would have put the changed rule to observe; 0: never."""


class Preview(Struct, frozen=True, kw_only=True):
    """Two sets of rules over the same past, side by side. Lists are cut, and ``many`` says how long each would be."""

    since: int
    until: int
    facts: int
    """Facts that could count, in the span."""
    fed: int
    """Facts of these that went through the engines; all others belong to subjects too rare to fire."""
    days: list[Day]
    rules: list[Total]
    """The rules that were changed first, then those that fare otherwise because of it."""
    gained: list[Hit]
    """Held by the changed rules alone."""
    lost: list[Hit]
    """Held by the rules of today alone."""
    friends: list[Hit]
    """Probable false positives: what the changed rules hold though it logged in well, before or after."""
    gaps: list[Gap]
    blocked: list[Blocked]
    """The longest."""
    many: dict[str, int]
    """Of subjects before and after, and of each list."""
    notes: list[str]
    took: int = 0
    """Microseconds of work."""


class PreviewState(Struct, frozen=True, kw_only=True):
    """How far a preview is."""

    number: int
    state: State = "running"
    percent: int = 0
    result: Preview | None = None
    problem: str = ""
