"""The programs that Gatepost is measured against, as Debian packages them, with their stock filters.

Job: for each of them, say why it can't run here, or run it once over a log.
Promise: nothing is installed and nothing leaves this machine: packages are unpacked into build/, the configuration and the state of a run live
in a folder that is removed, actions do nothing, and what might call home runs in a network namespace without a route.
Limits: their rules are not Gatepost's. fail2ban runs two jails and CrowdSec two scenarios, SSHGuard's parser and grep only read; what each
decides is not compared. fail2ban skips lines older than its findtime
and bans that are over, so both times are a year here.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import measure
from measure import Usage

ROOT = Path(__file__).resolve().parents[1]
UNPACKED = ROOT / "build" / "peers"

GREP_PATTERN = (
    r"^[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [^ ]+ (postfix/[a-z/]+\[[0-9]+\]: ("
    r"(dis)?connect from [^ ]+\[[0-9a-f.:]+\]|warning: [^ ]+\[[0-9a-f.:]+\]: SASL [A-Z0-9-]+ authentication failed|"
    r"NOQUEUE: reject: [A-Z]+ from [^ ]+\[[0-9a-f.:]+\]: [0-9]{3} )|dovecot: (imap|pop3)-login: .*, rip=[0-9a-f.:]+, lip=)"
)
"""One pattern that tells the lines which accuse somebody, with stamp, daemon and address: what a log reader must at least do."""


@dataclass(frozen=True)
class Peer:
    """A program to measure: ``missing`` says why it can't run here, or nothing; ``run`` runs it over a log."""

    name: str
    does: str
    missing: Callable[[], str]
    run: Callable[[Path], Usage]


def unpacked(package: str, program: str) -> Path | str:
    """A program of a Debian package, unpacked into build/ when first asked for; or why not."""
    path = UNPACKED / package / program
    if path.exists():
        return path
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return "no apt-get and dpkg-deb here to unpack the Debian package with"
    with tempfile.TemporaryDirectory() as folder:
        got = subprocess.run(["apt-get", "download", package], cwd=folder, capture_output=True, text=True)
        debs = list(Path(folder).glob("*.deb"))
        if not debs:
            return f"apt-get download {package}: {(got.stderr.strip().splitlines() or ['nothing came'])[-1][:120]}"
        UNPACKED.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", str(debs[0]), str(UNPACKED / package)], check=True)
    return path if path.exists() else f"the package {package} does not hold {program}"


def alone() -> list[str]:
    """A prefix that takes the network away from a command, where we may; loopback stays."""
    allowed = subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0 if shutil.which("unshare") else False
    return ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"] if allowed else []


def lines_with(path: Path, text: str) -> int:
    """Lines of a file that hold a text; the file is not kept in memory, or the next child would seem to need as much."""
    if not path.exists():
        return 0
    with path.open(errors="replace") as lines:
        return sum(text in line for line in lines)


# grep ------------------------------------------------------------------------------------------------------------------------------------------


def run_grep(log: Path) -> Usage:
    """One full pattern over the log, lines counted. The count goes to a file: into /dev/null, grep stops at the first match."""
    with tempfile.NamedTemporaryFile() as out:
        usage = measure.run(["grep", "-cE", GREP_PATTERN, str(log)], env={"LC_ALL": "C"}, stdout=Path(out.name))
        return replace(usage, note=f"{int(out.read())} lines match")


# SSHGuard --------------------------------------------------------------------------------------------------------------------------------------

PARSER = "usr/libexec/sshguard/sshg-parser"


def missing_sshguard() -> str:
    """Why SSHGuard's parser can't run."""
    found = unpacked("sshguard", PARSER)
    return found if isinstance(found, str) else ""


def run_sshguard(log: Path) -> Usage:
    """The parser alone, reading from standard input: it counts and blocks nothing."""
    return measure.run([str(UNPACKED / "sshguard" / PARSER)], stdin=log)


# fail2ban --------------------------------------------------------------------------------------------------------------------------------------

JAILS = """[DEFAULT]
backend = polling
findtime = 52w
bantime = 52w
maxretry = 50
action = nothing
[sshd]
enabled = false
[postfix]
enabled = true
logpath = {log}
backend = polling
[dovecot]
enabled = true
logpath = {log}
backend = polling
"""
FAIL2BAN_AT_MOST = 1800.0


def missing_fail2ban() -> str:
    """Why fail2ban's server can't run."""
    if not shutil.which("fail2ban-server") or not Path("/etc/fail2ban/jail.conf").exists():
        return "the Debian package fail2ban is not installed"
    return ""


