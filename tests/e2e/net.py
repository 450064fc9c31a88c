"""A small internet of network namespaces: one that holds the clients, and machines that hold the servers.

Job: make the namespaces and the private file trees, run commands and open sockets in them, and remove all of it again.
Promise: nothing outside changes. A machine has its own root (an overlay kept in memory), process ids, host name and `/dev/log`; when it is closed,
all its processes end with it. Traffic stays in namespaces made here.
Limits: Linux, root, iproute2 and util-linux. `lacking` says what is missing.
"""

import contextlib
import ctypes
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

CLONE_NEWNET = 0x40000000
CLIENTS_V4 = ("192.0.2.0/24", "203.0.113.0/24")
CLIENTS_V6 = ("2001:db8:1::/48", "2001:db8:2::/48")
GATEWAY_V4, GATEWAY_V6 = "198.51.100.1", "2001:db8:25::1"
IPV6_FREEBIND = 78

_libc = ctypes.CDLL(None, use_errno=True)

INIT = """\
set -e
cd "$1"
mount -t tmpfs -o size=512m tmpfs cow
mkdir cow/upper cow/work
[ -z "$4" ] || cp -a "$4/." cow/upper/
for top in bin sbin lib lib64; do  # links to usr/ in the tree below
    if [ -d cow/upper/$top ]; then mkdir -p cow/upper/usr/$top; cp -a cow/upper/$top/. cow/upper/usr/$top/; rm -r cow/upper/$top; fi
done
mount -t overlay overlay -o "lowerdir=$2,upperdir=cow/upper,workdir=cow/work" root
mount -t proc proc root/proc
mount -t tmpfs tmpfs root/dev
for node in null zero full random urandom tty; do touch root/dev/$node; mount --bind /dev/$node root/dev/$node; done
mkdir root/dev/pts root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
mount -t tmpfs tmpfs root/run
mount -t tmpfs tmpfs root/tmp
chmod 1777 root/tmp root/dev/shm
mkdir -p root/run/lock root/var/log
mount --bind log root/var/log
hostname "$3"
shift 4
for shared; do  # as they are here, and not to be written to
    mkdir -p "root$shared"
    mount --bind "$shared" "root$shared"
    mount -o remount,bind,ro "root$shared"
done
exec chroot root /bin/sh -c 'echo ready; exec sleep infinity'
"""


def lacking() -> str:
    """What this host lacks for the namespaces, as a sentence; empty where nothing is missing."""
    if os.geteuid() != 0:
        return "network namespaces and servers on port 25 need root"
    for tool in ("ip", "unshare", "nsenter", "setpriv", "mount"):
        if shutil.which(tool) is None:
            return f"the command {tool} is missing (packages iproute2, util-linux, mount)"
    probe = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "making namespaces is not allowed here (a container without CAP_SYS_ADMIN)"


def run(*command: str) -> None:
    """Runs a command of this host's; its words on failure are the error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


class Namespace:
    """A network namespace, and a way for this process to open sockets in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words: str) -> None:
        """Runs `ip` inside."""
        run("ip", "-n", self.name, *words)

    def sysctl(self, name: str, value: str) -> None:
        """Sets a network setting of this namespace."""
        with self.inside():
            Path("/proc/sys/net", *name.split(".")).write_text(value, "ascii")

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in the namespace meanwhile: sockets that it opens stay there for good."""
        with open("/proc/thread-self/ns/net", "rb") as here, open(f"/run/netns/{self.name}", "rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(here.fileno())

    def close(self) -> None:
        """Removes the namespace; it goes with its last socket."""
        run("ip", "netns", "delete", self.name)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Internet(Namespace):
    """Where the clients live: every address of `CLIENTS_V4` and `CLIENTS_V6` can be a source here."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.links: dict[str, str] = {}
        self.sysctl("ipv4.ip_forward", "1")
        for net in CLIENTS_V4:
            self.ip("route", "add", "local", net, "dev", "lo")
        for net in CLIENTS_V6:
            self.ip("-6", "route", "add", "local", net, "dev", "lo")

    def attach(self, machine: Namespace, link: str, v4: str, v6: str) -> None:
        """Lays a cable to a machine's namespace."""
        self.links[link] = v4
        self.ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
        self.ip("addr", "add", f"{GATEWAY_V4}/32", "dev", link)
        self.ip("addr", "add", f"{GATEWAY_V6}/128", "dev", link, "nodad")
        self.ip("link", "set", link, "up")
        machine.ip("addr", "add", f"{v4}/24", "dev", "eth0")
        machine.ip("addr", "add", f"{v6}/64", "dev", "eth0", "nodad")
        machine.ip("link", "set", "eth0", "up")
        machine.ip("route", "add", "default", "via", GATEWAY_V4)
        machine.ip("-6", "route", "add", "default", "via", GATEWAY_V6)
        self.ip("route", "add", f"{v4}/32", "dev", link)
        self.ip("-6", "route", "add", f"{v6}/128", "dev", link)

    def connect(self, source: str, target: str, port: int, timeout: float = 20.0) -> socket.socket:
        """A TCP connection from a client's address, which is bound before connecting."""
        with self.inside():
            sock = socket.socket(family(source), socket.SOCK_STREAM)
        sock.settimeout(timeout)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        try:
            sock.bind((source, 0))
            sock.connect((target, port))
        except OSError:
            sock.close()
            raise
        return sock

    def prefer(self, source: str, target: str) -> None:
        """Sends what does not choose its source to a (IPv4) target from this one, until the next call."""
        link = next(link for link, v4 in self.links.items() if v4 == target)
        self.ip("route", "replace", f"{target}/32", "dev", link, "src", source)

    def run(self, *command: str, timeout: float = 60) -> str:
        """Runs a program in this namespace; what it said."""
        enter = ["nsenter", f"--net=/run/netns/{self.name}", "--", *command]
        done = subprocess.run(enter, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout, cwd="/tmp")
        return (done.stdout + done.stderr).decode("utf-8", "replace")


