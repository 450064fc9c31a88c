"""The live guard, measured in namespaces of its own: how soon, how much, how heavy; beside fail2ban with the same rule.

Job: from the write of the log line to the element in the kernel's set; a log that grows by 100,000 lines a second; 100,000 blocks at a restart; what
an idle daemon takes. Promise: both contestants run as they are installed, each on a machine of its own (network, files, process ids), in turns; the
kernel itself tells when an element stands (its netlink events), and a connection is tried to see that it is dropped.
Limits: the log lines are written by this program, not by a mail server; needs root, nftables and the tests' harness.
"""

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from gatepost.core.deeds import Hold  # noqa: E402
from gatepost.core.facts import PROTOCOLS  # noqa: E402
from gatepost.core.subjects import Subject  # noqa: E402
from gatepost.stores.contract import Batch  # noqa: E402
from gatepost.stores.sqlite import SqliteStore  # noqa: E402
from tests.e2e import net  # noqa: E402
from tests.e2e.live import FOLLOWED, SHARED, Live  # noqa: E402

FAILURES = 5
ATTACKERS, TURN = 120, 20
NFTABLES_EVENTS = 1 << 6
"""NFNLGRP_NFTABLES, as the bit that bind(2) takes."""
NETLINK_NETFILTER, SO_RCVBUFFORCE = 12, 33
GREETER = "import socket\ns = socket.create_server(('', 143))\nwhile True: s.accept()[0].close()"
JAIL = """[DEFAULT]
banaction = nftables-multiport
[sshd]
enabled = false
[dovecot]
enabled = true
port = imap,imaps
logpath = /var/log/mail.log
maxretry = {failures}
findtime = 60
bantime = 3600
"""
RATE = 100_000
PATIENCE = 20.0
"""Seconds after which an attacker counts as never held."""


@dataclass
class Guarded:
    """A machine with a guard upon it, and the kernel's events there."""

    name: str
    machine: net.Machine
    events: socket.socket
    daemons: list[int]

    @property
    def log(self) -> Path:
        """The mail log that it follows."""
        return self.machine.log / "mail.log"


def events_of(machine: net.Machine) -> socket.socket:
    """A socket on which the kernel tells each change of the machine's nftables."""
    with machine.inside():
        found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    found.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 28)
    found.bind((0, NFTABLES_EVENTS))
    return found


def failure(source: str) -> str:
    """Dovecot's line of one failed log-in, now."""
    stamp = time.strftime("%b %e %H:%M:%S", time.gmtime())
    said = "imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs)"
    return f"{stamp} mx dovecot: {said}: user=<bob>, method=PLAIN, rip={source}, lip=198.51.100.27, session=<QhGdKyrS5uDAAAIB>\n"


def write(log: Path, text: str) -> None:
    """Appends to a log, with one write()."""
    with log.open("ab", buffering=0) as file:
        file.write(text.encode())


def until_held(guarded: Guarded, source: str, at_most: float) -> float:
    """Seconds until the kernel tells of an element with an address; infinite where it does not."""
    packed, start = IPv4Address(source).packed, time.perf_counter()
    while (left := start + at_most - time.perf_counter()) > 0:
        guarded.events.settimeout(left)
        with contextlib.suppress(TimeoutError):
            if packed in guarded.events.recv(1 << 20):
                return time.perf_counter() - start
    return float("inf")


def one_attacker(guarded: Guarded, source: str) -> float:
    """Lets an address fail as often as it may, and once more; the seconds from that write to its element."""
    for _ in range(FAILURES - 1):
        write(guarded.log, failure(source))
        time.sleep(0.002)
    time.sleep(random.uniform(0.05, 0.3))
    guarded.events.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while guarded.events.recv(1 << 20):
            pass
    last = failure(source)
    write(guarded.log, last)
    return until_held(guarded, source, PATIENCE)


def shut_out(world: net.World, guarded: Guarded, source: str) -> bool:
    """Whether a connection from an address is dropped, or rejected, which is what fail2ban's action does."""
    try:
        world.internet.connect(source, guarded.machine.v4, 143, 0.5).close()
    except (TimeoutError, ConnectionRefusedError):
        return True
    return False


def machine(world: net.World, name: str, number: int) -> net.Machine:
    """A machine with a listener on port 143 and an empty mail log."""
    made = world.machine(name, number, shared=SHARED)
    made.write("/etc/localtime", "")
    made.path("/etc/localtime").unlink()
    (made.log / "mail.log").touch()
    made.start("python3", "-c", GREETER)
    net.wait_until(lambda: made.listening(143), 10, "the listener")
    return made


