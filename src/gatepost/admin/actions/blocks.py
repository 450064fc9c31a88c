"""Blocks: what stands, holding by hand, lifting, and the pause.

Job: the deeds of an administrator about holds. Promise: `unblock` clears kernel, store and windows, and gives grace where asked.
Limits: list entries are access.py's.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from gatepost.admin.desk import Desk, Who
from gatepost.core.access import prefixes
from gatepost.core.decisions import Decision, Release
from gatepost.core.deeds import Hold, Lift, Pause
from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.spans import HOUR, Span
from gatepost.core.subjects import Subject, account, prefix_text


class AddBlock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold an address or network by hand."""

    prefix: Annotated[str, Meta(title="Address", description="An address or prefix.", max_length=100, examples=["203.0.113.0/24"])]
    hold_for: Annotated[Span, Meta(title="For", description="How long: 1s to 400d.", examples=["1d"])] = field(name="for")
    reason: Annotated[str, Meta(title="Reason", description="What you want to remember about it.", max_length=500)] = ""
    protocols: Annotated[tuple[Protocol, ...], Meta(title="Protocols", description="Where it holds; empty: everywhere.")] = ()


class Unblock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lift what holds a client, network or account."""

    subject: Annotated[str, Meta(title="Subject", description="An address, a prefix or an account.", max_length=255, examples=["203.0.113.7"])]
    grace: Annotated[Span, Meta(title="Grace", description="No rule counts or holds it for so long.", examples=["1h"])] = Span(0)


class PauseFor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lift all holds of rules, and only watch for a while."""

    hold_for: Annotated[Span, Meta(title="For", description="How long: 1s to 400d.", examples=["1h"])] = field(name="for", default=Span(HOUR))


class Block(Struct, frozen=True, kw_only=True):
    """A decision that stands, as lists show it."""

    number: int
    subject: str
    by: str
    protocols: tuple[Protocol, ...]
    logins: bool
    action: str
    watched: bool
    rule: str
    reason: str
    start: int
    until: int
    count: int


class Lifted(Struct, frozen=True, kw_only=True):
    """What a deed released."""

    released: list[Block]
    grace_until: int = 0


def _block(decision: Decision) -> Block:
    return Block(
        number=decision.number,
        subject=decision.subject.text,
        by=decision.subject.by,
        protocols=decision.protocols,
        logins=decision.logins,
        action=decision.action,
        watched=decision.watched,
        rule=decision.rule,
        reason=decision.reason,
        start=decision.start,
        until=decision.until,
        count=decision.count,
    )


def list_blocks(desk: Desk, watched: bool = False) -> list[Block]:
    """What stands now, the newest first; with ``watched`` also what only would have been held."""
    found = desk.guard.standing.decisions(desk.now())
    return [_block(each) for each in reversed(found) if each.holds or watched]


async def add_block(desk: Desk, who: Who, asked: AddBlock) -> Block:
    """Holds an address or network from now on. Raises BadInputError, also where it would hit whom it must not."""
    if asked.hold_for.us < 1_000_000:
        raise BadInputError("for: must be 1s or longer")
    desk.check_harmless(asked.prefix, who)
    nets = prefixes(asked.prefix)
    if len(nets) > 1:
        raise BadInputError("prefix: a range can be denied, not blocked; write it as a prefix, or use gatepost access deny")
    net = nets[0]
    by = "client" if net.prefixlen == net.max_prefixlen else "network"
    now = desk.now()
    subject = Subject("client" if by == "client" else "network", prefix_text(net))
    deed = Hold(now, subject, now + asked.hold_for.us, asked.protocols or PROTOCOLS, asked.reason)
    await desk.do(deed, who, "blocks.add", subject.text, after=asked, reason=asked.reason)
    return next(block for block in list_blocks(desk) if block.subject == subject.text and not block.rule)


async def unblock(desk: Desk, who: Who, asked: Unblock) -> Lifted:
    """Lifts what holds a subject, clears what was counted of it, and gives grace where asked."""
    subject = subject_of(asked.subject)
    now = desk.now()
    until = now + asked.grace.us if asked.grace.us else 0
    effects = await desk.do(Lift(now, subject, until), who, "unblock", subject.text, after=asked)
    return Lifted(released=[_block(each.decision) for each in effects if isinstance(each, Release)], grace_until=until)


def subject_of(text: str) -> Subject:
    """The subject that an administrator names: an address, a prefix, or else an account. Raises BadInputError where it is neither."""
    try:
        nets = prefixes(text)
    except ValueError:
        if "@" not in text and any(mark in text for mark in ".:/"):
            raise BadInputError(f"subject: {text!r} is no address, prefix or account; write 192.0.2.7, 192.0.2.0/24 or bob@example.org") from None
        named = account(text)
        if not named:
            raise BadInputError("subject: is empty; name an address, a prefix or an account") from None
        return Subject("account", named)
    if len(nets) > 1:
        raise BadInputError("subject: name an address or a prefix, not a range")
    net = nets[0]
    return Subject("client" if net.prefixlen == net.max_prefixlen else "network", prefix_text(net))


async def pause(desk: Desk, who: Who, asked: PauseFor) -> Lifted:
    """Lifts all holds of rules everywhere; counting goes on."""
    if asked.hold_for.us < 1_000_000:
        raise BadInputError("for: must be 1s or longer")
    now = desk.now()
    effects = await desk.do(Pause(now, now + asked.hold_for.us), who, "pause", after=asked)
    return Lifted(released=[_block(each.decision) for each in effects if isinstance(each, Release)], grace_until=now + asked.hold_for.us)


async def resume(desk: Desk, who: Who) -> None:
    """Rules hold again."""
    await desk.do(Pause(desk.now(), 0), who, "resume")
