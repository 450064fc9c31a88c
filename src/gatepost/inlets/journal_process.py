"""journalctl, run once: its lines, what it complains of, and its end.

Job: start the program without a shell, hand its lines over a slice at a time, and keep the last thing that it said on its error output. Promise:
lines and complaints are bounded; whoever leaves the context has ended the process, and waited for it. Limits: it knows no journal.
"""

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from gatepost.inlets.files import Cutter

SLICE = 65_536
COMPLAINT = 300
"""Characters that are kept of what it complains of."""
SECONDS = 5.0
"""How long it may take to end once it was told to."""
FOLDERS = "/usr/bin:/bin:/usr/local/bin"


class MissingError(OSError):
    """There is no such program."""


class Process:
    """One run of journalctl. To be used as a context."""

    def __init__(self, arguments: Sequence[str], folders: str = FOLDERS) -> None:
        self.complaint = ""
        """The last line on its error output."""
        self.code: int | None = None
        """What it ended with by itself; None while it runs, and where we ended it."""
        self._arguments = arguments
        self._folders = folders
        self._cutter = Cutter()
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Starts it. Raises OSError where that fails, MissingError where there is no such program."""
        program = shutil.which("journalctl", path=self._folders)
        if program is None:
            raise MissingError(f"journalctl is not in {self._folders}")
        self._process = await asyncio.create_subprocess_exec(
            program,
            *self._arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"LC_ALL": "C", "PATH": self._folders, "SYSTEMD_COLORS": "0"},
            limit=SLICE,
        )
        self._listening = asyncio.create_task(self._listen(self._process))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends it."""
        process, listening = self._started()
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(SECONDS):
                await self._drain(process, listening)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await self._drain(process, listening)

    async def lines(self, idle: float) -> list[str] | None:
        """Its next lines; none where nothing came for ``idle`` seconds, None where it has ended."""
        process, listening = self._started()
        try:
            async with asyncio.timeout(idle):
                piece = await _pipe(process.stdout).read(SLICE)
        except TimeoutError:
            return []
        if piece:
            return self._cutter.feed(piece)
        self.code = await process.wait()
        await asyncio.wait([listening], timeout=SECONDS)
        return None

    def _started(self) -> tuple[asyncio.subprocess.Process, asyncio.Task[None]]:
        if self._process is None or self._listening is None:
            raise RuntimeError("the context was not entered")
        return self._process, self._listening

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keeps the last line of what it complains of."""
        cutter = Cutter()
        while piece := await _pipe(process.stderr).read(SLICE):
            for line in cutter.feed(piece):
                self._complains(line)
        for line in cutter.finish():
            self._complains(line)

    def _complains(self, line: str) -> None:
        said = "".join(letter if letter.isprintable() else "?" for letter in line[:COMPLAINT]).strip()
        if said:
            self.complaint = said

    @staticmethod
    async def _drain(process: asyncio.subprocess.Process, listening: asyncio.Task[None]) -> None:
        """Waits for its end: the pipes first, for who does not read them can be waited for in vain."""
        while await _pipe(process.stdout).read(SLICE):
            pass
        await asyncio.wait([listening])
        await process.wait()


def _pipe(pipe: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if pipe is None:
        raise RuntimeError("pipes are asked for with each process")
    return pipe
