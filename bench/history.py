"""What recalling costs: a history of ten million facts, `why` in it, the keeper's memory, and the guard beside it.

    python bench/history.py                          # ten million facts of a million clients over ten days: some minutes, 1 GB
    python bench/history.py --facts 200000 --folder /var/tmp

Job: fill a store as the daemon does, with log lines, while a real keeper follows; ask that keeper about clients, the busiest among them; and offer
facts to a guard at a steady rate with and without a keeper beside it. Promise: the keeper is the real process, asked over its real socket.
Limits: wall clock and memory are this machine's; nothing is asserted.
"""

import argparse
import asyncio
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from gatepost.core.engine import Engine
from gatepost.core.facts import AuthFailed, Connected, Fact, SessionEnded
from gatepost.core.subjects import Client
from gatepost.keeper.files import HistorySettings, pieces
from gatepost.keeper.follow import frame
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.pipeline.recall import Answer, AskWhy, Counts, Past
from gatepost.stores.contract import Batch
from gatepost.stores.sqlite import SqliteStore

START = 1_790_000_000_000_000
DAY = 86_400_000_000
PIECE = 8_192


class Keeper:
    """A real keeper, and our end of its socket."""

    def __init__(self, folder: Path) -> None:
        self.link, theirs = socket.socketpair()
        settings = msgspec.json.encode(HistorySettings()).decode()
        command = [sys.executable, "-m", "gatepost.keeper", "follow", str(folder / "gatepost.db"), str(folder / "history"), settings]
        with theirs:
            self.child = subprocess.Popen(command, stdin=theirs.fileno())
        self.file = self.link.makefile("rb")
        self.counts = Counts()

    def answer(self) -> Answer:
        """The next that it says."""
        found = msgspec.msgpack.decode(self.file.read(int.from_bytes(self.file.read(4))), type=Answer)
        self.counts = found.counts or self.counts
        return found

    def why(self, asked: AskWhy) -> Past:
        """What it knows."""
        self.link.sendall(frame(asked))
        while not (found := self.answer()).number:
            pass
        assert found.past is not None
        return found.past

    def end(self) -> None:
        """Ends it."""
        self.link.shutdown(socket.SHUT_RDWR)
        self.child.wait()


def made(many: int, clients: int) -> Iterator[tuple[list[Fact], list[str]]]:
    """Facts and their lines, in pieces: a third from a hundredth of the clients."""
    chance = random.Random(7)
    names = [Client(f"{240 + (n >> 24)}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}") for n in chance.sample(range(1 << 26), clients)]
    busy, step, at = names[: clients // 100 + 1], 10 * DAY // many, START
    for first in range(0, many, PIECE):
        facts: list[Fact] = []
        lines = []
        for number in range(first, min(first + PIECE, many)):
            at += step
            client = chance.choice(busy) if chance.random() < 0.33 else chance.choice(names)
            kind = number % 4
            if kind == 0:
                account = f"user{chance.randrange(5000)}@example.org"
                facts.append(AuthFailed(at, "mx1", "imap", "imaps", client, account=account, method="PLAIN", reason="password"))
                lines.append(f"Nov 24 10:00:00 mx1 dovecot: auth-worker(7): sql({account},{client},<{number:x}>): Password mismatch")
            elif kind == 1:
                facts.append(SessionEnded(at, "mx1", "smtp", "smtpd", client))
                lines.append(f"Nov 24 10:00:00 mx1 postfix/smtpd[{number % 5000}]: disconnect from unknown[{client}] ehlo=1 quit=1 commands=2")
            else:
                facts.append(Connected(at, "mx1", "smtp", "smtpd", client))
                lines.append(f"Nov 24 10:00:00 mx1 postfix/smtpd[{number % 5000}]: connect from unknown[{client}]")
        yield facts, lines


def fill(folder: Path, many: int, clients: int) -> tuple[Keeper, list[Client]]:
    """Fills a store with a keeper beside it, and waits until it has read all. Returns the keeper and some clients, the busiest first."""
    store = SqliteStore(folder / "gatepost.db")
    store.open()
    keeper, place, seen, start = Keeper(folder), 0, {}, time.monotonic()
    for facts, lines in made(many, clients):
        store.write(Batch(first=place + 1, entries=facts, lines=lines))
        place += len(facts)
        for fact in facts[::97]:
            seen[fact.client] = seen.get(fact.client, 0) + 1
    written = time.monotonic() - start
    while keeper.answer().counts is None or keeper.counts.place < place:
        pass
    done = time.monotonic() - start
    size = sum(piece.size for piece in pieces(folder / "history"))
    print(f"written to the journal in {written:.0f} s; in the history after {done:.0f} s: {many / done:,.0f} facts a second")
    print(f"the history: {size / many:.1f} bytes a fact, with log lines")
    print(f"the journal: {(folder / 'gatepost.db').stat().st_size / many:.1f} bytes a fact, with log lines")
    found = sorted(seen, key=lambda name: -seen[name])
    return keeper, [*found[:50], *found[-150:]]


def ask(keeper: Keeper, clients: Sequence[Client]) -> None:
    """Asks about each client, and about its network and accounts."""
    keeper.why(AskWhy(number=1, client=clients[0]))
    questions = [("client", AskWhy(number=1, client=name, prefixes=(name, name.rpartition(".")[0] + ".0/24"))) for name in clients]
    questions += [("network", AskWhy(number=1, network=name.rpartition(".")[0] + ".0/24")) for name in clients[:40]]
    questions += [("account", AskWhy(number=1, account=f"user{number}@example.org")) for number in range(40)]
    took: dict[str, list[float]] = {}
    for sort, question in questions:
        start = time.perf_counter()
        keeper.why(question)
        took.setdefault(sort, []).append((time.perf_counter() - start) * 1000)
    for sort, times in took.items():
        times.sort()
        print(f"why {sort}: p50 {statistics.median(times):.0f} ms, p99 {times[int(len(times) * 0.99)]:.0f} ms, {len(times)} asked")


async def offer(folder: Path, beside: bool) -> None:
    """Offers 5,000 facts a second, ten at a time, for ten seconds, and tells how long `report` took."""
    store = SqliteStore(folder / "gatepost.db")
    store.open()
    keeper = Keeper(folder) if beside else None
    journal = Journal(store)
    guard = Guard(Order(Engine()), journal, [], lambda effects: None, lambda: 1 << 60)
    took = []
    for facts, lines in made(50_000, 20_000):
        for at in range(0, len(facts), 10):
            start = time.perf_counter()
            guard.report(facts[at : at + 10], "logs", b"", lines[at : at + 10])
            took.append((time.perf_counter() - start) * 1_000_000)
            await asyncio.sleep(0.002)
    await guard.quiet()
    journal.close()
    if keeper:
        keeper.end()
    took.sort()
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"report of ten facts, {'with' if beside else 'without'} a keeper: p50 {p50:.0f} us, p99 {p99:.0f} us")


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=10_000_000)
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--folder", default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        keeper, clients = fill(Path(name), asked.facts, asked.clients or asked.facts // 10)
        ask(keeper, clients)
        keeper.end()
        print(f"the keeper's memory at most: {keeper.counts.memory / (1 << 20):.0f} MiB")
    for beside in (False, True, False, True):
        with tempfile.TemporaryDirectory(dir=asked.folder) as name:
            asyncio.run(offer(Path(name), beside))


if __name__ == "__main__":
    main()
