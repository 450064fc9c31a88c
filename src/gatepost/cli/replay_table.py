"""The table that ``gatepost replay`` prints for people.

Job: lay out decisions, evidence, totals and probable false positives. Promise: every text from a log is shown, never obeyed. Limits: only looks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatepost.aid.replay import Deeds, Replay, Told
from gatepost.app.past import PastLogs
from gatepost.cli.parse import understood
from gatepost.cli.show import console, local, number, plain, safe, some
from gatepost.core.facts import PROTOCOLS
from gatepost.core.rules import PLURALS
from gatepost.core.spans import Span

MOST_ROWS = 200
"""Rows that are printed; --json has them all."""


def show(logs: PastLogs, made: Replay, elapsed: float) -> None:
    """Prints what came of a replay, and what it took: seconds, 0 where nobody measured."""
    out = console()
    groups = list(made.groups())
    if groups:
        _decisions(out, logs, made, groups[:MOST_ROWS])
        if len(groups) > MOST_ROWS:
            out.print(Text(f"... and {len(groups) - MOST_ROWS:,} more; --json prints them all.", style="dim"))
    _totals(out, logs, made, groups, elapsed)
    _good_ones(out, made, groups)


NOUNS = {
    counts: (one, PLURALS[counts])
    for counts, one in {
        "connected": "connection",
        "open_connections": "connection open at one time",
        "bad_session": "session without a message",
        "auth_failed": "failed log-in",
        "auth_succeeded": "log-in",
        "message_accepted": "message",
        "recipients": "recipient",
        "rejected": "rejected command",
        "message_bounced": "bounce",
        "protocol_abused": "protocol violation",
        "held": "hold",
    }.items()
}
"""What a rule counts, one of it and several."""
_HEADER = ("rule", "on", "who", "from", "until", "times")


def _decisions(out: Console, logs: PastLogs, made: Replay, groups: list[list[Told]]) -> None:
    """A row for each rule and subject, and below it what was done and the first and the last line that made the decision."""
    rows = [_HEADER, *(_row(logs, group) for group in groups)]
    if sum(_widths(rows)) + 2 * len(_HEADER) > out.width:
        rows = [_HEADER, *(_row(logs, group, brief=True) for group in groups)]
    widths = _widths(rows)
    holds = any(group[0].decision.holds for group in groups)
    out.print(Text(f"Who would have been {'held' if holds else 'noticed'}\n", style="bold"))
    _print_row(out, rows[0], widths, ("dim",) * len(_HEADER))
    for row, group in zip(rows[1:], groups, strict=True):
        deeds = made.deeds_in(group[0].decision)
        _print_row(out, row, widths, ("bold", "", "bold yellow" if _is_good(deeds) else "bold red", "", "", ""))
        for below in _evidence(logs, group[0], deeds):
            out.print(Text("    ") + below, no_wrap=True, overflow="ellipsis")


def _widths(rows: Sequence[tuple[str, ...]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def _print_row(out: Console, row: tuple[str, ...], widths: list[int], styles: tuple[str, ...]) -> None:
    line = Text()
    for cell, width, style in zip(row, widths, styles, strict=True):
        line.append(cell + " " * (width - cell_len(cell) + 2), style=style)
    line.rstrip()
    out.print(line, no_wrap=True, overflow="ellipsis")


def _row(logs: PastLogs, group: list[Told], brief: bool = False) -> tuple[str, ...]:
    """The cells of a row; brief ones leave out the year and the seconds."""
    first, last = group[0].decision, group[-1].decision
    start, until = local(first.start, logs.zone), local(last.until, logs.zone)
    ends_that_day = until[:10] == start[:10]
    if brief:
        start, until = start[5:16], until[5:16]
    return (
        safe(first.rule),
        _where(group[0]),
        safe(first.subject.text, 60) + (f" {country}" if (country := logs.countries.of(first.subject.text)) else ""),
        start,
        until.partition(" ")[2] if ends_that_day else until,
        f"{len(group):,}",
    )


def _where(told: Told) -> str:
    decision = told.decision
    mark = "" if not decision.watched else " (watched)" if decision.action != "alert" else " (alert)"
    mark += f" (+{Span(decision.delay)})" if decision.action == "delay" else ""
    return ("logins" if decision.logins else "all" if decision.protocols == PROTOCOLS else ",".join(decision.protocols)) + mark


def _evidence(logs: PastLogs, told: Told, deeds: Deeds) -> Iterator[Text]:
    """What was done, and the first and the last line that made the decision."""
    decision = told.decision
    one, many = NOUNS[decision.counts]
    what = f"{number(decision.count, one, many)} within {decision.reason.partition(' in ')[2]}"
    tried = f"; tried {some(deeds.tried)}" if deeds.tried else ""
    yield Text(f"{what}{tried}{f'; let go early: {safe(told.released)}' if told.released else ''}")
    for line in (told.first, told.last) if told.first.number != told.last.number else (told.first,):
        name, at = logs.order.where(line.number)
        text = Text(f"{safe(name)}:{at}: ", style="cyan")
        yield text.append(safe(line.text) if line.text else "(too long ago to show)", style="dim")


def _totals(out: Console, logs: PastLogs, made: Replay, groups: list[list[Told]], elapsed: float) -> None:
    coverage = made.reader.coverage
    out.print()
    if made.kinds:
        out.print(Text(f"From {local(made.first, logs.zone)} to {local(made.newest, logs.zone)} ({logs.zone})", style="bold"))
    out.print(Text(understood(coverage)))
    if logs.order.repeated:
        were = "line stood in several files and was read once", "lines stood in several files and were read once"
        out.print(Text(f"{number(logs.order.repeated, *were)}."))
    if made.facts:
        out.print(Text("Facts: " + ", ".join(f"{count:,} {name}" for name, count in made.facts.items()) + "."))
    _tally(out, groups)
    for brake in made.brakes:
        said = f"The brake put {brake.rule} to observe: {brake.good} of the {brake.held} clients that it held were good ones."
        out.print(Text(said, style="bold yellow"))
    lost = {name: count for name, count in made.dropped.items() if count}
    if lost:
        out.print(Text("Not counted or forgotten early: " + ", ".join(f"{count:,} {name}" for name, count in lost.items()) + ".", style="yellow"))
    if elapsed:
        out.print(Text(f"{elapsed:.2f} s, {coverage.lines / elapsed:,.0f} lines a second.", style="dim"))


def _tally(out: Console, groups: list[list[Told]]) -> None:
    """How many were held, and how many a rule that only observes or alerts noticed."""
    for verb, held in (("held", True), ("noticed by rules that hold nobody", False)):
        rules: Counter[str] = Counter(group[0].decision.rule for group in groups if group[0].decision.holds == held)
        times = sum(len(group) for group in groups if group[0].decision.holds == held)
        if rules:
            each = ", ".join(f"{rule} {count:,}" for rule, count in rules.most_common())
            out.print(Text(f"{rules.total():,} {verb}, {number(times, 'time')}: {each}."))
        elif held:
            out.print(Text("Nobody would have been held.", style="green"))


def _is_good(deeds: Deeds) -> bool:
    return bool(deeds.logins or deeds.messages)


def _good_ones(out: Console, made: Replay, groups: list[list[Told]]) -> None:
    """Those in the table that also did well: look at them before you enforce."""
    good = {group[0].decision.subject.text: deeds for group in groups if _is_good(deeds := made.deeds_in(group[0].decision))}
    if not good:
        return
    out.print()
    out.print(Text("Probable false positives: they logged in well or delivered mail", style="bold yellow"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, deeds in list(good.items())[:MOST_ROWS]:
        did = [number(deeds.logins, "log-in") + (f" as {some(deeds.accounts)}" if deeds.accounts else "")] if deeds.logins else []
        did += [f"{number(deeds.messages, 'message')} delivered"] if deeds.messages else []
        table.add_row(plain(name, "yellow"), plain(", ".join(did)))
    out.print(table)
