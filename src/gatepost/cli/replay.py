"""``gatepost replay``: who would have been held, when, and why?

Job: replay logs through the rules and print what came of it. Promise: nothing is blocked and nothing written. Limits: it tells what the lines tell.
"""

import gc
import sys
import time
from contextlib import nullcontext
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gatepost.aid.replay import Replay, Told
from gatepost.app.past import PastLogs
from gatepost.cli import options, replay_table
from gatepost.cli.parse import understood
from gatepost.cli.show import print_json
from gatepost.core.rules import Preset
from gatepost.wire.toml_files import moment


@click.command()
@options.log_options
@options.preset
@options.rules_file
@options.as_json
def replay(
    files: tuple[str, ...],
    daemon: str,
    timezone: str,
    year: int | None,
    config_path: str | None,
    preset: Preset | None,
    rules_path: str | None,
    as_json: bool,
) -> None:
    """Show whom the rules would have held in your past mail logs. By which rule, from when to when, because of which lines.

    FILE may be compressed (.gz, .xz, .zst, .bz2) or - for standard input; several files are brought into one order of time.
    """
    logs = PastLogs(files, options.log_settings(config_path, daemon, timezone), year)
    made = logs.replay(*options.chosen_rules(preset, rules_path))
    start = time.monotonic()
    _feed(logs, made)
    elapsed = time.monotonic() - start
    if as_json:
        print_json(as_object(logs, made, elapsed))
    elif made.reader.coverage.mail_lines:
        replay_table.show(logs, made, elapsed)
    if not made.reader.coverage.mail_lines:
        click.echo(f"gatepost: {understood(made.reader.coverage)}", err=True)
        raise click.exceptions.Exit(1)


def _feed(logs: PastLogs, made: Replay) -> None:
    """Feeds all lines in, with a progress bar where somebody watches."""
    gc.freeze()
    gc.set_threshold(50_000)  # what a replay keeps holds no circles: to look for some often is in vain
    size = sum(file.size for file in logs.files)
    bar = Progress(
        TextColumn("reading"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=5,
    )
    watched = bool(size) and sys.stderr.isatty()
    with bar if watched else nullcontext():
        task = bar.add_task("", total=size) if watched else None
        for number, lines in logs.batches():
            made.feed(number, lines)
            if task is not None:
                bar.update(task, completed=sum(file.done for file in logs.files))


def as_object(logs: PastLogs, made: Replay, elapsed: float) -> dict[str, Any]:
    """What came of it as JSON shows it."""
    coverage = made.reader.coverage
    return {
        "lines": coverage.lines,
        "facts": made.facts,
        "span": [moment(made.first), moment(made.newest)] if made.kinds or made.repeats else [],
        "decisions": [_decision(logs, made, told) for told in made.told.values()],
        "elapsed_s": round(elapsed, 3),
        "mail_lines": coverage.mail_lines,
        "understood": coverage.understood,
        "cut": coverage.cut,
        "files": [file.name for file in logs.files],
        "repeated_lines": logs.order.repeated,
        "evidence_only": made.repeats,
        "brakes": [{"rule": brake.rule, "at": moment(brake.at), "good": brake.good, "held": brake.held} for brake in made.brakes],
        "dropped": made.dropped,
    }


def _decision(logs: PastLogs, made: Replay, told: Told) -> dict[str, Any]:
    decision = told.decision
    deeds = made.deeds_in(decision)
    return {
        "rule": decision.rule,
        "protocol": decision.fired_on,
        "subject": decision.subject.text,
        "from": moment(decision.start),
        "until": moment(decision.until),
        "count": decision.count,
        "evidence": told.evidence,
        "evidence_in": _by_file(logs, told.evidence),
        "by": decision.subject.by,
        "country": logs.countries.of(decision.subject.text),
        "action": decision.action,
        "on": list(decision.protocols),
        "watched": decision.watched,
        "released": told.released,
        "first": _line(logs, told.first.number, told.first.text),
        "last": _line(logs, told.last.number, told.last.text),
        "tried": sorted(deeds.tried),
        "logins": deeds.logins,
        "messages": deeds.messages,
        "accounts": sorted(deeds.accounts),
    }


def _by_file(logs: PastLogs, numbers: list[int]) -> dict[str, list[int]]:
    """The lines that numbers stand for, in each file: numbers count over all files."""
    found: dict[str, list[int]] = {}
    for number in numbers:
        name, line = logs.order.where(number)
        found.setdefault(name, []).append(line)
    return found


def _line(logs: PastLogs, number: int, text: str) -> dict[str, Any]:
    name, line = logs.order.where(number)
    return {"file": name, "line": line, "text": text}
