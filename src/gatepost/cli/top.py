"""``gatepost top``: what goes on, live.

Job: ask the daemon every second, and show rates, who is nearest to a threshold, and what was decided last. Promise: q and Ctrl-C leave the terminal
as it was; where the output is no terminal, it is one picture. Limits: needs a daemon.
"""

import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import console, left, plain

EVERY = 1.0
"""Seconds between two looks."""


@click.command()
@options.config_file
def top(config_path: str | None) -> None:
    """Show what goes on now, every second. Rates by protocol, who is nearest to a threshold, the newest blocks; q leaves."""
    before = ask("GET", "/api/v1/top", config_path=config_path)
    screen = console()
    if not screen.is_terminal or screen.is_dumb_terminal:
        time.sleep(EVERY)
        screen.print(picture(ask("GET", "/api/v1/top", config_path=config_path), before))
        return
    try:
        with _keys() as pressed, Live(console=screen, auto_refresh=False, screen=True) as live:
            while "q" not in pressed(EVERY).lower():
                found = ask("GET", "/api/v1/top", config_path=config_path)
                live.update(picture(found, before), refresh=True)
                before = found
    except KeyboardInterrupt:
        return


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Keys as they are pressed: what came within so many seconds, or nothing. The terminal is put back as it was."""
    if not sys.stdin.isatty():
        yield _no_keys
        return
    source = sys.stdin.fileno()
    were = termios.tcgetattr(source)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([source], [], [], seconds)
        return sys.stdin.read(1) if ready else ""

    try:
        tty.setcbreak(source)
        yield pressed
    finally:
        termios.tcsetattr(source, termios.TCSADRAIN, were)


def _no_keys(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def picture(found: dict[str, Any], before: dict[str, Any]) -> RenderableType:
    """One look at what goes on, with the rates since the look before."""
    looked = "" if found["looked_at"] == found["keys"] else f"; of these the newest {found['looked_at']:,} were looked at"
    head = Text(f"held: {found['held']:,}; counted: {found['keys']:,} keys{looked}")
    return Group(head, Text(), _rates(found, before), Text(), _near(found), Text(), _newest(found))


def _rates(found: dict[str, Any], before: dict[str, Any]) -> Table:
    seconds = max(found["now"] - before["now"], 1) / 1_000_000
    then = {(each["protocol"], each["kind"]): each["facts"] for each in before["facts"]}
    table = _table("protocol", "facts", "a second", "since the start")
    for each in sorted(found["facts"], key=lambda each: (each["protocol"], each["kind"])):
        new = each["facts"] - then.get((each["protocol"], each["kind"]), 0)
        table.add_row(plain(each["protocol"]), plain(each["kind"]), plain(f"{max(new, 0) / seconds:,.1f}"), plain(f"{each['facts']:,}"))
    return table


def _near(found: dict[str, Any]) -> Table:
    table = _table("nearest to a threshold", "rule", "on", "counted", "of")
    for each in found["near"]:
        style = "bold red" if each["count"] * 10 >= each["threshold"] * 8 else ""
        cells = (plain(each["subject"], style, 60), plain(each["rule"]), plain(",".join(each["protocols"])))
        table.add_row(*cells, plain(f"{each['count']:,}", style), plain(f"{each['threshold']:,}"))
    return table


def _newest(found: dict[str, Any]) -> Table:
    table = _table("newest blocks", "by", "on", "since", "left")
    for each in found["newest"]:
        where = "log-ins" if each["logins"] else ",".join(each["protocols"])
        times = (plain(f"{left(found['now'] - each['start'])} ago"), plain(left(each["until"] - found["now"])))
        table.add_row(plain(each["subject"], "bold", 60), plain(each["rule"] or "by hand"), plain(where), *times)
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name)
    return table
