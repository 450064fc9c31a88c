"""The daemon's end of the keeper.

Job: start the keeper, start it again when it ends, and put questions to it. Promise: the daemon's loop never waits for it; without a keeper every
question is answered by RecallError at once, and the daemon goes on. Limits: a keeper that outlives its daemon ends by itself when it has read what
is there.
"""

import asyncio
import contextlib
import socket
import sys
from pathlib import Path

import msgspec
from msgspec import structs

from gatepost.keeper.files import HistorySettings
from gatepost.keeper.frames import frame
from gatepost.pipeline.previews import AskCancel, AskPreview, PreviewState
from gatepost.pipeline.recall import Answer, AskForget, AskWhy, Counts, Past, RecallError
from gatepost.pipeline.reports import AskReport, Tally

PATIENCE = 20.0
"""Seconds for an answer; forgetting rewrites files, and has ten times as long."""
AGAIN, AGAIN_MOST = 0.5, 60.0
LATE = 200_000
"""Entries that the keeper may be behind without a word."""
ALONE = 30.0
"""Seconds after which a preview that nobody asks about is stopped."""
LARGEST = 1 << 26


class KeeperLink:
    """The keeper of a database, writing to a folder."""

    def __init__(self, database: Path, folder: Path, settings: HistorySettings) -> None:
        self.pid = 0
        """The process; 0 while there is none."""
        self.started = 0
        """How often it was started."""
        self._command = (
            sys.executable,
            "-m",
            "gatepost.keeper",
            "follow",
            str(database),
            str(folder),
            msgspec.json.encode(settings).decode(),
        )
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._number = 0
        self._counts: Counts | None = None
        self._preview: PreviewState | None = None
        """The newest one."""
        self._preview_asked = 0.0

    async def run(self) -> None:
        """Keeps a keeper running, until it is cancelled; then that one is told to end."""
        wait = AGAIN
        while True:
            begun = asyncio.get_running_loop().time()
            with contextlib.suppress(OSError):
                await self._run_once()
            wait = AGAIN if asyncio.get_running_loop().time() - begun > AGAIN_MOST else min(2 * wait, AGAIN_MOST)
            await asyncio.sleep(wait)

    async def _run_once(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            child = await asyncio.create_subprocess_exec(*self._command, stdin=theirs.fileno(), stdout=asyncio.subprocess.DEVNULL)
        reader, writer = await asyncio.open_connection(sock=ours)
        self._writer, self.pid = writer, child.pid
        self.started += 1
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4))
                self._take(msgspec.msgpack.decode(await reader.readexactly(min(size, LARGEST)), type=Answer))
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.MsgspecError):
            pass
        finally:
            self._lost(writer)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), 5)

    def _lost(self, writer: asyncio.StreamWriter) -> None:
        self._writer, self.pid, self._counts = None, 0, None
        writer.close()
        if self._preview is not None and self._preview.state == "running":
            problem = "the keeper ended while it worked; it is started again, so ask again"
            self._preview = structs.replace(self._preview, state="failed", problem=problem)
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(RecallError("the keeper ended while it was asked; it is started again, so ask again"))

    def _take(self, answer: Answer) -> None:
        if answer.counts is not None:
            self._counts = answer.counts
        if answer.preview is not None:
            self._take_preview(answer.preview)
        future = self._waiting.pop(answer.number, None)
        if future is not None and not future.done():
            future.set_result(answer)

    def _take_preview(self, told: PreviewState) -> None:
        if self._preview is None or told.number != self._preview.number or self._preview.state != "running":
            return
        self._preview = told
        if told.state == "running" and asyncio.get_running_loop().time() > self._preview_asked + ALONE:
            self.cancel_preview(told.number)

    async def _ask(self, asked: AskWhy | AskForget | AskReport, patience: float) -> Answer:
        if self._writer is None:
            raise RecallError("the keeper is not running; it is being started, so ask again in a moment")
        self._number += 1
        number = self._number
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._writer.write(frame(structs.replace(asked, number=number)))
        try:
            answer = await asyncio.wait_for(future, patience)
        except TimeoutError:
            raise RecallError("the keeper does not answer in time; ask again later") from None
        finally:
            self._waiting.pop(number, None)
        if answer.problem:
            raise RecallError(answer.problem)
        return answer

    # --- what is asked

    async def why(self, asked: AskWhy) -> Past:
        """What the history knows of a subject. Raises RecallError."""
        return (await self._ask(asked, PATIENCE)).past or Past()

    async def report(self, asked: AskReport) -> Tally:
        """What the history knows of a time. Raises RecallError."""
        return (await self._ask(asked, PATIENCE)).tally or Tally()

    async def forget(self, asked: AskForget) -> int:
        """Takes a subject out of it; how many rows and lines went. Raises RecallError."""
        return (await self._ask(asked, 10 * PATIENCE)).forgotten

    def begin_preview(self, asked: AskPreview) -> PreviewState:
        """Begins a preview. Raises RecallError where one runs."""
        if self._writer is None:
            raise RecallError("the keeper is not running; it is being started, so ask again in a moment")
        if self._preview is not None and self._preview.state == "running":
            raise RecallError(f"preview {self._preview.number} is running; wait for it, or cancel it")
        self._number += 1
        self._preview = PreviewState(number=self._number)
        self._preview_asked = asyncio.get_running_loop().time()
        self._writer.write(frame(structs.replace(asked, number=self._number)))
        return self._preview

    def preview(self, number: int) -> PreviewState | None:
        """How far a preview is; None where it is not the newest."""
        if self._preview is None or self._preview.number != number:
            return None
        self._preview_asked = asyncio.get_running_loop().time()
        return self._preview

    def cancel_preview(self, number: int) -> None:
        """Stops a preview."""
        if self._preview is not None and self._preview.number == number and self._preview.state == "running":
            self._preview = structs.replace(self._preview, state="cancelled")
            if self._writer is not None:
                self._writer.write(frame(AskCancel(number=number)))

    def counts(self) -> Counts | None:
        """The keeper's newest sign of life; None where there is none."""
        return self._counts

    def problem(self) -> str:
        """What is wrong with the history; empty where all is well, or it is just starting."""
        counts = self._counts
        if counts is None:
            return "history: the keeper keeps ending; the log of gatepost says why" if self.started > 3 and not self.pid else ""
        if counts.problem:
            return counts.problem
        return f"history: the keeper is {counts.behind:,} entries behind" if counts.behind > LATE else ""
