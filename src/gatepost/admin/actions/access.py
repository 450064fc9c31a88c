"""The deny and allow lists: add, remove, ask.

Job: the deeds of an administrator about list entries. Promise: what contradicts a standing entry, or would hit whom it must not, is refused before
anything changed. Limits: the whole list goes into one deed, so an edit costs as much as the list is long; lists.py has import and export.
"""

import zlib
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, structs

from gatepost.admin.desk import Desk, Harm, Who
from gatepost.admin.faults import StaleError, UnknownError
from gatepost.admin.hostnames import MOST_NAMES, host_name, look_up, with_name
from gatepost.core.access import OWN_RANGES, Entry, Network, Verb, prefixes
from gatepost.core.decisions import QUESTION_STAGES, Allow, Question, QuestionStage, Refuse
from gatepost.core.deeds import AdoptLists
from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.spans import SECOND, Span
from gatepost.core.subjects import client, network, prefix_text
from gatepost.core.texts import say


class AddEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Allow or deny an address, prefix or range; or allow a host name."""

    verb: Annotated[Verb, Meta(title="List", description="allow or deny.")]
    prefix: Annotated[str, Meta(title="Address", description="An address, a prefix, a range or a host name.", max_length=253)]
    protocols: Annotated[tuple[Protocol, ...], Meta(title="Protocols", description="Where it counts; empty: everywhere.")] = ()
    detection: Annotated[bool, Meta(title="Detection", description="No rule about a client, network or pair counts or holds it.")] = True
    logins: Annotated[bool, Meta(title="Log-ins only", description="Only the rules about failed log-ins leave it alone, instead of all.")] = False
    relay: Annotated[bool, Meta(title="Relay", description="It may relay mail through this server without a log-in.")] = False
    expires: Annotated[Span | None, Meta(title="Expires", description="After so long; empty: stays until removed.", examples=["90d"])] = None
    note: Annotated[str, Meta(title="Note", description="What you want to remember about it.", max_length=500)] = ""
    replace: Annotated[bool, Meta(title="Replace", description="Replace the entry for the same prefix instead of refusing.")] = False
    confirm_relay: Annotated[bool, Meta(title="Confirm", description="Yes, that many addresses may relay.")] = False


FOREVER = 1 << 62
"""A time that does not come."""


class Answer(Struct, frozen=True, kw_only=True):
    """What would happen to a client on one protocol."""

    protocol: Protocol
    verdict: str
    """allow, delay or refuse."""
    rule: str = ""
    """The rule whose decision stands; ``administrator`` for a hold by hand."""
    reason: str = ""
    """What is said of that decision: ``50 in 5m``, or the administrator's words."""
    relay: bool = False
    """Whether an entry lets it relay without a log-in; asked at stage relay."""
    entry: Entry | None = None
    """The list entry that decides."""
    country: str = ""
    """The country for which the policy refuses it, or, with the verdict allow, would refuse it, did it enforce."""


class Checked(Struct, frozen=True, kw_only=True):
    """What would happen to a client now, and which entry decides."""

    client: str
    stage: QuestionStage
    answers: list[Answer]


def list_entries(desk: Desk) -> tuple[Entry, ...]:
    """All entries that count now, the host's own networks included."""
    return tuple(entry for entry in desk.guard.standing.entries() if entry.in_force(desk.now()))


def version_of(desk: Desk) -> str:
    """A short text that changes with what the lists say; made anew where they changed or an entry ran out."""
    entries, now = desk.guard.standing.entries(), desk.now()
    seen, until, version = desk.lists_version
    if seen is not entries or now >= until:
        there = [entry for entry in entries if entry.in_force(now)]
        version = f"{zlib.crc32(msgspec.msgpack.encode(there)):08x}"
        until = min((entry.expires for entry in there if entry.expires), default=FOREVER)
        desk.lists_version = (entries, until, version)
    return version


def check_version(desk: Desk, version: str) -> None:
    """Raises StaleError where the lists are no longer those that somebody saw."""
    if version and version != version_of(desk):
        raise StaleError(
            say(
                "version: the lists were changed meanwhile (they are {now}, not {version}); look again and repeat",
                now=version_of(desk),
                version=version,
            )
        )


