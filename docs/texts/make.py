"""Writes the catalogue of the console's texts, and brings the translations up to date with it.

Job: collect every message of templates, code and declarations into gatepost.pot; put new messages into each translation and compile it. Promise: what
is not in the catalogue is shown to nobody; a test holds the committed files against what this makes. Limits: translators fill the .po files;
docs/console.md tells how.

Run it after a change of a text: `make texts`. A new language: `make texts NEW=de`.
"""

import sys
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import get_args

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from gatepost.admin.accounts import ROLES, Invite, NewToken
from gatepost.admin.actions.access import AddEntry
from gatepost.admin.actions.blocks import AddBlock, PauseFor, Unblock
from gatepost.admin.actions.country import SetCountries
from gatepost.admin.actions.find import Find
from gatepost.admin.actions.preview import AskRules
from gatepost.admin.actions.report import FindReport
from gatepost.admin.pages.forms import fields_of
from gatepost.admin.tongues import LOCALE
from gatepost.core.decisions import QUESTION_STAGES
from gatepost.core.facts import KINDS, REASONS
from gatepost.core.iso3166 import NAMES
from gatepost.core.rules import PLURALS, Distinct, Rule, Where
from gatepost.core.subjects import By
from gatepost.pipeline import reports

SOURCE = LOCALE.parents[1]
"""The package."""
POT = LOCALE / "gatepost.pot"
METHODS = [("admin/templates/*.html", "jinja2"), *((each, "python") for each in ("admin/**.py", "core/**.py", "wire/explain.py"))]
OPTIONS = {"admin/templates/*.html": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "say": None, "say_many": (1, 2)}
FORMS = (Rule, Where, AddEntry, AddBlock, Unblock, PauseFor, SetCountries, NewToken, Invite, AskRules, Find, FindReport)
"""The declarations whose words pages show."""
TYPED = ("rows", "list", "old", "new", "again", "code", "name", "deed", "version", "one", "preset", "number")
"""Fields of forms that no declaration has."""
ANSWERS = ("allow", "deny", "refuse", "delay", "no leave", "login", "relay", "message", "connect", *ROLES, *QUESTION_STAGES)
STATUSES = (401, 403, 404, 405, 409, 412, 413, 422, 500)
"""What an error's page is called."""


def template() -> Catalog:
    """The catalogue without translations."""
    made = Catalog(project="Gatepost", charset="utf-8")
    for file, _, message, _, context in extract_from_dir(SOURCE, METHODS, OPTIONS, KEYWORDS):
        made.add(message, locations=[(file, 0)], context=context)
    for word, where in declared():
        if word and not word.isdigit():
            made.add(word, locations=[(where, 0)])
    return made


def declared() -> Iterator[tuple[str, str]]:
    """The words of declarations that pages show, and where they are from."""
    for form in FORMS:
        for field in fields_of(form):
            yield from ((each, form.__name__) for each in (field.title, field.meaning, *_words(field.name, *field.choices)))
    yield from ((each, "facts") for each in (*PLURALS.values(), *_words(*KINDS)))
    yield from ((each, "reasons") for each in _words(*(reason for known in REASONS.values() for reason in known)))
    yield from (
        (each, "answers")
        for each in _words(*ANSWERS, *TYPED, *(f"distinct {each}" for each in get_args(Distinct) if each), *get_args(By), *get_args(reports.By))
    )
    yield from ((each, "countries") for each in NAMES.values())
    yield from ((HTTPStatus(each).phrase, "errors") for each in STATUSES)


def _words(*names: str) -> Iterable[str]:
    return (name.replace("_", " ") for name in names)


def written(catalogue: Catalog, header: bool = True) -> bytes:
    """A catalogue as its file has it: in one order, without line numbers, so that it changes with the texts alone."""
    out = BytesIO()
    write_po(out, catalogue, width=150, sort_output=True, omit_header=not header, include_lineno=False, ignore_obsolete=True)
    return out.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """What gettext reads."""
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def merged(file: Path, new: Catalog) -> Catalog:
    """A translation with the messages of now."""
    with file.open("rb") as there:
        found = read_po(there)
    found.update(new, no_fuzzy_matching=True)
    return found


def main(language: str = "") -> None:
    """Writes all of it; a language that is named is begun where it is not there."""
    new = template()
    POT.write_bytes(written(new, header=False))
    if language and not (file := LOCALE / language / "LC_MESSAGES" / "gatepost.po").exists():
        file.parent.mkdir(parents=True)
        begun = Catalog(locale=language, project="Gatepost", charset="utf-8")
        begun.update(new)
        file.write_bytes(written(begun))
    for file in LOCALE.glob("*/LC_MESSAGES/gatepost.po"):
        catalogue = merged(file, new)
        file.write_bytes(written(catalogue))
        file.with_suffix(".mo").write_bytes(compiled(catalogue))


if __name__ == "__main__":
    main(*sys.argv[1:])
