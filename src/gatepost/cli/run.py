"""``gatepost run``: the daemon.

Job: start the guard in the foreground and say what it found. Promise: what is wrong with the configuration is told before anything starts. Limits: it
does not detach; systemd or a terminal keeps it.
"""

import asyncio
import sys

import click

from gatepost.app import Daemon
from gatepost.cli import options
from gatepost.core.faults import BadInputError
from gatepost.core.spans import Span


@click.command()
@options.config_file
@click.option("--observe-first", metavar="SPAN", help="At the first start: only watch for so long, like 24h.")
@click.option("--yes", is_flag=True, help="At the first start: take the allow entries that are offered without asking.")
def run(config_path: str | None, observe_first: str | None, yes: bool) -> None:
    """Guard this host: follow the mail logs, decide, and block in the kernel."""
    try:
        watch = Span.parse(observe_first).us if observe_first else 0
    except ValueError as wrong:
        raise BadInputError(f"--observe-first: {wrong}") from None
    daemon = Daemon(config_path, observe_first=watch, accept=(lambda text: yes or (sys.stdin.isatty() and click.confirm(text, err=True))))
    asyncio.run(daemon.run())
