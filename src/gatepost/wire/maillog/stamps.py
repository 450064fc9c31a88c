"""When a line was written.

Job: turn the stamps of RFC 3164, RFC 5424, ISO 8601 and Exim into microseconds since 1970 UTC.
Promise: a stamp without a year is of the latest year that does not pass ``latest`` by a day (or follows the year that the administrator
gave); one without a zone is read in the time zone given, and the hour that comes twice in autumn is told by the order of lines. Nothing passes
``latest`` by more than a day: a zone that was not told may be another. What is no stamp raises `NoStampError`.
Limits: an hour that comes twice cannot be told from the first if nothing was logged in between; then it is the first.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from gatepost.wire.maillog.grammar import names

SECOND = 1_000_000
DAY = 86_400 * SECOND
JITTER = 120 * SECOND
"""How far the order of lines may step back, counted from a minute's start, before a doubtful hour is taken for its second coming."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MONTHS = {name: n for n, name in enumerate(names("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"), 1)}
ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?(?: ?([Zz]|[+-][0-9]{2}:?[0-9]{2}))?")
SECONDS = {f"{n:02}": n * SECOND for n in range(60)}
CLOSE_YEARS = 9
"""How many years the 29th of February may lie back: eight around a century without a leap day."""


class NoStampError(LookupError):
    """A text is no stamp."""


class Stamps:
    """Reads stamps in the order of their lines; remembers the newest, and the minute that it read last."""

    __slots__ = ("_base", "_latest", "_minute", "_second", "_start", "_zone", "newest", "timezone", "year")

    def __init__(self, timezone: tzinfo, year: int | None, latest: int) -> None:
        self.timezone = timezone
        self.year = year
        self.newest = -1
        """The newest time read so far, or -1."""
        self._latest = latest
        self._minute = self._second = ""
        self._zone = "?"
        self._base = self._start = 0

    @property
    def latest(self) -> int:
        """About the newest time that a stamp can have (microseconds): a file's last change; a live reader moves it on with its clock."""
        return self._latest

    @latest.setter
    def latest(self, at: int) -> None:
        """Moves the bound on."""
        self._latest = at
        self._minute = self._second = ""

    def read(self, text: str) -> int:
        """The time that a stamp spells. Raises `NoStampError`."""
        try:
            if text[:13] == self._minute and (second := SECONDS.get(text[13:])) is not None:
                at = self._base + second  # most stamps share their minute with the one before
            elif text[:19] == self._second and text[26:] == self._zone:
                at = self._start + int(text[20:26])  # and most of those with a fraction their second
            else:
                at = self._iso(text) if text[:1].isdigit() else self._rfc3164(text)
        except (ValueError, KeyError, OverflowError):
            raise NoStampError(text) from None
        return at if at <= self.newest else self.clamp(at)

    def clamp(self, at: int) -> int:
        """A time as it counts: a day past ``latest`` at most, so that one mad stamp cannot make all that follow it late."""
        if at > self._latest + DAY:
            at = self._latest + DAY
        if at > self.newest:
            self.newest = at
        return at

    def _rfc3164(self, text: str) -> int:
        """``Nov 24 10:00:01``, perhaps with a fraction; a day below ten has a second space or not."""
        if text[5:6] == " ":
            text = text[:4] + " " + text[4:]
        minute, seconds = text[:13], text[13:15]
        if text[12:13] != ":" or not (seconds.isascii() and seconds.isdigit()):
            raise NoStampError(text)
        if minute != self._minute:
            self._base = self._guess_year(MONTHS[minute[:3]], int(minute[4:6]), int(minute[7:9]), int(minute[10:12]))
            self._minute = minute
        fraction = text[16:22]
        return self._base + int(seconds) * SECOND + (int(fraction.ljust(6, "0")) if fraction else 0)

    def _iso(self, text: str) -> int:
        found = ISO.fullmatch(text)
        if found is None:
            raise NoStampError(text)
        day, seconds, fraction, zone = found.groups()
        minute = day + (zone or "")
        if minute != self._minute:
            local = datetime.fromisoformat(day)
            self._base = (local.replace(tzinfo=_zone(zone)) - EPOCH) // TICK if zone else self._local(local)
            self._minute = minute
        start = self._base + int(seconds) * SECOND
        if not fraction:
            return start
        if zone and len(fraction) == 6:
            self._second, self._zone, self._start = text[:19], zone, start
        return start + int(fraction[:6].ljust(6, "0"))

    def _guess_year(self, month: int, day: int, hour: int, minute: int) -> int:
        """The start of a minute whose year was not written."""
        if self.year is not None and self.newest < 0:
            return self._local(datetime(self.year, month, day, hour, minute))
        # Without a year the bound is the file's end; with one, the line follows its neighbour and not the calendar of today.
        start = EPOCH + timedelta(microseconds=self._latest if self.year is None else self.newest)
        bound = (self._latest if self.year is None else self.newest + 183 * DAY) + DAY
        for year in range(start.year + 1, max(start.year - CLOSE_YEARS, 1), -1):
            try:
                at = self._local(datetime(year, month, day, hour, minute))
            except ValueError:
                continue
            if at <= bound:
                return at
        raise NoStampError("no such day")

    def _local(self, local: datetime) -> int:
        """The time of a wall clock that tells no zone. Where it is doubtful, the second coming is only believed once the first has passed."""
        first = (local.replace(tzinfo=self.timezone) - EPOCH) // TICK
        second = (local.replace(tzinfo=self.timezone, fold=1) - EPOCH) // TICK
        if second > first and first + JITTER < self.newest and second <= self._latest:
            return second
        return first


def _zone(text: str) -> tzinfo:
    """The fixed zone of a stamp: ``Z``, ``+01:00`` or ``+0100``."""
    if text in "Zz":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
