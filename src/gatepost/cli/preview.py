"""``gatepost rules preview``: what other rules would have done to this server's own past.

Job: ask the daemon for a preview, show how far it is, print both sides. Promise: Ctrl-C stops the work, not the asking alone; whatever a peer wrote
stays text. Limits: needs a daemon with a history.
"""

import contextlib
import sys
import time
from typing import Any

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.faults import NoDaemonError
from gatepost.cli.show import here, number, print_json, safe, table
from gatepost.core.faults import BadInputError
from gatepost.core.rules import Preset

PAUSE = 0.2
"""Seconds between two looks at how far it is."""
MOST_SHOWN = 15
"""Subjects of a list that are printed; --json has them all."""


@click.command()
@click.argument("name", required=False, default="", metavar="[RULE]")
@options.rule_fields
@options.preset
@click.option("--days", default=7, show_default=True, metavar="N", type=options.Whole(1, 400), help="How many days back, today included.")
@options.config_file
@options.as_json
def preview(
    name: str,
    for_: str | None,
    fields: tuple[str, ...],
    preset: Preset | None,
    days: int,
    config_path: str | None,
    as_json: bool,
    **asked: str | None,
) -> None:
    """Show what other rules would have done on this server. A changed rule, a new one or a preset, beside the rules of today; nothing is changed."""
    if bool(name) == bool(preset):
        raise BadInputError("name a rule, or a preset with --preset, one of the two")
    body = {"rule": name, "changes": options.changes_of(asked, for_, fields), "preset": preset or "", "days": days}
    begun = ask("POST", "/api/v1/previews", body, config_path=config_path)
    result = _wait(begun["number"], config_path)
    if as_json:
        print_json({"before": begun["before"], "after": begun["after"], **result})
        return
    _print(begun, result)


def _wait(preview_number: int, config_path: str | None) -> dict[str, Any]:
    """The result, once it is there. An interruption stops the work. Raises NoDaemonError where it failed."""
    path, shows = f"/api/v1/previews/{preview_number}", sys.stderr.isatty()
    try:
        while True:
            state = ask("GET", path, config_path=config_path)
            if state["state"] != "running":
                break
            if shows:
                click.echo(f"\r{state['percent']:>3} %", nl=False, err=True)
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        with contextlib.suppress(BadInputError, NoDaemonError):
            ask("DELETE", path, config_path=config_path)
        raise
    finally:
        if shows:
            click.echo("\r     \r", nl=False, err=True)
    if state["state"] != "done":
        raise NoDaemonError(
            f"the preview {'failed' if state['state'] == 'failed' else 'was cancelled'}" + (f": {safe(state['problem'])}" if state["problem"] else "")
        )
    found: dict[str, Any] = state["result"]
    return found


def _print(begun: dict[str, Any], result: dict[str, Any]) -> None:
    for title, sentences in (("today", begun["before"]), ("changed", begun["after"])):
        for sentence in sentences or ["there is no such rule"]:
            click.echo(f"{title + ':':<9}{safe(sentence)}")
    many = result["many"]
    click.echo(f"\n{here(result['since'])} to {here(result['until'])}: {number(result['facts'], 'fact')} that could count\n")
    table(("holds by day", "today", "changed", "unknown"), [_day(day) for day in result["days"]], right=("today", "changed", "unknown"))
    click.echo("")
    rows = [(each["rule"], *(_count(each[side]) for side in ("before", "after")), _braked(each)) for each in result["rules"]]
    table(("rule", "today", "changed", ""), rows, right=("today", "changed"))
    click.echo("")
    click.echo(f"{number(many['after'], 'subject')} held by the changed rules, {many['before']:,} by those of today")
    _hits(f"{many['gained']:,} gained, held by the changed rules alone", result["gained"], many["gained"])
    unknown = f", {many['lost_unknown']:,} of them unknown: they were blocked, and may have gone on" if many["lost_unknown"] else ""
    _hits(f"{many['lost']:,} lost, held by the rules of today alone{unknown}", result["lost"], many["lost"])
    new = f", {many['friends_gained']:,} of them new" if many["friends"] else ""
    friends = number(many["friends"], "probable false positive")
    _hits(f"{friends}: held by the changed rules, and logged in well before or after{new}", result["friends"], many["friends"])
    if many["delivered"]:
        click.echo(f"\n{number(many['delivered'], 'more subject')} that the changed rules hold delivered mail here.")
    _unknown(result)
    for note in result["notes"]:
        click.echo(f"note: {safe(note)}")


def _day(day: dict[str, Any]) -> tuple[str, ...]:
    return day["day"], f"{day['before']:,}", f"{day['after']:,}", f"{day['unknown']:,}" if day["unknown"] else ""


def _count(many: int) -> str:
    return "-" if many < 0 else f"{many:,}"


def _braked(total: dict[str, Any]) -> str:
    return f"the brake would have stopped it at {here(total['braked'])}" if total["braked"] else ""


def _hits(title: str, hits: list[dict[str, Any]], many: int) -> None:
    click.echo(f"\n{title}")
    for hit in hits[:MOST_SHOWN]:
        names = f" ({', '.join(map(safe, hit['accounts']))})" if hit["accounts"] else ""
        did = f", {number(hit['logins'], 'good log-in')}{names}" if hit["logins"] else ""
        blocked = ", unknown" if hit["unknown"] else ""
        click.echo(f"    {safe(hit['subject'])}: {number(hit['holds'], 'hold')}, first {here(hit['first'])}{did}{blocked}")
    if many > MOST_SHOWN:
        click.echo(f"    and {many - MOST_SHOWN:,} more")


def _unknown(result: dict[str, Any]) -> None:
    """The spans of which nothing is known."""
    many = result["many"]
    if not (many["gaps"] or many["blocked"]):
        return
    click.echo("\nunknown:")
    for gap in result["gaps"][:MOST_SHOWN]:
        missing = f"{number(gap['missing'], 'entry', 'entries')} are missing" if gap["missing"] else "before the history begins"
        click.echo(f"    {here(gap['start'])} to {here(gap['until'])}: {missing}")
    if many["blocked"]:
        click.echo(f"    {number(many['blocked'], 'span')} in which a subject was really blocked: what it sent then was seen by nobody")
