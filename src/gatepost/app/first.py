"""The first start: look back before anybody is held.

Job: replay the last days of the logs that were found, say who would have been held and who of them is good, and offer allow entries. Promise: nothing
is allowed without a yes. Limits: once, when there is no state yet.
"""

import asyncio
from collections.abc import Callable, Sequence
from glob import escape, glob
from pathlib import Path

from gatepost.admin.actions.access import AddEntry, add_entry
from gatepost.admin.desk import Desk, Who
from gatepost.aid.discover import Findings
from gatepost.aid.replay import Replay
from gatepost.app.past import PastLogs
from gatepost.config import Settings
from gatepost.core.deeds import Pause
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, Span

LOOK_BACK = 7 * DAY

Show = Callable[[PastLogs, Replay], None]
Accept = Callable[[str], bool]


class FirstStart:
    """What to do at the first start: ``show`` prints a replay, ``accept`` asks for a yes, ``observe`` only watches for so long."""

    def __init__(self, show: Show, accept: Accept, observe: int = 0) -> None:

        self._show = show
        self._accept = accept
        self._observe = observe

    async def look(self, desk: Desk, settings: Settings, found: Findings, paths: Sequence[str]) -> None:
        """Looks back, offers allow entries, and begins to enforce, or to observe first."""
        made = await asyncio.to_thread(self._replay, desk, settings, paths)
        offers = {net.prefix: net.why for net in found.trusted}
        if made is not None:
            offers |= dict.fromkeys(_good(made), "held in the past days, yet it logged in well or delivered mail")
        await self._offer(desk, offers)
        if self._observe:
            at = desk.now()
            await desk.do(Pause(at, at + self._observe), Who("gatepost"), "pause", reason=f"observe first, for {Span(self._observe)}")

    def _replay(self, desk: Desk, settings: Settings, paths: Sequence[str]) -> Replay | None:
        files = [name for path in paths for name in _series(path, desk.now())]
        if not files:
            return None
        logs = PastLogs(files, settings)
        made = logs.replay(desk.guard.order.engine.rules, desk.guard.standing.entries())
        try:
            for number, lines in logs.batches():
                made.feed(number, lines)
        except BadInputError:
            return None  # a damaged old log is no reason not to guard
        if made.reader.coverage.mail_lines:
            self._show(logs, made)
        return made

    async def _offer(self, desk: Desk, offers: dict[str, str]) -> None:
        known = {entry.prefix for entry in desk.guard.standing.entries()}
        new = {prefix: why for prefix, why in offers.items() if prefix not in known}
        if not new:
            return
        listed = "\n".join(f"  {prefix}  ({why})" for prefix, why in new.items())
        if not self._accept(f"These look trustworthy:\n{listed}\nAllow them? No rule would count or hold them."):
            return
        for prefix, why in new.items():
            try:
                await add_entry(desk, Who("gatepost"), AddEntry(verb="allow", prefix=prefix, note=why))
            except BadInputError:
                continue  # it contradicts or repeats one that is there


def _good(made: Replay) -> list[str]:
    """The held clients that did well."""
    subjects = {told.decision.subject.text: told.decision for told in made.told.values() if told.decision.subject.by == "client"}
    return [text for text, decision in subjects.items() if (deeds := made.deeds_in(decision)).logins or deeds.messages]


def _series(path: str, at: int) -> list[str]:
    """A log and its rotated ones, as far as they were written to within the last days."""
    found = []
    for name in (path, *sorted(glob(f"{escape(path)}[.-]*"))):
        file = Path(name)
        if file.is_file() and file.stat().st_mtime_ns // 1000 > at - LOOK_BACK:
            found.append(name)
    return found
