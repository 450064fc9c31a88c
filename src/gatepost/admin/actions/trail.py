"""The audit trail: who changed what, a page at a time.

Job: read lines of the trail as the API, the console and the command line show them. Promise: keyset paging by the line's number, which never changes;
read in a thread of its own. Limits: looks only; undo.py undoes.
"""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct, structs

from gatepost.admin.desk import Desk
from gatepost.admin.faults import UnknownError
from gatepost.core.texts import say
from gatepost.stores.contract import Audit


class FindLines(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines."""

    before: Annotated[int, Meta(description="Older than the line of this number; 0: from the newest on.", ge=0, le=1 << 53)] = 0
    limit: Annotated[int, Meta(description="Lines of a page.", ge=1, le=1000)] = 100


class TrailLine(Audit, frozen=True, kw_only=True):
    """A line of the audit trail."""

    number: int
    """Names it, for ever."""
    undoable: bool
    """Whether it is of a kind that can be undone; whether it still can is told by asking for the line itself."""


class Trail(Struct, frozen=True, kw_only=True):
    """A page of the audit trail, the newest first."""

    lines: list[TrailLine]
    next: int = 0
    """What to ask for as ``before``; 0 on the last page."""


UNDOABLE = (
    *("rules.", "import.rules", "access.allow", "access.deny", "access.remove", "access.import", "access.undo", "import.access"),
    *("blocks.add", "blocks.prolong", "blocks.shorten", "blocks.permanent", "blocks.temporary", "unblock", "pause", "resume", "country."),
)
"""How the actions begin that can be undone."""


async def find_lines(desk: Desk, asked: FindLines) -> Trail:
    """A page of the trail. Raises StoreError."""
    found = await asyncio.to_thread(desk.store.audit, asked.limit + 1, asked.before)
    lines = [line_of(number, each) for number, each in found[: asked.limit]]
    return Trail(lines=lines, next=lines[-1].number if len(found) > asked.limit else 0)


async def find_line(desk: Desk, number: int) -> TrailLine:
    """One line. Raises UnknownError where there is none of this number, and StoreError."""
    found = await asyncio.to_thread(desk.store.audit, 1, number + 1)
    if not found or found[0][0] != number:
        raise UnknownError(say("number: the audit trail has no line {number}", number=number))
    return line_of(number, found[0][1])


def line_of(number: int, audit: Audit) -> TrailLine:
    """A line, with its number."""
    return TrailLine(number=number, undoable=audit.action.startswith(UNDOABLE), **structs.asdict(audit))
