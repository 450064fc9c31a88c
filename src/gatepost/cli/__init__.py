"""The command line: thin, a file a noun.

Job: read arguments, ask the rooms below, print what they answer. Promise: exit 0 done, 1 a problem found, 2 bad usage or input, told in one
line that names the cure. Limits: nothing is decided here.
"""

import sys
from importlib.metadata import version

import click

from gatepost.cli.access import access
from gatepost.cli.blocks import blocks, pause, resume, unblock
from gatepost.cli.check import check
from gatepost.cli.parse import parse
from gatepost.cli.replay import replay
from gatepost.cli.rules import rules
from gatepost.cli.status import status
from gatepost.core.faults import BadInputError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(version("gatepost"), prog_name="gatepost")
def gatepost() -> None:
    """Guards mail servers: counts what clients do, and says who goes too far, and why."""


for command in (replay, parse, rules, check, status, blocks, unblock, pause, resume, access):
    gatepost.add_command(command)


def main() -> None:
    """The program. Bad input ends with one line and exit code 2."""
    try:
        gatepost()
    except BadInputError as wrong:
        click.echo(f"gatepost: {wrong}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output has gone, as in `gatepost parse | head`; nothing is left to say.
        sys.stderr.close()
        sys.exit(1)