def run_fail2ban(log: Path) -> Usage:
    """The server with the jails postfix and dovecot over the same file, until it has eaten it. Its answers are asked for afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree("/etc/fail2ban", home / "etc", symlinks=True)
        shutil.rmtree(home / "etc" / "jail.d", ignore_errors=True)
        (home / "etc" / "jail.local").write_text(JAILS.format(log=log))
        (home / "etc" / "action.d" / "nothing.conf").write_text("[Definition]\nactionban =\nactionunban =\n")
        files = f"socket = {home}/sock\npidfile = {home}/pid\ndbfile = {home}/db.sqlite3\nlogtarget = {home}/log\n"
        (home / "etc" / "fail2ban.local").write_text(f"[DEFAULT]\n{files}[Definition]\n{files}")
        command = [*alone(), "fail2ban-server", "-f", "-c", str(home / "etc"), "-s", f"{home}/sock", "-p", f"{home}/pid", "start"]
        usage = measure.run_until_idle(command, at_most=FAIL2BAN_AT_MOST)
        found, bans = lines_with(home / "log", "] Found "), lines_with(home / "log", "] Ban ")
        if usage.status or not found:
            raise measure.RunError("fail2ban did not get through the log")
        return replace(usage, note=f"{found} found, {bans} bans")


# CrowdSec --------------------------------------------------------------------------------------------------------------------------------------

CROWDSEC = "usr/bin/crowdsec"
HUB_ITEMS = (
    "parsers/s00-raw/crowdsecurity/syslog-logs.yaml",
    "parsers/s01-parse/crowdsecurity/postfix-logs.yaml",
    "parsers/s01-parse/crowdsecurity/dovecot-logs.yaml",
    "parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml",
    "scenarios/crowdsecurity/postfix-spam.yaml",
    "scenarios/crowdsecurity/dovecot-spam.yaml",
)
CROWDSEC_CONFIG = """common: {{daemonize: false, log_media: stdout, log_level: info, working_dir: .}}
config_paths:
  config_dir: {home}/etc/
  data_dir: {home}/
  simulation_path: {home}/etc/simulation.yaml
  hub_dir: {hub}/
  index_path: {hub}/.index.json
  notification_dir: {home}/etc/notifications/
  plugin_dir: {home}/plugins/
crowdsec_service: {{acquisition_path: {home}/etc/acquis.yaml, parser_routines: 1}}
cscli: {{output: human}}
db_config: {{log_level: info, type: sqlite, db_path: {home}/crowdsec.db, use_wal: true}}
api:
  client: {{credentials_path: {home}/etc/credentials.yaml}}
  server: {{log_level: info, listen_uri: "127.0.0.1:8080", profiles_path: {home}/etc/profiles.yaml}}
prometheus: {{enabled: false}}
"""


def missing_crowdsec() -> str:
    """Why CrowdSec's replay can't run."""
    found = unpacked("crowdsec", CROWDSEC)
    if isinstance(found, str):
        return found
    return "" if alone() else "no network namespace can be made here (needs root), and it shall not call home"


def run_crowdsec(log: Path) -> Usage:
    """Its replay of a file (`-dsn`), with its own local API on loopback, which it can't do without, and without the online client."""
    package = UNPACKED / "crowdsec"
    hub = package / "usr/share/crowdsec/hub"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(package / "etc/crowdsec", home / "etc")
        (home / "plugins").mkdir()
        for item in HUB_ITEMS:
            kind = Path(item).parents[1]
            (home / "etc" / kind).mkdir(parents=True, exist_ok=True)
            os.symlink(hub / item, home / "etc" / kind / Path(item).name)
        config = home / "config.yaml"
        config.write_text(CROWDSEC_CONFIG.format(home=home, hub=hub))
        register = ["machines", "add", "bench", "--password", "bench", "-u", "http://127.0.0.1:8080", "-f", str(home / "etc/credentials.yaml")]
        measure.run([*alone(), str(package / "usr/bin/cscli"), "-c", str(config), *register])
        replay = [str(package / CROWDSEC), "-c", str(config), "-dsn", f"file://{log}", "-type", "syslog"]
        said = home / "said"
        usage = measure.run([*alone(), *replay], stderr=said)
        return replace(usage, note=f"{lines_with(said, ' performed ')} overflows")


PEERS = (
    Peer("grep", "LC_ALL=C grep -cE, one full pattern", lambda: "" if shutil.which("grep") else "no grep here", run_grep),
    Peer("sshguard", "sshg-parser, reads only", missing_sshguard, run_sshguard),
    Peer("fail2ban", "server, jails postfix and dovecot", missing_fail2ban, run_fail2ban),
    Peer("crowdsec", "replay, postfix and dovecot scenarios", missing_crowdsec, run_crowdsec),
)
