"""Blocks: what is held, and lifting it.

Job: the page of blocks, page by page, with its deeds. Promise: the address names filter, order and place, so that it can be kept and shared. Limits:
actions/ does the work.
"""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from gatepost.admin.actions import blocks, lasting
from gatepost.admin.actions.find import Find, find_blocks
from gatepost.admin.actions.neighbours import neighbours
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.visit import Done, Visit, link, sentences
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.spans import Span
from gatepost.core.subjects import Client, wider
from gatepost.core.texts import say, say_many, without
from gatepost.wire.explain import explain

SPANS = ("1h", "1d", "7d", "30d")
GRACES = ("0s", "1h", "1d", "7d")
SORTS = {
    "newest": say("newest first"),
    "ending": say("ending soonest"),
    "subject": say("by address"),
    "count": say("most counted"),
    "often": say("most often held"),
}


def _find(visit: Visit) -> Find:
    asked = visit.request.query_params
    wishes = {name: asked[name] for name in ("text", "rule", "protocol", "sort", "after") if asked.get(name)} | {"watched": "watched" in asked}
    try:
        return msgspec.convert(wishes, Find)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(wrong, Find, wishes)[0]) from None


async def show(visit: Visit) -> Response:
    """The page."""
    try:
        asked = _find(visit)
        page = await find_blocks(visit.desk, asked)
    except BadInputError as wrong:
        visit.refuse(wrong, ())
        asked = Find()
        page = await find_blocks(visit.desk, asked)
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
        spans=SPANS,
        networks={each.subject: net for each in page.blocks if each.by == "client" and (net := net_of(each.subject))},
        form=fields_of(blocks.AddBlock, {"for": "1d", "prefix": visit.asked("prefix")}),
    )


async def add(visit: Visit) -> Done:
    """Holds an address by hand."""
    made = await blocks.add_block(visit.desk, visit.who, read(blocks.AddBlock, visit.typed))
    return Done(said=say("{subject} is blocked.", subject=made.subject), to="/blocks")


async def show_network(visit: Visit) -> Response:
    """A network that might be blocked, and who else is in it."""
    prefix = visit.text("prefix") or visit.asked("prefix")
    found = None
    try:
        found = await neighbours(visit.desk, prefix)
    except BadInputError as wrong:
        visit.wrong = visit.wrong or {"prefix": without(wrong.said, "prefix: ")}
    return visit.render("network.html", prefix=prefix, found=found, form=fields_of(blocks.AddBlock, {"for": "1d", "prefix": prefix}))


def _chosen(visit: Visit) -> tuple[str, ...]:
    """What was chosen: one row by its button, or all that are ticked."""
    one = visit.text("one")
    chosen = (one,) if one else tuple(dict.fromkeys(visit.typed.get("subject", ())))
    if not chosen:
        raise BadInputError(say("tick at least one row, or use the button in a row"))
    return chosen


def _names(chosen: Sequence[str]) -> str:
    if len(chosen) > 3:
        return say("{names} and {many} more", names=tuple(chosen[:3]), many=len(chosen) - 3)
    return ", ".join(chosen)


def _span(visit: Visit, name: str, default: str) -> Span:
    try:
        return Span.parse(visit.text(name, default))
    except ValueError as wrong:
        raise BadInputError(say("{name}: {wrong}", name=name, wrong=str(wrong))) from None


async def unblock(visit: Visit) -> Done:
    """Lifts what was chosen."""
    chosen, grace = _chosen(visit), _span(visit, "grace", "0s")
    lifted = [await blocks.unblock(visit.desk, visit.who, blocks.Unblock(subject=subject, grace=grace)) for subject in chosen]
    many = sum(len(each.released) for each in lifted)
    denied = [subject for subject, each in zip(chosen, lifted, strict=True) if each.denied]
    said = say_many("{names}: {count} block lifted.", "{names}: {count} blocks lifted.", many, names=_names(chosen))
    free = say("No rule holds it for {grace}.", grace=grace) if grace.us else ""
    still = say("Still on the deny list: {names}.", names=tuple(denied[:3])) if denied else ""
    return Done(said=sentences(said, free, still), to=back(visit, "/blocks"))


async def prolong(visit: Visit) -> Done:
    """Holds what was chosen longer."""
    chosen, by = _chosen(visit), _span(visit, "for", "")
    await lasting.prolong(visit.desk, visit.who, lasting.Prolong(subjects=chosen, prolong_by=by))
    return Done(said=say("{chosen}: held {by} longer.", chosen=_names(chosen), by=by), to=back(visit, "/blocks"))


async def make_permanent(visit: Visit) -> Done:
    """Puts what was chosen on the deny list."""
    found = await lasting.make_permanent(visit.desk, visit.who, lasting.Permanent(subjects=_chosen(visit)))
    said = say("{names}: on the deny list for good, no longer a block.", names=_names([each.prefix for each in found.entries]))
    wider = say("Of {names} log-ins alone were held; now it is kept out of everything.", names=_names(found.wider)) if found.wider else ""
    return Done(said=sentences(said, wider), to=back(visit, "/blocks"))


def net_of(text: str) -> str:
    """The network around a client as a page offers to block it: /24 or /64; empty where it is that network itself."""
    address, slash, length = text.partition("/")
    return wider(Client(address), 24, 64) if not slash else wider(Client(address), 24, 48) if int(length) > 48 else ""


def back(visit: Visit, path: str) -> str:
    """The page from which a form was sent, with its filter; it names it itself."""
    given = {name: visit.text(f"back.{name}") for name in ("text", "rule", "protocol", "sort", "watched", "subject")}
    return link(path, **given)
