"""How things look: the templates, and the words that they use.

Job: an autoescaping Jinja environment with times, spans and subjects as people read them. Promise: whatever a log, a name or a note holds is text:
escaped, and what would steer a terminal, a reader or the direction of writing is shown as its code. Limits: templates are our own files.
"""

import re
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from gatepost.admin.pages.visit import link
from gatepost.core.rules import PLURALS
from gatepost.core.spans import SECOND

_UNSOUND = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
TEMPLATES = resources.files("gatepost.admin") / "templates"
STATIC = resources.files("gatepost.admin") / "static"


def sound(value: Any) -> Any:
    """A text without what no screen should obey; anything else as it is."""
    if type(value) is not str:
        return value
    return _UNSOUND.sub(lambda found: f"\\u{ord(found[0]):04x}", value)


def moment(at: int) -> Markup:
    """A time, in UTC."""
    if not at:
        return Markup("never")
    when = datetime.fromtimestamp(at // SECOND, UTC)
    return Markup('<time datetime="{}Z">{}</time>').format(when.strftime("%Y-%m-%dT%H:%M:%S"), when.strftime("%Y-%m-%d %H:%M:%S"))


def span(us: int) -> str:
    """A length of time in its two largest units: ``4 m 12 s``."""
    left, parts = max(0, us) // SECOND, []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def ago(at: int, now: int) -> str:
    """How long ago something was."""
    return f"{span(now - at)} ago" if at else "never"


def number(value: int) -> str:
    """A number with thin gaps between its thousands."""
    return f"{value:,}".replace(",", "\u202f")


def words(text: str) -> str:
    """``auth_failed`` as people say it."""
    return text.replace("_", " ")


def many(kind: str) -> str:
    """A kind of fact as something to be counted: ``failed log-ins``."""
    return PLURALS.get(kind) or words(kind)


def _load(name: str) -> str | None:
    file = TEMPLATES / name
    return file.read_text("utf-8") if "/" not in name and file.is_file() else None


def environment() -> Environment:
    """The templates."""
    made = Environment(loader=FunctionLoader(_load), autoescape=True, undefined=StrictUndefined, finalize=sound, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"moment": moment, "span": span, "ago": ago, "number": number, "words": words, "many": many}
    made.globals["link"] = link
    made.globals["m"] = made.get_template("_macros.html").module
    return made
