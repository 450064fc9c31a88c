"""Blocks that shall last: longer, or for good.

Job: give holds a later end, and turn them into deny entries. Promise: a deed for many subjects is done for all of them or for none; what becomes a
deny entry is held no more by the block that it was, in the same batch. Limits: holds end 400 days from now at the latest; what shall stay is a deny
entry, and only addresses and networks can be one.
"""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct, field, structs

from gatepost.admin.actions.access import list_entries, without_named
from gatepost.admin.actions.blocks import Block, block_of, released_of, subject_of
from gatepost.admin.desk import Desk, Harm, Who, audit_line
from gatepost.core.access import Entry
from gatepost.core.decisions import Decision, Impose
from gatepost.core.deeds import AdoptLists, AnyDeed, Retime
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.spans import LONGEST, SECOND, Span
from gatepost.core.subjects import Subject, name_of
from gatepost.core.texts import say
from gatepost.stores.contract import Audit

Subjects = Annotated[
    tuple[str, ...], Meta(title="Subjects", description="What is held: addresses, prefixes, accounts.", min_length=1, max_length=1000)
]


class Prolong(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold longer what is held."""

    subjects: Subjects
    prolong_by: Annotated[Span, Meta(title="By", description="How much longer; the end lies 400 days from now at the latest.", examples=["1d"])] = (
        field(name="for")
    )


class Permanent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Turn blocks into deny entries."""

    subjects: Subjects
    note: Annotated[str, Meta(title="Note", description="What you want to remember about it; empty: why it was blocked.", max_length=500)] = ""


class Denied(Struct, frozen=True, kw_only=True):
    """What became of blocks that were made permanent."""

    entries: list[Entry]
    released: list[Block]
    wider: list[str]
    """Of whom log-ins alone were held: a deny entry keeps them out of everything."""


class Before(Struct, frozen=True, kw_only=True):
    """What a deny entry takes the place of."""

    blocks: list[Block]
    replaced: list[Entry]
    """Entries of the lists."""


async def prolong(desk: Desk, who: Who, asked: Prolong) -> list[Block]:
    """Gives all that holds each subject a later end; the blocks as they are then. Raises BadInputError."""
    now, by = desk.now(), asked.prolong_by.us
    if by < SECOND:
        raise BadInputError(say("for: must be 1s or longer"))
    deeds: list[AnyDeed] = []
    audits = []
    for subject, holds in _held(desk, asked.subjects, now):
        if max(each.until for each in holds) + by > now + LONGEST:
            left = Span(max(0, now + LONGEST - max(each.until for each in holds)) // SECOND * SECOND)
            raise BadInputError(
                say(
                    "for: a block ends 400 days from now at the latest: {text} can be prolonged by {left}; or make it permanent",
                    text=subject.text,
                    left=left,
                )
            )
        deeds += [Retime(now, subject, each.number, each.until + by) for each in holds]
        audits.append(audit_line(now, who, "blocks.prolong", subject.text, [block_of(each) for each in holds], {"for": asked.prolong_by}))
    effects = await _do(desk, deeds, audits)
    often = desk.guard.standing.often
    return [block_of(each.decision, often(name_of(each.decision.subject), now)) for each in effects if isinstance(each, Impose)]


async def make_permanent(desk: Desk, who: Who, asked: Permanent) -> Denied:
    """Puts what is held on the deny list and ends its blocks. Raises BadInputError."""
    now, entries = desk.now(), list(list_entries(desk))
    deeds: list[AnyDeed] = []
    made, audits, wider = [], [], []
    for subject, holds in _held(desk, asked.subjects, now):
        entry = _entry_for(subject, holds, asked.note, entries)
        there, entries = entries, [each for each in without_named(entries, entry) if each.verb != "deny" or each.places != entry.places] + [entry]
        made.append(entry)
        wider += [subject.text] if all(each.logins for each in holds) else []
        deeds += [Retime(now, subject, each.number, now) for each in holds]
        before = Before(blocks=[block_of(each) for each in holds], replaced=[each for each in there if each not in entries])
        audits.append(audit_line(now, who, "blocks.permanent", subject.text, before, entry, entry.note))
    harm = Harm(desk, who, entries)
    for entry in made:
        harm.check_deny(entry)
    effects = await _do(desk, [AdoptLists(now, tuple(entries)), *deeds], audits)
    return Denied(entries=made, released=released_of(effects), wider=wider)


def _held(desk: Desk, texts: Sequence[str], now: int) -> list[tuple[Subject, list[Decision]]]:
    """Each subject once, with what holds just it."""
    found: dict[Subject, list[Decision]] = {}
    for text in texts:
        subject = subject_of(desk, text)
        found[subject] = desk.guard.standing.about(name_of(subject), now)
        if not found[subject]:
            raise BadInputError(say("subjects: {text} is not held (any more); reload the list", text=subject.text))
    return list(found.items())


def _entry_for(subject: Subject, holds: Sequence[Decision], note: str, entries: Sequence[Entry]) -> Entry:
    """The deny entry for what is held; it takes up the one that stands there."""
    if subject.by not in ("client", "network"):
        raise BadInputError(say("subjects: {text} is an account; only addresses and networks can stand on the deny list", text=subject.text))
    said = (
        note
        or "; ".join(dict.fromkeys(f"{each.rule or 'by hand'}: {each.reason}" if each.reason else each.rule or "by hand" for each in holds))[:500]
    )
    found = Entry(verb="deny", prefix=subject.text, note=said)
    on = {protocol for each in holds for protocol in each.protocols}
    on |= {protocol for each in entries if each.verb == "deny" and each.places == found.places for protocol in each.on}
    return structs.replace(found, protocols=() if len(on) == len(PROTOCOLS) else tuple(each for each in PROTOCOLS if each in on))


async def _do(desk: Desk, deeds: Sequence[AnyDeed], audits: Sequence[Audit]) -> Sequence[object]:
    try:
        return await desk.guard.do_all(deeds, audits)
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None
