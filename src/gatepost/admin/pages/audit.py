"""Audit: who changed what.

Job: the audit trail, newest first, page by page. Promise: read in a thread of its own; nothing can be changed here. Limits: looks only.
"""

import asyncio

from starlette.responses import Response

from gatepost.admin.pages.visit import Visit
from gatepost.stores.contract import StoreError

ROWS = 50


async def show(visit: Visit) -> Response:
    """The page."""
    text = visit.asked("before")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    problem = ""
    try:
        found = await asyncio.to_thread(visit.desk.store.audit, ROWS + 1, before)
    except StoreError as wrong:
        found, problem = [], str(wrong)
    return visit.render("audit.html", lines=found[:ROWS], next=found[ROWS - 1][0] if len(found) > ROWS else 0, first=before == 0, problem=problem)
