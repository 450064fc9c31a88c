"""The lists as files: import and export.

Job: read a CSV or plain lines into entries, add them to the lists, and write the lists as CSV. Promise: an import is whole or not at all, unless
the administrator asks to skip bad rows; each bad row is named; what export writes, import reads back the same, and a spreadsheet executes none of it.
Limits: texts, not files.
"""

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct, structs

from gatepost.admin.actions.access import AddEntry, check_version, entry_of, list_entries
from gatepost.admin.desk import Desk, Harm, Who
from gatepost.admin.hostnames import MOST_NAMES, look_up, with_name
from gatepost.core.access import Entry, Place, Verb
from gatepost.core.deeds import AdoptLists
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.texts import say
from gatepost.wire.explain import explain

COLUMNS = ("list", "prefix", "protocols", "detection", "logins", "relay", "expires", "note")
_LIVELY = ("=", "+", "-", "@", "\t", "\r", "'")
"""What a spreadsheet takes for the start of a formula, and the mark that makes it text."""

MOST_TOLD = 10_000
"""Entries of an import that the audit trail tells one by one; a longer one cannot be undone."""

Row = tuple[int, Entry]


class Imported(Struct, frozen=True, kw_only=True):
    """What an import did or would do."""

    added: int
    replaced: int
    duplicates: int
    """Rows that repeat another row or an entry that is there."""
    bad: list[str]
    """Each bad row: its line, and what is wrong with it."""
    applied: bool


