"""The guard's own problems: told once when they begin, and once when they are over.

Job: compare what is wrong now with what was told. Promise: a problem is told once, after it lasted a moment, and its end once it stayed away for a
while: what comes and goes is no flood. Limits: pure; times are arguments, in microseconds since 1970 UTC.
"""

from collections.abc import Mapping

from gatepost.core.spans import SECOND
from gatepost.pipeline.messengers import Notice

LASTS = 10 * SECOND
"""A problem that is over sooner is not told: a log that is being rotated, a kernel table that is built anew."""
AWAY = 60 * SECOND
"""One that stayed away for so long is over."""


class Troubles:
    """What is known to be wrong."""

    def __init__(self, lasts: int = LASTS, away: int = AWAY) -> None:
        self._lasts, self._away = lasts, away
        self._since: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._told: dict[str, str] = {}

    def look(self, wrong: Mapping[str, str], at: int) -> list[Notice]:
        """What is wrong now, by who has it; returns what is to be told."""
        found = []
        for source, text in wrong.items():
            self._seen[source] = at
            since = self._since.setdefault(source, at)
            if source not in self._told and (at - since >= self._lasts or at < since):
                self._told[source] = text
                found.append(Notice(kind="trouble", at=since, source=source, text=text))
        for source in [source for source in self._since if source not in wrong]:
            away = at - self._seen[source]
            if source not in self._told:
                del self._since[source], self._seen[source]
            elif away >= self._away or away < 0:
                found.append(Notice(kind="cured", at=self._seen[source], source=source, text=self._told.pop(source)))
                del self._since[source], self._seen[source]
        return found
