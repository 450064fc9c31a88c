"""``gatepost check``: is the configuration right?

Job: read gatepost.toml and say what it means or what is wrong. Promise: it changes nothing and needs no daemon. Limits: the file alone, not the host.
"""

from pathlib import Path

import click

from gatepost import config
from gatepost.cli import options
from gatepost.cli.show import print_json, safe


@click.command()
@options.config_file
@options.as_json
def check(config_path: str | None, as_json: bool) -> None:
    """Read the configuration and tell what is wrong with it, by field and cure."""
    settings = config.load(config_path)
    file = config_path or str(config.default_file())
    there = config.is_there(Path(file))
    if as_json:
        print_json({"file": file, "found": there, "settings": settings, "warnings": settings.warnings()})
        return
    for warning in settings.warnings():
        click.echo(f"{safe(file)}: warning: {safe(warning)}")
    click.echo(f"{safe(file)}: {'all is well' if there else 'is not there; the defaults are in force'}")
