"""The decisions that CrowdSec exports.

Job: turn the CSV of `cscli decisions list -o raw` into a list that Gatepost's import reads. Promise: each row stays on its line, so that a bad one is
named by the line of the file; what is no ban of an address is told and left out. Limits: the columns of CrowdSec 1.0 and later: id, source, ip
(scope and value), reason, action, country, as, events_count, expiration, simulated, alert_id, in any order.
"""

import csv
import io
import re
from datetime import UTC, datetime

from gatepost.core.spans import HOUR, MINUTE, SECOND

_COLUMNS = {"ip", "action", "expiration"}
_PART = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?(h|ms|m|s|us|µs|ns)", re.ASCII)
_UNITS = {"h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1000, "us": 1, "µs": 1, "ns": 0}


def is_crowdsec(text: str) -> bool:
    """Whether a text is such a CSV: its first line names the columns."""
    first = text.removeprefix("\ufeff").lstrip().partition("\n")[0]
    return {cell.strip().strip('"').lower() for cell in first.split(",")} >= _COLUMNS


def as_list(text: str, now: int) -> tuple[str, list[str]]:
    """The rows as Gatepost's own columns, and what is left out, by line. ``now`` is in microseconds since 1970 UTC.

    Of several decisions about the same address the first of those that end last is kept.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    header = [cell.strip().lower() for cell in next(rows)]
    decisions = [_Decision(dict(zip(header, row, strict=False)), now) if row else None for row in rows]
    longest: dict[str, _Decision] = {}
    for each in decisions:
        if each and not each.left_out and each.length is not None:
            before = longest.setdefault(each.value, each)
            if (before.length or 0) < each.length:
                longest[each.value] = each
    out, left = io.StringIO(), []
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("prefix", "expires", "note"))
    for line, each in enumerate(decisions, 2):
        because = each.left_out if each else ""
        if each and not because and each.length is not None and longest[each.value] is not each:
            because = f"another decision about {each.value} lasts as long"
        if because:
            left.append(f"line {line}: {because}")
        if each and not because:
            writer.writerow((each.value, each.expires, each.note))
        else:
            out.write("\n")
    return out.getvalue(), left


class _Decision:
    """A row."""

    def __init__(self, cells: dict[str, str], now: int) -> None:
        scope, _, self.value = cells.get("ip", "").partition(":")
        self.length = _length(cells.get("expiration", ""))
        """Microseconds that are left of it; None where it does not say so."""
        # What is no length, or missing, is left for the list to refuse: nobody is to be denied for good by mistake.
        self.expires = cells.get("expiration") or "none" if self.length is None else _moment(now + self.length)
        self.note = f"CrowdSec: {cells.get('reason', '')}"[:500]
        self.left_out = _left_out(cells, scope, self.length)
        """Why it is left out; empty where it is not."""


def _left_out(cells: dict[str, str], scope: str, length: int | None) -> str:
    if scope.lower() not in ("ip", "range"):
        return f"a decision about {cells.get('ip', '') or 'nobody'!r}; only those of scope Ip and Range name addresses"
    if cells.get("action", "").lower() != "ban":
        return f"a decision to {cells.get('action', '')!r}, which only CrowdSec's bouncers can carry out"
    if cells.get("simulated", "").lower() == "true":
        return "a simulated decision"
    return "it has run out" if length is not None and length <= 0 else ""


def _length(text: str) -> int | None:
    """The microseconds of a Go duration, like ``167h59m58.123s`` or ``-2m``; None where it is none."""
    bare = text.strip().removeprefix("-")
    total, at = 0, 0
    while part := _PART.match(bare, at):
        unit = _UNITS[part[3]]
        total += int(part[1]) * unit + (int(part[2]) * unit // 10 ** len(part[2]) if part[2] else 0)
        at = part.end()
    if not bare or at < len(bare):
        return None
    return -total if text.strip().startswith("-") else total


def _moment(at: int) -> str:
    """A time as the lists' files have it, in whole seconds, rounded up."""
    return datetime.fromtimestamp(-(-at // SECOND), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
