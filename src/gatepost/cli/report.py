"""``gatepost report``: what rules decided in a time, counted.

Job: ask the daemon and print its answer. Promise: ``--json`` and ``--csv`` print the daemon's own answer; what the rows leave out, and what the
history does not hold, is told. Limits: needs a daemon that keeps a history.
"""

from datetime import UTC
from typing import Any, get_args

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import local, number, print_json, safe, table
from gatepost.pipeline.reports import MOST_DAYS, MOST_ROWS, By

WIDE = 30
"""Characters of the longest bar."""


@click.command()
@click.option("--days", type=options.Whole(1, MOST_DAYS), default=7, show_default=True, help="How many days back, today included.")
@click.option("--by", type=click.Choice(get_args(By)), default="day", show_default=True, help="What decisions are counted by.")
@click.option("--limit", type=options.Whole(1, MOST_ROWS), default=100, show_default=True, help="Rows at most.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of text.")
@options.config_file
@options.as_json
def report(days: int, by: str, limit: int, as_csv: bool, config_path: str | None, as_json: bool) -> None:
    """Count the decisions of rules by day, rule, country and so on."""
    if as_csv and as_json:
        raise click.UsageError("--csv and --json: name one of the two.")
    query = {"days": str(days), "by": by, "limit": str(limit)}
    found = ask("GET", "/api/v1/report/export" if as_csv else "/api/v1/report", query=query, config_path=config_path)
    if as_json:
        print_json(found)
    elif as_csv:
        click.echo(found, nl=False)
    else:
        _tell(found)


def _tell(found: dict[str, Any]) -> None:
    total = found["total"]
    click.echo(f"Since {local(found['since'], UTC)} UTC: {number(total['decisions'], 'decision')}, {total['watched']:,} of them watched only.")
    if not found["begins"]:
        click.echo("There is no history yet.")
    elif found["begins"] > found["since"]:
        click.echo(f"The history begins {local(found['begins'], UTC)} UTC: nothing is known of the time before.")
    for gap in found["gaps"]:
        click.echo(f"The history has a gap: {number(gap['missing'], 'fact')} of {gap['day']} are in none.")
    most = max((row["decisions"] for row in found["rows"]), default=0)
    rows = [
        (safe(row["key"], 60), f"{row['decisions']:,}", f"{row['watched']:,}", f"{row['subjects']:,}", "█" * round(WIDE * row["decisions"] / most))
        for row in found["rows"]
        if most
    ]
    if rows:
        table((found["by"], "decisions", "watched", "subjects", ""), rows, right=("decisions", "watched", "subjects"))
    if found["left_out"]:
        click.echo(f"{number(found['left_out'], 'decision')} more in rows that are not shown; --limit tells more.")
    if found["without"]:
        click.echo(f"{number(found['without'], 'decision')} without a known {found['by']}.")
