"""Forms made from declarations.

Job: turn a msgspec Struct into fields that a template can show (title, meaning, range, choices), and what a form sent back into the Struct. Promise:
the words beside a field are those of API, reference and command line. Limits: knows the types that our declarations use.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, structs

from gatepost.admin.pages.visit import Typed
from gatepost.core.faults import BadInputError
from gatepost.core.spans import Span, decode_span, encode_span
from gatepost.core.texts import Text, say
from gatepost.wire.explain import explain

T = TypeVar("T", bound=Struct)


class Field(Struct, frozen=True, kw_only=True):
    """A field as a template shows it."""

    name: str
    title: Text
    meaning: Text
    kind: Literal["text", "number", "span", "choice", "boxes", "box"]
    value: Any = ""
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    longest: int | None = None
    required: bool = False
    example: str = ""

    @property
    def said(self) -> str:
        """Its value in words."""
        if self.kind == "box":
            return "yes" if self.value else "no"
        return ", ".join(each for each in self.choices if each in self.value) if self.kind == "boxes" else str(self.value)


def fields_of(kind: type[Struct], values: Mapping[str, Any] | Struct | None = None, leave_out: Iterable[str] = (), prefix: str = "") -> list[Field]:
    """The fields of a declaration, with values or their defaults."""
    given: Any = msgspec.to_builtins(values, enc_hook=encode_span) if isinstance(values, Struct) else dict(values or {})
    hints, without = get_type_hints(kind, include_extras=True), set(leave_out)
    return [
        _field(prefix, plain, info, hints[plain.name], given.get(plain.encode_name))
        for plain, info in zip(structs.fields(kind), msgspec.inspect.type_info(kind).fields, strict=True)  # type: ignore[attr-defined]
        if plain.encode_name not in without
    ]


def _field(prefix: str, plain: Any, info: Any, hint: Any, value: Any) -> Field:
    outer, bare = info.type, _bare(info.type)
    schema = outer.extra_json_schema or {} if isinstance(outer, msgspec.inspect.Metadata) else {}
    choices = tuple(str(each) for each in _literals(hint))
    default = None if plain.default is msgspec.NODEFAULT else plain.default
    return Field(
        name=prefix + plain.encode_name,
        title=say(schema.get("title", plain.encode_name)),
        meaning=say(schema.get("description", "")),
        kind=_kind(bare),
        value=_plain(default if value is None else value),
        choices=choices,
        least=getattr(bare, "ge", None),
        most=getattr(bare, "le", None),
        longest=getattr(bare, "max_length", None),
        required=info.required,
        example=next((str(each) for each in schema.get("examples", ())), ""),
    )


def _kind(bare: Any) -> Any:
    if isinstance(bare, msgspec.inspect.BoolType):
        return "box"
    if isinstance(bare, msgspec.inspect.LiteralType):
        return "choice"
    if isinstance(bare, msgspec.inspect.VarTupleType):
        return "boxes"
    if isinstance(bare, msgspec.inspect.IntType):
        return "number"
    return "span" if isinstance(bare, msgspec.inspect.CustomType) else "text"


def _plain(value: Any) -> Any:
    if isinstance(value, Span):
        return str(value) if value.us else ""
    return "" if value is None else value


def _bare(info: Any) -> Any:
    while True:
        if isinstance(info, msgspec.inspect.Metadata):
            info = info.type
        elif isinstance(info, msgspec.inspect.UnionType):
            # A stage or nothing is one list of choices; a span or none is a span.
            info = next(each for each in info.types if not isinstance(each, msgspec.inspect.NoneType))
        else:
            return info


def _literals(hint: Any) -> Iterator[Any]:
    for each in get_args(hint):
        if get_origin(hint) is Literal:
            yield each
        elif get_origin(each) is not None:
            yield from _literals(each)


def values_of(kind: type[Struct], typed: Typed, fields: Iterable[Field], prefix: str = "") -> dict[str, Any]:
    """What a form sent, as a declaration's plain values; what is empty and may be is left out."""
    found: dict[str, Any] = {}
    for field in fields:
        name, sent = field.name.removeprefix(prefix), typed.get(field.name, ())
        if field.kind == "box":
            found[name] = bool(sent)
        elif field.kind == "boxes":
            found[name] = list(sent)
        elif sent and (sent[0].strip() or (field.kind == "choice" and "" in field.choices)):
            found[name] = _number(field, sent[0]) if field.kind == "number" else sent[0].strip() if field.kind != "text" else sent[0]
        elif field.required:
            raise BadInputError(say("{name}: is empty; {meaning}", name=name, meaning=field.meaning))
        elif field.kind in ("text", "number"):
            found[name] = "" if field.kind == "text" else field.least or 0
    return found


def _number(field: Field, text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 12):
        raise BadInputError(say("{name}: {text!r} is no whole number", name=field.name, text=text[:40]))
    return int(text)


def read(kind: type[T], typed: Typed, leave_out: Iterable[str] = (), **fixed: Any) -> T:
    """What a form sent, as a declaration. Raises BadInputError, naming the field."""
    values = values_of(kind, typed, fields_of(kind, leave_out={*leave_out, *fixed})) | fixed
    try:
        return msgspec.convert(values, kind, dec_hook=decode_span)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(wrong, kind, values)[0]) from None
