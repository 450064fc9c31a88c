"""The table that hides AUTH: who stands in it, in which order, and how the file is replaced."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatepost.core.access import Entry
from gatepost.core.deeds import AdoptLists, AnyDeed, Hold, Lift
from gatepost.core.spans import HOUR, SECOND
from gatepost.core.subjects import Subject
from gatepost.outlets.postfix_cidr import HEADING, PostfixCidr, PostfixCidrSettings
from gatepost.stores.contract import Audit
from tests.admin.desks import Bench, bench
from tests.inlets.following import until

Doing = Callable[[Callable[[AnyDeed], Coroutine[Any, Any, None]]], Coroutine[Any, Any, None]]


@pytest.fixture
def made() -> Iterator[Bench]:
    """A guard."""
    with bench() as found:
        yield found


def writing(made: Bench, path: Path, doing: Doing, **settings: Any) -> PostfixCidr:
    """Runs the mirror while something is done to the guard."""
    given = PostfixCidrSettings(path=str(path), every_s=1, **settings)

    async def together() -> PostfixCidr:
        mirror = PostfixCidr(given, made.guard.standing, made.guard.judge, made.now)
        made.guard.mirrors = [mirror]

        async def done(deed: AnyDeed) -> None:
            await made.guard.do(deed, Audit(at=made.at, who="anna", action="test"))

        task = asyncio.create_task(mirror.run())
        try:
            await asyncio.wait_for(doing(done), 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return mirror

    return asyncio.run(together())


def lines(path: Path) -> list[str]:
    """The lines of the table, without its heading."""
    text = path.read_text("ascii") if path.exists() else "none"
    return text.removeprefix(HEADING).split("\n")[:-1]


def held(made: Bench, by: str, text: str, protocols: tuple[str, ...] = ("smtp",)) -> Hold:
    """A hold by hand."""
    return Hold(made.at, Subject(by, text), made.at + HOUR, protocols, "test")  # type: ignore[arg-type]


def test_who_is_held_stands_there_until_he_is_not(made: Bench, tmp_path: Path) -> None:
    path = tmp_path / "auth.cidr"

    async def doing(do: Callable[[AnyDeed], Coroutine[Any, Any, None]]) -> None:
        await until(path.exists)
        assert path.read_text("ascii") == HEADING
        await do(held(made, "client", "203.0.113.7"))
        await do(held(made, "client", "2001:db8::/64"))
        await do(held(made, "client", "203.0.113.8", ("imap",)))
        await do(held(made, "account", "bob@example.org"))
        await until(lambda: lines(path) == ["2001:db8::/64 AUTH", "203.0.113.7 AUTH"] or lines(path) == ["203.0.113.7 AUTH", "2001:db8::/64 AUTH"])
        await do(Lift(made.at, Subject("client", "203.0.113.7")))
        await until(lambda: lines(path) == ["2001:db8::/64 AUTH"])
        made.at += 2 * HOUR
        await until(lambda: lines(path) == [])

    assert writing(made, path, doing).state().working
    assert path.read_text("ascii") == HEADING
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_was_held_before_the_start_and_what_the_lists_say(made: Bench, tmp_path: Path) -> None:
    path = tmp_path / "auth.cidr"
    entries = (
        Entry(verb="deny", prefix="203.0.113.0/24"),
        Entry(verb="allow", prefix="203.0.113.9"),
        Entry(verb="allow", prefix="192.0.2.0/24"),
        Entry(verb="deny", prefix="198.18.0.1", protocols=("imap",)),
    )
    audit = Audit(at=made.at, who="anna", action="test")
    asyncio.run(made.guard.do(AdoptLists(made.at, (*made.engine.lists.entries, *entries)), audit))
    asyncio.run(made.guard.do(held(made, "client", "192.0.2.1"), audit))  # trusted: not refused
    asyncio.run(made.guard.do(held(made, "client", "198.18.0.2"), audit))

    async def doing(do: Callable[[AnyDeed], Coroutine[Any, Any, None]]) -> None:
        await until(lambda: lines(path) == ["198.18.0.2 AUTH", "203.0.113.9 silent-discard", "203.0.113.0/24 AUTH"])

    writing(made, path, doing)


def test_of_more_than_fit_those_that_end_last_stay_told(made: Bench, tmp_path: Path) -> None:
    path = tmp_path / "auth.cidr"

    async def doing(do: Callable[[AnyDeed], Coroutine[Any, Any, None]]) -> None:
        for number in range(5):
            until_then = made.at + HOUR + number * SECOND
            await do(Hold(made.at, Subject("client", f"203.0.113.{number}"), until_then, ("smtp",), "test"))
        await until(lambda: lines(path) == ["203.0.113.3 AUTH", "203.0.113.4 AUTH"])

    state = writing(made, path, doing, most=2).state()
    assert (state.decided, state.enforced, state.unenforced) == (2, 2, 3)


def test_a_folder_that_cannot_be_written_to_is_told(made: Bench, tmp_path: Path) -> None:
    async def doing(do: Callable[[AnyDeed], Coroutine[Any, Any, None]]) -> None:
        await asyncio.sleep(0.1)

    state = writing(made, tmp_path / "nowhere" / "auth.cidr", doing).state()
    assert not state.working
    assert "auth.cidr: No such file" in state.problem


def test_a_path_that_postfix_could_not_find() -> None:
    with pytest.raises(ValueError, match="whole path"):
        PostfixCidrSettings(path="auth.cidr")
