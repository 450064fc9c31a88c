"""The real daemon when things go wrong around it: killed, robbed of its table, short of a disk, told nonsense.

Job: prove what the guard promises about its state, its kernel's side and its logs. Promise: what a daemon told is held against what it knows after
each crash, and facts against the number that was driven. Limits: as test_live.py.
"""

import json
import random
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.attackers import together
from tests.e2e.campaign import ALICE, Place
from tests.e2e.live import FOLLOWED, LOG, ROOT, Live, gets, knock, machine, rotate
from tests.e2e.net import wait_until

UNIT = ROOT / "packaging" / "gatepost.service"
HUMBLE = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=+net_admin", "--ambient-caps=+net_admin"]
HUMBLE += ["--bounding-set=-all,+net_admin"]
"""How systemd starts it: an ordinary user with one capability."""
TOLD = re.compile(r"event=impose .*\bsubject=(\S+) .*\buntil=(\S+)")


@pytest.fixture(scope="module")
def place(live_place: Place) -> Place:
    """The mail host, and its clients."""
    return live_place


Start = Callable[..., Live]


@pytest.fixture
def other(place: Place) -> Iterator[Start]:
    """Makes daemons with a state and a table of their own, not started yet; they end with the test."""
    made: list[Live] = []

    def make(name: str, config: str = FOLLOWED, nftables: str = "") -> Live:
        made.append(Live(machine(place), name, config, name, nftables))
        return made[-1]

    yield make
    for each in made:
        each.end()
        each.remove_table()


@pytest.fixture
def guard(other: Start) -> Live:
    """A daemon with nobody held."""
    made = other("steady")
    made.start()
    made.rules()
    return made


def hold_by_rule(guard: Live, place: Place, source: str) -> None:
    """Lets the rule `dos` hold a client on pop3."""
    together([lambda: place.at(source).touch(110)] * 5)
    wait_until(lambda: guard.held(source), 15, f"{source} is held")


def test_a_first_start_finds_the_logs_looks_back_and_offers_whom_to_allow(place: Place, other: Start) -> None:
    here, attacker, good = machine(place), place.at("203.0.113.21"), place.at("203.0.113.22")
    together([lambda who=who: who.touch(110) for who in (attacker, good) for _ in range(50)])  # type: ignore[misc]
    assert good.imap_guess(*ALICE[:1], [ALICE[1]]) == 0
    wait_until(lambda: f"rip={good.source}" in here.path(LOG).read_text("utf-8", "replace"), 15, "it is in the log")
    time.sleep(1)
    rotate(here, "rename")
    here.run("logger", "-p", "mail.info", "a line for the new file")
    wait_until(here.path(LOG).exists, 10, "the new file is there")
    here.run("postconf", "mynetworks=127.0.0.0/8 192.0.2.128/25")
    with here.path("/etc/dovecot/dovecot.conf").open("a") as conf:
        conf.write("login_trusted_networks = 192.0.2.96/28\n")

    first = other("first", config="")
    first.start("--yes")
    said = first.words()
    assert "postfix: logs to syslog (postconf)" in said
    assert "dovecot: logs to syslog (doveconf)" in said
    assert [source["name"] for source in first.status()["sources"]] == [LOG]
    assert attacker.source in said
    assert "These look trustworthy" in said
    listed = {entry["prefix"]: entry["verb"] for entry in first.ask("GET", "access")}
    assert {listed.get(prefix) for prefix in ("192.0.2.128/25", "192.0.2.96/28", good.source)} == {"allow"}
    assert attacker.source not in listed
    first.rules(dos=(4, "60s", "60s"))
    together([lambda: attacker.touch(110)] * 4)
    together([lambda: place.at("192.0.2.129").touch(110)] * 6)
    first.becomes([("dos", "pop3", attacker.source)])


