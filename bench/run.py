"""The benchmark: one command, a table for each question.

    python bench/run.py                  # everything that can run here, on a million lines
    python bench/run.py --only peers --rounds 5
    python bench/run.py --only lines,memory --full

Job: `peers` compares `gatepost replay` and `gatepost parse` with what else reads mail logs; `lines`, `addresses` and `rules` show how the cost
of a replay grows; `right` holds replay's decisions against what the generator knows to be true.
Promise: contestants alternate (A B C, A B C, ...) and figures are medians; ratios are taken within a round, since the machine is shared. What
can't run here is named, with the reason. Data is made on demand, by seed, in bench/data/, and kept.
Limits: wall clock and CPU are this machine's; only the ratios travel. Nothing is asserted: this is a measurement, not a test.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import measure
from measure import RunError, Usage, count
from peers import PEERS, ROOT, Peer

HERE = Path(__file__).resolve().parent
SEED = 7
MILLION = 1_000_000
YEAR = ("--timezone", "UTC", "--year", "2026")
"""The generated logs have RFC 3164 stamps of November 2026, UTC."""

Row = dict[str, Any]


@dataclass
class Part:
    """One table: what it asks, its columns, and its rows."""

    title: str
    head: tuple[str, ...]
    rows: list[list[str]]
    data: list[Row]
    missing: list[str]

    def text(self) -> str:
        """The table for people."""
        said = [self.title, "=" * len(self.title)]
        if self.rows:
            said.append(measure.table(self.head, self.rows))
        return "\n".join([*said, *(f"not run: {reason}" for reason in self.missing), ""])


class Gatepost:
    """How to call the program under test."""

    def __init__(self, command: str) -> None:
        self.env = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
        own = ROOT / ".venv" / "bin" / "gatepost"
        self.command = command.split() or ([str(own)] if own.exists() else [sys.executable, "-m", "gatepost"])

    def missing(self) -> str:
        """Why it can't be measured."""
        try:
            measure.run([*self.command, "replay", "--help"], env=self.env)
        except (RunError, OSError) as error:
            return f"gatepost: {str(error).splitlines()[-1][:200]}"
        return ""

    def replay(self, log: Path, *options: str, out: Path = Path(os.devnull)) -> Usage:
        """One replay, its answer as JSON."""
        return measure.run([*self.command, "replay", str(log), "--json", *YEAR, *options], env=self.env, stdout=out, ok=(0, 1))

    def parse(self, log: Path) -> Usage:
        """One parse, an object for each line that tells something."""
        return measure.run([*self.command, "parse", str(log), "--json", *YEAR], env=self.env, ok=(0, 1))


