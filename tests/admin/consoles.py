"""A console over a real guard, served over TCP on a thread of the test, and a client that keeps its cookie."""

import asyncio
import http.client
import re
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from argon2 import PasswordHasher

from gatepost.admin.accounts import Accounts, Invite, Role
from gatepost.admin.api.listen import listen_tcp
from gatepost.admin.api.serve import serve
from gatepost.admin.console import Console
from gatepost.admin.desk import Who
from gatepost.admin.passwords import Passwords
from gatepost.admin.settings import ConsoleSettings
from tests.admin.desks import Bench, bench

T = TypeVar("T")
PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Argon2 as it is, but cheap: a test logs in often."""
LOCAL = ConsoleSettings(listen="127.0.0.1:0")


class Answer(NamedTuple):
    """What the console answered."""

    status: int
    headers: dict[str, str]
    text: str


class Browser:
    """Keeps a cookie, and fills in the secret of forms."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        self.csrf = ""

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Cookie": self.cookie} if self.cookie else {}
        try:
            link.request(method, path, body, sent | {name.replace("_", "-"): value for name, value in headers.items()})
            found = link.getresponse()
            text = found.read().decode()
        finally:
            link.close()
        told = {name.lower(): value for name, value in found.headers.items()}
        if "set-cookie" in told:
            self.cookie = told["set-cookie"].partition(";")[0]
        return Answer(found.status, told, text)

    def get(self, path: str, **headers: str) -> Answer:
        """A page; its form secret is kept."""
        found = self.ask("GET", path, None, **headers)
        if secret := re.search(r'name="csrf" value="([0-9a-f]+)"', found.text):
            self.csrf = secret[1]
        return found

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> Answer:
        """A form, with its secret."""
        data = urlencode({"csrf": self.csrf} | (form or {}), doseq=True).encode()
        return self.ask("POST", path, data, Content_Type="application/x-www-form-urlencoded", **headers)

    def log_in(self, name: str, password: str = PASSWORD) -> Answer:
        """Logs in, and looks at the first page."""
        found = self.post("/login", {"name": name, "password": password})
        if found.status == 303:
            self.get("/account")
        return found


def shown(answer: Answer) -> str:
    """What a person reads on a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


class Served:
    """A console at work."""

    def __init__(self, made: Bench, settings: ConsoleSettings = LOCAL) -> None:
        self.made = made
        self.accounts = Accounts(made.store, made.now, Passwords(QUICK))
        self.console = Console(made.desk, settings, self.accounts)
        self._listening = listen_tcp(settings)
        self.port = self.console.port = self._listening.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        self._task = self.loop.create_task(serve(self.console.application(), self._listening))
        try:
            self.loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            self.loop.close()

    def close(self) -> None:
        """Ends it."""
        self.loop.call_soon_threadsafe(lambda: self._task.cancel())
        self._thread.join()
        self._listening.close()

    def do(self, deed: Coroutine[Any, Any, T]) -> T:
        """Does something on the console's loop."""
        return asyncio.run_coroutine_threadsafe(deed, self.loop).result(60)

    def add_user(self, name: str, role: Role) -> None:
        """Somebody who can log in."""
        secret = self.do(self.accounts.invite(Who("test"), Invite(name=name, role=role)))
        self.do(self.accounts.accept(secret, name, PASSWORD))

    def browser(self, role: Role | None = None) -> Browser:
        """A browser; logged in where a role is named."""
        found = Browser(self.port)
        if role:
            if role not in self.accounts.users:
                self.add_user(role, role)
            assert found.log_in(role).status == 303
        return found


@contextmanager
def served(settings: ConsoleSettings = LOCAL, real_time: bool = False) -> Iterator[Served]:
    """A guard with its console."""
    with bench(real_time=real_time) as made:
        found = Served(made, settings)
        try:
            yield found
        finally:
            found.close()
