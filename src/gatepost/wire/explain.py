"""What a declaration refused, in an administrator's words.

Job: turn msgspec's validation errors into one sentence: the field, what stands there, what would be right. Promise: the words come from the
declarations themselves. Limits: one error at a time, the first.
"""

import re
from difflib import get_close_matches
from typing import Any

import msgspec

_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_STEP = re.compile(r"([A-Za-z0-9_-]+)|\[(\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_OURS = re.compile(r"([a-z_.]+(?:, [a-z_.]+)*): ")


def explain(error: str, kind: type, data: Any) -> tuple[str, str]:
    """A msgspec error about ``data`` read as ``kind``: what to say, and the path of the field, like ``rule[1].threshold``."""
    said, path = _split(error)
    return _explain(said, path, kind, data), _field_of(said, path)


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
        return f"{field}.{unknown[1]}: unknown field; ".lstrip(".") + (f"did you mean {near[0]}?" if near else f"it may be one of {', '.join(known)}")
    if missing:
        return f"{field}.{missing[1]}: is missing; {_wanted(_type_at(kind, f'{path}.{missing[1]}'))}".lstrip(".")
    if _OURS.match(said):
        return f"{field}.{said}".lstrip(".")
    wanted = _wanted(_type_at(kind, path), field)
    if said.startswith(("Expected", "Invalid")) and wanted:
        return f"{field}: {_value_at(data, path)!r} is not allowed; {wanted}"
    return f"{field}: {said}" if field else said


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


def _wanted(info: Any, field: str = "") -> str:
    """What a field takes, in words."""
    bare = _bare(info)
    if isinstance(bare, msgspec.inspect.StructType):
        return f"a table with {', '.join(_fields(bare)[:3])}" + (", ..." if len(_fields(bare)) > 3 else "")
    if isinstance(bare, msgspec.inspect.VarTupleType) and isinstance(_bare(bare.item_type), msgspec.inspect.StructType):
        return f"a list of tables, each written under [[{field}]]"
    if isinstance(bare, msgspec.inspect.DictType):
        return f"a table; each of its values is {_wanted(bare.value_type)}"
    if isinstance(bare, msgspec.inspect.DateTimeType):
        return "a date and time without quotes, like 2027-01-31T00:00:00Z"
    if isinstance(bare, msgspec.inspect.IntType):
        return f"a whole number from {bare.ge} to {bare.le}" if bare.le is not None else "a whole number"
    if isinstance(bare, msgspec.inspect.LiteralType):
        return f"one of {', '.join(repr(each) for each in bare.values)}"
    if isinstance(bare, msgspec.inspect.BoolType):
        return "true or false"
    if isinstance(bare, msgspec.inspect.VarTupleType):
        return f"a list; {_wanted(bare.item_type)}"
    schema = info.extra_json_schema if isinstance(info, msgspec.inspect.Metadata) and info.extra_json_schema else {}
    said = str(schema.get("description", ""))
    examples = "".join(f', like "{each}"' for each in schema.get("examples", ())[:1])
    return f"a text in quotes{examples}" + (f" ({said})" if said else "")


def _value_at(data: Any, path: str) -> Any:
    for name, number in steps(path):
        try:
            data = data[int(number)] if number else data[name]
        except (KeyError, IndexError, TypeError):
            return None
    return data
