"""More mail hosts, for the gateway to stand in front of: Cyrus and Courier, unpacked in a folder.

Job: start them with the accounts of `hosts` on a machine of `net`. Promise: as in hosts.py. Limits: IMAP and POP3, in clear text; neither of them is
told who connects, for neither knows a way.
"""

from tests.e2e.hosts import DEBIAN, SECRETS, furnish
from tests.e2e.live import SHARED
from tests.e2e.net import Machine, World, wait_until

CYRUS, COURIER = DEBIAN / "cyrus", DEBIAN / "courier"
IMAPD = """\
configdirectory: /var/lib/cyrus
partition-default: /var/spool/cyrus/mail
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
duplicate_db_path: /run/cyrus/deliver.db
statuscache_db_path: /run/cyrus/statuscache.db
servername: mx.example.org
defaultpartition: default
hashimapspool: true
virtdomains: userid
defaultdomain: elsewhere.example
admins: cyrus
allowplaintext: yes
autocreate_quota: 0
unixhierarchysep: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256
syslog_prefix: cyrus
"""
MASTER = """\
START {
    recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}
SERVICES {
    imap cmd="/usr/lib/cyrus/bin/imapd -U 30" listen="143" prefork=1 maxchild=50
    pop3 cmd="/usr/lib/cyrus/bin/pop3d -U 30" listen="110" prefork=1 maxchild=50
}
EVENTS {
}
"""


def lacking_more(server: str) -> str:
    """What is missing of `cyrus` or `courier`, as a sentence; empty where it is there."""
    program = {"cyrus": CYRUS / "usr/lib/cyrus/bin/imapd", "courier": COURIER / "usr/lib/courier/courier/imaplogin"}[server]
    return "" if program.exists() else f"missing: {server} (its packages unpacked, by `make setup-servers`)"


def person(machine: Machine, name: str, uid: int, gid: int) -> None:
    """A user of a machine, and its group."""
    for file, line in (("passwd", f"{name}:x:{uid}:{gid}::/tmp:/usr/sbin/nologin\n"), ("group", f"{name}:x:{gid}:\n")):
        with machine.path(f"/etc/{file}").open("a", encoding="ascii") as out:
            out.write(line)


class CyrusHost:
    """Cyrus IMAP and POP3."""

    def __init__(self, world: World, hostname: str, number: int) -> None:
        self.machine = machine = world.machine(hostname, number, added=str(CYRUS), shared=SHARED)
        self.v4, self.v6 = machine.v4, machine.v6
        furnish(machine)
        person(machine, "cyrus", 5027, 5027)
        machine.write("/etc/imapd.conf", IMAPD)
        machine.write("/etc/cyrus.conf", MASTER)
        for folder in ("/var/lib/cyrus", "/var/spool/cyrus/mail", "/run/cyrus/proc", "/run/cyrus/lock", "/run/cyrus/socket"):
            machine.run("mkdir", "-p", folder)
        machine.run("chown", "-R", "cyrus:cyrus", "/var/lib/cyrus", "/var/spool/cyrus", "/run/cyrus")
        for account, secret in SECRETS.items():
            name, _, domain = account.partition("@")
            machine.run("saslpasswd2", "-p", "-c", "-u", domain, name, feed=secret)
        machine.run("chown", "cyrus", "/etc/sasldb2")
        self.started = machine.start("/usr/lib/cyrus/bin/master", "-C", "/etc/imapd.conf", "-M", "/etc/cyrus.conf", said=machine.log / "master.err")
        wait_until(lambda: machine.listening(143) and machine.listening(110), 15, "Cyrus listens")


class CourierHost:
    """Courier's IMAP and POP3."""

    def __init__(self, world: World, hostname: str, number: int) -> None:
        self.machine = machine = world.machine(hostname, number, added=str(COURIER), shared=SHARED)
        self.v4, self.v6 = machine.v4, machine.v6
        furnish(machine)
        person(machine, "courier", 5028, 5028)
        machine.run("mkdir", "-p", "/run/courier/authdaemon", "/var/lib/courier")
        for account, secret in SECRETS.items():
            home = f"/var/mail/vhosts/{account.partition('@')[0]}"
            machine.run("sh", "-c", f"mkdir -p {home}/Maildir/cur {home}/Maildir/new {home}/Maildir/tmp; chown -R 5000:5000 {home}")
            machine.run("userdb", account, "set", f"home={home}", f"mail={home}/Maildir", "uid=5000", "gid=5000")
            for field, kind in (("systempw", "-md5"), ("hmac-md5pw", "-hmac-md5")):
                hashed = machine.run("userdbpw", kind, feed=f"{secret}\n{secret}\n").strip().splitlines()[-1]
                machine.run("userdb", account, "set", f"{field}={hashed}")
        machine.run("makeuserdb")
        rc = machine.path("/etc/courier/authdaemonrc")
        machine.write("/etc/courier/authdaemonrc", rc.read_text("ascii").replace('authmodulelist="authpam"', 'authmodulelist="authuserdb"'))
        imapd = machine.path("/etc/courier/imapd").read_text("ascii")
        machine.write("/etc/courier/imapd", imapd.replace('SORT QUOTA IDLE"', 'SORT QUOTA AUTH=PLAIN AUTH=CRAM-MD5 IDLE"'))
        machine.run("authdaemond", "start")
        machine.run("/usr/sbin/imapd", "start")
        machine.run("/usr/sbin/pop3d", "start")
        wait_until(lambda: machine.listening(143) and machine.listening(110), 15, "Courier listens")
