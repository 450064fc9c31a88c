"""Texts that a page can say in another language.

Job: `Text`, a sentence in English that still knows its template and its values. Promise: everywhere it is the English text, so that files, logs, the
API and the command line need not know of it; a page asks it anew in its reader's language. Limits: what is stored, sent or cut up is plain English
from then on; which languages there are is the console's affair.
"""

from collections.abc import Callable
from typing import Any

Singular = Callable[[str], str]
"""Finds a message in a language, as gettext does."""
Plural = Callable[[str, str, int], str]
"""Finds the form of a message that belongs to a number, as ngettext does."""


class Text(str):
    """A text in English: ``template`` filled with ``values``, which may be texts too."""

    __slots__ = ("lead", "many", "number", "template", "values")

    template: str
    many: str
    """The template for another number than one; empty: the text counts nothing."""
    number: int
    values: dict[str, Any]
    lead: str
    """What was taken off its beginning."""

    def __str__(self) -> "Text":
        """Itself: an exception that was made of it still gives it back."""
        return self

    def told(self, singular: Singular, plural: Plural) -> str:
        """The text in a language. A translation that does not fit its values is passed over."""
        found = plural(self.template, self.many, self.number) if self.many else singular(self.template) if self.template else ""
        values = {name: _told(value, singular, plural) for name, value in self.values.items()}
        try:
            return found.format(**values).removeprefix(self.lead)
        except (LookupError, ValueError, AttributeError):
            return plain(self)


def _told(value: Any, singular: Singular, plural: Plural) -> Any:
    if isinstance(value, tuple):
        return ", ".join(str(_told(each, singular, plural)) for each in value)
    return value.told(singular, plural) if isinstance(value, Text) else value


def say(template: str, /, **values: Any) -> Text:
    """A text: the template, with each ``{name}`` filled in as str.format does; a tuple is listed with commas."""
    return _made(template, "", 1, values)


def say_many(one: str, many: str, count: int, /, **values: Any) -> Text:
    """A text about a number of things, which its templates call ``{count}``."""
    return _made(one, many, count, {"count": count} | values)


def plain(said: str) -> str:
    """The English text and nothing more, for encoders that know no other texts."""
    return str.__str__(said)


def without(said: str, lead: str) -> str:
    """A text without its beginning, like the name of a field."""
    if not isinstance(said, Text) or not said.startswith(lead):
        return said.removeprefix(lead)
    return _made(said.template, said.many, said.number, said.values, said.lead + lead)


def _made(one: str, many: str, number: int, values: dict[str, Any], lead: str = "") -> Text:
    listed = {name: ", ".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()}
    made = Text((many if many and number != 1 else one).format(**listed).removeprefix(lead))
    made.template, made.many, made.number, made.values, made.lead = one, many, number, values, lead
    return made
