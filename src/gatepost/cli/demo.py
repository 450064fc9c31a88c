"""``gatepost demo``: a guard at work, on this very machine, in under a minute.

Job: run the demo and show it, live on a terminal, as plain lines elsewhere. Promise: exit 0 where all three rules turned an attacker away and the
user never was, else 1 with what was missing; 130 after Ctrl-C, with nothing left behind. Limits: loopback only, no root, no mail server.
"""

import asyncio
import contextlib
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.live import Live

from gatepost.cli import options
from gatepost.cli.demo_screen import event_line, picture
from gatepost.cli.show import console, safe
from gatepost.core.faults import BadInputError

if TYPE_CHECKING:
    from gatepost.app.demo import Demo

ATTACKER = "127.0.0.11"
FRAME = 0.25
"""Seconds between two pictures."""


@click.command()
@click.option("--seconds", type=options.Whole(1, 3600), default=40, show_default=True, help="How long it runs.")
@click.option("--keep", is_flag=True, help="Go on after that until Ctrl-C, and leave the folder with log and state there.")
def demo(seconds: int, keep: bool) -> None:
    """Show a guard at work on a sandbox mail host, on this machine. It needs no root and no mail server, and leaves nothing behind."""
    if sys.platform != "linux":
        raise BadInputError("the demo needs Linux: its clients come from several addresses on loopback")
    # Imported here alone: what the daemon is made of would slow every other command down.
    from gatepost.app.demo import DemoError, make

    try:
        sys.exit(asyncio.run(_run(make(keep), seconds, keep)))
    except* DemoError as wrong:
        click.echo(f"gatepost demo: {safe(str(_first(wrong)))}", err=True)
        sys.exit(1)


def _first(wrong: BaseException) -> BaseException:
    while isinstance(wrong, BaseExceptionGroup):
        wrong = wrong.exceptions[0]
    return wrong


async def _run(made: "Demo", seconds: int, keep: bool) -> int:
    """Plays, shows, concludes; the exit code."""
    ended = _end_on_sigterm()
    screen = console()
    live = screen.is_terminal and not screen.is_dumb_terminal
    started = made.board.now()
    if not live:
        made.board.on_event = lambda event: click.echo(event_line(event.kind, event.text, event.at - started).plain)
    try:
        async with made:
            if not live:
                made.board.tell("plan", "try meanwhile: " + "; ".join(commands(made.config)[:3]))
            playing = asyncio.create_task(made.play())
            try:
                await _show(made, playing, started, seconds, live)
                missing = made.board.missing()
                _conclude(made, missing, keep)
                if keep:
                    await _show(made, playing, started, None, live)
            finally:
                playing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await playing
    except asyncio.CancelledError:
        if not ended.is_set():
            raise  # Ctrl-C: asyncio.run makes a KeyboardInterrupt of it, now that all is cleared away
        return 143
    return 1 if missing else 0


def _end_on_sigterm() -> asyncio.Event:
    """Has SIGTERM cancel this task; the event says that it came."""
    came, task = asyncio.Event(), asyncio.current_task()

    def end() -> None:
        came.set()
        if task is not None:
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    return came


async def _show(made: "Demo", playing: "asyncio.Task[None]", started: int, seconds: int | None, live: bool) -> None:
    """Waits for so long, or for ever, with a live picture where there is a terminal. What goes wrong while it plays is raised."""
    until = None if seconds is None else time.monotonic() + seconds
    with Live(console=console(), auto_refresh=False, transient=True) if live else contextlib.nullcontext() as screen:
        while not playing.done() and (until is None or time.monotonic() < until):
            if screen is not None:
                left = None if until is None else round(until - time.monotonic())
                screen.update(picture(made.board, started, left, commands(made.config)), refresh=True)
            await asyncio.wait([playing], timeout=FRAME)
    if playing.done():
        playing.result()
    if screen is not None:
        console().print(picture(made.board, started, 0, []))


def _conclude(made: "Demo", missing: list[str], keep: bool) -> None:
    board = made.board
    click.echo()
    if missing:
        click.echo("Not as promised: " + "; ".join(safe(each) for each in missing))
    else:
        ended = f", {board.ended} holds ran out by themselves" if board.ended else ""
        click.echo(f"All three rules turned an attacker away{ended}, and the user was never refused.")
    if keep:
        click.echo(f"It goes on until Ctrl-C; log and state are in {made.folder} and stay there. Try now:")
        for line in commands(made.config):
            click.echo(f"  {line}")
    else:
        click.echo(f"To look around while it runs, and lift a block yourself: {program()} demo --keep")
    click.echo(f"Your own logs, without blocking anything: {program()} replay /var/log/mail.log")
    if Path("examples/sample-mail.log").is_file():
        click.echo(f"The sample log: {program()} replay examples/sample-mail.log")


def program() -> str:
    """How this program is started here."""
    mine, found = Path(sys.argv[0]), shutil.which("gatepost")
    if mine.name != "gatepost":
        return f"{sys.executable} -m gatepost"
    if found and Path(found).resolve() == mine.resolve():
        return "gatepost"
    here = mine.resolve()
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else str(here)


def commands(config: Path) -> list[str]:
    """What to try next, as it would have to be typed here."""
    started = program()
    told = ("status", "blocks list", f"unblock {ATTACKER} --grace 1m", "access list", "rules list")
    return [f"{started} {each} --config {config}" for each in told]
