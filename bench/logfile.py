"""How fast a growing log is followed.

    python bench/logfile.py [--lines 300000] [--rate 2000] [--seconds 5]

Job: print the time from a line's write to its report (single lines at an even rate, from another process), the lines a second that are read from a
log that is there and from one that grows as fast as it can be written, what a save of the reader's memory costs, and the CPU of an idle inlet.
Promise: the log is the generator's; nothing is asserted. Limits: nobody stores or counts what is reported: that is measured elsewhere.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path

from gatepost.core.facts import Fact
from gatepost.inlets.logfile import LogFileInlet, LogFileSettings
from gatepost.wire.maillog.reader import Reader

LATENCY_WRITER = """
import sys, time, datetime
with open(sys.argv[1], "a") as log:
    for number in range(int(sys.argv[2])):
        stamp = datetime.datetime.fromtimestamp(time.time(), datetime.UTC).isoformat(timespec="microseconds")
        log.write(f"{stamp} mx postfix/smtpd[10]: connect from unknown[192.0.2.7]\\n")
        log.flush()
        time.sleep(float(sys.argv[3]))
"""
COPIER = """
import sys
with open(sys.argv[1], "a") as log, open(sys.argv[2]) as lines:
    while piece := lines.read(4096):
        log.write(piece)
        log.flush()
"""


class Desk:
    """Counts what is reported, and how long ago it was written."""

    def __init__(self) -> None:
        self.facts = 0
        self.took: list[int] = []
        self.cursors: dict[str, bytes] = {}

    def report(self, facts: Sequence[Fact], name: str, cursor: bytes) -> None:
        """Takes a report."""
        now = time.time_ns() // 1000
        self.facts += len(facts)
        self.took += [now - fact.at for fact in facts]
        self.cursors[name] = cursor

    def inlet(self, path: Path) -> LogFileInlet:
        """An inlet that reports here."""
        return LogFileInlet(LogFileSettings(path=str(path)), self.report, lambda: time.time_ns() // 1000, dict(self.cursors), zone=UTC)


async def _until_read(inlet: LogFileInlet, writer: subprocess.Popen[bytes]) -> None:
    while writer.poll() is None or inlet.state().lag_bytes:
        await asyncio.sleep(0.01)


async def _follow(inlet: LogFileInlet, seconds: float, writer: subprocess.Popen[bytes] | None) -> None:
    task = asyncio.create_task(inlet.run())
    await asyncio.sleep(0.01)
    if writer is None:
        await asyncio.sleep(seconds)
    else:
        await _until_read(inlet, writer)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def latency(folder: Path, rate: int, seconds: float) -> None:
    """From a line's write to its report."""
    log, desk = folder / "latency.log", Desk()
    log.touch()

    async def both() -> None:
        inlet = desk.inlet(log)
        await inlet.catch_up()
        await _follow(inlet, 0, subprocess.Popen([sys.executable, "-c", LATENCY_WRITER, log, str(int(rate * seconds)), str(1 / rate)]))

    asyncio.run(both())
    took = sorted(desk.took)
    print(f"write to report, {len(took)} lines: p50 {took[len(took) // 2]} us, p99 {took[len(took) * 99 // 100]} us, max {took[-1]} us")


def throughput(folder: Path, made: Path, count: int) -> None:
    """Lines a second: from a log that is there, and from one that grows."""
    log, desk = folder / "mail.log", Desk()
    log.touch()
    asyncio.run(_follow(desk.inlet(log), 0, subprocess.Popen(["true"])))
    log.write_bytes(made.read_bytes())
    lines = made.read_text().split("\n")
    reader = Reader(timezone=UTC, latest=time.time_ns() // 1000)
    cpu = time.process_time()
    for at in range(0, len(lines), 450):
        reader.read(lines[at : at + 450], at)
    alone = time.process_time() - cpu
    inlet = desk.inlet(log)
    cpu, start = time.process_time(), time.monotonic()
    asyncio.run(inlet.catch_up())
    took, cpu = time.monotonic() - start, time.process_time() - cpu
    print(f"caught up: {count / took:,.0f} lines/s, {cpu / count * 1e6:.2f} us of CPU a line; its reader alone {alone / count * 1e6:.2f} us")
    print(f"{desk.facts} facts, memory {inlet.state().memory_bytes:,} bytes")
    start = time.monotonic()
    inlet._save()
    inlet._unsaved = True
    inlet._save()
    print(f"saving the reader's memory: {(time.monotonic() - start) * 1e3:.2f} ms; cursor {len(desk.cursors[inlet.name])} bytes")
    grown = folder / "grown.log"
    grown.touch()
    desk = Desk()

    async def growing() -> tuple[float, float]:
        inlet = desk.inlet(grown)
        await inlet.catch_up()
        start, cpu = time.monotonic(), time.process_time()
        await _follow(inlet, 0, subprocess.Popen([sys.executable, "-c", COPIER, grown, made]))
        return time.monotonic() - start, time.process_time() - cpu

    took, cpu = asyncio.run(growing())
    print(f"growing as fast as it is written: {count / took:,.0f} lines/s, {cpu / count * 1e6:.2f} us of CPU a line, {desk.facts} facts")


def idle(folder: Path, seconds: float) -> None:
    """The CPU of an inlet to which nothing happens."""
    log = folder / "idle.log"
    log.touch()
    start = time.process_time()
    asyncio.run(_follow(Desk().inlet(log), seconds, None))
    print(f"idle: {(time.process_time() - start) / seconds * 100:.3f} % of a CPU")


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description="Measure how fast a growing log is followed.")
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--rate", type=int, default=1_000, help="lines a second while the latency is measured")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatepost-bench-") as name:
        folder = Path(name)
        made = folder / "made"
        subprocess.run([sys.executable, Path(__file__).with_name("generate.py"), "--lines", str(given.lines), "-o", made], check=True)
        latency(folder, given.rate, given.seconds)
        throughput(folder, made, given.lines)
        idle(folder, given.seconds)


if __name__ == "__main__":
    main()
