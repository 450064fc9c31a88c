"""Pictures of the console: the real daemon of the demo under attack, looked at with Debian's Chromium.

Job: write a PNG of each page into a folder, light and dark, wide and as on a phone. Promise: what is shown is what the daemon says. Limits: what the
attackers reach in half a minute; `--docs` writes the small ones that the guide shows.

    .venv/bin/python docs/pictures/console.py FOLDER
    .venv/bin/python docs/pictures/console.py --docs
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright

from gatepost.app.demo import make

CHROMIUM = "/usr/bin/chromium"
SIZES = {"wide": (1280, 800), "phone": (390, 844)}
PAGES = {
    "now": "/",
    "blocks": "/blocks?watched=yes",
    "why": "/why?subject=127.0.0.33",
    "rules": "/rules",
    "rule": "/rules/dos",
    "preset": "/presets/strict",
    "access": "/access?client=127.0.0.11",
    "import": "/access/import",
    "alerts": "/alerts",
    "report": "/report",
    "audit": "/audit",
    "account": "/account",
    "people": "/people",
}
HERE = Path(__file__).parent
PASSWORD = "a picture of a gate"  # noqa: S105  # of a guard that lives for half a minute


async def join(browser: Browser, link: str) -> str:
    """Uses the one-time link; returns the session's cookie."""
    page = await browser.new_page()
    await page.goto(link)
    await page.fill("#name", "anna")
    await page.fill("#password", PASSWORD)
    await page.fill("#again", PASSWORD)
    await page.click("text=Begin")
    await page.wait_for_selector("#figures dd")
    cookie = next(str(each["value"]) for each in await page.context.cookies())
    await page.close()
    return cookie


async def open_page(browser: Browser, base: str, cookie: str, scheme: str, size: tuple[int, int]) -> Page:
    """A browser that is logged in, by its scheme and size."""
    width, height = size
    context = await browser.new_context(color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": height})
    if cookie:
        await context.add_cookies([{"name": "gatepost", "value": cookie, "url": base}])
    return await context.new_page()


async def shoot(folder: Path, docs: bool) -> None:
    """Has the demo play, and takes the pictures."""
    async with make() as demo, async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        base = "{0.scheme}://{0.netloc}".format(urlsplit(demo.console))
        playing = asyncio.create_task(demo.play())
        cookie = await join(browser, demo.console)
        await asyncio.sleep(22)
        for scheme in ("light", "dark"):
            for size, measures in SIZES.items():
                if docs and (scheme, size) not in (("light", "wide"),):
                    continue
                page = await open_page(browser, base, cookie, scheme, (1200, 900) if docs else measures)
                for name, path in PAGES.items():
                    if docs and name not in ("now", "why"):
                        continue
                    await page.goto(base + path)
                    if name == "why":
                        await page.goto(base + "/blocks")
                        await page.locator("a.subject").first.click()
                    await page.wait_for_timeout(300)
                    file = folder / (f"console-{name}.png" if docs else f"{name}-{scheme}-{size}.png")
                    await page.screenshot(path=file, full_page=not docs)
                    over = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                    if over > 0:
                        print(f"{name} {scheme} {size}: {over} pixels too wide")
                await page.context.close()
        if not docs:
            page = await open_page(browser, base, "", "light", SIZES["wide"])
            await page.goto(f"{base}/login")
            await page.screenshot(path=folder / "login-light-wide.png")
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await browser.close()


if __name__ == "__main__":
    docs = "--docs" in sys.argv
    folder = HERE if docs else Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(shoot(folder, docs))
