"""A daemon at work on a mail host of the harness: started, asked, killed and looked at from outside.

Job: what the tests of the live guard share. Promise: the daemon runs inside the machine (its network, files and process ids), with this project's
code and interpreter; it ends with the machine. Limits: one table in the kernel for each name.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gatepost.cli.client import ask, ask_all
from gatepost.cli.faults import NoDaemonError
from gatepost.core.facts import Fact
from gatepost.stores.sqlite import SqliteStore
from tests.e2e.attackers import TLS_FROM_THE_START, Client, together
from tests.e2e.campaign import Place
from tests.e2e.hosts import MailHost
from tests.e2e.net import Machine, wait_until

ROOT = Path(__file__).parents[2]
SHARED = tuple(dict.fromkeys(path for path in (str(ROOT), sys.prefix, sys.base_prefix) if path != "/usr"))
"""What a machine needs of this one to run the daemon as it is here."""
PATIENCE = 0.8
"""A connection that is not there after so many seconds was dropped: the way is a cable between namespaces."""
LOG = "/var/log/mail.log"
FOLLOWED = f'[[logfile]]\npath = "{LOG}"\n'
NEVER = 10_000
"""A threshold that nothing here reaches."""
ROWS = {"blocks": "blocks", "access": "entries"}
"""What the API tells in pages, and under which name."""


class Live:
    """A daemon, by name: its configuration, state folder, socket and log bear it."""

    def __init__(self, machine: Machine, name: str = "gatepost", config: str = FOLLOWED, table: str = "gatepost", nftables: str = "") -> None:
        """``nftables`` are more lines for that part of the configuration."""
        self.machine, self.name, self.table = machine, name, table
        self.config = f"/etc/gatepost/{name}.toml"
        self.state = f"/var/lib/{name}"
        self.said = machine.log / f"{name}.err"
        self.said.touch()
        self.outside = machine.home / f"{name}.toml"
        self.outside.write_text(f'socket = "{machine.path(self.socket)}"\n', "utf-8")
        self.nftables = nftables
        self.prefix: list[str] = []
        """A command that the daemon is started with."""
        self.configure(config)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        """Where it listens, inside."""
        return f"/run/{self.name}/api.sock"

    def configure(self, config: str) -> None:
        """Writes its configuration."""
        head = f'state = "{self.state}"\nsocket = "{self.socket}"\n'
        self.machine.write(self.config, f'{head}{config}\n[nftables]\ntable = "{self.table}"\n{self.nftables or "read_back = 1"}\n')

    # --- its life

    def program(self, *words: str, env: Mapping[str, str] | None = None) -> list[str]:
        """The program's command, inside: this interpreter and this code."""
        given = {"PYTHONDONTWRITEBYTECODE": "1"} | dict(env or {})
        return ["env", *(f"{name}={value}" for name, value in given.items()), sys.executable, "-m", "gatepost", *words, "--config", self.config]

    def start(self, *options: str, env: Mapping[str, str] | None = None) -> None:
        """Starts it, and returns when it answers."""
        self.launch(*options, env=env)
        self.answered()

    def launch(self, *options: str, env: Mapping[str, str] | None = None) -> None:
        """Starts it, and returns at once."""
        self._process = self.machine.start(*self.prefix, *self.program("run", *options, env=env), said=self.said)

    def answered(self) -> None:
        """Waits until it answers."""
        wait_until(self._answers, 30, f"{self.name} answers")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {self.words()[-2000:]}")
        try:
            self.status()
        except NoDaemonError:
            return False
        return True

    def refused(self, *options: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Its exit code and words where it is to end at once."""
        before = len(self.words())
        ended = self.machine.start(*self.prefix, *self.program("run", *options, env=env), said=self.said).wait(30)
        return ended, self.words()[before:]

    @property
    def pid(self) -> int:
        """Its process, as seen from outside."""
        assert self._process is not None
        return children(self._process.pid)[0]

    @property
    def helper(self) -> int:
        """Its helper's process."""
        return children(self.pid)[0]

    @property
    def worker(self) -> int:
        """Its helper's worker: the process that speaks with the kernel now."""
        return children(self.helper)[0]

    def tell(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        os.kill(self.pid, number)

    def go_on(self) -> None:
        """Lets it go on after SIGSTOP, and what entered its namespaces, which stops when it does."""
        assert self._process is not None
        self.tell(signal.SIGCONT)
        os.kill(self._process.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """It stands still meanwhile, as when it hangs."""
        self.tell(signal.SIGSTOP)
        try:
            yield
        finally:
            self.go_on()

    @contextlib.contextmanager
    def slow(self) -> Iterator[None]:
        """It works a tenth of the time meanwhile, in slices of 50 ms."""
        over = threading.Event()

        def hamper() -> None:
            while not over.wait(0.05):
                self.tell(signal.SIGSTOP)
                over.wait(0.45)
                self.go_on()

        hampering = threading.Thread(target=hamper)
        hampering.start()
        try:
            yield
        finally:
            over.set()
            hampering.join()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it; returns its exit code."""
        assert self._process is not None
        self.tell(number)
        return self._process.wait(20)

    def wait(self) -> int:
        """Waits until it ends by itself; returns its exit code."""
        assert self._process is not None
        return self._process.wait(30)

    def end(self) -> None:
        """Ends it, if it is there."""
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def remove_table(self) -> None:
        """Clears the kernel of what it left there."""
        self.machine.run("nft", "delete", "table", "inet", self.table, check=False)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.stop(signal.SIGKILL)

    def words(self) -> str:
        """All that it said."""
        return self.said.read_text("utf-8", "replace")

    def says(self, text: str, seconds: float = 15) -> None:
        """Waits until it said something."""
        wait_until(lambda: text in self.words(), seconds, f"{self.name} says {text!r}; it said {self.words()[-1500:]}")

    # --- asking it

    def cli(self, *words: str, code: int = 0) -> str:
        """What the command line inside says."""
        return self.machine.run(*self.program(*words), check=code == 0)

    def ask(self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Any:
        """What the API answers; of what it tells in pages, all rows."""
        if method == "GET" and path in ROWS:
            return ask_all(f"/api/v1/{path}", ROWS[path], query or {}, str(self.outside))
        return ask(method, f"/api/v1/{path}", body, query, str(self.outside))

    def status(self) -> Any:
        """How it is doing."""
        return self.ask("GET", "status")

    def counted(self, kind: str) -> int:
        """Facts of a kind since its start."""
        return int(self.status()["facts"].get(kind, 0))

    def quiet(self) -> None:
        """Waits until nothing more comes for a moment."""
        before = -1
        while (now := int(self.status()["place"])) != before:
            before = now
            time.sleep(1)

    def blocks(self) -> set[tuple[str, str, str]]:
        """What is held: rule, protocols, subject."""
        return {(each["rule"], ",".join(each["protocols"]), each["subject"]) for each in self.ask("GET", "blocks")}

    def becomes(self, wanted: Iterable[tuple[str, str, str]], seconds: float = 15) -> None:
        """Waits until exactly this is held."""
        expected = set(wanted)
        wait_until(lambda: self.blocks() == expected, seconds, f"exactly {sorted(expected)} held; {sorted(self.blocks())} are")
        time.sleep(0.2)  # what is decided is in force a moment later

    def held(self, subject: str) -> bool:
        """Whether anything holds a subject."""
        return any(found == subject for _, _, found in self.blocks())

    def rules(self, **chosen: tuple[int, str, str]) -> None:
        """These rules bite, with threshold, window and time; the others of the preset never do. What is held is released."""
        self.ask("POST", "presets/standard")
        for name in ("dos", "harvesting", "password_brute_force"):
            threshold, window, hold = chosen.get(name, (NEVER, "60s", "10s"))
            numbers = ("--threshold", str(threshold), "--window", window, "--for", hold)
            self.cli("rules", "set", name.replace("_", "-"), *numbers)
        for _, _, subject in self.blocks():
            self.ask("POST", "unblock", {"subject": subject})
        wait_until(lambda: not self.blocks(), 5, "nobody is held")

    # --- the kernel and the disk

    def elements(self) -> dict[str, list[Any]]:
        """The elements in its table, by their sets; none where there is no table."""
        told = self.machine.run("nft", "-j", "list", "table", "inet", self.table, check=False)
        found = json.loads(told)["nftables"] if told.startswith("{") else []
        return {each["set"]["name"]: each["set"].get("elem", []) for each in found if "set" in each}

    def in_kernel(self, address: str) -> bool:
        """Whether an address stands in a set of holds."""
        return any(address in json.dumps(elements) for name, elements in self.elements().items() if name.startswith(("rule", "login", "hand")))

    def journal(self) -> list[Any]:
        """All entries in the store of a daemon that has ended, in a copy."""
        copy = self.machine.home / f"{self.name}-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.machine.path(self.state), copy)
        store = SqliteStore(copy / "gatepost.db")
        store.open()
        found = [entry for _, entry in store.entries_after(0)]
        store.close()
        return found

    def journaled(self, kind: str, sources: Iterable[str]) -> dict[str, int]:
        """By client, how many counted facts of a kind are in the store."""
        found = dict.fromkeys(sources, 0)
        for entry in self.journal():
            if isinstance(entry, Fact) and type(entry).__name__ == kind and not entry.evidence_only and entry.client in found:
                found[entry.client] += 1
        return found


def machine(place: Place) -> Machine:
    """The machine of a mail host."""
    assert isinstance(place.host, MailHost)
    return place.host.machine


def rotate(where: Machine, way: str) -> None:
    """Rotates the mail log as logrotate does: by ``rename``, or by ``copytruncate``, for which the writer stands still: what is written between copy
    and truncation nobody could read."""
    log, pid = LOG, "$(cat /run/rsyslogd.pid)"
    ways = {
        "rename": f"[ ! -e {log}.1 ] || mv {log}.1 {log}.2; mv {log} {log}.1; kill -HUP {pid}",
        "copytruncate": f"kill -STOP {pid}; [ ! -e {log}.1 ] || mv {log}.1 {log}.2; cp {log} {log}.1; : > {log}; kill -CONT {pid}",
    }
    where.run("sh", "-c", ways[way])


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    wait_until(lambda: bool(found.read_text("ascii").split()), 5, f"a child of {pid}")
    return [int(each) for each in found.read_text("ascii").split()]


def knock(client: Client, port: int) -> str:
    """What a client gets on a port: ``open``, ``silence`` or ``reset``. A connection is as good as dropped if it is not there in a moment."""
    try:
        sock = client.internet.connect(client.source, client.target, port, PATIENCE)
    except TimeoutError:
        return "silence"
    except ConnectionError:
        return "reset"
    with sock, contextlib.suppress(ConnectionError):
        sock.settimeout(30)
        if port in TLS_FROM_THE_START or sock.recv(4):
            return "open"
    return "reset"


def knocks(client: Client, *ports: int) -> list[str]:
    """What a client gets on some ports, at the same time."""
    return together([lambda port=port: knock(client, port) for port in ports])  # type: ignore[misc]


def gets(client: Client, port: int, wanted: str, seconds: float = 20) -> None:
    """Waits until a client gets something on a port."""
    until = time.monotonic() + seconds
    while (found := knock(client, port)) != wanted:
        assert time.monotonic() < until, f"{client.source} still gets {found} on {port}, not {wanted}"
        time.sleep(0.2)


def delivers(client: Client, to: Sequence[str] = ("bob@example.org",)) -> bool:
    """Whether a client's mail is taken."""
    return "250 2.0.0 Ok" in client.swaks("--to", ",".join(to), "--from", "friend@friend.example", "--timeout", "5")
