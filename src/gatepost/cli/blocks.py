"""``gatepost blocks``, ``unblock``, ``pause``, ``resume``: what stands, and lifting it.

Job: ask the daemon and print its answer. Promise: ``--json`` prints the daemon's own answer. Limits: needs a daemon.
"""

from datetime import UTC, datetime
from typing import Any

import click

from gatepost.cli import options
from gatepost.cli.client import ask, ask_all
from gatepost.cli.show import left, number, print_json, safe, table


@click.group()
def blocks() -> None:
    """Show and make blocks."""


@blocks.command("list")
@click.option("--watched", is_flag=True, help="Also what only would have been held.")
@options.config_file
@options.as_json
def list_blocks(watched: bool, config_path: str | None, as_json: bool) -> None:
    """List what is held now, the newest first."""
    found = ask_all("/api/v1/blocks", "blocks", {"watched": "1"} if watched else {}, config_path)
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("Nobody is held.")
        return
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    rows = [(_where(each), each["subject"], _why(each), left(each["until"] - now), str(each["often"]), each["reason"]) for each in found]
    table(("on", "who", "rule", "left", "30d", "why"), rows, bold=1)


def _where(block: dict[str, Any]) -> str:
    if block["logins"]:
        return "logins"
    return "everything" if len(block["protocols"]) == 5 else ",".join(block["protocols"])


def _why(block: dict[str, Any]) -> str:
    return (block["rule"] or "by hand") + (" (watched)" if block["watched"] else "")


@blocks.command()
@click.argument("prefix")
@click.option("--for", "hold_for", required=True, metavar="SPAN", help="How long, like 1d or 30m.")
@click.option("--reason", required=True, help="What you want to remember about it.")
@click.option("--confirm", is_flag=True, help="Yes, also whoever in that network is known to be good.")
@options.protocols
@options.config_file
@options.as_json
def add(prefix: str, hold_for: str, reason: str, confirm: bool, protocols: tuple[str, ...], config_path: str | None, as_json: bool) -> None:
    """Hold an address or network by hand. A network in which somebody logged in well or delivered mail lately wants --confirm."""
    asked = {"prefix": prefix, "for": hold_for, "reason": reason, "protocols": protocols, "confirm": confirm}
    found = ask("POST", "/api/v1/blocks", asked, config_path=config_path)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['subject']} is held on {_where(found)} for {hold_for}.")


@blocks.command()
@click.argument("subjects", nargs=-1, required=True, metavar="CLIENT|NETWORK|ACCOUNT...")
@click.option("--for", "prolong_by", required=True, metavar="SPAN", help="How much longer, like 1d; 400 days from now are the most.")
@options.config_file
@options.as_json
def prolong(subjects: tuple[str, ...], prolong_by: str, config_path: str | None, as_json: bool) -> None:
    """Hold longer what is held. All of the subjects, or none where one of them is not held."""
    found = ask("POST", "/api/v1/blocks/prolong", {"subjects": subjects, "for": prolong_by}, config_path=config_path)
    if as_json:
        print_json(found)
        return
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    for block in found:
        click.echo(f"{safe(block['subject'])} is held on {_where(block)} ({_why(block)}) for another {left(block['until'] - now)}.")


@blocks.command()
@click.argument("subjects", nargs=-1, required=True, metavar="CLIENT|NETWORK...")
@click.option("--note", default="", help="What you want to remember about it; else why it was blocked.")
@options.config_file
@options.as_json
def permanent(subjects: tuple[str, ...], note: str, config_path: str | None, as_json: bool) -> None:
    """Turn blocks into deny entries, which stay until removed. The blocks end."""
    found = ask("POST", "/api/v1/blocks/permanent", {"subjects": subjects, "note": note}, config_path=config_path)
    if as_json:
        print_json(found)
        return
    for entry in found["entries"]:
        click.echo(f"{safe(entry['prefix'])} is on the deny list; gatepost access remove {safe(entry['prefix'])} ends that.")
    for subject in found["wider"]:
        click.echo(f"Of {safe(subject)} log-ins alone were held; a deny entry keeps it out of everything.")


@blocks.command()
@click.argument("subject")
@options.config_file
@options.as_json
def remove(subject: str, config_path: str | None, as_json: bool) -> None:
    """Lift what holds an address, network or account."""
    _unblock(subject, "", config_path, as_json)


@click.command()
@click.argument("subject", metavar="CLIENT|NETWORK|ACCOUNT")
@click.option("--grace", default="", metavar="SPAN", help="No rule counts or holds it for so long, like 1h.")
@options.config_file
@options.as_json
def unblock(subject: str, grace: str, config_path: str | None, as_json: bool) -> None:
    """Lift what holds a client, network or account. What was counted of it is forgotten."""
    _unblock(subject, grace, config_path, as_json)


def _unblock(subject: str, grace: str, config_path: str | None, as_json: bool) -> None:
    found = ask("POST", "/api/v1/unblock", {"subject": subject} | ({"grace": grace} if grace else {}), config_path=config_path)
    if as_json:
        print_json(found)
        return
    _told_released(found["released"], f"Nothing held {safe(subject)}; what was counted of it is forgotten.")
    if found.get("denied"):
        entry = found["denied"]["prefix"]
        click.echo(f"The deny entry {safe(entry)} still keeps it out; gatepost access remove {safe(entry)} ends that.")
    if grace:
        click.echo(f"No rule counts or holds {safe(subject)} for {grace}.")


def _told_released(released: list[dict[str, Any]], nothing: str) -> None:
    for block in released:
        click.echo(f"released {safe(block['subject'])} on {_where(block)} ({_why(block)})")
    if not released:
        click.echo(nothing)


@click.command()
@click.option("--for", "hold_for", default="1h", show_default=True, metavar="SPAN", help="How long.")
@options.config_file
@options.as_json
def pause(hold_for: str, config_path: str | None, as_json: bool) -> None:
    """Lift all holds of rules at once, and only watch for a while. Lists and blocks by hand stay."""
    found = ask("POST", "/api/v1/pause", {"for": hold_for}, config_path=config_path)
    if as_json:
        print_json(found)
        return
    released = number(len(found["released"]), "hold")
    click.echo(f"Paused for {hold_for}: {released} released; rules go on counting and hold nothing. gatepost resume ends it.")


@click.command()
@options.config_file
@options.as_json
def resume(config_path: str | None, as_json: bool) -> None:
    """End a pause: rules hold again."""
    found = ask("POST", "/api/v1/resume", config_path=config_path)
    if as_json:
        print_json(found)
    else:
        click.echo("Rules hold again.")
