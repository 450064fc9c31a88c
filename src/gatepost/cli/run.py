"""``gatepost run``: the daemon.

Job: start the guard in the foreground and say what it found. Promise: what is wrong with the configuration is told before anything starts. Limits: it
does not detach; systemd or a terminal keeps it.
"""

import sys
from typing import TYPE_CHECKING

import click

from gatepost.cli import options
from gatepost.core.faults import BadInputError
from gatepost.core.spans import Span

if TYPE_CHECKING:
    from gatepost.aid.replay import Replay
    from gatepost.app.past import PastLogs


@click.command()
@options.config_file
@click.option("--observe-first", metavar="SPAN", help="At the first start: only watch for so long, like 24h.")
@click.option("--yes", is_flag=True, help="At the first start: take the allow entries that are offered without asking.")
def run(config_path: str | None, observe_first: str | None, yes: bool) -> None:
    """Guard this host: follow the logs, decide, block in the kernel."""
    # Imported here alone: what the daemon is made of would slow every other command down.
    from gatepost.app.daemon import Daemon
    from gatepost.app.first import FirstStart
    from gatepost.app.loop import run_loop

    try:
        watch = Span.parse(observe_first).us if observe_first else 0
    except ValueError as wrong:
        raise BadInputError(f"--observe-first: {wrong}") from None

    def accept(text: str) -> bool:
        if yes or not sys.stdin.isatty():
            click.echo(text if yes else f"{text}\n(nobody is there to ask; gatepost access allow PREFIX allows one)", err=True)
            return yes
        return click.confirm(text, err=True)

    def show(logs: "PastLogs", made: "Replay") -> None:
        from gatepost.cli import replay_table

        replay_table.show(logs, made, 0.0)

    daemon = Daemon(config_path, FirstStart(show=show, accept=accept, observe=watch))
    sys.exit(run_loop(daemon.run()))
