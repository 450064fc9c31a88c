"""Access: the allow and deny lists.

Job: the page of list entries, with search, check, import and export. Promise: a dry run changes nothing and names each bad row; what was typed is
kept. Limits: actions/ does the work.
"""

from typing import Any

from starlette.responses import Response

from gatepost.admin.actions import access, lists
from gatepost.admin.actions.find import words_of
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.visit import Done, Visit, sentences
from gatepost.core.decisions import QUESTION_STAGES
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.texts import say, say_many, without

ROWS = 100


async def show(visit: Visit) -> Response:
    """The page."""
    text, verb, client = visit.asked("text").strip().lower(), visit.asked("list"), visit.asked("client").strip()
    there = access.list_entries(visit.desk)
    found = [entry for entry in there if (not verb or entry.verb == verb) and (not text or text in words_of(entry))]
    number = min(int(page) if (page := visit.asked("page", "1")).isascii() and page.isdigit() and len(page) < 9 else 1, 1 + len(found) // ROWS) or 1
    checked, problem = None, ""
    if client:
        try:
            checked = access.check_client(visit.desk, client, "", visit.asked("stage", "connect"))
        except BadInputError as wrong:
            problem = without(wrong.said, wrong.said.partition(": ")[0] + ": ")
    return visit.render(
        "access.html",
        entries=found[(number - 1) * ROWS : number * ROWS],
        many=len(found),
        total=len(there),
        number=number,
        more=len(found) > number * ROWS,
        text=visit.asked("text"),
        verb=verb,
        client=client,
        stage=visit.asked("stage", "connect"),
        stages=QUESTION_STAGES,
        checked=checked,
        problem=problem,
        form=fields_of(access.AddEntry, {"prefix": visit.asked("prefix"), "verb": visit.asked("add", "allow")}),
    )


async def add(visit: Visit) -> Done:
    """Puts an entry on a list."""
    entry = await access.add_entry(visit.desk, visit.who, read(access.AddEntry, visit.typed))
    name = entry.prefix or entry.name
    many = sum(net.num_addresses for net in entry.networks)
    size = say("It covers {many:,} addresses.", many=many) if many > 1 else ""
    wide = say("That is wide: whoever is in there is not counted.") if entry.verb == "allow" and many > 256 and entry.networks[0].version == 4 else ""
    said = say("{prefix} is on the allow list.", prefix=name) if entry.verb == "allow" else say("{prefix} is on the deny list.", prefix=name)
    return Done(said=sentences(said, size, wide), to="/access")


async def remove(visit: Visit) -> Done:
    """Takes an entry away."""
    gone = await access.remove_entry(visit.desk, visit.who, visit.text("prefix"))
    return Done(
        said=say_many(
            "{prefix} is off the list ({count} entry).", "{prefix} is off the list ({count} entries).", len(gone), prefix=visit.text("prefix")
        ),
        to="/access",
    )


async def export(visit: Visit) -> Response:
    """The lists as CSV."""
    headers = {"Content-Disposition": 'attachment; filename="gatepost-access.csv"'}
    return Response(lists.export_entries(visit.desk), media_type="text/csv; charset=utf-8", headers=headers)


async def show_import(visit: Visit) -> Response:
    """A list to be brought in."""
    return visit.render("import.html", result=None, protocols=PROTOCOLS)


async def bring(visit: Visit) -> Done | Response:
    """Imports a list, or says what that would do."""
    boxes: Any = {name: bool(visit.text(name)) for name in ("skip_bad", "confirm_relay")}
    dry = visit.text("deed") != "import"
    text = visit.text("rows")
    if not text.strip():
        raise BadInputError(say("rows: is empty; paste a CSV or a line for each address"))
    protocols = " ".join(visit.typed.get("protocols", ()))
    found = await lists.import_entries(visit.desk, visit.who, text, visit.text("list"), dry_run=dry, protocols=protocols, **boxes)
    if dry or not found.applied:
        return visit.render("import.html", result=found, dry=dry, protocols=PROTOCOLS)
    return Done(
        said=say(
            "{added} entries were added, {replaced} replaced, {duplicates} were there already.",
            added=found.added,
            replaced=found.replaced,
            duplicates=found.duplicates,
        ),
        to="/access",
    )
