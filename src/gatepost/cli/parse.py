"""``gatepost parse``: which facts do these log lines yield?

Job: print the facts of each line, and how much of the mail lines was understood. Promise: one JSON object a line with ``--json``.
Limits: it counts nothing against any rule.
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import click
import msgspec

from gatepost.app.past import PastLogs
from gatepost.cli import options, show
from gatepost.cli.show import local, safe, share
from gatepost.core.facts import Fact, kind
from gatepost.wire.maillog.reader import Coverage
from gatepost.wire.toml_files import moment

_COMMON = ("kind", "at", "protocol", "service", "client", "account")


@click.command()
@options.log_options
@click.option("--evidence", is_flag=True, help="Also print facts that only repeat what other lines tell and are never counted.")
@options.as_json
def parse(files: tuple[str, ...], daemon: str, timezone: str, year: int | None, config_path: str | None, evidence: bool, as_json: bool) -> None:
    """Print the facts that log lines tell. The last lines say how much of the mail lines was understood."""
    logs = PastLogs(files, options.log_settings(config_path, daemon, timezone), year)
    for file in logs.files:
        file.check()  # before the first fact is printed
    for number, facts in _by_line(logs, evidence):
        if as_json:
            sys.stdout.buffer.write(show.as_json(_line_object(logs, number, facts)))
        else:
            sys.stdout.write("".join(f"{_place(logs, number)}  {local(fact.at, logs.zone)}  {_words(fact)}\n" for fact in facts))
    sys.stdout.flush()
    coverage = logs.reader.coverage
    click.echo(understood(coverage), err=True)
    for shape, times in sorted(coverage.shapes.items(), key=lambda item: -item[1])[:10]:
        click.echo(f"  {times:,} x not understood: {safe(shape, 120)}", err=True)
    if not coverage.mail_lines:
        raise click.exceptions.Exit(1)


def _by_line(logs: PastLogs, evidence: bool) -> Iterator[tuple[int, list[Fact]]]:
    for number, group in groupby(logs.facts(), itemgetter(0)):
        facts = [fact for _, fact in group if evidence or not fact.evidence_only]
        if facts:
            yield number, facts


def _line_object(logs: PastLogs, number: int, facts: list[Fact]) -> dict[str, Any]:
    """A line's facts; of several files also where the line stands, as its number counts over all of them."""
    found: dict[str, Any] = {"line": number, "facts": [as_object(fact) for fact in facts]}
    if len(logs.files) > 1:
        name, line = logs.order.where(number)
        found["where"] = {"file": name, "line": line}
    return found


def _place(logs: PastLogs, number: int) -> str:
    if len(logs.files) == 1:
        return f"{number:>7}"
    name, line = logs.order.where(number)
    return f"{safe(name)}:{line}"


def as_object(fact: Fact) -> dict[str, Any]:
    """A fact as JSON shows it: what all facts have, and under ``detail`` what its kind has."""
    fields = msgspec.structs.asdict(fact)
    # A log does not know how many connections are open: that is left out, not shown as none.
    detail = {name: value for name, value in fields.items() if name not in _COMMON and (name != "open" or value)}
    return {
        "kind": kind(fact),
        "at": moment(fact.at),
        "protocol": fact.protocol,
        "service": fact.service,
        "client": fact.client,
        "account": fields.get("account", ""),
        "detail": detail,
    }


def _words(fact: Fact) -> str:
    fields = as_object(fact)
    shown = {"account": fields["account"]} | fields["detail"]
    shown.pop("host", None)
    rest = " ".join(f"{name}={safe(str(value), 60)}" for name, value in shown.items() if value is not False and value != "")
    return f"{fields['kind']:<16} {fact.service:<11} {fact.client:<15} {rest}".rstrip()


def understood(coverage: Coverage) -> str:
    """How much was understood, in a sentence."""
    lines = show.number(coverage.lines, "line")
    if not coverage.mail_lines:
        known = "Postfix, Dovecot, Exim"
        return f"{lines}, none of them from a mail server that Gatepost knows ({known}); --daemon names it where lines do not."
    cut = f"; {coverage.cut:,} too long to be read" if coverage.cut else ""
    known = share(coverage.understood, coverage.mail_lines)
    return f"{lines}, {coverage.mail_lines:,} of mail daemons; {known} of these understood{cut}."
