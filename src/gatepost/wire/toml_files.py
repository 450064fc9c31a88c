"""The TOML files that administrators write.

Job: read a TOML text into declarations, and write declarations as TOML. Promise: whatever is wrong is told once, with file, line and field, and
what would be right. Limits: it opens no file; texts come from the caller.
"""

import re
import tomllib
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from gatepost.core.access import ContradictionError, Entry, check_entries, own_entries
from gatepost.core.facts import Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Preset, Rule, check_rules
from gatepost.core.spans import decode_span, encode_span
from gatepost.wire.explain import explain, steps

T = TypeVar("T")

_LINE_OF_FAULT = re.compile(r" \(at line (\d+), column \d+\)$")


class EntryLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the allow or deny list as a file writes it."""

    prefix: Annotated[str, Meta(description="An address, a prefix, or a range first-last.", examples=["203.0.113.0/24"])]
    protocols: Annotated[tuple[Protocol, ...], Meta(description="Where it counts; empty: everywhere.")] = ()
    detection: Annotated[bool, Meta(description="No rule about a client, network or pair counts or holds it.")] = True
    logins: Annotated[bool, Meta(description="Only the rules about failed log-ins leave it alone, instead of all.")] = False
    relay: Annotated[bool, Meta(description="It may relay without a log-in.")] = False
    expires: Annotated[datetime | None, Meta(description="A TOML date-time with its offset, after which it counts no more.")] = None
    note: Annotated[str, Meta(description="What you want to remember about it.", max_length=500)] = ""


class RuleFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of rules and lists."""

    preset: Annotated[Preset | None, Meta(description="Start with these rules; a rule of the same name replaces one of them.")] = None
    rule: Annotated[tuple[Rule, ...], Meta(description="Abuse detection rules, a [[rule]] each.")] = ()
    allow: Annotated[tuple[EntryLine, ...], Meta(description="Trusted addresses, an [[allow]] each.")] = ()
    deny: Annotated[tuple[EntryLine, ...], Meta(description="Addresses that never get in, a [[deny]] each.")] = ()

    def rules(self, preset: Preset | None = None) -> tuple[Rule, ...]:
        """The rules that it asks for: those of the preset, replaced and added to; where neither it nor the caller names one, its own alone."""
        chosen = preset or self.preset or (None if self.rule else "standard")
        named = {rule.name: rule for rule in (PRESETS[chosen] if chosen else ())}
        named.update((rule.name, rule) for rule in self.rule)
        return tuple(named.values())

    def entries(self) -> tuple[Entry, ...]:
        """The lists that it asks for, the host's own networks first; an entry for one of these replaces it."""
        listed = [_entry(verb, line) for verb, lines in (("allow", self.allow), ("deny", self.deny)) for line in lines]
        named = {entry.networks for entry in listed}
        return (*(entry for entry in own_entries() if entry.networks not in named), *listed)


def _entry(verb: Any, line: EntryLine) -> Entry:
    expires = int(line.expires.timestamp()) * 1_000_000 if line.expires else 0
    return Entry(
        verb=verb,
        prefix=line.prefix,
        protocols=line.protocols,
        detection=line.detection,
        logins=line.logins,
        relay=line.relay,
        expires=expires,
        note=line.note,
    )


def read_rules(text: str, name: str) -> RuleFile:
    """The rules and lists that a file holds. Raises BadInputError with file, line and field."""
    found = read(RuleFile, text, name)
    try:
        check_rules(found.rule)
    except ValueError as wrong:
        names = [rule.name for rule in found.rule]
        again = next((index for index, each in enumerate(names) if each in names[:index]), 0)
        raise BadInputError(f"rule.name: {wrong}", name, line_of(text, f"rule[{again}].name")) from None
    for table, lines in (("allow", found.allow), ("deny", found.deny)):
        for index, line in enumerate(lines):
            _check_entry(table, index, line, text, name)
    try:
        check_entries(found.entries())
    except ContradictionError as wrong:
        listed: tuple[EntryLine, ...] = getattr(found, wrong.entry.verb)
        index = max(index for index, line in enumerate(listed) if line.prefix == wrong.entry.prefix)
        raise BadInputError(f"{wrong.entry.verb}.{wrong}", name, line_of(text, f"{wrong.entry.verb}[{index}].prefix")) from None
    return found


def _check_entry(table: str, index: int, line: EntryLine, text: str, name: str) -> None:
    if line.expires is not None and line.expires.tzinfo is None:
        raise BadInputError(f"{table}.expires: name its offset, like 2027-01-31T00:00:00Z", name, line_of(text, f"{table}[{index}].expires"))
    try:
        _entry(table, line)
    except ValueError as wrong:
        raise BadInputError(f"{table}.{wrong}", name, line_of(text, f"{table}[{index}].prefix")) from None


def write_rules(rules: tuple[Rule, ...]) -> str:
    """Rules as the TOML that `read_rules` reads back."""
    return "\n".join(_write_rule(rule) for rule in rules)


def _write_rule(rule: Rule) -> str:
    """Its fields in the order of their declaration; ``on`` is always told, and on one line."""
    fields = msgspec.to_builtins(rule, enc_hook=encode_span)
    lines = ["[[rule]]"]
    for name in Rule.__struct_encode_fields__:
        if name == "on":
            lines.append(f"on = {msgspec.json.encode(rule.on).decode().replace(',', ', ')}")
        elif name == "where":
            lines += [f"where.{line}" for line in msgspec.toml.encode(fields.get(name, {})).decode().splitlines()]
        elif name in fields:
            lines.append(msgspec.toml.encode({name: fields[name]}).decode().strip())
    return "\n".join(lines) + "\n"


def read(kind: type[T], text: str, name: str) -> T:
    """Reads a TOML text into a declaration. Raises BadInputError with file, line and field."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        said = str(wrong)
        at = _LINE_OF_FAULT.search(said)
        raise BadInputError(f"this is no TOML: {_LINE_OF_FAULT.sub('', said)}", name, int(at[1]) if at else 0) from None
    try:
        return msgspec.convert(data, kind, dec_hook=decode_span)
    except msgspec.ValidationError as wrong:
        said, path = explain(wrong, kind, data)
        raise BadInputError(said, name, line_of(text, path)) from None


def line_of(text: str, path: str) -> int:
    """The line on which a path like ``rule[1].threshold`` stands in a TOML text; that of its table where the field is missing; 0 where nothing is."""
    names = [name for name, _ in steps(path) if name]
    index = next((int(number) for _, number in steps(path) if number), 0)
    table: list[str] = []
    turn = -1  # which of the tables [[names[0]]] the line stands in
    found = longest = 0
    for count, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        before, equals, _ = bare.partition("=")
        if bare.startswith("["):
            key = table = _key(bare.lstrip("[").partition("]")[0])
            turn += bare.startswith("[[") and table == names[:1]
        elif equals:
            key = table + _key(before)
        else:
            continue
        shared = key[: len(names)]
        if turn in (-1, index) and shared == names[: len(shared)] and len(shared) > longest:
            found, longest = count, len(shared)
    return found


def _key(text: str) -> list[str]:
    """The names of a dotted key."""
    return [name.strip().strip("\"'") for name in text.split(".")]


def moment(at: int) -> str:
    """A time in microseconds since 1970 as RFC 3339 in UTC, with as many decimals as it has."""
    seconds, us = divmod(at, 1_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{us:06d}".rstrip("0") + "Z" if us else f"{text}Z"
