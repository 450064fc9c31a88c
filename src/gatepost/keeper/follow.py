"""The keeper at work: follows the journal, writes history, answers.

Job: read what the daemon wrote down, bring it through an engine of its own, and record facts, deeds and what followed from them. Promise: each entry
is in the history once, or counted as missing, whoever is killed when; the daemon is never waited for by more than a read. Limits: ends when
its socket does; what cannot be written waits in the journal, not in memory.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import msgspec

from gatepost.core.deeds import Deed
from gatepost.core.engine import Engine
from gatepost.core.snapshot import load
from gatepost.core.subjects import network
from gatepost.keeper.answers import Answers
from gatepost.keeper.files import HistorySettings, pieces
from gatepost.keeper.frames import QUESTIONS, Question, frame
from gatepost.keeper.history import AT_ONCE, History
from gatepost.keeper.previews import Previews
from gatepost.keeper.report import Reports
from gatepost.keeper.rows import Row, Rows
from gatepost.pipeline.order import Order
from gatepost.pipeline.previews import AskCancel, AskPreview, PreviewState
from gatepost.pipeline.recall import Answer, AskForget, AskWhy, Counts, Past
from gatepost.pipeline.reports import AskReport
from gatepost.stores.contract import Audit, Batch, DamagedError, Entry, Recovered, StoreError
from gatepost.stores.lock import Lock, lock
from gatepost.stores.sqlite import SqliteStore

LOOK = 0.25
"""Seconds between two looks at the journal."""
BEAT = 2.0
"""Seconds between two signs of life."""
RETRY = 5.0
PATIENCE = 10.0
PAUSE = 0.02
HANDED_OVER = 30.0
"""Seconds for which the keeper before us is waited for."""
SLICE = 16
"""Rows of the journal that are read before questions are looked at again."""


class Follower:
    """Follows one store into one folder."""

    def __init__(self, database: Path, folder: Path, settings: HistorySettings) -> None:
        self.problem = ""
        self.store = SqliteStore(database, create=False, patience=PATIENCE, pause=PAUSE)
        opened = self.store.open()
        self.history = History(folder, settings)
        if opened.last < self.history.place:
            self.history.begin_anew(opened.last)
        self.rows = Rows(self.history.salt, settings.mask)
        self.answers = Answers(self.history, self.rows)
        self.reports = Reports(self.history)
        self.previews = Previews(self.history)
        self._recorded = self.history.place
        """What lies up to here was recorded before we started."""
        self._order = self._engine(opened)
        self._applied = self._order.place
        """What lies up to here the engine had seen before we started."""
        self.place = min(self._recorded, self._applied)
        self._seen = 0
        """The place of the newest entry that was there."""
        self._since = 0.0
        """When the oldest of what waits came."""
        self._again_at = 0.0
        self._audits: tuple[int, list[Audit]] = (0, [])
        for name in self._order.engine.known.pairs.last:
            self.rows.exists(name.partition(" ")[2])

    def _engine(self, opened: Recovered) -> Order:
        """An engine as it was before the first entry that is not recorded; a later one where there is none so old."""
        before = [place for place in opened.snapshots if place <= self._recorded]
        for place in (*before, *(place for place in reversed(opened.snapshots) if place not in before)):
            try:
                return Order(load(self.store.snapshot(place)), place)
            except (StoreError, ValueError, LookupError) as wrong:
                self.problem = str(wrong)
        return Order(Engine())

    # --- following

    def step(self) -> bool:
        """Reads some of the journal. Returns whether there may be more."""
        if time.monotonic() < self._again_at:
            return False
        try:
            return self._read_some()
        except DamagedError as wrong:
            self.place = max(self.place, wrong.last)
            return True
        except (StoreError, duckdb.Error, OSError) as wrong:
            self.problem = f"history: {wrong}; trying again"
            self._again_at = time.monotonic() + RETRY
            return False

    def _read_some(self) -> bool:
        if len(self.history.waiting) >= AT_ONCE or (self.history.waiting and time.monotonic() >= self._since + self.history.settings.flush_s):
            self.history.flush(self.place)
        with contextlib.closing(self.store.batches_after(self.place)) as batches:  # type: ignore[type-var]
            return self._take_all(batches)

    def _take_all(self, batches: Iterator[Batch]) -> bool:
        before: Batch | None = None
        try:
            for turn, batch in enumerate(batches):
                if before is not None:
                    self._take(before, batch)
                before = None if turn == SLICE else batch
                if before is None:
                    return True
        except DamagedError:
            if before is not None:
                self._take(before)
            raise
        if before is not None:
            self._take(before)
        self.problem = ""
        return False

    def _take(self, batch: Batch, after: Batch | None = None) -> None:
        """Takes a row of the journal in; in the one after it a line can go on that the last of its facts come from."""
        made: list[Row] = []
        lines = batch.lines or [""] * len(batch.entries)
        first = max(self._seen, self._recorded) + 1
        if batch.first > first:
            made.append(self.rows.of_gap(batch.first, first, batch.entries[0].at))
            self.history.missing += batch.first - first
        told = [*zip(batch.entries, lines, strict=True), *(zip(after.entries, after.lines, strict=False) if after else ())]
        hidden = self.rows.hidden(told)
        for place, (entry, line) in enumerate(zip(batch.entries, lines, strict=True), batch.first):
            made += self._rows_of(place, entry, hidden.get(line, line))
        last = batch.first + len(batch.entries) - 1
        newest = self._order.engine.newest
        if last > self._applied:
            ended = self._order.advance(newest)
            if last > self._recorded:
                made += [self.rows.of_effect(last, each) for each in ended]
        self.place = self._seen = last
        if made:
            if not self.history.waiting:
                self._since = time.monotonic()
            self.history.add(made, newest or batch.entries[-1].at)

    def _rows_of(self, place: int, entry: Entry, line: str) -> list[Row]:
        order = self._order
        effects: Sequence[object] = ()
        if place > self._applied:
            order.place = place - 1
            if isinstance(entry, Deed):
                with contextlib.suppress(ValueError):
                    effects = order.do(entry)
                order.place = place
            else:
                effects = order.report(entry)
        if place <= self._recorded:
            return []
        if isinstance(entry, Deed):
            made = self.rows.of_deed(place, entry, self._audit_at(entry.at))
        else:
            made = self.rows.of_fact(place, entry, line, order.engine.view(entry.client).network)
        return [made, *(self.rows.of_effect(place, each) for each in effects)]  # type: ignore[arg-type]

    def _audit_at(self, at: int) -> list[Audit]:
        """What the audit trail says of a time; asked once for deeds done together, of which there can be a hundred thousand."""
        if self._audits[0] != at:
            self._audits = (at, self.store.audit_at(at))
        return self._audits[1]

    def catch_up(self) -> None:
        """Reads all that is there, and writes it."""
        while self.step():
            pass
        self.history.flush(self.place)

    # --- answering

    def answer(self, asked: Question) -> Answer:
        """The answer to a question."""
        if isinstance(asked, AskCancel):
            return Answer(preview=self.previews.stop(asked.number))
        try:
            self.catch_up()
            if isinstance(asked, AskPreview):
                return Answer(preview=self.previews.begin(asked))
            if isinstance(asked, AskWhy):
                return Answer(number=asked.number, past=self.answers.why(asked))
            if isinstance(asked, AskReport):
                return Answer(number=asked.number, tally=self.reports.tally(asked))
            return Answer(number=asked.number, forgotten=self._forget(asked))
        except (StoreError, duckdb.Error, OSError) as wrong:
            if isinstance(asked, AskPreview):
                return Answer(preview=PreviewState(number=asked.number, state="failed", problem=str(wrong)))
            return Answer(number=asked.number, past=Past(), problem=str(wrong))

    def _forget(self, asked: AskForget) -> int:
        self.previews.fail("the history was changed meanwhile (history forget); ask again")
        inside = network(asked.client or asked.network) if asked.client or asked.network else None

        def about(entry: Entry, line: str) -> bool:
            if asked.account:
                return getattr(entry, "account", "") == asked.account or asked.account in line.lower()
            found = network(getattr(entry, "client", "") or "::")
            return inside is not None and found.version == inside.version and found.subnet_of(inside)  # type: ignore[arg-type]

        self.rows.forget(asked.account)
        return self.answers.forget(asked) + self.store.forget_lines(about)

    def counts(self) -> Counts:
        """How it goes."""
        found = pieces(self.history.folder)
        with contextlib.suppress(StoreError):
            self._last = self.store.open().last
        return Counts(
            place=self.place,
            behind=max(0, getattr(self, "_last", 0) - self.place),
            rows=self.history.written,
            waiting=len(self.history.waiting),
            bytes=sum(piece.size for piece in found),
            oldest=min((piece.day for piece in found), default=""),
            missing=self.history.missing,
            dropped_days=self.history.dropped_days,
            memory=_most_memory(),
            problem=self.problem,
        )

    # --- the loop

    def run(self, link: socket.socket) -> None:
        """Follows and answers until the socket ends."""
        stop: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        buffer, beat_at = b"", 0.0
        with contextlib.suppress(OSError):
            while not stop:
                more = self.step()
                told = self.previews.turn()
                if told is not None:
                    link.sendall(frame(Answer(preview=told)))
                more = more or self.previews.busy
                if time.monotonic() >= beat_at:
                    link.sendall(frame(Answer(counts=self.counts())))
                    beat_at = time.monotonic() + BEAT
                if not select.select([link], [], [], 0 if more else LOOK)[0]:
                    continue
                got = link.recv(65_536)
                if not got:
                    break
                buffer += got
                while (size := 4 + int.from_bytes(buffer[:4])) <= len(buffer) and len(buffer) > 4:
                    link.sendall(frame(self.answer(QUESTIONS.decode(buffer[4:size]))))
                    buffer = buffer[size:]
        self.catch_up()


def _most_memory() -> int:
    """The most memory that this process had, in bytes: this program's own peak, without that of who started it, which getrusage(2) would count."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")), 0)


def _ours(folder: Path) -> Lock:
    """The lock of the folder, once the keeper before us has written what it had. Raises StoreError."""
    until = time.monotonic() + HANDED_OVER
    while True:
        try:
            return lock(folder)
        except StoreError:
            if time.monotonic() > until:
                raise
            time.sleep(LOOK)


def main(arguments: list[str]) -> int:
    """``python -m gatepost.keeper follow DATABASE FOLDER SETTINGS``, its socket being standard input. Returns the exit code."""
    database, folder, settings = arguments
    os.umask(0o077)
    link = socket.socket(fileno=os.dup(0))
    try:
        with _ours(Path(folder)):
            Follower(Path(database), Path(folder), msgspec.json.decode(settings, type=HistorySettings)).run(link)
    except (StoreError, duckdb.Error, OSError) as wrong:
        print(f"history: {wrong}", file=sys.stderr)
        return 1
    return 0