def rules_toml(threshold: int = FAILURES) -> bytes:
    """The rule that both obey."""
    lines = ["[[rule]]", 'name = "guesses"', 'counts = "auth_failed"', 'on = ["imap"]', f"threshold = {threshold}", 'window = "60s"', 'for = "1h"']
    return "\n".join(lines).encode()


def gatepost(world: net.World, name: str, number: int) -> tuple[Guarded, Live]:
    """A machine that Gatepost guards."""
    made = machine(world, name, number)
    live = Live(made, "gatepost", FOLLOWED)
    events = events_of(made)
    live.start()
    live.ask("PUT", "rules", rules_toml())
    return Guarded("gatepost", made, events, [live.pid, live.helper, live.worker]), live


def fail2ban(world: net.World, number: int) -> Guarded:
    """A machine that fail2ban guards, with Debian's filter for Dovecot and its nftables action."""
    made = machine(world, "f2b", number)
    made.run("sh", "-c", "rm -rf /etc/fail2ban/jail.d; mkdir -p /run/fail2ban")
    made.write("/etc/fail2ban/jail.local", JAIL.format(failures=FAILURES))
    events = events_of(made)
    guarded = Guarded("fail2ban", made, events, [])
    start_fail2ban(guarded)
    return guarded


def start_fail2ban(guarded: Guarded) -> None:
    """Starts its server, and waits until it answers."""
    guarded.machine.run("rm", "-f", "/run/fail2ban/fail2ban.sock", "/run/fail2ban/fail2ban.pid")
    started = guarded.machine.start("fail2ban-server", "-f", "start", said=guarded.machine.log / "f2b.err")
    net.wait_until(lambda: "dovecot" in guarded.machine.run("fail2ban-client", "status", check=False), 30, "fail2ban answers")
    guarded.daemons = [int(Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()[0])]


# --- the parts


