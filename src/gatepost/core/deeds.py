"""What an administrator or the program does to the guard.

Job: a type for each kind of deed, frozen, with its time. Promise: deeds reach the engine in the one order that facts go by, so that replay,
restart and a second host see the same state. Limits: who did it and why is the audit's, not the engine's.
"""

from msgspec import Struct

from gatepost.core.access import Entry
from gatepost.core.countries import CountryPolicy
from gatepost.core.facts import PROTOCOLS, Protocol, kind_name
from gatepost.core.rules import Rule
from gatepost.core.subjects import Subject


class Deed(Struct, frozen=True, gc=False, tag_field="kind", tag=kind_name):
    """Something done to the guard at ``at``, in microseconds since 1970 UTC."""

    at: int


class AdoptRules(Deed, frozen=True, gc=False):
    """These are the rules from now on. A rule whose counting is unchanged keeps its windows; what a rule that no longer enforces held is released."""

    rules: tuple[Rule, ...]
    brake: bool = True
    """Whether a rule that holds too many good clients is put to observe (the law, 12)."""


class AdoptLists(Deed, frozen=True, gc=False):
    """These are the deny and allow entries from now on, the own ones included."""

    entries: tuple[Entry, ...]


class AdoptCountries(Deed, frozen=True, gc=False):
    """This is the policy of countries from now on: from where one may log in. It ends no session and touches no decision."""

    policy: CountryPolicy


class Hold(Deed, frozen=True, gc=False):
    """An administrator holds a subject until a time."""

    subject: Subject
    until: int
    protocols: tuple[Protocol, ...] = PROTOCOLS
    reason: str = ""


class Lift(Deed, frozen=True, gc=False):
    """What holds a subject is released and what was counted of it cleared; until ``grace`` no rule counts or holds it."""

    subject: Subject
    grace: int = 0


class Retime(Deed, frozen=True, gc=False):
    """A decision that holds a subject goes on until another time; it ends now where that is not later than ``at``."""

    subject: Subject
    number: int
    until: int


class Forget(Deed, frozen=True, gc=False):
    """What is remembered of a subject is forgotten: counts, known pairs, good deeds. A standing hold stays."""

    subject: Subject


class Pause(Deed, frozen=True, gc=False):
    """All holds of rules are released, and until ``until`` rules decide and record but hold nothing. 0 ends a pause."""

    until: int


AnyDeed = AdoptRules | AdoptLists | AdoptCountries | Hold | Lift | Retime | Forget | Pause
