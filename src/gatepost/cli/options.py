"""Options that several commands share.

Job: declare each once. Promise: a wrong value is told before anything is read. Limits: only options.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from msgspec import structs

from gatepost import config
from gatepost.core.access import Entry, own_entries
from gatepost.core.facts import PROTOCOLS
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Preset, Rule
from gatepost.wire.toml_files import read_rules

F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
config_file = click.option("--config", "config_path", metavar="FILE", help="Read this gatepost.toml instead of the default one.")
preset = click.option("--preset", type=click.Choice(list(PRESETS)), help="Start with the rules of this preset.")
rules_file = click.option("--rules", "rules_path", metavar="FILE", help="Read rules and lists from this TOML file.")

protocols = click.option("--protocol", "protocols", multiple=True, type=click.Choice(PROTOCOLS), help="Only on this protocol; can be given again.")
if_version = click.option("--if-version", default="", metavar="VERSION", help="Only if the rules are still those that rules list showed.")


def log_options(command: F) -> F:
    """How the log files that a command names are to be read."""
    options = (
        click.argument("files", nargs=-1, required=True, metavar="FILE..."),
        click.option("--daemon", default="", metavar="NAME", help="The daemon of lines that name none: dovecot, exim, postfix/smtpd, ..."),
        click.option(
            "--timezone", default="", metavar="ZONE", help="The zone of stamps that name none, like Europe/Berlin or +02:00; default: the host's."
        ),
        click.option("--year", type=click.IntRange(1970, 2200), help="The year of the first stamp that names none; default: the latest that fits."),
        config_file,
    )
    for option in reversed(options):
        command = option(command)
    return command


def log_settings(config_path: str | None, daemon: str, timezone: str) -> config.Settings:
    """The settings, with what the command line says instead. Raises BadInputError."""
    settings = config.load(config_path)
    for option, check, value in (("--daemon", config.check_daemon, daemon), ("--timezone", config.zone, timezone)):
        try:
            check(value)
        except BadInputError as wrong:
            raise BadInputError(f"{option}: {wrong.said}") from None
    logs = structs.replace(settings.logs, daemon=daemon or settings.logs.daemon, timezone=timezone or settings.logs.timezone)
    return structs.replace(settings, logs=logs)


def chosen_rules(preset: Preset | None, path: str | None) -> tuple[tuple[Rule, ...], tuple[Entry, ...]]:
    """The rules and lists that the command line asks for. Raises BadInputError."""
    if path is None:
        return PRESETS[preset or "standard"], own_entries()
    found = read_rules(config.read_text(Path(path)), path)
    return found.rules(preset), found.entries()
