"""Rules: change, observe, enforce, presets, import.

Job: the deeds of an administrator about rules. Promise: a change is checked whole before anything happens; two administrators who edit at once do
not overwrite each other (``version``). Limits: rules live in the engine's state; what stood before a change is in the audit trail.
"""

import zlib
from collections import Counter
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, structs

from gatepost.admin.desk import Desk, Who, unfed
from gatepost.admin.faults import StaleError, UnknownError
from gatepost.core.deeds import AdoptRules
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Mode, Preset, Rule, check_rules, sentence
from gatepost.core.spans import decode_span, encode_span
from gatepost.core.texts import say
from gatepost.wire.explain import explain
from gatepost.wire.toml_files import read_rules, write_rules


class Listed(Struct, frozen=True, kw_only=True):
    """The rules in force and the version that a change must name."""

    version: str
    rules: tuple["Shown", ...]
    brake: bool


class Shown(Struct, frozen=True, kw_only=True):
    """A rule and what it says."""

    rule: Rule
    sentence: str
    standing: int = 0
    """Decisions of it that stand now."""
    problem: str = ""
    """Why it cannot be carried out here, and the cure; empty where it can."""


class SetMode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Enforce, observe or switch off a rule."""

    mode: Annotated[Mode, Meta(title="Mode", description="enforce, observe or off.")]


def version_of(rules: tuple[Rule, ...]) -> str:
    """A short text that changes with what the rules say."""
    return f"{zlib.crc32(write_rules(rules).encode()):08x}"


def list_rules(desk: Desk) -> Listed:
    """The rules in force."""
    engine = desk.guard.order.engine
    standing: Counter[str] = Counter()
    for (rule, _), many in desk.guard.standing.tally(desk.now()).items():
        standing[rule] += many
    sources = desk.sources()
    shown = tuple(Shown(rule=rule, sentence=sentence(rule), standing=standing[rule.name], problem=unfed(rule, sources)) for rule in engine.rules)
    return Listed(version=version_of(engine.rules), rules=shown, brake=engine.brake)


def version_of_rule(desk: Desk, name: str) -> str:
    """A short text that changes with what a rule says; that of no rules where there is none."""
    return version_of(tuple(rule for rule in desk.guard.order.engine.rules if rule.name == name))


def show_rule(desk: Desk, name: str) -> Shown:
    """One rule. Raises UnknownError where there is none."""
    _find(desk.guard.order.engine.rules, name)
    return next(each for each in list_rules(desk).rules if each.rule.name == name)


def _rules(desk: Desk, version: str, name: str = "") -> tuple[Rule, ...]:
    """The rules in force. Raises StaleError where they have not this version, nor the rule that is to be changed."""
    rules = desk.guard.order.engine.rules
    if version and version != version_of(rules) and not (name and version == version_of_rule(desk, name)):
        raise StaleError(
            say(
                "version: the rules were changed meanwhile (they are {now}, not {version}); look again and repeat",
                now=version_of(rules),
                version=version,
            )
        )
    return rules


def _find(rules: tuple[Rule, ...], name: str) -> Rule:
    for rule in rules:
        if rule.name == name:
            return rule
    near = get_close_matches(name, [rule.name for rule in rules], 1)
    cure = say("did you mean {near}?", near=near[0]) if near else say("one of {names}", names=tuple(rule.name for rule in rules) or "none")
    raise UnknownError(say("name: there is no rule {name!r}; {cure}", name=name, cure=cure))


async def _adopt(desk: Desk, who: Who, rules: tuple[Rule, ...], action: str, subject: str, before: Any, after: Any) -> Listed:
    try:
        check_rules(rules)
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None
    await desk.do(AdoptRules(desk.now(), rules, desk.guard.order.engine.brake), who, action, subject, before, after)
    return list_rules(desk)


async def set_rule(desk: Desk, who: Who, name: str, changes: dict[str, Any], version: str = "") -> Listed:
    """Changes fields of a rule, or adds one. Values may be text, as a command line has them. Raises BadInputError."""
    new, before, rule = with_changes(_rules(desk, version, name), name, changes)
    return await _adopt(desk, who, new, "rules.set", name, before, rule)


def with_changes(rules: tuple[Rule, ...], name: str, changes: dict[str, Any]) -> tuple[tuple[Rule, ...], Rule | None, Rule]:
    """The rules with one of them changed or added, that rule as it was, and as it is then. Raises BadInputError."""
    known = {rule.name: rule for rule in rules}
    before = known.get(name)
    fields = msgspec.to_builtins(before, enc_hook=encode_span) if before else {"name": name}
    fields = _changed(fields, changes)
    try:
        rule = msgspec.convert(fields, Rule, dec_hook=decode_span, strict=False)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(wrong, Rule, fields)[0]) from None
    if rule.name != name and rule.name in known:
        raise BadInputError(say("name: there is a rule {name!r} already", name=rule.name))
    return tuple(rule if each.name == name else each for each in rules) if before else (*rules, rule), before, rule


def _changed(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The fields of a rule with changes; ``on`` may be words, and ``where.reason`` one field of ``where``."""
    found = dict(fields)
    if changes.get("counts") == "open_connections":  # what it counted before had a window
        found.pop("window", None)
    for key, value in changes.items():
        outer, dot, inner = key.partition(".")
        if key == "on" and isinstance(value, str):
            found[key] = value.replace(",", " ").split()
        elif dot and outer == "where":
            found[outer] = dict(found.get(outer, {})) | {inner: value}
        else:
            found[key] = value
    return found


