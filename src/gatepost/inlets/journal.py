"""systemd's journal: each mail line once, as soon as it is written.

Job: follow the journal through `journalctl --output=json`, hand its lines to a reader, and report what they tell with the cursor after them. Promise:
a fact and the cursor behind its line are reported together, so that whoever stores both in one transaction has each line's facts once, whatever is
killed when; what journald dropped, or deleted before we had read it, is told; nothing is later than now. Limits: journald keeps what it is told by
any local program, under any name, as syslog does. Messages dropped by its rate limit are lost to us too: it says how many, not which.

The lines of mail daemons are those of the facility `mail`, and those under the daemons' usual names whatever the facility. At each start the program
is run twice: once to the end of what is there, over all boots, and then to follow, which journalctl does within the current boot alone.

As with log files, the reader's memory is saved apart from the cursor and less often. After a restart the lines from there to the cursor are read
again, for the memory alone.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from gatepost.inlets.journal_entry import FIELDS, SUPPRESSED, VERSION, Cursor, Entry, Memory, decode, encode, place, read
from gatepost.inlets.journal_process import FOLDERS, MissingError, Process
from gatepost.pipeline.guard import Report
from gatepost.wire.maillog.framing import readable
from gatepost.wire.maillog.reader import LONGEST, Coverage, Reader

NAME = "journal"
"""The cursor's name in a store."""
MAIL = "SYSLOG_FACILITY=2"
IDENTIFIERS = ("dovecot", "exim", "exim4", "postfix/postscreen", "postfix/smtpd", "postfix/smtps/smtpd", "postfix/submission/smtpd")
"""Names under which mail lines stand in other facilities too, as when a daemon in a container writes to its output."""
MEMORY_EVERY = 1.0
"""Seconds between two savings of the reader's memory at least."""
MEMORY_SHARE = 50
"""The time between two savings is at least so many times what one takes."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds until journalctl is started again after it ended; they double up to the longest while nothing comes."""
REMEMBERED = 3_600_000_000
"""Microseconds for which what was lost stays a problem that status shows; the counters keep it for good."""
NOT_ALLOWED = ("insufficient permissions", "not seeing messages from other users", "Permission denied")
GROUP_CURE = "this user may not read the system's journal: add it to the group systemd-journal (usermod -aG systemd-journal USER, then restart)"
RATE_CURE = "LogRateLimitIntervalSec=0 in that unit, or a greater RateLimitBurst in /etc/systemd/journald.conf, ends it"
KEEP_CURE = "a greater SystemMaxUse in /etc/systemd/journald.conf keeps more"


class JournalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """systemd's journal as a source of mail lines."""

    follow: Annotated[
        Literal["auto", "yes", "no"],
        Meta(description="Whether it is followed; auto: where mail daemons log to it alone, and no [[logfile]] is named."),
    ] = "auto"
    identifiers: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\s\x00]+$")], ...],
        Meta(description="Names of more mail daemons whose lines are not in the facility mail.", max_length=50, examples=[["mx-postfix/smtpd"]]),
    ] = ()
    directory: Annotated[str, Meta(description="Folder of the journal's files; empty: the system's.", max_length=4096)] = ""


class JournalState(Struct, kw_only=True):
    """How the journal is doing, for status, doctor and metrics. Times are microseconds since 1970 UTC, 0 where there is none."""

    reading: bool
    """Whether journalctl runs."""
    problem: str
    """What is wrong, and what helps; empty where all is well."""
    last_line_at: int
    """The newest time that a line told."""
    last_read_at: int
    """When something was read last."""
    lines: int
    facts: int
    suppressed: int
    """Messages that journald says it dropped."""
    gaps: int
    """How often the entry that we had stopped at was gone: an unknown number of lines is lost."""
    starts: int
    """How often journalctl was started."""
    memory_bytes: int
    """What the reader's memory took when it was saved last."""
    coverage: Coverage
    """What the reader understood since the first start."""


