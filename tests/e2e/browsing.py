"""A guard of its own with its console, and a browser that uses it.

Job: start the real daemon on a folder, write mail log lines for it to read, and drive Debian's Chromium. Promise: the daemon gives every capability
away first and so touches no kernel; it and the browser end with the test. Limits: loopback alone.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 60.0
CONFIG = """\
state = "{folder}/state"
socket = "{folder}/api.sock"
[console]
listen = "127.0.0.1:0"
{more}
[[logfile]]
path = "{folder}/mail.log"
[nftables]
table = "gatepost_browser"
on_stop = "lift"
"""

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
"""axe-core: finds what somebody who sees badly, or not at all, would miss."""
GRAVE = """async () => {
  const found = await axe.run({ resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
  return found.violations.filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => [each.id, ...each.nodes.map((node) => node.html.slice(0, 120) + " " + node.any.map((any) => any.message).join("; "))].join(" | "));
}"""
"""What axe holds to be serious or critical."""
STOPS = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
  .filter((each) => !each.disabled && each.checkVisibility() && !each.closest("details:not([open]) > :not(summary)")).length"""
"""How many things of a page can be acted on."""
HERE = """() => {
  const each = document.activeElement, style = getComputedStyle(each);
  const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const before = each.dataset.stopped; each.dataset.stopped = "yes";
  return [each.tagName, before ? "again" : "", shown ? "" : each.outerHTML.slice(0, 120)];
}"""
"""Where the keyboard is: the element, whether it was there before, and what it is where nobody would see it."""


def lacking() -> str:
    """What this host lacks, as a sentence; empty where all is there."""
    return "" if CHROMIUM.exists() else "missing: chromium (package chromium)"


def wait_for(what: Callable[[], Any], words: str) -> Any:
    """What a look finds, once it finds something."""
    until = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < until, f"waited for {words}"
        time.sleep(0.05)
    return found


class Guard:
    """A real daemon in a folder."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        (folder / "mail.log").touch()
        (folder / "gatepost.toml").write_text(CONFIG.format(folder=folder, more=more), "utf-8")
        self.said = folder / "said"
        ours = {name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM")}
        command = [sys.executable, "-m", "gatepost.app.demo_guard", str(folder / "gatepost.toml")]
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out, env=ours, start_new_session=True)
        found = wait_for(self._told, "the console's link")
        self.address, self.link = found[1], found[2]

    def _told(self) -> re.Match[str] | None:
        return re.search(r'event=console address=(\S+) first="(\S+)"', self.said.read_text("utf-8", "replace"))

    def attack(self, client: str, account: str = "bob@example.org", lines: int = 10) -> None:
        """A client fails to log in on POP3, five times a line, as Dovecot writes it."""
        with (self.folder / "mail.log").open("a", encoding="utf-8") as log:
            for number in range(lines):
                now = datetime.now(UTC).isoformat(timespec="microseconds")
                said = f"pop3-login: Disconnected: Connection closed (auth failed, 5 attempts in 2 secs): user=<{account}>, method=PLAIN"
                log.write(f"{now} mx dovecot: {said}, rip={client}, lip=192.0.2.2, session=<{client}{number}>\n")

    def ask(self, *words: str) -> str:
        """What a command prints."""
        command = [sys.executable, "-m", "gatepost", *words, "--config", str(self.folder / "gatepost.toml")]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Person:
    """Somebody with a browser of his own; whatever the browser complains about is kept."""

    def __init__(self, browser: Browser, guard: Guard, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(base_url=guard.address, **options)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda wrong: self.complaints.append(str(wrong)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "status of 4" not in message.text:  # a refused form is no fault of the page
            self.complaints.append(message.text)

    def go(self, path: str) -> None:
        """Opens a page."""
        self.page.goto(path)

    def join(self, link: str, name: str, password: str) -> None:
        """Uses a one-time link."""
        self.page.goto(link)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_label("Password again").fill(password)
        self.page.get_by_role("button", name="Begin").click()
        self.page.get_by_role("button", name="Log out").wait_for()

    def log_in(self, name: str, password: str) -> None:
        """Logs in."""
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def sees(self, words: str) -> None:
        """Waits until words are on the page."""
        self.page.get_by_text(words).first.wait_for()


@contextmanager
def guarded(folder: Path, more: str = "") -> Iterator[Guard]:
    """A guard, ended at the end; ``more`` stands in its [console]."""
    guard = Guard(folder, more)
    try:
        yield guard
    finally:
        guard.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as driver:
        # Its own sandbox wants user namespaces, which root in a container may not have; it sees nothing but our pages.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
