"""Undo: take back what a line of the audit trail tells of.

Job: work out, from what a line says was before and after, the deeds that bring back what was, and do them. Promise: what it would do is said first;
where what the line left was changed since, nothing is done and the later line is named; an undo is a deed of its own in the trail, and can be undone
in turn. Limits: facts are no deeds: what was let in or turned away meanwhile stays so, and what was forgotten is gone.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field, structs

from gatepost.admin.accounts import Role, at_least
from gatepost.admin.actions.access import list_entries
from gatepost.admin.actions.blocks import AddBlock, Block, PauseFor, Unblock, block_of, subject_of
from gatepost.admin.actions.lasting import Before
from gatepost.admin.actions.trail import TrailLine, find_line
from gatepost.admin.desk import Desk, Harm, Who, audit_line
from gatepost.admin.faults import ConflictError, ForbiddenError
from gatepost.core.access import Entry, check_entries
from gatepost.core.countries import CountryPolicy
from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, AnyDeed, Hold, Lift, Pause, Retime
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.rules import Rule, check_rules, clause
from gatepost.core.spans import LONGEST, Span, decode_span
from gatepost.core.subjects import Subject, name_of, network
from gatepost.core.texts import say, without
from gatepost.stores.contract import Audit

T = TypeVar("T")

LOOKED_THROUGH = 5_000
"""Later lines of the trail that are looked through for the one that is in the way."""
NAMED = 3
"""Names that a sentence lists before it counts the rest."""


class Undo(Struct, frozen=True, kw_only=True):
    """What undoing a line comes to."""

    said: str
    """What it does, in a sentence."""
    role: Role
    deeds: tuple[AnyDeed, ...]
    action: str
    before: Any = None
    after: Any = None


class LineShown(Struct, frozen=True, kw_only=True):
    """A line of the trail, and whether it can be undone now."""

    line: TrailLine
    undo: str
    """What undoing it would do; empty where it cannot be undone."""
    refused: str = ""
    """Why not."""


class Undone(Struct, frozen=True, kw_only=True):
    """What an undo did."""

    number: int
    """The line that was undone."""
    said: str


async def show_line(desk: Desk, who: Who, number: int) -> LineShown:
    """A line, and what undoing it would do. Raises UnknownError where there is none of this number."""
    line = await find_line(desk, number)
    try:
        return LineShown(line=line, undo=(await _plan(desk, who, line)).said)
    except BadInputError as wrong:
        return LineShown(line=line, undo="", refused=without(wrong.said, "number: "))


async def undo(desk: Desk, who: Who, role: Role, number: int) -> Undone:
    """Undoes a line. Raises UnknownError, ConflictError where what it left was changed since, ForbiddenError, and BadInputError."""
    line = await find_line(desk, number)
    plan = await _plan(desk, who, line)
    if not at_least(role, plan.role):
        raise ForbiddenError(
            say(
                "undoing {action} takes the role {role}; yours is {yours}",
                action=line.action,
                role=say(plan.role),
                yours=say(role),
            )
        )
    audit = audit_line(desk.now(), who, plan.action, line.subject, plan.before, plan.after, f"undoes {number}")
    await desk.guard.do_all(plan.deeds, [audit])
    return Undone(number=number, said=plan.said)


async def _plan(desk: Desk, who: Who, line: TrailLine) -> Undo:
    """What is to be done. Raises BadInputError where it cannot be."""
    plans = [plan for start, plan in _PLANS.items() if line.undoable and line.action.startswith(start)]
    if not plans:
        raise BadInputError(say("number: {action} cannot be undone", action=line.action))
    try:
        return plans[0](desk, who, line)
    except _ChangedSince as wrong:
        later = await asyncio.to_thread(_later, desk, line, wrong.about)
        raise ConflictError(
            say(
                "number: line {number} cannot be undone: {wrong}; {later}",
                number=line.number,
                wrong=str(wrong),
                later=later,
            )
        ) from None
    except (msgspec.MsgspecError, KeyError):
        said = say("it is an import of more than 10,000 entries, or from another version of Gatepost")
        raise BadInputError(say("number: line {number} does not tell enough to be undone: {said}", number=line.number, said=said)) from None


class _ChangedSince(Exception):  # noqa: N818
    """What a line left is not there any more; ``about`` tells the later lines that may have changed it."""

    def __init__(self, said: str, about: Callable[[Audit], bool]) -> None:
        super().__init__(said)
        self.about = about


def _later(desk: Desk, line: TrailLine, about: Callable[[Audit], bool]) -> str:
    before, seen = 0, 0
    while seen < LOOKED_THROUGH:
        found = desk.store.audit(200, before)
        for number, each in found:
            if number <= line.number:
                return say("it ran out, or the program itself changed it")
            if about(each):
                deed = f"{each.action} {each.subject}".rstrip()
                return say("line {number} changed it since ({who}: {deed})", number=number, who=each.who, deed=deed)
        if not found:
            break
        seen, before = seen + len(found), found[-1][0]
    return say("none of the newest {many} lines tells what changed it", many=LOOKED_THROUGH)


def _listed(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    if len(found) > NAMED:
        return say("{names} and {many} more", names=tuple(found[:NAMED]), many=len(found) - NAMED)
    return ", ".join(found)


def _together(said: Sequence[str]) -> str:
    if len(said) > NAMED:
        return say("{deeds}; and {many} more", deeds=_together(said[:NAMED]), many=len(said) - NAMED)
    found = said[0] if said else ""
    for each in said[1:]:
        found = say("{one}; {other}", one=found, other=each)
    return found


def _rows(text: str, kind: type[T]) -> list[T]:
    """What a line says was, or is: nothing, one, or several."""
    plain = msgspec.json.decode(text) if text else []
    if isinstance(plain, dict) and "entries" in plain:
        plain = plain["entries"]
    return msgspec.convert(plain if isinstance(plain, list) else [plain], list[kind], dec_hook=decode_span)  # type: ignore[valid-type]


# --- rules


def _undo_rules(desk: Desk, who: Who, line: TrailLine) -> Undo:
    was, became = ({rule.name: rule for rule in _rows(text, Rule)} for text in (line.before, line.after))
    engine = desk.guard.order.engine
    now = {rule.name: rule for rule in engine.rules}
    names = [name for name in dict.fromkeys((*was, *became)) if was.get(name) != became.get(name)]
    if moved := [name for name in names if now.get(name) != became.get(name)]:

        def about(each: Audit) -> bool:
            return each.action.startswith(("rules.", "import.rules")) and any(f'"name":"{name}"' in each.before + each.after for name in moved)

        raise _ChangedSince(say("the rule {names} is not as it left it", names=_listed(moved)), about)
    if not names:
        raise BadInputError(say("number: line {number} changed nothing", number=line.number))
    rules = _put_back(engine.rules, names, was, list(became))
    try:
        check_rules(rules)
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None
    said = [
        say(
            "{name} says again: {sentence} ({mode})",
            name=name,
            sentence=clause(was[name]),
            mode=say(was[name].mode),
        )
        for name in names
        if name in was
    ]
    gone = [name for name in names if name not in was]
    said += [say("the rule {names} goes", names=_listed(gone))] if gone else []
    parts = {"before": [now[name] for name in names if name in now], "after": [was[name] for name in names if name in was]}
    return Undo(
        said=_together(said),
        role="administrator",
        deeds=(AdoptRules(desk.now(), rules, engine.brake),),
        action="rules.undo",
        before=parts["before"] or None,
        after=parts["after"] or None,
    )


def _put_back(rules: Sequence[Rule], names: Sequence[str], was: dict[str, Rule], became: list[str]) -> tuple[Rule, ...]:
    """The rules with those as they were; where a line replaced all and all are still those, in their order of then."""
    if [rule.name for rule in rules] == became and len(became) > 1:
        return tuple(was.values())
    new = [was[name] for name in names if name in was and name not in {rule.name for rule in rules}]
    found: list[Rule] = []
    for rule in rules:
        if rule.name not in names:
            found.append(rule)
        elif rule.name in was:
            found.append(was[rule.name])
        elif new:
            found.append(new.pop(0))  # a rule that was renamed gets its place back
    return (*found, *new)


# --- lists


def _undo_access(desk: Desk, who: Who, line: TrailLine) -> Undo:
    was, became = _rows(line.before, Entry), _rows(line.after, Entry)
    there, now = list_entries(desk), desk.now()
    left = {each for each in became if not (each.name and each.prefix)}  # whatever a host name stands for now goes with it
    if gone := left.difference(there):
        raise _ChangedSince(
            say("{names} does not stand there as it left it", names=_listed(each.prefix or each.name for each in became if each in gone)),
            _lists(gone),
        )
    names = {each.name for each in left if each.name}
    kept = [each for each in there if each not in left and not (each.name and each.name in names)]
    back = [each for each in was if each.in_force(now)]
    if not left and not back:
        raise BadInputError(say("number: what line {number} took away has run out meanwhile", number=line.number))
    new = (*kept, *back)
    try:
        check_entries(new)
    except ValueError as wrong:
        raise _ChangedSince(without(str(wrong), "prefix: "), _lists(back)) from None
    if {each.prefix for each in left if each.own} - {each.prefix for each in back if each.own}:
        raise BadInputError(say("number: line {number} concerns this host's own networks, which stay", number=line.number))
    harm = Harm(desk, who, new)
    for each in back:
        if each.verb == "deny":
            harm.check_deny(each)
    said = [say("off the lists: {entries}", entries=_listed(map(str, became)))] if left else []
    said += [say("back on them: {entries}", entries=_listed(map(str, back)))] if back else []
    return Undo(
        said=_together(said),
        role="operator",
        deeds=(AdoptLists(now, new),),
        action="access.undo",
        before=[each for each in there if each in left or (each.name and each.name in names)] or None,
        after=back or None,
    )


def _lists(entries: Iterable[Entry]) -> Callable[[Audit], bool]:
    words = [f'"{each.prefix or each.name}"' for each in entries]

    def about(each: Audit) -> bool:
        text = f'"{each.subject}"{each.before}{each.after}'
        return each.action.startswith(("access.", "import.access", "blocks.permanent", "blocks.temporary")) and any(word in text for word in words)

    return about


# --- holds


def _undo_hold(desk: Desk, who: Who, line: TrailLine) -> Undo:
    subject, now = subject_of(desk, line.subject), desk.now()
    held = desk.guard.standing.about(name_of(subject), now)
    if not any(not each.rule and each.start == line.at for each in held):
        raise _ChangedSince(say("the block of {subject} that it made does not stand any more", subject=subject.text), _holds(subject))
    return Undo(
        said=say("lifts what holds {subject}, and clears what was counted of it, as unblock does", subject=subject.text),
        role="operator",
        deeds=(Lift(now, subject),),
        action="unblock",
        before=[block_of(each) for each in held],
        after=Unblock(subject=subject.text),
    )


class Moved(Struct, frozen=True):
    """How much later blocks were to end, or earlier."""

    by: Span = field(name="for")


def _undo_prolong(desk: Desk, who: Who, line: TrailLine) -> Undo:
    subject, now = subject_of(desk, line.subject), desk.now()
    (moved,) = _rows(line.after, Moved)
    longer = line.action == "blocks.prolong"
    by = moved.by.us if longer else -moved.by.us
    ends = {(each.rule, each.until + by): each.until for each in _rows(line.before, Block)}
    held = {(each.rule, each.until): each for each in desk.guard.standing.about(name_of(subject), now)}
    if not ends.keys() <= held.keys():
        raise _ChangedSince(say("the block of {subject} does not stand as it left it", subject=subject.text), _holds(subject))
    last = max(ends.values())
    return Undo(
        said=say("the block of {subject} ends when it would have ended before", subject=subject.text)
        if last > now
        else say("the block of {subject} ends now, for it would be over", subject=subject.text),
        role="operator",
        deeds=tuple(Retime(now, subject, held[key].number, until) for key, until in ends.items()),
        action="blocks.shorten" if longer else "blocks.prolong",
        before=[block_of(held[key]) for key in ends],
        after=moved,
    )


def _undo_permanent(desk: Desk, who: Who, line: TrailLine) -> Undo:
    subject, now = subject_of(desk, line.subject), desk.now()
    (made,), was = _rows(line.after, Entry), _rows(line.before, Before)[0]
    new = _swap(desk, [made], [each for each in was.replaced if each.in_force(now)])
    stands = [each for each in was.blocks if each.until > now and each.action == "block" and not (each.watched or each.logins)]
    if stands:
        Harm(desk, who, new).check_hold(network(subject.text), [name for name in PROTOCOLS if any(name in each.protocols for each in stands)])
    again = [structs.replace(each, rule="", reason=_reason_of(each)) for each in stands]
    return Undo(
        said=say("{subject} goes off the deny list, and is held again, by hand, for as long as it would have been held", subject=subject.text)
        if again
        else say("{subject} goes off the deny list", subject=subject.text),
        role="operator",
        deeds=(AdoptLists(now, new), *(Hold(now, subject, each.until, each.protocols, each.reason) for each in again)),
        action="blocks.temporary",
        before=made,
        after=Before(blocks=again, replaced=[each for each in new if each in was.replaced]),
    )


def _undo_temporary(desk: Desk, who: Who, line: TrailLine) -> Undo:
    subject, now = subject_of(desk, line.subject), desk.now()
    (denied,), became = _rows(line.before, Entry), _rows(line.after, Before)[0]
    new = _swap(desk, became.replaced, [denied])
    Harm(desk, who, new).check_deny(denied)
    made = {("", each.until) for each in became.blocks}
    ends = [each for each in desk.guard.standing.about(name_of(subject), now) if (each.rule, each.until) in made]
    return Undo(
        said=say("{subject} goes on the deny list for good again", subject=subject.text),
        role="operator",
        deeds=(AdoptLists(now, new), *(Retime(now, subject, each.number, now) for each in ends)),
        action="blocks.permanent",
        before=Before(blocks=[block_of(each) for each in ends], replaced=became.replaced),
        after=denied,
    )


def _swap(desk: Desk, gone: Sequence[Entry], back: Sequence[Entry]) -> tuple[Entry, ...]:
    """The lists without some entries, which must stand there, and with others instead."""
    there = list_entries(desk)
    if missing := [each for each in gone if each not in there]:
        raise _ChangedSince(say("{names} does not stand there as it left it", names=_listed(map(str, missing))), _lists(gone))
    new = (*(each for each in there if each not in gone), *back)
    try:
        check_entries(new)
    except ValueError as wrong:
        raise _ChangedSince(without(str(wrong), "prefix: "), _lists(back)) from None
    return new


def _reason_of(held: Block) -> str:
    """Why it was held, as a hold by hand says it."""
    return f"{held.rule}: {held.reason}"[:500] if held.rule else held.reason


def _undo_unblock(desk: Desk, who: Who, line: TrailLine) -> Undo:
    subject, now = subject_of(desk, line.subject), desk.now()
    stands = [each for each in _rows(line.before, Block) if each.until > now and not each.watched]
    if not stands:
        raise BadInputError(say("number: nothing that line {number} lifted would still hold {text}", number=line.number, text=subject.text))
    if any(each.logins or each.action != "block" for each in stands):
        raise BadInputError(
            say("number: line {number} lifted what a hand cannot make again: a delay, or a hold of log-ins alone; its rule will", number=line.number)
        )
    if any(each.holds for each in desk.guard.standing.about(name_of(subject), now)):
        raise _ChangedSince(say("{subject} is held again", subject=subject.text), _holds(subject))
    if subject.by in ("client", "network"):
        Harm(desk, who).check_hold(network(subject.text), [name for name in PROTOCOLS if any(name in each.protocols for each in stands)])
    made = [(each, _reason_of(each)) for each in stands]
    return Undo(
        said=say("holds {subject} again, by hand, for as long as it would have been held", subject=subject.text),
        role="operator",
        deeds=tuple(Hold(now, subject, each.until, each.protocols, reason) for each, reason in made),
        action="blocks.add",
        after=[
            AddBlock(prefix=subject.text, hold_for=Span(min(each.until - now, LONGEST)), reason=reason, protocols=each.protocols)
            for each, reason in made
        ],
    )


def _holds(subject: Subject) -> Callable[[Audit], bool]:
    return lambda each: each.subject == subject.text and each.action.startswith(("blocks.", "unblock"))


# --- pauses


class Until(Struct, frozen=True):
    """Until when a pause was to last."""

    until: int = 0


def _undo_pause(desk: Desk, who: Who, line: TrailLine) -> Undo:
    now, stands = desk.now(), desk.guard.order.engine.paused_until
    asked = msgspec.json.decode(line.after, type=PauseFor, dec_hook=decode_span)
    if stands != line.at + asked.hold_for.us or stands <= now:
        raise _ChangedSince(say("its pause does not last any more"), _is_pause)
    before = next(iter(_rows(line.before, Until)), Until()).until
    if before > now:
        return _pause(now, before, say("the pause that it replaced lasts again"), Until(stands))
    said = say("rules hold again; what the pause lifted stays lifted")
    return Undo(said=said, role="operator", deeds=(Pause(now, 0),), action="resume", before=Until(stands))


def _undo_resume(desk: Desk, who: Who, line: TrailLine) -> Undo:
    now, engine = desk.now(), desk.guard.order.engine
    before = next(iter(_rows(line.before, Until)), Until()).until
    if before <= now:
        raise BadInputError(say("number: the pause that line {number} ended would be over by now", number=line.number))
    if engine.paused_until > now:
        raise _ChangedSince(say("the guard is paused again"), _is_pause)
    return _pause(now, before, say("the pause goes on until the end that it had: rules hold nothing, and what they held since is lifted"), None)


def _pause(now: int, until: int, said: str, before: Until | None) -> Undo:
    return Undo(said=said, role="operator", deeds=(Pause(now, until),), action="pause", before=before, after=PauseFor(hold_for=Span(until - now)))


def _is_pause(each: Audit) -> bool:
    return each.action in ("pause", "resume")


# --- countries


def _undo_country(desk: Desk, who: Who, line: TrailLine) -> Undo:
    stands, now = desk.guard.order.engine.countries, desk.now()
    (was,), (became,) = _rows(line.before, CountryPolicy), _rows(line.after, CountryPolicy)
    if stands != became:
        raise _ChangedSince(say("the countries are not as it left them"), lambda each: each.action.startswith("country."))
    if was.mode == "enforce":
        raise BadInputError(
            say("number: before line {number} the policy was enforced: set it anew, so that it is seen whom it would shut out", number=line.number)
        )
    said = say("log-ins by country: {mode} again", mode=say(was.mode))
    return Undo(said=said, role="administrator", deeds=(AdoptCountries(now, was),), action=f"country.{was.mode}", before=stands, after=was)


_PLANS: dict[str, Callable[[Desk, Who, TrailLine], Undo]] = {
    "rules.": _undo_rules,
    "import.rules": _undo_rules,
    "access.": _undo_access,
    "import.access": _undo_access,
    "blocks.prolong": _undo_prolong,
    "blocks.shorten": _undo_prolong,
    "blocks.permanent": _undo_permanent,
    "blocks.temporary": _undo_temporary,
    "blocks.": _undo_hold,
    "unblock": _undo_unblock,
    "pause": _undo_pause,
    "resume": _undo_resume,
    "country.": _undo_country,
}
"""How lines are undone, by how their action begins."""
