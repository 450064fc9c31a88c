"""weakforced's API, done by the same deeds as the command line's.

Job: turn ``reset``, the black list and the white list into lifts, holds and list entries. Promise: what an administrator may not do (shut out this
host, contradict a list) is refused here too, with the reason; the audit trail names the asking address. Limits: a login on the white list is
refused: an account that nobody counts would be an open door.
"""

from typing import Any

import msgspec

from gatepost.admin.actions.access import AddEntry, add_entry, list_entries, remove_entry
from gatepost.admin.actions.blocks import AddBlock, Block, Unblock, add_block, list_blocks, subject_of, unblock
from gatepost.admin.desk import Desk, Who
from gatepost.admin.faults import UnknownError
from gatepost.core.access import Entry
from gatepost.core.deeds import Hold
from gatepost.core.faults import BadInputError
from gatepost.core.spans import LONGEST, SECOND, Span
from gatepost.core.subjects import Subject, client, pair
from gatepost.wire.dovecot_policy import OK, Listed
from gatepost.wire.toml_files import moment


class WeakforcedDeeds:
    """Does what a command asks for."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, command: str, about: Listed, peer: str) -> bytes:
        """The body of the answer. Raises ValueError with the reason where a deed is not done."""
        who = Who(f"weakforced API, {peer}")
        if command == "getBL":
            return msgspec.json.encode({"bl_entries": self._black()})
        if command == "getWL":
            return msgspec.json.encode({"wl_entries": [_listed(entry) for entry in self._entries("allow")]})
        if not about.prefix and not about.login:
            raise BadInputError("name an ip, a netmask or a login")
        await {
            "reset": self._reset,
            "addBLEntry": self._add_black,
            "delBLEntry": self._remove_black,
            "addWLEntry": self._add_white,
            "delWLEntry": self._remove_white,
        }[command](about, who)
        return OK

    # --- the deeds

    async def _reset(self, about: Listed, who: Who) -> None:
        """What is counted of an address and of a login is cleared, and what holds them lifted."""
        for name in (about.prefix, about.login):
            if name:
                await unblock(self._desk, who, Unblock(subject=name))
        if about.prefix and about.login:
            await unblock(self._desk, who, Unblock(subject=self._subject(about).text))

    async def _add_black(self, about: Listed, who: Who) -> None:
        if about.login:
            now, subject = self._desk.now(), self._subject(about)
            deed = Hold(now, subject, now + min(about.seconds * SECOND or LONGEST, LONGEST), reason=about.reason)
            await self._desk.do(deed, who, "blocks.add", subject.text, reason=about.reason)
        elif about.seconds and about.seconds * SECOND <= LONGEST:
            await add_block(self._desk, who, AddBlock(prefix=about.prefix, hold_for=Span(about.seconds * SECOND), reason=about.reason, confirm=True))
        else:
            await add_entry(self._desk, who, AddEntry(verb="deny", prefix=about.prefix, note=about.reason, replace=True))

    async def _remove_black(self, about: Listed, who: Who) -> None:
        subject = self._subject(about) if about.login else subject_of(self._desk, about.prefix)
        await unblock(self._desk, who, Unblock(subject=subject.text))
        if not about.login and any(entry.prefix == subject.text for entry in self._entries("deny")):
            await remove_entry(self._desk, who, about.prefix)

    async def _add_white(self, about: Listed, who: Who) -> None:
        if about.login:
            raise BadInputError("login: nobody stands above the rules by name; allow the addresses that it comes from")
        expires = Span(about.seconds * SECOND) if about.seconds else None
        await add_entry(self._desk, who, AddEntry(verb="allow", prefix=about.prefix, expires=expires, note=about.reason, replace=True))

    async def _remove_white(self, about: Listed, who: Who) -> None:
        if about.login or not any(entry.prefix == subject_of(self._desk, about.prefix).text for entry in self._entries("allow")):
            raise UnknownError("there is no such entry on the white list")
        await remove_entry(self._desk, who, about.prefix)

    # --- what stands

    def _subject(self, about: Listed) -> Subject:
        """A login, or a login at an address."""
        name = self._desk.canonical(about.login)
        if not name:
            raise BadInputError("login: is empty")
        return Subject("pair", pair(name, client(about.prefix))) if about.prefix else Subject("account", name)

    def _entries(self, verb: str) -> list[Entry]:
        return [entry for entry in list_entries(self._desk) if entry.verb == verb and entry.prefix]

    def _black(self) -> list[dict[str, Any]]:
        now = self._desk.now()
        return [*(_held(block, now) for block in list_blocks(self._desk)), *(_listed(entry) for entry in self._entries("deny"))]


def _held(block: Block, now: int) -> dict[str, Any]:
    """A hold as weakforced lists it."""
    about = {"account": {"login": block.subject}, "network": {"netmask": block.subject}, "client": {"ip": block.subject}}
    if block.by == "pair":
        login, _, ip = block.subject.rpartition(" from ")
        about["pair"] = {"login": login, "ip": ip}
    left = {"expiration": moment(block.until), "expire_secs": max(0, (block.until - now) // SECOND)}
    return about[block.by] | left | {"reason": block.reason or block.rule}


def _listed(entry: Entry) -> dict[str, Any]:
    """A list entry as weakforced lists it."""
    expiration = {"expiration": moment(entry.expires)} if entry.expires else {}
    return {"netmask" if "/" in entry.prefix or "-" in entry.prefix else "ip": entry.prefix, **expiration, "reason": entry.note}