def export_entries(desk: Desk) -> str:
    """The lists as CSV, without the host's own networks as they come."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for entry in list_entries(desk):
        if entry.own or (entry.name and entry.prefix):
            continue
        expires = datetime.fromtimestamp(entry.expires // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if entry.expires else ""
        boxes = ["yes" if box else "no" for box in (entry.detection, entry.logins, entry.relay)]
        note = f"'{entry.note}" if entry.note.startswith(_LIVELY) else entry.note
        rows.writerow([entry.verb, entry.prefix or entry.name, " ".join(entry.protocols), *boxes, expires, note])
    return out.getvalue()


async def import_entries(
    desk: Desk,
    who: Who,
    text: str,
    verb: str = "",
    *,
    skip_bad: bool = False,
    dry_run: bool = False,
    confirm_relay: bool = False,
    protocols: str = "",
    version: str = "",
) -> Imported:
    """Adds the entries of a CSV (with the columns that export writes) or of plain lines of prefixes, for which ``verb`` names the list.

    ``protocols`` is where rows count that name no protocols themselves.
    """
    listed: Verb | None = "allow" if verb == "allow" else "deny" if verb == "deny" else None
    if verb and listed is None:
        raise BadInputError(say("list: {verb!r} is neither allow nor deny", verb=verb))
    # Reading is the long part of a long list: it goes into a thread, so that the guard goes on.
    rows, bad = await asyncio.to_thread(read_list, text, listed, desk.now(), confirm_relay, protocols)
    names = await _look_up(desk, [row for row in rows if row[1].name], bad)
    check_version(desk, version)
    merge = _Merge(desk, who, names)
    for line, entry in rows:
        try:
            merge.add(line, entry)
        except BadInputError as wrong:
            bad.append((line, wrong.said))
    found = Imported(
        added=len(merge.new) - len(merge.replaced),
        replaced=len(merge.replaced),
        duplicates=merge.duplicates,
        bad=[say("line {line}: {said}", line=line, said=said) for line, said in sorted(bad)],
        applied=not dry_run and (skip_bad or not bad),
    )
    if found.applied and merge.new:
        after: dict[str, Any] = {"added": found.added, "replaced": found.replaced}
        if len(merge.new) <= MOST_TOLD:
            after["entries"] = merge.new
        before = list(merge.replaced.values()) or None
        await desk.do(AdoptLists(desk.now(), merge.entries()), who, "access.import", f"{len(merge.new)} entries", before, after)
    return found


async def _look_up(desk: Desk, rows: list[Row], bad: list[tuple[int, str]]) -> dict[str, tuple[str, ...]]:
    """The addresses of the host names among the rows; the others are bad."""
    found: dict[str, tuple[str, ...]] = {}
    for line, entry in rows:
        try:
            if len(found) >= MOST_NAMES:
                raise BadInputError(say("prefix: {most} host names at most; use addresses", most=MOST_NAMES))
            found[entry.name] = await look_up(desk, entry.name)
        except BadInputError as wrong:
            bad.append((line, wrong.said))
    return found


class _Merge:
    """The lists as they are, and rows to be added."""

    def __init__(self, desk: Desk, who: Who, names: dict[str, tuple[str, ...]]) -> None:
        self.new: list[Entry] = []
        self.replaced: dict[int, Entry] = {}
        self.duplicates = 0
        self._harm = Harm(desk, who)
        self._there = list_entries(desk)
        self._taken: dict[Place, list[Entry]] = {}
        self._lines: dict[Place, list[Row]] = {}
        self._addresses = names
        self._wishes = {each.name: each for each in self._there if each.name and not each.prefix}
        for entry in self._there:
            for place in entry.places:
                self._taken.setdefault(place, []).append(entry)

    def add(self, line: int, entry: Entry) -> None:
        """Takes a row in. Raises BadInputError where it cannot stand beside what is there."""
        if entry.name:
            self._add_name(entry)
            return
        if entry.verb == "deny":
            self._harm.check_deny(entry)
        rows = {each[0]: each[1] for place in entry.places for each in self._lines.get(place, ()) if _meet(each[1], entry)}
        if rows:
            other, before = next(iter(rows.items()))
            if _same(before, entry):
                self.duplicates += 1
                return
            raise BadInputError(say("prefix: {prefix} stands in line {other} too, with other words", prefix=entry.prefix, other=other))
        there = {id(each): each for place in entry.places for each in self._taken.get(place, ()) if _meet(each, entry) and not each.name}
        for each in there.values():
            self._check_beside(each, entry)
        if any(_same(each, entry) for each in there.values()):
            self.duplicates += 1
            return
        self.replaced |= there
        own = any(each.own for each in there.values())
        self.new.append(entry if entry.own == own else structs.replace(entry, own=own))
        for place in entry.places:
            self._lines.setdefault(place, []).append((line, entry))

    def _add_name(self, entry: Entry) -> None:
        if entry.name not in self._addresses:
            return  # told already
        there = self._wishes.get(entry.name)
        if there == entry:
            self.duplicates += 1
            return
        if there is not None:
            self.replaced[id(there)] = there
        self._wishes[entry.name] = entry
        self.new.append(entry)

    def _check_beside(self, there: Entry, entry: Entry) -> None:
        if there.verb != entry.verb:
            raise BadInputError(
                say("prefix: {prefix} stands on the {verb} list ({there}); remove it there first", prefix=entry.prefix, verb=there.verb, there=there)
            )
        if there.places != entry.places:
            raise BadInputError(say("prefix: {prefix} overlaps the entry {there}; remove one of them", prefix=entry.prefix, there=there))
        if there.own and entry.expires:
            raise BadInputError(say("expires: {prefix} is one of this host's own networks, and stays; leave it out", prefix=entry.prefix))

    def entries(self) -> tuple[Entry, ...]:
        """The lists with the rows in them; an address that a host name stood for and that has a row of its own now goes by the row."""
        own = self._lines
        kept = (each for each in self._there if id(each) not in self.replaced and not (each.name and any(place in own for place in each.places)))
        found: tuple[Entry, ...] = (*kept, *(each for each in self.new if not each.name))
        for wish in self.new:
            if wish.name:
                found = with_name(found, wish, self._addresses[wish.name])
        return found


def _meet(one: Entry, other: Entry) -> bool:
    return not set(one.on).isdisjoint(other.on)


_said = attrgetter(*(name for name in Entry.__struct_fields__ if name not in ("prefix", "own")))
"""What an entry says of its addresses."""


def _same(one: Entry, other: Entry) -> bool:
    return one.places == other.places and _said(one) == _said(other)


# --- reading a file


def read_list(text: str, verb: Verb | None, now: int, confirm_relay: bool = False, protocols: str = "") -> tuple[list[Row], list[tuple[int, str]]]:
    """The entries of a text, and what is wrong with which line. Raises BadInputError where it is no list at all."""
    _protocols(protocols)
    found: list[Row] = []
    bad: list[tuple[int, str]] = []
    for line, cells in _cells(text.removeprefix("\ufeff"), verb):
        try:
            if isinstance(cells, str):
                raise BadInputError(cells)
            entry = _entry(cells, verb, now, protocols)
            if entry.relay and not confirm_relay:
                raise BadInputError(say("relay: an import gives the relay box only where you confirm it (--confirm-relay)"))
        except BadInputError as wrong:
            bad.append((line, wrong.said))
        else:
            found.append((line, entry))
    return found, bad


def _cells(text: str, verb: Verb | None) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each row with the line on which it begins: its cells by column, or what is wrong with it."""
    first = next((line for line in text.split("\n") if line.strip()), "").lower()
    header = [cell.strip() for cell in first.replace(";", ",").split(",")]
    if "prefix" in header or (len(header) > 1 and get_close_matches("prefix", header)):
        yield from _csv_cells(text, ";" if ";" in first else ",")
        return
    if verb is None and first:
        raise BadInputError(
            say("list: say whether these are allowed or denied (--allow or --deny), or begin with the line {columns}", columns=",".join(COLUMNS))
        )
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.partition("#")[0].partition(";")[0].strip()
        if bare:
            yield number, {"prefix": bare}


