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
from gatepost.cli.client import ask, ask_all
from gatepost.cli.country import country
from gatepost.cli.show import left, number, print_json, safe, table
from gatepost.core.decisions import QUESTION_STAGES
from gatepost.core.facts import PROTOCOLS


@click.group()
def access() -> None:
    """Show and change whom to allow and deny, and log-ins by country."""


access.add_command(country)


@access.command("list")
@options.config_file
@options.as_json
def list_entries(config_path: str | None, as_json: bool) -> None:
    """List all entries by address, this host's own networks included."""
    found = ask_all("/api/v1/access", "entries", {}, config_path)
    if as_json:
        print_json(found)
        return
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    rows = [
        (each["verb"], _address(each, found), ",".join(each.get("protocols", ())) or "all", _boxes(each), _left(each, now), each.get("note", ""))
        for each in found
        if not each.get("name") or not each["prefix"]
    ]
    table(("list", "address", "on", "boxes", "left", "note"), rows, bold=1)


def _left(entry: dict[str, Any], now: int) -> str:
    return left(entry["expires"] - now) if entry.get("expires") else ""


def _address(entry: dict[str, Any], entries: list[dict[str, Any]]) -> str:
    """Whom an entry is about; a host name with the addresses that it stands for now."""
    if not entry.get("name"):
        return str(entry["prefix"])
    now = [each["prefix"] for each in entries if each.get("name") == entry["name"] and each["prefix"]]
    return f"{entry['name']} = {', '.join(now) or 'nobody now'}"


def _boxes(entry: dict[str, Any]) -> str:
    if entry["verb"] == "deny":
        return ""
    trust = "log-ins" if entry.get("logins") else "detection" if entry.get("detection", True) else ""
    return " ".join(name for name in (trust, "relay" if entry.get("relay") else "") if name)


@access.command()
@click.argument("prefix")
@options.protocols
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
    """Trust an address, prefix, range or host name."""
    _add({"verb": "allow", "prefix": prefix, "detection": not no_detection} | asked, config_path, as_json)


@access.command()
@click.argument("prefix")
@options.protocols
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
        click.echo(f"{'allowed' if found['verb'] == 'allow' else 'denied'}: {safe(found['prefix'] or found['name'])}")


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
        click.echo(f"removed: {number(len(found), 'entry', 'entries')} for {safe(prefix)}")


@access.command()
@click.argument("client")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="Only on this protocol; else on all.")
@click.option("--stage", type=click.Choice(QUESTION_STAGES), default="connect", show_default=True, help="What it wants to do.")
@options.config_file
@options.as_json
def check(client: str, protocol: str | None, stage: str, config_path: str | None, as_json: bool) -> None:
    """Say what a client would be answered now, and what decides that."""
    query = {"client": client, "stage": stage} | ({"protocol": protocol} if protocol else {})
    found = ask("GET", "/api/v1/access/check", query=query, config_path=config_path)
    if as_json:
        print_json(found)
        return
    said: dict[str, list[str]] = {}
    for answer in found["answers"]:
        said.setdefault(_verdict(answer), []).append(answer["protocol"])
    for verdict, protocols in said.items():
        click.echo(f"{found['client']}, {stage} on {'everything' if len(protocols) == len(PROTOCOLS) else ', '.join(protocols)}: {verdict}")


def _verdict(answer: dict[str, Any]) -> str:
    entry = answer.get("entry")
    if entry:
        of = f", for {safe(entry['name'])}" if entry.get("name") else ""
        why = f"the entry {entry['verb']} {safe(entry['prefix'])}{of}" + (", which lets it relay" if answer.get("relay") else "")
    elif answer.get("country"):
        why = f"{'its' if answer['verdict'] == 'refuse' else 'observed only: its'} country, {safe(answer['country'])}, may not log in"
    elif answer.get("rule"):
        why = f"held by {safe(answer['rule'])}" + (f": {safe(answer['reason'])}" if answer.get("reason") else "")
    else:
        why = "no entry and no block is about it"
    return f"{answer['verdict']} ({why})"


@access.command("import")
@click.argument("file")
@click.option("--allow", "listed", flag_value="allow", help="Rows without a list are allowed.")
@click.option("--deny", "listed", flag_value="deny", help="Rows without a list are denied.")
@click.option("--skip-bad", is_flag=True, help="Apply the good rows even where others are bad.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--confirm-relay", is_flag=True, help="Yes, rows with the relay box may relay.")
@options.config_file
@options.as_json
def import_entries(file: str, listed: str | None, config_path: str | None, as_json: bool, **flags: bool) -> None:
    """Add the entries of a CSV, or of lines of addresses and prefixes. All rows or none."""
    query = {name: "1" for name, on in flags.items() if on} | ({"list": listed} if listed else {})
    found = ask("POST", "/api/v1/access/import", list_text(file), query, config_path)
    tell_imported(found, file, as_json, flags["dry_run"], flags["skip_bad"])


def list_text(file: str) -> bytes:
    """What a file, or standard input, holds. Raises BadInputError."""
    return sys.stdin.buffer.read() if file == "-" else config.read_text(Path(file)).encode()


def tell_imported(found: dict[str, Any], file: str, as_json: bool, dry_run: bool, skip_bad: bool) -> None:
    """Prints what an import did; bad rows that kept it from being done end the program with 2."""
    if as_json:
        print_json(found)
    else:
        for row in found["bad"]:
            click.echo(f"{safe(file)}: {safe(row)}", err=True)
        click.echo(_imported(found, dry_run))
    if found["bad"] and not skip_bad:
        sys.exit(2)


def _imported(found: dict[str, Any], dry_run: bool) -> str:
    done = "imported" if found["applied"] else "would import" if dry_run else "nothing imported; good rows:"
    more = f", {number(found['duplicates'], 'duplicate')}" if found["duplicates"] else ""
    more += f", {number(len(found['bad']), 'bad row')}" if found["bad"] else ""
    cure = "; mend them, or --skip-bad" if found["bad"] and not found["applied"] else ""
    return f"{done} {found['added']:,} new, {found['replaced']:,} replaced{more}{cure}"


@access.command()
@options.config_file
def export(config_path: str | None) -> None:
    """Print the lists as CSV, without this host's own networks."""
    click.echo(ask("GET", "/api/v1/access/export", config_path=config_path), nl=False)
