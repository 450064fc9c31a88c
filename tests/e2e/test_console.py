"""The console as a person uses it: Debian's Chromium, the real daemon, a real log."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from gatepost.admin.pages.site import VIEWS
from tests.e2e import browsing
from tests.e2e.browsing import Guard, Person

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browsing.lacking()), reason=browsing.lacking())]

PASSWORD = "two gates and a post"
ATTACKER = "203.0.113.7"
FILLED = {"/why": f"?subject={ATTACKER}", "/blocks/network": "?prefix=203.0.113.0/24", "/access": "?client=192.0.2.1"}
NAMES = {"/rules/{name}": "/rules/dos", "/presets/{preset}": "/presets/strict", "/audit/{number}": "/audit/1"}
NO_PAGES = ("stream", "export", "state")
PAGES = [NAMES.get(path, path) + FILLED.get(path, "") for path, _, _ in VIEWS if path.rpartition("/")[2] not in NO_PAGES] + ["/nothing"]
"""Every page that there is."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with browsing.chromium() as found:
        yield found


class House:
    """A guard that many tests share, with anna in it, an attacker held, and a list entry."""

    def __init__(self, guard: Guard, browser: Browser) -> None:
        self.guard = guard
        guard.attack(ATTACKER)
        Person(browser, guard).join(guard.link, "anna", PASSWORD)
        browsing.wait_for(lambda: ATTACKER in guard.ask("blocks", "list"), "the block")

    def person(self, browser: Browser, **options: Any) -> Person:
        """Anna, with another browser."""
        found = Person(browser, self.guard, **options)
        found.go("/login")
        found.log_in("anna", PASSWORD)
        found.page.get_by_role("button", name="Log out").wait_for()
        return found