class JournalInlet:
    """Follows the journal. ``saved`` holds what was reported before a restart, by name; what is not ours in it is left alone."""

    def __init__(
        self,
        settings: JournalSettings,
        report: Report,
        now: Callable[[], int],
        saved: Mapping[str, bytes],
        *,
        default_domain: str = "",
        domains: Mapping[str, str] | None = None,
        folders: str = FOLDERS,
    ) -> None:
        """``report`` is called on the loop's thread. ``folders`` is where journalctl is looked for."""
        self.settings = settings
        self.name = NAME
        self.memory_name = f"{NAME}#memory"
        self._report = report
        self._now = now
        self._folders = folders
        self.reader = Reader(timezone=UTC, latest=now(), default_domain=default_domain, domains=domains)
        self._saved: Mapping[str, bytes] | None = saved
        self._cursor = Cursor(VERSION, "", now())
        """Up to here everything was reported."""
        self._at = ""
        """The entry that the reader has seen last: it lies before the cursor while lines are read for the memory alone."""
        self._resuming = self._judging = False
        """Whether what comes was reported already, up to the cursor; and whether it is a loss if that is not met."""
        self._running = self._unsaved = False
        self._next_saving = 0.0
        self._lines = self._facts = self._looked_at = self._suppressed = self._gaps = self._starts = self._memory_bytes = 0
        self._trouble = ""
        self._lost: dict[str, tuple[str, int]] = {}
        """What was lost lately, and when."""

    # --- what the guard calls

    async def catch_up(self) -> None:
        """Reads what was written while we were down, and returns. At the first start this is nothing: it begins at now."""
        if self._saved is not None:
            await self._begin()
        await self._pass(follow=False)
        self._save()

    async def run(self) -> None:
        """Follows the journal until it is cancelled; where journalctl ends, it is started again."""
        pause = FIRST_PAUSE
        try:
            while True:
                before = self._lines
                await self.catch_up()
                if not self._trouble:
                    await self._pass(follow=True)
                pause = FIRST_PAUSE if self._lines > before else min(2 * pause, LONGEST_PAUSE)
                await asyncio.sleep(pause)
        finally:
            self._save()

    def state(self) -> JournalState:
        """How it is doing."""
        recent = [said for said, at in self._lost.values() if self._now() - at < REMEMBERED]
        return JournalState(
            reading=self._running,
            problem="; ".join([*([self._trouble] if self._trouble else []), *recent]),
            last_line_at=max(self.reader.newest, 0),
            last_read_at=self._looked_at,
            lines=self._lines,
            facts=self._facts,
            suppressed=self._suppressed,
            gaps=self._gaps,
            starts=self._starts,
            memory_bytes=self._memory_bytes,
            coverage=self.reader.coverage,
        )

    # --- journalctl

    async def _begin(self) -> None:
        """Goes on from what was saved; else from the newest entry that is there, or where there is none, from now."""
        saved, self._saved = self._saved or {}, None
        cursor, memory = decode(saved.get(self.name), Cursor), decode(saved.get(self.memory_name), Memory)
        if cursor is not None:
            self._cursor = cursor
            self._at = cursor.entry
            if memory is not None and memory.entry and cursor.entry and self._recall(memory):
                self._at = memory.entry
        else:
            self._at = await self._newest()
            self._cursor = Cursor(VERSION, self._at, self._now())
        self._report((), self.name, encode(self._cursor), ())
        self._unsaved = True
        self._save()

    def _recall(self, memory: Memory) -> bool:
        """Gives the reader its memory back."""
        try:
            self.reader.load(memory.reader)
        except ValueError:
            return False
        return True

    async def _newest(self) -> str:
        """The cursor of the newest mail line; empty where there is none, or where it cannot be read, which what follows tells."""
        found = ""
        with suppress(OSError):
            async with self._process("--lines=1") as process:
                while (lines := await process.lines(MEMORY_EVERY)) is not None:
                    found = next((entry.cursor for line in lines if (entry := read(line)) is not None), found)
        return found

    def _process(self, *arguments: str) -> Process:
        where = [f"--directory={self.settings.directory}"] if self.settings.directory else []
        names = [f"+ SYSLOG_IDENTIFIER={name}".split(" ", 1) for name in (*IDENTIFIERS, *self.settings.identifiers)]
        wanted = [MAIL, *(part for name in names for part in name), "+", f"MESSAGE_ID={SUPPRESSED}"]
        # Without --all a message of more than 4 KiB is left out.
        return Process(["--output=json", f"--output-fields={','.join(FIELDS)}", "--all", "--no-pager", *where, *arguments, *wanted], self._folders)

    async def _pass(self, *, follow: bool) -> None:
        """Runs journalctl from where we are to its end. What is wrong is told in the state."""
        # --after-cursor leaves out one line too many where the entry is gone (systemd 252), so we take the entry itself, and leave that out.
        since = f"--cursor={self._at}" if self._at else f"--since=@{self._cursor.since // 1_000_000}.{self._cursor.since % 1_000_000:06}"
        self._resuming, self._judging = bool(self._at), not follow
        self._starts += 1
        try:
            async with self._process("--no-tail", since, *(["--follow"] if follow else [])) as process:
                self._running = True
                while (lines := await process.lines(MEMORY_EVERY)) is not None:
                    if lines:
                        self._take(lines)
                    self._notice(process)
                    self._save_if_due()
                    await asyncio.sleep(0)
                self._ended(process, follow=follow)
        except MissingError as wrong:
            self._trouble = f"{wrong}: install systemd, or name log files instead"
        except OSError as wrong:
            self._trouble = f"journalctl cannot be started: {wrong}; trying again"
        finally:
            self._running = False

    def _notice(self, process: Process) -> None:
        """Tells what a process that runs complains of, if it means that lines stay unseen."""
        self._trouble = GROUP_CURE if any(sign in process.complaint for sign in NOT_ALLOWED) else ""

    def _ended(self, process: Process, *, follow: bool) -> None:
        """Tells why a process ended, where that is not as it should be."""
        self._notice(process)
        if not self._trouble and (follow or process.code):
            said = process.complaint or "it said nothing"
            self._trouble = f"journalctl ended with {process.code} ({said}); trying again"

    # --- reading

    def _take(self, lines: list[str]) -> None:
        """Reads lines, and reports what they tell."""
        texts: list[str] = []
        for line in lines:
            entry = read(line) if len(line) <= LONGEST else None
            if entry is None:
                texts.append(line)
                continue
            seen = entry.cursor == self._at
            if self._resuming and self._is_beyond(entry):
                self._read(texts, quiet=True)
                self._resuming, texts = False, []
                if self._judging:
                    self._gap()
            self._at = entry.cursor
            if entry.tells_of_dropped:
                self._dropped(entry)
            elif not seen:
                texts.append(line)
            if self._resuming and entry.cursor == self._cursor.entry:
                self._read(texts, quiet=True)
                self._resuming, texts = False, []
        self._read(texts, quiet=self._resuming)

    def _is_beyond(self, entry: Entry) -> bool:
        """Whether an entry lies behind the cursor, so that it was never reported."""
        if entry.cursor == self._cursor.entry:
            return False
        end, here = place(self._cursor.entry), place(entry.cursor)
        return end is None or here is None or not here.is_before(end)

    def _gap(self) -> None:
        """The entry that we had stopped at is gone."""
        self._gaps += 1
        self._lost["gap"] = f"journald had deleted what we had not read: an unknown number of lines is lost; {KEEP_CURE}", self._now()

    def _dropped(self, entry: Entry) -> None:
        """Counts what journald says it dropped."""
        if self._resuming:
            return
        self._suppressed += entry.many
        unit = "".join(letter if letter.isprintable() else "?" for letter in (entry.unit or "a unit")[:100])
        said = f"journald dropped {self._suppressed:,} messages since the start, the last of {unit}, by its rate limit; {RATE_CURE}"
        self._lost["dropped"] = said, self._now()

    def _read(self, lines: list[str], *, quiet: bool) -> None:
        """Hands lines to the reader, and reports what they tell."""
        now = self._looked_at = self._now()
        self._unsaved = True
        self.reader.latest = now
        found = self.reader.read(lines, 0)
        if quiet:
            return
        self._cursor = Cursor(VERSION, self._at, now)
        self._lines += len(lines)
        if found:
            self._facts += len(found)
            facts = [fact if fact.at <= now else replace(fact, at=now) for _, fact in found]
            self._report(facts, self.name, encode(self._cursor), [readable(lines[number]) for number, _ in found])

    # --- what is saved

    def _save_if_due(self) -> None:
        if self._unsaved and time.monotonic() >= self._next_saving:
            self._save()

    def _save(self) -> None:
        """Saves the cursor, and the reader's memory behind it."""
        if not self._unsaved or self._saved is not None or self._at != self._cursor.entry:
            return
        start = time.monotonic()
        memory = encode(Memory(VERSION, self._at, self.reader.dump()))
        self._report((), self.name, encode(self._cursor), ())
        self._report((), self.memory_name, memory, ())
        self._unsaved = False
        self._memory_bytes = len(memory)
        end = time.monotonic()
        self._next_saving = end + max(MEMORY_EVERY, MEMORY_SHARE * (end - start))
