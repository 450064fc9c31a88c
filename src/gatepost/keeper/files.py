"""The files of the history: their settings, their names, and which of them count.

Job: say which Parquet files a folder holds and how far they reach. Promise: a name tells the day and the places that lie in it, so that what was
written is known after any crash without another word: what lies wholly within another file is left over from a merge and does not count.
Limits: knows names and sizes alone.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct


class HistorySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is remembered of the past."""

    days: Annotated[int, Meta(description="Days that are kept; 0: no history, and no keeper.", ge=0, le=400)] = 14
    max_mb: Annotated[int, Meta(description="Megabytes that it may take on disk; then the oldest day leaves first.", ge=10, le=1 << 20)] = 4_096
    mask: Annotated[
        bool, Meta(description="Replace names of accounts that do not exist, in log lines too: people type passwords where the name belongs.")
    ] = True
    flush_s: Annotated[int, Meta(description="Seconds for which facts wait for others before they are written.", ge=1, le=3600)] = 30


_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{3})\.(\d{12})-(\d{12})\.parquet")


class Piece(Struct, frozen=True, order=True):
    """A file of the history: the entries ``first`` to ``last`` of a day."""

    generation: int
    """One more each time that the store is behind the history: after a power cut, or where a backup was restored; places begin anew then."""
    first: int
    last: int
    day: str
    path: str
    size: int


def name(day: str, generation: int, first: int, last: int) -> str:
    """The name of a file."""
    return f"{day}.{generation:03}.{first:012}-{last:012}.parquet"


def pieces(folder: Path) -> list[Piece]:
    """The files that count, in the order of their entries."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for each in os.scandir(folder):
            match = _NAME.fullmatch(each.name)
            if match:
                with contextlib.suppress(FileNotFoundError):
                    found.append(Piece(int(match[2]), int(match[3]), int(match[4]), match[1], each.path, each.stat().st_size))
    found.sort(key=lambda piece: (piece.generation, piece.first, -piece.last))
    kept: list[Piece] = []
    for piece in found:
        if not kept or (piece.generation, piece.last) > (kept[-1].generation, kept[-1].last):
            kept.append(piece)
    return kept


def reached(folder: Path) -> tuple[int, int]:
    """The newest generation, and the place of its newest entry; zeros where there is no history."""
    return max(((piece.generation, piece.last) for piece in pieces(folder)), default=(0, 0))


def tidy(folder: Path) -> None:
    """Removes what does not count: what a merge left over, and files that were not finished."""
    counted = {piece.path for piece in pieces(folder)}
    for each in os.scandir(folder):
        if (_NAME.fullmatch(each.name) and each.path not in counted) or (each.name.startswith("making") and each.is_file()):
            os.unlink(each.path)
