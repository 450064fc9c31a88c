"""How fast Dovecot's questions are answered, beside a bare echo server on the same loop.

    python bench/dovecot_policy.py [--seconds 2] [--connections 1,16,50,500] [--backlog-lines 1000000]

Job: print requests a second and the time of an answer (p50, p99) for each number of connections: of a bare server that answers the same and looks at
nothing, of the inlet with the guard and the standard rules behind it, and of that while a log that was just written is read in the same process.
Beside them, what each answer costs the server in CPU: the one figure that a busy machine does not spoil.
Promise: the requests are whole, as Dovecot 2.3 writes them: one report of a failure, or of a success, for each two questions; each connection has one
outstanding; server and client are processes of their own; nothing is asserted. Limits: both share this machine.
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
from collections.abc import Callable, Coroutine
from datetime import UTC
from pathlib import Path
from typing import Any, cast

from gatepost.app.loop import factory, run_loop
from gatepost.core.engine import Engine
from gatepost.inlets.dovecot_policy import DovecotPolicyInlet, DovecotPolicySettings
from gatepost.inlets.logfile import LogFileInlet, LogFileSettings
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.stores.memory import MemoryStore

HERE = Path(__file__).parent
ADDRESSES = 5_000
KEY = "the-key-of-a-benchmark"
BODY = (
    '{{"device_id":"","login":"user{number}@example.org","protocol":"imap","pwhash":"07a0","remote":"{client}","session_id":"hDi9mANhQ8{number:04}"'
)
REQUEST = """POST /?command={command} HTTP/1.1\r
Host: 127.0.0.1:4001\r
Date: Tue, 24 Nov 2026 10:58:57 GMT\r
User-Agent: dovecot/auth-policy-client\r
Content-Length: {length}\r
Connection: Keep-Alive\r
Content-Type: application/json\r
X-API-Key:  {key}\r
\r
{body}"""
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"status":0,"msg":""}'


def requests() -> list[bytes]:
    """What is asked, in turn: two questions, then a report; one in ten of the reports tells a failure."""
    found = []
    for number in range(ADDRESSES):
        body = BODY.format(number=number, client=f"240.{number >> 8}.{number & 255}.7")
        ask = body + ',"tls":false}'
        report = f'{body},"success":{"false" if number % 10 == 0 else "true"},"policy_reject":false,"tls":false}}'
        for command, said in (("allow", ask), ("allow", ask), ("report", report)):
            found.append(REQUEST.format(command=command, length=len(said), key=KEY, body=said).encode())
    return found


def now() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


class Echo(asyncio.Protocol):
    """Answers whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER)


async def echo(told: Callable[[int], None]) -> None:
    """The bare server."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    told(server.sockets[0].getsockname()[1])
    await asyncio.sleep(3600)


async def policy(told: Callable[[int], None], log: str) -> None:
    """The inlet; where a log is named, what is written to it is read meanwhile."""
    store = MemoryStore()
    store.open()
    guard = Guard(Order(Engine()), Journal(store), [], lambda effects: None, now)
    inlet = DovecotPolicyInlet(DovecotPolicySettings(listen="127.0.0.1:0", key=KEY), guard, now, str.lower, "mx")
    async with asyncio.TaskGroup() as group:
        if log:
            reader = LogFileInlet(LogFileSettings(path=log), guard.report, now, {}, zone=UTC)
            await reader.catch_up()
            group.create_task(reader.run())
        group.create_task(inlet.run())
        while not inlet.listener.port:
            await asyncio.sleep(0.01)
        told(inlet.listener.port)
        while log:
            await asyncio.sleep(1)
            print(f"    log: {reader.state().lines:,} lines read", file=sys.stderr)


def serve(which: str, log: str, pipe: Any) -> None:
    """A server's process."""
    work: Coroutine[Any, Any, None] = echo(pipe.send) if which == "echo" else policy(pipe.send, log)
    run_loop(work)


class Asker(asyncio.Protocol):
    """One connection with one request outstanding."""

    def __init__(self, took: list[int], asked: list[bytes], start: int) -> None:
        self._took, self._asked, self._at = took, asked, start
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.ask()

    def ask(self) -> None:
        """Sends the next request."""
        self._at = (self._at + 1) % len(self._asked)
        self._sent = time.perf_counter_ns()
        self._transport.write(self._asked[self._at])

    def data_received(self, data: bytes) -> None:
        self._took.append(time.perf_counter_ns() - self._sent)
        self.ask()


async def client(port: int, connections: int, seconds: float) -> dict[str, float]:
    """Asks as fast as answers come; the first half second does not count."""
    loop = asyncio.get_running_loop()
    asked = requests()
    took: list[int] = []
    made = [await loop.create_connection(lambda at=at: Asker(took, asked, at * 37), "127.0.0.1", port) for at in range(connections)]
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
    command = [sys.executable, __file__, "--client", str(port), "--connections", str(connections), "--seconds", str(seconds)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def measure(which: str, count: int, seconds: float, folder: Path, backlog: Path) -> None:
    """One server with one number of connections."""
    log = folder / f"mail-{count}.log"
    log.touch()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(which.split()[0], str(log) if "log" in which else "", theirs))
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


def main() -> None:
    """Measures, and prints a line for each figure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--connections", default="1,16,50,500")
    options.add_argument("--backlog-lines", type=int, default=1_000_000)
    options.add_argument("--client", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.client:
        print(json.dumps(run_loop(client(chosen.client, int(chosen.connections), chosen.seconds))))
        return
    load = os.getloadavg()[0]
    print(f"loop: {factory.__module__}; load of the machine before: {load:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        backlog = Path(folder, "backlog")
        generate = [sys.executable, str(HERE / "generate.py"), "--lines", str(chosen.backlog_lines), "-o", str(backlog)]
        subprocess.run(generate, check=True, capture_output=True)
        for count in [int(each) for each in chosen.connections.split(",")]:
            for which in ("echo", "policy", "policy and log"):
                measure(which, count, chosen.seconds, Path(folder), backlog)


if __name__ == "__main__":
    main()
