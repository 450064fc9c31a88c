"""Taking over what another guard holds, trusts and counts.

Job: weigh holds, list entries and changes of rules that come together, and put in force what can stand. Promise: all of it is weighed before
anything changes; what stands already is left as it is, so that a second time changes nothing; it is one batch for the store, with a line in the
audit trail for the lists, one for the holds and one for the rules. Limits: reads no files; what contradicts what stands is refused, line by line.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from gatepost.admin.actions.access import AddEntry, entry_of, list_entries
from gatepost.admin.actions.blocks import subject_of
from gatepost.admin.actions.lists import Imported, read_list
from gatepost.admin.actions.rules import with_changes
from gatepost.admin.desk import Desk, Harm, Who, audit_line, covers
from gatepost.admin.hostnames import MOST_NAMES, host_name, look_up, with_name
from gatepost.core.access import Entry, Network, Place, prefixes
from gatepost.core.deeds import AdoptLists, AdoptRules, AnyDeed, Hold
from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.rules import MOST_RULES, Rule, check_rules, sentence
from gatepost.core.spans import LONGEST, SECOND, Span
from gatepost.core.subjects import prefix_text
from gatepost.stores.contract import Audit

WIDEST = {4: 8, 6: 16}
"""Prefixes shorter than these are trusted by hand only: they would leave much of the Internet unwatched."""

State = Literal["new", "there", "refused"]


class Wish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hold or a list entry that another guard has."""

    verb: Annotated[Literal["hold", "allow", "deny"], Meta(title="Verb", description="hold, allow or deny.")]
    prefix: Annotated[str, Meta(title="Address", description="An address, a prefix, a range, or a host name to allow.", max_length=253)]
    protocols: Annotated[tuple[Protocol, ...], Meta(title="Protocols", description="Where it counts; empty: everywhere.")] = ()
    until: Annotated[int, Meta(title="Until", description="Microseconds since 1970 UTC; 0: stays until removed.", ge=0)] = 0
    note: Annotated[str, Meta(title="Note", description="What you want to remember about it.", max_length=500)] = ""


class RuleWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule with the numbers that another guard counts by."""

    name: Annotated[str, Meta(title="Name", description="The rule; added where there is none.")]
    changes: Annotated[dict[str, Any], Meta(title="Changes", description="Fields of the rule.")]


class Migration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is to be taken over."""

    source: Annotated[str, Meta(title="Source", description="Whose it was, for the audit trail.", max_length=100)]
    wishes: Annotated[tuple[Wish, ...], Meta(title="Wishes", description="Holds and list entries.", max_length=200_000)] = ()
    rules: Annotated[tuple[RuleWish, ...], Meta(title="Rules", description="Changes of rules.", max_length=MOST_RULES)] = ()
    with_rules: Annotated[bool, Meta(title="With rules", description="Change the rules too, instead of only telling how they would change.")] = False
    dry_run: Annotated[bool, Meta(title="Dry run", description="Change nothing.")] = False


class Outcome(Struct, frozen=True, kw_only=True):
    """What becomes of a wish."""

    state: State
    protocols: tuple[Protocol, ...] = ()
    """Where it is new; empty: everywhere."""
    said: str = ""
    """Why it is refused, or what has it already."""


class RuleOutcome(Struct, frozen=True, kw_only=True):
    """What becomes of a rule."""

    state: State
    before: str = ""
    """What the rule says now; empty where there is none."""
    after: str = ""
    said: str = ""


class Migrated(Struct, frozen=True, kw_only=True):
    """What a migration did or would do, in the order of what was asked."""

    wishes: list[Outcome]
    rules: list[RuleOutcome]
    applied: bool


async def migrate(desk: Desk, who: Who, asked: Migration) -> Migrated:
    """Takes over what can stand here, and says of everything what became of it."""
    found = Weighed(desk, who, await _look_up(desk, asked.wishes))
    outcomes = found.weigh(asked.wishes)
    rules, changed, rule_outcomes = _weigh_rules(desk.guard.order.engine.rules, asked.rules)
    if not asked.dry_run:
        deeds, audit = found.deeds(asked.source)
        if asked.with_rules and changed:
            deeds.append(AdoptRules(found.now, rules, desk.guard.order.engine.brake))
            before, after = [each for each, _ in changed if each], [each for _, each in changed]
            audit.append(audit_line(found.now, who, "import.rules", asked.source, before or None, after))
        await _do(desk, deeds, audit)
    return Migrated(wishes=outcomes, rules=rule_outcomes, applied=not asked.dry_run)


