"""The mail hosts: real Postfix, Dovecot, rsyslog, Exim and Sendmail on machines of `net`, each with a configuration from `config/`.

Job: start the servers as Debian starts them (plus ports for the rarer cases), and tell where their logs are.
Promise: a host is ready when its constructor returns; its processes end with its machine.
Limits: Debian's binaries: Postfix 3.7 and Dovecot 2.3 installed (or another Debian's tree), Exim and Sendmail unpacked in a folder.
"""

import glob
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.net import Machine, World, wait_until

CONFIG = Path(__file__).parent / "config"
DEBIAN = Path(__file__).parents[2] / "build" / "debian"
EXIM, SENDMAIL, TRIXIE = DEBIAN / "exim", DEBIAN / "sendmail", DEBIAN / "trixie"
SECRETS = {"alice@example.org": "secret-a", "bob@example.org": "secret-b", "carol@example.org": "secret-c"}
HOSTS = "127.0.0.1 localhost\n::1 localhost\n{v4} {name}.example.org {name}\n192.0.2.80 mail.friend.example\n"
RSYSLOG = """\
module(load="imuxsock")
mail.* action(type="omfile" file="/var/log/mail.log" template="RSYSLOG_TraditionalFileFormat")
mail.* action(type="omfile" file="/var/log/mail.iso.log" template="RSYSLOG_FileFormat")
mail.* action(type="omfile" file="/var/log/mail.5424.log" template="RSYSLOG_SyslogProtocol23Format")
"""


def lacking(*servers: str) -> str:
    """Which of the servers this host lacks, as a sentence; empty where all are there."""
    where = {
        "postfix": ("/usr/sbin/postfix", "package postfix"),
        "dovecot": ("/usr/lib/dovecot/imap-login", "packages dovecot-imapd and dovecot-pop3d"),
        "rsyslog": ("/usr/sbin/rsyslogd", "package rsyslog"),
        "rsyslog-openssl": (next(iter(glob.glob("/usr/lib/*/rsyslog/lmnsd_ossl.so")), "/nowhere"), "package rsyslog-openssl"),
        "exim": (str(EXIM / "usr/sbin/exim4"), "Exim's packages unpacked, by `make setup-servers`"),
        "sendmail": (str(SENDMAIL / "usr/libexec/sendmail/sendmail"), "Sendmail's packages unpacked, by `make setup-servers`"),
        "trixie": (str(TRIXIE / "usr/lib/dovecot/imap-login"), "Debian 13's tree, made by `make setup-servers`"),
        "openssl": ("/usr/bin/openssl", "package openssl"),
        "fail2ban": ("/usr/bin/fail2ban-server", "package fail2ban"),
    }
    missing = [f"{server} ({where[server][1]})" for server in servers if not os.path.exists(where[server][0])]
    return f"missing: {', '.join(missing)}" if missing else ""


def certificate(machine: Machine, folder: str) -> None:
    """Gives a machine a self-made certificate."""
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={machine.hostname}.example.org"]
    made = machine.home / "tls"
    made.mkdir(exist_ok=True)
    if not (made / "key.pem").exists():
        request += ["-keyout", str(made / "key.pem"), "-out", str(made / "cert.pem")]
        subprocess.run(request, check=True, capture_output=True)
    for name in ("cert.pem", "key.pem"):
        machine.write(f"{folder}/{name}", (made / name).read_text("ascii"))


def furnish(machine: Machine, rsyslog: str = "") -> None:
    """What every mail host needs: names, the owner of the mailboxes, rsyslog (with more settings) on a `/dev/log` of its own."""
    machine.write("/etc/hosts", HOSTS.format(v4=machine.v4, name=machine.hostname))
    machine.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n")
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    machine.write("/etc/hostname", f"{machine.hostname}\n")
    machine.write("/etc/mailname", "example.org\n")
    machine.write("/etc/localtime", "")
    machine.path("/etc/localtime").unlink()
    with machine.path("/etc/passwd").open("a", encoding="ascii") as passwd:
        passwd.write("vmail:x:5000:5000::/var/mail/vhosts:/usr/sbin/nologin\n")
    with machine.path("/etc/group").open("a", encoding="ascii") as group:
        group.write("vmail:x:5000:\n")
    machine.run("mkdir", "-p", "/var/mail/vhosts")
    machine.run("chown", "5000:5000", "/var/mail/vhosts")
    machine.write("/etc/rsyslog.conf", rsyslog + RSYSLOG)
    machine.start("rsyslogd", "-n", "-i", "/run/rsyslogd.pid")
    wait_until(machine.path("/dev/log").exists, 10, "rsyslog's /dev/log")


