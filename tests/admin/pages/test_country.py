"""The page of countries as a person uses it, without JavaScript."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from gatepost.admin.desk import Source
from gatepost.core.facts import AuthSucceeded
from gatepost.core.subjects import Client
from tests.admin.consoles import Browser, Served, served, shown

FORM = {"form": "country", "mode": "enforce", "direction": "allow", "unknown": "yes", "known_may": "yes"}


@pytest.fixture
def console() -> Iterator[Served]:
    """A console whose guard has data of countries: all of 203.0.113.0/24 is in the Netherlands, and two accounts log in from there."""
    with served() as found:
        found.made.guard.place = lambda client: "NL" if client.startswith("203.0.113.") else "unknown"
        found.made.desk.country_data = lambda: "/usr/share/GeoIP/test.mmdb"
        found.made.sources = [Source(name="gateway:imaps", reading=True, tells_open="imap")]
        found.made._report(
            [AuthSucceeded(found.made.now(), "mx", "imap", "", Client("203.0.113.7"), account=f"{name}@example.org") for name in ("anna", "bob")]
        )
        yield found


@pytest.fixture
def anna(console: Served) -> Browser:
    """An administrator's browser."""
    return console.browser("administrator")


def _version(browser: Browser) -> str:
    return browser.get("/access/country").text.partition('name="version" value="')[2].partition('"')[0]


def _sent(browser: Browser, **form: Any) -> str:
    sent = browser.post("/access/country", FORM | form)
    assert sent.status == 303, shown(sent)
    return shown(browser.get(sent.headers["location"]))


def test_it_shows_who_logs_in_from_where(console: Served, anna: Browser) -> None:
    said = shown(anna.get("/access/country"))
    assert "One may log in from everywhere." in said
    assert "Netherlands NL 2 1" in said
    assert "Netherlands NL, 2 accounts" in said
    assert "/usr/share/GeoIP/test.mmdb" in said
    assert 'href="/access/country"' in anna.get("/access").text


def test_a_policy_that_shuts_accounts_out_is_confirmed_first_and_keeps_what_was_typed(console: Served, anna: Browser) -> None:
    found = anna.post("/access/country", FORM | {"codes": ["DE", "AT"], "version": _version(anna)})
    assert (found.status, console.made.engine.countries.mode) == (422, "off")
    assert "Netherlands (NL): 2 accounts" in shown(found)
    text = unescape(found.text)
    assert [f'value="{code}" checked' in text for code in ("DE", "AT", "NL")] == [True, True, False]
    said = _sent(anna, codes=["DE", "AT"], even_mine="yes")
    assert "allow no entry" in shown(anna.get("/access?client=203.0.113.7&stage=login")), "somebody is known from there"
    console.made.guard.place = lambda client: "NL"
    assert "Countries are enforced." in said
    assert "unenforced on smtp, pop3" in said
    assert "Log-ins only from AT, DE" in said
    assert "country.enforce" in shown(anna.get("/audit"))
    assert "its country (NL)" in shown(anna.get("/access?client=203.0.114.7&stage=login"))
    assert "Countries are not asked about." in _sent(anna, mode="off", codes=["DE"])


def test_observing_and_what_is_wrong(console: Served, anna: Browser) -> None:
    assert "Countries are observed: nobody is refused." in _sent(anna, mode="observe", codes=["DE"])
    for form, words in (({}, "name at least one country"), ({"codes": "XX"}, "is no code of ISO 3166-1"), ({"mode": "on"}, "is not allowed")):
        found = anna.post("/access/country", FORM | form)
        assert (found.status, "Nothing was changed." in shown(found), words in shown(found)) == (422, True, True)


def test_two_administrators_at_once(console: Served, anna: Browser) -> None:
    version = _version(anna)
    _sent(anna, mode="observe", codes=["DE"], version=version)
    found = anna.post("/access/country", FORM | {"mode": "observe", "codes": "AT", "version": version})
    assert found.status == 412
    assert "Somebody else changed this meanwhile." in shown(found)
    assert "only from DE, observed only" in shown(found)
    assert 'value="AT" checked' in found.text
    other = anna.post("/access/country", FORM | {"mode": "enforce", "direction": "refuse", "codes": "AT", "version": version}).text
    assert re.findall("In force now: <b>(.*?)</b>", other) == ["observe", "allow"]


def test_others_see_it_and_cannot_change_it(console: Served) -> None:
    viewer = console.browser("operator")
    assert "Save" not in shown(viewer.get("/access/country"))
    assert viewer.post("/access/country", FORM | {"codes": "NL"}).status == 403
