"""What this process may do, and who may do what to its files.

Job: look at the rights that the process really has, thread by thread, at its state folder, its socket and the folders of its logs. Promise: looks
only; what the kernel does not tell is left out. Limits: Linux; the helper, which alone may change nftables, is proved by what it does.
"""

import os
import pwd
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from gatepost.admin.actions.finding import Finding

# fmt: off
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE",
    "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL",
    "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)
# fmt: on
"""Capabilities by their numbers (linux/capability.h)."""
MAY_HOLD = {"DAC_READ_SEARCH", "NET_BIND_SERVICE"}
"""What the part that reads hostile input may keep: reading logs that belong to others, and listening on low ports."""
LITTLE_ROOM = 100 << 20
"""Bytes that a disk should have left."""


def capabilities(proc: Path = Path("/proc/self")) -> tuple[int, list[str]]:
    """How many threads the process has, and the capabilities that any of them has in force (CapEff of proc_pid_status(5))."""
    masks = []
    for thread in proc.glob("task/*/status"):
        try:
            told = thread.read_text("ascii", "replace").partition("CapEff:")[2].split()
        except OSError:
            continue  # it ended meanwhile
        masks.append(int(told[0], 16) if told else 0)
    held = 0
    for mask in masks:
        held |= mask
    return len(masks), [NAMES[bit] if bit < len(NAMES) else str(bit) for bit in range(held.bit_length()) if held >> bit & 1]


def look_at_process(proc: Path = Path("/proc/self")) -> Finding:
    """Whether the process gave away what it does not need."""
    threads, held = capabilities(proc)
    if not threads:
        return Finding(what="rights", verdict="look", said="the kernel does not tell what this process may do", cure="mount /proc")
    who = f"runs as {_user(os.geteuid())}"
    if wrong := [name for name in held if name not in MAY_HOLD]:
        said = f"{who} and holds {_listed(wrong)}: whoever takes over the part that reads the logs has that too"
        cure = "restart gatepost; if it stays so, it could not give these rights away: start it by the unit that comes with it"
        return Finding(what="rights", verdict="bad", said=said, cure=cure)
    kept = f"no special right but {_listed(held)}" if held else "no special right"
    return Finding(what="rights", verdict="well", said=f"{who}; the part that reads the logs has {kept}, in all of its {threads} threads")


def _listed(names: Iterable[str]) -> str:
    first, *rest = (f"CAP_{name}" for name in names)
    return ", ".join([first, *rest[:4]]) + (f" and {len(rest) - 4} more" if len(rest) > 4 else "")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def look_at_state(folder: Path) -> Iterator[Finding]:
    """Whether the state folder can be written, by us alone, and has room."""
    what = str(folder)
    try:
        mode, room = folder.stat().st_mode, shutil.disk_usage(folder).free
    except OSError as wrong:
        yield Finding(what=what, verdict="bad", said=f"the state folder: {wrong.strerror}", cure="make it again and restart gatepost")
        return
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        cure = f"chown {_user(os.geteuid())} {what}; chmod 700 {what}"
        yield Finding(what=what, verdict="bad", said="the state folder may not be written: what is decided is forgotten at a restart", cure=cure)
    elif room < LITTLE_ROOM:
        said = f"only {room / 1e6:.0f} MB are left where the state is kept"
        yield Finding(what=what, verdict="look", said=said, cure="make room: with a full disk the guard goes on, and forgets at a restart")
    elif mode & 0o077:
        said = "others on this host may read the state: it tells who logged in, and from where"
        yield Finding(what=what, verdict="look", said=said, cure=f"chmod 700 {what}")
    else:
        yield Finding(what=what, verdict="well", said=f"the state folder is ours alone, and {room / 1e9:.1f} GB are left")


def look_at_socket(path: Path) -> Finding:
    """Whether root and the group alone may steer the guard."""
    what = str(path)
    try:
        mode = path.stat().st_mode
    except OSError as wrong:
        return Finding(what=what, verdict="bad", said=f"the control socket: {wrong.strerror}", cure="restart gatepost, which makes it again")
    if not stat.S_ISSOCK(mode) or mode & 0o007:
        said = "anybody on this host may steer the guard" if stat.S_ISSOCK(mode) else "something else stands where the control socket was"
        return Finding(what=what, verdict="bad", said=said, cure="restart gatepost, which makes it again with its own rights (0660)")
    return Finding(what=what, verdict="well", said="root and the socket's group alone may ask")


def look_at_logs(paths: Iterable[str]) -> Iterator[Finding]:
    """Whether the logs may be read, and their folders: where an older log must be found again after a rotation."""
    for path in paths:
        folder = os.path.dirname(path) or "."
        if os.path.exists(path) and not os.access(path, os.R_OK, effective_ids=True):
            cure = f"usermod -a -G adm {_user(os.geteuid())}, or what group may read it (ls -l {path}); then restart gatepost"
            yield Finding(what=path, verdict="bad", said="may not be read", cure=cure)
        elif not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
            said = f"its folder may not be listed: lines that are rotated away while gatepost is down stay unread ({folder})"
            yield Finding(what=path, verdict="look", said=said, cure=f"setfacl -m u:{_user(os.geteuid())}:rx {folder}")
