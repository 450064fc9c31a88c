"""What the gateway costs: smtp-source to smtp-sink directly, through Gatepost, and through HAProxy as a TCP proxy, in one run.

    python bench/gateway.py [--sessions 4000] [--seconds 3]

Job: print, for each way, sessions a second with 16 at once, the proxy's CPU a session, the delay that it adds to a session (p50, p99, one after the
other), MB/s of 10 MB messages, memory an idle session, and refusals a second of a held client. Promise: all ways run one after the other in this run,
in a network namespace of its own, against the same smtp-sink; nothing is asserted. Limits: Linux, root (for the namespace), Postfix's smtp-source and
smtp-sink; HAProxy where it is installed or unpacked in build/debian; client, proxy and server share this machine's cores.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gatepost.core.access import Entry
from gatepost.core.engine import Engine
from gatepost.core.rules import Rule
from gatepost.core.spans import SECOND, Span
from gatepost.inlets.gateway.listener import GatewayInlet
from gatepost.inlets.gateway.settings import GatewaySettings
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.order import Order
from gatepost.stores.sqlite import SqliteStore

SINK, GATE, GATE_PLAIN, PROXY = 10025, 10026, 10028, 10027
HELD = "127.0.0.66"
UNPACKED = Path(__file__).parents[1] / "build" / "debian" / "haproxy"
CONFIG = """\
global
    maxconn 9000
    nbthread 1
defaults
    mode tcp
    maxconn 9000
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen smtp
    bind 127.0.0.1:{PROXY}
    {acl}
    server sink 127.0.0.1:{SINK}