async def import_blocks(
    desk: Desk, who: Who, text: str, hold_for: str, *, protocols: str = "", skip_bad: bool = False, dry_run: bool = False
) -> Imported:
    """Holds the addresses of a list for so long, or until the time that a row names. All rows or none, unless bad ones are to be skipped."""
    try:
        span = Span.parse(hold_for)
    except ValueError as wrong:
        raise BadInputError(f"for: {wrong}") from None
    if span.us < SECOND:
        raise BadInputError("for: must be 1s or longer")
    rows, bad = await asyncio.to_thread(read_list, text, "deny", desk.now(), False, protocols)
    found = Weighed(desk, who, {})
    bad += [(line, "list: who is allowed is not held; leave the row out") for line, entry in rows if entry.verb == "allow"]
    wishes = [(line, _as_hold(entry, net, found.now + span.us)) for line, entry in rows if entry.verb == "deny" for net in entry.networks]
    outcomes = found.weigh([wish for _, wish in wishes])
    bad += [(line, outcome.said) for (line, _), outcome in zip(wishes, outcomes, strict=True) if outcome.state == "refused"]
    applied = not dry_run and (skip_bad or not bad)
    if applied:
        await _do(desk, *found.deeds("list"))
    states = [outcome.state for outcome in outcomes]
    said = [f"line {line}: {said}" for line, said in sorted(bad)]
    return Imported(added=states.count("new"), replaced=0, duplicates=states.count("there"), bad=said, applied=applied)


def _as_hold(entry: Entry, net: Network, until: int) -> Wish:
    return Wish(verb="hold", prefix=prefix_text(net), protocols=entry.protocols, until=entry.expires or until, note=entry.note)


async def _do(desk: Desk, deeds: Sequence[AnyDeed], audit: Sequence[Audit]) -> None:
    if deeds:
        await desk.guard.do_all(deeds, audit)


async def _look_up(desk: Desk, wishes: Iterable[Wish]) -> dict[str, tuple[str, ...] | str]:
    """By host name its addresses, or what is wrong with it."""
    found: dict[str, tuple[str, ...] | str] = {}
    for name in dict.fromkeys(host_name(wish.prefix) for wish in wishes if wish.verb == "allow"):
        if name:
            try:
                if len(found) >= MOST_NAMES:
                    raise BadInputError(f"prefix: {MOST_NAMES} host names at most; use addresses")
                found[name] = await look_up(desk, name)
            except BadInputError as wrong:
                found[name] = wrong.said
    return found


