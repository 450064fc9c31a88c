"""Previews: what other rules would have done to this server's own past.

Job: make the two sets of rules that a preview compares, and have the keeper compare them. Promise: nothing is changed; what cannot be a rule is told
before any work begins. Limits: one preview at a time; who stops asking about his loses it.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from gatepost.admin.actions.rules import with_changes
from gatepost.admin.desk import Desk
from gatepost.admin.faults import UnknownError
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Preset, Rule, check_rules, sentence
from gatepost.core.spans import DAY
from gatepost.core.texts import say
from gatepost.pipeline.previews import AskPreview, PreviewState
from gatepost.pipeline.recall import Recall, RecallError


class AskRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Preview a change of one rule, a new rule, or a preset."""

    rule: Annotated[str, Meta(title="Rule", description="The rule that is changed, or the name of a new one.", max_length=64)] = ""
    changes: Annotated[dict[str, Any], Meta(title="Changes", description="Its fields that would be other than today.")] = {}
    preset: Annotated[Preset | Literal[""], Meta(title="Preset", description="All rules of this preset instead of those in force.")] = ""
    days: Annotated[int, Meta(title="Days", description="How many days back, today included.", ge=1, le=400)] = 7


class Begun(Struct, frozen=True, kw_only=True):
    """A preview that was begun."""

    number: int
    since: int
    until: int
    before: list[str]
    """The rules in question as they are, in a sentence each."""
    after: list[str]
    """As they would be."""


def begin_preview(desk: Desk, asked: AskRules) -> Begun:
    """Begins a preview. Raises BadInputError where the rules cannot be, or no keeper can work."""
    engine, now = desk.guard.order.engine, desk.now()
    after, names = _after(engine.rules, asked)
    since = (now // DAY - asked.days + 1) * DAY
    question = AskPreview(before=engine.rules, after=after, names=names, entries=engine.lists.entries, brake=engine.brake, since=since, until=now + 1)
    try:
        state = _recall(desk).begin_preview(question)
    except RecallError as wrong:
        raise BadInputError(say("preview: {wrong}", wrong=str(wrong))) from None
    return Begun(number=state.number, since=since, until=question.until, before=_sentences(engine.rules, names), after=_sentences(after, names))


def preview(desk: Desk, number: int) -> PreviewState:
    """How far a preview is, or what came of it. Raises UnknownError where there is none of this number."""
    found = _recall(desk).preview(number)
    if found is None:
        raise UnknownError(say("preview: {number} is not the newest one; begin another", number=number))
    return found


def cancel_preview(desk: Desk, number: int) -> PreviewState:
    """Stops a preview. Raises UnknownError where there is none of this number."""
    preview(desk, number)
    _recall(desk).cancel_preview(number)
    return preview(desk, number)


def _recall(desk: Desk) -> Recall:
    if desk.recall is None:
        raise BadInputError(say("preview: no history is kept here ([history] days = 0), so there is no past to look at"))
    return desk.recall


def _after(rules: tuple[Rule, ...], asked: AskRules) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules as they would be, and the names of those in question."""
    if bool(asked.rule) == bool(asked.preset):
        raise BadInputError(say("rule: name a rule or a preset, one of the two"))
    if asked.preset:
        if asked.changes:
            raise BadInputError(say("changes: belong to a rule, not to a preset"))
        after = PRESETS[asked.preset]
        today = {rule.name: rule for rule in rules}
        there = {rule.name: rule for rule in after}
        names = [name for name in dict.fromkeys((*today, *there)) if today.get(name) != there.get(name)]
        return after, tuple(names or there)
    after, before, rule = with_changes(rules, asked.rule, asked.changes)
    if rule.mode == "off" and "mode" not in asked.changes:  # a rule that is off shows nothing: what it would do is asked
        on = structs.replace(rule, mode="enforce")
        after = tuple(on if each is rule else each for each in after)
    try:
        check_rules(after)
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None
    return after, tuple(dict.fromkeys((*([before.name] if before else []), rule.name)))


def _sentences(rules: Iterable[Rule], names: Iterable[str]) -> list[str]:
    wanted = set(names)
    return [say("{name}: {sentence}", name=rule.name, sentence=sentence(rule)) for rule in rules if rule.name in wanted]
