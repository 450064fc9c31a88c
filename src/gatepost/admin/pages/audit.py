"""Audit: who changed what, and undoing it.

Job: the audit trail, newest first, page by page; one line, with what undoing it would do, and the deed. Promise: read in a thread of its own; what
an undo does is said before it is done. Limits: actions/ does the work.
"""

import re

from starlette.exceptions import HTTPException
from starlette.responses import Response

from gatepost.admin.actions.trail import FindLines, Trail, find_lines
from gatepost.admin.actions.undo import show_line
from gatepost.admin.actions.undo import undo as undo_line
from gatepost.admin.faults import UnknownError
from gatepost.admin.pages.visit import Done, Visit
from gatepost.core.texts import say
from gatepost.stores.contract import StoreError

ROWS = 50


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else 0


async def show(visit: Visit) -> Response:
    """The page."""
    before, problem = _number(visit.asked("before")), ""
    try:
        found = await find_lines(visit.desk, FindLines(before=before, limit=ROWS))
    except StoreError as wrong:
        found, problem = Trail(lines=[]), str(wrong)
    return visit.render("audit.html", lines=found.lines, next=found.next, first=before == 0, problem=problem)


async def show_one(visit: Visit) -> Response:
    """One line, and what undoing it would do."""
    try:
        shown = await show_line(visit.desk, visit.who, _number(visit.request.path_params["number"]))
    except UnknownError:
        raise HTTPException(404) from None
    return visit.render("audit_line.html", shown=shown, each=shown.line)


async def undo(visit: Visit) -> Done:
    """Undoes a line."""
    done = await undo_line(visit.desk, visit.who, visit.user.role, _number(visit.request.path_params["number"]))
    return Done(said=say("Line {number} is undone: {said}.", number=done.number, said=done.said), to="/audit")
