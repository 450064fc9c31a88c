"""``gatepost console``: where the web console is, and a one-time link into it.

Job: tell the console's address and users, and make links with which somebody chooses a password. Promise: whoever may use the control socket can
always get in. Limits: needs a daemon; all else about users is done in the console.
"""

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import print_json, safe, table


@click.group()
def console() -> None:
    """Find the web console, and get into it."""


@console.command("show")
@options.config_file
@options.as_json
def show(config_path: str | None, as_json: bool) -> None:
    """Show where the console is, and who may use it."""
    found = ask("POST", "/api/v1/console", {}, config_path=config_path)
    if as_json:
        print_json(found)
        return
    click.echo(safe(found["address"]) or f"It does not listen: {safe(found['problem'])}")
    if found["people"]:
        rows = [(each["name"], each["role"], each["sessions"], each["tokens"]) for each in found["people"]]
        table(("user", "role", "sessions", "tokens"), rows, bold=0)
    else:
        click.echo("Nobody can log in yet: gatepost console link")


@console.command("link")
@click.option("--name", default="", help="Of a new user, or of one who gets a new password; without it, it is chosen with the link.")
@click.option("--role", type=click.Choice(["viewer", "operator", "administrator"]), default="administrator", show_default=True, help="Of a new user.")
@options.config_file
@options.as_json
def link(name: str, role: str, config_path: str | None, as_json: bool) -> None:
    """Make a one-time link for a new user or a lost password. Whoever opens it within a day chooses the password."""
    found = ask("POST", "/api/v1/console/link", {"name": name, "role": role}, config_path=config_path)
    if as_json:
        print_json(found)
    else:
        click.echo(found["link"])
