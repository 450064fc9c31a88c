"""What runs on this host: mail daemons, where they log, whom they trust, and which addresses are ours.

Job: find what `gatepost run` can guard where nothing is configured, and say of each finding how it was made. Promise: one source for each daemon,
never two files with the same lines; no shell; each program that is asked has five seconds; odd answers and configuration yield less, never an
error. Limits: Postfix, Dovecot and Exim, as their own programs tell it, else as their main files say.
"""

import glob
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from gatepost.aid.discover_network import gateways_ipv4, gateways_ipv6, networks, own_ipv4, own_ipv6
from gatepost.aid.discover_syslog import Written, rsyslog, syslog_ng

SECONDS = 5
"""How long a program may take to answer."""
LONGEST = 1 << 20
"""Bytes of a file or an answer that are looked at."""
STALE = 7 * 86_400
"""A log by a usual name that was not written to for so many seconds is a leftover."""
USUAL = ("/var/log/mail.log", "/var/log/maillog", "/var/log/mail", "/var/log/mail.info", "/var/log/syslog", "/var/log/messages")
EXIM_LOGS = ("/var/log/exim4/mainlog", "/var/log/exim/main.log", "/var/log/exim/mainlog", "/var/spool/exim/log/mainlog")
SYSLOG = "syslog"


class Daemon(Struct, frozen=True):
    """A mail daemon that is installed."""

    name: str
    """``postfix``, ``dovecot`` or ``exim``."""
    logs_to: str
    """A file, or ``syslog``; empty where it is not known."""
    why: str


class LogSource(Struct, frozen=True):
    """A file to follow."""

    path: str
    daemons: tuple[str, ...]
    """Whose lines are in it; none where no daemon was found."""
    daemon: str
    """The daemon of lines that name none, for a file that one daemon writes itself; else empty."""
    why: str


class JournalSource(Struct, frozen=True):
    """systemd's journal, where it is all that gets some daemons' lines."""

    daemons: tuple[str, ...]
    why: str


class Network(Struct, frozen=True):
    """A network that the mail server trusts, to be offered as an allow entry."""

    prefix: str
    why: str


class Trouble(Struct, frozen=True):
    """What stands in the way, and what helps."""

    said: str
    cure: str


class Addresses(Struct, frozen=True):
    """Where this host is: known at once, for no program is asked."""

    own: tuple[str, ...]
    gateways: tuple[str, ...]


class Findings(Struct, frozen=True):
    """All that was found. ``str`` of it is text for a plan."""

    daemons: tuple[Daemon, ...]
    logs: tuple[LogSource, ...]
    own: tuple[str, ...]
    """Addresses of this host."""
    gateways: tuple[str, ...]
    trusted: tuple[Network, ...]
    troubles: tuple[Trouble, ...]
    journal: JournalSource | None = None

    def __str__(self) -> str:
        """A line for each finding."""
        lines = [f"{daemon.name}: {daemon.why}" for daemon in self.daemons]
        lines += [f"log {log.path} ({', '.join(log.daemons) or 'no daemon known'}): {log.why}" for log in self.logs]
        lines += [f"journal ({', '.join(self.journal.daemons)}): {self.journal.why}"] if self.journal is not None else []
        lines += [f"own addresses: {', '.join(self.own) or 'none found'}", f"gateways: {', '.join(self.gateways) or 'none found'}"]
        lines += [f"trusted {net.prefix}: {net.why}" for net in self.trusted]
        lines += [f"! {trouble.said}; {trouble.cure}" for trouble in self.troubles]
        return "\n".join(_printable(line) for line in lines)


def ask(command: Sequence[str]) -> str | None:
    """What a program says; None where it is not there, fails, or takes too long."""
    program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:/usr/exim/bin")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed list of programs with fixed arguments, found in the system's own folders
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:LONGEST].decode("utf-8", "replace") if done.returncode == 0 else None


