"""How the demo looks on a terminal.

Job: one picture of the board. Promise: all that it shows is made safe. Limits: only looks; plain lines are cli/demo.py's.
"""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gatepost.aid.demo.board import Actor, Board, Cell
from gatepost.aid.demo.door import PROTOCOLS, Protocol
from gatepost.cli.show import plain

STYLES = {"held": "bold red", "refused": "red", "ended": "yellow", "served": "green", "trouble": "bold magenta", "plan": "dim"}
EVENTS = 12


def picture(board: Board, started: int, left_s: int | None, commands: list[str]) -> RenderableType:
    """The screen as it is now."""
    ends = "Ctrl-C ends it" if left_s is None else f"ends in {left_s} s" if left_s else "done"
    title = Text.assemble(("gatepost demo", "bold"), f"   a real guard, a sandbox mail host, three attackers and a user; {ends}")
    return Group(title, Text(), _clients(board), Text(), _events(board, started), *((Text(), _try(commands)) if commands else ()))


def _clients(board: Board) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("client", no_wrap=True)
    table.add_column("does")
    for name in PROTOCOLS:
        table.add_column(name, min_width=12)
    for actor in board.actors:
        who = plain(f"{actor.address} {actor.name}", "bold" if actor.hostile else "bold green")
        table.add_row(who, plain(actor.does, "dim"), *(_cell(board, actor, protocol) for protocol in PROTOCOLS))
    return table


def _cell(board: Board, actor: Actor, protocol: Protocol) -> Text:
    cell = board.cells.get((actor.address, protocol), Cell())
    if cell.rule:
        left = max(0, board.until(actor.address, protocol) - board.now()) // 1_000_000
        return plain(f"REFUSED by {cell.rule} {left}s", "bold red")
    return plain(f"served {cell.served}" if cell.served else "-", "green" if cell.served else "dim")


def _events(board: Board, started: int) -> Group:
    """The newest lines; the plan stays as long as there is room."""
    return Group(*(event_line(each.kind, each.text, each.at - started) for each in board.events[-EVENTS:]))


def event_line(kind: str, text: str, after: int) -> Text:
    """One event, with the seconds since the start."""
    return Text.assemble((f"{after / 1_000_000:6.1f} s  ", "dim"), (f"{kind:8}", STYLES[kind]), plain(text, "dim" if kind == "plan" else ""))


def _try(commands: list[str]) -> Group:
    return Group(Text("try, in another terminal, while this runs:", style="dim"), *(plain(f"  {command}", "cyan") for command in commands))
