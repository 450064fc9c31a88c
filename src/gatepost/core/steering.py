"""What each deed does to the engine.

Job: carry out deeds on an engine's state. Promise: each is whole or raises ValueError before anything changed; what it ends is told as effects.
Limits: called by the engine alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import structs

from gatepost.core.access import Network
from gatepost.core.decisions import Decision, Effect, Impose
from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, AnyDeed, Deed, Forget, Hold, Lift, Pause, Retime
from gatepost.core.facts import Protocol
from gatepost.core.rules import check_rules
from gatepost.core.subjects import Client, Subject, name_of, network, pair, prefix_text

if TYPE_CHECKING:
    from gatepost.core.engine import Engine


def do(engine: Engine, deed: AnyDeed) -> tuple[Effect, ...]:
    """Carries out a deed. Raises ValueError where it contradicts itself."""
    return tuple(_DEEDS[type(deed)](engine, deed))


def _adopt_rules(engine: Engine, deed: AdoptRules) -> Iterator[Effect]:
    check_rules(deed.rules)
    enforcing = {rule.name for rule in deed.rules if rule.holds}
    engine.set_rules(deed.rules)
    engine.brake = deed.brake
    for standing in engine.holdings.lasting(deed.at):
        if standing.rule and standing.holds and standing.rule not in enforcing:
            yield engine.holdings.release(standing, deed.at, "rule no longer enforced")


def _adopt_lists(engine: Engine, deed: AdoptLists) -> Iterator[Effect]:
    engine.set_lists(deed.entries)
    for standing in engine.holdings.lasting(deed.at):
        lifted = _allowed(engine, standing, deed.at)
        if lifted:
            yield engine.holdings.release(standing, deed.at, "allow entry", lifted)


def _adopt_countries(engine: Engine, deed: AdoptCountries) -> Iterator[Effect]:
    engine.countries = deed.policy
    yield from ()


def _allowed(engine: Engine, standing: Decision, at: int) -> tuple[Protocol, ...]:
    """The protocols of a decision on which an allow entry covers all of its subject."""
    held = prefix_of(standing.subject)
    if held is None or standing.watched:
        return ()
    covering = engine.lists.covering(held.version, int(held.network_address))
    whole = tuple(entry for entry in covering if any(_within(held, net) for net in entry.networks))
    found = []
    for protocol in standing.protocols:
        entry = engine.entry_for(whole, at, protocol, "connect")
        if entry is not None and entry.trusts(standing.counts):
            found.append(protocol)
    return tuple(found)


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def prefix_of(subject: Subject) -> Network | None:
    """The prefix that a subject stands for; None for an account. A pair stands for its client.

    Raises ValueError where the subject is not written as the guard writes it: it would never be found.
    """
    account, word, text = subject.text.rpartition(" from ")
    if subject.by == "account":
        return None
    if bool(account and word) != (subject.by == "pair"):
        raise ValueError(f"subject: {subject.text!r} is no {subject.by}; write an address or a prefix, and a pair as ACCOUNT from ADDRESS")
    try:
        found = network(text)
    except ValueError as wrong:
        raise ValueError(f"subject: {wrong}") from None
    if prefix_text(found) != text:
        raise ValueError(f"subject: {text!r} must be written {prefix_text(found)}")
    return found


def _hold(engine: Engine, deed: Hold) -> Iterator[Effect]:
    prefix_of(deed.subject)
    if deed.until <= deed.at:
        raise ValueError("until: a hold must end after it starts")
    if not deed.protocols:
        raise ValueError("protocols: name at least one")
    engine.look_up(deed.subject)
    engine.numbered += 1
    decision = Decision(
        number=engine.numbered,
        rule="",
        action="block",
        subject=deed.subject,
        protocols=deed.protocols,
        start=deed.at,
        until=deed.until,
        reason=deed.reason,
    )
    engine.often.see(name_of(deed.subject), deed.at)
    yield from engine.holdings.add(decision)
    yield Impose(decision)


def _lift(engine: Engine, deed: Lift) -> Iterator[Effect]:
    inside = prefix_of(deed.subject)
    cleared = [deed.subject]
    if deed.subject.by == "client" and inside is not None and inside.prefixlen == inside.max_prefixlen:
        cleared.append(Subject("client", engine.view(Client(deed.subject.text)).home))
    for standing in engine.holdings.lasting(deed.at):
        if _touches(standing.subject, deed.subject, inside):
            cleared.append(standing.subject)
            yield engine.holdings.release(standing, deed.at, "lifted")
    for counter in engine.counters:
        for subject in cleared:
            if subject.by == counter.rule.by:
                counter.windows.clear(subject.text)
                counter.windows.silences.pop(subject.text, None)
    if deed.grace > deed.at:
        engine.graces[name_of(deed.subject)] = deed.grace
        engine.look_up(deed.subject)


def _touches(standing: Subject, lifted: Subject, inside: Network | None) -> bool:
    """Whether lifting one subject ends what holds the other: itself, what lies in it, and what it lies in."""
    if standing == lifted:
        return True
    if inside is None or standing.by == "account":
        return standing.by == "pair" and standing.text.rpartition(" from ")[0] == lifted.text
    if lifted.by == "pair":
        return False
    other = prefix_of(standing)
    return other is not None and (_within(other, inside) or _within(inside, other))


def _retime(engine: Engine, deed: Retime) -> Iterator[Effect]:
    """A decision with another end is another decision, with the evidence of the first: whoever follows decisions needs no further word."""
    before = engine.holdings.decisions.get(deed.number)
    if before is None or not before.holds or before.subject != deed.subject or not before.start <= deed.at < before.until:
        raise ValueError(f"number: {deed.number} holds {deed.subject.text} no more")
    goes_on = deed.until > deed.at
    yield engine.holdings.release(before, deed.at, "another end" if goes_on else "ended by hand")
    if goes_on:
        engine.numbered += 1
        after = structs.replace(before, number=engine.numbered, start=deed.at, until=deed.until)
        yield from engine.holdings.add(after)
        yield Impose(after)


def _forget(engine: Engine, deed: Forget) -> Iterator[Effect]:
    subject, inside = deed.subject, prefix_of(deed.subject)
    for counter in engine.counters:
        for table in (counter.windows.young, counter.windows.old, counter.windows.silences):
            for key in [key for key in table if _is_about(Subject(counter.rule.by, key), subject, inside)]:
                del table[key]
    engine.known.forget(lambda account, home: _is_about(Subject("pair", pair(account, home)), subject, inside))
    for name in [name for name in engine.good.last if _is_about(Subject("client", name), subject, inside)]:
        del engine.good.last[name]
    engine.often.forget([name for name in engine.often.days if _is_about(_named(name), subject, inside)])
    yield from ()


def _named(name: str) -> Subject:
    """The subject that `name_of` names; a network is as good as a client here."""
    by, space, text = name.partition(" ")
    return Subject("pair" if by == "pair" else "account", text) if space else Subject("client", name)


def _is_about(counted: Subject, subject: Subject, inside: Network | None) -> bool:
    """Whether what is remembered of one is about the other: the same account, or an address in it; a home (/24, /64) around it too."""
    account, _, place = counted.text.rpartition(" from ")
    if counted.by == "account" or subject.by == "account":
        return counted == subject or (counted.by == "pair" and subject.by == "account" and account == subject.text)
    if subject.by == "pair" and (counted.by != "pair" or account != subject.text.rpartition(" from ")[0]):
        return False
    other = network(place)
    return inside is not None and (_within(other, inside) or (_within(inside, other) and other.prefixlen >= (24 if other.version == 4 else 64)))


def _pause(engine: Engine, deed: Pause) -> Iterator[Effect]:
    engine.paused_until = deed.until if deed.until > deed.at else 0
    for counter in engine.counters:
        if counter.rule.holds:  # its silences come from pauses alone, and end with them
            counter.windows.end_silences(max(deed.until, deed.at))
    if not engine.paused_until:
        return
    for standing in engine.holdings.lasting(deed.at):
        if standing.rule and standing.holds:
            yield engine.holdings.release(standing, deed.at, "paused")


_DEEDS: dict[type[Deed], Callable[[Engine, Any], Iterator[Effect]]] = {
    AdoptRules: _adopt_rules,
    AdoptLists: _adopt_lists,
    AdoptCountries: _adopt_countries,
    Hold: _hold,
    Lift: _lift,
    Retime: _retime,
    Forget: _forget,
    Pause: _pause,
}