def test_it_observes_first_where_told_and_enforces_then(place: Place, other: Start) -> None:
    watching = other("watching")
    watching.start("--observe-first", "8s")
    watching.rules(dos=(5, "60s", "60s"))
    early, late = "203.0.113.31", "203.0.113.32"
    together([lambda: place.at(early).touch(110)] * 5)
    wait_until(lambda: watching.status()["watched"] == 1, 10, "it is watched")
    assert knock(place.at(early), 110) == "open"
    wait_until(lambda: not watching.status()["paused_until"], 15, "the time is over")
    time.sleep(1.1)  # the log's stamps are seconds: what follows must not bear one from before
    hold_by_rule(watching, place, late)
    gets(place.at(late), 110, "silence")
    assert knock(place.at(early), 110) == "open"


def test_rotation_under_load_loses_and_doubles_nothing(place: Place, guard: Live) -> None:
    here = machine(place)
    before = {kind: guard.counted(kind) for kind in ("connected", "session_ended", "message_accepted")}
    place.internet.prefer("192.0.2.90", here.v4)
    mail = ["smtp-source", "-s", "5", "-m", "300", "-f", "friend@friend.example", "-t", "bob@example.org", f"{here.v4}:25"]
    load = [
        threading.Thread(target=place.internet.run, args=mail, kwargs={"timeout": 100}),
        threading.Thread(target=lambda: together([lambda: place.at("192.0.2.91").touch(110)] * 300, 4)),
    ]
    for each in load:
        each.start()
    turns = 0
    while any(each.is_alive() for each in load):
        rotate(here, ("rename", "copytruncate")[turns % 2])
        turns += 1
        time.sleep(0.5)
    for each in load:
        each.join()
    guard.quiet()
    assert turns > 3
    found = {kind: guard.counted(kind) - count for kind, count in before.items()}
    assert found == {"connected": 600, "session_ended": 300, "message_accepted": 300}
    assert guard.status()["problems"] == []


class Attackers(threading.Thread):
    """One attacker after the other, each just often enough to be held."""

    def __init__(self, place: Place, times: int) -> None:
        super().__init__()
        self._place, self._times = place, times
        self.sources: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        """Attacks until it is over."""
        for number in range(1, 250):
            if self.over.is_set():
                return
            source = f"203.0.113.{number}" if number % 2 else f"2001:db8:2:1::{number:x}"
            together([lambda source=source: self._place.at(source).touch(110)] * self._times, self._times)  # type: ignore[misc]
            self.sources.append(source)
            time.sleep(0.05)


def test_killed_again_and_again_it_forgets_nothing_it_told_and_counts_nothing_twice(place: Place, other: Start) -> None:
    guard = other("killed")
    guard.start()
    guard.rules(dos=(5, "60s", "10m"))
    attackers = Attackers(place, 5)
    attackers.start()
    told: set[str] = set()
    denied: list[str] = []
    for turn in range(7):
        for number in range(turn + 1):
            prefix = f"192.0.2.{200 + 8 * turn + number}"
            guard.ask("POST", "access", {"verb": "deny", "prefix": prefix})
            denied.append(prefix)
        time.sleep(0.2 * turn)
        guard.stop(signal.SIGKILL)
        told = {subject for subject, _ in TOLD.findall(guard.words())}
        assert all(guard.in_kernel(subject) for subject in told)
        assert knock(place.at(denied[0]), 110) == "silence"
        guard.start()
        held = {subject for _, _, subject in guard.blocks()}
        assert told <= held
        assert set(denied) <= {entry["prefix"] for entry in guard.ask("GET", "access")}
        assert all(guard.in_kernel(subject) for subject in held)
    attackers.over.set()
    attackers.join()
    wait_until(lambda: {subject for _, _, subject in guard.blocks()} == set(attackers.sources), 20, "all attackers are held, and nobody else")
    imposed = [subject for subject, _ in TOLD.findall(guard.words())]
    assert len(imposed) == len(set(imposed))
    assert len(attackers.sources) > 10
    guard.quiet()
    guard.kill()  # a clean stop would leave a snapshot instead of the entries
    assert guard.journaled("Connected", attackers.sources) == dict.fromkeys(attackers.sources, 5)


