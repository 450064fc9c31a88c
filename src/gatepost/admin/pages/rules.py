"""Rules: read as sentences, edit by form, presets with the difference.

Job: the pages of rules and their deeds. Promise: a form names the version that it was made from; who comes second is shown what the first one
changed, and what he typed is kept. Limits: actions/ does the work.
"""

from datetime import datetime
from typing import Any, cast

import msgspec
from msgspec import structs
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from gatepost.admin.actions import rules
from gatepost.admin.actions.preview import AskRules
from gatepost.admin.pages.forms import Field, fields_of, values_of
from gatepost.admin.pages.visit import Done, Visit, kept_of
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Preset, Rule, Where, sentence
from gatepost.core.spans import DAY, SECOND, encode_span
from gatepost.core.texts import say

LEFT_OUT = ("name", "where")
NARROW = "where."
SHIPPED = {rule.name for preset in PRESETS.values() for rule in preset}


async def show(visit: Visit) -> Response:
    """All rules."""
    return visit.render("rules.html", listed=rules.list_rules(visit.desk), presets=list(PRESETS), shipped=SHIPPED)


async def export(visit: Visit) -> Response:
    """The rules as TOML."""
    return PlainTextResponse(rules.export_rules(visit.desk), headers={"Content-Disposition": 'attachment; filename="gatepost-rules.toml"'})


def _form(rule: Rule | None) -> list[Field]:
    values = msgspec.to_builtins(rule, enc_hook=encode_span) if rule else {}
    return [*fields_of(Rule, values, LEFT_OUT), *fields_of(Where, values.get("where", {}), prefix=NARROW)]


async def show_one(visit: Visit) -> Response:
    """One rule, to be read and edited."""
    listed = rules.list_rules(visit.desk)
    found = next((each for each in listed.rules if each.rule.name == visit.request.path_params["name"]), None)
    if found is None and visit.typed:
        visit.wrong.clear()  # the page says it
        said = f"There is no rule {visit.request.path_params['name']} any more."
        return visit.render("over.html", title=said, kept=kept_of(visit.typed), to="/rules", fragment=True)
    if found is None:
        raise HTTPException(404)
    visit.take_up()
    stale = bool(visit.typed) and visit.text("version") != listed.version
    return visit.render(
        "rule.html",
        shown=found,
        version=listed.version,
        form=_form(found.rule),
        stale=stale,
        shipped=found.rule.name in SHIPPED,
        days=days_field(visit),
    )


async def show_new(visit: Visit) -> Response:
    """A rule to be made."""
    visit.take_up()
    version = rules.list_rules(visit.desk).version
    form = [*fields_of(Rule, leave_out=("where",)), *fields_of(Where, prefix=NARROW)]
    return visit.render("rule.html", shown=None, version=version, form=form, stale=False, shipped=False, days=days_field(visit))


def days_field(visit: Visit) -> Field:
    """How many days a preview looks back; no more are offered than the history holds."""
    field = next(each for each in fields_of(AskRules) if each.name == "days")
    counts = visit.desk.recall.counts() if visit.desk.recall else None
    if not (counts and counts.oldest):
        return field
    oldest = int(datetime.fromisoformat(f"{counts.oldest}T00:00:00+00:00").timestamp()) * SECOND
    held = min(max(1, visit.desk.now() // DAY - oldest // DAY + 1), field.most or 1)
    return structs.replace(field, most=held, value=min(field.value, held))


def changes_of(visit: Visit) -> dict[str, Any]:
    """The fields that a rule's form sent, as a change of the rule."""
    narrow = values_of(Where, visit.typed, fields_of(Where, prefix=NARROW), NARROW)
    plain = values_of(Rule, visit.typed, fields_of(Rule, leave_out=LEFT_OUT))
    # A window that is emptied is none, not the one of before.
    return {"window": "0s"} | plain | {NARROW + name: value for name, value in narrow.items()}


async def change(visit: Visit) -> Done:
    """Changes a rule."""
    name = visit.request.path_params["name"]
    listed = await rules.set_rule(visit.desk, visit.who, name, changes_of(visit), visit.text("version"))
    said = next(each.sentence for each in listed.rules if each.rule.name == name)
    return Done(said=say("{name} says now: {said}", name=name, said=said), to="/rules")


def new_name(visit: Visit) -> str:
    """The name that was typed for a new rule. Raises BadInputError where it is taken."""
    name = visit.text("name").strip()
    if any(rule.name == name for rule in visit.desk.guard.order.engine.rules):
        raise BadInputError(say("name: there is a rule {name!r} already", name=name))
    return name


async def add(visit: Visit) -> Done:
    """Adds a rule."""
    name = new_name(visit)
    await rules.set_rule(visit.desk, visit.who, name, changes_of(visit), visit.text("version"))
    return Done(said=say("The rule {name} was added.", name=name), to="/rules")


async def mode(visit: Visit) -> Done:
    """Has a rule enforce, observe or do nothing."""
    name = visit.request.path_params["name"]
    try:
        asked = msgspec.convert({"mode": visit.text("mode")}, rules.SetMode)
    except msgspec.ValidationError:
        raise BadInputError(say("mode: enforce, observe or off")) from None
    await rules.set_mode(visit.desk, visit.who, name, asked.mode, visit.text("version"))
    said = {
        "enforce": say("{name} enforces.", name=name),
        "observe": say("{name} observes: it decides and records, and holds nothing.", name=name),
        "off": say("{name} is off.", name=name),
    }
    return Done(said=said[asked.mode], to="/rules")


async def reset(visit: Visit) -> Done:
    """Gives a rule the numbers back that it came with."""
    name = visit.request.path_params["name"]
    await rules.reset_rule(visit.desk, visit.who, name, visit.text("version"))
    return Done(said=say("{name} has the numbers back that it came with.", name=name), to="/rules")


async def remove(visit: Visit) -> Done:
    """Takes a rule away."""
    name = visit.request.path_params["name"]
    await rules.remove_rule(visit.desk, visit.who, name, visit.text("version"))
    return Done(said=say("The rule {name} is gone.", name=name), to="/rules")


class Difference(msgspec.Struct, frozen=True):
    """What a preset does to a rule."""

    name: str
    what: str
    """new, removed, changed or same."""
    before: str
    after: str


def differences(before: tuple[Rule, ...], after: tuple[Rule, ...]) -> list[Difference]:
    """What becomes of each rule, by its name."""
    old, new = {rule.name: rule for rule in before}, {rule.name: rule for rule in after}
    found = []
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name), new.get(name)
        what = "new" if one is None else "removed" if other is None else "same" if one == other else "changed"
        found.append(Difference(name, what, sentence(one) if one else "", sentence(other) if other else ""))
    return found


async def show_preset(visit: Visit) -> Response:
    """What a preset would change."""
    name = visit.request.path_params["preset"]
    if name not in PRESETS:
        raise HTTPException(404)
    before = visit.desk.guard.order.engine.rules
    changes = differences(before, PRESETS[cast(Preset, name)])
    visit.take_up()
    return visit.render("preset.html", name=name, changes=changes, version=rules.version_of(before), days=days_field(visit))


async def adopt(visit: Visit) -> Done:
    """Replaces all rules by a preset's."""
    name = visit.request.path_params["preset"]
    await rules.adopt_preset(visit.desk, visit.who, cast(Preset, name), visit.text("version"))
    return Done(said=say("The rules are those of the preset {name}.", name=name), to="/rules")
