"""How things look on a terminal.

Job: text that is safe to print, times, spans and subjects in one style. Promise: whatever a peer wrote stays text: control characters, terminal
escapes and look-alike spaces are shown, never sent. Limits: only looks.
"""

import sys
import unicodedata
from datetime import datetime, tzinfo
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.text import Text

from gatepost.core.spans import encode_span

_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")


def safe(text: str, most: int = 0) -> str:
    """A text with everything that does not show replaced by its escape; cut in the middle where it is longer than ``most``."""
    shown = (
        text if text.isprintable() else "".join(c if unicodedata.category(c) not in _HIDDEN else c.encode("unicode_escape").decode() for c in text)
    )
    if most and len(shown) > most:
        half = (most - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    return shown


def plain(text: str, style: str = "", most: int = 0) -> Text:
    """A safe text for a table's cell: never read as markup."""
    return Text(safe(text, most), style=style)


def console(width: int | None = None) -> Console:
    """Where tables go: as wide as the terminal, and at least wide enough to be read where there is none."""
    return Console(highlight=False, soft_wrap=False, width=width or (None if sys.stdout.isatty() else 160))


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    click.echo(msgspec.json.encode(value, enc_hook=encode_span, order=None))


def local(at: int, zone: tzinfo, seconds: bool = True) -> str:
    """A time as the administrator's wall clock shows it."""
    return datetime.fromtimestamp(at // 1_000_000, zone).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def some(names: dict[str, int], most: int = 2) -> str:
    """The most frequent of some names, and how many more there are."""
    first = sorted(names, key=lambda name: (-names[name], name))[:most]
    more = len(names) - len(first)
    return ", ".join(safe(name, 40) for name in first) + (f" and {more} more" if more else "")


def share(part: int, whole: int) -> str:
    """A share in percent; never a round 100 where something is missing."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    return "100 %" if part == whole else f"{min(percent, 99.99):.2f} %" if percent > 99 else f"{percent:.1f} %"
