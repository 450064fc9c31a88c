"""Now: is all well?

Job: the first page, and the stream that keeps it fresh. Promise: one picture for all who look, made every two seconds at most; a stream ends with its
session; so many at once. Limits: looks only; without JavaScript the page reloads itself.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from gatepost.admin.actions import blocks
from gatepost.admin.actions.status import status
from gatepost.admin.actions.top import top
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.pulse import HEIGHT, WIDTH, lines_of
from gatepost.admin.pages.visit import Done, Visit
from gatepost.admin.tongues import READS
from gatepost.core.spans import Span
from gatepost.core.texts import say

EVERY = 2
"""Seconds between two pictures."""
MOST_STREAMS = 100
PARTS = ("health", "figures", "rates", "newest", "near", "wiring")
"""The parts of the page that change by themselves; each is a template ``_NAME.html`` and an element of that id."""


def _picture(visit: Visit, oldest: float = 0) -> dict[str, str]:
    """Each part's HTML, made anew where it is older than so many seconds: all who read it in one language share it."""
    language = READS.get()
    made, parts = visit.site.pictures.get(language, (0.0, {}))
    if parts and asyncio.get_running_loop().time() - made < oldest:
        return parts
    visit.site.pictures[language] = (asyncio.get_running_loop().time(), _make(visit))
    return visit.site.pictures[language][1]


def _make(visit: Visit) -> dict[str, str]:
    looked, busy = status(visit.desk), top(visit.desk)
    lines, most, minutes = lines_of(list(visit.site.pulse.beats), {source.tells_open for source in looked.sources})
    about = {"status": looked, "top": busy, "lines": lines, "most": most, "minutes": minutes, "width": WIDTH, "height": HEIGHT}
    return {part: visit.site.text(f"_{part}.html", visit, fragment=True, **about) for part in PARTS}


async def show(visit: Visit) -> Response:
    """The page."""
    return visit.render("now.html", parts=_picture(visit), status=status(visit.desk), pause=fields_of(blocks.PauseFor, {"for": "1h"}))


async def stream(visit: Visit) -> Response:
    """What changes, as server-sent events (HTML Living Standard, 9.2)."""
    if visit.site.streams >= MOST_STREAMS:
        return PlainTextResponse("too many streams are open\n", 503)
    return StreamingResponse(_events(visit), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(visit: Visit) -> AsyncIterator[str]:
    visit.site.streams += 1
    try:
        before: dict[str, str] = {}
        while visit.accounts.session(visit.secret):
            parts = _picture(visit, EVERY * 0.8)
            changed = {name: text for name, text in parts.items() if before.get(name) != text}
            before = parts
            yield f"event: parts\ndata: {json.dumps(changed)}\n\n" if changed else ": all is as it was\n\n"
            await asyncio.sleep(EVERY)
        yield "event: over\ndata: \n\n"
    finally:
        visit.site.streams -= 1


async def pause(visit: Visit) -> Done:
    """Lifts the holds of rules for a while."""
    asked = read(blocks.PauseFor, visit.typed)
    lifted = await blocks.pause(visit.desk, visit.who, asked)
    return Done(
        said=say("Paused for {span}: {many} holds were lifted, and rules only watch.", span=Span(asked.hold_for.us), many=len(lifted.released)),
        to="/",
    )


async def resume(visit: Visit) -> Done:
    """Rules hold again."""
    await blocks.resume(visit.desk, visit.who)
    return Done(said=say("Rules hold again."), to="/")
