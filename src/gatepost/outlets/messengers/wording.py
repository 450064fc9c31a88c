"""What a message says.

Job: write a bundle of notices as a title and a plain text: rule, source and country, what it did, until when, and the command that lifts it. Promise:
whatever a peer wrote stays text: control characters are escaped, nothing of it can be clicked, calls nobody in a chat, or begins a header; a command
is shown only where it is exactly what to type. Limits: pure; the longest texts are cut, and say so.
"""

import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime

from gatepost.core.rules import PLURALS
from gatepost.core.spans import DAY, SECOND, Span
from gatepost.outlets.messengers.digest import Bundle
from gatepost.pipeline.messengers import Message, Notice

WHOLE = 20
"""Notices of a message that are told at length."""
LINES = 200
"""Notices that are told at least in a line."""
MOST_NAME = 100
MOST_TITLE = 150

_PLAIN = re.compile(r"[A-Za-z0-9_.+=:/@ -]+")
_WEB = re.compile(r"(?i)\bwww\.|://")


def inert(text: str, most: int = MOST_NAME) -> str:
    """A stranger's text as text alone: what does not show is escaped, what would be a link, a tag or a call of everybody is taken apart."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    shown = _WEB.sub(lambda found: ":[//]" if found[0] == "://" else f"{found[0][:-1]}[.]", shown)
    shown = shown.translate({ord("<"): "(", ord(">"): ")", ord("`"): "'"})
    shown = re.sub(r"(?<![\w.])@", "(at)", shown)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def write(bundle: Bundle, key: str, host: str, held: int) -> Message:
    """The message that tells a bundle; ``held`` is how many are held now."""
    told = _quiet(bundle, held) if bundle.kind == "quiet" else _happened(bundle, held)
    title, text = told
    return Message(
        key=key,
        at=bundle.at,
        kind=bundle.kind,
        host=host,
        title=f"[gatepost {inert(host, 64)}] {title}"[:MOST_TITLE],
        text=f"{text}\n\n-- \nGatepost on {inert(host, 253)}. gatepost blocks list shows who is held now.\n",
        notices=bundle.notices,
        left_out=bundle.left_out,
    )


def test_message(key: str, host: str, at: int, name: str) -> Message:
    """The message of `gatepost alerts test`."""
    title = f"[gatepost {inert(host, 64)}] test of the channel {name}"
    text = f"This is a test of the channel {name}, asked for at {when(at)}. Nothing happened.\n"
    return Message(key=key, at=at, kind="test", host=host, title=title, text=text)


def when(at: int) -> str:
    """A time as messages tell it."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# --- what happened


def _happened(bundle: Bundle, held: int) -> tuple[str, str]:
    # What cannot wait comes first, then in the order in which it happened.
    ordered = sorted(bundle.notices, key=lambda each: (each.sort not in ("brake", "trouble", "alert"), each.at))
    total = sum(bundle.counts.values())
    first = ordered[0]
    if total == 1:
        return _head(first), _whole(first)
    summary = _summary(bundle.counts)
    urgent = next((each for each in ordered if each.sort in ("brake", "trouble")), None)
    title = f"{_head(urgent)}, and more" if urgent and bundle.kind == "urgent" else summary
    parts = [f"{_capital(summary)}, since {when(bundle.since)}. {_held(held)}", _by_rule(bundle.counts)]
    parts += [_whole(each) for each in ordered[:WHOLE]]
    if more := ordered[WHOLE:LINES]:
        parts.append("\n".join(_line(each) for each in more))
    if left := total - min(len(ordered), LINES):
        parts.append(f"... and {left:,} more, which are counted above.")
    return title, "\n\n".join(parts)


_NAMES = {
    "block": ("block", "blocks"),
    "delay": ("delay", "delays"),
    "alert": ("alert", "alerts"),
    "watched": ("would-be hold", "would-be holds"),
    "hand": ("hold by hand", "holds by hand"),
    "ended": ("end of a hold", "ends of holds"),
    "brake": ("rule stopped by the brake", "rules stopped by the brake"),
    "trouble": ("message about the guard itself", "messages about the guard itself"),
}


