"""JSON schemas of declarations (JSON Schema 2020-12, as OpenAPI 3.1 takes them).

Job: turn msgspec declarations into schemas, each Struct a component of its own. Promise: types, bounds, defaults and words are the declarations'.
Limits: the types that the API uses; an unknown one raises KeyError. msgspec's own schemas cannot tell a default that is a `Span`.
"""

import inspect
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect as mi

from gatepost.core.spans import encode_span

REF = "#/components/schemas/{}"
BOUNDS = {"ge": "minimum", "le": "maximum", "min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}


class Schemas:
    """Schemas, and the components that they refer to."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = {}
        self._names: dict[type, str] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type."""
        return self._of(mi.type_info(kind))

    def properties(self, kind: type[msgspec.Struct]) -> tuple[dict[str, Any], list[str]]:
        """The schemas of a Struct's fields, and which of them must be there."""
        info = mi.type_info(kind)
        assert isinstance(info, mi.StructType)  # noqa: S101
        return self._properties(info), [field.encode_name for field in info.fields if field.required]

    def _of(self, info: Any) -> dict[str, Any]:
        if isinstance(info, mi.Metadata):
            return self._of(info.type) | (info.extra_json_schema or {})
        return _KINDS[type(info)](self, info)

    def _struct(self, info: mi.StructType) -> dict[str, Any]:
        if info.cls not in self._names:
            name = info.cls.__name__
            name = f"{info.cls.__module__.rpartition('.')[2]}.{name}" if name in self.components else name
            self._names[info.cls] = name
            made: dict[str, Any] = {"title": info.cls.__name__, "type": "object", "description": inspect.cleandoc(info.cls.__doc__ or "")}
            self.components[name] = made  # before its fields, which may refer to it
            made["properties"] = self._properties(info)
            made["required"] = [field.encode_name for field in info.fields if field.required]
            if info.forbid_unknown_fields:
                made["additionalProperties"] = False
        return {"$ref": REF.format(self._names[info.cls])}

    def _properties(self, info: mi.StructType) -> dict[str, Any]:
        found = {}
        for field in info.fields:
            found[field.encode_name] = schema = self._of(field.type)
            if not field.required and field.default is not msgspec.NODEFAULT:
                schema["default"] = msgspec.to_builtins(field.default, enc_hook=encode_span)
        return found

    def _union(self, info: mi.UnionType) -> dict[str, Any]:
        return {"anyOf": [self._of(each) for each in info.types]}

    def _literal(self, info: mi.LiteralType) -> dict[str, Any]:
        return {"enum": list(info.values)}

    def _list(self, info: mi.ListType | mi.VarTupleType) -> dict[str, Any]:
        bounds = {"minItems": info.min_length, "maxItems": info.max_length}
        return {"type": "array", "items": self._of(info.item_type)} | {name: value for name, value in bounds.items() if value is not None}

    def _tuple(self, info: mi.TupleType) -> dict[str, Any]:
        many = len(info.item_types)
        return {"type": "array", "prefixItems": [self._of(each) for each in info.item_types], "minItems": many, "maxItems": many}

    def _dict(self, info: mi.DictType) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self._of(info.value_type)}


def _plain(name: str) -> Callable[[Schemas, Any], dict[str, Any]]:
    def schema(_: Schemas, info: Any) -> dict[str, Any]:
        return {"type": name} | {word: value for own, word in BOUNDS.items() if (value := getattr(info, own, None)) is not None}

    return schema


def _span(_: Schemas, info: mi.CustomType) -> dict[str, Any]:
    return {"type": "string", "examples": ["5m", "1h30m"]}


_KINDS: dict[type, Callable[[Schemas, Any], dict[str, Any]]] = {
    mi.StrType: _plain("string"),
    mi.IntType: _plain("integer"),
    mi.FloatType: _plain("number"),
    mi.BoolType: _plain("boolean"),
    mi.NoneType: _plain("null"),
    mi.AnyType: lambda _, info: {},
    mi.CustomType: _span,
    mi.LiteralType: Schemas._literal,
    mi.UnionType: Schemas._union,
    mi.StructType: Schemas._struct,
    mi.ListType: Schemas._list,
    mi.VarTupleType: Schemas._list,
    mi.TupleType: Schemas._tuple,
    mi.DictType: Schemas._dict,
}
