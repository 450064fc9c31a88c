"""``gatepost history``: what is remembered of the past.

Job: ask the daemon to forget. Promise: nothing is forgotten without a yes, or ``--yes``. Limits: needs a daemon; the audit trail keeps who asked
for it.
"""

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import number, print_json, safe


@click.group()
def history() -> None:
    """Forget what was remembered of a client, network or account."""


@history.command()
@click.argument("subject", metavar="CLIENT|NETWORK|ACCOUNT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.config_file
@options.as_json
def forget(subject: str, yes: bool, config_path: str | None, as_json: bool) -> None:
    """Forget what a client, network or account did. In the history, the log lines, and the counts; a standing block stays."""
    if not yes:
        click.confirm(f"Forget all that is known of {safe(subject)}? It cannot be had back.", abort=True, err=True)
    found = ask("DELETE", "/api/v1/history", query={"subject": subject}, config_path=config_path)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{safe(found['subject'])} is forgotten: {number(found['forgotten'], 'line')} of the past are gone, and what was counted of it.")
