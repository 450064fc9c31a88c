"""Preview: what a changed rule, a new one or a preset would have done to this server's own past.

Job: begin a preview from a form, show how far it is, and what came of it. Promise: what was typed is kept, for who typed it: from the result he saves
it, by the same deed as the form, or goes on editing. Limits: actions/ and the keeper do the work; so many forms are kept, and the keeper remembers
the newest preview alone; without JavaScript the page reloads itself.
"""

from typing import Any, cast

import msgspec
from msgspec import Struct
from starlette.responses import JSONResponse, RedirectResponse, Response

from gatepost.admin.actions.preview import AskRules, begin_preview, cancel_preview, preview
from gatepost.admin.faults import UnknownError
from gatepost.admin.pages import rules
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.visit import Done, Kept, Visit
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Preset, Rule, Where
from gatepost.core.texts import say
from gatepost.pipeline.previews import Day, PreviewState

MOST_KEPT = 20
MOST_SHOWN = 50
"""Subjects of a list on the page; the API has more of them."""
WIDTH, HEIGHT = 600, 120
GAP = 0.2
"""Share of a day's room that stays empty beside its two bars."""
WIDEST = 30
"""Width of a bar at most."""


class Bar(Struct, frozen=True):
    """A bar of the chart, in a box of `WIDTH` by `HEIGHT`."""

    side: str
    """today or changed."""
    x: str
    y: str
    width: str
    height: str


def bars_of(days: list[Day]) -> tuple[list[Bar], int]:
    """The chart's bars, two a day, and how many holds its top stands for."""
    top = max((1, *(many for day in days for many in (day.before, day.after))))
    room = WIDTH / max(1, len(days))
    wide = min(WIDEST, room * (1 - GAP) / 2)
    found = []
    for at, day in enumerate(days):
        for turn, (side, many) in enumerate((("today", day.before), ("changed", day.after))):
            tall = many / top * HEIGHT
            x = (at + 0.5) * room + (turn - 1) * wide
            found.append(Bar(side, f"{x:.2f}", f"{HEIGHT - tall:.2f}", f"{wide:.2f}", f"{tall:.2f}"))
    return found, top


# --- beginning one


async def begin_rule(visit: Visit) -> Response:
    """Previews a change of a rule."""
    name = visit.request.path_params["name"]
    current = next((rule for rule in visit.desk.guard.order.engine.rules if rule.name == name), None)
    if current is None:
        raise UnknownError(say("name: there is no rule {name!r}; somebody removed it meanwhile", name=name))
    changes = rules.changes_of(visit)
    if current.mode == "off" and changes.get("mode") == "off":
        del changes["mode"]  # off as it was: what it would do is asked
    return _begin(visit, f"/rules/{name}", name, rule=name, changes=changes)


async def begin_new(visit: Visit) -> Response:
    """Previews a rule that does not exist yet."""
    name = rules.new_name(visit)
    if not name:
        raise BadInputError(say("name: is empty; a rule needs one"))
    changes = rules.changes_of(visit)
    if changes.get("mode") == "off":
        del changes["mode"]
    return _begin(visit, "/new-rule", name, rule=name, changes=changes)


async def begin_preset(visit: Visit) -> Response:
    """Previews a preset."""
    name = visit.request.path_params["preset"]
    if name not in PRESETS:
        raise UnknownError(say("preset: {name!r} is none; one of {presets}", name=name, presets=tuple(PRESETS)))
    return _begin(visit, f"/presets/{name}", name, preset=cast(Preset, name))


def _begin(visit: Visit, edit: str, name: str, **asked: Any) -> Response:
    fixed = {"rule": "", "changes": {}, "preset": ""} | asked
    begun = begin_preview(visit.desk, read(AskRules, visit.typed, **fixed))
    names = {field.name for field in (*fields_of(Rule), *fields_of(Where, prefix=rules.NARROW))} | {"version", "form", "days"}
    typed = {field: list(values) for field, values in visit.typed.items() if field in names}
    kept = visit.site.previews
    kept.pop(begun.number, None)
    kept[begun.number] = Kept(owner=visit.user.name, edit=edit, name=name, typed=typed, begun=begun)
    while len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]
    return RedirectResponse(f"/preview/{begun.number}", 303)


# --- looking at one


def _look(visit: Visit) -> tuple[int, PreviewState, Kept | None]:
    """The preview that the address names. Raises UnknownError."""
    text = visit.request.path_params["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise UnknownError(say("preview: {text!r} is no number of a preview", text=text))
    number = int(text)
    kept = visit.site.previews.get(number)
    if kept and kept.result:
        return number, PreviewState(number=number, state="done", percent=100, result=kept.result), kept
    try:
        found = preview(visit.desk, number)
    except UnknownError:
        if kept is None or kept.owner != visit.user.name:
            raise
        found = PreviewState(number=number, state="failed", problem=say("another preview was begun since; what you typed is kept, so ask again"))
    if kept:
        kept.result = found.result
    return number, found, kept


async def show(visit: Visit) -> Response:
    """The page: how far it is, or what came of it."""
    try:
        number, found, kept = _look(visit)
    except BadInputError as wrong:
        return visit.render("error.html", code=404, title=say("No such preview"), problem=wrong.said, fragment=True)
    result = found.result
    bars, top = bars_of(result.days) if result else ([], 0)
    return visit.render(
        "preview.html",
        number=number,
        state=found,
        result=result,
        kept=kept,
        mine=bool(kept and kept.owner == visit.user.name),
        bars=bars,
        top=top,
        width=WIDTH,
        height=HEIGHT,
        shown=MOST_SHOWN,
    )


async def state(visit: Visit) -> Response:
    """How far it is, for the page's script."""
    try:
        _, found, _ = _look(visit)
    except BadInputError as wrong:
        return JSONResponse({"detail": wrong.said}, 404)
    return JSONResponse(msgspec.to_builtins({"state": found.state, "percent": found.percent}))


async def cancel(visit: Visit) -> Done:
    """Stops it."""
    number, _, _ = _look(visit)
    cancel_preview(visit.desk, number)
    return Done(said=say("The preview was stopped."), to=f"/preview/{number}")