"""
LARGE = 10_000_000
IDLE = 1_000


def serve(folder: str, fast: bool) -> None:
    """The gateway, as the daemon runs it: a guard with rules that count and do not bite, a store on disk, and a held client."""
    kinds = ("connected", "bad_session", "auth_failed")
    rules = tuple(Rule(name=kind.replace("_", "-"), counts=kind, threshold=10_000, window=Span(SECOND), hold_for=Span(SECOND)) for kind in kinds)  # type: ignore[arg-type]
    engine = Engine(rules, (Entry(verb="deny", prefix=HELD),))

    async def work() -> None:
        store = SqliteStore(Path(folder) / f"bench-{os.getpid()}.db")
        store.open()
        guard = Guard(Order(engine), Journal(store, 0), [], lambda effects: None, lambda: time.time_ns() // 1000)
        settings = GatewaySettings(
            listen=(f"0.0.0.0:{GATE if fast else GATE_PLAIN}",),
            backend=f"127.0.0.1:{SINK}",
            client_address="none",  # smtp-sink knows no PROXY header
            starttls="hide",
            connections=100_000,
            connections_of_one=100_000,
        )
        await GatewayInlet("smtp", settings, guard, lambda: time.time_ns() // 1000).run()

    if fast:
        import uvloop

        uvloop.run(work())
    else:
        asyncio.run(work())


@contextlib.contextmanager
def started(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process, from when it listens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env, start_new_session=True)
    try:
        until = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
                sock.recv(10)
                break
            if time.monotonic() > until or process.poll() is not None:
                raise SystemExit(f"{command[0]} does not listen on {port}")
            time.sleep(0.05)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def source(port: int, sessions: int, width: int, size: int) -> float:
    """Lets smtp-source send one message a session; seconds that it took."""
    command = ["smtp-source", "-s", str(width), "-m", str(sessions), "-l", str(size), "-f", "a@example.org", "-t", "b@example.org"]
    begin = time.monotonic()
    subprocess.run([*command, f"inet:127.0.0.1:{port}"], check=True)
    return time.monotonic() - begin


def latencies(port: int, count: int) -> list[float]:
    """Seconds that each of some sessions takes, one after the other: a greeting, a message, a goodbye."""
    steps = (b"EHLO me\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n", b"Subject: x\r\n\r\nx\r\n.\r\n", b"QUIT\r\n")
    found = []
    for _ in range(count):
        begin = time.perf_counter()
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.recv(1_000)
            for step in steps:
                sock.sendall(step)
                sock.recv(1_000)
        found.append(time.perf_counter() - begin)
    return sorted(found)


def idle(port: int, pid: int) -> float:
    """Bytes of memory of the proxy for an idle session."""
    before = memory(pid)
    socks = []
    for _ in range(IDLE):
        socks.append(socket.create_connection(("127.0.0.1", port), 10))
        socks[-1].recv(100)
    used = (memory(pid) - before) / IDLE
    for sock in socks:
        sock.close()
    return used


def refusals(port: int, seconds: float) -> float:
    """How often a second a held client is turned away, by four processes that knock as fast as they can."""
    code = (
        "import socket,sys,time\nn=0; end=time.monotonic()+float(sys.argv[2])\nwhile time.monotonic()<end:\n"
        f"    s=socket.socket(); s.bind(('{HELD}',0))\n"
        "    try: s.connect(('127.0.0.1',int(sys.argv[1]))); s.recv(99)\n    except ConnectionResetError: pass\n    s.close(); n+=1\nprint(n)"
    )
    jobs = [subprocess.Popen([sys.executable, "-c", code, str(port), str(seconds)], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    return sum(int(job.communicate()[0] or 0) for job in jobs) / seconds


def measure(name: str, port: int, pid: int, options: argparse.Namespace) -> None:
    """Measures one way and prints it."""
    source(port, 200, 16, 1_000)
    before = cpu(pid) if pid else 0.0
    took = source(port, options.sessions, 16, 1_000)
    used = (cpu(pid) - before) / options.sessions * 1e6 if pid else 0.0
    one = latencies(port, options.sessions // 4)
    large = source(port, 20, 2, LARGE)
    line = f"{name:16} {options.sessions / took:8,.0f} sessions/s {used:8,.0f} us CPU a session   p50 {one[len(one) // 2] * 1e6:6,.0f} us"
    line += f"  p99 {one[len(one) * 99 // 100] * 1e6:6,.0f} us   {20 * LARGE / large / 1e6:6,.0f} MB/s"
    if pid:
        line += f"   {idle(port, pid) / 1024:5.1f} KiB an idle session   {refusals(port, options.seconds):8,.0f} refusals/s"
    print(line, flush=True)


def haproxy(folder: str) -> tuple[list[str], dict[str, str]] | None:
    """HAProxy's command and environment; None where there is none."""
    program = shutil.which("haproxy") or str(UNPACKED / "usr/sbin/haproxy")
    if not os.path.exists(program):
        return None
    file = Path(folder) / "haproxy.cfg"
    file.write_text(CONFIG.format(PROXY=PROXY, SINK=SINK, acl=f"tcp-request connection reject if {{ src {HELD} }}"), "ascii")
    libraries = ":".join(str(path) for path in UNPACKED.glob("usr/lib/*-linux-gnu"))
    return [program, "-db", "-f", str(file)], os.environ | ({"LD_LIBRARY_PATH": libraries} if libraries else {})


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=4_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement of refusals")
    parser.add_argument("--serve", choices=("asyncio", "uvloop"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.folder, options.serve == "uvloop")
        return
    if "GATEPOST_BENCH" not in os.environ:  # loopback of our own
        inside = 'ip link set lo up && exec "$@"'
        command = ["unshare", "--net", "sh", "-c", inside, "sh", sys.executable, *sys.argv]
        sys.exit(subprocess.call(command, env=os.environ | {"GATEPOST_BENCH": "1"}))
    with tempfile.TemporaryDirectory() as folder, started(["smtp-sink", "-u", "nobody", "-m", "3000", f"127.0.0.1:{SINK}", "1000"], SINK):
        measure("directly", SINK, 0, options)
        if other := haproxy(folder):
            with started(other[0], PROXY, other[1]) as proxy:
                measure("HAProxy", PROXY, proxy.pid, options)
        for loop, port in (("asyncio", GATE_PLAIN), ("uvloop", GATE)):
            try:
                __import__(loop)
            except ImportError:
                continue
            with started([sys.executable, __file__, "--serve", loop, "--folder", folder], port) as gate:
                measure(f"Gatepost {loop}", port, gate.pid, options)


if __name__ == "__main__":
    main()
