"""``gatepost status``: is all well?

Job: ask the daemon and print its answer. Promise: what needs attention stands first; exit 1 where anything does. Limits: needs a daemon.
"""

import sys
from typing import Any

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.show import left, print_json, safe, table


@click.command()
@options.config_file
@options.as_json
def status(config_path: str | None, as_json: bool) -> None:
    """Show how the guard is doing: inlets, rules, what is decided and what is enforced."""
    found = ask("GET", "/api/v1/status", config_path=config_path)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if not found["ok"]:
        sys.exit(1)


def _show(found: dict[str, Any]) -> None:
    now = found["now"]
    click.echo("all is well" if found["ok"] else "\n".join(f"problem: {safe(problem)}" for problem in found["problems"]))
    if found["paused_until"]:
        click.echo(f"paused for {left(found['paused_until'] - now)} more: rules hold nothing; gatepost resume ends it")
    held = sum(found["decisions"].values())
    by_rule = ", ".join(f"{safe(rule)} {count}" for rule, count in found["decisions"].items())
    click.echo(f"held: {held:,}{f' ({by_rule})' if by_rule else ''}; watched: {found['watched']:,}; up {left(now - found['started'])}\n")
    table(
        ("inlet", "reading", "last line", "lag", "lines", "facts", "understood"),
        [
            (
                s["name"],
                "yes" if s["reading"] else "NO",
                _ago(s["last"], now),
                f"{s['lag_bytes']:,} B",
                f"{s['lines']:,}",
                f"{s['facts']:,}",
                f"{s['understood']:.1%}",
            )
            for s in found["sources"]
        ],
    )
    click.echo()
    table(
        ("mirror", "working", "decided", "enforced", "mended", "cannot enforce"),
        [(m["name"], "yes" if m["working"] else "NO", m["decided"], m["enforced"], m["mended"], m["unenforced"]) for m in found["mirrors"]],
    )
    click.echo()
    table(
        ("rule", "on", "counts", "facts", "last", "mode"),
        [
            (f["rule"], f["protocol"], f["kind"], f"{f['facts']:,}", _ago(f["last"], now) if f["last"] else "not fed yet", f["mode"])
            for f in found["feeds"]
        ],
    )
    if found["dropped"]:
        click.echo("\ndropped or too late: " + ", ".join(f"{count:,} {what}" for what, count in found["dropped"].items()))


def _ago(at: int, now: int) -> str:
    return f"{left(now - at)} ago" if at else "-"
