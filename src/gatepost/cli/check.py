"""``gatepost check``: is the configuration right?

Job: read gatepost.toml and say what it means or what is wrong, and which rules held in the store nobody feeds or enforces with it.
Promise: it changes nothing and needs no daemon. Limits: the file and the store, not the host.
"""

from pathlib import Path

import click
from msgspec import structs

from gatepost import config
from gatepost.cli import options
from gatepost.cli.show import print_json, safe
from gatepost.core.faults import BadInputError


@click.command()
@options.config_file
@options.as_json
def check(config_path: str | None, as_json: bool) -> None:
    """Tell what is wrong with the configuration, by field and cure."""
    settings = config.load(config_path)
    _check_channels(settings)
    file = config_path or str(config.default_file())
    there = config.is_there(Path(file))
    warnings = [*settings.warnings(), *_gaps(settings)]
    if as_json:
        shown = structs.replace(settings, channel=tuple(each.masked() for each in settings.channel))
        print_json({"file": file, "found": there, "settings": shown, "warnings": warnings})
        return
    for warning in warnings:
        click.echo(f"{safe(file)}: warning: {safe(warning)}")
    click.echo(f"{safe(file)}: {'all is well' if there else 'is not there; the defaults are in force'}")


def _gaps(settings: config.Settings) -> list[str]:
    from gatepost.app.checking import gaps  # the guard's whole house, which no other command needs

    return gaps(settings)


def _check_channels(settings: config.Settings) -> None:
    """Raises BadInputError where a channel's files or URL cannot be used. Only here and at the daemon's start: secrets are not for everybody."""
    if not settings.channel:
        return
    from gatepost.app.alerts import host_name, sender_of

    for each in settings.channel:
        try:
            sender_of(each, host_name(), lambda: 0)
        except BadInputError as wrong:
            raise BadInputError(f"channel {each.name}: {wrong.said}", wrong.where) from None