def _csv_cells(text: str, delimiter: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header: list[str] = []
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as wrong:
            yield line, say("row: is no CSV ({wrong})", wrong=str(wrong))
            continue
        if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
            continue
        if not header:
            header = _header(row)
        elif len(row) > len(header):
            yield (
                line,
                say(
                    "row: has {cells} cells, but there are {columns} columns; put quotes around text with {delimiter!r} in it",
                    cells=len(row),
                    columns=len(header),
                    delimiter=delimiter,
                ),
            )
        else:
            yield line, dict(zip(header, row, strict=False))


def _header(row: list[str]) -> list[str]:
    found = [cell.strip().lower() for cell in row]
    for name in found:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, 1)
            cure = say("did you mean {near}?", near=near[0]) if near else say("they may be {columns}", columns=COLUMNS)
            raise BadInputError(say("columns: {name!r} is none; {cure}", name=name, cure=cure))
    if "prefix" not in found or len(set(found)) != len(found):
        raise BadInputError(say("columns: prefix must be there, and each once"))
    return found


def _protocols(text: str) -> list[str]:
    found = text.lower().replace(",", " ").split()
    for name in found:
        if name not in PROTOCOLS:
            raise BadInputError(say("protocols: {name!r} is none; some of {protocols}", name=name, protocols=" ".join(PROTOCOLS)))
    return found


def _entry(cells: dict[str, str], verb: Verb | None, now: int, protocols: str) -> Entry:
    listed = cells.get("list", "").strip().lower() or verb or ""
    if listed not in ("allow", "deny"):
        raise BadInputError(
            say("list: {verb!r} is neither allow nor deny", verb=listed) if listed else say("list: is empty; allow or deny (--allow, --deny for all)")
        )
    note = cells.get("note", "")
    asked = {
        "verb": listed,
        "prefix": cells.get("prefix", ""),
        "protocols": _protocols(cells.get("protocols", "")) or _protocols(protocols),
        "note": note[1:] if note[:1] == "'" and note[1:].startswith(_LIVELY) else note,
    } | {name: _box(cells, name, name == "detection") for name in ("detection", "logins", "relay")}
    try:
        return entry_of(msgspec.convert(asked, AddEntry), now, _moment(cells.get("expires", "").strip(), now))
    except msgspec.ValidationError as wrong:
        raise BadInputError(explain(wrong, AddEntry, asked)[0]) from None


def _box(cells: dict[str, str], name: str, default: bool) -> bool:
    text = cells.get(name, "").strip().lower()
    if text not in ("", "yes", "no", "true", "false", "1", "0"):
        raise BadInputError(say("{name}: {text!r} is neither yes nor no", name=name, text=text))
    return default if not text else text in ("yes", "true", "1")


def _moment(text: str, now: int) -> int:
    if not text:
        return 0
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError(say("expires: {text!r} is no time; write it like 2027-01-31T00:00:00Z", text=text)) from None
    if found.tzinfo is None:
        raise BadInputError(say("expires: name its offset, like 2027-01-31T00:00:00Z"))
    at = int(found.timestamp()) * 1_000_000
    if at <= now:
        raise BadInputError(say("expires: {text} has passed already", text=text))
    return at
