"""Every word of every page goes through the catalogue: nothing that a person reads was forgotten.

A language is made of the committed catalogue: each message stands between ⟦ and ⟧ and is written with accents, while values in it stand outside. All
pages are read in it: whatever has letters outside of the marks is data, or was forgotten.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from msgspec import structs

from docs.texts.make import FORMS as DECLARED
from docs.texts.make import POT
from gatepost.admin.accounts import Invite
from gatepost.admin.desk import Who
from gatepost.admin.pages import site
from gatepost.admin.pages.forms import fields_of
from gatepost.core.facts import PROTOCOLS
from gatepost.core.rules import PRESETS
from gatepost.pipeline.previews import PreviewState
from tests.admin.consoles import PASSWORD, Answer, Browser, Served, served
from tests.admin.pages.test_hostile import FORMS, PAGES, STREAMS, Remembers, poison
from tests.admin.pages.test_preview import RESULT

DATUM = "datum"
"""What a log, a note or another program said."""
RULES = {rule.name for rules in PRESETS.values() for rule in rules}
OURS = {"anna", "eve", "mine", "Gatepost", "nftables", "unblock", "pause", "resume", DATUM, *PRESETS, *PROTOCOLS, *RULES}
"""Names: of people, products, deeds in the audit trail, and of protocols, rules and presets as files spell them."""
NO_WORD = re.compile(
    r"""[\W\d_]* | [0-9a-f.:/]*[.:][0-9a-f.:/-]* | (\d+(d|h|m|s|ms))+ | [dhmsB] | UTC | [A-Z]{2}  # signs, figures, addresses, spans, units, countries
    | \w+@[\w.]+ | \w+(\.\w+)+ | \w+_\w+ | '[^']*'  # accounts, deeds of the audit trail, words as files spell them
    | \{time\}""",  # what the page's script fills in
    re.VERBOSE,
)
"""What is no word that a person reads."""
STORED = r"(allow|deny) [0-9][0-9a-f.:/]+|own network$|\d+ in (\d+[dhms])+|by hand: datum"
"""What was stored, and is English: an entry in the audit trail, notes that were made, why something was held."""
FIELDS = {"allow:", "country:", "password:", "preview:", *(f"{field.name}:" for form in DECLARED for field in fields_of(form))}
"""Names of fields as files spell them, where a message begins with one that no field of the page has."""
VERBATIM = {"code", "pre", "bdi", "time", "textarea", "script"}
"""Elements that show what somebody else said, or what is to be typed as it is."""
READ = ("title", "alt", "placeholder", "aria-label", "data-name", "data-over", "data-local")
"""Attributes that are read out or shown."""


def pseudo(message: str) -> str:
    """A message in the made-up language; the name of a field that it begins with stays, as translators leave it."""
    parts = re.split(r"(^(?:\{\w+\}|[a-z_.]+(?:, [a-z_.]+)*): |%\(\w+\)s|%%|\{[^{}]*\}|</?\w[^>]*>)", message)
    return "".join(f"⟦{part.translate(ACCENTS)}⟧" if number % 2 == 0 and part else part for number, part in enumerate(parts))


ACCENTS = str.maketrans("aeiounyc", "áéíóúñýç")


@pytest.fixture(scope="module")
def locale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of translations with the made-up language in it, made of the committed catalogue."""
    folder = tmp_path_factory.mktemp("locale")
    with POT.open("rb") as file:
        found = read_po(file)
    made = Catalog(locale="eo")
    for each in found:
        if each.id:
            made.add(each.id, tuple(map(pseudo, each.id)) if isinstance(each.id, (tuple, list)) else pseudo(str(each.id)))
    (folder / "eo" / "LC_MESSAGES").mkdir(parents=True)
    with (folder / "eo" / "LC_MESSAGES" / "gatepost.mo").open("wb") as file:
        write_mo(file, made)
    return folder


class Knows(Remembers):
    """A keeper that has previews, too: one that is done, one at work, one that was stopped."""

    def preview(self, number: int) -> PreviewState | None:
        """By its number."""
        result = structs.replace(RESULT, notes=[DATUM], gained=[], lost=[], friends=[])
        return {
            1: PreviewState(number=1, state="done", result=result),
            2: PreviewState(number=2, percent=40),
            3: PreviewState(number=3, state="cancelled"),
            4: PreviewState(number=4, state="failed", problem=DATUM),
        }.get(number)


