"""The deny and allow lists: add, remove, ask, import, export.

Job: the deeds of an administrator about list entries. Promise: an import is whole or not at all, unless he asks to skip bad rows; each bad row is
named. Limits: the whole list goes into one deed, so an edit costs as much as the list is long.
"""

import csv
import io
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct, structs

from gatepost.admin.desk import Desk, Who
from gatepost.core.access import Entry, Verb, check_entries
from gatepost.core.decisions import QUESTION_STAGES, Allow, Question, QuestionStage, Refuse
from gatepost.core.deeds import AdoptLists
from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.spans import Span
from gatepost.core.subjects import client, prefix_text


class AddEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Allow or deny an address, prefix or range."""

    verb: Annotated[Verb, Meta(title="List", description="allow or deny.")]
    prefix: Annotated[str, Meta(title="Address", description="An address, a prefix or a range.", max_length=100, examples=["203.0.113.0/24"])]
    protocols: Annotated[tuple[Protocol, ...], Meta(title="Protocols", description="Where it counts; empty: everywhere.")] = ()
    detection: Annotated[bool, Meta(title="Detection", description="No rule about a client, network or pair counts or holds it.")] = True
    logins: Annotated[bool, Meta(title="Log-ins only", description="Only the rules about failed log-ins leave it alone, instead of all.")] = False
    relay: Annotated[bool, Meta(title="Relay", description="It may relay mail through this server without a log-in.")] = False
    expires: Annotated[Span | None, Meta(title="Expires", description="After so long; empty: stays until removed.", examples=["90d"])] = None
    note: Annotated[str, Meta(title="Note", description="What you want to remember about it.", max_length=500)] = ""
    replace: Annotated[bool, Meta(title="Replace", description="Replace the entry for the same prefix instead of refusing.")] = False
    confirm_relay: Annotated[bool, Meta(title="Confirm", description="Yes, that many addresses may relay.")] = False


class Checked(Struct, frozen=True, kw_only=True):
    """What would happen to a client now, and which entry decides."""

    client: str
    protocol: Protocol
    stage: QuestionStage
    verdict: str
    reason: str = ""
    entry: Entry | None = None


class Imported(Struct, frozen=True, kw_only=True):
    """What an import did or would do."""

    added: int
    replaced: int
    bad: list[str]
    """Each bad row: its line, and what is wrong with it."""
    applied: bool


def list_entries(desk: Desk) -> tuple[Entry, ...]:
    """All entries, the host's own networks included."""
    return desk.guard.standing.entries()


def _entry(asked: AddEntry, now: int) -> Entry:
    try:
        return Entry(
            verb=asked.verb,
            prefix=asked.prefix.strip(),
            protocols=asked.protocols,
            detection=asked.detection,
            logins=asked.logins,
            relay=asked.relay,
            expires=now + asked.expires.us if asked.expires else 0,
            note=asked.note,
        )
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None


def _check_relay(entry: Entry, confirmed: bool) -> None:
    """A relay box for many addresses, or for private ones, wants a second confirmation: an open relay is a disaster."""
    if not entry.relay or confirmed:
        return
    for net in entry.networks:
        if net.prefixlen < (24 if net.version == 4 else 64):
            raise BadInputError(f"relay: {prefix_text(net)} is wider than a /24 (IPv6: /64); confirm that all of it may relay (--confirm-relay)")
        if net.is_private or net.is_loopback:
            raise BadInputError(f"relay: {prefix_text(net)} is a private network, where a proxy can stand for anybody; confirm it (--confirm-relay)")


async def add_entry(desk: Desk, who: Who, asked: AddEntry) -> Entry:
    """Puts an entry on a list. Raises BadInputError where it contradicts another one or would hit whom it must not."""
    entry = _entry(asked, desk.now())
    _check_relay(entry, asked.confirm_relay)
    if entry.verb == "deny":
        desk.check_harmless(entry.prefix, who)
    before = [each for each in list_entries(desk) if each.networks == entry.networks]
    kept = [each for each in list_entries(desk) if not (each in before and (asked.replace or each.own))]
    own = any(each.own for each in before)
    await _adopt(desk, who, (*kept, structs.replace(entry, own=own)), f"access.{entry.verb}", entry.prefix, before or None, entry)
    return entry


async def remove_entry(desk: Desk, who: Who, prefix: str) -> list[Entry]:
    """Takes all entries for a prefix off the lists. Raises BadInputError where there is none, or it is the host's own network."""
    wanted = _entry(AddEntry(verb="deny", prefix=prefix), desk.now()).networks
    found = [each for each in list_entries(desk) if each.networks == wanted]
    if not found:
        raise BadInputError(f"prefix: there is no entry for {prefix}; gatepost access list shows them all")
    if any(each.own for each in found):
        raise BadInputError(f"prefix: {prefix} is one of this host's own networks; it can be changed for a protocol, not removed")
    await _adopt(desk, who, tuple(each for each in list_entries(desk) if each not in found), "access.remove", prefix, found, None)
    return found


async def _adopt(desk: Desk, who: Who, entries: tuple[Entry, ...], action: str, subject: str, before: object, after: object) -> None:
    try:
        check_entries(entries)
    except ValueError as wrong:
        raise BadInputError(str(wrong)) from None
    await desk.do(AdoptLists(desk.now(), entries), who, action, subject, before, after)


