"""What remembering costs: the journal's rate, the size of a million facts, snapshots, and a start.

    python bench/store.py                 # a million facts of 100,000 clients
    python bench/store.py --facts 200000 --folder /var/tmp

Job: offer facts to a store as fast as it takes them, and to a journal at 100,000 a second; make a snapshot as the keeper does, and start again with
and without it. Promise: CPU of the thread that offers is told apart from the whole; the disk is the one of ``--folder``.
Limits: wall clock and CPU are this machine's; nothing is asserted.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import measure

from gatepost.core.facts import AuthFailed, Connected, Fact, Rejected, SessionEnded
from gatepost.core.subjects import Client
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.recovery import recover
from gatepost.stores.contract import Batch
from gatepost.stores.sqlite import SqliteStore

START = 1_790_000_000_000_000
RATE = 100_000
TICK = 0.01
"""Seconds between two pieces, where facts come at a rate: an inlet reads what has come."""

Row = tuple[str, str]


def facts(many: int, clients: int) -> list[Fact]:
    """Facts of a mail server whose clients come back now and then; a quarter are failed log-ins, and one in thirty a rejection."""
    chance = random.Random(7)
    names = [Client(f"{240 + (n >> 24)}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}") for n in chance.sample(range(1 << 24), clients)]
    found: list[Fact] = []
    at = START
    for number in range(many):
        at += chance.randrange(20_000)
        client, kind = names[chance.randrange(clients)], chance.randrange(120)
        if kind < 30:
            account = f"user{chance.randrange(5000)}@example.org"
            found.append(AuthFailed(at, "mx1", "imap", "imaps", client, account=account, method="PLAIN", session=f"{number:016x}"))
        elif kind < 34:
            found.append(
                Rejected(at, "mx1", "smtp", "smtpd", client, stage="rcpt", code=550, reason="unknown_user", recipient=f"r{number}@example.org")
            )
        elif kind < 80:
            found.append(Connected(at, "mx1", "smtp", "smtpd", client))
        else:
            found.append(SessionEnded(at, "mx1", "smtp", "smtpd", client))
    return found


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """The seconds that something takes, by the clock and of the CPU."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def size(path: Path) -> int:
    """The bytes of a database and of what lies beside it."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def as_fast_as_it_goes(path: Path, given: Sequence[Fact]) -> list[Row]:
    """One thread writes batches of 10,000, the last in full."""
    store = SqliteStore(path)
    store.open()

    def write() -> None:
        for at in range(0, len(given), 10_000):
            store.write(Batch(first=at + 1, entries=list(given[at : at + 10_000]), cursors={"log": b"x" * 60}))

    wall, cpu = timed(write)
    store.close()
    return [
        ("store, batches of 10,000", f"{len(given) / wall:,.0f} entries/s, {cpu / len(given) * 1e6:.2f} us of CPU each"),
        (f"size of {len(given):,} facts", f"{size(path) / 1e6:.1f} MB, {size(path) / len(given):.1f} bytes each"),
    ]


def at_a_rate(path: Path, given: Sequence[Fact]) -> list[Row]:
    """A loop offers 100,000 a second to a journal, and asks now and then whether a place is stored."""
    store = SqliteStore(path)
    store.open()
    waits: list[float] = []
    loop_cpu = 0.0
    deepest = 0

    async def ask(journal: Journal, place: int) -> None:
        start = time.perf_counter()
        assert await journal.stored(place)
        waits.append(time.perf_counter() - start)

    async def offer() -> None:
        nonlocal loop_cpu, deepest
        journal = Journal(store)
        asked = []
        start, piece = time.perf_counter(), int(RATE * TICK)
        for number, at in enumerate(range(0, len(given), piece)):
            await asyncio.sleep(max(0.0, start + number * TICK - time.perf_counter()))
            before = time.thread_time()
            journal.add(at + 1, given[at : at + piece], {"log": b"x" * 60})
            loop_cpu += time.thread_time() - before
            deepest = max(deepest, journal.depth)
            if number % 7 == 0:
                asked.append(asyncio.create_task(ask(journal, at + piece)))
        await asyncio.gather(*asked)
        journal.close()
        assert not journal.dropped

    wall, cpu = timed(lambda: asyncio.run(offer()))
    store.close()
    waits.sort()
    return [
        (
            f"journal at {RATE:,}/s",
            f"took {len(given) / wall:,.0f} entries/s; {cpu / wall:.0%} of a core in all, `add` {loop_cpu / wall:.2%}; deepest queue {deepest:,}",
        ),
        ("added to stored, asked for", f"p50 {waits[len(waits) // 2] * 1e3:.1f} ms, p99 {waits[len(waits) * 99 // 100] * 1e3:.1f} ms"),
    ]


def one_by_one(path: Path, given: Sequence[Fact]) -> list[Row]:
    """What `add` costs where each fact comes alone."""
    store = SqliteStore(path)
    store.open()
    journal = Journal(store, most_pending=len(given) + 1)
    before = time.thread_time()
    for place, fact in enumerate(given, 1):
        journal.add(place, (fact,))
    cpu = time.thread_time() - before
    journal.close()
    store.close()
    return [("`add`, each fact alone", f"{cpu / len(given) * 1e6:.2f} us of the loop's CPU")]


def keeper(path: Path, what: str) -> list[Row]:
    """The keeper as the daemon starts it. Its memory is looked at while it runs: what `wait4` tells is never less than this process's own."""
    start, most = time.perf_counter(), 0
    child = subprocess.Popen([sys.executable, "-m", "gatepost.keeper", path], stdout=subprocess.PIPE, text=True)
    while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        status = Path(f"/proc/{child.pid}/status").read_text()
        most = max(most, int(status.partition("VmHWM:")[2].split()[0]) if "VmHWM:" in status else 0)
        time.sleep(0.01)
    assert child.stdout
    said = child.stdout.read().strip().partition(": ")[2]
    used = measure.reap(child, start)
    return [(f"keeper, {what}", f"{used.wall:.2f} s, {used.cpu:.2f} s of CPU, {most / 1024:.0f} MiB: {said}")]


def start_again(path: Path, what: str) -> list[Row]:
    """A start: open, load, and bring in what came after."""
    store = SqliteStore(path)
    applied = 0

    def work() -> None:
        nonlocal applied
        applied = recover(store).applied

    wall, cpu = timed(work)
    return [(f"start, {what}", f"{wall:.2f} s, {cpu:.2f} s of CPU, {applied:,} entries brought in")]


def main() -> None:
    """Runs all parts, and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the databases are made (default: the folder for temporary files)")
    options = parser.parse_args()
    tail = options.facts // 10
    later = facts(options.facts + tail, options.clients)
    given, later = later[:-tail], later[-tail:]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "gatepost.db"
        rows = as_fast_as_it_goes(path, given)
        rows += start_again(path, "no snapshot")
        rows += keeper(path, f"{options.clients:,} clients, first snapshot")
        rows += start_again(path, "snapshot alone")
        store = SqliteStore(path)
        store.open()
        store.write(Batch(first=len(given) + 1, entries=list(later)))
        store.close()
        rows += start_again(path, "snapshot and a tail")
        rows += keeper(path, "next snapshot")
        rows += at_a_rate(Path(folder) / "rate.db", given)
        rows += one_by_one(Path(folder) / "single.db", given[:100_000])
    print(f"{len(given):,} facts of {options.clients:,} clients; {os.cpu_count()} CPUs")
    print(measure.table(("what", "note"), [list(row) for row in rows]))


if __name__ == "__main__":
    main()
