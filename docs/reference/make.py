"""Writes docs/reference/*.md and openapi.json from the declarations in the code.

Job: turn the msgspec declarations of rules, list entries, settings and facts into tables. Promise: what the pages say of a field is what the code
says of it; a test holds the committed pages against what this makes. Limits: the prose around the tables stands here, the guides stand elsewhere.

Run it after a change of a declaration: `.venv/bin/python docs/reference/make.py`
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, structs
from msgspec.inspect import BoolType, CustomType, DateTimeType, DictType, IntType, LiteralType, Metadata, StrType, StructType, UnionType, VarTupleType

from gatepost.admin.api.openapi import document
from gatepost.admin.api.routes import ROUTES
from gatepost.config import Settings
from gatepost.core.facts import KINDS, REASONS, Fact
from gatepost.core.rules import PLURALS, PRESETS, Rule, Where, sentence
from gatepost.core.spans import Span
from gatepost.wire.toml_files import EntryLine, RuleFile, write_rules

Links = dict[type, str]
"""Where on the page a declaration is told: the heading's anchor."""
RULE_LINKS: Links = {Rule: "rule", Where: "where", EntryLine: "allow-and-deny"}
HERE = Path(__file__).parent
EXAMPLE = """```toml
[accounts]
default_domain = "example.org"

[accounts.domains]
CORP = "corp.example.org"

[logs]
timezone = "Europe/Berlin"
```"""
MADE = "<!-- Made by docs/reference/make.py; change the declaration in the code, then run it again. -->"


def pages() -> dict[str, str]:
    """Each page's file name and text."""
    return {"rules.md": rules(), "config.md": config(), "facts.md": facts(), "openapi.json": openapi()}


def rules() -> str:
    """The page about a file of rules and lists."""
    reasons = "| counts | reasons |\n|---|---|\n" + "\n".join(f"| `{kind}` | {_list(known)} |" for kind, known in REASONS.items())
    counts = "| counts | what is added up |\n|---|---|\n" + "\n".join(f"| `{name}` | {words} |" for name, words in PLURALS.items())
    return _page(
        "# Reference: rules and lists",
        MADE,
        "The fields of a file for `--rules`, and of the rules in a [story](../stories.md). How counting works is told in [the guide](../rules.md).",
        "## The file",
        _table(RuleFile),
        "## [[rule]]",
        "In a story a rule is written on one line: `rule NAME field=value ...`, with `on=smtp,imap`.",
        _table(Rule),
        "## where",
        'In TOML `where.reason = "..."`, in a story `where.reason=...`.',
        _table(Where),
        "### What can be counted",
        counts,
        "### Reasons",
        reasons,
        "## [[allow]] and [[deny]]",
        "What the boxes mean is told in [the guide to lists](../access.md). `logins` and `relay` belong to the allow list.",
        _table(EntryLine),
        "## Presets",
        *(part for name in PRESETS for part in _preset(name)),
    )


def _preset(name: Any) -> list[str]:
    known = PRESETS["standard"] if name != "standard" else ()
    said = [f"- `{rule.name}`: {sentence(rule)}{' (as in `standard`)' if rule in known else ''}" for rule in PRESETS[name]]
    written = write_rules(tuple(rule for rule in PRESETS[name] if rule not in known))
    return [f"### {name}", "\n".join(said), f"```toml\n{written}```"]


def config() -> str:
    """The page about gatepost.toml."""
    links: Links = {}
    sections = []
    for heading, kind in _sections(Settings, ""):
        if kind not in links:  # told once, where it stands first
            links[kind] = _anchor(heading)
            sections.append((heading, kind))
    tables = [part for heading, kind in sections for part in (f"## {heading}", _first_line(kind), _table(kind, links))]
    return _page(
        "# Reference: gatepost.toml",
        MADE,
        "The wiring of an installation. It is looked for as `/etc/gatepost/gatepost.toml`; for a user without root first as\n"
        "`gatepost/gatepost.toml` in the XDG configuration folder (`~/.config`). `--config FILE` names another. A file that is\n"
        "not there means the defaults. `gatepost check` reads it and names line, field and cure of what is wrong.",
        "Rules and lists are no wiring: they are in [files of their own](rules.md).",
        "## At the top",
        _table(Settings, links),
        *tables,
        "## Example",
        EXAMPLE,
    )


def _sections(kind: type[Struct], path: str) -> Iterator[tuple[str, type[Struct]]]:
    """The tables within a declaration, each with its heading: ``[name]``, ``[name.inner]``, or ``[[name]]`` where it can stand several times."""
    for field in _info(kind).fields:
        plain = _plain(field.type)
        name = f"{path}.{field.encode_name}".lstrip(".")
        if isinstance(plain, StructType):
            yield f"[{name}]", plain.cls
            yield from _sections(plain.cls, name)
        elif isinstance(plain, VarTupleType) and isinstance(plain.item_type, StructType):
            yield f"[[{name}]]", plain.item_type.cls
            yield from _sections(plain.item_type.cls, name)