def entry_of(asked: AddEntry, now: int, expires: int = 0) -> Entry:
    """The entry that is asked for. Raises BadInputError."""
    name = host_name(asked.prefix)
    if asked.expires is not None:
        if asked.expires.us < SECOND:
            raise BadInputError(say("expires: must be 1s or longer"))
        expires = now + asked.expires.us
    try:
        return Entry(
            verb=asked.verb,
            prefix="" if name else canonical(asked.prefix),
            name=name,
            protocols=tuple(dict.fromkeys(asked.protocols)),
            detection=asked.detection,
            logins=asked.logins,
            relay=asked.relay,
            expires=expires,
            note=asked.note,
        )
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None


def canonical(text: str) -> str:
    """An address, prefix or range in its one spelling. Raises ValueError where it is none."""
    nets = prefixes(text)
    if len(nets) == 1:
        return prefix_text(nets[0])
    return f"{nets[0].network_address}-{nets[-1].broadcast_address}"


def check_relay(entry: Entry, ours: Iterable[Network] = ()) -> None:
    """A relay box for many addresses, or for such behind which anybody can stand, wants a second confirmation: an open relay is a disaster.

    ``ours`` are this host's own addresses and its gateways."""
    if not entry.relay:
        return
    confirm = say("confirm it (--confirm-relay)")
    for net in entry.networks:
        if any(_share(net, each) for each in OWN_NETWORKS):
            raise BadInputError(
                say("relay: {net} is a private network, where a proxy can stand for anybody; {confirm}", net=prefix_text(net), confirm=confirm)
            )
        if any(_share(net, each) for each in ours):
            said = say(
                "relay: {net} holds an address of this host's or its gateway's, which can stand for anybody; {confirm}",
                net=prefix_text(net),
                confirm=confirm,
            )
            raise BadInputError(said)
    if sum(net.num_addresses for net in entry.networks) > (256 if entry.networks[0].version == 4 else 1 << 64):
        raise BadInputError(
            say("relay: {prefix} is wider than a /24 (IPv6: /64), and all of it may relay; {confirm}", prefix=entry.prefix, confirm=confirm)
        )


OWN_NETWORKS = tuple(network(text) for text in OWN_RANGES)


def _share(one: Network, other: Network) -> bool:
    """Whether two prefixes have addresses in common."""
    return one.version == other.version and (one.subnet_of(other) or other.subnet_of(one))  # type: ignore[arg-type]


async def add_entry(desk: Desk, who: Who, asked: AddEntry, version: str = "") -> Entry:
    """Puts an entry on a list. Raises BadInputError where it contradicts another one or would hit whom it must not."""
    entry = entry_of(asked, desk.now())
    if entry.name:
        return await _add_name(desk, who, entry, asked.replace, version)
    check_version(desk, version)
    if not asked.confirm_relay:
        check_relay(entry, [*desk.gateways, *(net for each in list_entries(desk) if each.own for net in each.networks)])
    if entry.verb == "deny":
        Harm(desk, who).check_deny(entry)
    there = list_entries(desk)
    before = [each for each in there if each.places == entry.places]
    own = any(each.own for each in before)
    if own and entry.expires:
        raise BadInputError(say("expires: {prefix} is one of this host's own networks, and stays; leave it out", prefix=entry.prefix))
    entry = structs.replace(entry, own=own)
    kept = [each for each in without_named(there, entry) if not (each in before and (asked.replace or each.own))]
    if twice := next((each for each in kept if each.verb == entry.verb and each.places == entry.places and set(each.on) & set(entry.on)), None):
        stands = f"{twice} ({twice.note})" if twice.note else str(twice)
        said = say("prefix: there stands already: {entry}; replace it (the box Replace, --replace), or name other protocols", entry=stands)
        raise BadInputError(said)
    gone = [each for each in before if each not in kept]
    await _adopt(desk, who, (*kept, entry), f"access.{entry.verb}", entry.prefix, gone or None, entry)
    return entry


