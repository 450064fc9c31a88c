"""How many SMTP sessions a milter serves, beside a bare echo server on the same loop.

    python bench/milter.py [--seconds 3]

Job: print sessions a second and what an answer takes (p50, p99), with 1, 16, 50 and 500 connections at the same time. Promise: a session is what
Postfix sends for one message with one recipient (connection, sender, recipient, end; macros before each), each answer is waited for; the guard is
the real one with the preset `standard` and the journal in memory; clients differ from session to session. Limits: the client is another process on
this machine, so that the second core is part of the figure; a mail server does much more for each session than this.
"""

import argparse
import asyncio
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import uvloop

from gatepost.core.engine import Engine
from gatepost.core.subjects import account
from gatepost.inlets.milter import MilterInlet, MilterSettings
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.stores.memory import MemoryStore

CONNECTIONS = (1, 16, 50, 500)


def packed(command: bytes, data: bytes = b"") -> bytes:
    """A packet."""
    return struct.pack(">I", len(data) + 1) + command + data


MAIL = packed(b"D", b"Mi\x004XyZ\0{auth_authen}\0bob@example.org\0") + packed(b"M", b"<bob@example.org>\0SIZE=12345\0")
RECIPIENT = packed(b"D", b"Ri\x004XyZ\0{rcpt_mailer}\0smtp\0{rcpt_host}\0x\0") + packed(b"R", b"<friend@friend.example>\0")
END = packed(b"D", b"Ei\x004XyZ\0") + packed(b"E")
AGAIN = packed(b"K") + packed(b"D", b"Cj\0mx1.example.org\0{daemon_port}\x0025\0")
NEGOTIATION = packed(b"O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF))


class Load(asyncio.Protocol):
    """One connection of a mail server: session after session until the time is over."""

    def __init__(self, number: int, until: float, echo: bool, times: list[float], done: Callable[[], None]) -> None:
        self.number, self.until, self.echo, self.times, self.done = number, until, echo, times, done
        self.sessions = 0
        self.step = 0
        self.asked = 0.0
        self.wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._send(NEGOTIATION, -1)

    def _send(self, data: bytes, wanted: int) -> None:
        """Sends a question; so many bytes are its answer (an echo: as many as were sent; -1: whatever comes first)."""
        self.wanted = len(data) if self.echo else wanted
        self.asked = time.perf_counter()
        self.transport.write(data)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.wanted -= len(data)
        if self.wanted > 0:
            return
        now = time.perf_counter()
        self.times.append(now - self.asked)
        if now > self.until:
            self.transport.close()
            self.done()
            return
        self.step = self.step % 4 + 1
        if self.step == 1:
            self.sessions += 1
            number = self.number * 65_521 + self.sessions
            client = b"198.%d.%d.%d" % (18 + (number >> 16 & 1), number >> 8 & 255, number & 255)
            self._send(AGAIN + packed(b"C", b"client.example\x004\x12\x34" + client + b"\0"), 5)
        else:
            self._send((MAIL, RECIPIENT, END)[self.step - 2], 5)


async def load(port: int, connections: int, seconds: float, echo: bool) -> None:
    """Asks as fast as answers come, and prints what it measured."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    ended = asyncio.Event()
    open_ = connections

    def done() -> None:
        nonlocal open_
        open_ -= 1
        if not open_:
            ended.set()

    until = time.perf_counter() + seconds + connections / 5_000
    made = [(await loop.create_connection(lambda n=n: Load(n, until, echo, times, done), "127.0.0.1", port))[1] for n in range(connections)]
    begun = time.perf_counter()
    times.clear()
    before = sum(each.sessions for each in made)
    await ended.wait()
    took = time.perf_counter() - begun
    times.sort()
    sessions = sum(each.sessions for each in made) - before
    p50, p99 = times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6
    print(f"{sessions / took:9,.0f} sessions/s  {len(times) / took:9,.0f} answers/s  p50 {p50:7,.0f} us  p99 {p99:7,.0f} us", flush=True)


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]


async def serve(seconds: float) -> None:
    """Serves both, and has another process ask."""
    store = MemoryStore()
    store.open()
    guard = Guard(Order(Engine()), Journal(store), [], lambda effects: None, lambda: time.time_ns() // 1000)
    inlet = MilterInlet(MilterSettings(listen="127.0.0.1:0"), guard, lambda: time.time_ns() // 1000, account)
    task = asyncio.create_task(inlet.run())
    echo = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=1024)
    while not inlet.door.listening:
        await asyncio.sleep(0.01)
    for connections in CONNECTIONS:
        for name, port in (("echo", echo.sockets[0].getsockname()[1]), ("milter", inlet.door.port)):
            print(f"{name:7} {connections:4} connections", end=" ", flush=True)
            cpu, requests = time.process_time(), inlet.state().requests
            command = [sys.executable, __file__, "--port", str(port), "--connections", str(connections), "--seconds", str(seconds)]
            child = await asyncio.create_subprocess_exec(*command, *(["--echo"] if name == "echo" else []))
            await child.wait()
            asked = inlet.state().requests - requests
            if asked:
                print(f"{'':25}{(time.process_time() - cpu) / asked * 1e6:.1f} us of CPU an answer; {inlet.state().refusals} refused")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Run all of it, or the asking side alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--connections", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port:
        uvloop.run(load(options.port, options.connections, options.seconds, options.echo))
    else:
        uvloop.run(serve(options.seconds))


if __name__ == "__main__":
    main()