def copy_config(machine: Machine, name: str, folder: str) -> None:
    """Puts our configuration over Debian's."""
    for file in sorted((CONFIG / name).rglob("*")):
        if file.is_file():
            machine.write(f"{folder}/{file.relative_to(CONFIG / name)}", file.read_text("utf-8"))


class MailHost:
    """Postfix and Dovecot on one machine, logging through rsyslog in three forms, and a second Dovecot with its own log file."""

    def __init__(
        self,
        world: World,
        root: str = "/",
        dovecot: str = "dovecot",
        folded: bool = False,
        maillog_file: bool = False,
        name: tuple[str, int] = ("mx1", 25),
        shared: Sequence[str] = (),
    ) -> None:
        """``folded``: rsyslog folds repeated lines; ``maillog_file``: Postfix writes its own log; ``name`` and number, and ``shared``, are the
        machine's."""
        self.machine = world.machine(*name, root, shared=shared)
        self.v4, self.v6 = self.machine.v4, self.machine.v6
        furnish(self.machine, "$RepeatedMsgReduction on\n" if folded else "")
        self._own_postfix_log = maillog_file
        # What auth_verbose adds would stand between the lines that repeat.
        self._verbose = not folded
        # Postfix first: its start makes the folder of Dovecot's SASL socket.
        self._postfix()
        self._dovecot(dovecot)

    @property
    def syslog(self) -> Path:
        """rsyslog's traditional form (RFC 3164)."""
        return self.machine.log / "mail.log"

    @property
    def iso(self) -> Path:
        """rsyslog's default form (ISO stamps)."""
        return self.machine.log / "mail.iso.log"

    @property
    def rfc5424(self) -> Path:
        """rsyslog's RFC 5424 form."""
        return self.machine.log / "mail.5424.log"

    @property
    def postfix_log(self) -> Path:
        """Postfix's own log file, where it writes one."""
        return self.machine.log / "postfix.log"

    @property
    def own(self) -> Path:
        """The second Dovecot's own log file; its ports are 10000 above the usual."""
        return self.machine.log / "dovecot.log"

    def _dovecot(self, name: str) -> None:
        machine = self.machine
        copy_config(machine, name, "/etc/dovecot")
        if not self._verbose:
            config = machine.path("/etc/dovecot/dovecot.conf")
            config.write_text(config.read_text("ascii").replace("auth_verbose = yes", "auth_verbose = no"), "ascii")
        certificate(machine, "/etc/dovecot")
        machine.run("dovecot")
        if (CONFIG / name / "own-log.conf").exists():
            machine.run("dovecot", "-c", "/etc/dovecot/own-log.conf")
        wait_until(lambda: machine.listening(143), 10, "Dovecot listens")

    def _postfix(self) -> None:
        machine = self.machine
        copy_config(machine, "postfix", "/etc/postfix")
        if self._own_postfix_log:
            machine.run("postconf", "maillog_file=/var/log/postfix.log")
        certificate(machine, "/etc/postfix")
        machine.run("postfix", "start")
        wait_until(lambda: machine.listening(25), 10, "Postfix listens")


RECOMMENDED = "+smtp_connection +smtp_no_mail +smtp_incomplete_transaction"


