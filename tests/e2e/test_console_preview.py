"""The preview page as a person uses it: the real daemon's own history, its keeper, and Debian's Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e import browsing
from tests.e2e.browsing import Guard, Person

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browsing.lacking()), reason=browsing.lacking())]

PASSWORD = "two gates and a post"
QUIET, LOUD = "203.0.113.30", "203.0.113.60"
"""Fails 30 times, and 60 times."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with browsing.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A guard with a past, shared."""
    with browsing.guarded(tmp_path_factory.mktemp("preview")) as found:
        found.attack(QUIET, lines=6)
        found.attack(LOUD, lines=12)
        browsing.wait_for(lambda: LOUD in found.ask("blocks", "list"), "the block")
        yield found


def preview_of(person: Person, threshold: str) -> None:
    """Edits a rule's threshold, and looks at what it would have done."""
    person.go("/rules/password-brute-force")
    person.page.get_by_label("Threshold").fill(threshold)
    person.page.get_by_role("button", name="Preview").click()


def test_a_rule_is_tried_on_the_past_and_saved(browser: Browser, guard: Guard) -> None:
    anna = Person(browser, guard)
    anna.join(guard.link, "anna", PASSWORD)
    preview_of(anna, "25")
    gained = anna.page.locator("section", has_text="Gained: held by the changed rules alone")
    expect(gained.get_by_role("link", name=QUIET)).to_have_attribute("href", f"/why?subject={QUIET}")  # comes by itself
    expect(gained).not_to_contain_text(LOUD)
    assert anna.page.locator("rect.bar.changed").count() == anna.page.locator("rect.bar.today").count() >= 1
    anna.sees(f"{LOUD} was really blocked from")
    assert "threshold = 50" in guard.ask("rules", "export")

    anna.page.get_by_role("link", name="Back to editing").click()
    expect(anna.page.get_by_label("Threshold")).to_have_value("25")
    preview_of(anna, "90")
    lost = anna.page.locator("section", has_text="Lost: held by the rules of today alone")
    expect(lost).to_contain_text(LOUD)
    expect(lost).to_contain_text("unknown")
    result = anna.page.url
    anna.page.get_by_role("button", name="Save password-brute-force").click()
    anna.sees("password-brute-force says now: 90 failed log-ins")
    assert anna.complaints == []

    for scheme in ("light", "dark"):
        for width in (1280, 390):
            looks = Person(browser, guard, color_scheme=scheme, viewport={"width": width, "height": 844})
            looks.go("/login")
            looks.log_in("anna", PASSWORD)
            looks.page.get_by_role("button", name="Log out").wait_for()
            looks.go(result)
            looks.page.evaluate(browsing.AXE)
            assert looks.page.evaluate(browsing.GRAVE) == [], (scheme, width)
            assert looks.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (scheme, width)
            assert looks.complaints == []


def test_it_works_without_javascript(browser: Browser, guard: Guard) -> None:
    bob = Person(browser, guard, java_script_enabled=False)
    bob.join(guard.ask("console", "link", "--role", "operator").strip(), "bob", PASSWORD)
    preview_of(bob, "20")
    bob.page.get_by_role("heading", name="Gained").wait_for()  # the page reloads itself until it is there
    bob.sees(QUIET)
    assert bob.page.get_by_role("button", name="Save").count() == 0
    bob.page.get_by_role("link", name="Back to editing").click()
    expect(bob.page.get_by_label("Threshold")).to_have_value("20")
