"""The OpenAPI document read by its other end: what fits a schema.

Job: check a value against a schema. Promise: a keyword that it does not know is a failure, so that nothing is
passed over. Limits: the keywords that our own document uses.
"""

from typing import Any

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
