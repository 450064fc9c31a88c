"""``gatepost alerts``: who is told what happens, and does it arrive?

Job: list the channels and send test messages. Promise: a test that fails exits with 1 and says why. Limits: needs a daemon.
"""

import sys
from typing import Any

import click

from gatepost.cli import options
from gatepost.cli.client import ask, quoted
from gatepost.cli.show import here, print_json, safe, table
from gatepost.core.faults import BadInputError

PATIENCE = 90
"""Seconds: a channel gives up after 60."""


@click.group()
def alerts() -> None:
    """Show and test the channels that tell what happens."""


@alerts.command("list")
@options.config_file
@options.as_json
def list_channels(config_path: str | None, as_json: bool) -> None:
    """List the channels, and how they are doing. What they sent and dropped, whether they fail, and when the next message is due."""
    found = ask("GET", "/api/v1/channels", config_path=config_path)
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("Nobody is told: gatepost.toml has no [[channel]].")
        return
    header = ("channel", "kind", "to", "sent", "dropped", "waiting", "next message", "failing since", "problem")
    table(header, [_row(each) for each in found], bold=0)


def _row(channel: dict[str, Any]) -> tuple[object, ...]:
    counts = (channel["sent"], channel["dropped"], channel["waiting"])
    return (channel["name"], channel["kind"], channel["to"], *counts, _time(channel["next_at"]), _time(channel["failing_since"]), channel["problem"])


def _time(at: int) -> str:
    return here(at) if at else "-"


@alerts.command()
@click.argument("name", required=False)
@options.config_file
@options.as_json
def test(name: str | None, config_path: str | None, as_json: bool) -> None:
    """Send a test message, and say whether it was taken. On one channel, or on all of them."""
    names = [name] if name else [each["name"] for each in ask("GET", "/api/v1/channels", config_path=config_path)]
    if not names:
        raise BadInputError("there is nobody to tell: gatepost.toml has no [[channel]]")
    found = [ask("POST", f"/api/v1/channels/{quoted(each)}/test", config_path=config_path, timeout=PATIENCE) for each in names]
    if as_json:
        print_json(found)
    else:
        for each in found:
            click.echo(f"{safe(each['name'])}: " + ("taken" if each["ok"] else f"failed: {safe(each['problem'])}"))
    if not all(each["ok"] for each in found):
        sys.exit(1)
