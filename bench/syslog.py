"""How fast syslog comes in over loopback.

    python bench/syslog.py [--lines 300000]

Job: print the lines a second that a listener reads when another process sends as fast as it can: over TCP in both framings, and over UDP, for which
it also prints what the kernel had to drop. Promise: the lines are the generator's; nothing is asserted. Limits: nobody stores or counts what is
reported; sender and listener share this machine, so its second core is part of the figure.
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
from gatepost.inlets.syslog import SyslogInlet, SyslogSettings

HERE = Path(__file__).parent
QUIET = 0.5
"""Seconds without a line after which all have come."""
SENDER = """
import socket, sys
way, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
lines = [b"<22>" + line for line in open(path, "rb").read().split(b"\\n") if line]
if way == "udp":
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    for line in lines:
        sock.send(line)
else:
    sock = socket.create_connection(("127.0.0.1", port))
    made = [b"%d %s" % (len(line), line) if way == "counted" else line + b"\\n" for line in lines]
    for at in range(0, len(made), 100):
        sock.sendall(b"".join(made[at : at + 100]))
"""


async def measure(way: str, path: Path, count: int) -> None:
    """Sends a file one way, and prints how fast it came in."""
    facts = 0

    def report(found: Sequence[Fact], name: str, memory: bytes) -> None:
        nonlocal facts
        facts += len(found)

    settings = SyslogSettings(transport="udp" if way == "udp" else "tcp", listen="127.0.0.1:0", senders=("127.0.0.1/32",))
    inlet = SyslogInlet(settings, report, lambda: time.time_ns() // 1000, {}, zone=UTC)
    task = asyncio.create_task(inlet.run())
    while not inlet.state().listening:
        await asyncio.sleep(0.01)
    sender = subprocess.Popen([sys.executable, "-c", SENDER, way, str(inlet.port), str(path)])
    while not inlet.senders.lines:
        await asyncio.sleep(0.001)
    start, cpu, seen, last = time.monotonic(), time.process_time(), 0, time.monotonic()
    while time.monotonic() - last < QUIET or sender.poll() is None:
        if inlet.senders.lines > seen:
            seen, last = inlet.senders.lines, time.monotonic()
        await asyncio.sleep(0.01)
    took, cpu = last - start, time.process_time() - cpu
    lost = count - seen
    told = f"{inlet.state().dropped.get('buffer full', 0):,} of them by a full buffer" if lost else "none by anybody"
    print(f"{way}: {seen / took:,.0f} lines/s, {cpu / seen * 1e6:.2f} us of CPU a line, {facts:,} facts; {lost:,} lines dropped, {told}")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=300_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mail.log"
        command = [sys.executable, str(HERE / "generate.py"), "--lines", str(options.lines), "--seed", "7", "--addresses", "20000", "-o", str(path)]
        subprocess.run(command, check=True)
        count = path.read_bytes().count(b"\n")
        for way in ("counted", "newlines", "udp"):
            asyncio.run(measure(way, path, count))


if __name__ == "__main__":
    main()
