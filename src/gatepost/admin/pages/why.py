"""Why: one address, network or account.

Job: all that is known of a subject on one page, with what can be done about it. Promise: the same answer as `gatepost why`. Limits: actions/ does
the work.
"""

from starlette.responses import Response

from gatepost.admin.actions import blocks
from gatepost.admin.actions.why import Why
from gatepost.admin.actions.why import why as ask
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.visit import Done, Visit, link, sentences
from gatepost.core.faults import BadInputError
from gatepost.core.subjects import Client
from gatepost.core.texts import say, say_many, without


async def show(visit: Visit) -> Response:
    """The page."""
    subject = visit.asked("subject") or visit.text("subject") or visit.text("prefix")
    found: Why | None = None
    problem = ""
    if subject:
        try:
            found = await ask(visit.desk, subject)
        except BadInputError as wrong:
            problem = without(wrong.said, "subject: ")
    return visit.render(
        "why.html",
        subject=subject,
        found=found,
        problem=problem,
        network=visit.desk.guard.order.engine.view(Client(found.subject)).network if found and found.by == "client" else "",
        verdicts=_verdicts(found),
        unblock=fields_of(blocks.Unblock, {"subject": found.subject if found else "", "grace": "1h"}),
        block=fields_of(blocks.AddBlock, {"prefix": found.subject if found else "", "for": "1d"}),
    )


def _verdicts(found: Why | None) -> dict[str, list[tuple[str, str, str]]]:
    """What would be answered now, by protocol: stage, verdict, reason."""
    table: dict[str, list[tuple[str, str, str]]] = {}
    for each in found.answers if found else ():
        table.setdefault(each.protocol, []).append((each.stage, each.verdict, each.reason))
    most = max(map(len, table.values()), default=0)
    for row in table.values():
        row += [("", "none", "")] * (most - len(row))
    return table


async def unblock(visit: Visit) -> Done:
    """Lifts what holds the subject."""
    lifted = await blocks.unblock(visit.desk, visit.who, asked := read(blocks.Unblock, visit.typed))
    said = say_many("{count} block of {subject} lifted.", "{count} blocks of {subject} lifted.", len(lifted.released), subject=asked.subject)
    still = say("The deny list still keeps it out: {prefix}.", prefix=lifted.denied.prefix) if lifted.denied else ""
    return Done(said=sentences(said, still), to=link("/why", subject=asked.subject))


async def block(visit: Visit) -> Done:
    """Holds the subject by hand."""
    made = await blocks.add_block(visit.desk, visit.who, read(blocks.AddBlock, visit.typed))
    return Done(said=say("{subject} is blocked.", subject=made.subject), to=link("/why", subject=made.subject))
