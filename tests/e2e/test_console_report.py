"""The report as a person uses it: Debian's Chromium, the real daemon and keeper, attacks from a real log."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e import browsing
from tests.e2e.browsing import Guard, Person

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browsing.lacking()), reason=browsing.lacking())]

PASSWORD = "two gates and a post"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with browsing.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A guard that three clients attacked."""
    with browsing.guarded(tmp_path_factory.mktemp("guard")) as found:
        for client in ("203.0.113.7", "203.0.113.8", "198.51.100.9"):
            found.attack(client)
        browsing.wait_for(lambda: "3 decisions" in found.ask("report"), "the report to tell of them")
        yield found


def test_a_report_of_an_attack_and_its_csv(browser: Browser, guard: Guard) -> None:
    anna = Person(browser, guard)
    anna.join(guard.link, "anna", PASSWORD)
    anna.page.get_by_role("link", name="Report", exact=True).click()
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    expect(anna.page.get_by_role("row", name=today)).to_contain_text("3")
    anna.page.get_by_label("Period").select_option("today")
    anna.page.get_by_label("Counted by").select_option("network")
    anna.page.get_by_role("button", name="Show").click()
    rows = anna.page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("203.0.113.0/24")
    assert anna.page.locator(".lines rect.held").first.evaluate("e => e.getBoundingClientRect().width") > 50
    with anna.page.expect_download() as sent:
        anna.page.get_by_role("link", name="CSV").click()
    told = Path(sent.value.path()).read_text("utf-8")
    assert sent.value.suggested_filename == "gatepost-report-network-1d.csv"
    assert told == '"network","decisions","watched","subjects"\n"203.0.113.0/24",2,0,2\n"198.51.100.0/24",1,0,1\n'
    assert guard.ask("report", "--days", "1", "--by", "network", "--csv") == told
    assert anna.complaints == []
    anna.page.emulate_media(media="print")
    assert not [each for each in anna.page.locator("header, form").all() if each.is_visible()]
    assert anna.page.locator(".lines").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(browser: Browser, guard: Guard, scheme: str) -> None:
    link = guard.ask("console", "link").strip()
    person = Person(browser, guard, color_scheme=scheme)
    person.join(link, scheme, PASSWORD)
    for width in (1280, 390):
        person.page.set_viewport_size({"width": width, "height": 844})
        for by in ("day", "rule", "country"):
            person.go(f"/report?by={by}")
            person.page.evaluate(browsing.AXE)
            assert person.page.evaluate(browsing.GRAVE) == [], by
            assert person.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{by} is too wide"
    assert person.complaints == []