def _summary(counts: Mapping[tuple[str, str], int]) -> str:
    sums: dict[str, int] = {}
    for (sort, _), count in counts.items():
        sums[sort] = sums.get(sort, 0) + count
    return ", ".join(f"{sums[sort]:,} {one if sums[sort] == 1 else many}" for sort, (one, many) in _NAMES.items() if sort in sums)


def _by_rule(counts: Mapping[tuple[str, str], int]) -> str:
    rows = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:LINES]
    return "\n".join(f"  {count:>7,}  {_NAMES[sort][count != 1]}{f' ({inert(name)})' if name else ''}" for (sort, name), count in rows)


def _held(held: int) -> str:
    return "Nobody is held now." if not held else f"{held:,} {'is' if held == 1 else 'are'} held now."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _who(notice: Notice) -> str:
    return inert(notice.subject) + (f" ({notice.country})" if notice.country else "")


def _where(notice: Notice) -> str:
    return "log-ins" if notice.logins else "everything" if len(notice.protocols) >= 5 else ", ".join(notice.protocols)


def _head(notice: Notice) -> str:
    """What happened, in a line."""
    rule = notice.rule or "an administrator"
    sentences = {
        "brake": f"the brake stopped the rule {rule}: it held good clients",
        "trouble": f"{'over' if notice.kind == 'cured' else 'problem'}: {inert(notice.source)}: {inert(notice.text, 200)}",
        "alert": f"alert of the rule {rule}: {_who(notice)} on {_where(notice)}",
        "watched": f"{_who(notice)} would be held on {_where(notice)} by {rule}, which only watches",
        "delay": f"{_who(notice)} is delayed on {_where(notice)} by {rule}",
        "ended": f"{_who(notice)} is held on {_where(notice)} by {rule} no more",
    }
    return sentences.get(notice.sort, f"{_who(notice)} is blocked on {_where(notice)} by {rule}")


def _line(notice: Notice) -> str:
    until = f" until {when(notice.until)}" if notice.kind == "imposed" else ""
    return f"{when(notice.at)}  {_head(notice)}{until}"


def _whole(notice: Notice) -> str:
    """All that is known of one notice."""
    rows = [_capital(_head(notice)) + "."]
    if notice.kind == "brake":
        rows.append(f"  Of the {notice.held} clients that it held, {notice.good} had logged in well or delivered mail: its holds are lifted.")
        rows.append(f"  It only watches now. After a look at its numbers: gatepost rules enable {notice.rule}")
    elif notice.sort == "trouble":
        since = f"  Since {when(notice.at)}." if notice.kind == "trouble" else f"  Over since {when(notice.at)}."
        rows.append(f"{since} gatepost status tells more.")
    else:
        rows += _decision(notice)
    return "\n".join(rows)


def _decision(notice: Notice) -> list[str]:
    rows = []
    if notice.rule and notice.kind == "imposed":
        what = PLURALS.get(notice.counts, "facts")
        rows.append(f"  what it did: {notice.count} {what} (the rule: {inert(notice.reason)})")
    elif notice.reason:
        rows.append(f"  why:         {inert(notice.reason, 200)}")
    rows.append(f"  since:       {when(notice.at)}" if notice.kind == "imposed" else f"  ended:       {when(notice.at)}")
    if notice.kind == "imposed":
        rows.append(f"  until:       {_until(notice)}")
        if notice.sort in ("block", "delay", "hand"):
            rows.append(f"  lift it:     {unblock(notice.subject)}")
    return rows


def _until(notice: Notice) -> str:
    length = notice.until - notice.at
    return when(notice.until) + (f" ({Span(length // SECOND * SECOND)})" if 0 < length <= 400 * DAY else "")


def unblock(subject: str) -> str:
    """The command that lifts what holds a subject; where it cannot be shown exactly, how to find out."""
    if _PLAIN.fullmatch(subject) and not _WEB.search(subject) and not subject.startswith(("-", "@")) and len(subject) <= 320:
        return f"gatepost unblock {shlex.quote(subject)}"
    return "its name is not safe to show; gatepost blocks list shows it"


# --- quiet again


def _quiet(bundle: Bundle, held: int) -> tuple[str, str]:
    rows = f"{_capital(_summary(bundle.counts))} since {when(bundle.since)}; nothing new since the last message. {_held(held)}"
    return "quiet again", f"Quiet again.\n\n{rows}\n\n{_by_rule(bundle.counts)}"
