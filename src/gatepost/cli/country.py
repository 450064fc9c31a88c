"""``gatepost access country``: from which countries one may log in.

Job: ask the daemon for the policy, or change it. Promise: what would shut out the administrator's own country is refused until ``--even-mine``.
Limits: needs a daemon, and data of countries on its host.
"""

import json
from datetime import UTC, datetime
from typing import Any, TextIO

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import print_json, safe, table
from gatepost.core.faults import BadInputError
from gatepost.core.iso3166 import NAMES

PATH = "/api/v1/country"
LISTED = 20
"""Countries that are shown with who logs in from there."""
WORDS = click.Choice(["allow", "refuse"])

even_mine = click.option("--even-mine", is_flag=True, help="Yes, even where you or your users log in from.")


@click.group()
def country() -> None:
    """Show and change from where one may log in. Inbound mail is never asked about."""


@country.command()
@options.config_file
@options.as_json
def show(config_path: str | None, as_json: bool) -> None:
    """Show the policy, and from where accounts logged in lately. Lately is within 30 days."""
    _tell(ask("GET", PATH, config_path=config_path), as_json)


def _direction(name: str, help: str) -> click.Command:
    @click.argument("codes", nargs=-1, required=True, metavar="CODE...")
    @options.protocols
    @click.option("--unknown", type=WORDS, default="allow", show_default=True, help="Addresses whose country nobody knows.")
    @click.option("--known", type=WORDS, default="allow", show_default=True, help="Accounts from where they logged in well lately.")
    @click.option("--observe", is_flag=True, help="Only tell what would be refused.")
    @even_mine
    @options.config_file
    @options.as_json
    def command(
        codes: tuple[str, ...],
        protocols: tuple[str, ...],
        unknown: str,
        known: str,
        observe: bool,
        even_mine: bool,
        config_path: str | None,
        as_json: bool,
    ) -> None:
        named = [each.upper() for code in codes for each in code.split(",") if each]
        policy: dict[str, Any] = {"direction": name, "codes": named, "protocols": protocols}
        policy |= {"mode": "observe" if observe else "enforce", "unknown": unknown == "allow", "known_may": known == "allow"}
        _put(policy, even_mine, "", config_path, as_json)

    return country.command(name, help=help)(command)


_direction("allow", "Let log-ins in from these countries only.")
_direction("refuse", "Let log-ins in from all countries but these.")


def _mode(name: str, help: str) -> click.Command:
    @even_mine
    @options.config_file
    @options.as_json
    def command(even_mine: bool, config_path: str | None, as_json: bool) -> None:
        found = ask("GET", PATH, config_path=config_path)
        _put(found["policy"] | {"mode": name}, even_mine, found["version"], config_path, as_json)

    return country.command(name, help=help)(command)


_mode("enforce", "Refuse what the policy is against.")
_mode("observe", "Refuse nothing, and tell what would be refused.")
_mode("off", "Ask about no country; the list stays for another time.")


@country.command()
@options.config_file
def export(config_path: str | None) -> None:
    """Print the policy as JSON, as import reads it."""
    print_json(ask("GET", PATH, config_path=config_path)["policy"])


@country.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@even_mine
@options.config_file
@options.as_json
def import_policy(file: TextIO, even_mine: bool, config_path: str | None, as_json: bool) -> None:
    """Put the policy of a file in force; - reads standard input."""
    try:
        policy = json.load(file)
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict):
        raise BadInputError("is no JSON object, as export writes it", file.name)
    _put(policy, even_mine, "", config_path, as_json)


def _put(policy: dict[str, Any], even_mine: bool, version: str, config_path: str | None, as_json: bool) -> None:
    headers = {"If-Match": f'"{version}"'} if version else {}
    _tell(ask("PUT", PATH, policy | ({"even_mine": True} if even_mine else {}), None, config_path, headers), as_json)


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    click.echo(sentence(found["policy"]))
    for problem in found["problems"]:
        click.echo(f"warning: {safe(problem)}", err=True)
    rows = [
        (
            each["name"],
            each["code"],
            f"{each['accounts']:,}",
            _day(each["newest"]),
            f"{each['refused']:,}",
            f"{each['watched']:,}",
            _said(each, found),
        )
        for each in found["places"][:LISTED]
    ]
    if rows:
        table(("log-ins of 30 days from", "code", "accounts", "newest", "refused", "watched", "policy"), rows, bold=1)


def sentence(policy: dict[str, Any]) -> str:
    """A policy in words."""
    mode, codes = policy.get("mode", "off"), policy.get("codes", [])
    if mode == "off":
        return "countries: off; log-ins are let in from everywhere" + (f" (the list is kept: {', '.join(codes)})" if codes else "")
    names = ", ".join(f"{NAMES[code]} ({code})" for code in codes)
    only = "only from" if policy.get("direction", "allow") == "allow" else "from everywhere but"
    on = f" on {', '.join(policy['protocols'])}" if policy.get("protocols") else ""
    more = "" if policy.get("unknown", True) else ", from unknown countries not either"
    more += "" if policy.get("known_may", True) else ", known clients not either"
    observed = "" if mode == "enforce" else " (observed only: nobody is refused)"
    return f"countries: log-ins{on} are let in {only} {names}{more}{observed}"


def _said(place: dict[str, Any], found: dict[str, Any]) -> str:
    mode = found["policy"].get("mode", "off")
    return "" if mode == "off" else "let in" if not place["against"] else "refused" if mode == "enforce" else "would be refused"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d") if at else ""
