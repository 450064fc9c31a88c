"""The preview that runs, beside everything else that the keeper does.

Job: begin, go on with, and stop the one preview that there can be. Promise: a turn is short, so that facts are recorded and questions answered
meanwhile; what goes wrong ends the preview, never the keeper. Limits: one at a time: a second one is refused.
"""

from collections.abc import Iterator
from contextlib import suppress

import duckdb

from gatepost.keeper.history import History
from gatepost.keeper.preview import Work
from gatepost.pipeline.previews import AskPreview, PreviewState


class Previews:
    """The previews of a history, one after the other."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._work: Work | None = None
        self._steps: Iterator[None] = iter(())
        self._number = 0
        self._told = -1
        self._failed: PreviewState | None = None
        """What became of one that something else ended, until it is told."""

    @property
    def busy(self) -> bool:
        """Whether there is one."""
        return self._work is not None

    def begin(self, asked: AskPreview) -> PreviewState:
        """Begins one."""
        if self.busy:
            return PreviewState(number=asked.number, state="failed", problem="another preview is running; wait for it, or cancel it")
        try:
            self._work = Work(self._history, asked)
        except (duckdb.Error, OSError) as wrong:
            return PreviewState(number=asked.number, state="failed", problem=str(wrong))
        self._history.still = True
        self._steps, self._number, self._told = self._work.steps(), asked.number, -1
        return PreviewState(number=asked.number)

    def stop(self, number: int) -> PreviewState | None:
        """Ends the one of this number. What became of it; None where there is no such one."""
        if not self.busy or number != self._number:
            return None
        self._end()
        return PreviewState(number=number, state="cancelled")

    def fail(self, why: str) -> None:
        """Ends whichever runs, and has the next turn tell why."""
        if self.busy:
            self._end()
            self._failed = PreviewState(number=self._number, state="failed", problem=why)

    def turn(self) -> PreviewState | None:
        """Goes on for a slice. What there is to tell: that it came further, or its end."""
        failed, self._failed = self._failed, None
        if failed is not None or self._work is None:
            return failed
        try:
            next(self._steps)
        except StopIteration:
            done = PreviewState(number=self._number, state="done", percent=100, result=self._work.result)
            self._end()
            return done
        except (duckdb.Error, OSError, ValueError, MemoryError) as wrong:
            self.fail(f"{type(wrong).__name__}: {wrong}")
            return self.turn()
        if self._work.percent == self._told:
            return None
        self._told = self._work.percent
        return PreviewState(number=self._number, percent=self._told)

    def _end(self) -> None:
        work, self._work, self._steps = self._work, None, iter(())
        self._history.still = False
        if work is not None:
            with suppress(duckdb.Error):
                work.close()
