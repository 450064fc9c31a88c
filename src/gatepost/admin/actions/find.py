"""Blocks and list entries, a page at a time.

Job: filter and sort what stands, and cut a page out of it. Promise: keyset paging: what is added or ends between two pages moves no row from one to
the other; one pass over what stands, in slices between which the guard answers, and only the page is spelled out. Limits: looks only.
"""

import asyncio
from collections.abc import Callable
from heapq import nsmallest
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from gatepost.admin.actions.access import list_entries
from gatepost.admin.actions.blocks import Block, block_of
from gatepost.admin.desk import Desk
from gatepost.admin.hostnames import host_name
from gatepost.core.access import Entry, Verb
from gatepost.core.decisions import Decision
from gatepost.core.facts import Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.subjects import name_of
from gatepost.core.texts import say

Sort = Literal["newest", "ending", "subject", "count", "often"]


class Find(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which blocks, in which order."""

    text: Annotated[str, Meta(title="Search", description="Part of the address, account, reason or rule.", max_length=255)] = ""
    rule: Annotated[str, Meta(title="Rule", description="Made by this rule; administrator for those made by hand.", max_length=64)] = ""
    protocol: Annotated[str, Meta(title="Protocol", description="Holds on this protocol.", max_length=10)] = ""
    watched: Annotated[bool, Meta(title="Watched too", description="Also what would have been held only.")] = False
    sort: Annotated[Sort, Meta(title="Order", description="newest, ending soonest, subject, count, or held most often in 30 days.")] = "newest"
    after: Annotated[str, Meta(title="After", description="Where the page before ended.", max_length=300)] = ""
    limit: Annotated[int, Meta(title="Rows", description="Rows of a page.", ge=1, le=10_000)] = 50


class Page(Struct, frozen=True, kw_only=True):
    """A page of blocks."""

    now: int
    blocks: list[Block]
    matching: int
    """How many there are on all pages together."""
    standing: int
    next: str = ""
    """What to ask for as ``after``; empty on the last page."""


Place = Callable[[Decision], tuple[Any, int]]
KEYS: dict[str, Place] = {
    "newest": lambda each: (0, -each.number),
    "ending": lambda each: (each.until, each.number),
    "subject": lambda each: (each.subject.text, each.number),
    "count": lambda each: (-each.count, each.number),
}
"""What each order compares; all of them end with the decision's own number, so that no two are alike."""


async def find_blocks(desk: Desk, asked: Find) -> Page:
    """A page of what stands. Raises BadInputError where ``after`` is none of ours."""
    now, standing = desk.now(), desk.guard.standing
    key, after = KEYS.get(asked.sort) or _by_often(desk, now), _after(asked)
    matching = holding = 0
    page: list[Decision] = []
    worst: tuple[Any, int] | None = None
    for some in standing.slices(now):
        holding += sum(each.holds for each in some)
        found = [each for each in some if (each.holds or asked.watched) and _fits(each, asked)]
        matching += len(found)
        rest = [
            each for each, place in zip(found, map(key, found), strict=True) if (after is None or place > after) and (worst is None or place < worst)
        ]
        if rest:
            page = nsmallest(asked.limit + 1, page + rest, key=key)
            worst = key(page[-1]) if len(page) > asked.limit else None
        await asyncio.sleep(0)
    more = page[asked.limit - 1] if len(page) > asked.limit else None
    before, number = key(more) if more else ("", 0)
    return Page(
        now=now,
        blocks=[block_of(each, standing.often(name_of(each.subject), now)) for each in page[: asked.limit]],
        matching=matching,
        standing=holding,
        next=f"{number} {before}" if more else "",
    )


def _by_often(desk: Desk, now: int) -> Place:
    often = desk.guard.standing.often
    return lambda each: (-often(name_of(each.subject), now), each.number)


def _fits(decision: Decision, asked: Find) -> bool:
    if asked.rule and (decision.rule or "administrator") != asked.rule:
        return False
    if asked.protocol and asked.protocol not in decision.protocols:
        return False
    text = asked.text.strip().lower()
    return not text or text in f"{decision.subject.text}\n{decision.reason}\n{decision.rule}".lower()


def _after(asked: Find) -> tuple[Any, int] | None:
    if not asked.after:
        return None
    number, space, first = asked.after.partition(" ")
    try:
        return (first if asked.sort == "subject" else int(first), int(number)) if space else _wrong(asked)
    except ValueError:
        return _wrong(asked)


def _wrong(asked: Find) -> tuple[Any, int]:
    raise BadInputError(say("after: {after!r} is no end of a page; begin with the first", after=asked.after[:80]))


# --- list entries


class FindEntries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which list entries."""

    verb: Annotated[Verb | Literal[""], Meta(description="allow or deny; without it: both.")] = field(name="list", default="")
    text: Annotated[str, Meta(description="Part of the address, host name or note.", max_length=255)] = ""
    after: Annotated[str, Meta(description="Where the page before ended: its `next`.", max_length=400)] = ""
    limit: Annotated[int, Meta(description="Rows of a page.", ge=1, le=10_000)] = 100


class EntryRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A list entry, as lists show it."""

    id: str
    """Names it for as long as it is for this address, host name and protocols."""
    verb: Verb
    prefix: str
    protocols: tuple[Protocol, ...] = ()
    detection: bool = True
    logins: bool = False
    relay: bool = False
    expires: int = 0
    note: str = ""
    own: bool = False
    name: str = ""


class EntryPage(Struct, frozen=True, kw_only=True):
    """A page of the lists, by address; host names without one first."""

    entries: list[EntryRow]
    matching: int
    """How many there are on all pages together."""
    next: str = ""
    """What to ask for as ``after``; empty on the last page."""


Key = tuple[int, int, int, str, str]


def find_entries(desk: Desk, asked: FindEntries) -> EntryPage:
    """A page of the entries that count now, the host's own networks included. Raises BadInputError where ``after`` is none of ours."""
    text = asked.text.strip().lower()
    found = [each for each in list_entries(desk) if asked.verb in ("", each.verb) and (not text or text in words_of(each))]
    keyed = [(_key(each.places[0] if each.places else (0, 0, 0), each.protocols, each.name), each) for each in found]
    after = _entry_after(asked.after)
    page = nsmallest(asked.limit + 1, [each for each in keyed if after is None or each[0] > after], key=lambda each: each[0])
    rows = [_row(each) for _, each in page[: asked.limit]]
    return EntryPage(entries=rows, matching=len(found), next=rows[-1].id if len(page) > asked.limit else "")


def words_of(entry: Entry) -> str:
    """What a search looks through."""
    return f"{entry.verb}\n{entry.prefix}\n{entry.name}\n{entry.note}".lower()


def id_of(entry: Entry) -> str:
    """What names an entry: no two have the same address, host name and protocols."""
    head = " = ".join(each for each in (entry.name, entry.prefix) if each)
    return f"{head} on {','.join(entry.protocols)}" if entry.protocols else head


def _row(entry: Entry) -> EntryRow:
    return EntryRow(id=id_of(entry), **{name: getattr(entry, name) for name in Entry.__struct_fields__})


def _key(place: tuple[int, int, int], protocols: tuple[str, ...], name: str) -> Key:
    version, shift, number = place
    return version, number << shift, shift, ",".join(protocols), name


def _entry_after(text: str) -> Key | None:
    """The key of the entry that an id names."""
    if not text:
        return None
    head, _, on = text.partition(" on ")
    name, equals, prefix = head.partition(" = ")
    if not equals and not host_name(head):
        name, prefix = "", head
    try:
        place = Entry(verb="allow", prefix=prefix).places[0] if prefix else (0, 0, 0)
    except ValueError:
        raise BadInputError(say("after: {text!r} is no end of a page; begin with the first", text=text[:80])) from None
    return _key(place, tuple(on.split(",")) if on else (), name)
