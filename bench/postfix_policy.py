"""How fast Postfix's questions are answered, beside a bare echo server on the same loop and Postfix's own look-up of an address.

    python bench/postfix_policy.py [--seconds 3] [--connections 1,16,50,500] [--backlog-lines 1000000]

Job: print requests a second and the time of an answer (p50, p99) for each number of connections: of a bare server that answers the same and looks at
nothing, of the inlet with the guard and the standard rules behind it, and of that while a log that was just written is read in the same process.
Beside them, what each answer costs the server in CPU: the one figure that a busy machine does not spoil.
Promise: the questions are whole, as Postfix 3.7 writes them, from many addresses, each connection has one outstanding; server and client are
processes of their own; nothing is asserted. Limits: both share this machine; the client is Python too, so at high rates it is part of the figure.
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
from typing import Any, cast

from gatepost.core.engine import Engine
from gatepost.inlets.logfile import LogFileInlet, LogFileSettings
from gatepost.inlets.postfix_policy import PostfixPolicyInlet, PostfixPolicySettings
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.stores.memory import MemoryStore
from gatepost.wire.postfix_policy import DUNNO

try:
    import uvloop
except ImportError:
    uvloop = None

HERE = Path(__file__).parent
ADDRESSES = 5_000
LOOKUPS = 200_000
QUESTION = """request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address={client}
client_name=mail.friend.example
client_port=40312
reverse_client_name=mail.friend.example
server_address=198.51.100.25
server_port=25
helo_name=mail.friend.example
sender=friend@friend.example
recipient=bob@example.org
recipient_count=0
queue_id=
instance=1f2e.674ab2c1.{number:x}.0
size=12345
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=TLSv1.3
encryption_cipher=TLS_AES_256_GCM_SHA384
encryption_keysize=256
policy_context=access

"""


def run(main: Any) -> Any:
    """Runs a coroutine on the fastest loop that is here."""
    if uvloop is not None:
        return uvloop.run(main)
    return asyncio.run(main)


def now() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


# --- the servers


class Echo(asyncio.Protocol):
    """Answers whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(DUNNO)


async def echo(told: Callable[[int], None]) -> None:
    """The bare server."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    told(server.sockets[0].getsockname()[1])
    await asyncio.sleep(3600)


async def policy(told: Callable[[int], None], log: str) -> None:
    """The inlet; where a log is named, what is written to it is read meanwhile."""
    store = MemoryStore()
    store.open()
    journal = Journal(store)
    guard = Guard(Order(Engine()), journal, [], lambda effects: None, now)
    inlet = PostfixPolicyInlet(PostfixPolicySettings(listen="127.0.0.1:0"), guard, now, str.lower, "mx")
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
    run(echo(pipe.send) if which == "echo" else policy(pipe.send, log))


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


async def client(port: int, connections: int, seconds: float) -> dict[str, float]:
    """Asks as fast as answers come; the first half second does not count."""
    loop = asyncio.get_running_loop()
    names = [f"240.{number >> 8 & 255}.{number & 255}.7" for number in range(ADDRESSES)]
    questions = [QUESTION.format(client=name, number=number).encode() for number, name in enumerate(names)]
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
    done = subprocess.run(
        [sys.executable, __file__, "--client", str(port), "--connections", str(connections), "--seconds", str(seconds)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def lookups() -> None:
    """What Postfix's own look-up of an address costs, without any conversation, as postmap(1) does it."""
    if shutil.which("postmap") is None:
        print("check_client_access cidr: Postfix is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.cf").touch()
        asked = "".join(f"240.{number >> 8 & 255}.{number & 255}.7\n" for number in range(LOOKUPS))
        for size in (1, 1_000, 10_000):
            table = Path(folder, "table")
            table.write_text("".join(f"241.{number >> 8 & 255}.{number & 255}.0/24 REJECT\n" for number in range(size)), "ascii")
            some = asked[: len(asked) // (1 if size == 1 else 20)]
            start = time.perf_counter()
            subprocess.run(["postmap", "-c", folder, "-q", "-", f"cidr:{table}"], input=some, text=True, check=False, capture_output=True)
            each = (time.perf_counter() - start) / some.count("\n") * 1e6
            print(f"check_client_access cidr: with {size:>6,} lines: {each:8.2f} us a look-up")


def main() -> None:
    """Measures, and prints a line for each figure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--connections", default="1,16,50,500")
    options.add_argument("--backlog-lines", type=int, default=1_000_000)
    options.add_argument("--client", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.client:
        print(json.dumps(run(client(chosen.client, int(chosen.connections), chosen.seconds))))
        return
    print("loop:", "uvloop" if uvloop is not None else "asyncio")
    lookups()
    with tempfile.TemporaryDirectory() as folder:
        backlog = Path(folder, "backlog")
        generate = [sys.executable, str(HERE / "generate.py"), "--lines", str(chosen.backlog_lines), "-o", str(backlog)]
        subprocess.run(generate, check=True, capture_output=True)
        for which in ("echo", "policy", "policy and log"):
            measure(which, [int(each) for each in chosen.connections.split(",")], chosen.seconds, Path(folder), backlog)


def measure(which: str, connections: list[int], seconds: float, folder: Path, backlog: Path) -> None:
    """One server with each number of connections."""
    for count in connections:
        log = folder / f"mail-{count}.log"
        log.touch()
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(which.split()[0], str(log) if "log" in which else "", theirs))
        server.start()
        port = ours.recv()
        if "log" in which:
            # Written as the questions begin: all of it is a backlog.
            shutil.copyfile(backlog, log)
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


if __name__ == "__main__":
    main()