@pytest.fixture(scope="module")
def house(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One guard for all who change little in it."""
    with browsing.guarded(tmp_path_factory.mktemp("house")) as guard:
        yield House(guard, browser)


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    """A guard that nobody has used yet."""
    with browsing.guarded(tmp_path) as found:
        yield found


def test_from_the_first_start_to_the_log_out(browser: Browser, guard: Guard) -> None:
    anna = Person(browser, guard)
    anna.join(guard.link, "anna", PASSWORD)

    anna.sees("Nobody is blocked.")
    guard.attack(ATTACKER)
    row = anna.page.locator("#newest tr", has_text=ATTACKER)  # arrives by itself
    row.wait_for()
    expect(row).to_contain_text("password-brute-force")

    row.get_by_role("link", name=ATTACKER).click()
    anna.sees("50 in 10m")
    anna.page.get_by_text("The log lines that made it").click()
    anna.sees(f"rip={ATTACKER}, lip=192.0.2.2")
    anna.page.locator("summary", has_text="Unblock").click()
    anna.page.get_by_role("button", name="Unblock now").click()
    anna.sees(f"1 block of {ATTACKER} lifted.")
    anna.sees("No rule counts or holds it until")
    assert ATTACKER not in guard.ask("blocks", "list")

    anna.page.get_by_role("link", name="Rules", exact=True).click()
    anna.page.get_by_role("link", name="Edit password-brute-force").click()
    anna.page.get_by_label("Threshold").fill("0")
    anna.page.get_by_role("button", name="Save").click()
    expect(anna.page.get_by_label("Threshold")).to_have_value("0")
    expect(anna.page.get_by_label("Threshold")).to_have_attribute("aria-invalid", "true")
    anna.page.get_by_label("Threshold").fill("25")
    anna.page.get_by_role("button", name="Save").click()
    anna.sees("password-brute-force says now: 25 failed log-ins")

    anna.page.get_by_role("link", name="Access", exact=True).click()
    anna.page.get_by_text("Add an entry").click()
    anna.page.get_by_label("Address", exact=True).last.fill("198.51.100.0/24")
    anna.page.get_by_label("Note").fill("branch office")
    anna.page.get_by_role("button", name="Add").click()
    anna.sees("198.51.100.0/24 is on the allow list. It covers 256 addresses.")
    assert "branch office" in guard.ask("access", "list")

    anna.page.get_by_role("link", name="Rules", exact=True).click()
    anna.page.get_by_role("form", name="Mode of password-brute-force").get_by_role("button", name="Observe").click()
    anna.sees("password-brute-force observes")
    guard.attack("203.0.113.8", lines=5)
    anna.page.get_by_role("link", name="Now", exact=True).click()
    expect(anna.page.locator("#figures")).to_contain_text("Watched only1", timeout=browsing.PATIENCE * 1000, use_inner_text=False)
    assert "203.0.113.8" not in guard.ask("blocks", "list")

    _undo_the_newest(anna, guard)
    anna.page.get_by_role("button", name="Log out").click()
    anna.page.get_by_role("button", name="Log in").wait_for()
    anna.go("/rules")
    anna.log_in("anna", "wrong")
    anna.sees("Name, password or code is wrong.")
    anna.log_in("anna", PASSWORD)
    anna.sees("password-brute-force")
    assert anna.page.url.endswith("/rules")
    assert anna.complaints == []


def _undo_the_newest(anna: Person, guard: Guard) -> None:
    anna.page.get_by_role("link", name="Audit", exact=True).click()
    anna.page.get_by_role("link", name="Undo line").first.click()
    anna.sees("What it would do: password-brute-force says again: 25 failed log-ins")
    anna.page.get_by_role("button", name="Undo line").click()
    anna.sees("is undone: password-brute-force says again")
    assert "undoes" in guard.ask("audit", "list").splitlines()[1]
    assert guard.ask("audit", "undo", "1", "--dry-run").startswith("It cannot be undone")


def test_a_session_that_is_ended_elsewhere_ends_here(browser: Browser, guard: Guard) -> None:
    here, there = Person(browser, guard), Person(browser, guard)
    here.join(guard.link, "anna", PASSWORD)
    there.go("/login")
    there.log_in("anna", PASSWORD)
    there.page.get_by_role("link", name="anna").click()
    there.page.get_by_role("button", name="End the other sessions").click()
    there.sees("1 other session ended.")
    here.page.get_by_role("button", name="Log in").wait_for()  # the live page notices by itself
    assert guard.ask("console", "show").count("anna") == 1


def test_a_stream_that_was_refused_is_opened_again(browser: Browser, house: House) -> None:
    anna = house.person(browser)
    anna.page.route("**/now/stream", lambda route: route.fulfill(status=502, body="the guard is away"))
    anna.go("/")
    stale = anna.page.locator(".is-stale")
    stale.wait_for()
    anna.page.unroute("**/now/stream")
    stale.wait_for(state="detached")
    anna.page.route("**/now/stream", lambda route: route.fulfill(status=502, body="the guard is away"))
    anna.go("/")
    stale.wait_for()
    anna.context.clear_cookies()
    anna.page.get_by_role("button", name="Log in").wait_for()


def test_all_of_it_works_without_javascript(browser: Browser, guard: Guard) -> None:
    anna = Person(browser, guard, java_script_enabled=False)
    anna.join(guard.link, "anna", PASSWORD)
    guard.attack(ATTACKER)
    browsing.wait_for(lambda: ATTACKER in guard.ask("blocks", "list"), "the block")
    anna.go("/blocks")
    anna.page.get_by_role("button", name=f"Unblock {ATTACKER}").click()
    anna.sees(f"{ATTACKER}: 1 block lifted.")
    anna.page.get_by_role("link", name="Access", exact=True).click()
    anna.page.get_by_role("link", name="Import").click()
    anna.page.get_by_label("Rows", exact=True).fill("203.0.113.1\nnonsense\n")
    anna.page.get_by_label("Rows that name no list go on").select_option("deny")
    anna.page.get_by_role("button", name="Try it").click()
    anna.sees("line 2: prefix: 'nonsense'")
    anna.page.get_by_label("Skip bad rows").check()
    anna.page.get_by_role("button", name="Import").click()
    anna.sees("1 entries were added")
    anna.page.get_by_role("button", name="Log out").click()
    anna.page.get_by_role("button", name="Log in").wait_for()


def test_a_link_of_the_command_line_lets_a_viewer_in_who_sees_and_changes_nothing(browser: Browser, guard: Guard) -> None:
    bob = Person(browser, guard)
    bob.join(guard.ask("console", "link", "--role", "viewer").strip(), "bob", PASSWORD)
    bob.go("/rules/dos")
    bob.sees("How many are too many.")
    assert bob.page.get_by_role("button").all_inner_texts() == ["Log out"]
    bob.go("/people")
    bob.sees("This takes the role administrator; yours is viewer.")
    shown = json.loads(guard.ask("console", "show", "--json"))
    assert [(each["name"], each["role"]) for each in shown["people"]] == [("bob", "viewer")]


def test_over_tls_its_cookie_stays_there(browser: Browser, tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("key.pem", "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", names[0], "-out", names[1]], check=True, capture_output=True)
    with browsing.guarded(tmp_path, f'certificate = "{names[1]}"\nkey = "{names[0]}"') as guard:
        assert guard.link.startswith("https://127.0.0.1:")
        anna = Person(browser, guard, ignore_https_errors=True)
        anna.join(guard.link, "anna", PASSWORD)
        (cookie,) = anna.context.cookies()
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
        anna.sees("Nobody is blocked.")


def test_two_edit_one_rule_and_the_second_sees_both_versions(browser: Browser, house: House) -> None:
    anna, bob = house.person(browser), house.person(browser)
    for each in (anna, bob):
        each.go("/rules/dos")
    anna.page.get_by_label("Threshold").fill("70")
    anna.page.get_by_role("button", name="Save").click()
    anna.sees("dos says now: 70 connections")
    bob.page.get_by_label("Threshold").fill("90")
    bob.page.get_by_role("button", name="Save").click()
    bob.sees("In force now: 70")
    expect(bob.page.get_by_label("Threshold")).to_have_value("90")
    bob.page.get_by_role("button", name="Save").click()
    bob.sees("dos says now: 90 connections")


def test_a_session_ends_in_the_middle_of_a_form_and_what_was_typed_is_there(browser: Browser, house: House) -> None:
    anna = house.person(browser)
    anna.go("/access#add")
    anna.page.get_by_label("Address", exact=True).last.fill("198.18.7.0/24")
    anna.page.get_by_label("Note").fill("a long story")
    anna.context.clear_cookies()
    anna.page.get_by_role("button", name="Add").click()
    anna.sees("Your session is over.")
    anna.sees("a long story")
    anna.page.get_by_role("link", name="Log in again").click()
    anna.log_in("anna", PASSWORD)
    anna.page.get_by_role("heading", name="Access").wait_for()
    assert "198.18.7.0/24" not in house.guard.ask("access", "list")


def test_relaying_for_a_whole_network_is_confirmed_first(browser: Browser, house: House) -> None:
    anna = house.person(browser)
    anna.go("/access#add")
    anna.page.get_by_label("Address", exact=True).last.fill("198.18.0.0/16")
    anna.page.get_by_label("Relay").check()
    anna.page.get_by_role("button", name="Add").click()
    anna.page.get_by_text("is wider than a /24").first.wait_for()
    expect(anna.page.get_by_label("Relay")).to_be_checked()
    anna.page.get_by_label("Confirm").check()
    anna.page.get_by_role("button", name="Add").click()
    anna.sees("198.18.0.0/16 is on the allow list. It covers 65,536 addresses.")
    anna.page.get_by_role("button", name="Remove 198.18.0.0/16").click()
    anna.sees("198.18.0.0/16 is off the list")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_can_be_read_by_everybody(browser: Browser, house: House, scheme: str, width: int) -> None:
    anna = house.person(browser, color_scheme=scheme, viewport={"width": width, "height": 844})
    for path in PAGES:
        anna.go(path)
        for each in anna.page.locator("details").all():
            each.evaluate("e => e.open = true")
        anna.page.evaluate(browsing.AXE)
        assert anna.page.evaluate(browsing.GRAVE) == [], path
        assert anna.page.locator("h1").count() == 1, path
        assert anna.page.locator("table:not(:has(caption))").count() == 0, path
        assert anna.page.locator("main").count() == anna.page.locator("header").count() == 1, path
        assert anna.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} is too wide"
    assert anna.complaints == []


def test_every_deed_is_reached_by_keyboard_and_seen_there(browser: Browser, house: House) -> None:
    anna = house.person(browser)
    for path in PAGES:
        anna.go(path)
        for each in anna.page.locator("details").all():
            each.evaluate("e => e.open = true")
        anna.page.keyboard.press("Tab")
        assert anna.page.evaluate("document.activeElement.className") == "skip", path
        stops, reached = anna.page.evaluate(browsing.STOPS), 0
        while True:
            tag, again, unseen = anna.page.evaluate(browsing.HERE)
            if again or tag == "BODY":
                break
            assert not unseen, f"{path}: nobody sees that the keyboard is at {unseen}"
            reached += 1
            anna.page.keyboard.press("Tab")
        assert reached >= stops, f"{path}: {reached} of {stops} are reached"


def test_a_hundred_thousand_blocks_are_counted_sorted_filtered_and_paged(browser: Browser, house: House) -> None:
    file = house.guard.folder / "list.txt"
    file.write_text("".join(f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}\n" for number in range(100_000)))
    house.guard.ask("import", "list", str(file), "--for", "1d")
    anna = house.person(browser)
    anna.go("/blocks?rule=administrator")
    expect(anna.page.locator(".count")).to_contain_text("100\u202f000 shown by this filter")
    for path in ("/", "/blocks", "/blocks?sort=subject", "/blocks?sort=often"):
        anna.go(path)
        took = anna.page.evaluate(
            "performance.getEntriesByType('navigation')[0].responseEnd - performance.getEntriesByType('navigation')[0].requestStart"
        )
        print(f"{path} among 100,000 blocks: {took:.0f} ms")
    anna.go("/blocks")
    anna.page.get_by_label("Search").fill("100.65.130")
    anna.page.get_by_label("Order").select_option("by address")
    anna.page.get_by_role("button", name="Show").click()
    found: list[str] = []
    while True:
        found += anna.page.locator("tbody th .subject").all_inner_texts()
        following = anna.page.get_by_role("link", name="Next page")
        if not following.count():
            break
        following.click()
        anna.page.wait_for_load_state()
    assert anna.complaints == []
    held = [name for name in found if "/" not in name]
    assert held == sorted(line for line in file.read_text().split() if "100.65.130" in line)
    assert len(held) == len(set(held))
    anna.page.get_by_role("checkbox", name="Tick all rows").check()
    anna.page.get_by_role("button", name="Deny ticked rows for good").click()
    anna.sees("on the deny list for good, no longer a block")
    assert held[-1] in house.guard.ask("access", "list")
