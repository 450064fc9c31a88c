"""``gatepost status``: is all well?

Job: ask the daemon and print its answer. Promise: what needs attention stands first; exit 1 where anything does. Limits: needs a daemon.
"""

import sys
from typing import Any

import click

from gatepost.cli import options
from gatepost.cli.client import ask
from gatepost.cli.country import sentence
from gatepost.cli.show import left, number, print_json, safe, table


@click.command()
@options.config_file
@options.as_json
def status(config_path: str | None, as_json: bool) -> None:
    """Show how the guard is doing. Inlets, rules, what is decided and what is enforced."""
    found = ask("GET", "/api/v1/status", config_path=config_path)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if not found["ok"]:
        sys.exit(1)


def _show(found: dict[str, Any]) -> None:
    now = found["now"]
    for problem in found["problems"]:
        click.secho(f"problem: {safe(problem)}", fg="red")
    if found["paused_until"]:
        click.secho(f"paused for {left(found['paused_until'] - now)} more: rules hold nothing; gatepost resume ends it", fg="yellow")
    if found["ok"]:
        click.echo("All is well.")
    held = sum(found["decisions"].values())
    by_rule = ", ".join(f"{safe(rule)} {count:,}" for rule, count in found["decisions"].items())
    click.echo(f"{held:,} held{f' ({by_rule})' if by_rule else ''}, {found['watched']:,} watched, up {left(now - found['started'])}")
    _show_countries(found)
    _show_parts(found, now)
    for source in found["sources"]:
        if source["note"]:
            click.echo(f"{safe(source['name'])}: {safe(source['note'])}")
    store = found["store"]
    lost = [f"{count:,} {safe(what)}" for what, count in (found["dropped"] | {"journal": store["dropped"]}).items() if count]
    lost += [f"{count:,} {safe(what)} ({safe(source['name'])})" for source in found["sources"] for what, count in source["dropped"].items()]
    if store["waiting"] or store["failures"]:
        click.echo(f"\nstore: {number(store['waiting'], 'entry', 'entries')} wait, {number(store['failures'], 'failure')}")
    if lost:
        click.echo("\ndropped or too late: " + ", ".join(lost))


def _show_countries(found: dict[str, Any]) -> None:
    """The policy of countries, where it is on or was, with the log-ins that it was against since the start."""
    told = [
        f"{sum(counts.values()):,} {what} ({', '.join(f'{code} {count:,}' for code, count in sorted(counts.items(), key=lambda each: -each[1]))})"
        for what, counts in (("refused", found["country_refused"]), ("would have been refused", found["country_watched"]))
        if counts
    ]
    if told or found["countries"].get("mode", "off") != "off":
        click.echo(f"{sentence(found['countries'])}; since the start: {', '.join(told) or 'no log-in was against it'}")


def _show_parts(found: dict[str, Any], now: int) -> None:
    """A table for each kind of part that there is."""
    sources = [
        (s["name"], _yes(s["reading"]), _ago(s["last"], now), _size(s["lag_bytes"]), f"{s['lines']:,}", f"{s['facts']:,}", f"{s['understood']:.1%}")
        for s in found["sources"]
        if not s["asked"]
    ]
    asked = [(s["name"], _yes(s["reading"]), _ago(s["last"], now), *(f"{s[name]:,}" for name in _ASKED)) for s in found["sources"] if s["asked"]]
    mirrors = [(m["name"], _yes(m["working"]), *(f"{m[name]:,}" for name in _FIGURES)) for m in found["mirrors"]]
    witnesses = [(w["inlet"], f"{w['kind']} on {w['protocol']}", _ago(w["since"], now), _ago(w["last"], now)) for w in found["witnesses"]]
    names = [(n["name"], ", ".join(n["addresses"]) or "nobody now", n["problem"]) for n in found["names"]]
    feeds = [
        (f["rule"], f["mode"], f["protocol"], f["kind"], f"{f['facts']:,}", _ago(f["last"], now), ", ".join(f["inlets"])) for f in found["feeds"]
    ]
    for header, rows, right in (
        (("inlet", "reading", "last line", "behind", "lines", "facts", "understood"), sources, ("behind", "lines", "facts", "understood")),
        (("asked", "listening", "last", *_ASKED), asked, _ASKED),
        (("witness", "of", "since", "asked last"), witnesses, ()),
        (("mirror", "working", *_FIGURES), mirrors, _FIGURES),
        (("host name", "stands for", "problem"), names, ()),
        (("rule", "mode", "on", "counts", "facts", "last", "from"), feeds, ("facts",)),
    ):
        if rows:
            click.echo()
            table(header, rows, right=right)


_ASKED = ("requests", "refusals", "connections", "facts")
_FIGURES = ("decided", "enforced", "mended", "unenforced")


def _yes(well: bool) -> str:
    return "yes" if well else "NO"


def _size(count: int) -> str:
    return f"{count:,} B" if count < 10_000 else f"{count / 1e6:,.2f} MB"


def _ago(at: int, now: int) -> str:
    return f"{left(now - at)} ago" if at else "never yet"