def check_client(desk: Desk, address: str, protocol: Protocol = "smtp", stage: QuestionStage = "connect") -> Checked:
    """What would happen to a client now, and why. Raises BadInputError where it is no address."""
    try:
        found = client(address)
    except ValueError:
        raise BadInputError(f"client: {address!r} is no address") from None
    if protocol not in PROTOCOLS or stage not in QUESTION_STAGES:
        raise BadInputError(f"protocol: one of {', '.join(PROTOCOLS)}; stage: one of {', '.join(QUESTION_STAGES)}")
    verdict = desk.guard.judge(Question(desk.now(), found, protocol, stage))
    entry = verdict.entry if isinstance(verdict, Allow | Refuse) else None
    decision = None if isinstance(verdict, Allow) else verdict.decision
    reason = (decision.rule or decision.reason or "administrator") if decision else ""
    return Checked(client=found, protocol=protocol, stage=stage, verdict=type(verdict).__name__.lower(), reason=reason, entry=entry)


# --- import and export

COLUMNS = ("list", "prefix", "protocols", "detection", "logins", "relay", "expires", "note")


def export_entries(desk: Desk) -> str:
    """The lists as CSV, without the host's own networks as they come."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for entry in list_entries(desk):
        if entry.own:
            continue
        expires = datetime.fromtimestamp(entry.expires // 1_000_000, UTC).isoformat() if entry.expires else ""
        boxes = ["yes" if box else "no" for box in (entry.detection, entry.logins, entry.relay)]
        rows.writerow([entry.verb, entry.prefix, " ".join(entry.protocols), *boxes, expires, entry.note])
    return out.getvalue()


async def import_entries(desk: Desk, who: Who, text: str, verb: Verb | None = None, skip_bad: bool = False, dry_run: bool = False) -> Imported:
    """Adds the entries of a CSV (with the columns that export writes) or of plain lines of prefixes, for which ``verb`` names the list."""
    entries, bad = _rows(desk, who, text, verb)
    new = {entry.networks: entry for entry in entries}
    kept = [each for each in list_entries(desk) if each.networks not in new or not set(each.on) & set(new[each.networks].on)]
    replaced = len(list_entries(desk)) - len(kept)
    applied = not dry_run and bool(entries) and (skip_bad or not bad)
    if applied:
        await _adopt(desk, who, (*kept, *entries), "access.import", f"{len(entries)} entries", None, None)
    return Imported(added=len(entries) - replaced, replaced=replaced, bad=bad, applied=applied)


def _rows(desk: Desk, who: Who, text: str, verb: Verb | None) -> tuple[list[Entry], list[str]]:
    found: dict[object, Entry] = {}
    bad = []
    lines = text.split("\n")
    header = lines[0].strip().lower().split(",") if "," in lines[0] and "prefix" in lines[0].lower() else None
    for number, line in enumerate(lines, 1):
        bare = line.partition("#")[0].strip() if header is None else line.strip()
        if not bare or (header is not None and number == 1):
            continue
        try:
            entry = _row(bare, header, verb, desk.now())
            if entry.verb == "deny":
                desk.check_harmless(entry.prefix, who)
            if entry.relay:
                raise BadInputError("relay: an import never gives the relay box; use gatepost access allow PREFIX --relay")
            if entry.networks in found:
                raise BadInputError(f"prefix: {entry.prefix} stands twice in the file")
        except ValueError as wrong:
            bad.append(f"line {number}: {wrong}")
            continue
        found[entry.networks] = entry
    return list(found.values()), bad


def _row(bare: str, header: list[str] | None, verb: Verb | None, now: int) -> Entry:
    if header is None:
        if verb is None:
            raise BadInputError("list: say whether these are allowed or denied (--allow or --deny), or begin with the line " + ",".join(COLUMNS))
        return _entry(AddEntry(verb=verb, prefix=bare), now)
    cells = dict(zip(header, next(csv.reader([bare])), strict=False))
    listed = cells.get("list", verb or "")
    if listed not in ("allow", "deny"):
        raise BadInputError(f"list: {listed!r} is neither allow nor deny")
    boxes = {name: _box(cells, name, name == "detection") for name in ("detection", "logins", "relay")}
    protocols = cells.get("protocols", "").split()
    for name in protocols:
        if name not in PROTOCOLS:
            raise BadInputError(f"protocols: {name!r} is none; some of {' '.join(PROTOCOLS)}")
    expires = cells.get("expires", "")
    entry = Entry(
        verb="allow" if listed == "allow" else "deny",
        prefix=cells.get("prefix", ""),
        protocols=tuple(protocols),  # type: ignore[arg-type]
        note=cells.get("note", ""),
        **boxes,
    )
    return structs.replace(entry, expires=_moment(expires)) if expires else entry


def _box(cells: dict[str, str], name: str, default: bool) -> bool:
    text = cells.get(name, "").strip().lower()
    if text not in ("", "yes", "no", "true", "false", "1", "0"):
        raise BadInputError(f"{name}: {text!r} is neither yes nor no")
    return default if not text else text in ("yes", "true", "1")


def _moment(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError(f"expires: {text!r} is no time; write it like 2027-01-31T00:00:00Z") from None
    if found.tzinfo is None:
        raise BadInputError("expires: name its offset, like 2027-01-31T00:00:00Z")
    return int(found.timestamp()) * 1_000_000
