"""How things look on a terminal.

Job: text that is safe to print, times, spans and subjects in one style. Promise: whatever a peer wrote stays text: control characters, terminal
escapes and look-alike spaces are shown, never sent. Limits: only looks.
"""

import os
import sys
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatepost.core.spans import encode_span

_encode = msgspec.json.Encoder(enc_hook=encode_span).encode


def safe(text: str, most: int = 0) -> str:
    """A text with everything that does not show replaced by its escape; cut in the middle where it is longer than ``most``."""
    shown = text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if most and len(shown) > most:
        half = (most - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    return shown


def plain(text: str, style: str = "", most: int = 0) -> Text:
    """A safe text for a table's cell: never read as markup."""
    return Text(safe(text, most), style=style)


def console(width: int | None = None) -> Console:
    """Where tables go: as wide as the terminal, or as COLUMNS says; where there is neither, wide enough to be read."""
    told = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(highlight=False, soft_wrap=False, width=width or (None if told else 160))


def as_json(value: Any) -> bytes:
    """A value as JSON on a line. What a terminal would obey, or show as nothing, is escaped: many look at JSON on a terminal."""
    encoded = _encode(value)
    if not encoded.isascii() or b"\x7f" in encoded:
        encoded = "".join(c if c.isprintable() else _escaped(c) for c in encoded.decode()).encode()
    return encoded + b"\n"


def _escaped(character: str) -> str:
    """How JSON writes a character with ASCII alone (RFC 8259, 7): its UTF-16 code units."""
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    click.echo(as_json(value), nl=False)


def local(at: int, zone: tzinfo | None, seconds: bool = True) -> str:
    """A time, in microseconds since 1970 UTC, as a wall clock of that zone shows it; None: this host's."""
    return datetime.fromtimestamp(at // 1_000_000, zone).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def here(at: int) -> str:
    """A time as this host's wall clock shows it."""
    return local(at, None)


def some(names: dict[str, int], most: int = 2) -> str:
    """The most frequent of some names, and how many more there are."""
    first = sorted(names, key=lambda name: (-names[name], name))[:most]
    more = len(names) - len(first)
    return ", ".join(safe(name, 40) for name in first) + (f" and {more} more" if more else "")


def number(count: int, one: str, many: str = "") -> str:
    """So many of something: ``1 line``, ``1,992 lines``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """A share in percent; never a round 100 where something is missing."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    return "100 %" if part == whole else f"{min(percent, 99.99):.2f} %" if percent > 99 else f"{percent:.1f} %"


def left(us: int) -> str:
    """A length of time at a glance, in its two largest units."""
    seconds = max(0, us // 1_000_000)
    parts = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    shown = [f"{count}{unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0s"


def table(header: tuple[str, ...], rows: Sequence[tuple[object, ...]], bold: int = 0, right: tuple[str, ...] = ()) -> None:
    """A plain table; column ``bold`` stands out, those named ``right`` hold figures."""
    found = Table(box=None, pad_edge=False, header_style="dim")
    for name in header:
        found.add_column(name, overflow="fold", justify="right" if name in right else "left")
    for row in rows:
        found.add_row(*(plain(str(cell), "bold" if column == bold else "") for column, cell in enumerate(row)))
    console().print(found)
