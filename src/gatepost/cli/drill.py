"""``gatepost drill``: attacks this host's own mail servers, to see a rule bite.

Job: ask whether to begin, run the drill, print each step. Promise: without a terminal it begins only with --yes; exit 0 where the rule fired and
something acts on it, else 1; Ctrl-C cleans up. Limits: needs a daemon.
"""

import signal
import sys
from types import FrameType
from typing import Any

import click

from gatepost.aid.discover import Discovery
from gatepost.aid.drill import PORTS, RULES, SOURCE, Drill, target
from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import safe
from gatepost.core.faults import BadInputError


@click.command()
@click.argument("rule", metavar="|".join(RULES))
@click.option("--protocol", type=click.Choice(list(PORTS)), help="The protocol to attack; by default imap, for harvesting smtp.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="This host's own address that the mail server listens on.")
@click.option("--port", type=options.Whole(1, 65535), help="Its port; by default the protocol's.")
@click.option("--from", "source", default=SOURCE, show_default=True, metavar="ADDRESS", help="The own address that the attack comes from.")
@click.option("--yes", is_flag=True, help="Begin without asking.")
@options.config_file
def drill(rule: str, protocol: str | None, host: str, port: int | None, source: str, yes: bool, config_path: str | None) -> None:
    """Attack this host's own mail server, to see a rule bite. The attack is bounded, and all is cleaned up."""
    asked = target(rule, protocol or "", host, port or 0, source, Discovery().look().own)
    what = f"A drill of {rule} attacks {asked.host} port {asked.port} ({asked.protocol}) from {asked.source}"
    if not yes and not sys.stdin.isatty():
        raise BadInputError(f"{what}; nobody is there to ask, so say --yes")
    if not yes and not click.confirm(f"{what}. Begin?"):
        raise click.Abort

    def asking(method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Any:
        return ask(method, path, body, query, config_path)

    signal.signal(signal.SIGTERM, _end)
    try:
        bit = Drill(asked, asking, lambda line: click.echo(safe(line))).run()
    except OSError as wrong:
        raise BadInputError(f"{asked.host} port {asked.port}: cannot connect from {asked.source}: {wrong}; --host and --port name another") from None
    click.echo("The wiring works." if bit else "The drill found a gap; see above.")
    if not bit:
        sys.exit(1)


def _end(number: int, frame: FrameType | None) -> None:
    """Ends by an exception, so that all is cleaned up."""
    sys.exit(128 + number)
