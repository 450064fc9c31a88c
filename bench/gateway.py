"""What the gateway costs: smtp-source to smtp-sink directly, through Gatepost, HAProxy and nginx, in one run.

    python bench/gateway.py [--sessions 4000] [--seconds 3]

Job: print, for each way, sessions a second with 16 at once, the proxy's CPU a session, the delay that it adds to a session (p50, p99, one after the
other), MB/s of 10 MB messages, memory an idle session, and refusals a second of a held client; then what a steady flood of a held client costs, with
and without the kernel dropping it. Promise: all ways run one after the other in this run, in a network namespace of its own, against the same
smtp-sink; nothing is asserted. Limits: Linux, root (for the namespace), Postfix's smtp-source and smtp-sink; HAProxy and nginx where they are
installed or unpacked in build/debian; client, proxy and server share this machine's cores. nginx's mail proxy turns nobody away before the greeting:
its refusals are greetings.
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

SINK, GATE, GATE_PLAIN, PROXY, STREAM, MAIL = 10025, 10026, 10028, 10027, 10029, 10030
HELD = "127.0.0.66"
UNPACKED = Path(__file__).parents[1] / "build" / "debian"
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
NGINX = """\
load_module {modules}/ngx_stream_module.so;
load_module {modules}/ngx_mail_module.so;
daemon off; master_process off; error_log /dev/null crit; pid {folder}/nginx.pid;
events {{ worker_connections 9000; }}
stream {{ server {{ listen 127.0.0.1:{STREAM}; deny {HELD}; proxy_pass 127.0.0.1:{SINK}; }} }}
mail {{
    server_name bench; auth_http 127.0.0.1:10031/;
    server {{ listen 127.0.0.1:{MAIL}; protocol smtp; smtp_auth none; xclient off; }}
}}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
    scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:10031; location / {{
        add_header Auth-Status OK; add_header Auth-Server 127.0.0.1; add_header Auth-Port {SINK}; return 204; }} }}
}}
"""
LARGE = 10_000_000
IDLE = 1_000
FLOOD = 4_000
"""Connections a second of the held client in the steady flood."""
KNOCK = """\
import socket, sys, time
port, seconds, rate, waits = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "True"
count, begin = 0, time.monotonic()
while (now := time.monotonic()) < begin + seconds:
    if rate and count > rate * (now - begin):
        time.sleep(0.002)
        continue
    sock = socket.socket()
    sock.bind(("{HELD}", 0))
    sock.setblocking(waits)
    try:
        sock.connect(("127.0.0.1", port))
        sock.recv(99)
    except (ConnectionResetError, BlockingIOError):
        pass
    sock.close()
    count += 1
