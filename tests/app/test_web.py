"""The console beside the guard: what fails in it stops nothing."""

import asyncio
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gatepost.admin.desk import Desk
from gatepost.admin.settings import ConsoleSettings
from gatepost.aid.speak import Speaker
from gatepost.app.web import Web
from gatepost.stores.contract import Record, StoreError
from tests.admin.desks import Bench, bench


@pytest.fixture
def made() -> Iterator[Bench]:
    """A guard at work."""
    with bench() as found:
        yield found


@contextmanager
def _web(desk: Desk, settings: ConsoleSettings) -> Iterator[tuple[Web, io.StringIO]]:
    said = io.StringIO()
    web = Web(settings, desk, Speaker(said))
    web.listen()
    try:
        yield web, said
    finally:
        web.close()


async def _start(web: Web) -> int:
    tasks = await web.start()
    for each in tasks:
        each.close()
    return len(tasks)


def test_it_says_where_it_is_and_how_to_get_in(made: Bench) -> None:
    with _web(made.desk, ConsoleSettings(listen="127.0.0.1:0")) as (web, said):
        assert asyncio.run(_start(web)) == 2
        assert "event=console address=http://127.0.0.1:" in said.getvalue()
        assert "/first?key=" in said.getvalue()
        assert (web.problems, sorted(way.path for way in web.ways())) == ([], ["/api/v1/console", "/api/v1/console/link"])


def test_a_port_that_is_taken_is_a_problem_and_no_more(made: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with _web(made.desk, ConsoleSettings(listen=f"127.0.0.1:{taken.getsockname()[1]}")) as (web, said):
            assert asyncio.run(_start(web)) == 0
            assert "cannot be listened on: Address already in use" in web.problems[0]
            assert "level=warning event=console" in said.getvalue()
            assert "/api/v1/console" in [way.path for way in web.ways()]


def test_a_store_that_fails_is_one_too(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(kind: str) -> dict[str, bytes]:
        raise StoreError("it is damaged")

    monkeypatch.setattr(made.store, "records", damaged)
    with _web(made.desk, ConsoleSettings(listen="127.0.0.1:0")) as (web, _):
        assert asyncio.run(_start(web)) == 0
        assert (web.problems, web.ways()) == (["it is damaged"], ())


def test_so_are_accounts_that_cannot_be_read(made: Bench) -> None:
    made.store.keep([Record(kind="user", key="anna", data=b"{")])
    with _web(made.desk, ConsoleSettings(listen="127.0.0.1:0")) as (web, _):
        assert asyncio.run(_start(web)) == 0
        assert "console: a user in the store cannot be read" in web.problems[0]


def test_one_that_is_not_wanted_is_not_there(made: Bench) -> None:
    with _web(made.desk, ConsoleSettings(listen="")) as (web, said):
        assert asyncio.run(_start(web)) == 0
        assert (web.problems, web.ways(), said.getvalue()) == ([], (), "")
