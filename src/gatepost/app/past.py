"""Past logs, wired: settings become files, a reader and a replay.

Job: choose the concrete classes and hand each its settings and collaborators. Promise: nothing is read before it is asked for. Limits: it decides
nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo

from gatepost.aid.country import Countries
from gatepost.aid.replay import Replay
from gatepost.config import Settings, zone
from gatepost.core.access import Entry
from gatepost.core.facts import Fact
from gatepost.core.rules import Rule
from gatepost.inlets.files import InOrder, LogFile
from gatepost.wire.maillog.reader import Reader, time_of


class PastLogs:
    """Log files and the reader that understands them, wired together."""

    def __init__(self, paths: Sequence[str], settings: Settings, year: int | None = None) -> None:
        self.settings = settings
        self.year = year
        self.now = time.time_ns() // 1000
        self.zone: tzinfo = zone(settings.logs.timezone)
        self.countries = Countries(settings.country.database)
        self.files = [LogFile(path) for path in paths]
        self.order = InOrder(self.files, self._clock)
        self.reader = Reader(
            daemon=settings.logs.daemon,
            timezone=self.zone,
            year=year,
            latest=self.now,
            default_domain=settings.accounts.default_domain,
            domains=settings.accounts.domains,
        )

    def _clock(self, file: LogFile) -> Callable[[str], int | None]:
        return time_of(self.zone, self.year, file.changed or self.now, self.settings.logs.daemon)

    def _begin(self, file: LogFile) -> None:
        self.reader.latest = file.changed or self.now

    def batches(self) -> Iterator[tuple[int, list[str]]]:
        """The lines of all files in the order of time, with the number of the first of each batch."""
        return self.order.batches(self._begin)

    def facts(self) -> Iterator[tuple[int, Fact]]:
        """What the lines tell, each fact with its line's number."""
        for number, lines in self.batches():
            yield from self.reader.read(lines, number)

    def replay(self, rules: tuple[Rule, ...], entries: tuple[Entry, ...]) -> Replay:
        """A replay that waits to be fed with `batches`."""
        return Replay(self.reader, rules, entries)