def test_a_table_that_somebody_flushed_and_a_helper_that_was_killed_come_back(place: Place, guard: Live) -> None:
    here, source = machine(place), "203.0.113.41"
    guard.rules(dos=(5, "60s", "10m"))
    hold_by_rule(guard, place, source)
    gets(place.at(source), 110, "silence")
    here.run("nft", "flush", "ruleset")
    gets(place.at(source), 110, "silence")
    wait_until(lambda: guard.status()["mirrors"][0]["mended"] > 0, 10, "it tells what it mended")
    first, helper = guard.worker, guard.helper
    for process in (first, helper):
        # Two that die together cannot be replaced by a daemon that gave its rights away.
        wait_until(lambda: process == first or guard.worker != first, 10, "another took the worker's place")  # noqa: B023
        here.run("nft", "flush", "ruleset")
        subprocess.run(["kill", "-KILL", str(process)], check=True)
        wait_until(lambda: guard.in_kernel(source), 30, f"{source} stands in the kernel again")
        gets(place.at(source), 110, "silence")
    hold_by_rule(guard, place, "203.0.113.42")
    gets(place.at("203.0.113.42"), 110, "silence")
    wait_until(lambda: guard.status()["ok"], 10, "all is well again")


@pytest.mark.parametrize("on_stop", ["keep", "lift"])
def test_holds_stay_or_go_when_it_stops_as_set(place: Place, other: Start, on_stop: str) -> None:
    guard, source = other(f"stop{on_stop}", nftables=f'on_stop = "{on_stop}"'), "203.0.113.45"
    guard.start()
    guard.cli("blocks", "add", source, "--for", "1h", "--reason", "a test")
    assert knock(place.at(source), 110) == "silence"
    assert guard.stop() == 0
    assert knock(place.at(source), 110) == ("silence" if on_stop == "keep" else "open")
    guard.start()
    assert knock(place.at(source), 110) == "silence"


def test_a_broken_configuration_keeps_the_old_one(place: Place, guard: Live) -> None:
    guard.rules(dos=(5, "60s", "60s"))
    guard.configure("[[logfile]]\npath = 7\n")
    guard.tell(signal.SIGHUP)
    guard.says("the old configuration stays")
    assert "logfile[0].path" in guard.words() or "path" in guard.words()
    hold_by_rule(guard, place, "203.0.113.51")
    guard.configure('[[logfile]]\npath = "/var/log/mail.iso.log"\n')
    guard.tell(signal.SIGHUP)
    guard.says("event=reloaded")
    wait_until(lambda: [each["name"] for each in guard.status()["sources"]] == ["/var/log/mail.iso.log"], 10, "the other log is followed")
    hold_by_rule(guard, place, "203.0.113.52")


def test_what_cannot_start_says_why_and_touches_nothing(place: Place, other: Start, guard: Live) -> None:
    here = machine(place)
    assert _one_line(*guard.refused()) == f"another gatepost (pid {_inner(guard)}) is using {guard.state}; stop it first"
    twin = other("twin")
    here.write(twin.config, f'state = "{twin.state}"\nsocket = "{guard.socket}"\n')
    assert "somebody answers there already" in _one_line(*twin.refused())
    here.write(twin.config, f'state = "{twin.state}"\nsockett = "{guard.socket}"\n')
    assert "sockett" in _one_line(*twin.refused())
    assert not here.path(f"{twin.state}/gatepost.db").exists()

    newer = other("newer")
    newer.start()
    newer.end()
    here.run("python3", "-c", f"import sqlite3; sqlite3.connect('{newer.state}/gatepost.db').execute('pragma user_version = 9999')")
    assert "is of version 9999" in _one_line(*newer.refused())
    assert guard.status()["ok"]


def _one_line(code: int, said: str) -> str:
    lines = said.strip().split("\n")
    assert (code, len(lines)) == (2, 1), said
    return lines[0].removeprefix("gatepost: ").partition(", or give")[0]


def _inner(guard: Live) -> int:
    """The daemon's process id inside its machine."""
    return int(re.search(r"^NSpid:.*\t(\d+)$", Path(f"/proc/{guard.pid}/status").read_text("ascii"), re.MULTILINE)[1])  # type: ignore[index]