async def _add_name(desk: Desk, who: Who, wish: Entry, replace: bool, version: str) -> Entry:
    addresses = await look_up(desk, wish.name)
    check_version(desk, version)
    there = list_entries(desk)
    before = [each for each in there if each.name == wish.name]
    if before and not replace:
        raise BadInputError(say("prefix: {name} stands on the allow list already; replace it (the box Replace, --replace)", name=wish.name))
    if len({each.name for each in there if each.name} | {wish.name}) > MOST_NAMES:
        raise BadInputError(say("prefix: there are {most} host names already, which is the most; use addresses", most=MOST_NAMES))
    new = with_name(there, wish, addresses)
    await _adopt(desk, who, new, "access.allow", wish.name, before or None, [each for each in new if each.name == wish.name])
    return wish


def without_named(entries: Iterable[Entry], entry: Entry) -> list[Entry]:
    """The entries without those that a host name gave to an address that now gets an entry of its own."""
    places = set(entry.places)
    return [each for each in entries if not each.name or places.isdisjoint(each.places)]


async def remove_entry(desk: Desk, who: Who, prefix: str, version: str = "") -> list[Entry]:
    """Takes all entries for a prefix or a host name off the lists. Raises BadInputError where there is none, or it is the host's own network."""
    check_version(desk, version)
    there = list_entries(desk)
    if name := host_name(prefix):
        found = [each for each in there if each.name == name]
    else:
        try:
            nets = prefixes(prefix)
        except ValueError as wrong:
            raise BadInputError(str(wrong)) from None
        found = [each for each in there if each.networks == nets]
    if not found:
        raise UnknownError(say("prefix: there is no entry for {prefix}; gatepost access list shows them all", prefix=prefix))
    if any(each.own for each in found):
        raise BadInputError(say("prefix: {prefix} is one of this host's own networks; it can be changed (access allow), not removed", prefix=prefix))
    if not name and any(each.name for each in found):
        raise BadInputError(say("prefix: {prefix} stands there for {name}; remove that name, or deny the address", prefix=prefix, name=found[0].name))
    await _adopt(desk, who, tuple(each for each in there if each not in found), "access.remove", prefix, found, None)
    return found


async def _adopt(desk: Desk, who: Who, entries: tuple[Entry, ...], action: str, subject: str, before: object, after: object) -> None:
    await desk.do(AdoptLists(desk.now(), entries), who, action, subject, before, after)


def check_client(desk: Desk, address: str, protocol: str = "", stage: str = "connect") -> Checked:
    """What would happen to a client now, on one protocol or all, and why. Raises BadInputError where it is no address."""
    try:
        found = client(address)
    except ValueError:
        raise BadInputError(say("client: {address!r} is no address", address=address)) from None
    protocols = [each for each in PROTOCOLS if protocol in ("", each)]
    if not protocols:
        raise BadInputError(say("protocol: {protocol!r} is none; one of {protocols}", protocol=protocol, protocols=PROTOCOLS))
    asked = next((each for each in QUESTION_STAGES if each == stage), None)
    if asked is None:
        raise BadInputError(say("stage: {stage!r} is none; one of {stages}", stage=stage, stages=QUESTION_STAGES))
    return Checked(client=found, stage=asked, answers=[_answer(desk, Question(desk.now(), found, each, asked)) for each in protocols])


def _answer(desk: Desk, question: Question) -> Answer:
    verdict = desk.guard.why(question)
    decision = None if isinstance(verdict, Allow) else verdict.decision
    return Answer(
        protocol=question.protocol,
        verdict=type(verdict).__name__.lower(),
        rule=(decision.rule or "administrator") if decision else "",
        reason=decision.reason if decision else "",
        relay=isinstance(verdict, Allow) and question.stage == "relay" and verdict.grants_relay,
        entry=verdict.entry if isinstance(verdict, Allow | Refuse) else None,
        country=verdict.country if isinstance(verdict, Refuse) else verdict.watched if isinstance(verdict, Allow) else "",
    )
