"""Which files are a log, one after the other.

Job: hold open what must be read of a log: the log itself, what rotation has moved away from it and is not finished, and after a start all that was
written since. Promise: rotation by renaming, by copying and truncating, and replacement by other content each lead to the rest of the old
lines and then to the new ones, once; whatever was missed between two looks is found by its content. Limits: what was truncated and is in no
copy is lost; where its length is known it is counted.

A renamed file stays open for some seconds (``grace``) behind its last line and for as long as nothing is in the log after it: who writes to it has
perhaps not noticed.
"""

import os
from collections.abc import Callable

from msgspec.structs import replace

from gatepost.core.faults import BadInputError
from gatepost.inlets.logfile_cursor import Cursor, Fingerprint, Place, digest
from gatepost.inlets.logfile_rotated import Found, Rotated, look
from gatepost.inlets.logfile_source import EVERYTHING, ReplacedError, Source, identity

RECENT = 32
"""Finished files that are remembered by their fingerprint."""
ATTEMPTS = 10
"""How often files are looked for anew because rotation moved them meanwhile."""


class Trail:
    """The files of the log at ``path``. ``clock`` tells seconds that only go forward, ``now`` microseconds since 1970."""

    def __init__(self, path: str, folder: str, grace: float, clock: Callable[[], float], now: Callable[[], int]) -> None:
        self.path = path
        self.rotated = Rotated(path, folder)
        self.sources: list[Source] = []
        """What is open, the oldest first."""
        self.recent: list[Fingerprint] = []
        self.problem = ""
        """Why the log itself cannot be read now."""
        self.rotations = 0
        self.lost_bytes = 0
        """Bytes that were there and could not be read before they went."""
        self.lost_trails = 0
        """How often the file that we had stopped in was not found, so that an unknown number of lines may be lost."""
        self._grace = grace
        self._clock = clock
        self._now = now
        self._at_end = False

    @property
    def current(self) -> Source | None:
        """The log itself; None while it does not exist, or cannot be opened."""
        last = self.sources[-1] if self.sources else None
        return last if last is not None and last.finish_at is None else None

    def places(self) -> list[Place]:
        """How far each file was given out."""
        return [source.place() for source in self.sources if source.quiet_to < EVERYTHING]

    # --- the start

    def begin_at_end(self) -> None:
        """Begins behind what is there now: there is no cursor."""
        self.recent = [Fingerprint(len(found.head), digest(found.head)) for found in self.rotated.all()[-RECENT:]]
        self._at_end = os.path.lexists(self.path)
        self.follow()

    def resume(self, cursor: Cursor, remembered: list[Place] | None) -> None:
        """Opens all that was written since a cursor; from the places of the reader's memory, if it has any, to the cursor's it is read quietly."""
        self.recent = list(cursor.recent)
        for attempt in range(ATTEMPTS):
            try:
                self._resume(cursor, remembered)
            except (ReplacedError, OSError, BadInputError):
                self.close()
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                break
        self.follow()

    def _resume(self, cursor: Cursor, remembered: list[Place] | None) -> None:
        log = look(self.path)
        located = [(place, self._locate(place, log)) for place in cursor.places]
        self.lost_trails = sum(found is None and place.head.length > 0 for place, found in located)
        for place, found in located:
            if found is not None:
                self._open(found, place.opened, place.offset)
        last, where = located[-1] if located else (Place(0, 0, 0, Fingerprint(0, b""), cursor.at), None)
        if where is None or log is None or where.identity != log.identity:
            if where is None and last.head.length:  # what was written after the cursor cannot be what we have read
                last = replace(last, opened=max(last.opened, cursor.at))
            self._open_between(last, log, where.path if where is not None else "")
            if log is not None:
                self._open(log, self._now())
        if log is not None:
            self.sources[-1].finish_at = None
        if remembered is not None:
            self._read_quietly(remembered)

    def _locate(self, place: Place, log: Found | None) -> Found | None:
        """The file of a place. A log that was empty may have been filled, copied and truncated since: then that it is the same file says nothing."""
        found = self.rotated.locate(place)
        return None if found is not None and log is not None and found.identity == log.identity and not place.head.length else found

    def _read_quietly(self, remembered: list[Place]) -> None:
        """Moves what is open back to where the reader's memory ends, and puts files before it that were finished since."""
        newer = list(self.sources)
        before = 0
        for place in remembered:
            found = self.rotated.locate(place)
            if found is None or place.head.length == 0:
                continue
            source = next((source for source in self.sources if source.identity == found.identity), None)
            if source is None:
                self._open(found, place.opened, place.offset)
                source = self.sources.pop()
                source.quiet_to, source.finish_at = EVERYTHING, 0.0
                self.sources.insert(before, source)
                before += 1
            else:
                newer.remove(source)
                source.move_back(place.offset)
        for source in newer:
            source.move_back(0)

    def _open(self, found: Found, opened: int, offset: int = 0) -> None:
        """Opens a file that was found, as one that is not the log any more. Raises ReplacedError where it is not what was found any more."""
        source = Source(found.path, opened, offset, found.head)
        if source.identity != found.identity or not source.head.startswith(found.head):
            source.close()
            raise ReplacedError
        if not found.head:
            source.head = b""  # whether what it holds by now is the first that it held is looked for when it begins
        age = (self._now() - found.changed) / 1_000_000
        source.finish_at = self._clock() + min(max(self._grace - age, 0.0), self._grace)
        self.sources.append(source)

    def _open_between(self, than: Place, log: Found | None, where: str) -> None:
        """Opens what was the log after a place's file, and is not any more."""
        known = [*self.recent, *(source.place().head for source in self.sources)]
        for found in self.rotated.newer(than, known, log, where):
            self._open(found, than.opened)

    # --- the way

    def follow(self) -> bool:
        """Looks whether the log's name leads to another file; True where it does, and that is open. All that is open was read to its end."""
        current = self.current
        try:
            told = os.stat(self.path)
            if current is not None and identity(told) == current.identity:
                self.problem = ""
                return False
            new = Source(self.path, self._now())
        except FileNotFoundError:
            self.problem = "does not exist; waiting for it"
            self._at_end = False
            return False
        except BadInputError as wrong:
            self.problem = wrong.said
            return False
        except OSError as wrong:
            self.problem = f"cannot be read: {wrong.strerror}"
            return False
        if new.compressed:
            new.close()
            self.problem = "is compressed; name the file that grows"
            return False
        self._switch(current, new)
        return True

    def _switch(self, old: Source | None, new: Source) -> None:
        """The log is a new file."""
        self.problem = ""
        if old is not None:
            self.rotations += 1
            old.finish_at = self._clock() + self._grace
            taken = Found(self.path, new.identity, 0, 0, False, new.head)
            try:
                self._open_between(old.place(), taken, "")
            except (ReplacedError, OSError, BadInputError):
                # Rotated once more at this very moment: look again.
                new.close()
                old.finish_at = None
                self._drop_behind(old)
                return
        elif self._at_end:
            new.start_at_end()
            self._at_end = False
        self.sources.append(new)

    def began(self, source: Source) -> bool:
        """Whether there is something in a file that was empty. What is there may be the second that was, and the first be in a copy."""
        if not source.begin():
            return False
        if source is self.current:
            self.sources.pop()
            try:
                self._open_between(source.place(), Found(self.path, source.identity, 0, 0, False, source.head), "")
            except (ReplacedError, OSError, BadInputError):
                source.head = b""
                return False
            finally:
                self.sources.append(source)
        return True

    def _drop_behind(self, old: Source) -> None:
        at = self.sources.index(old) + 1
        for source in self.sources[at:]:
            source.close()
        del self.sources[at:]

    def replaced(self, source: Source) -> list[str] | None:
        """A file holds other content than before. Gives the half line to be read that is nowhere else; None where it must be tried again."""
        if source is not self.current:
            return self._finish(source)
        place = source.place()
        copies = [found for found in self.rotated.all() if found.is_at(place) and place.head.length and found.identity != source.identity]
        copy = next((found for found in copies if found.compressed or found.size >= place.offset), None)
        lost = max(source.known_size - source.position, 0)
        self.sources.remove(source)
        kept = len(self.sources)
        try:
            if copy is not None:
                self._open(copy, source.opened, place.offset)
                self.sources[-1].finish_at = 0.0
            new = Source(self.path, self._now())
            try:
                taken = Found(self.path, new.identity, 0, 0, False, new.head)
                self._open_between(place, taken, copy.path if copy is not None else "")
            finally:
                self.sources.append(new)
        except (ReplacedError, OSError, BadInputError) as wrong:
            for each in self.sources[kept:]:
                each.close()
            self.sources[kept:] = [source]
            self.problem = f"cannot be read: {wrong}"
            return None
        self.rotations += 1
        self._remember_finished(source)
        lines = source.cutter.finish() if copy is None else []
        source.close()
        if copy is None:
            self.lost_bytes += lost
        return lines

    def finished(self, source: Source) -> list[str] | None:
        """What is left of a file that was read to its end, if nobody writes to it any more: it is closed then."""
        if source.finish_at is None or source is self.sources[-1] or self._clock() < source.finish_at:
            return None
        later = self.sources[self.sources.index(source) + 1 :]
        return self._finish(source) if source.compressed or source.gone() or any(each.size() for each in later) else None

    def _finish(self, source: Source) -> list[str]:
        self.sources.remove(source)
        self._remember_finished(source)
        source.close()
        return source.cutter.finish()

    def _remember_finished(self, source: Source) -> None:
        head = source.place().head
        if head.length and head not in self.recent:
            self.recent = [*self.recent, head][-RECENT:]

    def late(self, source: Source) -> None:
        """Something arrived in a file that had come to its end."""
        source.ended = False
        if source.finish_at is not None:
            source.finish_at = max(source.finish_at, self._clock() + self._grace)

    def close(self) -> None:
        """Closes all files."""
        for source in self.sources:
            source.close()
        self.sources.clear()