class EximHost:
    """Exim as Debian configures it, with accounts; ``logging`` is added to Debian's `log_selector`."""

    def __init__(
        self,
        world: World,
        hostname: str = "mx2",
        number: int = 26,
        logging: str = RECOMMENDED,
        shared: Sequence[str] = (),
        split: bool = True,
        more: str = "",
    ) -> None:
        """``split``: Debian's configuration in many files, else in one; ``more`` are lines for it; ``shared`` is the machine's."""
        self.split = split
        self.machine = machine = world.machine(hostname, number, added=str(EXIM), shared=shared)
        self.v4, self.v6 = machine.v4, machine.v6
        furnish(machine)
        for name, line in (("passwd", "{0}:x:{1}:{1}::{2}:/usr/sbin/nologin\n"), ("group", "{0}:x:{1}:\n")):
            with machine.path(f"/etc/{name}").open("a", encoding="ascii") as file:
                file.write(line.format("Debian-exim", 5025, "/var/spool/exim4"))
                for uid, user in enumerate(("alice", "bob", "carol", "grey", "policy"), 6001):
                    file.write(line.format(user, uid, "/tmp"))
        copy_config(machine, "exim", "/etc/exim4")
        local = machine.path("/etc/exim4/conf.d/main/000_local")
        local.write_text(local.read_text("ascii").replace("LOGGING", logging) + more, "ascii")
        if not split:
            self._unsplit()
        machine.write("/etc/aliases", (CONFIG / "exim/aliases").read_text("ascii"))
        certificate(machine, "/etc/exim4")
        for folder in ("/var/spool/exim4", "/var/log/exim4", "/var/lib/exim4", "/run/exim4"):
            machine.run("mkdir", "-p", folder)
            machine.run("chown", "Debian-exim:Debian-exim", folder)
        machine.run("chown", "Debian-exim", "/etc/exim4/key.pem")
        machine.run("mkdir", "-p", "/var/mail")
        machine.run("chmod", "1777", "/var/mail")
        self.restart()

    def _unsplit(self) -> None:
        """The same in Debian's one template: what is ours of the main section goes to the local macros, log-ins where they begin."""
        folder = self.machine.path("/etc/exim4")
        (folder / "exim4.conf.localmacros").write_text((folder / "conf.d/main/000_local").read_text("ascii"), "ascii")
        template, auth = folder / "exim4.conf.template", (folder / "conf.d/auth/31_local").read_text("ascii")
        template.write_text(template.read_text("ascii").replace("begin authenticators\n", f"begin authenticators\n\n{auth}\n"), "ascii")
        config = folder / "update-exim4.conf.conf"
        config.write_text(config.read_text("ascii").replace("dc_use_split_config='true'", "dc_use_split_config='false'"), "ascii")

    def restart(self) -> None:
        """Has it take up its configuration."""
        machine = self.machine
        machine.run("update-exim4.conf")
        machine.run("sh", "-c", "kill $(cat /run/exim4/exim.pid)", check=False)
        wait_until(lambda: not machine.listening(25), 10, "Exim ends")
        machine.run("exim4", "-bd", "-q30m")
        wait_until(lambda: machine.listening(25), 10, "Exim listens")

    @property
    def main(self) -> Path:
        """Exim's main log."""
        return self.machine.log / "exim4" / "mainlog"

    @property
    def reject(self) -> Path:
        """Exim's reject log, which repeats refusals at length."""
        return self.machine.log / "exim4" / "rejectlog"

    @property
    def syslog(self) -> Path:
        """What Exim sends to syslog too, in rsyslog's traditional form."""
        return self.machine.log / "mail.log"


class SendmailHost:
    """Sendmail, which takes mail for bob and asks a milter on port 8096."""

    def __init__(self, world: World, shared: Sequence[str] = ()) -> None:
        self.machine = machine = world.machine("mx11", 31, added=str(SENDMAIL), shared=shared)
        self.v4, self.v6 = machine.v4, machine.v6
        furnish(machine)
        for uid, user in ((5026, "smmta"), (5027, "smmsp"), (6001, "bob")):
            for name, line in (("passwd", "{0}:x:{1}:{1}::/tmp:/usr/sbin/nologin\n"), ("group", "{0}:x:{1}:\n")):
                with machine.path(f"/etc/{name}").open("a", encoding="ascii") as file:
                    file.write(line.format(user, uid))
        copy_config(machine, "sendmail", "/etc/mail")
        machine.run("mkdir", "-p", "/var/spool/mqueue", "/var/lib/sendmail/host_status", "/run/sendmail/mta")
        machine.run("sh", "-c", "cd /etc/mail && m4 sendmail.mc >sendmail.cf")
        machine.run("/usr/libexec/sendmail/sendmail", "-bi")
        machine.run("/usr/libexec/sendmail/sendmail", "-L", "sm-mta", "-bd", "-q1h")
        wait_until(lambda: machine.listening(2525), 10, "Sendmail listens")
