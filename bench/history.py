"""What recalling costs: a history of ten million facts, `why` and previews in it, the keeper's memory, and the guard beside it.

    python bench/history.py                          # ten million facts of a million clients over ten days: three minutes, 1 GB
    python bench/history.py --facts 200000 --folder /var/tmp

Job: fill a store as the daemon does, with log lines, while a real keeper follows; lay down ten days of many more facts and ask a real keeper about
them; and offer facts to a guard at a steady rate with and without a keeper beside it. Promise: the keeper is the real process, asked over its socket.
Limits: wall clock and memory are this machine's; nothing is asserted.
"""

import argparse
import asyncio
import os
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
from msgspec import structs

from gatepost.core.access import own_entries
from gatepost.core.engine import Engine
from gatepost.core.facts import AuthFailed, Connected, Fact, SessionEnded
from gatepost.core.rules import PRESETS
from gatepost.core.subjects import Client
from gatepost.keeper.files import HistorySettings, Piece, pieces
from gatepost.keeper.frames import frame
from gatepost.keeper.history import GROUP, SORTED, History, day_of
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.pipeline.previews import AskPreview, Preview
from gatepost.pipeline.recall import Answer, AskWhy, Counts, Past
from gatepost.stores.contract import Batch
from gatepost.stores.sqlite import SqliteStore

