"""The console as a person uses it: Debian's Chromium, the real daemon, a real log."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e import browsing
from tests.e2e.browsing import Guard, Person

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browsing.lacking()), reason=browsing.lacking())]

PASSWORD = "two gates and a post"
ATTACKER = "203.0.113.7"
PAGES = [
    *("", "blocks", f"why?subject={ATTACKER}", "rules", "rules/dos", "new-rule", "presets/strict", "access?client=192.0.2.1", "access/import"),
    *("alerts", "audit", "account", "people", "nothing"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with browsing.chromium() as found:
        yield found


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_can_be_read_by_everybody(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    with browsing.guarded(tmp_path) as guard:
        guard.attack(ATTACKER)
        anna = Person(browser, guard, color_scheme=scheme, viewport={"width": width, "height": 844})
        anna.join(guard.link, "anna", PASSWORD)
        for path in (f"/{page}" for page in PAGES):
            anna.go(path)
            for each in anna.page.locator("details").all():
                each.evaluate("e => e.open = true")
            missed = {name: found for name, found in anna.page.evaluate(browsing.LOOKS).items() if found}
            assert not missed, path
            assert anna.page.locator("h1").count() == 1, path
            assert anna.page.locator("main").count() == anna.page.locator("header").count() == 1, path
            assert anna.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} is too wide"
            anna.go(path)
            anna.page.keyboard.press("Tab")
            assert anna.page.evaluate("document.activeElement.className") == "skip", path
        assert anna.complaints == []
