"""What the console costs the guard: how soon a mail server is answered while people look.

    python bench/console.py [--seconds 8] [--blocks 100000]

Job: start the real daemon on loopback, have it hold many addresses, and ask it as Postfix does, a hundred times a second, while nobody looks; while
Now is open with its stream of events; and while somebody also goes from Blocks to Why and on as fast as he is answered. Promise: the daemon touches
no kernel; nothing is asserted. Limits: asker, readers and daemon share this machine, and whatever else works on it.
"""

import argparse
import asyncio
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.e2e.browsing import Guard, guarded  # noqa: E402

RATE = 100
"""Questions a second."""
QUESTION = "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=240.{}.{}.7\nsender=a@example.net\nrecipient=b@example.org\n\n"
PATHS = (
    "/blocks",
    "/why?subject=100.64.0.7",
    "/blocks?sort=subject",
    "/why?subject=100.64.0.0/24",
    "/blocks?text=64.7&sort=ending",
    "/why?subject=bob",
)
PASSWORD = "two gates and a post"  # noqa: S105


class Seen(NamedTuple):
    """What was measured: milliseconds of each answer of the policy service, and of each page by its path."""

    answers: list[float]
    pages: dict[str, list[float]]


class Visitor:
    """Somebody who is logged in."""

    def __init__(self, guard: Guard) -> None:
        self.host = urlsplit(guard.address).netloc
        self.cookie = ""

    async def ask(self, path: str, form: dict[str, str] | None = None) -> str:
        """A page, whole."""
        reader, writer = await self.open(path, form)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if cookie := re.search(r"set-cookie: ([^;]+)", head, re.IGNORECASE):
            self.cookie = cookie[1]
        body = (await reader.read()).decode()
        writer.close()
        return head + body

    async def open(self, path: str, form: dict[str, str] | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A page that is coming."""
        reader, writer = await asyncio.open_connection(*self.host.split(":"), limit=1 << 22)
        body = urlencode(form or {})
        kind = "content-type: application/x-www-form-urlencoded\r\n" if form else ""
        method, length = ("POST", f"content-length: {len(body)}\r\n") if form else ("GET", "")
        head = f"{method} {path} HTTP/1.1\r\nhost: {self.host}\r\nconnection: close\r\ncookie: {self.cookie}\r\n{kind}{length}\r\n"
        writer.write((head + body).encode())
        return reader, writer

    async def join(self, link: str) -> None:
        """Uses the first start's link."""
        key = link.partition("key=")[2]
        await self.ask("/first", {"key": key, "name": "anna", "password": PASSWORD, "again": PASSWORD})

    async def follow(self) -> None:
        """Keeps the first page's stream open, and reads it."""
        reader, writer = await self.open("/now/stream")
        try:
            while await reader.readline():
                pass
        finally:
            writer.close()

    async def read(self, pages: dict[str, list[float]]) -> None:
        """Goes from page to page."""
        while True:
            for path in PATHS:
                start = time.perf_counter()
                found = await self.ask(path)
                assert " 200 " in found[:16], found[:200]
                pages.setdefault(path, []).append((time.perf_counter() - start) * 1000)


async def answers(port: int, seconds: float) -> list[float]:
    """Asks at a steady rate, one question after the other; milliseconds of each from the moment at which it was due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took, loop = [], asyncio.get_running_loop()
    start = loop.time()
    for number in range(int(seconds * RATE)):
        due = start + number / RATE
        await asyncio.sleep(max(0.0, due - loop.time()))
        writer.write(QUESTION.format(number >> 8, number & 255).encode())
        await reader.readuntil(b"\n\n")
        took.append((loop.time() - due) * 1000)
    writer.close()
    return took


async def measure(guard: Guard, port: int, seconds: float) -> Iterator[tuple[str, Seen]]:
    """The three situations, one after the other."""
    anna, found = Visitor(guard), []
    await anna.join(guard.link)
    for what in ("nobody looks", "Now is open", "Now is open, somebody reads Blocks and Why"):
        pages: dict[str, list[float]] = {}
        others = [] if what == "nobody looks" else [asyncio.create_task(anna.follow())]
        others += [asyncio.create_task(anna.read(pages))] if "reads" in what else []
        found.append((what, Seen(await answers(port, seconds), pages)))
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    for path in ("/", *PATHS):
        times = found[-1][1].pages.setdefault(f"{path} alone", [])
        for _ in range(10):
            start = time.perf_counter()
            await anna.ask(path)
            times.append((time.perf_counter() - start) * 1000)
    return iter(found)


@contextmanager
def working(blocks: int) -> Iterator[tuple[Guard, int]]:
    """A daemon that holds many, and the port at which it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "list.txt").write_text("".join(f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}\n" for number in range(blocks)))
        with guarded(folder, f'[[postfix_policy]]\nlisten = "127.0.0.1:{port}"') as guard:
            guard.ask("import", "list", str(folder / "list.txt"), "--for", "1d")
            yield guard, port


def rows(seconds: float = 8, blocks: int = 100_000) -> list[tuple[str, float, float, float]]:
    """What was measured, and its p50, p99 and most in milliseconds."""
    made = []
    with working(blocks) as (guard, port):
        for what, seen in asyncio.run(measure(guard, port, seconds)):
            for name, times in {f"an answer to Postfix while {what}": seen.answers, **seen.pages}.items():
                times.sort()
                made.append((name, times[len(times) // 2], times[int(len(times) * 0.99)], times[-1]))
    return made


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--blocks", type=int, default=100_000)
    options = parser.parse_args()
    for name, p50, p99, most in rows(options.seconds, options.blocks):
        print(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.1f} ms")


if __name__ == "__main__":
    main()
