"""A fail2ban's files, as its package and its administrator leave them; small, and written here.

The end-to-end test has the real package's configuration and a database that the real server wrote.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

JAIL_CONF = """\
[INCLUDES]
before = paths-here.conf

[DEFAULT]
bantime = 10m
findtime = 10m
maxretry = 5
mode = normal
filter = %(__name__)s[mode=%(mode)s]
port = 0:65535
banaction = iptables-multiport
banaction_allports = iptables-allports
action_ = %(banaction)s[port="%(port)s", protocol="tcp"]
action_mw = %(action_)s
            sendmail-whois[sender="root"]
action = %(action_)s
enabled = false

[sshd]
port = ssh

[postfix]
mode = more
port = smtp,465,submission
logpath = %(mail_log)s

[postfix-sasl]
filter = postfix[mode=auth]
port = smtp,465,submission,imap,imaps,pop3,pop3s

[postfix-rbl]
filter = postfix[mode=rbl]
port = smtp,465,submission
maxretry = 1

[dovecot]
port = pop3,pop3s,imap,imaps,submission,465,sieve

[sieve]
port = smtp,465,submission

[exim]
port = smtp,465,submission

[recidive]
banaction = %(banaction_allports)s
bantime = 1w
"""


def configured(folder: Path, local: str, **more: str) -> Path:
    """A configuration with this jail.local, and more files: ``jail_d__NAME__conf`` is ``jail.d/NAME.conf``."""
    folder.mkdir(exist_ok=True)
    (folder / "jail.conf").write_text(JAIL_CONF)
    (folder / "paths-here.conf").write_text("[DEFAULT]\nmail_log = /var/log/mail.log\n")
    (folder / "jail.local").write_text(local)
    for name, text in more.items():
        path = folder / name.replace("_d__", ".d/").replace("__", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def database(path: Path, rows: Iterable[tuple[object, object, object, object]]) -> Path:
    """A database with these rows: jail, address, time of the ban and its length, in seconds."""
    with sqlite3.connect(path) as link:
        link.execute(
            "CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL,"
            " bancount INTEGER NOT NULL default 1, data JSON, PRIMARY KEY(ip, jail))"
        )
        link.executemany("INSERT INTO bips(jail, ip, timeofban, bantime) VALUES(?, ?, ?, ?)", rows)
    link.close()
    return path
