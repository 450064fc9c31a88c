"""Countries: from where one may log in.

Job: show the countries' policy with who logs in from where, and change it. Promise: a policy that would shut out the country in which the
administrator works is refused until he confirms it; where nobody knows his country, the accounts that logged in well within 30 days speak for him;
what nobody can carry out is told. Limits: a place (/24, /64) is taken to lie in one country, that of its first address.
"""

import asyncio
import zlib
from collections.abc import Container, Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gatepost.admin.desk import Desk, Source, Who
from gatepost.admin.faults import StaleError
from gatepost.core.access import Lists
from gatepost.core.countries import UNKNOWN, CountryPolicy
from gatepost.core.deeds import AdoptCountries
from gatepost.core.facts import AuthFailed, AuthSucceeded, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.iso3166 import NAMES
from gatepost.core.subjects import Client, client, numbered
from gatepost.core.texts import say, say_many
from gatepost.core.trust import KNOWN_FOR

NO_DATA = say(
    "there is no data of countries on this host, so no log-in is refused by country; install a database (docs/access.md says which), or name one in "
    "gatepost.toml: [country] database"
)
ASKED: dict[str, tuple[Protocol, ...]] = {
    "dovecot_policy": ("smtp", "imap", "pop3", "sieve"),
    "postfix_policy": ("smtp",),
    "exim": ("smtp",),
    "milter": ("smtp",),
}
"""By kind of inlet, on which protocols it is asked about log-ins."""
MAIL: tuple[Protocol, ...] = ("smtp", "imap", "pop3")
MOST_NAMED = 8
SLICE = 500
"""Known pairs that are looked at in a row: some milliseconds."""