async def set_mode(desk: Desk, who: Who, name: str, mode: Mode, version: str = "") -> Listed:
    """Has a rule enforce, observe, or do nothing."""
    rules = _rules(desk, version, name)
    before = _find(rules, name)
    after = structs.replace(before, mode=mode)
    return await _adopt(desk, who, tuple(after if each is before else each for each in rules), f"rules.{mode}", name, before, after)


async def remove_rule(desk: Desk, who: Who, name: str, version: str = "") -> Listed:
    """Takes a rule away; what it held is released."""
    rules = _rules(desk, version, name)
    before = _find(rules, name)
    return await _adopt(desk, who, tuple(each for each in rules if each is not before), "rules.remove", name, before, None)


async def adopt_preset(desk: Desk, who: Who, preset: Preset, version: str = "") -> Listed:
    """Replaces all rules by those of a preset."""
    if preset not in PRESETS:
        raise UnknownError(say("preset: {preset!r} is none; one of {presets}", preset=preset, presets=tuple(PRESETS)))
    before = _rules(desk, version)
    return await _adopt(desk, who, PRESETS[preset], "rules.preset", preset, before, PRESETS[preset])


async def reset_rule(desk: Desk, who: Who, name: str, version: str = "") -> Listed:
    """Gives a rule back the numbers that it came with."""
    shipped = next((rule for preset in ("standard", "strict") for rule in PRESETS[preset] if rule.name == name), None)
    if shipped is None:
        raise UnknownError(say("name: {name!r} came with no preset; it cannot be reset", name=name))
    rules = _rules(desk, version, name)
    before = next((each for each in rules if each.name == name), None)
    new = tuple(shipped if each is before else each for each in rules) if before else (*rules, shipped)
    return await _adopt(desk, who, new, "rules.reset", name, before, shipped)


async def import_rules(desk: Desk, who: Who, text: str, name: str = "rules", version: str = "") -> Listed:
    """Replaces all rules by those of a TOML text. Raises BadInputError with line and field."""
    found = read_rules(text, name)
    if found.allow or found.deny:
        raise BadInputError(say("allow, deny: this imports rules alone; use gatepost access import for lists"), name)
    before = _rules(desk, version)
    return await _adopt(desk, who, found.rules(), "rules.import", name, before, found.rules())


def export_rules(desk: Desk) -> str:
    """The rules in force as TOML."""
    return write_rules(desk.guard.order.engine.rules)
