"""How fast an inlet that mail servers ask answers: what the benchmarks of such inlets share.

Job: for each number of connections, run a server in a process of its own and a client in another, and print requests a second, the time of an answer
(p50, p99) and the server's CPU for each, the one figure that a busy machine does not spoil. The servers: a bare one that answers the same and looks
at nothing, the inlet with the guard and the standard rules behind it, and that while a log that was just written is read in the same process.
Promise: each connection has one request outstanding; nothing is asserted. Limits: both share this machine; the client is Python too, so at high rates
it is part of the figure.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple, cast

from gatepost.app.loop import factory, run_loop
from gatepost.core.engine import Engine
from gatepost.inlets.logfile import LogFileInlet, LogFileSettings
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.stores.memory import MemoryStore

ADDRESSES = 5_000
"""Clients that the questions are about."""


class Asked(NamedTuple):
    """What is measured."""

    inlet: Callable[[Guard], Any]
    """Makes the inlet, on a port of the kernel's choice."""
    questions: Callable[[], list[bytes]]
    """What a connection asks, in turn."""
    answer: bytes
    """What the bare server says."""


def addresses() -> list[str]:
    """The clients: addresses that are nobody's."""
    return [f"240.{number >> 8 & 255}.{number & 255}.7" for number in range(ADDRESSES)]


def now() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


# --- the servers


class Echo(asyncio.Protocol):
    """Answers whatever comes."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._said)


async def echo(asked: Asked, told: Callable[[int], None]) -> None:
    """The bare server."""
    server = await asyncio.get_running_loop().create_server(lambda: Echo(asked.answer), "127.0.0.1", 0)
    told(server.sockets[0].getsockname()[1])
    await asyncio.sleep(3600)


async def policy(asked: Asked, told: Callable[[int], None], log: str) -> None:
    """The inlet; where a log is named, what is written to it is read meanwhile."""
    store = MemoryStore()
    store.open()
    guard = Guard(Order(Engine()), Journal(store), [], lambda effects: None, now)
    inlet = asked.inlet(guard)
    async with asyncio.TaskGroup() as group:
        if log:
            reader = LogFileInlet(LogFileSettings(path=log), guard.report, now, {}, zone=UTC)
            await reader.catch_up()
            group.create_task(reader.run())
        group.create_task(inlet.run())
        while not inlet.door.port:
            await asyncio.sleep(0.01)
        told(inlet.door.port)
        while log:
            await asyncio.sleep(1)
            print(f"    log: {reader.state().lines:,} lines read", file=sys.stderr)


def serve(asked: Asked, which: str, log: str, pipe: Any) -> None:
    """A server's process."""
    run_loop(echo(asked, pipe.send) if which == "echo" else policy(asked, pipe.send, log))


# --- the client


class Asker(asyncio.Protocol):
    """One connection with one question outstanding."""

    def __init__(self, took: list[int], questions: list[bytes], start: int) -> None:
        self._took, self._questions, self._at = took, questions, start
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.ask()

    def ask(self) -> None:
        """Sends the next question."""
        self._at = (self._at + 1) % len(self._questions)
        self._sent = time.perf_counter_ns()
        self._transport.write(self._questions[self._at])

    def data_received(self, data: bytes) -> None:
        self._took.append(time.perf_counter_ns() - self._sent)
        self.ask()


async def client(questions: list[bytes], port: int, connections: int, seconds: float) -> dict[str, float]:
    """Asks as fast as answers come; the first half second does not count."""
    loop = asyncio.get_running_loop()
    took: list[int] = []
    made = [await loop.create_connection(lambda at=at: Asker(took, questions, at * 37), "127.0.0.1", port) for at in range(connections)]
    await asyncio.sleep(0.5)
    first, start = len(took), time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed, last = time.perf_counter() - start, len(took)
    for transport, _ in made:
        transport.abort()
    counted = sorted(took[first:last])
    whole = {"asked": float(len(took)), "rate": len(counted) / elapsed}
    return whole | {"p50": counted[len(counted) // 2] / 1000, "p99": counted[len(counted) * 99 // 100] / 1000}


def ask(port: int, connections: int, seconds: float) -> dict[str, float]:
    """Runs the client in a process of its own."""
    command = [sys.executable, sys.argv[0], "--client", str(port), "--connections", str(connections), "--seconds", str(seconds)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


# --- measuring


def measure(asked: Asked, which: str, count: int, seconds: float, folder: Path, backlog: Path) -> None:
    """One server with one number of connections."""
    log = folder / f"mail-{count}.log"
    log.touch()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(asked, which.split()[0], str(log) if "log" in which else "", theirs))
    server.start()
    port = ours.recv()
    if "log" in which:
        shutil.copyfile(backlog, log)  # written as the questions begin: all of it is a backlog
    before = cpu(server.pid)
    found = ask(port, count, seconds)
    each = (cpu(server.pid) - before) / found["asked"] * 1e6
    server.terminate()
    server.join()
    log.unlink()
    rates = f"{found['rate']:10,.0f} a second, p50 {found['p50']:8.0f} us, p99 {found['p99']:8.0f} us"
    print(f"{which:15} {count:4} connections: {rates}, {each:6.1f} us of the server's CPU each", flush=True)


def cpu(pid: int | None) -> float:
    """Seconds of CPU that a process has used (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(asked: Asked, about: str | None, before: Callable[[], None] = lambda: None) -> None:
    """Measures, and prints a line for each figure; ``before`` prints more first."""
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--connections", default="1,16,50,500")
    options.add_argument("--backlog-lines", type=int, default=1_000_000)
    options.add_argument("--client", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.client:
        print(json.dumps(run_loop(client(asked.questions(), chosen.client, int(chosen.connections), chosen.seconds))))
        return
    load = os.getloadavg()[0]
    print(f"loop: {factory.__module__}; load of the machine before: {load:.1f} on {os.cpu_count()} cores")
    before()
    with tempfile.TemporaryDirectory() as folder:
        backlog = Path(folder, "backlog")
        generator = Path(__file__).parent / "generate.py"
        subprocess.run([sys.executable, str(generator), "--lines", str(chosen.backlog_lines), "-o", str(backlog)], check=True, capture_output=True)
        for count in [int(each) for each in chosen.connections.split(",")]:
            for which in ("echo", "policy", "policy and log"):
                measure(asked, which, count, chosen.seconds, Path(folder), backlog)
