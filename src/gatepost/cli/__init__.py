"""The command line: thin, a file a noun.

Job: read arguments, ask the rooms below, print what they answer. Promise: exit 0 done, 1 a problem found, 2 bad usage or input, told in one
line that names the cure. Limits: nothing is decided here.
"""

import errno
import os
import sys
from importlib.metadata import version
from io import TextIOWrapper

import click

from gatepost.cli.access import access
from gatepost.cli.alerts import alerts
from gatepost.cli.blocks import blocks, pause, resume, unblock
from gatepost.cli.check import check
from gatepost.cli.client import NoDaemonError
from gatepost.cli.console import console
from gatepost.cli.demo import demo
from gatepost.cli.doctor import doctor
from gatepost.cli.drill import drill
from gatepost.cli.history import history
from gatepost.cli.imports import imports
from gatepost.cli.parse import parse
from gatepost.cli.replay import replay
from gatepost.cli.rules import rules
from gatepost.cli.run import run
from gatepost.cli.show import safe
from gatepost.cli.status import status
from gatepost.cli.top import top
from gatepost.cli.why import why
from gatepost.core.faults import BadInputError

_CANNOT_WRITE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(version("gatepost"), prog_name="gatepost")
def gatepost() -> None:
    """Guards mail servers: counts what clients do, and says who goes too far, and why."""


for command in (
    run,
    demo,
    drill,
    replay,
    parse,
    rules,
    check,
    status,
    top,
    doctor,
    blocks,
    unblock,
    pause,
    resume,
    access,
    why,
    history,
    alerts,
    console,
    imports,
):
    gatepost.add_command(command)


def main() -> None:
    """The program. Whatever goes wrong ends with one line on standard error; an interruption with 130, as shells count it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode sees escapes
    try:
        sys.exit(_run())
    except BadInputError as wrong:
        _complain("gatepost", str(wrong))
    except NoDaemonError as wrong:
        _complain("gatepost", str(wrong))
        sys.exit(1)
    except click.exceptions.NoArgsIsHelpError as wrong:
        wrong.show()
    except click.UsageError as wrong:
        command = wrong.ctx.command_path if wrong.ctx else "gatepost"
        _complain(command, f"{' '.join(wrong.format_message().split())} {command} --help tells more.")
    except click.Abort:
        sys.exit(130)
    except OSError as wrong:
        if wrong.errno not in _CANNOT_WRITE:
            raise
        # Nothing more can be written, and the interpreter must not try so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if wrong.errno == errno.EPIPE:
            sys.exit(1)  # the reader of our output has gone, as in `gatepost parse | head`; nothing is left to say
        _complain("gatepost", f"cannot write its output: {wrong.strerror}")
    sys.exit(2)


def _run() -> int:
    """Runs the command that the arguments name; its exit code."""
    try:
        code = gatepost.main(prog_name="gatepost", standalone_mode=False)
    except SystemExit as ended:
        code = ended.code
    if sys.stdout is not None:
        sys.stdout.flush()
    return code if isinstance(code, int) else 0


def _complain(who: str, said: str) -> None:
    click.echo(f"{who}: {safe(said)}", err=True)
