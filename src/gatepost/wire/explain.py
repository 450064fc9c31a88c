"""What a declaration refused, in an administrator's words.

Job: turn msgspec's validation errors into one sentence: the field, what stands there, what would be right. Promise: the words come from the
declarations themselves. Limits: one error at a time, the first.
"""

import re
from difflib import get_close_matches
from typing import Any

import msgspec

from gatepost.core.texts import Text, say

_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_STEP = re.compile(r"([A-Za-z0-9_-]+)|\[(\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_OURS = re.compile(r"([a-z_.]+(?:, [a-z_.]+)*): ")


def explain(error: msgspec.ValidationError, kind: type, data: Any) -> tuple[str, str]:
    """A msgspec error about ``data`` read as ``kind``: what to say, and the path of the field, like ``rule[1].threshold``."""
    said, path = _split(str(error))
    cause = str(error.__cause__) if isinstance(error.__cause__, ValueError) else ""
    return _explain(cause if cause == said else said, path, kind, data), _field_of(said, path)


def steps(path: str) -> list[tuple[str, str]]:
    """A path as (name, "") and ("", index) steps."""
    return _STEP.findall(path)


def _split(said: str) -> tuple[str, str]:
    """A msgspec error as what is wrong and the path to where."""
    at = _AT.search(said)
    return (said[: at.start()], at[1]) if at else (said, "")


def _field_of(said: str, path: str) -> str:
    """The path of the very field that is wrong, where the message names it within the table that the path names."""
    named = _UNKNOWN.match(said) or _OURS.match(said)
    return f"{path}.{named[1].partition(',')[0].partition('.')[0]}".lstrip(".") if named else path


def _explain(said: str, path: str, kind: type, data: Any) -> str:
    """What is wrong in words: the field, what stands there, what would be right."""
    field = re.sub(r"\[[^]]*\]", "", path)
    unknown, missing = _UNKNOWN.match(said), _MISSING.match(said)
    if unknown:
        known = _fields(_type_at(kind, path))
        near = get_close_matches(unknown[1], known, 1)
        cure = say("did you mean {near}?", near=near[0]) if near else say("it may be one of {names}", names=tuple(known))
        return say("{field}: unknown field; {cure}", field=f"{field}.{unknown[1]}".lstrip("."), cure=cure)
    if missing:
        wanted = _wanted(_type_at(kind, f"{path}.{missing[1]}"))
        return say("{field}: is missing; {wanted}", field=f"{field}.{missing[1]}".lstrip("."), wanted=wanted)
    if _OURS.match(said):
        return say("{field}.{said}", field=field, said=said) if field else said
    wanted = _wanted(_type_at(kind, path), field)
    if said.startswith(("Expected", "Invalid")) and wanted:
        return say("{field}: {value!r} is not allowed; {wanted}", field=field, value=_value_at(data, path), wanted=wanted)
    return say("{field}: {said}", field=field, said=said) if field else said


def _type_at(kind: Any, path: str) -> Any:
    """What msgspec knows of the type where a path leads."""
    info: Any = msgspec.inspect.type_info(kind)
    for name, _ in steps(path):
        info = next((each.type for each in _struct(info).fields if each.encode_name == name), info) if name else _bare(info).item_type
    return info


def _bare(info: Any) -> Any:
    """A type without its metadata and without the None that may stand for it."""
    while True:
        if isinstance(info, msgspec.inspect.Metadata):
            info = info.type
        elif isinstance(info, msgspec.inspect.UnionType):
            info = next(each for each in info.types if not isinstance(each, msgspec.inspect.NoneType))
        else:
            return info


def _struct(info: Any) -> Any:
    info = _bare(info)
    return _struct(info.item_type) if hasattr(info, "item_type") else info


def _fields(info: Any) -> list[str]:
    return [each.encode_name for each in getattr(_struct(info), "fields", ())]


def _wanted(info: Any, field: str = "") -> Text:
    """What a field takes, in words."""
    bare = _bare(info)
    if isinstance(bare, msgspec.inspect.StructType):
        names = tuple(_fields(bare))
        return say("a table with {names}, ...", names=names[:3]) if len(names) > 3 else say("a table with {names}", names=names)
    if isinstance(bare, msgspec.inspect.VarTupleType) and isinstance(_bare(bare.item_type), msgspec.inspect.StructType):
        return say("a list of tables, each written under [[{field}]]", field=field)
    if isinstance(bare, msgspec.inspect.DictType):
        return say("a table; each of its values is {wanted}", wanted=_wanted(bare.value_type))
    if isinstance(bare, msgspec.inspect.DateTimeType):
        return say("a date and time without quotes, like 2027-01-31T00:00:00Z")
    if isinstance(bare, msgspec.inspect.IntType):
        return say("a whole number from {least} to {most}", least=bare.ge, most=bare.le) if bare.le is not None else say("a whole number")
    if isinstance(bare, msgspec.inspect.LiteralType):
        return say("one of {values}", values=tuple(repr(each) for each in bare.values))
    if isinstance(bare, msgspec.inspect.BoolType):
        return say("true or false")
    if isinstance(bare, msgspec.inspect.VarTupleType):
        return say("a list; {wanted}", wanted=_wanted(bare.item_type))
    return _text(info)


def _text(info: Any) -> Text:
    schema = info.extra_json_schema if isinstance(info, msgspec.inspect.Metadata) and info.extra_json_schema else {}
    meaning = say(str(schema.get("description", "")))
    wanted = say("a text in quotes")
    for each in schema.get("examples", ())[:1]:
        wanted = say('a text in quotes, like "{example}"', example=each)
    return say("{wanted} ({meaning})", wanted=wanted, meaning=meaning) if meaning else wanted


def _value_at(data: Any, path: str) -> Any:
    for name, number in steps(path):
        try:
            data = data[int(number)] if number else data[name]
        except (KeyError, IndexError, TypeError):
            return None
    return data