def latency(world: net.World, contestants: list[Guarded]) -> dict[str, list[float]]:
    """Attackers, so many in turns for each contestant; for each the seconds to the element."""
    took: dict[str, list[float]] = {each.name: [] for each in contestants}
    addresses = iter(f"203.0.113.{n}" for n in range(1, 250))
    for guarded in contestants:  # the first ban of all also makes fail2ban's table, and does not count
        write(guarded.log, failure("192.0.2.1") * FAILURES)
        time.sleep(5)
    for _ in range(ATTACKERS // TURN):
        turn = [next(addresses) for _ in range(TURN)]
        for guarded in contestants:
            took[guarded.name] += [one_attacker(guarded, source) for source in turn]
            held = [shut_out(world, guarded, source) for source in turn[-3:]]
            if not all(held):
                raise RuntimeError(f"{guarded.name}: an element stands, and the packets go through")
    return took


def _stat(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def idle(guarded: Guarded, seconds: float = 20) -> tuple[float, list[float]]:
    """Per cent of a CPU when nothing happens, and the resident MiB of each process."""
    before = sum(map(_stat, guarded.daemons))
    time.sleep(seconds)
    return (sum(map(_stat, guarded.daemons)) - before) / seconds * 100, [_rss(pid) for pid in guarded.daemons]


def flood(guarded: Guarded, live: Live, made: Path, seconds: int) -> list[tuple[float, int, int, int]]:
    """Offers lines at a fixed rate; each second: the time, the lines offered, those read, the bytes that wait."""
    live.ask("POST", "presets/standard")
    before = int(live.status()["sources"][0]["lines"])
    writer = subprocess.Popen([sys.executable, __file__, "flood", str(guarded.log), str(made), str(seconds)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()  # it is ready
    start, seen = time.monotonic(), []
    while True:
        time.sleep(1)
        source = live.status()["sources"][0]
        at = time.monotonic() - start
        seen.append((at, int(min(at, seconds) * RATE), int(source["lines"]) - before, int(source["lag_bytes"])))
        if writer.poll() is not None and (not source["lag_bytes"] or at > 4 * seconds):
            return seen


def offer(log: Path, made: Path, seconds: int) -> None:
    """Writes lines with stamps of now, a hundredth of a second's at a time; what comes late is made up for."""
    lines = [line[15:] + b"\n" for line in made.read_bytes().split(b"\n")[:-1]]
    print("ready", flush=True)
    step, start, count = RATE // 100, time.monotonic(), 0
    with log.open("ab", buffering=0) as file:
        while count < RATE * seconds:
            stamp = time.strftime("%b %e %H:%M:%S", time.gmtime()).encode()
            at = count % (len(lines) - step)
            file.write(b"".join([stamp + line for line in lines[at : at + step]]))
            count += step
            time.sleep(max(0.0, start + count / RATE - time.monotonic()))


def fill(state: Path, many: int) -> None:
    """A store in which an administrator holds so many addresses for a day."""
    state.mkdir(parents=True, exist_ok=True)
    store = SqliteStore(state / "gatepost.db")
    store.open()
    now = time.time_ns() // 1000
    deeds = [Hold(now, Subject("client", str(IPv4Address((11 << 24) + 7 * n))), now + 86_400_000_000, PROTOCOLS, "bench") for n in range(many)]
    for first in range(0, many, 1000):
        store.write(Batch(first=first + 1, entries=deeds[first : first + 1000]))
    store.close()


def restart(live: Live, guarded: Guarded, attacker: str) -> dict[str, float]:
    """Starts a daemon that remembers many blocks, with an attacker in the log meanwhile; seconds until all stand and until he does."""
    text = "".join(failure(attacker) for _ in range(FAILURES * 10))
    words = len(live.words())
    guarded.events.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while guarded.events.recv(1 << 20):
            pass
    start = time.perf_counter()
    write(guarded.log, text)
    live.launch()
    found: dict[str, float] = {}
    packed = IPv4Address(attacker).packed
    guarded.events.settimeout(0.002)
    while len(found) < 2 and time.perf_counter() - start < 120:
        with contextlib.suppress(TimeoutError):
            if packed in guarded.events.recv(1 << 20):
                found.setdefault("attacker", time.perf_counter() - start)
        if "all" not in found and "gatepost stands, with" in live.words()[words:]:
            found["all"] = time.perf_counter() - start
    live.answered()
    return found


def restart_fail2ban(guarded: Guarded, many: int) -> float:
    """Bans so many addresses, restarts fail2ban, and tells the seconds until all are in its set again."""
    addresses = [str(IPv4Address((11 << 24) + 7 * n)) for n in range(many)]
    for first in range(0, many, 500):
        guarded.machine.run("fail2ban-client", "set", "dovecot", "banip", *addresses[first : first + 500], timeout=600)

    def count() -> int:
        told = guarded.machine.run("nft", "-j", "list", "ruleset", check=False)
        sets = json.loads(told)["nftables"] if told.startswith("{") else []
        return sum(len(each["set"].get("elem", ())) for each in sets if "set" in each)

    net.wait_until(lambda: count() >= many, 600, "all are banned")
    guarded.machine.run("fail2ban-client", "stop", check=False, timeout=600)
    net.wait_until(lambda: count() == 0, 600, "fail2ban has ended")
    start = time.perf_counter()
    start_fail2ban(guarded)
    net.wait_until(lambda: count() >= many, 600, "all are banned again")
    return time.perf_counter() - start


@contextlib.contextmanager
def world() -> Iterator[net.World]:
    """An internet of our own."""
    with net.World() as made:
        yield made


def missing() -> str:
    """Why none of it can run; empty where it can."""
    return net.lacking() or ("" if shutil.which("nft") else "the command nft is missing (package nftables)")


def percentiles(took: list[float]) -> tuple[float, float, float]:
    """p50, p99 and the largest, in milliseconds."""
    ordered = sorted(took)
    return ordered[len(ordered) // 2] * 1e3, ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1e3, ordered[-1] * 1e3


def measured(log_of: Callable[[], Path], full: bool) -> tuple[list[list[str]], list[dict[str, Any]], list[str]]:
    """Everything, as rows (what, gatepost, fail2ban, ratio), as data, and as what could not run."""
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    lacking = ["crowdsec with its bouncer: its agent asks its hub and its central API; not set up without a network"]
    with world() as made:
        ours, live = gatepost(made, "gpost", 41)
        theirs = fail2ban(made, 42) if shutil.which("fail2ban-server") else None
        if theirs is None:
            lacking.append("fail2ban: the Debian package fail2ban is not installed")
        contestants = [ours, *([theirs] if theirs else [])]
        _latency(made, contestants, rows, data)
        _idle(contestants, rows, data)
        _flood(ours, live, log_of(), 60 if full else 10, rows, data)
        live.end()
        _restart(made, theirs, 10_000 if full else 1_000, rows, data)
    return rows, data, lacking


Rows, Data = list[list[str]], list[dict[str, Any]]


def _latency(made: net.World, contestants: list[Guarded], rows: Rows, data: Data) -> None:
    print(f"latency: {ATTACKERS} attackers each, in turns of {TURN} ...", file=sys.stderr)
    took = {name: percentiles(each) for name, each in latency(made, contestants).items()}
    for at, what in enumerate(("p50", "p99", "max")):
        values = [took[each.name][at] for each in contestants]
        ratio = f"{min(values[1], PATIENCE * 1e3) / values[0]:.0f}" if len(values) > 1 else ""
        shown = [f"{value:.2f}" if value < PATIENCE * 1e3 else f"over {PATIENCE * 1e3:.0f}" for value in values]
        rows.append([f"line written to element in force, {what}, ms", *shown, *[""] * (2 - len(values)), ratio])
    data.append({"latency_ms": took, "attackers": ATTACKERS})


def _idle(contestants: list[Guarded], rows: Rows, data: Data) -> None:
    print("idle ...", file=sys.stderr)
    found = [idle(each) for each in contestants]
    rows.append(["idle, % of a CPU over 20 s", *(f"{cpu:.2f}" for cpu, _ in found), *[""] * (2 - len(found)), ""])
    rows.append(["resident, MiB, by process", *(" + ".join(f"{each:.0f}" for each in rss) for _, rss in found), *[""] * (2 - len(found)), ""])
    data.append({"idle": {each.name: {"cpu_percent": cpu, "rss_mib": rss} for each, (cpu, rss) in zip(contestants, found, strict=True)}})


def _flood(ours: Guarded, live: Live, made: Path, seconds: int, rows: Rows, data: Data) -> None:
    print(f"{RATE:,} lines a second for {seconds} s ...", file=sys.stderr)
    used = _stat(ours.daemons[0])
    seen = flood(ours, live, made, seconds)
    used = _stat(ours.daemons[0]) - used
    for at, offered, read, lag in seen[:: max(1, len(seen) // 8)]:
        rows.append([f"after {at:.1f} s: {offered:,} lines due", f"{read:,} read, {lag / 1e6:.1f} MB wait", "", ""])
    at, _, read, lag = seen[-1]
    rows.append([f"all read after {at:.1f} s", f"{read / at:,.0f} lines/s, {used / max(read, 1) * 1e6:.1f} us of CPU a line", "", ""])
    rows.append(["resident afterwards, MiB", f"{_rss(ours.daemons[0]):.0f}", "", ""])
    data.append({"flood": {"seconds": seconds, "seen": seen, "cpu_us_a_line": used / max(read, 1) * 1e6, "left_bytes": lag}})


def _restart(made: net.World, theirs: Guarded | None, fewer: int, rows: Rows, data: Data) -> None:
    many = 100_000
    print(f"{many:,} blocks ...", file=sys.stderr)
    host = machine(made, "many", 43)
    live = Live(host, "gatepost", FOLLOWED)
    guarded = Guarded("gatepost", host, events_of(host), [])
    fill(host.home / "filled", many)
    shutil.copytree(host.home / "filled", host.path(live.state), dirs_exist_ok=True)  # SQLite would follow /proc/PID/root out of the machine
    live.launch()
    live.answered()
    live.ask("PUT", "rules", rules_toml())
    for what, attacker in (("restarted, elements still in the kernel", "203.0.113.7"), ("started, kernel empty", "203.0.113.8")):
        live.end()
        if "empty" in what:
            host.run("nft", "flush", "ruleset")
        found = restart(live, guarded, attacker)
        there = sum(len(elements) for name, elements in live.elements().items() if name.startswith("hand"))
        if there != many:
            raise RuntimeError(f"{there} of {many} blocks stand")
        rows.append([f"{many:,} blocks, {what}: all in force after, s", f"{found.get('all', float('nan')):.2f}", "", ""])
        rows.append(["  a new attacker meanwhile waits, s", f"{found.get('attacker', float('nan')):.2f}", "", ""])
        data.append({"restart": what, "blocks": many, **found})
    later = one_attacker(guarded, "203.0.113.9")
    rows.append([f"with {many:,} in force, line to element, ms", f"{later * 1e3:.2f}", "", ""])
    live.end()
    if theirs is not None:
        took = restart_fail2ban(theirs, fewer)
        rows.append([f"{fewer:,} bans again after a restart, s", "", f"{took:.1f}", ""])
        data.append({"restart": "fail2ban", "blocks": fewer, "all": took})


if __name__ == "__main__" and sys.argv[1:2] == ["flood"]:
    offer(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