def log_of(data: Path, lines: int, addresses: int) -> Path:
    """The generated log of a size, made if it is not there yet, with its truth beside it."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / f"{lines}-{addresses}.log"
    if not log.exists():
        print(f"making {log.name} ...", file=sys.stderr)
        part = log.with_suffix(".part")
        sizes = ["--lines", str(lines), "--seed", str(SEED), "--addresses", str(addresses)]
        subprocess.run([sys.executable, str(HERE / "generate.py"), *sizes, "-o", str(part), "--truth", str(log.with_suffix(".json"))], check=True)
        part.rename(log)
    return log


def truth_of(log: Path) -> Row:
    """What the generator knows about a log."""
    told: Row = json.loads(log.with_suffix(".json").read_text())
    return told


def contest(log: Path, lines: int, rounds: int, contestants: list[Peer], missing: list[str]) -> Part:
    """Every contestant over the same log, in turns; ratios against the first within each round."""
    runs: dict[str, list[Usage]] = {peer.name: [] for peer in contestants}
    for number in range(rounds):
        for peer in list(contestants):
            print(f"round {number + 1}: {peer.name} ...", file=sys.stderr)
            try:
                runs[peer.name].append(peer.run(log))
            except RunError as error:
                missing.append(f"{peer.name}: {error}")
                contestants.remove(peer)
    rows, data = [], []
    for peer in contestants:
        usage = measure.middle(runs[peer.name])
        first = runs[contestants[0].name]
        by_wall = median(own.wall / other.wall for own, other in zip(runs[peer.name], first, strict=True))
        by_cpu = median(own.cpu / other.cpu for own, other in zip(runs[peer.name], first, strict=True))
        rate = lines / usage.wall
        cells = [peer.name, count(rate), f"{usage.wall:.2f}", f"{usage.cpu:.2f}", f"{usage.rss:.0f}", f"{by_wall:.2f}", f"{by_cpu:.2f}"]
        rows.append([*cells, f"{peer.does}{'; ' if usage.note else ''}{usage.note}"])
        data.append({"name": peer.name, "lines_per_second": rate, **asdict(usage), "wall_ratio": by_wall, "cpu_ratio": by_cpu})
    head = ("reader", "lines/s", "wall s", "CPU s", "peak MiB", "wall ratio", "CPU ratio", "note")
    title = (
        f"{count(lines)} lines, {log.stat().st_size / 1e6:.0f} MB, {rounds} rounds; ratios against {contestants[0].name if contestants else 'nobody'}"
    )
    return Part(title, head, rows, data, missing)


def part_peers(gatepost: Gatepost, options: argparse.Namespace) -> Part:
    """Gatepost against what else reads mail logs."""
    log = log_of(options.data, options.lines, 20_000)
    ours = [
        Peer("gatepost replay", "read to decision, evidence kept", gatepost.missing, gatepost.replay),
        Peer("gatepost parse", "facts as JSON", gatepost.missing, gatepost.parse),
    ]
    chosen = [peer for peer in [*ours, *PEERS] if not options.peers or peer.name in options.peers.split(",")]
    reasons = {peer.name: peer.missing() for peer in chosen}
    runnable = [peer for peer in chosen if not reasons[peer.name]]
    return contest(log, options.lines, options.rounds, runnable, [f"{name}: {why}" for name, why in reasons.items() if why])


def growth(title: str, gatepost: Gatepost, rounds: int, cases: Sequence[tuple[str, Path, tuple[str, ...]]]) -> Part:
    """How the cost of a replay grows over some cases, in turns."""
    head = ("case", "lines", "addresses", "lines/s", "wall s", "CPU s", "us/line", "peak MiB", "decisions")
    why = gatepost.missing()
    if why:
        return Part(title, head, [], [], [why])
    runs: list[list[Usage]] = [[] for _ in cases]
    outs = [log.with_name(f"replay-{at}.json") for at, (_, log, _) in enumerate(cases)]
    for number in range(rounds):
        for at, (name, log, options) in enumerate(cases):
            print(f"{title}, round {number + 1}: {name} ...", file=sys.stderr)
            runs[at].append(gatepost.replay(log, *options, out=outs[at]))
    decisions = [len(json.loads(out.read_text())["decisions"]) for out in outs]
    rows, data = [], []
    for at, (name, log, _) in enumerate(cases):
        usage, truth = measure.middle(runs[at]), truth_of(log)
        lines, addresses = truth["lines"], truth["addresses"]
        cells = [count(lines), count(addresses), count(lines / usage.wall), f"{usage.wall:.2f}", f"{usage.cpu:.2f}", f"{usage.cpu / lines * 1e6:.2f}"]
        rows.append([name, *cells, f"{usage.rss:.0f}", str(decisions[at])])
        data.append({"case": name, "lines": lines, "addresses": addresses, **asdict(usage), "decisions": decisions[at]})
    return Part(title, head, rows, data, [])


def part_lines(gatepost: Gatepost, options: argparse.Namespace) -> Part:
    """Ten times the lines should take ten times as long, and no more memory."""
    sizes = [MILLION // 10, MILLION, *([10 * MILLION] if options.full else [])]
    cases = [(count(size), log_of(options.data, size, 20_000), ()) for size in sizes]
    return growth("Growth with lines", gatepost, options.rounds, cases)


def part_addresses(gatepost: Gatepost, options: argparse.Namespace) -> Part:
    """More addresses cost memory, and not time. The largest needs ten million lines to show them all: --full."""
    sizes = [(MILLION, 1000), (MILLION, 10_000), (MILLION, 100_000), (MILLION, MILLION), *([(10 * MILLION, MILLION)] if options.full else [])]
    cases = [(f"{count(lines)} / {count(many)}", log_of(options.data, lines, many), ()) for lines, many in sizes]
    return growth("Growth with addresses", gatepost, options.rounds, cases)


def part_rules(gatepost: Gatepost, options: argparse.Namespace) -> Part:
    """More rules: those that count the same kind of fact cost, the others do not."""
    log = log_of(options.data, MILLION, 20_000)
    cases: list[tuple[str, Path, tuple[str, ...]]] = [("standard, 3 rules", log, ())]
    for many in (3, 10, 30, 100):
        path = options.data / f"rules-{many}.toml"
        path.write_text(rules(many))
        cases.append((f"{many} rules", log, ("--rules", str(path))))
    return growth("Growth with rules", gatepost, options.rounds, cases)


def rules(many: int) -> str:
    """A rules file: the three standard rules again and again, with windows that all differ and thresholds that some attacker passes."""
    kinds = (
        ("connected", "5m", 50, '"smtp", "imap", "pop3"'),
        ("bad_session", "5m", 20, '"smtp"'),
        ("auth_failed", "10m", 50, '"smtp", "imap", "pop3"'),
    )
    text = []
    for number in range(many):
        counts, _, threshold, protocols = kinds[number % 3]
        lines = (
            "[[rule]]",
            f'name = "rule-{number}"',
            f'counts = "{counts}"',
            f"on = [{protocols}]",
            'by = "client"',
            f"threshold = {threshold + number // 3}",
            f'window = "{300 + number}s"',
            'action = "block"',
            'for = "5m"',
        )
        text.append("\n".join(lines) + "\n")
    return "\n".join(text)


def part_right(gatepost: Gatepost, options: argparse.Namespace) -> Part:
    """Does replay decide what the generator knows to be true: rule, protocol, subject and the line that made it fire?"""
    head = ("log", "true", "found", "agree", "missed", "invented", "note")
    title = "Decisions held against the truth"
    why = gatepost.missing()
    if why:
        return Part(title, head, [], [], [why])
    rows, data = [], []
    out = options.data / "replay.json"
    for log in (log_of(options.data, options.lines, 20_000), log_of(options.data, MILLION, MILLION)):
        gatepost.replay(log, out=out)
        expected = {(fire["rule"], fire["protocol"], fire["subject"], fire["line"]) for fire in truth_of(log)["fires"]}
        found = {(one["rule"], one["protocol"], one["subject"], max(one["evidence"])) for one in json.loads(out.read_text())["decisions"]}
        odd = sorted(expected ^ found)[:1]
        numbers = [len(expected), len(found), len(expected & found), len(expected - found), len(found - expected)]
        rows.append([log.name, *map(str, numbers), f"first difference: {odd[0]}" if odd else ""])
        data.append({"log": log.name, **dict(zip(head[1:6], numbers, strict=True))})
    return Part(title, head, rows, data, [])


def part_live(gatepost: Gatepost, options: argparse.Namespace) -> Part:
    """The daemon at work beside fail2ban: latency, load, restart, idle."""
    import live  # what it needs of the tests is not needed for the other parts

    head = ("what", "gatepost", "fail2ban", "ratio")
    title = "The live guard"
    why = gatepost.missing() or live.missing()
    if why:
        return Part(title, head, [], [], [why])
    rows, data, missing = live.measured(lambda: log_of(options.data, MILLION, 20_000), options.full)
    return Part(title, head, rows, data, missing)


def part_console(gatepost: Gatepost, options: argparse.Namespace) -> Part:
    """What somebody who looks costs the guard."""
    import console  # what it needs of the tests is not needed for the other parts

    head = ("what", "p50 ms", "p99 ms", "most ms")
    measured = console.rows()
    rows = [[name, *(f"{value:.1f}" for value in values)] for name, *values in measured]
    return Part("The guard while the console is read", head, rows, [dict(zip(head, row, strict=True)) for row in measured], [])


PARTS: dict[str, Callable[[Gatepost, argparse.Namespace], Part]] = {
    "peers": part_peers,
    "lines": part_lines,
    "addresses": part_addresses,
    "rules": part_rules,
    "right": part_right,
    "live": part_live,
    "console": part_console,
}


def machine() -> str:
    """What this ran on."""
    names = (
        dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
        if Path("/etc/os-release").exists()
        else {}
    )
    where = names.get("PRETTY_NAME", "?").strip('"')
    return f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release().split('-')[0]}, {where}, CPython {platform.python_version()}"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Measure gatepost against its peers, and how its cost grows.")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run, by comma (default: %(default)s)")
    parser.add_argument("--peers", default="", help="contestants of the part peers, by comma (default: all)")
    parser.add_argument("--lines", type=int, default=MILLION, help="lines of the log for peers and right (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help="ten million lines and a million addresses too (3 GB in bench/data/)")
    parser.add_argument("--data", type=lambda text: Path(text).resolve(), default=HERE / "data", help="where the logs are kept (default: bench/data)")
    parser.add_argument("--gatepost", default="", help="the command to measure (default: .venv/bin/gatepost, else this Python with src/)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    unknown = [name for name in options.only.split(",") if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {unknown[0]} (there are {', '.join(PARTS)})")
    known = ("gatepost replay", "gatepost parse", *(peer.name for peer in PEERS))
    unknown = [name for name in options.peers.split(",") if name and name not in known]
    if unknown:
        parser.error(f"no such contestant: {unknown[0]} (there are {', '.join(known)})")
    gatepost = Gatepost(options.gatepost)
    told: Row = {"machine": machine()}
    if not options.json:
        print(f"{told['machine']}\n")
    for name in options.only.split(","):
        part = PARTS[name](gatepost, options)
        told[name] = {"title": part.title, "rows": part.data, "not_run": part.missing}
        if not options.json:
            print(part.text(), flush=True)
    if options.json:
        print(json.dumps(told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
