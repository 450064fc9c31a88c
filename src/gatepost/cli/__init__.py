"""The command line: thin, a file a noun.

Job: read arguments, ask the rooms below, print what they answer. Promise: exit 0 done, 1 a problem found, 2 bad usage or input, told in one
line that names the cure. Limits: nothing is decided here.
"""

import errno
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from keyword import iskeyword

import click

from gatepost.cli.faults import NoDaemonError
from gatepost.core.faults import BadInputError

COMMANDS = {
    "run": "run",
    "replay": "replay",
    "parse": "parse",
    "rules": "rules",
    "check": "check",
    "status": "status",
    "doctor": "doctor",
    "blocks": "blocks",
    "unblock": "blocks",
    "pause": "blocks",
    "resume": "blocks",
    "access": "access",
    "demo": "demo",
    "drill": "drill",
    "top": "top",
    "why": "why",
    "history": "history",
    "alerts": "alerts",
    "import": "imports",
    "setup": "setup",
    "console": "console",
    "audit": "audit",
    "report": "report",
}
"""Each command with its module. Only the one that is called is imported: a daemon that starts anew must not wait for the tables of others."""
_CANNOT_WRITE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Commands(click.Group):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        name = f"{cmd_name}s" if iskeyword(cmd_name) else cmd_name
        return getattr(import_module(f"gatepost.cli.{module}"), name) if module else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="gatepost", prog_name="gatepost")
def gatepost() -> None:
    """Guards mail servers: counts what clients do, and says who goes too far, and why."""


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
    from gatepost.cli.show import safe

    click.echo(f"{who}: {safe(said)}", err=True)
