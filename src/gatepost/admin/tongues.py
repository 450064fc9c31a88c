"""The languages of the console.

Job: find the translations that come with the package, and choose one for a reader. Promise: English is always there; what no translation has is said
in English. Limits: pages alone are translated; files, logs, the API and the command line speak English.

A translation is ``locale/LANGUAGE/LC_MESSAGES/gatepost.po`` with the ``.mo`` that `make texts` compiles of it; gatepost.pot has all messages.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from pathlib import Path

LOCALE = Path(str(resources.files("gatepost.admin") / "locale"))
ENGLISH = "en"
READS: ContextVar[str] = ContextVar("language", default=ENGLISH)
"""The language of the request that is being answered."""


def languages(folder: Path = LOCALE) -> list[str]:
    """The languages there are, as a browser names them: ``de``, ``pt-BR``."""
    return [ENGLISH, *sorted(file.parent.parent.name.replace("_", "-") for file in folder.glob("*/LC_MESSAGES/gatepost.mo"))]


def catalogue(language: str, folder: Path = LOCALE) -> NullTranslations:
    """The messages of a language."""
    if language == ENGLISH:
        return NullTranslations()
    with (folder / language.replace("-", "_") / "LC_MESSAGES" / "gatepost.mo").open("rb") as file:
        return GNUTranslations(file)


def choose(accepted: str, there: Iterable[str]) -> str:
    """The language that a browser likes best of those there are, by its Accept-Language (RFC 9110, 12.5.4; lookup of RFC 4647, 3.4)."""
    known = {each.lower(): each for each in there}
    for wish in _wishes(accepted):
        while wish:
            if wish in known:
                return known[wish]
            wish = wish.rpartition("-")[0]
    return ENGLISH


def _wishes(accepted: str) -> list[str]:
    """The ranges of the header in lower case, the dearest first; what is none is passed over."""
    found: list[tuple[float, int, str]] = []
    for part in accepted[:1000].split(","):
        tag, _, weight = part.partition(";")
        try:
            liked = float(weight.strip().removeprefix("q=") or 1) if weight else 1.0
        except ValueError:
            continue
        if liked > 0:
            found.append((-liked, len(found), tag.strip().lower()))
    return [tag for _, _, tag in sorted(found)]
