"""``gatepost doctor``: does it really work?

Job: ask the daemon to look at everything, look at the clock, print what was found. Promise: exit 1 where something is bad. Limits: needs a daemon.
"""

import sys

import click

from gatepost.aid import clock
from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import print_json, safe

_MARKS = {"bad": "BAD ", "look": "look", "well": "well"}
_COLOURS = {"bad": "red", "look": "yellow", "well": "green"}


@click.command()
@options.config_file
@options.as_json
def doctor(config_path: str | None, as_json: bool) -> None:
    """Look for what keeps the guard from guarding, and name the cure. Inlets, rules, mirrors, rights and clock; a block is tried out."""
    found = ask("GET", "/api/v1/doctor", config_path=config_path)
    verdict, said, cure = clock.words(clock.synchronised())  # the daemon's unit may not ask
    found.append({"what": "clock", "verdict": verdict, "said": said, "cure": cure})
    found.sort(key=lambda each: list(_MARKS).index(each["verdict"]))
    if as_json:
        print_json(found)
    else:
        for each in found:
            click.secho(_MARKS[each["verdict"]], fg=_COLOURS[each["verdict"]], nl=False)
            click.echo(f"  {safe(each['what'])}: {safe(each['said'])}")
            if each["cure"]:
                click.echo(f"      cure: {safe(each['cure'])}")
        counts = [sum(each["verdict"] == verdict for each in found) for verdict in _MARKS]
        click.echo("{} bad, {} to look at, {} well".format(*counts))
    if any(each["verdict"] == "bad" for each in found):
        sys.exit(1)
