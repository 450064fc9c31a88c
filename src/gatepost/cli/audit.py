"""``gatepost audit``: who changed what, and undoing it.

Job: ask the daemon and print its answer. Promise: ``--json`` prints the daemon's own answer; what an undo did is told. Limits: needs a daemon.
"""

from datetime import UTC

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import local, print_json, safe, table


@click.group()
def audit() -> None:
    """Show who changed what, and undo it."""


@audit.command("list")
@click.option("--limit", type=options.Whole(1, 1000), default=50, show_default=True, help="Lines at most.")
@click.option("--before", type=options.Whole(0, 1 << 53), default=0, help="Only lines older than the one of this number.")
@options.config_file
@options.as_json
def list_lines(limit: int, before: int, config_path: str | None, as_json: bool) -> None:
    """List the audit trail, the newest first."""
    found = ask("GET", "/api/v1/audit", query={"limit": str(limit), "before": str(before)}, config_path=config_path)
    if as_json:
        print_json(found)
        return
    if not found["lines"]:
        click.echo("Nothing was changed yet.")
        return
    rows = [(each["number"], local(each["at"], UTC), each["who"], each["action"], each["subject"], each["reason"]) for each in found["lines"]]
    table(("line", "when (UTC)", "who", "what", "whom it concerns", "reason"), rows, bold=0)
    if found["next"]:
        click.echo(f"Older ones: gatepost audit list --before {found['next']}")


@audit.command()
@click.argument("number", type=options.Whole(1, 1 << 53))
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@options.config_file
@options.as_json
def undo(number: int, dry_run: bool, config_path: str | None, as_json: bool) -> None:
    """Undo what a line of the audit trail tells of. The undo is a line of its own, and can be undone."""
    if dry_run:
        found = ask("GET", f"/api/v1/audit/{number}", config_path=config_path)
        refused = found["refused"].removeprefix(f"line {number} cannot be undone: ")
        said = f"It would do this: {safe(found['undo'])}." if found["undo"] else f"It cannot be undone: {safe(refused)}."
    else:
        found = ask("POST", f"/api/v1/audit/{number}/undo", config_path=config_path)
        said = f"Undone: {safe(found['said'])}."
    if as_json:
        print_json(found)
    else:
        click.echo(said)