class Discovery:
    """Looks around, once. ``root`` is where the file system begins; ``ask`` asks a program; ``now`` is in seconds since 1970."""

    def __init__(self, root: str = "/", ask: Callable[[Sequence[str]], str | None] = ask, now: Callable[[], float] = time.time) -> None:
        self._root = Path(root)
        self._ask = ask
        self._now = now
        self._trusted: list[Network] = []
        self._troubles: list[Trouble] = []
        self._journal: JournalSource | None = None

    def look(self) -> Findings:
        """All findings."""
        daemons = tuple(daemon for daemon in (self._postfix(), self._dovecot(), self._exim()) if daemon is not None)
        logs, here = self._logs(daemons), self.addresses()
        return Findings(daemons, logs, here.own, here.gateways, tuple(self._trusted), tuple(self._troubles), self._journal)

    def addresses(self) -> Addresses:
        """This host's addresses and gateways alone."""
        return Addresses(
            (*own_ipv4(self._read("/proc/net/fib_trie")), *own_ipv6(self._read("/proc/net/if_inet6"))),
            (*gateways_ipv4(self._read("/proc/net/route")), *gateways_ipv6(self._read("/proc/net/ipv6_route"))),
        )

    # --- the daemons

    def _postfix(self) -> Daemon | None:
        answer = self._ask(["postconf", "-h", "maillog_file", "mynetworks"])
        if answer is not None:
            file, nets = _answers(answer, 2)
            how = "postconf"
        elif self._exists("/etc/postfix/main.cf"):
            told = main_cf(self._read("/etc/postfix/main.cf"))
            file, nets = told.get("maillog_file", ""), told.get("mynetworks", "")
            how = "/etc/postfix/main.cf"
        else:
            return None
        self._trust(nets, f"mynetworks of Postfix ({how})")
        if file.startswith("/dev/"):
            self._trouble(f"Postfix logs to {file}", "set its maillog_file to a file, or leave it empty for syslog")
            return Daemon("postfix", "", f"maillog_file is {file} ({how})")
        if file.startswith("/"):
            return Daemon("postfix", file, f"maillog_file is {file} ({how})")
        return Daemon("postfix", SYSLOG, f"logs to syslog ({how})")

    def _dovecot(self) -> Daemon | None:
        answer = self._ask(["doveconf", "-h", "log_path", "info_log_path", "login_trusted_networks"])
        if answer is not None:
            file, info, nets = _answers(answer, 3)
            how = "doveconf"
        elif self._exists("/etc/dovecot/dovecot.conf"):
            text = "\n".join(self._read(path) for path in ("/etc/dovecot/dovecot.conf", *self._matching("/etc/dovecot/conf.d/*.conf")))
            told = dovecot_conf(text)
            file, info, nets = (told.get(name, "") for name in ("log_path", "info_log_path", "login_trusted_networks"))
            how = "/etc/dovecot"
        else:
            return None
        self._trust(nets, f"login_trusted_networks of Dovecot ({how})")
        target = info if info and not info.startswith("%") else file
        if target.startswith("/dev/"):
            self._trouble(f"Dovecot logs to {target}", "set its log_path to syslog or to a file")
            return Daemon("dovecot", "", f"log_path is {target} ({how})")
        if target.startswith("/"):
            return Daemon("dovecot", target, f"log-ins are logged to {target} ({how})")
        return Daemon("dovecot", SYSLOG, f"logs to syslog ({how})")

    def _exim(self) -> Daemon | None:
        for program in ("exim4", "exim"):
            answer = self._ask([program, "-bP", "log_file_path"])
            if answer is not None:
                return self._exim_of(answer.partition("=")[2].strip(), f"{program} -bP log_file_path")
        found = next((path for path in EXIM_LOGS if self._exists(path)), None)
        return Daemon("exim", found, f"{found} is there") if found is not None else None

    def _exim_of(self, setting: str, how: str) -> Daemon:
        targets = [target.strip() for target in re.split(r"(?<!:):(?!:)", setting)]
        files = [target for target in targets if target.startswith("/")]
        if not files and SYSLOG in targets:
            return Daemon("exim", SYSLOG, f"logs to syslog ({how})")
        dated = next((file for file in files if "%D" in file or "%M" in file), None)
        if dated is not None:
            self._trouble(f"Exim writes a new file each day or month ({dated})", "take %D out of its log_file_path, or add syslog to it")
            return Daemon("exim", SYSLOG if SYSLOG in targets else "", f"log_file_path is {dated} ({how})")
        usual = next((path for path in EXIM_LOGS if self._exists(path)), EXIM_LOGS[0])
        file = files[0].replace("%slog", "mainlog").replace("%s", "main") if files else usual
        return Daemon("exim", file, f"writes {file} ({how})")

    # --- where the lines are

    def _logs(self, daemons: tuple[Daemon, ...]) -> tuple[LogSource, ...]:
        """One source for each daemon; daemons that share a file, share the source."""
        found: dict[str, LogSource] = {}
        through_syslog = [daemon.name for daemon in daemons if daemon.logs_to == SYSLOG]
        for daemon in daemons:
            if daemon.logs_to.startswith("/"):
                self._add(found, LogSource(daemon.logs_to, (daemon.name,), daemon.name if daemon.name != "postfix" else "", daemon.why))
        if through_syslog or not daemons:
            chosen = self._syslog_file()
            if chosen is not None:
                self._add(found, LogSource(chosen[0], tuple(through_syslog), "", chosen[1]))
            elif through_syslog:
                self._no_file(through_syslog)
        return tuple(found.values())

    def _add(self, found: dict[str, LogSource], log: LogSource) -> None:
        real = os.path.realpath(self._at(log.path))
        there = found.get(real)
        if there is None:
            found[real] = log
        else:
            names = tuple(dict.fromkeys((*there.daemons, *log.daemons)))
            found[real] = LogSource(there.path, names, "", there.why)

    def _syslog_file(self) -> tuple[str, str] | None:
        """The file that the mail facility is written to, and how that is known."""
        written = rsyslog("/etc/rsyslog.conf", self._read, self._matching)
        if not written:
            written = syslog_ng("/etc/syslog-ng/syslog-ng.conf", self._read("/etc/syslog-ng/syslog-ng.conf"))
        # A file with mail alone before one with everything, one that is there before one that will be, the earlier line before the later.
        best = min(written, key=lambda each: (not self._exists(each.path), not each.only_mail), default=None)
        if best is not None:
            return best.path, self._explain(best, written)
        usual = [path for path in USUAL if self._exists(path)]
        fresh = next((path for path in usual if self._age(path) < STALE), None)
        if fresh is not None:
            return fresh, "is there and written to, by the usual name"
        if usual:
            self._trouble(f"{usual[0]} was not written to for a week", "if it is the mail log still, name it in gatepost.toml")
        return None

    def _explain(self, best: Written, written: list[Written]) -> str:
        others = [path for path in dict.fromkeys(each.path for each in written) if path != best.path]
        also = f"; left out, since it has the same lines: {', '.join(others)}" if others else ""
        absent = "" if self._exists(best.path) else ", not there yet"
        return f"{best.where} says `{best.text}`{absent}{also}"

    def _no_file(self, names: list[str]) -> None:
        """No file gets these daemons' lines: the journal does, where there is one that can be read."""
        journal = any(self._exists(path) for path in ("/run/systemd/journal", "/run/log/journal", "/var/log/journal"))
        if journal and self._ask(["journalctl", "--version"]) is not None:
            self._journal = JournalSource(tuple(names), "the lines are in no file, and journalctl is there")
            return
        cures = {
            "postfix": "postconf -e maillog_file=/var/log/postfix.log",
            "dovecot": "log_path = /var/log/dovecot.log",
            "exim": "log_file_path = /var/log/exim4/%slog",
        }
        said = "the lines are in the journal only, and there is no journalctl" if journal else "no file gets their lines"
        write = "; ".join(cures[name] for name in names)
        self._trouble(f"{' and '.join(names)}: {said}", f"install rsyslog, or have them write files ({write})")

    # --- the machine

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _exists(self, path: str) -> bool:
        return os.path.exists(self._at(path))

    def _age(self, path: str) -> float:
        try:
            return self._now() - self._at(path).stat().st_mtime
        except OSError:
            return float("inf")

    def _read(self, path: str) -> str:
        """A file's text; empty where it cannot be read or is no file."""
        try:
            fd = os.open(self._at(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb") as file:
                return file.read(LONGEST).decode("utf-8", "replace")
        except OSError:
            return ""

    def _matching(self, pattern: str) -> list[str]:
        # What was matched is below the root; a pattern's own path is not.
        found = sorted(glob.glob(str(self._at(pattern))))[:1000]
        return ["/" + os.path.relpath(path, self._root) for path in found]

    def _trust(self, text: str, why: str) -> None:
        nets, other = networks(text)
        self._trusted += [Network(net, why) for net in nets]
        if other:
            self._trouble(f"{why}: not understood: {' '.join(other)[:300]}", "enter what it stands for with gatepost access allow")

    def _trouble(self, said: str, cure: str) -> None:
        self._troubles.append(Trouble(said, cure))


def _answers(text: str, count: int) -> list[str]:
    """The lines of an answer, one for each parameter that was asked for."""
    return [line.strip() for line in [*text.split("\n"), *[""] * count][:count]]


def main_cf(text: str) -> dict[str, str]:
    """The parameters in Postfix' main.cf (postconf(5)): a line that begins with white space goes on with the one before; ``$name`` is replaced."""
    told: dict[str, str] = {}
    name = ""
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            if name:
                told[name] += " " + line.strip()
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if equals:
            told[name] = value
        else:
            name = ""
    return {key: _REFERENCE.sub(lambda found: told.get(found[1] or found[2], "")[:1000], value[:10_000]) for key, value in told.items()}


_REFERENCE = re.compile(r"\$(?:([A-Za-z0-9_]{1,100})|[{(]([A-Za-z0-9_]{1,100})[)}])")
_SETTING = re.compile(r"[ \t]*([a-z0-9_]{1,100})[ \t]*=[ \t]*([^\n]{0,10000})")


def dovecot_conf(text: str) -> dict[str, str]:
    """The settings in Dovecot's files that stand outside all braces; a later one counts."""
    told: dict[str, str] = {}
    depth = 0
    for line in text.split("\n"):
        line = line.partition("#")[0].rstrip()
        found = _SETTING.fullmatch(line)
        if line.endswith("{"):
            depth += 1
        elif line.strip() == "}":
            depth = max(depth - 1, 0)
        elif found is not None and depth == 0:
            told[found[1]] = found[2].strip('"')
    return told


def _printable(text: str) -> str:
    """Text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
