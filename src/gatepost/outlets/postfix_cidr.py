"""Hides AUTH from held clients: a table for Postfix's ``smtpd_discard_ehlo_keyword_address_maps``.

Job: keep a file in the form of cidr_table(5) that names every address and network whose log-ins on SMTP are refused now, and who inside is not.
Promise: the file is replaced in one go; it is there from the start on, and after we stop, then with nobody in it; a change is written within seconds,
at most once in `every_s`, since each makes smtpd processes start anew. Limits: a crash leaves the file as it was until the next start; of more than
`most` prefixes those that end first are left out, told; Postfix looks through the table line by line.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from gatepost.core.access import Entry
from gatepost.core.decisions import Brake, Decision, Effect, Question, Refuse, Verdict
from gatepost.core.subjects import Client, prefix_text
from gatepost.pipeline.mirrors import MirrorState, Standing

HEADING = "# Gatepost writes this table: clients that are not offered AUTH. Changes are overwritten.\n"
HIDE, SHOW = "AUTH", "silent-discard"
"""What is left out of the answer to EHLO: AUTH, or nothing (a word that only keeps the log quiet)."""


class PostfixCidrSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table that hides AUTH."""

    path: Annotated[str, Meta(description="The file; empty: none.", max_length=4096, examples=["/var/lib/gatepost/postfix_auth.cidr"])] = ""
    every_s: Annotated[int, Meta(description="Seconds between two changes, at least.", ge=1, le=3600)] = 5
    most: Annotated[int, Meta(description="Prefixes in it, at most.", ge=1, le=100_000)] = 5_000

    def __post_init__(self) -> None:
        """Raises ValueError where Postfix could not find the file."""
        if self.path and not self.path.startswith("/"):
            raise ValueError("path: write the whole path, like /var/lib/gatepost/postfix_auth.cidr")


class PostfixCidr:
    """The mirror."""

    def __init__(self, settings: PostfixCidrSettings, standing: Standing, judge: Callable[[Question], Verdict], now: Callable[[], int]) -> None:
        self._settings, self._standing, self._judge, self._now = settings, standing, judge, now
        self._path = Path(settings.path)
        self._until: dict[str, int] = {}
        """Until when each address or prefix is held."""
        self._written: str | None = None
        self._dirty = asyncio.Event()
        self._state = MirrorState(name="postfix_cidr")

    # --- what the guard calls

    def mark(self, effects: Iterable[Effect]) -> None:
        """Looks at what stands for the subjects of these effects."""
        now = self._now()
        for effect in effects:
            if not isinstance(effect, Brake) and effect.decision.subject.by in ("client", "network"):
                self._look(effect.decision.subject.text, self._standing.about(effect.decision.subject.text, now))

    def mark_lists(self) -> None:
        """The lists changed, or a grace was given."""
        self._touch()

    async def settled(self) -> None:
        """Returns at once: a client that sees AUTH a few seconds longer is refused all the same, when he asks."""

    async def run(self) -> None:
        """Writes until it is cancelled; then leaves a table with nobody in it."""
        for decision in self._standing.holds(self._now()):
            if decision.subject.by in ("client", "network"):
                self._look(decision.subject.text, [decision])
        try:
            while True:
                self._write(self._table())  # a few thousand short lines: a millisecond
                self._dirty.clear()
                await asyncio.sleep(self._settings.every_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._dirty.wait(), self._next_end())
        finally:
            self._write(HEADING)

    def state(self) -> MirrorState:
        """How it is doing."""
        return self._state

    # --- the table

    def _look(self, name: str, decisions: Iterable[Decision]) -> None:
        until = max((each.until for each in decisions if each.action == "block" and "smtp" in each.protocols), default=0)
        if until != self._until.get(name, 0):
            if until:
                self._until[name] = until
            else:
                del self._until[name]
            self._touch()

    def _touch(self) -> None:
        self._dirty.set()

    def _next_end(self) -> float:
        """Seconds until the first hold runs out; a minute at most, for entries and graces that run out."""
        first = min(self._until.values(), default=0)
        return min(60.0, max(0.0, (first - self._now()) / 1_000_000)) if first else 60.0

    def _table(self) -> str:
        now = self._now()
        self._until = {name: until for name, until in self._until.items() if until > now}
        held = sorted(self._until, key=self._until.__getitem__, reverse=True)
        entries = [entry for entry in self._standing.entries() if "smtp" in entry.on and entry.in_force(now)]
        denied = [prefix_text(net) for entry in entries if entry.verb == "deny" for net in entry.networks]
        wanted = [name for name in dict.fromkeys(denied + held) if "/" in name or self._refused(name, now)]
        hidden = wanted[: self._settings.most]
        self._state.decided, self._state.unenforced = len(hidden), len(wanted) - len(hidden)
        lines = dict.fromkeys(hidden, HIDE)
        nets = [ip_network(name) for name in hidden if "/" in name]
        for name in self._exceptions(entries, now) if nets else ():
            inside = ip_network(name)
            if any(net.version == inside.version and inside.subnet_of(net) for net in nets):  # type: ignore[arg-type]
                lines[name] = SHOW
        # The first line that fits counts: the longest prefix first.
        ordered = sorted(lines, key=lambda name: (-ip_network(name).prefixlen, name))
        return HEADING + "".join(f"{name} {lines[name]}\n" for name in ordered)

    def _refused(self, name: str, now: int) -> bool:
        return isinstance(self._judge(Question(now, Client(name), "smtp", "login")), Refuse)

    def _exceptions(self, entries: Iterable[Entry], now: int) -> Iterator[str]:
        """Who is let log in, be it that a wider prefix is held: those on the allow list, and those with a grace."""
        for entry in entries:
            if entry.verb == "allow" and entry.speaks:
                yield from (prefix_text(net) for net in entry.networks)
        yield from (name for name in self._standing.graces(now) if " " not in name)  # accounts' have one

    def _write(self, text: str) -> None:
        """Replaces the file, where that changes anything."""
        if text == self._written and self._path.exists():
            return
        made = ""
        try:
            fd, made = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            with open(fd, "w", encoding="ascii") as file:
                os.fchmod(fd, 0o644)
                file.write(text)
            os.replace(made, self._path)
        except OSError as wrong:
            self._state.working, self._state.problem = False, f"{self._path}: {wrong.strerror}; AUTH is hidden from nobody new"
            with contextlib.suppress(OSError):
                os.unlink(made)
            return
        self._written = text
        self._state.enforced = self._state.decided
        self._state.working, self._state.problem = True, ""
