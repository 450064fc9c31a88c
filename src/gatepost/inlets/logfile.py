"""A mail log that grows: each line once, as soon as it is written.

Job: follow one log file through rotation, truncation and our own restarts, hand its lines to a reader, and report what they tell with the cursor
after them. Promise: a fact and the cursor behind its line are reported together, so that whoever stores both in one transaction has each line's
facts once, whatever is killed when; a slice at a time, so that others on the loop have their turn. Limits: a line counts when its newline is
there, or its file is finished; nothing is later than now. Where the kernel tells nothing of changes (network file systems) we look four times
a second.

The reader's memory of open sessions can be large, so it is not in the cursor: it is saved now and then, under a name of its own, with the places
that it has seen. After a restart the lines from there to the cursor are read again for the memory alone. Both are written by `report`, the cursor
first: the memory that a store has is never ahead of the cursor.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from gatepost.core.faults import BadInputError
from gatepost.inlets.files import DAMAGED
from gatepost.inlets.inotify import Inotify
from gatepost.inlets.logfile_cursor import VERSION, Cursor, Memory, Place, decode, encode
from gatepost.inlets.logfile_source import EVERYTHING, ReplacedError, Source
from gatepost.inlets.logfile_trail import Trail
from gatepost.inlets.logfile_watch import Watch
from gatepost.pipeline.guard import Report
from gatepost.wire.maillog.reader import Coverage, Reader

MEMORY_EVERY = 1.0
"""Seconds between two savings of the reader's memory at least."""
MEMORY_SHARE = 50
"""The time between two savings is at least so many times what one takes."""


class LogFileSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mail log to follow."""

    path: Annotated[str, Meta(description="The file that the mail log is written to.", min_length=1, max_length=4096, examples=["/var/log/mail.log"])]
    daemon: Annotated[str, Meta(description="Daemon of lines that name none; empty: told by their form.", max_length=64, examples=["dovecot"])] = ""
    timezone: Annotated[str, Meta(description="Zone of stamps that name none; empty: the host's.", max_length=64, examples=["Europe/Berlin"])] = ""
    rotated_to: Annotated[str, Meta(description="Folder that rotation moves files to; empty: they stay beside the log.", max_length=4096)] = ""
    grace_s: Annotated[int, Meta(description="Seconds for which late lines in a renamed file are waited for.", ge=0, le=3600)] = 10
    poll_ms: Annotated[int, Meta(description="Milliseconds between looks at a file of which the kernel told nothing.", ge=50, le=60_000)] = 1_000
    slice: Annotated[int, Meta(description="Bytes read at a time while others wait for their turn.", ge=4_096, le=1 << 20)] = 8_192
    catch_up_slice: Annotated[int, Meta(description="Bytes read at a time while catching up.", ge=4_096, le=1 << 24)] = 65_536


class LogFileState(Struct, kw_only=True):
    """How a log is doing, for status, doctor and metrics. Times are microseconds since 1970 UTC, 0 where there is none."""

    path: str
    reading: bool
    """Whether a file is open."""
    problem: str
    """What is wrong, and what is done about it; empty where all is well."""
    watching: str
    """``inotify``, or ``polling`` and why."""
    last_line_at: int
    """The newest time that a line told."""
    last_read_at: int
    """When it was read to its end last: old while it is behind, or cannot be read."""
    lag_bytes: int
    lag_us: int
    """How old the newest line is, if more waits to be read."""
    lines: int
    facts: int
    rotations: int
    lost_bytes: int
    """Bytes that are known to have gone unread."""
    lost_trails: int
    """How often the file that we had stopped in was nowhere: an unknown number of lines may be lost."""
    memory_bytes: int
    """What the reader's memory took when it was saved last."""
    coverage: Coverage
    """What the reader understood since the first start; ``cut`` counts lines that were too long."""


