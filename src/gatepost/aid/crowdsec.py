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
    """The rows as Gatepost's own columns, and what is left out, by line. ``now`` is in microseconds since 1970 UTC."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    out, left = io.StringIO(), []
    writer = csv.writer(out, lineterminator="\n")
    header = [cell.strip().lower() for cell in next(rows)]
    writer.writerow(("prefix", "expires", "note"))
    for row in rows:
        cells = dict(zip(header, row, strict=False))
        scope, _, value = cells.get("ip", "").partition(":")
        because = _left_out(cells, scope) if row else ""
        if because:
            left.append(f"line {rows.line_num}: {because}")
        length = _length(cells.get("expiration", ""))
        if length is not None and length <= 0 and not because:
            left.append(f"line {rows.line_num}: it has run out")
            because = "out"
        if not row or because:
            out.write("\n")
            continue
        # What is no length, or missing, is left for the list to refuse: nobody is to be denied for good by mistake.
        expires = cells.get("expiration") or "none" if length is None else _moment(now + length)
        writer.writerow((value, expires, f"CrowdSec: {cells.get('reason', '')}"[:500]))
    return out.getvalue(), left


def _left_out(cells: dict[str, str], scope: str) -> str:
    if scope.lower() not in ("ip", "range"):
        return f"a decision about {cells.get('ip', '') or 'nobody'!r}; only those of scope Ip and Range name addresses"
    if cells.get("action", "").lower() != "ban":
        return f"a decision to {cells.get('action', '')!r}, which only CrowdSec's bouncers can carry out"
    return "a simulated decision" if cells.get("simulated", "").lower() == "true" else ""


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