@pytest.mark.parametrize("trouble", ["corrupt", "full"])
def test_a_store_that_cannot_be_used_leaves_a_guard_from_memory(place: Place, other: Start, trouble: str) -> None:
    guard, here, source = other(trouble), machine(place), "203.0.113.61"
    here.run("mkdir", "-p", guard.state)
    if trouble == "full":
        here.run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", guard.state)
        here.run("sh", "-c", f"head -c 100000 /dev/zero > {guard.state}/filled", check=False)
    else:
        here.write(f"{guard.state}/gatepost.db", "SQLite format 3\0" + "nonsense" * 1000)
    guard.start()
    guard.rules(dos=(5, "60s", "60s"))
    hold_by_rule(guard, place, source)
    gets(place.at(source), 110, "silence")
    found = guard.status()
    assert not found["ok"]
    assert any(problem.startswith("state:") for problem in found["problems"]), found["problems"]
    assert "problem: state:" in guard.cli("status", code=1)


def test_a_disk_that_fills_up_is_told_and_nothing_is_lost_when_there_is_room_again(place: Place, other: Start) -> None:
    guard, here, source = other("filling"), machine(place), "203.0.113.70"
    here.run("mkdir", "-p", guard.state)
    here.run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", guard.state)
    guard.start()
    guard.rules(dos=(5, "60s", "10m"))
    here.run("sh", "-c", f"head -c 9000000 /dev/zero > {guard.state}/filled", check=False)
    some = random.Random(7)
    denied = list({f"11.{some.randrange(256)}.{some.randrange(256)}.{some.randrange(256)}" for _ in range(30_000)})
    guard.ask("POST", "access/import", "\n".join(denied).encode(), {"list": "deny"})
    wait_until(lambda: any("disk" in problem for problem in guard.status()["problems"]), 10, "it tells that the disk is full")
    hold_by_rule(guard, place, source)
    gets(place.at(source), 110, "silence")
    here.run("rm", f"{guard.state}/filled")
    wait_until(lambda: guard.status()["ok"], 20, "all is well again")
    guard.stop(signal.SIGKILL)
    guard.start()
    assert guard.held(source)
    assert set(denied) <= {entry["prefix"] for entry in guard.ask("GET", "access")}


def test_without_root_one_capability_is_enough_and_a_log_that_may_not_be_read_is_told(place: Place, other: Start) -> None:
    guard, here, source = other("humble"), machine(place), "203.0.113.65"
    for folder in (guard.state, str(Path(guard.socket).parent)):
        here.run("mkdir", "-p", folder)
        here.run("chown", "nobody", folder)
    here.run("chmod", "600", LOG)
    guard.prefix = HUMBLE
    guard.start()
    wait_until(lambda: any("ermission denied" in problem for problem in guard.status()["problems"]), 10, "it tells that it may not read the log")
    here.run("chmod", "644", LOG)
    wait_until(lambda: guard.status()["ok"], 15, "it reads the log")
    guard.rules(dos=(5, "60s", "60s"))
    hold_by_rule(guard, place, source)
    gets(place.at(source), 110, "silence")
    assert "CapEff:\t0000000000000000" in Path(f"/proc/{guard.pid}/status").read_text("ascii")


def test_the_doctor_tries_out_that_a_block_drops_and_finds_out_where_none_does(place: Place, other: Start) -> None:
    guard, here, source = other("doctor", nftables="read_back = 3600"), machine(place), "203.0.113.67"
    guard.start()
    guard.cli("blocks", "add", source, "--for", "1h", "--reason", "a test")
    before = here.run("nft", "-s", "list", "table", "inet", guard.table)
    found = _doctor(guard)
    assert "it really drops: a connection came through, was dropped" in found["nftables, tried out"]["said"]
    assert found["rights"]["said"].startswith("runs as root; the part that reads the logs has no special right but CAP_DAC_READ_SEARCH")
    assert [found[each]["verdict"] for each in ("rights", guard.state, guard.socket, LOG)] == ["well"] * 4
    assert found["clock"]["verdict"] in ("well", "look")
    assert here.run("nft", "-s", "list", "table", "inet", guard.table) == before, "nothing is left behind"
    here.run("nft", "add", "table", "inet", guard.table, "{ flags dormant; }")
    assert knock(place.at(source), 110) == "open"
    here.run("chmod", "666", guard.socket)
    found = _doctor(guard, code=1)
    assert [found[each]["verdict"] for each in ("nftables, tried out", guard.socket)] == ["bad", "bad"]
    assert "nothing is really dropped" in found["nftables, tried out"]["said"]
    assert "cure: is its chain prerouting there" in guard.cli("doctor", code=1)