print(count)
"""


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


def knockers(port: int, seconds: float, rate: float = 0, waits: bool = True) -> list[subprocess.Popen[str]]:
    """Four processes that knock as the held client, together so often a second (0: as fast as they can); ``waits``: for the refusal."""
    command = [sys.executable, "-c", KNOCK.format(HELD=HELD), str(port), str(seconds), str(rate / 4), str(waits)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]


def flood(name: str, port: int, pid: int, seconds: float) -> None:
    """What a steady flood costs a proxy, and how others fare meanwhile: refused by the proxy, then dropped by the kernel."""
    table = f"table inet bench {{ chain in {{ type filter hook input priority 0; ip saddr {HELD} drop; }}; }}"
    for dropped in (False, True):
        if dropped:
            subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)
        jobs = knockers(port, seconds, FLOOD, not dropped)
        time.sleep(0.2)
        before, begin, took = cpu(pid), time.monotonic(), []
        time.sleep(seconds / 2)
        used = (cpu(pid) - before) / (time.monotonic() - begin)
        while time.monotonic() < begin + seconds - 0.4:
            took += latencies(port, 10)
        knocked = sum(int(job.communicate()[0] or 0) for job in jobs) / seconds
        one = sorted(took)
        way = "the kernel drops" if dropped else "refused here"
        line = f"{name:16} {way}: {knocked:6,.0f} knocks/s   {used * 100:3.0f} % of a core   others' sessions p50 {one[len(one) // 2] * 1e6:6,.0f} us"
        print(f"{line}  p99 {one[len(one) * 99 // 100] * 1e6:6,.0f} us", flush=True)
    subprocess.run(["nft", "delete", "table", "inet", "bench"], check=True)


def refusals(port: int, seconds: float) -> float:
    """How often a second a held client is turned away, by four processes that knock as fast as they can."""
    jobs = knockers(port, seconds)
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


def found(name: str) -> tuple[str, dict[str, str]]:
    """A program, installed or unpacked, and its environment; empty where there is none."""
    program = shutil.which(name) or str(UNPACKED / name / "usr/sbin" / name)
    libraries = ":".join(str(path) for path in (UNPACKED / name).glob("usr/lib/*-linux-gnu"))
    return program if os.path.exists(program) else "", os.environ | ({"LD_LIBRARY_PATH": libraries} if libraries else {})


def haproxy(folder: str) -> tuple[list[str], dict[str, str]] | None:
    """HAProxy's command and environment; None where there is none."""
    program, env = found("haproxy")
    file = Path(folder) / "haproxy.cfg"
    file.write_text(CONFIG.format(PROXY=PROXY, SINK=SINK, acl=f"tcp-request connection reject if {{ src {HELD} }}"), "ascii")
    return ([program, "-db", "-f", str(file)], env) if program else None


def nginx(folder: str) -> tuple[list[str], dict[str, str]] | None:
    """nginx's command and environment, one process for the stream and the mail proxy; None where it or a module is missing."""
    program, env = found("nginx")
    modules = [path.parent for root in (Path("/"), UNPACKED / "nginx") for path in root.glob("usr/lib/nginx/modules/ngx_mail_module.so")]
    if not program or not modules or not (modules[0] / "ngx_stream_module.so").exists():
        return None
    file = Path(folder) / "nginx.conf"
    file.write_text(NGINX.format(modules=modules[0], folder=folder, STREAM=STREAM, MAIL=MAIL, SINK=SINK, HELD=HELD), "ascii")
    return [program, "-c", str(file), "-e", "/dev/null"], env


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
        # Refused connections by the ten thousand would use up the held client's ports if each waited for a minute.
        inside = 'ip link set lo up && echo 0 >/proc/sys/net/ipv4/tcp_max_tw_buckets && exec "$@"'
        command = ["unshare", "--net", "sh", "-c", inside, "sh", sys.executable, *sys.argv]
        sys.exit(subprocess.call(command, env=os.environ | {"GATEPOST_BENCH": "1"}))
    with tempfile.TemporaryDirectory() as folder, started(["smtp-sink", "-u", "nobody", "-m", "3000", f"127.0.0.1:{SINK}", "1000"], SINK):
        measure("directly", SINK, 0, options)
        if other := haproxy(folder):
            with started(other[0], PROXY, other[1]) as proxy:
                measure("HAProxy", PROXY, proxy.pid, options)
                flood("HAProxy", PROXY, proxy.pid, options.seconds)
        if other := nginx(folder):
            with started(other[0], STREAM, other[1]) as proxy:
                measure("nginx stream", STREAM, proxy.pid, options)
                measure("nginx mail", MAIL, proxy.pid, options)
        for loop, port in (("asyncio", GATE_PLAIN), ("uvloop", GATE)):
            try:
                __import__(loop)
            except ImportError:
                continue
            with started([sys.executable, __file__, "--serve", loop, "--folder", folder], port) as gate:
                measure(f"Gatepost {loop}", port, gate.pid, options)
                flood(f"Gatepost {loop}", port, gate.pid, options.seconds)


if __name__ == "__main__":
    main()
