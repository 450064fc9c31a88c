"""``gatepost access``: the deny and allow lists.

Job: ask the daemon and print its answer. Promise: an import names every bad row, and applies none unless told to skip them. Limits: needs a daemon.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gatepost import config
from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import left, print_json, safe, table


@click.group()
def access() -> None:
    """Show and change the deny and allow lists."""


@access.command("list")
@options.config_file
@options.as_json
def list_entries(config_path: str | None, as_json: bool) -> None:
    """List all entries, this host's own networks included."""
    found = ask("GET", "/api/v1/access", config_path=config_path)
    if as_json:
        print_json(found)
        return
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    rows = [
        (
            e["verb"],
            e["prefix"],
            ",".join(e.get("protocols", ())) or "all",
            _boxes(e),
            left(e["expires"] - now) if e.get("expires") else "",
            e.get("note", ""),
        )
        for e in found
    ]
    table(("list", "address", "on", "boxes", "left", "note"), rows, bold=1)


def _boxes(entry: dict[str, Any]) -> str:
    if entry["verb"] == "deny":
        return ""
    trust = "log-ins" if entry.get("logins") else "detection" if entry.get("detection", True) else ""
    return " ".join(name for name in (trust, "relay" if entry.get("relay") else "") if name)


@access.command()
@click.argument("prefix")
@click.option("--protocol", "protocols", multiple=True, help="Only on this protocol; can be given more than once.")
@click.option("--relay", is_flag=True, help="It may relay mail through this server without a log-in.")
@click.option("--logins-only", "logins", is_flag=True, help="Only the rules about failed log-ins leave it alone, instead of all.")
@click.option("--no-detection", is_flag=True, help="Rules count and hold it like anybody.")
@click.option("--expires", metavar="SPAN", help="After so long, like 90d; else it stays until removed.")
@click.option("--note", default="", help="What you want to remember about it.")
@click.option("--replace", is_flag=True, help="Replace the entry for the same address.")
@click.option("--confirm-relay", is_flag=True, help="Yes, that many addresses may relay.")
@options.config_file
@options.as_json
def allow(prefix: str, no_detection: bool, config_path: str | None, as_json: bool, **asked: Any) -> None:
    """Trust an address, prefix or range."""
    _add({"verb": "allow", "prefix": prefix, "detection": not no_detection} | asked, config_path, as_json)


@access.command()
@click.argument("prefix")
@click.option("--protocol", "protocols", multiple=True, help="Only on this protocol; can be given more than once.")
@click.option("--expires", metavar="SPAN", help="After so long, like 90d; else it stays until removed.")
@click.option("--note", default="", help="What you want to remember about it.")
@click.option("--replace", is_flag=True, help="Replace the entry for the same address.")
@options.config_file
@options.as_json
def deny(prefix: str, config_path: str | None, as_json: bool, **asked: Any) -> None:
    """Never let an address, prefix or range in."""
    _add({"verb": "deny", "prefix": prefix} | asked, config_path, as_json)


def _add(asked: dict[str, Any], config_path: str | None, as_json: bool) -> None:
    found = ask("POST", "/api/v1/access", asked, config_path=config_path)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{'allowed' if found['verb'] == 'allow' else 'denied'}: {safe(found['prefix'])}")


@access.command()
@click.argument("prefix")
@options.config_file
@options.as_json
def remove(prefix: str, config_path: str | None, as_json: bool) -> None:
    """Take an entry off the lists."""
    found = ask("DELETE", "/api/v1/access", query={"prefix": prefix}, config_path=config_path)
    if as_json:
        print_json(found)
    else:
        click.echo(f"removed: {len(found)} entr{'y' if len(found) == 1 else 'ies'} for {safe(prefix)}")


@access.command()
@click.argument("client")
@click.option("--protocol", default="smtp", show_default=True)
@click.option("--stage", default="connect", show_default=True, help="connect, login, relay or message.")
@options.config_file
@options.as_json
def check(client: str, protocol: str, stage: str, config_path: str | None, as_json: bool) -> None:
    """Say what would happen to a client now, and which entry or rule decides."""
    found = ask("GET", "/api/v1/access/check", query={"client": client, "protocol": protocol, "stage": stage}, config_path=config_path)
    if as_json:
        print_json(found)
        return
    entry = found.get("entry")
    why = (
        f"by the entry {entry['verb']} {entry['prefix']}"
        if entry
        else f"by {found['reason']}"
        if found["reason"]
        else "no entry and no block is about it"
    )
    click.echo(f"{found['client']} at {stage} on {protocol}: {found['verdict']} ({safe(why)})")


@access.command("import")
@click.argument("file")
@click.option("--allow", "listed", flag_value="allow", help="Rows without a list are allowed.")
@click.option("--deny", "listed", flag_value="deny", help="Rows without a list are denied.")
@click.option("--skip-bad", is_flag=True, help="Apply the good rows even where others are bad.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@options.config_file
@options.as_json
def import_entries(file: str, listed: str | None, skip_bad: bool, dry_run: bool, config_path: str | None, as_json: bool) -> None:
    """Add the entries of a CSV, or of lines of addresses and prefixes. All rows or none."""
    text = sys.stdin.read() if file == "-" else config.read_text(Path(file))
    query = {name: "1" for name, on in (("skip_bad", skip_bad), ("dry_run", dry_run)) if on} | ({"list": listed} if listed else {})
    found = ask("POST", "/api/v1/access/import", text.encode(), query, config_path)
    if as_json:
        print_json(found)
    else:
        for row in found["bad"]:
            click.echo(f"{safe(file)}: {safe(row)}", err=True)
        done = "imported" if found["applied"] else "would be imported" if dry_run else "nothing was imported;"
        click.echo(f"{done} {found['added']} new, {found['replaced']} replaced, {len(found['bad'])} bad rows")
    if found["bad"] and not skip_bad:
        sys.exit(2)


@access.command()
@options.config_file
def export(config_path: str | None) -> None:
    """Print the lists as CSV, without this host's own networks."""
    click.echo(ask("GET", "/api/v1/access/export", config_path=config_path), nl=False)
