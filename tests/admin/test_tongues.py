"""Which language a reader gets, and whether the catalogue is that of the code."""

from collections.abc import Iterator
from gettext import NullTranslations
from pathlib import Path

import msgspec
import pytest

from docs.texts import make
from gatepost.admin.pages import site
from gatepost.admin.pages.look import Speech
from gatepost.admin.settings import ConsoleSettings
from gatepost.admin.tongues import LOCALE, catalogue, choose, languages
from tests.admin.consoles import LOCAL, Browser, served

THERE = ("en", "de", "pt-BR")
AGAIN = "run `make texts`, and look at the difference"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-AT, en;q=0.5", "de"),
        ("fr, de;q=0.4, en;q=0.6", "en"),
        ("pt-br", "pt-BR"),
        ("pt", "en"),
        ("de;q=0, en", "en"),
        ("de;q=much, pt-BR;q=0.1", "pt-BR"),
        ("*", "en"),
        (";;,,q=1", "en"),
        ("../de", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_the_browser_says_what_it_likes(accepted: str, language: str) -> None:
    assert choose(accepted, THERE) == language


@pytest.fixture(scope="module")
def locale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a translation that `make texts` began, and that has one message."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("locale")
        patch.setattr(make, "LOCALE", folder)
        patch.setattr(make, "POT", folder / "gatepost.pot")
        make.main("de")
        file = folder / "de" / "LC_MESSAGES" / "gatepost.po"
        text = file.read_text("utf-8")
        for message, said in (("Log in", "Anmelden"),):
            text = text.replace(f'msgid "{message}"\nmsgstr ""', f'msgid "{message}"\nmsgstr "{said}"')
        file.write_text(text, "utf-8")
        make.main()
        yield folder


def test_a_language_is_begun_filled_and_compiled(locale: Path) -> None:
    assert languages(locale) == ["en", "de"]
    german = catalogue("de", locale)
    assert (german.gettext("Log in"), german.gettext("Log out")) == ("Anmelden", "Log out")


@pytest.mark.parametrize(
    ("fixed", "accepted", "said", "lang"), [("", "de", "Anmelden", "de"), ("", "fr", "Log in", "en"), ("en", "de", "Log in", "en")]
)
def test_a_page_is_in_the_readers_language(locale: Path, monkeypatch: pytest.MonkeyPatch, fixed: str, accepted: str, said: str, lang: str) -> None:
    monkeypatch.setattr(site, "LOCALE", locale)
    with served(msgspec.structs.replace(LOCAL, language=fixed)) as console:
        page = Browser(console.port).ask("GET", "/login", Accept_Language=accepted).text
    assert f'<html lang="{lang}">' in page
    assert f">{said}</button>" in page


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"language: 'xx' is not there; one of en, or \"\" for the browser's"):
        ConsoleSettings(language="xx")


def test_a_template_takes_a_translation_that_does_not_fit_for_none() -> None:
    class Broken(NullTranslations):
        def gettext(self, message: str) -> str:
            return "%(nobody)s"

    assert Speech(Broken()).gettext("%(name)s is gone", name="<b>\u202e") == "&lt;b&gt;\\u202e is gone"


def test_the_catalogue_is_that_of_the_code() -> None:
    assert make.POT.read_bytes() == make.written(make.template(), header=False), AGAIN


@pytest.mark.parametrize("file", sorted(LOCALE.glob("*/LC_MESSAGES/gatepost.po")) or [None])
def test_each_translation_is_that_of_the_catalogue_and_compiled(file: Path | None) -> None:
    for there in [file] if file else []:
        now = make.merged(there, make.template())
        assert (there.read_bytes(), there.with_suffix(".mo").read_bytes()) == (make.written(now), make.compiled(now)), AGAIN