class Weighed:
    """What stands, and what is to come beside it. Nothing may change between the weighing and the deeds: there is no wait in between."""

    def __init__(self, desk: Desk, who: Who, names: dict[str, tuple[str, ...] | str]) -> None:
        self.now = desk.now()
        self._desk, self._who = desk, who
        self._names = names
        self._there = list_entries(desk)
        self._own = [each for each in self._there if each.own and each.trusts("") and not each.protocols]
        self._at: dict[Place, list[Entry]] = {}
        self._entries: list[Entry] = []
        self._holds: list[Hold] = []
        self._held: dict[str, list[tuple[tuple[Protocol, ...], int]]] = {}
        for entry in self._there:
            self._index(entry)
        for each in desk.guard.standing.decisions(self.now):
            if not each.rule and each.holds and not each.logins:
                self._held.setdefault(each.subject.text, []).append((each.protocols, each.until))

    def _index(self, entry: Entry) -> None:
        for place in entry.places:
            self._at.setdefault(place, []).append(entry)

    def weigh(self, wishes: Sequence[Wish]) -> list[Outcome]:
        """What becomes of each wish. List entries are weighed first: a hold must not hit whom they allow."""
        found: dict[int, Outcome] = {}
        harm = Harm(self._desk, self._who)
        for number, wish in enumerate(wishes):
            if wish.verb != "hold":
                found[number] = self._outcome(self._weigh_entry, wish, harm)
        harm = Harm(self._desk, self._who, self._lists())
        for number, wish in enumerate(wishes):
            if wish.verb == "hold":
                found[number] = self._outcome(self._weigh_hold, wish, harm)
        return [found[number] for number in range(len(wishes))]

    @staticmethod
    def _outcome(weigh: Callable[[Wish, Harm], Outcome], wish: Wish, harm: Harm) -> Outcome:
        try:
            return weigh(wish, harm)
        except BadInputError as wrong:
            return Outcome(state="refused", said=wrong.said.removeprefix("prefix: "))

    # --- list entries

    def _weigh_entry(self, wish: Wish, harm: Harm) -> Outcome:
        if wish.until and wish.until <= self.now:
            raise BadInputError("it has run out")
        asked = AddEntry(verb="deny" if wish.verb == "deny" else "allow", prefix=wish.prefix, protocols=wish.protocols, note=wish.note)
        entry = entry_of(asked, self.now, wish.until)
        if entry.name:
            return self._weigh_name(entry)
        own = self._own_around(entry)
        if entry.verb == "deny":
            harm.check_deny(entry)
            if own:
                raise BadInputError(f"it lies in this host's own network {own.prefix}; gatepost access deny takes it, if you mean it")
        elif own:
            return Outcome(state="there", said=f"it lies in this host's own network {own.prefix}")
        else:
            _check_width(entry)
        return self._weigh_beside(entry)

    def _weigh_beside(self, entry: Entry) -> Outcome:
        """An entry beside those for the very same prefix: what they say already is not said again, what they contradict is refused."""
        same = {id(each): each for place in entry.places for each in self._at.get(place, ()) if not each.name}.values()
        for each in same:
            if set(each.on).isdisjoint(entry.on):
                continue
            if each.verb != entry.verb:
                raise BadInputError(f"{entry.prefix} stands on the {each.verb} list ({each})")
            if each.places != entry.places:
                raise BadInputError(f"{entry.prefix} overlaps the entry {each}; remove one of them")
        taken = {protocol for each in same for protocol in each.on}
        left = tuple(each for each in entry.on if each not in taken)
        if not left:
            return Outcome(state="there", said=f"the {entry.verb} list has it")
        if len(left) < len(entry.on):
            entry = structs.replace(entry, protocols=left)
        self._entries.append(entry)
        self._index(entry)
        return Outcome(state="new", protocols=entry.protocols)

    def _weigh_name(self, entry: Entry) -> Outcome:
        if any(each.name == entry.name for each in (*self._there, *self._entries)):
            return Outcome(state="there", said="the allow list has it")
        found = self._names[entry.name]
        if isinstance(found, str):
            raise BadInputError(found)
        if len({each.name for each in (*self._there, *self._entries) if each.name}) >= MOST_NAMES:
            raise BadInputError(f"there are {MOST_NAMES} host names already, which is the most; use addresses")
        self._entries.append(entry)
        return Outcome(state="new", protocols=entry.protocols)

    def _own_around(self, entry: Entry) -> Entry | None:
        """The own network that trusts all of a prefix already, unless something that is denied lies in between."""
        for own in self._own:
            if _inside(entry, own):
                between = any(each.verb == "deny" and _inside(entry, each) for each in (*self._there, *self._entries))
                return None if between else own
        return None

    def _lists(self) -> tuple[Entry, ...]:
        """The lists as they are going to be; an address that a host name stands for and that gets an entry of its own goes by that."""
        places = {place for each in self._entries for place in each.places}
        kept = [each for each in self._there if not each.name or places.isdisjoint(each.places)]
        found = (*kept, *(each for each in self._entries if not each.name))
        for wish in self._entries:
            if wish.name:
                found = with_name(found, wish, self._names[wish.name])
        return found

    # --- holds

    def _weigh_hold(self, wish: Wish, harm: Harm) -> Outcome:
        if wish.until <= self.now:
            raise BadInputError("it has run out")
        if wish.until - self.now > LONGEST:
            raise BadInputError("a hold lasts 400 days at most; deny it instead")
        try:
            nets = prefixes(wish.prefix)
        except ValueError as wrong:
            raise BadInputError(str(wrong)) from None
        if len(nets) > 1:
            raise BadInputError("a range can be denied, not blocked; write it as a prefix")
        subject = subject_of(self._desk, wish.prefix)
        held = self._held.setdefault(subject.text, [])
        taken = {protocol for protocols, until in held if until >= wish.until for protocol in protocols}
        left = tuple(each for each in PROTOCOLS if each in (wish.protocols or PROTOCOLS) and each not in taken)
        if not left:
            return Outcome(state="there", said="a block by hand holds it as long")
        harm.check_hold(nets[0], left)
        held.append((left, wish.until))
        self._holds.append(Hold(self.now, subject, wish.until, left, wish.note))
        return Outcome(state="new", protocols=left if left != PROTOCOLS else ())

    def deeds(self, source: str) -> tuple[list[AnyDeed], list[Audit]]:
        """What is to be done, lists first, and what the audit trail says of it."""
        deeds: list[AnyDeed] = []
        audit: list[Audit] = []
        if self._entries:
            deeds.append(AdoptLists(self.now, self._lists()))
            audit.append(audit_line(self.now, self._who, "import.access", source, None, self._entries))
        if self._holds:
            deeds += self._holds
            held = [f"{hold.subject.text} on {','.join(hold.protocols)}" for hold in self._holds]
            audit.append(audit_line(self.now, self._who, "import.blocks", source, None, held))
        return deeds, audit


def _inside(entry: Entry, outer: Entry) -> bool:
    return all(any(covers(wide, net) for wide in outer.networks) for net in entry.networks)


def _check_width(entry: Entry) -> None:
    for net in entry.networks:
        if net.prefixlen < WIDEST[net.version]:
            raise BadInputError(f"{prefix_text(net)} would leave much of the Internet unwatched; gatepost access allow takes it, if you mean it")


def _weigh_rules(rules: tuple[Rule, ...], wishes: Iterable[RuleWish]) -> tuple[tuple[Rule, ...], list[tuple[Rule | None, Rule]], list[RuleOutcome]]:
    """The rules with all changes, each rule that differs before and after, and what becomes of each wish."""
    changed: list[tuple[Rule | None, Rule]] = []
    outcomes = []
    for wish in wishes:
        try:
            new, before, after = with_changes(rules, wish.name, wish.changes)
            check_rules(new)
        except ValueError as wrong:
            outcomes.append(RuleOutcome(state="refused", said=str(wrong)))
            continue
        if before != after:
            rules = new
            changed.append((before, after))
        state: State = "there" if before == after else "new"
        outcomes.append(RuleOutcome(state=state, before=sentence(before) if before else "", after=sentence(after)))
    return rules, changed, outcomes
