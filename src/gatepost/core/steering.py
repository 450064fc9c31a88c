"""What each deed does to the engine.

Job: carry out deeds on an engine's state. Promise: each is whole or raises ValueError before anything changed; what it ends is told as effects.
Limits: called by the engine alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gatepost.core.access import Lists, Network
from gatepost.core.decisions import Decision, Effect, Impose
from gatepost.core.deeds import AdoptLists, AdoptRules, AnyDeed, Deed, Forget, Hold, Lift, Pause
from gatepost.core.facts import Protocol
from gatepost.core.rules import check_rules
from gatepost.core.subjects import Client, Subject, network, prefix_text

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
    for standing in engine.holdings.standing(deed.at):
        if standing.rule and standing.holds and standing.rule not in enforcing:
            yield engine.holdings.release(standing, deed.at, "rule no longer enforced")


def _adopt_lists(engine: Engine, deed: AdoptLists) -> Iterator[Effect]:
    engine.set_lists(deed.entries)
    for standing in engine.holdings.standing(deed.at):
        lifted = _allowed(engine, standing, deed.at)
        if lifted:
            yield engine.holdings.release(standing, deed.at, "allow entry", lifted)


def _allowed(engine: Engine, standing: Decision, at: int) -> tuple[Protocol, ...]:
    """The protocols of a decision on which an allow entry covers all of its subject."""
    held = prefix_of(standing.subject)
    if held is None or standing.watched:
        return ()
    view = engine.view(Client(str(held.network_address)))
    found = []
    for protocol in standing.protocols:
        entry = engine.entry_for(view, at, protocol, "connect")
        if entry is not None and entry.trusts(standing.counts) and any(_within(held, wide) for wide in entry.networks):
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
    yield from engine.holdings.add(decision)
    yield Impose(decision)


def _lift(engine: Engine, deed: Lift) -> Iterator[Effect]:
    names = dict.fromkeys((deed.subject.text,))
    inside = prefix_of(deed.subject)
    if deed.subject.by == "client" and inside is not None:
        view = engine.view(Client(str(inside.network_address)))
        names.update(dict.fromkeys(view.prefixes if inside.prefixlen == inside.max_prefixlen else (deed.subject.text,)))
    for standing in engine.holdings.standing(deed.at):
        if _touches(standing.subject, deed.subject, inside):
            names[standing.subject.text] = None
            yield engine.holdings.release(standing, deed.at, "lifted")
    for counter in engine.counters:
        for subject in cleared:
            if subject.by == counter.rule.by:
                counter.windows.clear(subject.text)
                counter.windows.silences.pop(subject.text, None)
    if deed.grace > deed.at:
        engine.graces[deed.subject.text] = deed.grace


def _touches(standing: Subject, lifted: Subject, inside: Network | None) -> bool:
    """Whether lifting one subject ends what holds the other: itself, what lies in it, and what it lies in."""
    if standing == lifted:
        return True
    if inside is None or standing.by == "account":
        return standing.by == "pair" and standing.text.startswith(f"{lifted.text} from ")
    if lifted.by == "pair":
        return False
    other = prefix_of(standing)
    return other is not None and (_within(other, inside) or _within(inside, other))


def _forget(engine: Engine, deed: Forget) -> Iterator[Effect]:
    subject = deed.subject
    if subject.by == "account":
        engine.known.forget(account=subject.text)
    inside = prefix_of(subject)
    for counter in engine.counters:
        for table in (counter.windows.young, counter.windows.old, counter.windows.silences):
            for key in [key for key in table if _is_about(key, subject, inside)]:
                del table[key]
    if inside is not None:
        engine.known.forget(homes=tuple(dict.fromkeys(name for name in _homes(engine) if _is_about(name, subject, inside))))
        for name in [name for name in engine.good.last if _is_about(name, subject, inside)]:
            del engine.good.last[name]
    yield from ()


def _homes(engine: Engine) -> Iterator[str]:
    return (name.partition(" ")[0] for name in engine.known.pairs.last)


def _is_about(key: str, subject: Subject, inside: Network | None) -> bool:
    """Whether a key of a window is about a subject: the same account, or an address in it; a home (/24, /64) around it too."""
    account, _, place = key.rpartition(" from ")
    if subject.text in (key, account):
        return True
    if inside is None:
        return False
    try:
        other = network(place)
    except ValueError:
        return False
    return _within(other, inside) or (_within(inside, other) and other.prefixlen >= (24 if other.version == 4 else 64))


def _pause(engine: Engine, deed: Pause) -> Iterator[Effect]:
    engine.paused_until = deed.until if deed.until > deed.at else 0
    for counter in engine.counters:
        if counter.rule.holds:  # its silences come from pauses alone, and end with them
            counter.windows.end_silences(max(deed.until, deed.at))
    if not engine.paused_until:
        return
    for standing in engine.holdings.standing(deed.at):
        if standing.rule and standing.holds:
            yield engine.holdings.release(standing, deed.at, "paused")


_DEEDS: dict[type[Deed], Callable[[Engine, Any], Iterator[Effect]]] = {
    AdoptRules: _adopt_rules,
    AdoptLists: _adopt_lists,
    Hold: _hold,
    Lift: _lift,
    Forget: _forget,
    Pause: _pause,
}