def family(address: str) -> int:
    """The socket family of an address."""
    return socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET


class Machine(Namespace):
    """A host of its own, with the programs of this one (or of another Debian's tree) and its own files, made afresh."""

    def __init__(self, name: str, hostname: str, v4: str, v6: str, home: Path, root: str = "/", added: str = "", shared: Sequence[str] = ()) -> None:
        super().__init__(name)
        self.hostname, self.v4, self.v6 = hostname, v4, v6
        self.home = home
        self._started: list[subprocess.Popen[bytes]] = []
        for part in ("cow", "root", "log"):
            (home / part).mkdir(parents=True)
        self.log = home / "log"
        self.log.chmod(0o1777)
        # However this process ends, the machine ends with it.
        enter = ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{name}"]
        enter += ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL"]
        enter += ["--propagation", "private", "sh", "-c", INIT, "init", str(home), root, hostname, added, *shared]
        self._init = subprocess.Popen(enter, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._init.stdout is not None
        said = self._init.stdout.readline()
        if said != "ready\n":
            raise RuntimeError(f"machine {hostname} did not start: {said}{self._init.stdout.read()}")
        self.pid = int(Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text("ascii").split()[0])

    def path(self, inside: str) -> Path:
        """Where a file of the machine's is found from outside."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Writes a file inside; what stood there, a link included, is replaced."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        target.write_text(text, "utf-8")
        target.chmod(mode)

    def _enter(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", *command]

    def run(self, *command: str, feed: str = "", check: bool = True, timeout: float = 60) -> str:
        """Runs a command inside and returns what it said. Daemons that it leaves behind must not keep its output open."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            done = subprocess.run(self._enter(command), input=feed, stdout=said, stderr=said, text=True, check=False, timeout=timeout)
            said.seek(0)
            text = said.read()
        if check and done.returncode:
            raise RuntimeError(f"{self.hostname}: {' '.join(command)}: {text.strip()}")
        return text

    def start(self, *command: str, said: Path | None = None) -> subprocess.Popen[bytes]:
        """Starts a process inside that stays in the foreground; it ends with the machine. ``said`` is where its words go."""
        quiet = subprocess.DEVNULL
        with open(said or os.devnull, "ab") as out:
            started = subprocess.Popen(self._enter(command), stdin=quiet, stdout=out, stderr=out)
        self._started.append(started)
        return started

    def kill(self, title: str) -> None:
        """Kills the machine's processes whose title is this, as when they crash; no other machine's are seen from inside."""
        ours = os.readlink(f"/proc/{self.pid}/ns/pid")
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                shown = (process / "cmdline").read_bytes().split(b"\0")[0].decode("utf-8", "replace").strip()
                if shown.split(" ")[0] == title and os.readlink(process / "ns" / "pid") == ours:
                    os.kill(int(process.name), signal.SIGKILL)

    def listening(self, port: int) -> bool:
        """Whether a server listens on a port; asked of the kernel, so that no log tells of the question."""
        wanted = f":{port:04X}"
        tables = [Path(f"/proc/{self.pid}/net/{name}").read_text("ascii").splitlines()[1:] for name in ("tcp", "tcp6")]
        return any(line.split()[1].endswith(wanted) and line.split()[3] == "0A" for table in tables for line in table)

    def listen(self, kind: socket.SocketKind, address: str, port: int) -> socket.socket:
        """A bound socket of this process inside the machine."""
        with self.inside():
            sock = socket.socket(family(address), kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        return sock

    def close(self) -> None:
        """Ends every process of the machine, and removes it."""
        self._init.kill()
        self._init.wait(10)
        for process in self._started:
            process.kill()
            process.wait(10)
        if self._init.stdout is not None:
            self._init.stdout.close()
        super().close()


class World:
    """One internet and its machines, under names that no other run uses."""

    def __init__(self) -> None:
        _tidy()
        self._mark = f"gp{os.getpid()}"
        self._home = Path(tempfile.mkdtemp(prefix=f"{self._mark}-"))
        self.internet = Internet(f"{self._mark}-net")
        self.machines: list[Machine] = []

    def machine(self, hostname: str, number: int, root: str = "/", added: str = "", shared: Sequence[str] = ()) -> Machine:
        """A machine at 198.51.100.NUMBER and 2001:db8:25::NUMBER, upon a tree of files (this host's, say) and those added to it; ``shared``
        folders are there too, read-only, wherever they are mounted from."""
        v4, v6 = f"198.51.100.{number}", f"2001:db8:25::{number}"
        made = Machine(f"{self._mark}-{hostname}", hostname, v4, v6, self._home / hostname, root, added, shared)
        self.machines.append(made)
        self.internet.attach(made, hostname, v4, v6)
        return made

    def close(self) -> None:
        """Removes machines, namespaces and files."""
        for machine in self.machines:
            machine.close()
        self.internet.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _tidy() -> None:
    """Removes the namespaces of runs that were killed before they could."""
    for path in Path("/run/netns").glob("gp*-*") if Path("/run/netns").exists() else ():
        owner = path.name[2:].partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            run("ip", "netns", "delete", path.name)


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits until something is so; names it when it does not come."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.05)
