"""The command line: thin, a file a noun.

Job: read arguments, ask the rooms below, print what they answer. Promise: exit 0 done, 1 a problem found, 2 bad usage or input, told in one
line that names the cure. Limits: nothing is decided here.
"""

import errno
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from itertools import takewhile
from keyword import iskeyword

import click

from gatepost.cli.faults import NoDaemonError
from gatepost.core.faults import BadInputError

SECTIONS = {
    "Try it": {"demo": "demo", "replay": "replay", "parse": "parse", "drill": "drill"},
    "Guard": {"run": "run", "check": "check", "setup": "setup", "import": "imports"},
    "Look": {"status": "status", "doctor": "doctor", "top": "top", "why": "why", "report": "report", "audit": "audit"},
    "Steer": {
        "blocks": "blocks",
        "unblock": "blocks",
        "pause": "blocks",
        "resume": "blocks",
        "access": "access",
        "rules": "rules",
        "alerts": "alerts",
        "console": "console",
        "history": "history",
    },
}
"""The commands as the help shows them, each with its module."""
COMMANDS = {name: module for section in SECTIONS.values() for name, module in section.items()}
"""Only the module of the command that is called is imported: a daemon that starts anew must not wait for the tables of others."""
_CANNOT_WRITE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_LONGEST = 2000
"""Characters of a complaint. It holds the value at fault, which can be huge: of a longer one both ends are shown."""


class Commands(click.Group):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        name = f"{cmd_name}s" if iskeyword(cmd_name) else cmd_name
        return getattr(import_module(f"gatepost.cli.{module}"), name) if module else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click has it, which looks for what may have been meant among commands that are imported already."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as wrong:
            raise click.exceptions.NoSuchCommand(wrong.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A list for each section, all with the same columns."""
        width = max(map(len, COMMANDS))
        for heading, names in SECTIONS.items():
            found = ((name, self.get_command(ctx, name)) for name in names)
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), made.get_short_help_str(formatter.width - width - 6)) for name, made in found if made])


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
        named = " ".join(["gatepost", *takewhile(lambda word: not word.startswith("-"), sys.argv[1:])])  # what click does not say of a bare option
        command = wrong.ctx.command_path if wrong.ctx else named
        _complain(command, f"{' '.join(wrong.format_message().split())} {command} --help tells more.")
    except click.Abort:
        sys.exit(130)
    except OSError as wrong:
        if wrong.errno not in _CANNOT_WRITE:
            if wrong.filename is None:
                raise
            _complain("gatepost", f"{os.fsdecode(wrong.filename)}: {wrong.strerror}")  # a file or folder that was named
            sys.exit(2)
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

    said = safe(said)
    if len(said) > _LONGEST:
        said = f"{said[: _LONGEST // 2]} ... {said[-_LONGEST // 2 :]}"  # the cure stands at the end
    click.echo(f"{who}: {said}", err=True)
