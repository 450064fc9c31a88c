"""A real systemd-journald of our own, in a mount namespace with its own /run.

Job: start it, write to it as mail daemons do, rotate, vacuum and stop it. Promise: this machine's journal is not touched; all ends with `close`.
Limits: needs root. journald limits rates by unit, which it reads from the process's cgroup: a hierarchy named `systemd` is mounted for that.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.e2e.net import wait_until

JOURNALD = "/lib/systemd/systemd-journald"
SOCKET = "/run/systemd/journal/dev-log"
UNIT = "/sys/fs/cgroup/systemd/system.slice/postfix.service"
PREPARE = f"""\
set -e
mount -t tmpfs run /run
mount -t tmpfs journal /var/log
mkdir -p /run/systemd/journal /run/log/journal /run/systemd/journald.conf.d
chmod 755 /run/log /run/log/journal
mount -t tmpfs cgroup /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
mkdir -p {UNIT}
echo ready
exec sleep infinity
"""


def lacking() -> str:
    """What this machine lacks, as a sentence; empty where all is there."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in (JOURNALD, "journalctl", "logger", "nsenter", "unshare") if shutil.which(name) is None]
    return f"missing: {', '.join(missing)}" if missing else ""


class Journald:
    """A journald, and the folder of its journal as it is seen from outside."""

    def __init__(self) -> None:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", PREPARE]
        self._home = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._home.stdout is not None
        said = self._home.stdout.readline()
        assert said == "ready\n", said
        self.folder = Path(f"/proc/{self._home.pid}/root/run/log/journal")
        self._daemon: subprocess.Popen[bytes] | None = None
        self.start()

    def enter(self, *command: str) -> list[str]:
        """The command that runs a program inside."""
        return ["nsenter", "-t", str(self._home.pid), "-m", "--", *command]

    def inside(self, *command: str, feed: str = "") -> str:
        """Runs a program inside; what it said."""
        return subprocess.run(
            self.enter(*command), input=feed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=60
        ).stdout

    def start(self, settings: str = "RateLimitBurst=0") -> None:
        """Starts it with lines of its [Journal] section."""
        path = Path(f"/proc/{self._home.pid}/root/run/systemd/journald.conf.d/test.conf")
        path.write_text(f"[Journal]\n{settings}\n")
        # From no directory of ours: it would be looked up in the other namespace.
        quiet = subprocess.DEVNULL
        self._daemon = subprocess.Popen(self.enter(JOURNALD), stdin=quiet, stdout=quiet, stderr=quiet, cwd="/")
        wait_until(Path(f"/proc/{self._home.pid}/root{SOCKET}").exists, 10, "journald's socket")
        wait_until(lambda: any(self.folder.glob("*/system.journal")), 10, "journald's file")

    def stop(self) -> None:
        """Stops it; its files stay."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(10)
            Path(f"/proc/{self._home.pid}/root{SOCKET}").unlink(missing_ok=True)

    def log(self, *lines: str, tag: str = "postfix/smtpd", pid: int = 10, priority: str = "mail.info") -> None:
        """Writes lines, as through syslog(3), and waits until journald has them: to be sent is not to be written."""
        feed = "".join(f"{line}\n" for line in lines)
        self.inside("logger", "-u", SOCKET, "-p", priority, "-t", tag, f"--id={pid}", feed=feed)
        self.inside("journalctl", "--sync")

    def burst(self, many: int) -> None:
        """Writes so many lines at once from a unit of systemd's, and another one when the limit's interval has passed."""
        # Without --id, which would send as another process, of another unit; and one logger for all: journald asks for its unit while it lives.
        lines = f"seq 1 {many}; sleep 2; echo last; sleep 0.5"
        script = f"echo $$ > {UNIT}/cgroup.procs; ({lines}) | logger -u {SOCKET} -p mail.info -t postfix/smtpd"
        self.inside("sh", "-c", script)

    def rotate(self) -> None:
        """Begins a new file."""
        assert self._daemon is not None
        before = len(list(self.folder.glob("*/*.journal")))
        # nsenter execs what it starts, so this is journald itself.
        self._daemon.send_signal(signal.SIGUSR2)
        wait_until(lambda: len(list(self.folder.glob("*/*.journal"))) > before, 10, "a new file of the journal")
        time.sleep(0.1)

    def vacuum(self) -> None:
        """Deletes all files but the newest."""
        self.inside("journalctl", "--directory=/run/log/journal", "--vacuum-files=1")

    def close(self) -> None:
        """Ends it."""
        self.stop()
        # The hierarchy is one for the whole machine: another run of these tests may use this unit, or have removed it.
        self.inside("sh", "-c", f"rmdir {UNIT} || true")
        self._home.kill()
        self._home.wait(10)
        if self._home.stdout is not None:
            self._home.stdout.close()