def _doctor(guard: Live, code: int = 0) -> dict[str, dict[str, str]]:
    """What the doctor found, by what it looked at."""
    return {each["what"]: each for each in json.loads(guard.cli("doctor", "--json", code=code))}


def test_a_lost_helper_that_nobody_may_start_again_ends_the_daemon_for_its_service_manager(place: Place, other: Start) -> None:
    guard, here = other("robbed"), machine(place)
    for folder in (guard.state, str(Path(guard.socket).parent)):
        here.run("mkdir", "-p", folder)
        here.run("chown", "nobody", folder)
    guard.prefix = HUMBLE
    guard.start(env={"NOTIFY_SOCKET": "/run/nobody-listens.sock"})
    guard.cli("blocks", "add", "203.0.113.66", "--for", "1h", "--reason", "a test")
    subprocess.run(["kill", "-KILL", str(guard.helper), str(guard.worker)], check=True)
    assert guard.wait() == 1
    assert "the helper process was killed" in guard.words()
    assert knock(place.at("203.0.113.66"), 110) == "silence"
    guard.start()
    assert guard.held("203.0.113.66")


def test_the_service_manager_is_told(place: Place, other: Start) -> None:
    guard, here = other("notified"), machine(place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(here.path("/run/notify.sock")))
        manager.settimeout(20)
        guard.start(env={"NOTIFY_SOCKET": "/run/notify.sock", "WATCHDOG_USEC": "1000000"})
        heard = [manager.recv(1000).decode() for _ in range(3)]
        assert any(each.startswith("READY=1\nSTATUS=guarding 1 logs") for each in heard)
        assert "WATCHDOG=1" in heard
        assert guard.stop() == 0
        while "STOPPING=1" not in heard:
            heard.append(manager.recv(1000).decode())


def _allowed_by_the_unit() -> set[str]:
    """The system calls that the unit allows, as systemd knows its groups."""
    allowed: set[str] = set()
    for line in UNIT.read_text("utf-8").splitlines():
        name, _, value = line.partition("=")
        if name == "SystemCallFilter":
            named = set().union(*(_calls(each) for each in value.removeprefix("~").split()))
            allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def _calls(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    told = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    members = [line.strip() for line in told.splitlines()[1:]]
    return set().union(*(_calls(each) for each in members if each and not each.startswith("#")))


def test_all_that_it_calls_is_what_the_unit_allows(place: Place, other: Start) -> None:
    """A filter that is too tight shows under systemd alone, and there it ends the daemon: so its calls are written down, helper and keeper too."""
    guard, here, source = other("called"), machine(place), "203.0.113.68"
    for folder in (guard.state, str(Path(guard.socket).parent)):
        here.run("mkdir", "-p", folder)
        here.run("chown", "nobody", folder)
    calls = f"{guard.state}/calls"
    guard.prefix = [*HUMBLE, "strace", "-D", "-f", "-qq", "-o", calls]
    guard.start()
    guard.rules(dos=(5, "60s", "60s"))
    hold_by_rule(guard, place, source)
    gets(place.at(source), 110, "silence")
    wait_until(lambda: guard.status()["history"] is not None, 30, "the keeper is at work")
    assert guard.stop() == 0
    called = set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z][a-z0-9_]*)", here.path(calls).read_text("ascii", "replace"), re.MULTILINE))
    assert {"capset", "setpriority", "sendmsg"} <= called, "the helper and the keeper were seen too"
    assert called - _allowed_by_the_unit() == set()


def test_the_unit_leaves_little_to_an_attacker() -> None:
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)
    assert found is not None, told.stderr
    assert float(found[1]) < 3
