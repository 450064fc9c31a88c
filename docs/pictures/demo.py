"""Draws docs/pictures/demo.svg: the screen of `gatepost demo` when all three rules bite.

Job: play what happens in a demo to the real board, draw the real screen, write it as SVG. Promise: the same code gives the same bytes; the picture
loads nothing from elsewhere. Limits: the times are those of one run, written down here.

Run it after a change of the screen: `.venv/bin/python -m docs.pictures.demo`
"""

import io
from pathlib import Path
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from docs.pictures.make import alone
from gatepost.aid.demo.actors import ACTORS, FLOODER, GUESSER, HARVESTER, USER
from gatepost.aid.demo.board import Actor, Board
from gatepost.aid.demo.door import PROTOCOLS, Protocol
from gatepost.cli.demo_screen import picture

PICTURE = Path(__file__).with_name("demo.svg")
WIDTH = 132
SECOND = 1_000_000
CONFIG = "gatepost-demo-r7w2k9qd/gatepost.toml"
BITES: tuple[tuple[float, Actor, Protocol, str, int, int, str], ...] = (
    (6.5, FLOODER, "imap", "dos", 50, 10, "50 in 5m"),
    (8.5, HARVESTER, "smtp", "harvesting", 20, 12, "20 in 5m"),
    (10.2, GUESSER, "pop3", "password-brute-force", 10, 15, "50 in 10m"),
)
"""When, who, where, by which rule, after how many connections, for how many seconds, and why."""


class Clock:
    """The time of the play."""

    at = 0

    def __call__(self) -> int:
        """The time now."""
        return self.at


def _play() -> tuple[Board, int]:
    clock = Clock()
    board = Board(clock, ACTORS)
    blocks: list[dict[str, Any]] = []
    for number, (after, actor, protocol, rule, served, seconds, why) in enumerate(BITES, 1):
        clock.at = round(after * SECOND)
        for _ in range(served):
            board.got(actor, protocol, True)
        until = clock.at + seconds * SECOND
        where = {"protocols": [protocol], "subject": actor.address, "rule": rule, "reason": why}
        blocks.insert(0, {"number": number, "start": clock.at, "until": until} | where)
        board.saw_blocks(list(blocks))
        board.got(actor, protocol, False, rule)
    for protocol in PROTOCOLS:
        for _ in range(8):
            board.got(USER, protocol, True)
    board.got(FLOODER, "pop3", True)
    clock.at = 13 * SECOND
    return board, clock.at


def draw() -> str:
    """The picture, as SVG."""
    board, _ = _play()
    recorder = Console(record=True, width=WIDTH, highlight=False, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    told = ("status", "blocks list", f"unblock {FLOODER.address} --grace 1m")
    recorder.print(picture(board, 0, 27, [f"gatepost {each} --config {CONFIG}" for each in told]))
    drawn = recorder.export_svg(title="gatepost demo", theme=DIMMED_MONOKAI, code_format=alone(CONSOLE_SVG_FORMAT), unique_id="demo")
    return "\n".join(line.rstrip() for line in drawn.split("\n")) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