@pytest.fixture(scope="module")
def console(locale: Path) -> Iterator[Served]:
    """A console with data everywhere, in a folder of translations of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "LOCALE", locale)
        with served() as found:
            found.add_user("anna", "administrator")
            poison(found, DATUM)
            found.made.desk.recall = Knows(DATUM)
            yield found


DEEDS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/pause", {"for": "1h"}),
    ("/resume", {}),
    ("/blocks", {"prefix": "203.0.113.200", "for": "1h"}),
    ("/blocks/prolong", {"one": "203.0.113.200", "for": "1d"}),
    ("/blocks/unblock", {"one": "203.0.113.200", "grace": "1h"}),
    ("/blocks/permanent", {"one": "203.0.113.77"}),
    ("/why/block", {"prefix": "203.0.113.201", "for": "1h"}),
    ("/why/unblock", {"subject": "203.0.113.201", "grace": "1h"}),
    ("/access", {"verb": "allow", "prefix": "198.51.100.0/22", "detection": "yes"}),
    ("/access/remove", {"prefix": "198.51.100.0/22"}),
    ("/access/import", {"list": "deny", "rows": f"192.0.2.1\n{DATUM}\n", "deed": "try"}),
    ("/access/import", {"list": "deny", "rows": "192.0.2.1\n", "deed": "import"}),
    ("/access/country", {"mode": "observe", "direction": "allow", "codes": "DE"}),
    ("/rules/dos/mode", {"mode": "observe"}),
    ("/rules/dos/reset", {}),
    ("/presets/strict", {}),
    ("/rules/bounces/remove", {}),
    ("/audit/9/undo", {}),
    ("/account/second/start", {}),
    ("/account/tokens", {"name": "mine", "role": "viewer", "days": "3"}),
    ("/account/tokens/remove", {"name": "mine"}),
    ("/account/others", {}),
    ("/people/invite", {"name": "eve", "role": "viewer"}),
    ("/alerts/test", {"name": DATUM}),
)
"""What is done, and said of it."""


class Polyglot(Browser):
    """A browser whose reader wants the made-up language."""

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request."""
        return super().ask(method, path, body, **{"Accept_Language": "eo, en;q=0.5"} | headers)


@pytest.fixture(scope="module")
def anna(console: Served) -> Polyglot:
    """Who is logged in."""
    found = Polyglot(console.port)
    assert found.log_in("anna").status == 303
    return found


class Reader(HTMLParser):
    """Collects what a person reads or hears."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.inside: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes that are read."""
        if tag in VERBATIM:
            self.inside.append(tag)
        self.said += [value for name, value in attrs if name in READ and value]

    def handle_endtag(self, tag: str) -> None:
        """The end of what is verbatim."""
        if tag in self.inside:
            self.inside.remove(tag)

    def handle_data(self, data: str) -> None:
        """What is shown."""
        if not self.inside:
            self.said.append(data)


def forgotten(page: str) -> list[str]:
    """The words of a page that are neither translated nor data."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    words = [word.strip(".,;()") for said in reader.said for word in re.sub(f"⟦[^⟧]*⟧|{STORED}", " ", said).split()]
    return [word for word in words if word.rstrip(":") not in OURS and word not in FIELDS and not NO_WORD.fullmatch(word)]


def check(found: Answer, where: str) -> None:
    """Nothing on a page was forgotten."""
    if found.headers.get("content-type", "").startswith("text/html"):
        assert '<html lang="eo">' in found.text, where
        assert forgotten(found.text) == [], where


def test_every_view_there_is(anna: Polyglot) -> None:
    for path in (path for path, _, _ in site.VIEWS if path not in STREAMS):
        for name in ("dos", "strict", "1", "2", "3", "4") if "{" in path else ("",):
            check(anna.get(re.sub(r"{\w+}", name, path)), path + name)
    for name, path in PAGES.items():
        check(anna.get(path.format(text=DATUM, account=quote(DATUM))), name)


def test_every_form_that_is_refused(anna: Polyglot) -> None:
    for name, (path, fields) in FORMS.items():
        for value in (DATUM, ""):
            check(anna.post(path, {"form": name} | dict.fromkeys(fields, value)), f"{name} {value}")


def test_every_deed_that_is_done(anna: Polyglot, console: Served) -> None:
    for path, form in DEEDS:
        found = anna.post(path, form)
        check(found, path)
        if found.status == 303:
            check(anna.get(found.headers["location"]), path)
    for number in range(1, len(console.made.audit()) + 1):
        check(anna.get(f"/audit/{number}"), f"line {number}")


def test_the_door(anna: Polyglot, console: Served) -> None:
    stranger = Polyglot(console.port)
    secret = console.do(console.accounts.invite(Who("anna"), Invite(name="", role="operator")))
    for path in ("/login", "/first?key=none", f"/first?key={secret}", "/nothing"):
        check(stranger.get(path), path)
    check(stranger.post("/first", {"key": secret, "name": "a", "password": PASSWORD, "again": PASSWORD}), "a bad name")
    check(stranger.post("/first", {"key": secret, "name": "eve", "password": PASSWORD, "again": "other"}), "no password")
    check(stranger.post("/login", {"name": "nobody", "password": "wrong"}), "log in")
    check(anna.post("/pause", {"csrf": "none", "for": "1h"}), "another session's form")
