"""Blocks: what stands, holding by hand, lifting, and the pause.

Job: the deeds of an administrator about holds. Promise: `unblock` clears kernel, store and windows, and gives grace where asked.
Limits: list entries are access.py's.
"""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct, field

from gatepost.admin.actions.neighbours import neighbours, net_of
from gatepost.admin.desk import Desk, Harm, Who
from gatepost.core.access import Entry, prefixes
from gatepost.core.decisions import Decision, Impose, Question, Refuse, Release
from gatepost.core.deeds import Hold, Lift, Pause
from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.spans import HOUR, SECOND, Span
from gatepost.core.subjects import Client, Subject, client, name_of, pair, prefix_text
from gatepost.core.texts import say


class AddBlock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold an address or network by hand."""

    prefix: Annotated[str, Meta(title="Address", description="An address or prefix.", max_length=100, examples=["203.0.113.0/24"])]
    hold_for: Annotated[Span, Meta(title="For", description="How long: 1s to 400d.", examples=["1d"])] = field(name="for")
    reason: Annotated[str, Meta(title="Reason", description="What you want to remember about it.", max_length=500)] = ""
    protocols: Annotated[tuple[Protocol, ...], Meta(title="Protocols", description="Where it holds; empty: everywhere.")] = ()
    confirm: Annotated[bool, Meta(title="Confirm", description="Yes, also whoever in that network is known to be good.")] = False


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
    often: int = 0
    """How often its subject was held today and in the 30 days before, this time included; 0 where nobody looked."""


class Lifted(Struct, frozen=True, kw_only=True):
    """What a deed released."""

    released: list[Block]
    grace_until: int = 0
    denied: Entry | None = None
    """The deny entry that still keeps it out: lists are not lifted."""


def block_of(decision: Decision, often: int = 0) -> Block:
    """A decision as lists show it."""
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
        often=often,
    )


def list_blocks(desk: Desk, watched: bool = False) -> list[Block]:
    """What stands now, the newest first; with ``watched`` also what only would have been held."""
    standing, now = desk.guard.standing, desk.now()
    found = [each for each in reversed(standing.decisions(now)) if each.holds or watched]
    return [block_of(each, standing.often(name_of(each.subject), now)) for each in found]


async def add_block(desk: Desk, who: Who, asked: AddBlock) -> Block:
    """Holds an address or network from now on. Raises BadInputError, also where it would hit whom it must not."""
    if asked.hold_for.us < SECOND:
        raise BadInputError(say("for: must be 1s or longer"))
    net = net_of(asked.prefix)
    protocols = tuple(dict.fromkeys(asked.protocols)) or PROTOCOLS
    Harm(desk, who).check_hold(net, protocols)
    if net.prefixlen < net.max_prefixlen and not asked.confirm and (warning := (await neighbours(desk, asked.prefix)).warning):
        raise BadInputError(
            say(
                "prefix: {net} would hit good ones: {warning}; confirm it (--confirm), or name a smaller prefix",
                net=prefix_text(net),
                warning=warning,
            )
        )
    subject, now = subject_of(desk, asked.prefix), desk.now()
    deed = Hold(now, subject, now + asked.hold_for.us, protocols, asked.reason)
    effects = await desk.do(deed, who, "blocks.add", subject.text, after=asked, reason=asked.reason)
    return next(block_of(each.decision) for each in effects if isinstance(each, Impose))


async def unblock(desk: Desk, who: Who, asked: Unblock) -> Lifted:
    """Lifts what holds a subject, clears what was counted of it, and gives grace where asked."""
    subject = subject_of(desk, asked.subject)
    now = desk.now()
    until = now + asked.grace.us if asked.grace.us else 0
    held = [block_of(each) for each in desk.guard.standing.about(name_of(subject), now)]
    effects = await desk.do(Lift(now, subject, until), who, "unblock", subject.text, held or None, asked)
    return Lifted(released=released_of(effects), grace_until=until, denied=_denied(desk, subject))


def released_of(effects: Iterable[object]) -> list[Block]:
    """The blocks that effects released."""
    return [block_of(each.decision) for each in effects if isinstance(each, Release)]


def _denied(desk: Desk, subject: Subject) -> Entry | None:
    """The deny entry that keeps a client or the first address of a network out."""
    if subject.by not in ("client", "network"):
        return None
    first = Client(subject.text.partition("/")[0])
    verdicts = (desk.guard.order.judge(Question(desk.now(), first, protocol, "connect")) for protocol in PROTOCOLS)
    return next((verdict.entry for verdict in verdicts if isinstance(verdict, Refuse) and verdict.entry), None)


def subject_of(desk: Desk, text: str) -> Subject:
    """The subject that an administrator names: an address, a prefix, a pair as lists show it, or else an account. Raises BadInputError."""
    try:
        nets = prefixes(text)
    except ValueError:
        return _pair_of(text) or _account_of(desk, text)
    if len(nets) > 1:
        raise BadInputError(say("subject: name an address or a prefix, not a range"))
    return Subject("client" if nets[0].prefixlen == nets[0].max_prefixlen else "network", prefix_text(nets[0]))


def _pair_of(text: str) -> Subject | None:
    named, word, place = text.rpartition(" from ")
    if not named or not word:
        return None
    try:
        return Subject("pair", pair(named, client(place)))
    except ValueError:
        return None


def _account_of(desk: Desk, text: str) -> Subject:
    if text.replace(".", "").isdigit() or (not any(mark in text for mark in "@\\") and any(mark in text for mark in ":/")):
        raise BadInputError(say("subject: {text!r} is no address, prefix or account; write 192.0.2.7, 192.0.2.0/24 or bob@example.org", text=text))
    named = desk.canonical(text)
    if not named:
        raise BadInputError(say("subject: is empty; name an address, a prefix or an account"))
    return Subject("account", named)


async def pause(desk: Desk, who: Who, asked: PauseFor) -> Lifted:
    """Lifts all holds of rules everywhere; counting goes on."""
    if asked.hold_for.us < SECOND:
        raise BadInputError(say("for: must be 1s or longer"))
    now = desk.now()
    effects = await desk.do(Pause(now, now + asked.hold_for.us), who, "pause", before=_paused(desk), after=asked)
    return Lifted(released=released_of(effects), grace_until=now + asked.hold_for.us)


async def resume(desk: Desk, who: Who) -> None:
    """Rules hold again."""
    await desk.do(Pause(desk.now(), 0), who, "resume", before=_paused(desk))


def _paused(desk: Desk) -> dict[str, int] | None:
    """Until when the guard is paused, if it is."""
    until = desk.guard.order.engine.paused_until
    return {"until": until} if until > desk.now() else None
