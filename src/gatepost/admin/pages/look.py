"""How things look: the templates, and the words that they use.

Job: an autoescaping Jinja environment with times, spans and subjects as people read them. Promise: whatever a log, a name or a note holds is text:
escaped, and what would steer a terminal, a reader or the direction of writing is shown as its code. Limits: templates are our own files; every
word in them that people read is a message of gettext's, ``_("...")`` or ``{% trans %}``.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from gettext import NullTranslations
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

from gatepost.admin.pages.visit import link
from gatepost.admin.tongues import ENGLISH, LOCALE, catalogue
from gatepost.core.rules import PLURALS
from gatepost.core.spans import SECOND
from gatepost.core.texts import Text

_UNSOUND = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
TEMPLATES = resources.files("gatepost.admin") / "templates"
STATIC = resources.files("gatepost.admin") / "static"


def sound(value: Any) -> Any:
    """A text without what no screen should obey; anything else as it is."""
    if type(value) is not str:
        return value
    return _UNSOUND.sub(lambda found: f"\\u{ord(found[0]):04x}", value)


def span(us: int) -> str:
    """A length of time in its two largest units: ``4 m 12 s``."""
    left, parts = max(0, us) // SECOND, []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def number(value: int) -> str:
    """A number with thin gaps between its thousands."""
    return f"{value:,}".replace(",", "\u202f")


class Speech:
    """What templates say in a language: Jinja's newstyle gettext, and the filters that have words.

    A message is markup, as templates are. Values in it are text: made sound, and escaped. A translation that does not fit its values is passed over.
    """

    def __init__(self, messages: NullTranslations) -> None:
        self._messages = messages
        self._plain = lru_cache(4096)(lambda message: Markup(messages.gettext(message) % {}))  # noqa: S704  # a message of ours

    def shown(self, value: Any) -> Any:
        """Whatever a template prints: a `Text` in this language, and every text sound."""
        return sound(value.told(self._messages.gettext, self._messages.ngettext) if type(value) is Text else value)

    def gettext(self, message: str, /, **values: Any) -> Markup:
        """A message, with its values."""
        return self._filled(self._messages.gettext(message), message, values) if values else self._plain(message)

    def ngettext(self, one: str, many: str, num: int, /, **values: Any) -> Markup:
        """The form of a message that belongs to a number."""
        return self._filled(self._messages.ngettext(one, many, num), one if num == 1 else many, {"num": num} | values)

    def _filled(self, found: str, message: str, values: dict[str, Any]) -> Markup:
        told = {name: escape(self.shown(value)) for name, value in values.items()}
        try:
            return Markup(found % told)  # noqa: S704  # a message of ours, with values that are escaped
        except (LookupError, ValueError, TypeError):
            return Markup(message % told)  # noqa: S704

    def words(self, text: str) -> str:
        """A word of rule files and commands as people say it: ``auth_failed`` is "auth failed"; unknown ones as they are."""
        said = text.replace("_", " ")
        return self._messages.gettext(said) if said else ""

    def many(self, kind: str) -> str:
        """A kind of fact as something to be counted: ``failed log-ins``."""
        return self._messages.gettext(PLURALS[kind]) if kind in PLURALS else self.words(kind)

    def moment(self, at: int) -> Markup:
        """A time, in UTC."""
        if not at:
            return self.gettext("never")
        when = datetime.fromtimestamp(at // SECOND, UTC)
        return Markup('<time datetime="{}Z">{}</time>').format(when.strftime("%Y-%m-%dT%H:%M:%S"), when.strftime("%Y-%m-%d %H:%M:%S"))


def _load(name: str) -> str | None:
    file = TEMPLATES / name
    return file.read_text("utf-8") if "/" not in name and file.is_file() else None


class _Said(NodeTransformer):
    """Says messages without values while a template is compiled, in its environment's language, so that they cost nothing on a page."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        """A call of ``_`` or ``gettext`` with a message alone becomes what it says."""
        self.generic_visit(node)
        plain = isinstance(node.node, nodes.Name) and node.node.name in ("_", "gettext") and len(node.args) == 1 and not node.kwargs
        if plain and isinstance(message := node.args[0], nodes.Const):
            return nodes.Const(self._speech.gettext(message.value), lineno=node.lineno)
        return node


class _Environment(Environment):
    """Templates in one language."""

    speech: Speech

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        found: nodes.Template = _Said(self.speech).visit(super()._parse(source, name, filename))
        return found


def environment(language: str = ENGLISH, folder: Path = LOCALE) -> Environment:
    """The templates, in a language."""
    speech = Speech(catalogue(language, folder))
    made = _Environment(
        loader=FunctionLoader(_load),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=speech.shown,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.speech = speech
    made.newstyle_gettext = True  # type: ignore[attr-defined]
    made.globals |= {"_": speech.gettext, "gettext": speech.gettext, "ngettext": speech.ngettext, "link": link, "language": language}
    made.filters |= {"moment": speech.moment, "span": span, "number": number, "words": speech.words, "many": speech.many}
    made.globals["m"] = made.get_template("_macros.html").module
    return made
