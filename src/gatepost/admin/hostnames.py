"""Allow entries that are host names.

Job: look the names up now and then, and keep the addresses that they stand for on the allow list. Promise: a name is trusted for detection or
log-ins only, never for relaying; who stands on a list by his address stays as he is; a name that no longer resolves keeps its last addresses for a
day, and status says so. Limits: so many names and addresses of each; who answers for a name decides whom it trusts.

The wish (an `Entry` with a name and no address) and what came of it (entries with name and address) stand in the same lists, so both survive a
restart like any entry.
"""

import asyncio
import random
import re
import socket
from collections.abc import Iterable

from msgspec import structs

from gatepost.admin.desk import Desk, Who
from gatepost.core.access import Entry, Place
from gatepost.core.deeds import AdoptLists
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY
from gatepost.core.subjects import client
from gatepost.core.texts import say, without

EVERY = 300
"""Seconds between two look-ups of all names, give or take a tenth."""
TIMEOUT = 10
"""Seconds for one look-up."""
MOST_NAMES = 100
MOST_ADDRESSES = 16
KEPT = DAY
"""How long the last addresses of a name stay when it no longer resolves."""
AT_ONCE = 4

_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_GATEPOST = Who("gatepost")


def host_name(text: str) -> str:
    """The host name that a text is, in lower case; empty where it is none."""
    bare = text.strip().lower().removesuffix(".")
    return bare if _NAME.fullmatch(bare) else ""


async def system_resolve(name: str) -> tuple[str, ...]:
    """The addresses of a name, as the host's resolver knows them. Raises OSError where nobody could say."""
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(f"{name}.", None, type=socket.SOCK_STREAM), TIMEOUT)
    except TimeoutError:
        raise OSError(f"no answer within {TIMEOUT} s") from None
    except UnicodeError:
        raise OSError("no name that can be looked up") from None
    return tuple(sorted({client(each[4][0]) for each in found if isinstance(each[4][0], str)}))


async def look_up(desk: Desk, name: str) -> tuple[str, ...]:
    """The addresses of a name. Raises BadInputError where there are none or too many."""
    try:
        found = await desk.resolve(name)
    except OSError as wrong:
        raise BadInputError(
            say("prefix: {name} is no address and does not resolve ({reason}); look at its spelling", name=name, reason=wrong.strerror or wrong)
        ) from None
    if not found or len(found) > MOST_ADDRESSES:
        raise BadInputError(
            say("prefix: {name} has {many} addresses; 1 to {most} can be allowed by name", name=name, many=len(found), most=MOST_ADDRESSES)
        )
    return found


def with_name(entries: Iterable[Entry], wish: Entry, addresses: Iterable[str]) -> tuple[Entry, ...]:
    """The lists with a wish and the addresses that it stands for; an address that has an entry of its own keeps it."""
    kept = [each for each in entries if each.name != wish.name]
    taken: set[Place] = {place for each in kept for place in each.places}
    meant = [structs.replace(wish, prefix=each) for each in addresses]
    return (*kept, wish, *(each for each in meant if taken.isdisjoint(each.places)))


class HostNames:
    """Keeps the addresses of all names up to date."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last_good: dict[str, int] = {}

    async def run(self) -> None:
        """Looks all names up every few minutes, until it is cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(EVERY * random.uniform(0.9, 1.1))  # noqa: S311

    async def refresh(self) -> None:
        """Looks all names up once, and changes the lists where an answer differs."""
        wishes = [each for each in self._desk.guard.standing.entries() if each.name and not each.prefix][:MOST_NAMES]
        names = {each.name for each in wishes}
        for name in self._last_good.keys() - names:
            del self._last_good[name]
        for name in [name for name in self._desk.unresolved if name not in names]:
            del self._desk.unresolved[name]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(wish: Entry) -> None:
            async with gate:
                await self._refresh(wish.name)

        await asyncio.gather(*(one(wish) for wish in wishes))

    async def _refresh(self, name: str) -> None:
        desk = self._desk
        try:
            addresses = await look_up(desk, name)
        except BadInputError as wrong:
            good = self._last_good.setdefault(name, desk.now())
            gone = desk.now() >= good + KEPT
            what = say("its addresses are no longer trusted") if gone else say("its last addresses stay for a day")
            desk.unresolved[name] = say("{problem}; {what}", problem=without(wrong.said, "prefix: "), what=what)
            if not gone:
                return
            addresses = ()
        else:
            self._last_good[name] = desk.now()
            desk.unresolved.pop(name, None)
        await self._adopt(name, addresses)

    async def _adopt(self, name: str, addresses: tuple[str, ...]) -> None:
        """Changes the lists where they say otherwise. What was removed while the answer was awaited stays removed."""
        there = self._desk.guard.standing.entries()
        wish = next((each for each in there if each.name == name and not each.prefix), None)
        if wish is None or not wish.in_force(self._desk.now()):
            return
        new = with_name(there, wish, addresses)
        before = sorted(each.prefix for each in there if each.name == name and each.prefix)
        after = sorted(each.prefix for each in new if each.name == name and each.prefix)
        if before != after:
            await self._desk.do(AdoptLists(self._desk.now(), new), _GATEPOST, "access.name", name, before, after)