class SetCountries(CountryPolicy, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy of countries, whole."""

    even_mine: Annotated[
        bool, Meta(title="Confirm", description="Yes, even where I work myself, or from where accounts logged in well within the last 30 days.")
    ] = False


class Place(Struct, frozen=True, kw_only=True):
    """Who is known from a country."""

    code: str
    """Its ISO 3166-1 code, or ``unknown``."""
    name: str
    accounts: int
    """Accounts that logged in well from there within the last 30 days."""
    places: int
    """From so many networks (/24, /64)."""
    newest: int
    """When the last of them did, in microseconds."""
    refused: int = 0
    """Log-ins refused since the start."""
    watched: int = 0
    """Log-ins since the start that would have been refused."""
    against: bool = False
    """Whether the policy is against it, or would be, were it on."""


class Shown(Struct, frozen=True, kw_only=True):
    """The policy in force, and the version that a change must name."""

    version: str
    policy: CountryPolicy
    database: str
    """The file that countries are looked up in; empty where there is none."""
    problems: list[str]
    """What keeps the policy from being carried out."""
    places: list[Place]
    """The countries that somebody is known from or was refused from, those with most accounts first."""


def version_of(policy: CountryPolicy) -> str:
    """A short text that changes with what the policy says."""
    return f"{zlib.crc32(msgspec.json.encode(policy)):08x}"


async def show_countries(desk: Desk) -> Shown:
    """The policy in force, and who logs in from where."""
    policy = desk.guard.order.engine.countries
    return Shown(
        version=version_of(policy),
        policy=policy,
        database=desk.country_data(),
        problems=country_problems(desk),
        places=await _places(desk, policy),
    )


async def set_countries(desk: Desk, who: Who, asked: SetCountries, version: str = "") -> Shown:
    """Puts a policy in force. Raises BadInputError where it would shut out its own administrator, unless he confirmed it."""
    before = desk.guard.order.engine.countries
    if version and version != version_of(before):
        raise StaleError(
            say(
                "version: the countries were changed meanwhile (they are {now} now, not {version}); look again and repeat",
                now=version_of(before),
                version=version,
            )
        )
    fields = {name: getattr(asked, name) for name in CountryPolicy.__struct_fields__}
    fields["codes"], fields["protocols"] = tuple(sorted(asked.codes)), tuple(dict.fromkeys(asked.protocols))
    policy = CountryPolicy(**fields)
    if policy.mode == "enforce":
        await _check(desk, who, policy, asked.even_mine)
        if desk.guard.order.engine.countries is not before:
            raise StaleError(say("version: the countries were changed this very moment; look again and repeat"))
    await desk.do(AdoptCountries(desk.now(), policy), who, f"country.{policy.mode}", str(policy)[:200], before, policy)
    return await show_countries(desk)


async def _check(desk: Desk, who: Who, policy: CountryPolicy, confirmed: bool) -> None:
    if not desk.country_data():
        raise BadInputError(say("mode: {said}. Until then it can observe, or be off", said=NO_DATA))
    if confirmed:
        return
    cure = say("name that country too, or confirm it (--even-mine)")
    here = _country_of(desk, who.address)
    if policy.refuses(here):
        raise BadInputError(
            say("codes: you work from {address}, in {here}, where nobody could log in then; {cure}", address=who.address, here=named(here), cure=cure)
        )
    if here not in ("", UNKNOWN):
        return
    lost = [place for place in await _places(desk, policy) if place.against and place.accounts]
    if lost:
        said = tuple(
            say_many("{country}: {count} account", "{country}: {count} accounts", place.accounts, country=named(place.code))
            for place in lost[:MOST_NAMED]
        )
        whom: str = say("{places}", places=said)
        if len(lost) > MOST_NAMED:
            whom = say("{places} and {many} more countries", places=said, many=len(lost) - MOST_NAMED)
        raise BadInputError(
            say(
                "codes: nobody knows where you work from, and accounts that logged in well within 30 days would be shut out ({whom}); {cure}",
                whom=whom,
                cure=cure,
            )
        )


def named(code: str) -> str:
    """A country in words."""
    return say("{country} ({code})", country=say(NAMES[code]), code=code) if code in NAMES else say("no known country")


def _country_of(desk: Desk, address: str) -> str:
    """The country that an administrator works from; empty where he is let in anyway (on this host, in a private network), or is not known."""
    try:
        found = client(address)
    except ValueError:
        return ""
    return "" if _trusted(desk.guard.order.engine.lists, desk.now(), found) else desk.guard.place(found)


def _trusted(lists: Lists, now: int, address: str) -> bool:
    """Whether an allow entry lets an address log in from wherever it is, on every protocol."""
    there = [each for each in lists.covering(*numbered(Client(address))) if each.in_force(now) and each.speaks]
    return bool(there) and not there[0].protocols and there[0].trusts("auth_failed")


async def _places(desk: Desk, policy: CountryPolicy) -> list[Place]:
    """Known accounts by country."""
    engine, now = desk.guard.order.engine, desk.now()
    pairs = list(engine.known.pairs.last.items())
    found = await _count(desk, engine.lists, pairs, now)
    counted = desk.guard.stats.countries
    for code, _ in list(counted):
        found.setdefault(code, (set(), set(), 0))
    places = [
        Place(
            code=code,
            name=NAMES.get(code, "no known country"),
            accounts=len(accounts),
            places=len(homes),
            newest=newest,
            refused=counted[code, True],
            watched=counted[code, False],
            against=policy.refuses(code),
        )
        for code, (accounts, homes, newest) in found.items()
    ]
    return sorted(places, key=lambda each: (-each.accounts, -each.refused - each.watched, each.code))


async def _count(desk: Desk, lists: Lists, pairs: list[tuple[str, int]], now: int) -> dict[str, tuple[set[str], set[str], int]]:
    """By country, the accounts, the places they came from, and when the last of them did. Who is on the allow list is let in anyway.

    200,000 pairs take a second or so: the guard comes in between."""
    found: dict[str, tuple[set[str], set[str], int]] = {}
    of: dict[str, str] = {}
    for number, (name, at) in enumerate(pairs):
        if number % SLICE == SLICE - 1:
            await asyncio.sleep(0)
        if at <= now - KNOWN_FOR:
            continue
        home, _, account = name.partition(" ")
        code = of.get(home)
        if code is None:
            address = home.partition("/")[0]
            code = of[home] = "" if _trusted(lists, now, address) else desk.guard.place(Client(address))
        if code:
            accounts, homes, newest = found.get(code, (set(), set(), 0))
            accounts.add(account)
            homes.add(home)
            found[code] = (accounts, homes, max(newest, at))
    return found


def country_problems(desk: Desk) -> list[str]:
    """What keeps the policy in force from being carried out."""
    seen = {protocol for (kind, protocol) in desk.guard.stats.facts if kind in (AuthFailed, AuthSucceeded)}
    return unenforced(desk.guard.order.engine.countries, desk.country_data(), desk.sources(), seen)


def unenforced(policy: CountryPolicy, data: str, sources: Iterable[Source], seen: Container[str] = ()) -> list[str]:
    """What keeps a policy from being carried out: no data, or nobody who asks about log-ins.

    ``data`` is the file that countries are looked up in, empty where there is none; ``seen`` are protocols, beside mail's, on which somebody logs in.
    """
    if policy.mode == "off":
        return []
    if not data:
        return [say("country: {problem}", problem=NO_DATA)]
    asked: set[str] = set()
    for source in sources:
        asked.update(ASKED.get(source.name.partition(":")[0], ()))
        if source.tells_open:  # a gateway: it asks before each log-in
            asked.add(source.tells_open)
    missing = [protocol for protocol in policy.on if protocol not in asked and (protocol in MAIL or protocol in seen)]
    if not missing:
        return []
    cure = say("have the mail server ask (gatepost setup dovecot), or put the gateway in front of it; the kernel cannot tell log-ins from mail")
    told = {"protocols": tuple(missing), "cure": cure}
    if policy.mode == "observe":
        return [say("country: unenforced on {protocols}: nobody asks about log-ins there, so none is told by country; {cure}", **told)]
    return [say("country: unenforced on {protocols}: nobody asks about log-ins there, so none is refused by country; {cure}", **told)]