def _plain(kind: Any) -> Any:
    """A type without its metadata and without the None that may stand for it."""
    if isinstance(kind, Metadata):
        return _plain(kind.type)
    if isinstance(kind, UnionType):
        return next((_plain(each) for each in kind.types if not isinstance(each, msgspec.inspect.NoneType)), kind)
    return kind


def _anchor(heading: str) -> str:
    """What a forge names a heading."""
    return re.sub(r"[^\w-]", "", heading.lower())


def facts() -> str:
    """The page about kinds of fact."""
    common = {field.encode_name for field in structs.fields(Fact)}
    own = {name: [each.encode_name for each in structs.fields(kind) if each.encode_name not in common] for name, kind in KINDS.items()}
    rows = [f"| `{name}` | {_first_line(kind)} | {_list(own[name])} |" for name, kind in KINDS.items()]
    return _page(
        "# Reference: kinds of fact",
        MADE,
        "What happened, as [`gatepost parse`](../parse.md) prints it and [stories](../stories.md) write it. Every fact has a time\n"
        "(`at`), the `host` that saw it, a `protocol`, its finer `service`, and a `client`; `evidence_only` is set where it is kept\n"
        "but never counted.",
        "| kind | what it says | fields of its own |\n|---|---|---|\n" + "\n".join(rows),
    )


def openapi() -> str:
    """The OpenAPI document of the API."""
    return msgspec.json.format(msgspec.json.encode(document(ROUTES)), indent=1).decode() + "\n"


def _page(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in names)


def _first_line(kind: type) -> str:
    return " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split())


def _info(kind: type[Struct]) -> StructType:
    return cast(StructType, msgspec.inspect.type_info(kind))


def _table(kind: type[Struct], links: Links = RULE_LINKS) -> str:
    rows = ["| field | value | default | meaning |", "|---|---|---|---|"]
    hints = get_type_hints(kind, include_extras=True)
    for field, plain in zip(_info(kind).fields, structs.fields(kind), strict=True):
        declared = list(_literals(hints[plain.name]))
        meta = field.type.extra_json_schema or {} if isinstance(field.type, Metadata) else {}
        default = "required" if field.required else f"`{_written({} if plain.default is msgspec.NODEFAULT else plain.default)}`"
        rows.append(f"| `{field.encode_name}` | {_words(field.type, declared, links)} | {default} | {_meaning(meta) or _about(field.type)} |")
    return "\n".join(rows)


def _meaning(meta: dict[str, Any]) -> str:
    examples = ", ".join(f"`{_written(each)}`" for each in meta.get("examples", ()))
    said = str(meta.get("description", ""))
    return f"{said} For example {examples}." if examples else said


def _about(kind: Any) -> str:
    return _first_line(kind.cls) if isinstance(kind, StructType) else ""


def _written(value: Any) -> str:
    """A value as TOML writes it; a table's own fields are told elsewhere."""
    if isinstance(value, Span):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(_written(each) for each in value)}]"
    if isinstance(value, Struct) or value == {}:
        return "{}"
    if value is None:
        return "none"
    return msgspec.json.encode(value).decode()


def _literals(hint: Any) -> Iterator[Any]:
    """The values of the Literal types in a declaration, in their order there, which msgspec does not keep."""
    for each in get_args(hint):
        if get_origin(hint) is Literal:
            yield each
        else:
            yield from _literals(each)


def _words(kind: Any, declared: list[Any], links: Links) -> str:
    """What a field takes, in words."""
    if isinstance(kind, Metadata):
        return _words(kind.type, declared, links)
    if isinstance(kind, UnionType):
        return ", or ".join(_words(each, declared, links) for each in kind.types if not isinstance(each, msgspec.inspect.NoneType))
    if isinstance(kind, LiteralType):
        return ", ".join(f"`{_written(each)}`" for each in sorted(kind.values, key=declared.index))
    if isinstance(kind, VarTupleType):
        inner = kind.item_type
        return f"tables, see [below](#{links[inner.cls]})" if isinstance(inner, StructType) else f"list of {_words(inner, declared, links)}"
    if isinstance(kind, StructType):
        return f"table, see [below](#{links[kind.cls]})"
    if isinstance(kind, IntType):
        return f"number, {kind.ge} to {kind.le}" if kind.le is not None else "number"
    if isinstance(kind, CustomType):
        return "length of time"
    if isinstance(kind, StrType):
        return f"text, at most {kind.max_length} characters" if kind.max_length else "text"
    named: dict[Any, str] = {BoolType: "`true` or `false`", DateTimeType: "date and time", DictType: "table of texts"}
    return named[type(kind)]


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
