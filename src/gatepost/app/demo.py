"""The demo, wired: a real daemon, a sandbox mail host that asks it, and clients that go too far.

Job: make a folder, start the guard on it, the sandbox beside it and the clients against that; keep the board up to date. Promise: no root, no mail
server, nothing but loopback; whatever happens, the daemon and the servers end, and the folder goes unless it is to be kept. Limits: the rules have
their standard numbers, but what they hold ends within seconds, so that one sees it end.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import tomli_w

from gatepost.aid.demo.actors import ACCOUNT, ACTORS, PASSWORD, Cast
from gatepost.aid.demo.board import Board
from gatepost.aid.demo.door import Protocol
from gatepost.aid.demo.link import Link, LinkError
from gatepost.aid.demo.mailboxes import Mailboxes
from gatepost.aid.demo.maillog import MailLog
from gatepost.aid.demo.sandbox import Sandbox

HOLDS = {"dos": "10s", "harvesting": "12s", "password-brute-force": "15s"}
"""How long each rule holds in the demo."""

START, END = 60.0, 10.0
"""Seconds for the daemon to answer first, and to end."""
LOOK = 0.25
"""Seconds between two looks at what is held."""


def now() -> int:
    """The time, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


class Demo:
    """One demo, in a folder of its own; used as an async context."""

    def __init__(self, board: Board, keep: bool = False) -> None:
        self.board = board
        self._keep = keep
        self.folder = Path(tempfile.mkdtemp(prefix="gatepost-demo-"))
        self.config = self.folder / "gatepost.toml"
        self.log_path = self.folder / "mail.log"
        self._log = MailLog(self.log_path, now)
        self._link = Link(self.folder / "api.sock")
        self._guard: asyncio.subprocess.Process | None = None
        self.console = ""
        """A one-time link into the console."""
        self.sandbox = Sandbox(Mailboxes({ACCOUNT: PASSWORD}), self._log, self._ask)

    async def __aenter__(self) -> "Demo":
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None) -> None:
        await self._stop()

    async def play(self) -> None:
        """Plays until it is cancelled. Raises DemoError, in a group, where the guard ends by itself."""
        async with asyncio.TaskGroup() as group:
            group.create_task(Cast(self.board, self.sandbox.ports).play())
            group.create_task(self._watch())

    # --- starting and stopping

    async def _start(self) -> None:
        settings = {
            "state": str(self.folder / "state"),
            "socket": str(self._link.path),
            "logfile": [{"path": str(self.log_path)}],
            "console": {"listen": "127.0.0.1:0"},
            # Never used: the guard has no right to touch the kernel. Named so that no mistake could touch the host's own table.
            "nftables": {"table": "gatepost_demo", "on_stop": "lift"},
        }
        self.config.write_text(tomli_w.dumps(settings), encoding="utf-8")
        await self._start_guard()
        networks = {"verb": "allow", "prefix": "127.0.0.0/8", "protocols": ["sieve", "http"], "replace": True, "note": "demo"}
        await self._link.ask("POST", "/api/v1/access", networks)
        self.board.tell("plan", "127.0.0.0/8 is trusted by default; here its entry is changed, so that clients on loopback count on smtp, imap, pop3")
        for rule, span in HOLDS.items():
            listed = await self._link.ask("PATCH", f"/api/v1/rules/{rule}", {"for": span})
            said = next(each["sentence"] for each in listed["rules"] if each["rule"]["name"] == rule)
            self.board.tell("plan", f"{rule}: {said}")
        self.console = (await self._link.ask("POST", "/api/v1/console/link", {"role": "administrator"}))["link"]
        self.board.tell("plan", f"the console, with --keep for longer than this: {self.console}")
        self.board.tell("plan", "standard numbers, but holds last seconds instead of 5 m, 5 m and 30 m, so that you see them end")
        await self.sandbox.start()
        where = ", ".join(f"{protocol} {port}" for protocol, port in self.sandbox.ports.items())
        self.board.tell("plan", f"the sandbox mail host listens on 127.0.0.1 ({where}) and asks the guard before it lets a client on")

    async def _start_guard(self) -> None:
        said = self.folder / "guard.log"
        # systemd's variables are the host's own daemon's, should this run beside it.
        ours = {name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM")}
        command = (sys.executable, "-m", "gatepost.app.demo_guard", str(self.config))
        with said.open("wb") as out:
            self._guard = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=out, stderr=out, env=ours, start_new_session=True
            )
        until = time.monotonic() + START
        while True:
            try:
                status = await self._link.ask("GET", "/api/v1/status")
                break
            except LinkError as wrong:
                if self._guard.returncode is not None or time.monotonic() > until:
                    raise DemoError(f"the guard does not start: {said.read_text('utf-8', 'replace').strip()[-500:] or wrong}") from None
            await asyncio.sleep(0.05)
        log = status["sources"][0]["name"]
        self.board.tell("plan", f"the guard runs (process {self._guard.pid}), reads {log}, and has no right to the kernel")

    async def _stop(self) -> None:
        await self.sandbox.stop()
        guard = self._guard
        if guard is not None and guard.returncode is None:
            if guard.stdin is not None:
                guard.stdin.close()
            try:
                await asyncio.wait_for(guard.wait(), END)
            except TimeoutError:
                guard.kill()
                await guard.wait()
        self._log.close()
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- while it runs

    async def _ask(self, client: str, protocol: Protocol) -> str:
        """What the guard says of a client that connects. Where it does not answer, mail flows, and the board says so."""
        try:
            found = await self._link.ask("GET", "/api/v1/access/check", query={"client": client, "protocol": protocol})
        except LinkError as wrong:
            self.board.trouble(f"the guard does not answer: {wrong}")
            return ""
        answer = found["answers"][0]
        rule = (answer["rule"] or "the deny list") if answer["verdict"] == "refuse" else ""
        if self.board.ruled(client, protocol, rule) and rule:
            await self._look()
        return rule

    async def _look(self) -> None:
        try:
            self.board.saw_blocks((await self._link.ask("GET", "/api/v1/blocks"))["blocks"])
        except LinkError as wrong:
            self.board.trouble(f"the guard does not answer: {wrong}")

    async def _watch(self) -> None:
        guard = self._guard
        while guard is not None:
            if guard.returncode is not None:
                raise DemoError(f"the guard ended by itself with {guard.returncode}")
            await self._look()
            await asyncio.sleep(LOOK)


def make(keep: bool = False) -> Demo:
    """A demo with everybody in it."""
    return Demo(Board(now, ACTORS), keep)
