"""The OpenAPI document read by its other end: what fits a schema, and values that do.

Job: check a value against a schema, and draw values that a schema allows. Promise: a keyword that it does not know is a failure, so that nothing is
passed over. Limits: the keywords that our own document uses.
"""

from typing import Any

from hypothesis import strategies as st

TOLD = {"title", "description", "examples", "default", "pattern"}
KNOWN = TOLD | {"$ref", "anyOf", "enum", "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "prefixItems"}
KNOWN |= {"minimum", "maximum", "minLength", "maxLength"}
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
WORDS = (
    "",
    "203.0.113.7",
    "203.0.113.0/24",
    "2001:db8::/32",
    "dos",
    "smtp",
    "1h",
    "5m",
    "bob@example.org",
    "host.example.org",
    "1",
    "0",
    "-1",
    "threshold",
)


class Document:
    """An OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def _at(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert schema.keys() <= KNOWN, schema.keys() - KNOWN
        return schema

    def misfits(self, value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
        """Where a value is not what a schema says."""
        schema = self._at(schema)
        if "anyOf" in schema:
            tried = [self.misfits(value, each, where) for each in schema["anyOf"]]
            return [] if [] in tried else min(tried, key=len)
        if "enum" in schema:
            return [] if value in schema["enum"] else [f"{where}: {value!r} is none of {schema['enum']}"]
        wanted = schema.get("type")
        if wanted and (type(value) not in TYPES[wanted]):
            return [f"{where}: {value!r} is no {wanted}"]
        found = []
        if wanted in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            found.append(f"{where}: {value} is out of range")
        if wanted == "string" and len(value) > schema.get("maxLength", len(value)):
            found.append(f"{where}: is too long")
        if wanted == "object":
            found += self._fields(value, schema, where)
        if wanted == "array":
            many = len(value)
            found += [] if schema.get("minItems", many) <= many <= schema.get("maxItems", many) else [f"{where}: {many} items"]
            kinds = schema.get("prefixItems") or [schema["items"]] * many
            found += [
                each for index, (item, kind) in enumerate(zip(value, kinds, strict=True)) for each in self.misfits(item, kind, f"{where}[{index}]")
            ]
        return found

    def _fields(self, value: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
        fields, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        found = [f"{where}.{name}: is missing" for name in schema.get("required", ()) if name not in value]
        for name, each in value.items():
            if name in fields:
                found += self.misfits(each, fields[name], f"{where}.{name}")
            elif others is False:
                found.append(f"{where}.{name}: is not declared")
            elif isinstance(others, dict):
                found += self.misfits(each, others, f"{where}.{name}")
        return found

    def values(self, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        """Values that a schema allows."""
        schema = self._at(schema)
        if "anyOf" in schema:
            return st.one_of([self.values(each) for each in schema["anyOf"]])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema.get("type"):
            case "string":
                most = min(schema.get("maxLength", 600), 600)
                return st.sampled_from([each for each in WORDS if len(each) <= most]) | st.text(max_size=most)
            case "integer":
                return st.integers(schema.get("minimum"), schema.get("maximum"))
            case "number":
                return st.floats(allow_nan=False, allow_infinity=False)
            case "boolean":
                return st.booleans()
            case "array":
                return st.lists(self.values(schema["items"]), max_size=min(schema.get("maxItems", 3), 3))
            case "object":
                return self._objects(schema)
            case _:
                return st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.sampled_from(WORDS) | st.lists(st.text(), max_size=2)

    def _objects(self, schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        fields = {name: self.values(each) for name, each in schema.get("properties", {}).items()}
        needed = {name: fields.pop(name) for name in schema.get("required", ())}
        found = st.fixed_dictionaries(needed, optional=fields)
        others = schema.get("additionalProperties")
        return st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=20), self.values(others), max_size=3) if isinstance(others, dict) else found
