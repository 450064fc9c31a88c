"""Blocks: what is held, and lifting it.

Job: the page of blocks, page by page, with its deeds. Promise: the address names filter, order and place, so that it can be kept and shared. Limits:
actions/ does the work.
"""

import msgspec
from starlette.responses import Response

from gatepost.admin.actions import blocks
from gatepost.admin.actions.find import Find, find_blocks
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.visit import Done, Visit, link
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.spans import Span
from gatepost.wire.explain import explain

GRACES = ("0s", "1h", "1d", "7d")
SORTS = {"newest": "newest first", "ending": "ending soonest", "subject": "by address", "count": "most counted"}


def _find(visit: Visit) -> Find:
    asked = visit.request.query_params
    wishes = {name: asked[name] for name in ("text", "rule", "protocol", "sort", "after") if asked.get(name)} | {"watched": "watched" in asked}
    try:
        return msgspec.convert(wishes, Find)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(str(wrong), Find, wishes)[0]) from None


async def show(visit: Visit) -> Response:
    """The page."""
    try:
        asked = _find(visit)
        page = find_blocks(visit.desk, asked)
    except BadInputError as wrong:
        visit.refuse(wrong, ())
        asked = Find()
        page = find_blocks(visit.desk, asked)
    rules = [rule.name for rule in visit.desk.guard.order.engine.rules]
    here = {"text": asked.text, "rule": asked.rule, "protocol": asked.protocol, "watched": asked.watched, "sort": asked.sort}
    return visit.render(
        "blocks.html",
        page=page,
        asked=asked,
        here=here,
        rules=[*rules, "administrator"],
        protocols=PROTOCOLS,
        sorts=SORTS,
        graces=GRACES,
        form=fields_of(blocks.AddBlock, {"for": "1d", "prefix": visit.asked("prefix")}),
    )


async def add(visit: Visit) -> Done:
    """Holds an address by hand."""
    made = await blocks.add_block(visit.desk, visit.who, read(blocks.AddBlock, visit.typed))
    return Done(said=f"{made.subject} is blocked.", to="/blocks")


async def unblock(visit: Visit) -> Done:
    """Lifts what was chosen: one row by its button, or all that are ticked."""
    one = visit.text("one")
    chosen = [one] if one else list(dict.fromkeys(visit.typed.get("subject", ())))
    if not chosen:
        raise BadInputError("tick at least one row, or use the button in a row")
    try:
        grace = Span.parse(visit.text("grace", "0s"))
    except ValueError as wrong:
        raise BadInputError(f"grace: {wrong}") from None
    lifted = [await blocks.unblock(visit.desk, visit.who, blocks.Unblock(subject=subject, grace=grace)) for subject in chosen]
    many = sum(len(each.released) for each in lifted)
    denied = [subject for subject, each in zip(chosen, lifted, strict=True) if each.denied]
    said = f"{', '.join(chosen[:3])}{f' and {len(chosen) - 3} more' if len(chosen) > 3 else ''}: {many} block{'s' if many != 1 else ''} lifted."
    said += f" No rule holds it for {grace}." if grace.us else ""
    said += f" Still on the deny list: {', '.join(denied[:3])}." if denied else ""
    return Done(said=said, to=back(visit, "/blocks"))


def back(visit: Visit, path: str) -> str:
    """The page from which a form was sent, with its filter; it names it itself."""
    given = {name: visit.text(f"back.{name}") for name in ("text", "rule", "protocol", "sort", "watched", "subject")}
    return link(path, **given)
