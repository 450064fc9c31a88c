"""The table that ``gatepost replay`` prints for people.

Job: lay out decisions, evidence, totals and probable false positives. Promise: every text from a log is shown, never obeyed. Limits: only looks.
"""

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatepost.aid.replay import Deeds, Replay, Told
from gatepost.app.past import PastLogs
from gatepost.cli.parse import understood
from gatepost.cli.show import console, local, plain, safe, some
from gatepost.core.facts import PROTOCOLS
from gatepost.core.rules import PLURALS
from gatepost.core.spans import Span

MOST_ROWS = 200
"""Rows that are printed; --json has them all."""


def show(logs: PastLogs, made: Replay, elapsed: float) -> None:
    """Prints what came of a replay."""
    out = console()
    groups = list(made.groups())
    if groups:
        _decisions(out, logs, made, groups[:MOST_ROWS])
        if len(groups) > MOST_ROWS:
            out.print(Text(f"... and {len(groups) - MOST_ROWS:,} more; --json prints them all.", style="dim"))
    _totals(out, logs, made, groups, elapsed)
    _good_ones(out, made, groups)


_HEADER = ("rule", "on", "who", "from", "until", "times")


def _decisions(out: Console, logs: PastLogs, made: Replay, groups: list[list[Told]]) -> None:
    """A row for each rule and subject, and below it what was done and the first and the last line that made the decision."""
    rows = [_row(logs, told) for told in groups]
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(len(_HEADER))]
    out.print(Text("Who would have been held\n", style="bold"))
    out.print(Text("  ".join(name.ljust(width) for name, width in zip(_HEADER, widths, strict=True)), style="dim"), no_wrap=True, overflow="ellipsis")
    for row, told in zip(rows, groups, strict=True):
        deeds = made.deeds_in(told[0].decision)
        styles = ("bold", "", "bold yellow" if _is_good(deeds) else "bold red", "", "", "")
        line = Text()
        for cell, width, style in zip(row, widths, styles, strict=True):
            line.append(cell.ljust(width) + "  ", style=style)
        out.print(line, no_wrap=True, overflow="ellipsis")
        for below in _evidence(logs, told[0], deeds):
            out.print(Text("    ") + below, no_wrap=True, overflow="ellipsis")


def _row(logs: PastLogs, group: list[Told]) -> tuple[str, ...]:
    first, last = group[0].decision, group[-1].decision
    start, until = local(first.start, logs.zone), local(last.until, logs.zone)
    return (
        safe(first.rule),
        _where(group[0]),
        safe(first.subject.text, 60),
        start,
        until[11:] if until[:10] == start[:10] else until,
        str(len(group)),
    )


def _where(told: Told) -> str:
    decision = told.decision
    mark = "" if not decision.watched else " (watched)" if decision.action != "alert" else " (alert)"
    mark += f" (+{Span(decision.delay)})" if decision.action == "delay" else ""
    return ("logins" if decision.logins else "all" if decision.protocols == PROTOCOLS else ",".join(decision.protocols)) + mark


def _evidence(logs: PastLogs, told: Told, deeds: Deeds) -> Iterator[Text]:
    """What was done, and the first and the last line that made the decision."""
    decision = told.decision
    what = f"{decision.count} {PLURALS[decision.counts]} within {decision.reason.partition(' in ')[2]}"
    yield Text(f"{what}{f'; tried {some(deeds.tried)}' if deeds.tried else ''}")
    for line in (told.first, told.last) if told.first.number != told.last.number else (told.first,):
        name, number = logs.order.where(line.number)
        text = Text(f"{safe(name)}:{number}: ", style="cyan")
        yield text.append(safe(line.text) if line.text else "(too long ago to show)", style="dim")


def _totals(out: Console, logs: PastLogs, made: Replay, groups: list[list[Told]], elapsed: float) -> None:
    coverage = made.reader.coverage
    out.print()
    if made.kinds:
        out.print(Text(f"From {local(made.first, logs.zone)} to {local(made.newest, logs.zone)} ({logs.zone})", style="bold"))
    out.print(Text(understood(coverage)))
    if logs.order.repeated:
        out.print(Text(f"{logs.order.repeated:,} lines stood in several files and were read once."))
    if made.facts:
        out.print(Text("Facts: " + ", ".join(f"{count:,} {name}" for name, count in made.facts.items()) + "."))
    held: Counter[str] = Counter(told[0].decision.rule for told in groups)
    if held:
        times = sum(len(told) for told in groups)
        out.print(
            Text(f"{sum(held.values()):,} held, {times:,} times: " + ", ".join(f"{rule} {count:,}" for rule, count in held.most_common()) + ".")
        )
    else:
        out.print(Text("Nobody would have been held.", style="green"))
    for brake in made.brakes:
        out.print(
            Text(f"The brake put {brake.rule} to observe: {brake.good} of the {brake.held} clients that it held were good ones.", style="bold yellow")
        )
    lost = {name: count for name, count in made.order.engine.pressure.items() if count}
    if lost:
        out.print(Text("Not counted or forgotten early: " + ", ".join(f"{count:,} {name}" for name, count in lost.items()) + ".", style="yellow"))
    rate = coverage.lines / elapsed if elapsed else 0
    out.print(Text(f"{elapsed:.2f} s, {rate:,.0f} lines a second.", style="dim"))


def _is_good(deeds: Deeds) -> bool:
    return bool(deeds.logins or deeds.messages)


def _good_ones(out: Console, made: Replay, groups: list[list[Told]]) -> None:
    """Those among the held that also did well: look at them before you enforce."""
    good = {told[0].decision.subject.text: deeds for told in groups if _is_good(deeds := made.deeds_in(told[0].decision))}
    if not good:
        return
    out.print()
    out.print(Text("Probable false positives: held, yet they logged in well or delivered mail", style="bold yellow"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, deeds in list(good.items())[:MOST_ROWS]:
        did = [f"{deeds.logins:,} log-ins as {some(deeds.accounts)}" if deeds.accounts else f"{deeds.logins:,} log-ins"] if deeds.logins else []
        did += [f"{deeds.messages:,} messages delivered"] if deeds.messages else []
        table.add_row(plain(name, "yellow"), plain(", ".join(did)))
    out.print(table)
