"""What is asked of who remembers, and what he answers.

Job: the typed messages between the daemon and the keeper, and the contract by which an administrator's deeds ask. Promise: asking never holds up the
guard: every answer comes from another process, or RecallError says why there is none. Limits: declares only.
"""

from typing import Any, Protocol

from msgspec import Struct

from gatepost.core.facts import kind_name
from gatepost.pipeline.previews import AskPreview, PreviewState
from gatepost.pipeline.reports import AskReport, Tally


class RecallError(Exception):
    """Nobody remembers now; the text says why, and the cure."""


class Ask(Struct, frozen=True, kw_only=True, tag_field="ask", tag=kind_name):
    """A question to the keeper."""

    number: int = 0
    """Comes back with the answer."""


class AskWhy(Ask, frozen=True, kw_only=True):
    """What did a subject do, and what was decided about it? One of client, network and account is named."""

    client: str = ""
    prefixes: tuple[str, ...] = ()
    """The texts under which the client can be held: itself, its /24, or its /64 and /48."""
    network: str = ""
    account: str = ""
    since: int = 0
    evidence: tuple[tuple[int, ...], ...] = ()
    """Places of facts whose log lines are wanted too, for each decision that stands."""


class AskForget(Ask, frozen=True, kw_only=True):
    """Take a subject out of the history, and its log lines out of the journal."""

    client: str = ""
    network: str = ""
    account: str = ""


class Event(Struct, frozen=True, kw_only=True):
    """A line of the history: a fact, a deed, or what followed from one."""

    place: int
    at: int
    kind: str
    """A kind of fact or deed; ``imposed``, ``released``, ``expired``, ``braked``; ``gap``."""
    protocol: str = ""
    service: str = ""
    client: str = ""
    account: str = ""
    evidence_only: bool = False
    detail: dict[str, Any] = {}
    line: str = ""


class Group(Struct, frozen=True, kw_only=True):
    """Facts of one sort, counted."""

    kind: str
    protocol: str
    reason: str
    evidence_only: bool
    count: int
    first: int
    last: int


class Told(Struct, frozen=True, kw_only=True):
    """A decision that was made, and the facts that made it."""

    decision: Event
    evidence: list[Event]
    """The first and the last of them."""
    ended: Event | None = None
    """What ended it, where that is known."""


class Past(Struct, frozen=True, kw_only=True):
    """What the history knows of a subject."""

    since: int = 0
    """How far the history goes back."""
    groups: list[Group] = []
    clients: dict[str, int] = {}
    """The clients with the most facts, for a network or an account."""
    accounts: dict[str, int] = {}
    """The accounts that were tried most."""
    told: list[Told] = []
    """Decisions, the newest first."""
    evidence: list[list[Event]] = []
    """For each list of places that was asked for: its facts, oldest first; some, where they are many."""
    deeds: list[Event] = []
    newest: list[Event] = []
    """The newest facts, newest first."""
    missing: int = 0
    """Entries that are in no history."""
    took: int = 0
    """Microseconds that it took."""


class Counts(Struct, frozen=True, kw_only=True):
    """How the keeper is doing."""

    place: int = 0
    """The place up to which the history is written or waits to be."""
    behind: int = 0
    """Entries that the journal has and the history has not."""
    rows: int = 0
    """Written since the start."""
    waiting: int = 0
    bytes: int = 0
    """On disk."""
    oldest: str = ""
    """The oldest day that is kept."""
    missing: int = 0
    """Entries that are in no history, as far back as it goes."""
    dropped_days: int = 0
    """Days that left before their time since the start, because of the bound of bytes."""
    memory: int = 0
    """The most memory that the process had, in bytes."""
    problem: str = ""


class Answer(Struct, frozen=True, kw_only=True):
    """An answer, or a sign of life (number 0)."""

    number: int = 0
    counts: Counts | None = None
    past: Past | None = None
    tally: Tally | None = None
    preview: PreviewState | None = None
    """How far a preview is; it has a number of its own."""
    forgotten: int = 0
    """Rows of history and lines of the journal that are gone."""
    problem: str = ""


class Recall(Protocol):
    """Who remembers. Every call may raise RecallError."""

    async def why(self, asked: AskWhy) -> Past:
        """What the history knows of a subject."""

    async def report(self, asked: AskReport) -> Tally:
        """What the history knows of a time."""

    async def forget(self, asked: AskForget) -> int:
        """Takes a subject out of it; how many rows and lines went."""

    def begin_preview(self, asked: AskPreview) -> PreviewState:
        """Begins a preview; its state has the number to ask for."""

    def preview(self, number: int) -> PreviewState | None:
        """How far a preview is, or what came of it; None where it is not the newest one. Who does not ask for long is taken as gone."""

    def cancel_preview(self, number: int) -> None:
        """Stops a preview."""

    def counts(self) -> Counts | None:
        """The keeper's newest sign of life; None where there is none."""

    def problem(self) -> str:
        """What is wrong with the history; empty where all is well."""
