"""When to look at a log again.

Job: wait until the kernel says that a file of the log, or a name beside it, has changed, or until it is time to look anyway. Promise: whatever
happens between two waits ends the next one at once. Limits: where the kernel gives no watch, or tells nothing of what happens (network file
systems), looking now and then is all there is; then it is done more often, and said.
"""

import asyncio
import errno

from gatepost.inlets.inotify import FILE, FOLDER, Inotify
from gatepost.inlets.logfile_source import Source
from gatepost.inlets.logfile_trail import Trail

UNTOLD_POLL = 0.25
"""Seconds between two looks where the kernel tells nothing."""
SILENT = 3
"""So often in a row something new was found of which the kernel had told nothing: then it tells nothing here."""


class Watch:
    """Waits for changes of the files of a trail."""

    def __init__(self, trail: Trail, inotify: Inotify | None) -> None:
        self._trail = trail
        self._inotify = inotify
        self._ours = False
        self._files: dict[Source, int] = {}
        """The watch of each open file."""
        self._folders: dict[str, int] = {}
        self._poll = UNTOLD_POLL
        self._woken = False
        """The kernel told of a change since the last wait."""
        self._timed_out = False
        """The last wait ended without a word from the kernel, and nothing new was found since."""
        self._untold = 0
        """How often in a row something new was found so."""
        self._waiter: asyncio.Future[None] | None = None
        self._problem = "not started"

    @property
    def how(self) -> str:
        """How changes are noticed."""
        if self._untold >= SILENT:
            return "polling: the kernel tells nothing of changes here"
        return f"polling: {self._problem}" if self._problem else "inotify"

    def open(self, poll: float) -> None:
        """Starts, on the running loop. ``poll`` is in seconds."""
        self._poll = poll
        self._problem = ""
        if self._inotify is None:
            try:
                self._inotify, self._ours = Inotify(), True
            except OSError as wrong:
                self._problem = f"no inotify: {wrong.strerror}"

    def look_around(self) -> None:
        """Watches what is open now, and the folders."""
        if self._inotify is None:
            return
        self._problem = ""
        for source in [source for source in self._files if source not in self._trail.sources]:
            self._inotify.unwatch(self._files.pop(source), self._wake)
        for source in self._trail.sources:
            if source not in self._files:
                # The very file that is open, whatever its name leads to by now.
                watch = self._add(f"/proc/self/fd/{source.fd}", FILE)
                if watch is not None:
                    self._files[source] = watch
        for folder in self._trail.rotated.folders():
            if folder not in self._folders:
                watch = self._add(folder, FOLDER)
                if watch is not None:
                    self._folders[folder] = watch

    def _add(self, path: str, mask: int) -> int | None:
        assert self._inotify is not None  # noqa: S101
        try:
            return self._inotify.watch(path, mask, self._wake)
        except OSError as wrong:
            limit = "; raise fs.inotify.max_user_watches" if wrong.errno == errno.ENOSPC else ""
            self._problem = f"no inotify watch: {wrong.strerror}{limit}"
            return None

    def found(self) -> None:
        """Something new was there after the last wait."""
        self._untold += self._timed_out
        self._timed_out = False

    async def wait(self) -> None:
        """Waits for a change, or until it is time to look."""
        loop = asyncio.get_running_loop()
        if not self._woken:
            self._waiter = loop.create_future()
            silent = self._inotify is None or self._problem or self._untold >= SILENT
            timer = loop.call_later(min(self._poll, UNTOLD_POLL) if silent else self._poll, self._time_out)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        self._timed_out = not self._woken
        self._woken = False

    def _wake(self) -> None:
        self._woken = True
        self._untold = 0
        self._time_out()

    def _time_out(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Ends all watches."""
        if self._inotify is None:
            return
        for watch in (*self._files.values(), *self._folders.values()):
            self._inotify.unwatch(watch, self._wake)
        self._files.clear()
        self._folders.clear()
        if self._ours:
            self._inotify.close()
            self._inotify = None