class LogFileInlet:
    """Follows one log file. ``saved`` holds what was reported before a restart, by name; what is not ours in it is left alone."""

    def __init__(
        self,
        settings: LogFileSettings,
        report: Report,
        now: Callable[[], int],
        saved: Mapping[str, bytes],
        *,
        zone: tzinfo,
        default_domain: str = "",
        domains: Mapping[str, str] | None = None,
        inotify: Inotify | None = None,
    ) -> None:
        """``report(facts, name, cursor, lines)`` is called on the loop's thread, a line for each fact.

        Raises BadInputError where the path leads to what is no log.
        """
        _refuse(settings.path)
        self.settings = settings
        self.name = f"logfile:{settings.path}"
        """The cursor's name in a store."""
        self.memory_name = f"{self.name}#memory"
        self._report = report
        self._now = now
        self.reader = Reader(daemon=settings.daemon, timezone=zone, latest=now(), default_domain=default_domain, domains=domains)
        self._trail = Trail(settings.path, settings.rotated_to, settings.grace_s, time.monotonic, now)
        self._watch = Watch(self._trail, inotify)
        self._saved: Mapping[str, bytes] | None = saved
        self._trouble = ""
        self._lines = self._facts = self._looked_at = 0
        self._unsaved = False
        """Lines were read since the memory was saved."""
        self._next_saving = 0.0
        self._memory_bytes = 0

    # --- what the guard calls

    async def catch_up(self) -> None:
        """Reads what was written while we were down, and returns."""
        self._start()
        current = self._trail.current
        goal = current.size() if current is not None else 0
        while self._step(self.settings.catch_up_slice):
            self._save_if_due()
            if current is not None and self._trail.current is current and current.position >= goal and all(s.ended for s in self._trail.sources[:-1]):
                break
            await asyncio.sleep(0)
        self._save()

    async def run(self) -> None:
        """Follows the file until it is cancelled."""
        self._start()
        self._watch.open(self.settings.poll_ms / 1000)
        try:
            while True:
                self._watch.look_around()
                while self._step(self.settings.slice):
                    self._save_if_due()
                    self._watch.found()
                    await asyncio.sleep(0)
                self._save_if_due()
                await self._watch.wait()
        finally:
            self._save()
            self._watch.close()
            self._trail.close()
            self._saved = {}

    def state(self) -> LogFileState:
        """How it is doing."""
        trail = self._trail
        lag = sum(max(source.size() - source.position, 0) for source in trail.sources)
        newest = max(self.reader.newest, 0)
        return LogFileState(
            path=self.settings.path,
            reading=bool(trail.sources),
            problem=trail.problem or self._trouble,
            watching=self._watch.how,
            last_line_at=newest,
            last_read_at=self._looked_at,
            lag_bytes=lag,
            lag_us=max(self._now() - newest, 0) if lag and newest else 0,
            lines=self._lines,
            facts=self._facts,
            rotations=trail.rotations,
            lost_bytes=trail.lost_bytes,
            lost_trails=trail.lost_trails,
            memory_bytes=self._memory_bytes,
            coverage=self.reader.coverage,
        )

    # --- reading

    def _start(self) -> None:
        """Opens the files, once."""
        saved, self._saved = self._saved, None
        if saved is None:
            return
        cursor, memory = decode(saved.get(self.name), Cursor), decode(saved.get(self.memory_name), Memory)
        if cursor is None:
            self._trail.begin_at_end()
        else:
            self._trail.resume(cursor, self._recall(memory))
        self._report((), self.name, self._cursor(), ())
        self._unsaved = True
        self._save()

    def _recall(self, memory: Memory | None) -> list[Place] | None:
        """Gives the reader its memory back, and tells how far it has seen; None where there is none."""
        if memory is None:
            return None
        try:
            self.reader.load(memory.reader)
        except ValueError:
            return None
        return memory.places

    def _step(self, size: int) -> bool:
        """Reads one slice, or looks whether the log has moved on. False where nothing is to be done before something happens."""
        sources = self._trail.sources
        if len(sources) > 1:
            # What is read for the memory alone comes first, then the oldest file.
            sources = sorted(sources, key=lambda source: not source.quiet)
        for source in sources:
            try:
                if source.skip(size) or self._read(source, size):
                    return True
            except ReplacedError:
                return self._replaced(source)
            except (OSError, *DAMAGED) as wrong:
                self._failed(source, wrong)
            if self._finished(source):
                return True
        self._looked_at = self._now()
        if not self._trail.follow():
            return False
        self._trouble = ""
        self._moved_on()
        return True

    def _read(self, source: Source, size: int) -> bool:
        if not source.head and not source.compressed and self._trail.began(source):
            self._moved_on()
            return True
        piece = source.read(size)
        if not piece:
            source.ended = True
            if source.quiet_to < EVERYTHING:
                source.quiet_to = 0
            return False
        if source.ended:
            self._trail.late(source)
        self._take(source.cutter.feed(piece), source.position <= source.quiet_to)
        return True

    def _replaced(self, source: Source) -> bool:
        lines = self._trail.replaced(source)
        if lines is None:
            return False
        self._take(lines, source.quiet)
        self._moved_on()
        return True

    def _finished(self, source: Source) -> bool:
        lines = self._trail.finished(source)
        if lines is None:
            return False
        self._take(lines, source.quiet_to == EVERYTHING)
        self._moved_on()
        return True

    def _moved_on(self) -> None:
        """Other files are open than before."""
        self._unsaved = True
        self._save()
        self._watch.look_around()

    def _failed(self, source: Source, wrong: Exception) -> None:
        """A file cannot be read further now; the log itself is tried again."""
        self._trouble = f"{source.path}: cannot be read: {wrong}; trying again" if source.finish_at is None else f"{source.path}: {wrong}; left out"
        source.ended = True
        if source.finish_at is None:
            with contextlib.suppress(OSError):
                source.reopen()

    def _take(self, lines: list[str], quiet: bool) -> None:
        """Reads lines, and reports what they tell."""
        if not lines:
            return
        now = self._now()
        self.reader.latest = now
        found = self.reader.read(lines, 0)
        self._unsaved = True
        if quiet:
            return
        self._lines += len(lines)
        if found:
            self._facts += len(found)
            facts = [fact if fact.at <= now else replace(fact, at=now) for _, fact in found]
            self._report(facts, self.name, self._cursor(), [lines[number] for number, _ in found])

    # --- what is saved

    def _cursor(self) -> bytes:
        return encode(Cursor(VERSION, self._now(), self._trail.places(), self._trail.recent))

    def _save_if_due(self) -> None:
        if self._unsaved and time.monotonic() >= self._next_saving:
            self._save()

    def _save(self) -> None:
        """Saves the cursor, and the reader's memory behind it."""
        sources = self._trail.sources
        if not self._unsaved or any(source.quiet for source in sources):
            return
        start = time.monotonic()
        places = [source.remembered() for source in sources]
        memory = encode(Memory(VERSION, places, self.reader.dump()))
        self._report((), self.name, self._cursor(), ())
        self._report((), self.memory_name, memory, ())
        self._unsaved = False
        self._memory_bytes = len(memory)
        end = time.monotonic()
        self._next_saving = end + max(MEMORY_EVERY, MEMORY_SHARE * (end - start))


def _refuse(path: str) -> None:
    """Raises BadInputError where a path leads to something that is no log. That it is missing, or may not be read, can change."""
    try:
        source = Source(path, 0)
    except OSError:
        return
    packed = source.compressed
    source.close()
    if packed:
        raise BadInputError("is compressed; name the file that grows", path)
