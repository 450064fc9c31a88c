"""The language of stories: scenarios that administrators and tests write.

Job: read a line of a story into what it says, and tell effects and verdicts in the same words.
Promise: a line with a mistake raises BadInputError that
names what would be right. Limits: it plays nothing; stories.py does.

A story's clock starts at 00:00:00; hours may pass 24. ``#`` starts a comment.
"""

import re
import shlex
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from gatepost.core.access import Entry
from gatepost.core.countries import UNKNOWN, CountryPolicy
from gatepost.core.decisions import QUESTION_STAGES, Allow, Brake, Decision, Delay, Effect, Expire, Impose, Question, Refuse, Release, Verdict
from gatepost.core.deeds import AnyDeed, Forget, Hold, Lift, Pause
from gatepost.core.facts import KINDS, PROTOCOLS, Fact, Held
from gatepost.core.faults import BadInputError
from gatepost.core.iso3166 import NAMES
from gatepost.core.rules import PRESETS, Preset, Rule
from gatepost.core.spans import HOUR, MINUTE, SECOND, Span, decode_span
from gatepost.core.subjects import Subject, account, client, prefix_text
from gatepost.core.subjects import network as read_network
from gatepost.wire.explain import explain

T = TypeVar("T")

EPOCH = 1_767_225_600 * SECOND
"""Where a story's clock starts: 2026-01-01 00:00:00 UTC."""

_TIME = re.compile(r"(\d{1,5}):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?(?=\s|$)", re.ASCII)
_TIMES = re.compile(r"\s(\d{1,6})\s+times(?:,?\s+every\s+(\S.*))?$", re.ASCII)
_DEEDS = ("adopt", "hold", "prolong", "lift", "forget", "pause", "resume")


class Given(Struct, frozen=True):
    """Rules and entries: from the start, or (``adopt``) from a time on."""

    preset: Preset | None = None
    rule: Rule | None = None
    entry: Entry | None = None
    countries: CountryPolicy | None = None
    at: int = -1
    """Microseconds; -1: from the start."""


class Report(Struct, frozen=True):
    """A fact, so many times, so far apart."""

    fact: Fact
    times: int = 1
    every: int = 0


class Prolong(Struct, frozen=True):
    """All that holds just this subject at ``at`` ends so much later. A story names no decisions: who plays it makes a `Retime` of each."""

    at: int
    subject: Subject
    by: int


class Passes(Struct, frozen=True):
    """Time passes until ``at``."""

    at: int


class Expect(Struct, frozen=True):
    """An effect or a verdict that the line before leads to."""

    text: str


Said = Given | Report | Question | AnyDeed | Prolong | Passes | Expect | None
"""What a line says; None for a blank line or a comment."""


def read_line(line: str, now: int) -> Said:
    """What a line says; ``now`` is the time of the line before, for deeds without one. Raises BadInputError."""
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    try:
        return _read(text, now)
    except BadInputError:
        raise
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None


def _read(text: str, now: int) -> Said:
    if text.startswith("<<"):
        return Expect(text[2:].strip())
    time = _TIME.match(text)
    if not time:
        words = _words(text)
        if words[0] in _DEEDS:
            return _read_deed(words, now)
        return _read_given(words, -1)
    at = EPOCH + int(time[1]) * HOUR + int(time[2]) * MINUTE + int(time[3]) * SECOND + int((time[4] or "0").ljust(6, "0"))
    rest = text[time.end() :].strip()
    if rest.startswith(">>"):
        return _read_report(rest[2:], at)
    if rest.startswith("??"):
        return _read_question(_words(rest[2:]), at)
    if rest == "..":
        return Passes(at)
    words = _words(rest)
    if words and words[0] in _DEEDS:
        return _read_deed(words, at)
    raise BadInputError(f"after a time comes >> (a fact), ?? (a question), .. (time passes), or one of {', '.join(_DEEDS)}; got {rest[:40]!r}")


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        raise BadInputError("a quotation mark is not closed") from None


def _convert(fields: dict[str, Any], kind: type[T]) -> T:
    """Reads fields, all written as text, into a declaration. Raises BadInputError."""
    try:
        return msgspec.convert(fields, kind, dec_hook=decode_span, strict=False)
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(wrong, kind, fields)[0]) from None