START = 1_790_000_000_000_000
DAY = 86_400_000_000
HOUR = DAY // 24
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

    def preview(self, asked: AskPreview) -> Preview:
        """What other rules would have done."""
        self.link.sendall(frame(asked))
        while (state := self.answer().preview) is None or state.result is None:
            assert state is None or state.state == "running", state
        return state.result

    def cpu(self) -> float:
        """Seconds of processor time that it took so far (proc(5): utime and stime)."""
        told = Path(f"/proc/{self.child.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Ends it."""
        self.link.shutdown(socket.SHUT_RDWR)
        self.child.wait()


def made(many: int, clients: int) -> Iterator[tuple[list[Fact], list[str]]]:
    """Facts and their lines, in pieces: a third from a hundredth of the clients, a tenth from attackers, two at a time, who change by the hour and do
    not leave when they are held."""
    chance = random.Random(7)
    names = [Client(f"{240 + (n >> 24)}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}") for n in chance.sample(range(1 << 26), clients)]
    busy, step, at = names[: clients // 100 + 1], 10 * DAY // many, START
    for first in range(0, many, PIECE):
        facts: list[Fact] = []
        lines = []
        for number in range(first, min(first + PIECE, many)):
            at += step
            one = chance.random()
            client = chance.choice(busy) if one < 0.33 else chance.choice(names)
            if one > 0.9:
                client = Client(f"100.{at // HOUR >> 8 & 255}.{at // HOUR & 255}.{chance.randrange(2)}")
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


def follow(folder: Path, many: int) -> None:
    """Fills a store with a keeper beside it, and waits until it has read all."""
    store = SqliteStore(folder / "gatepost.db")
    store.open()
    keeper, place, start = Keeper(folder), 0, time.monotonic()
    for facts, lines in made(many, max(many // 10, 100)):
        store.write(Batch(first=place + 1, entries=facts, lines=lines))
        place += len(facts)
    while keeper.answer().counts is None or keeper.counts.place < place:
        pass
    done, cpu = time.monotonic() - start, keeper.cpu()
    size = sum(piece.size for piece in pieces(folder / "history"))
    print(f"{many:,} facts in the history after {done:.0f} s: {many / done:,.0f} a second, {1_000_000 * cpu / many:.1f} us of processor time each")
    print(f"the history: {size / many:.1f} bytes a fact; the journal: {(folder / 'gatepost.db').stat().st_size / many:.1f}; with log lines")
    keeper.end()
    print(f"its memory at most: {keeper.counts.memory / (1 << 20):.0f} MiB")


LAID = """
SELECT place, "at", CASE k WHEN 0 THEN 'auth_failed' WHEN 1 THEN 'session_ended' ELSE 'connected' END AS kind, 'mx1' AS host,
  CASE k WHEN 0 THEN 'imap' ELSE 'smtp' END AS protocol, CASE k WHEN 0 THEN 'imaps' ELSE 'smtpd' END AS service, client,
  CASE k WHEN 0 THEN who ELSE '' END AS account, CASE k WHEN 0 THEN 'password' ELSE '' END AS reason, false AS evidence_only,
  CASE k WHEN 0 THEN '{{"weight":1,"method":"PLAIN"}}' ELSE '{{}}' END AS detail,
  CASE k WHEN 0 THEN 'Nov 24 10:00:00 mx1 dovecot: auth-worker(7): sql(' || who || ',' || client || ',<' || place || '>): Password mismatch'
    ELSE 'Nov 24 10:00:00 mx1 postfix/smtpd[' || place % 5000 || ']: connect from unknown[' || client || ']' END AS line,
  regexp_replace(client, '[0-9]+$', '0/24') AS net, 1::INTEGER AS weight
FROM (SELECT *, CASE WHEN one > 0.9 THEN '100.' || {day} || '.' || (place - {first}) * 24 // {many} || '.' || n % 2
    ELSE 240 + (n >> 24) || '.' || (n >> 16 & 255) || '.' || (n >> 8 & 255) || '.' || (n & 255) END AS client
  FROM (SELECT *, 61 * (CASE WHEN one < 0.33 THEN two % ({clients} // 100 + 1) ELSE two % {clients} END) % 67108864 AS n
    FROM (SELECT range + {first} AS place, {at} + range * {step} AS "at", range % 4 AS k,
      'user' || hash(range + {first}, 3) % 5000 || '@example.org' AS who,
      hash(range + {first}, 1) % 1000 / 1000 AS one, (hash(range + {first}, 2) % 4294967296)::BIGINT AS two FROM range({many}))))"""
"""The same facts as `made` tells, in SQL."""


def lay(folder: Path, many: int, clients: int) -> tuple[Keeper, list[Client]]:
    """Lays ten finished days down as the keeper does, and starts one on them. Returns it and some clients, the busiest first."""
    history, each, names = History(folder / "history", HistorySettings()), many // 10, []
    for day in range(10):
        at, first = START // DAY * DAY + day * DAY, day * each + 1
        made = LAID.format(day=day, first=first, many=each, clients=clients, at=at, step=DAY // each)
        piece = Piece(0, first, first + each - 1, day_of(at), "", 0)
        history._make(f"SELECT * FROM ({made}){SORTED}", piece, f", DICTIONARY_SIZE_LIMIT {GROUP}")
    for order, most in (("count(*) DESC, client", 50), ("hash(client)", 150)):
        found = history.database.execute(f"SELECT client FROM {history.source()} GROUP BY client ORDER BY {order} LIMIT {most}").fetchall()
        names += [Client(name) for (name,) in found]
    history.database.close()
    SqliteStore(folder / "gatepost.db").open()
    return Keeper(folder), names


def ask(keeper: Keeper, clients: Sequence[Client]) -> None:
    """Asks about each client, and about its network and accounts."""
    keeper.why(AskWhy(number=1, client=clients[0]))
    questions = [("client", AskWhy(number=1, client=name, prefixes=(name, name.rpartition(".")[0] + ".0/24"))) for name in clients]
    questions += [("network", AskWhy(number=1, network=name.rpartition(".")[0] + ".0/24")) for name in clients[:40]]
    questions += [("account", AskWhy(number=1, account=f"user{number}@example.org")) for number in range(40)]
    took: dict[str, list[float]] = {}
    cpu: dict[str, float] = {}
    for sort, question in questions:
        start, before = time.perf_counter(), keeper.cpu()
        keeper.why(question)
        took.setdefault(sort, []).append((time.perf_counter() - start) * 1000)
        cpu[sort] = cpu.get(sort, 0) + keeper.cpu() - before
    for sort, times in took.items():
        times.sort()
        p50, p99, each = statistics.median(times), times[int(len(times) * 0.99)], 1000 * cpu[sort] / len(times)
        print(f"why {sort}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, {len(times)} asked; {each:.0f} ms of processor time each")


def look_back(keeper: Keeper) -> None:
    """Asks what other rules would have done over all ten days: one threshold, then all of a preset."""
    since, standard = START // DAY * DAY, PRESETS["standard"]
    lower = tuple(structs.replace(rule, threshold=30) if rule.name == "dos" else rule for rule in standard)
    for name, after, names in (("dos at 30", lower, ("dos",)), ("strict", PRESETS["strict"], tuple(rule.name for rule in PRESETS["strict"]))):
        start, before = time.perf_counter(), keeper.cpu()
        asked = AskPreview(number=1, before=standard, after=after, names=names, entries=own_entries(), since=since, until=since + 11 * DAY)
        found = keeper.preview(asked)
        took, totals = time.perf_counter() - start, ", ".join(f"{each.rule} {each.before} -> {each.after}" for each in found.rules)
        work = f"{took:.1f} s, {keeper.cpu() - before:.1f} s of processor time"
        print(f"preview of {name}: {work}, for {found.facts:,} facts that could count, {found.fed:,} of them fed twice; {totals}")


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
    parser.add_argument("--follow", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--folder", default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        follow(Path(name), asked.follow)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        keeper, clients = lay(Path(name), asked.facts, asked.clients or asked.facts // 10)
        ask(keeper, clients)
        print(f"the keeper's memory at most, before previews: {keeper.counts.memory / (1 << 20):.0f} MiB")
        look_back(keeper)
        keeper.end()
        print(f"the keeper's memory at most: {keeper.counts.memory / (1 << 20):.0f} MiB")
    for beside in (False, True, False, True):
        with tempfile.TemporaryDirectory(dir=asked.folder) as name:
            asyncio.run(offer(Path(name), beside))


if __name__ == "__main__":
    main()
