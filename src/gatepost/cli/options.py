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


class Whole(click.IntRange):
    """A whole number within bounds, called so in help and complaints."""

    name = "number"


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
config_file = click.option("--config", "config_path", metavar="FILE", help="Read this gatepost.toml instead of the default one.")
preset = click.option("--preset", type=click.Choice(list(PRESETS)), help="Take the rules of this preset.")
rules_file = click.option("--rules", "rules_path", metavar="FILE", help="Take rules and lists from this TOML file.")

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
        click.option("--year", type=Whole(1970, 2200), help="The year of the first stamp that names none; default: the latest that fits."),
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


def rule_fields(command: F) -> F:
    """The fields of a rule that a command line changes; `changes_of` makes them one thing."""
    options = (
        click.option("--threshold", metavar="N", help="How many are too many."),
        click.option("--window", metavar="SPAN", help="The time over which they are counted."),
        click.option("--for", "for_", metavar="SPAN", help="How long it lasts."),
        click.option("--action", metavar="ACTION", help="block, delay or alert."),
        click.option("--on", metavar="PROTOCOLS", help="The protocols that it watches, as smtp,imap."),
        click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="Any other field; can be given more than once."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def changes_of(asked: dict[str, str | None], for_: str | None, fields: tuple[str, ...]) -> dict[str, object]:
    """The fields that a command line changes, by name. Raises BadInputError."""
    changes: dict[str, object] = {key: value for key, value in (asked | {"for": for_}).items() if value is not None}
    for each in fields:
        key, equals, value = each.partition("=")
        if not equals:
            raise BadInputError(f"--field: {each!r}: write NAME=VALUE")
        changes[key] = value
    return changes