def _fields(words: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise BadInputError(f"{word!r}: write field=value")
        found[name] = value
    return found


def _only(fields: dict[str, Any], *allowed: str) -> dict[str, Any]:
    """These fields, where all are allowed. Raises BadInputError."""
    for field in fields:
        if field not in allowed:
            raise BadInputError(f"{field}: there is no such field here; write {' or '.join(f'{each}=' for each in allowed)}")
    return fields


def _read_given(words: list[str], at: int) -> Given:
    match words:
        case ["preset", name]:
            for preset in PRESETS:
                if preset == name:
                    return Given(preset=preset, at=at)
            raise BadInputError(f"preset: {name!r} is none; one of {', '.join(PRESETS)}")
        case ["rule", name, *rest]:
            return Given(rule=_read_rule(name, rest), at=at)
        case [("allow" | "deny") as verb, prefix, *boxes]:
            return Given(entry=read_entry(verb, prefix, boxes), at=at)
        case ["country", *rest] if rest:
            return Given(countries=_read_countries(rest), at=at)
    raise BadInputError(
        f"{words[0]!r}: a line starts with a time, <<, preset NAME, rule NAME, allow PREFIX, deny PREFIX, country ..., or one of {', '.join(_DEEDS)}"
    )


def _read_rule(name: str, words: list[str]) -> Rule:
    fields: dict[str, Any] = {"name": name}
    where: dict[str, str] = {}
    for field, value in _fields(words).items():
        if field.startswith("where."):
            where[field[6:]] = value
        elif field == "on":
            fields[field] = value.split(",")
        else:
            fields[field] = value
    if where:
        fields["where"] = where
    return _convert(fields, Rule)


def _read_countries(words: list[str]) -> CountryPolicy:
    """A policy as stories write it: ``country allow|refuse DE,AT [unknown=refuse] [known=refuse] [on=imap] [mode=observe]``, or ``country off``."""
    match words:
        case ["off"]:
            return CountryPolicy()
        case [("allow" | "refuse") as direction, codes, *rest]:
            boxes = _only(_fields(rest), "unknown", "known", "on", "mode")
            for box in ("unknown", "known"):
                if boxes.get(box, "refuse") not in ("refuse", "allow"):
                    raise BadInputError(f"{box}: {boxes[box]!r} is no answer; write allow or refuse")
            fields: dict[str, Any] = {"mode": boxes.get("mode", "enforce"), "direction": direction, "codes": codes.split(",")}
            fields |= {"unknown": boxes.get("unknown") != "refuse", "known_may": boxes.get("known") != "refuse"}
            return _convert(fields | ({"protocols": boxes["on"].split(",")} if "on" in boxes else {}), CountryPolicy)
    raise BadInputError("write country off, or country allow DE,AT or country refuse DE,AT, then unknown=refuse known=refuse on=imap mode=observe")


def read_entry(verb: Any, prefix: str, boxes: list[str]) -> Entry:
    """An entry as stories and the command line write it: ``PREFIX [relay] [logins] [no-detection] [on=smtp,imap] [expires=TIME]``."""
    fields: dict[str, Any] = {"verb": verb, "prefix": prefix}
    for box in boxes:
        name, equals, value = box.partition("=")
        if name in ("relay", "logins") and not equals:
            fields[name] = True
        elif box == "no-detection":
            fields["detection"] = False
        elif name == "on" and equals:
            fields["protocols"] = value.split(",")
        elif name == "expires" and (time := _TIME.fullmatch(value)):
            fields["expires"] = EPOCH + int(time[1]) * HOUR + int(time[2]) * MINUTE + int(time[3]) * SECOND
        else:
            raise BadInputError(f"{box!r} is no box; write relay, logins, no-detection, on=smtp,imap or expires=HH:MM:SS")
    return _convert(fields, Entry)


def _read_report(text: str, at: int) -> Report:
    times = _TIMES.search(text)
    words = _words(text[: times.start()] if times else text)
    if len(words) < 3:
        raise BadInputError("a fact is written: TIME >> kind protocol client [field=value]...")
    name, protocol, address, *rest = words
    kind = KINDS.get(name)
    if kind is None or kind is Held:
        raise BadInputError(f"kind: {name!r} is none; one of {', '.join(each for each in KINDS if each != 'held')}")
    if protocol not in PROTOCOLS:
        raise BadInputError(f"protocol: {protocol!r} is none; one of {', '.join(PROTOCOLS)}")
    fields = _fields(rest)
    if "account" in fields:
        fields["account"] = account(fields["account"])
    given = {"kind": name, "at": at, "host": "story", "protocol": protocol, "service": protocol, "client": client(address)} | fields
    known = sorted(each.encode_name for each in msgspec.structs.fields(kind) if each.name not in ("at", "protocol", "client"))
    for field in fields:
        if field not in known:
            raise BadInputError(f"{field}: {name} has no such field; one of {', '.join(known)}")
    fact = _convert(given, kind)
    return Report(fact, int(times[1]) if times else 1, Span.parse(times[2]).us if times and times[2] else 0)


def _read_question(words: list[str], at: int) -> Question:
    if len(words) < 3:
        raise BadInputError("a question is written: TIME ?? stage protocol client [account=NAME] [country=XX]")
    stage, protocol, address, *rest = words
    if stage not in QUESTION_STAGES:
        raise BadInputError(f"stage: {stage!r} is none; one of {', '.join(QUESTION_STAGES)}")
    if protocol not in PROTOCOLS:
        raise BadInputError(f"protocol: {protocol!r} is none; one of {', '.join(PROTOCOLS)}")
    fields = _fields(rest)
    named, country = account(fields.pop("account", "")), fields.pop("country", "")
    if fields:
        raise BadInputError(f"{next(iter(fields))}: a question has no such field; account=NAME and country=XX are all")
    if country and country != UNKNOWN and country not in NAMES:
        raise BadInputError(f"country: {country!r} is no code of ISO 3166-1; write two capitals, as in DE, or {UNKNOWN}")
    return _convert({"at": at, "client": client(address), "protocol": protocol, "stage": stage, "account": named, "country": country}, Question)


def _read_deed(words: list[str], at: int) -> Given | AnyDeed | Prolong:
    match words:
        case ["adopt", *rest] if rest:
            return _read_given(rest, at)
        case ["hold", by, text, "for", span, *rest]:
            fields = _only(_fields(rest), "on", "reason")
            protocols = fields["on"].split(",") if "on" in fields else PROTOCOLS
            held = {"at": at, "subject": _subject(by, text), "until": at + Span.parse(span).us, "protocols": protocols}
            return _convert({"kind": "hold", "reason": fields.get("reason", "")} | held, Hold)
        case ["prolong", by, text, "for", span]:
            return Prolong(at, _subject(by, text), Span.parse(span).us)
        case ["lift", by, text, *rest]:
            grace = _only(_fields(rest), "grace").get("grace")
            return Lift(at, _subject(by, text), at + Span.parse(grace).us if grace else 0)
        case ["forget", by, text]:
            return Forget(at, _subject(by, text))
        case ["pause", "for", span]:
            return Pause(at, at + Span.parse(span).us)
        case ["resume"]:
            return Pause(at, 0)
    raise BadInputError(
        "deeds are written: adopt preset|rule|allow|deny|country ..., hold BY SUBJECT for SPAN, prolong BY SUBJECT for SPAN, "
        "lift BY SUBJECT [grace=SPAN], forget BY SUBJECT, pause for SPAN, resume"
    )


def _subject(by: str, text: str) -> Subject:
    if by == "client" or by == "network":
        return Subject("client" if by == "client" else "network", prefix_text(read_network(text)))
    if by == "account":
        return Subject("account", account(text))
    raise BadInputError(f"{by!r}: a subject is written client ADDRESS, network PREFIX or account NAME")


# --- telling


def clock(at: int) -> str:
    """A time as a story writes it."""
    seconds, us = divmod(at - EPOCH, SECOND)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{us:06d}".rstrip("0") if us else text


def tell_effect(effect: Effect) -> str:
    """An effect in words, its explanation in parentheses at the end."""
    match effect:
        case Brake(rule, _, good, held):
            return f"brake {rule}   ({good} good clients of {held} held)"
        case Impose(decision):
            verb = f"impose {_deed(decision)}" if decision.holds else "alert" if decision.action == "alert" else f"watch {_deed(decision)}"
            return f"{verb} {decision.subject} on {_where(decision)} until {clock(decision.until)}   ({_why(decision)})"
        case Release(decision, protocols, _, why):
            some = _where(decision) if protocols == decision.protocols else ",".join(protocols)
            return f"release {_deed(decision)} {decision.subject} on {some}   ({why})"
        case Expire(decision):
            return f"expire {_deed(decision)} {decision.subject} on {_where(decision)}   ({_why(decision)})"


def tell_verdict(verdict: Verdict) -> str:
    """A verdict in words, its explanation in parentheses at the end."""
    match verdict:
        case Allow(entry, watched):
            why = [*([str(entry)] if entry is not None else []), *([f"would refuse country {watched}"] if watched else [])]
            return f"allow   ({'; '.join(why)})" if why else "allow"
        case Delay(us, decision):
            return f"delay {Span(us)}   ({_why(decision)})"
        case Refuse(reason, _, entry, country):
            why = [str(entry)] if entry is not None else [country] if country else []
            return f"refuse {reason}   ({why[0]})" if why else f"refuse {reason}"


def _deed(decision: Decision) -> str:
    return f"delay {Span(decision.delay)}" if decision.action == "delay" else decision.action


def _where(decision: Decision) -> str:
    if decision.logins:
        return "logins"
    return "everything" if decision.protocols == PROTOCOLS else ",".join(decision.protocols)


def _why(decision: Decision) -> str:
    return f"{decision.rule or 'administrator'}: {decision.reason}" if decision.reason else decision.rule or "administrator"
