"""Has Exim ask: two texts of ours, put where Debian's configuration takes them.

Job: plan the macros and access lists that ask at each connection, AUTH, recipient, relaying and message. Promise: Debian's own lists run unchanged,
called from ours, so nothing that they refuse is let in, relaying for the relay box apart; every question has a time-out and goes on without us; a
second plan finds nothing left to do. Limits: a configuration that is not Debian's, or that sets one of these lists itself, is told what to add and
left alone. Exim's specification: chapters 11 (readsocket), 44 (access control lists), 61 (events).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from gatepost.aid.setup import Change, Plan, added, near, read
from gatepost.core.faults import BadInputError

FOLDER = "/etc/exim4"
MAIN = """\
# Gatepost: gatepost setup exim wrote these lines.
GATEPOST = {where}
acl_smtp_connect = gatepost_connect
acl_smtp_auth = gatepost_auth
MAIN_ACL_CHECK_RCPT = gatepost_rcpt
MAIN_ACL_CHECK_DATA = gatepost_data
# Messages submitted here that come back.
event_action = ${{if and{{{{eq{{$event_name}}{{msg:fail:delivery}}}}{{def:sender_host_address}}{{def:sender_address}}}}\\
  {{${{readsocket{{GATEPOST}}{{bounced client=$sender_host_address host=$primary_hostname \\
  account64=${{base64:${{length_255:$authenticated_id}}}} \\
  recipient64=${{base64:${{length_255:$local_part@$domain}}}}\\n}}{{2s}}{{}}{{}}}}}}}}
"""
"""For the main section; ``where`` is a path or ``inet:HOST:PORT``."""
LISTS = """\
# Gatepost: gatepost setup exim wrote these lists. The first asks; where nobody answers, it goes on, and asks no more in that session.
gatepost_ask:
  accept
    hosts = :
  accept
    condition = ${if eq{$acl_c_gatepost}{away}}
  warn
    set acl_c_gatepost = ${readsocket{GATEPOST}{$acl_arg1 client=$sender_host_address port=$received_port host=$primary_hostname \\
      account64=${base64:${length_255:$authenticated_id}} recipients=$recipients_count size=$message_size\\n}{2s}{}{away}}
  deny
    condition = ${if match{$acl_c_gatepost}{\\N^deny \\N}}
    message = ${sg{$acl_c_gatepost}{\\N^deny \\N}{}}
  defer
    condition = ${if match{$acl_c_gatepost}{\\N^defer \\N}}
    message = ${sg{$acl_c_gatepost}{\\N^defer \\N}{}}
  warn
    condition = ${if match{$acl_c_gatepost}{\\N^wait \\d+$\\N}}
    delay = ${sg{$acl_c_gatepost}{\\N^wait \\N}{}}s
  accept

gatepost_connect:
  require
    acl = gatepost_ask connect
  accept

gatepost_auth:
  require
    acl = gatepost_ask auth
  accept

gatepost_rcpt:
  require
    acl = gatepost_ask rcpt
  # Relaying for an address whose own allow entry has the relay box. A recipient that could hide another one is not asked about.
  accept
    !authenticated = *
    domains = !+local_domains : !+relay_to_domains
    !local_parts = ^[./|] : ^.*[@%!`#&?] : ^.*/\\\\.\\\\./
    acl = gatepost_ask relay
    condition = ${if eq{$acl_c_gatepost}{relay}}
    control = submission/sender_retain
    control = dkim_disable_verify
  require
    acl = acl_check_rcpt
  accept

gatepost_data:
  require
    acl = acl_check_data
  require
    acl = gatepost_ask data
  # Mail of an account that an alert rule caught waits: exim -bp shows it, exim -Mt lets it go.
  warn
    condition = ${if eq{$acl_c_gatepost}{hold}}
    control = freeze
  accept

"""
"""For the section of access lists."""
_OURS = re.compile(re.escape(MAIN.format(where="WHERE")).replace("WHERE", ".*"))
TAKEN = re.compile(r"^\s*(acl_smtp_connect|acl_smtp_auth|MAIN_ACL_CHECK_RCPT|MAIN_ACL_CHECK_DATA|event_action)\s*=\s*(\S+)", re.MULTILINE)
"""What we set, and Debian does not, save for its defaults."""
DEFAULTS = ("acl_check_rcpt", "acl_check_data")
BEGIN = re.compile(r"^begin acl$", re.MULTILINE)


class Exim:
    """Exim's configuration in a folder, as Debian keeps it: split into files, or one template."""

    def __init__(self, folder: str = "") -> None:
        """Raises BadInputError where it is not Debian's."""
        self.folder = Path(folder or FOLDER)
        own = self.folder / "exim4.conf"
        if own.exists():
            raise BadInputError("is a configuration of your own, not Debian's; add the lines of docs/exim.md by hand", str(own))
        told = read(self.folder / "update-exim4.conf.conf")
        found = re.findall(r"^dc_use_split_config=['\"]?(\w+)", told, re.MULTILINE)
        self.split = bool(found) and found[-1] == "true"

    def main_files(self) -> Iterator[Path]:
        """The files of the main section, ours apart, that can set what we set."""
        if self.split:
            yield from (each for each in sorted((self.folder / "conf.d/main").glob("[A-Za-z0-9]*")) if each.name != "000_gatepost")
        else:
            names = ("exim4.conf.localmacros", "exim4.conf.template")
            yield from (self.folder / name for name in names if (self.folder / name).exists())


def plan_exim(server: Exim, listen: str) -> Plan:
    """What is missing so that Exim asks Gatepost, which listens on a path or an address and port. Raises BadInputError."""
    where = listen if listen.startswith("/") else f"inet:{near(listen)}"
    main = MAIN.format(where=where)
    others = ((path.name, _OURS.sub("", read(path))) for path in server.main_files())
    taken = {(file, name) for file, text in others for name, value in TAKEN.findall(text) if value not in DEFAULTS}
    by_hand = [f"{name}: sets {what} itself; put the questions of docs/exim.md into its list by hand" for name, what in sorted(taken)]
    changes = () if taken else _changes(server, main)
    return Plan(
        server="exim",
        changes=changes,
        by_hand=tuple(by_hand),
        notes=(
            "whom +relay_from_hosts and a log-in let relay, Exim goes on to let relay",
            "failed log-ins are read from Exim's log, unless an authenticator tells of them: docs/exim.md",
        ),
        check=("update-exim4.conf", "--check"),
        then=("update-exim4.conf", "systemctl reload exim4"),
    )


def _changes(server: Exim, main: str) -> tuple[Change, ...]:
    """Split: two files of ours. One template: Debian's file of local macros, and our lists behind ``begin acl``."""
    if server.split:
        texts = (("conf.d/main/000_gatepost", main), ("conf.d/acl/10_gatepost", LISTS))
        found = [Change(str(path), read(path) if path.exists() else None, text) for name, text in texts for path in (server.folder / name,)]
        return tuple(change for change in found if change.before != change.after)
    macros, template = server.folder / "exim4.conf.localmacros", server.folder / "exim4.conf.template"
    found = []
    there = read(macros) if macros.exists() else ""
    if main not in there:
        again = _OURS.search(there) is not None
        found.append(Change(str(macros), there, _OURS.sub(lambda _: main, there)) if again else added(macros, main))
    before = read(template)
    if LISTS.rstrip() not in before:
        after, times = BEGIN.subn(lambda begin: f"{begin[0]}\n\n{LISTS.rstrip()}\n", before, count=1)
        if not times:
            raise BadInputError("has no line `begin acl`; add the lists of docs/exim.md by hand", str(template))
        found.append(Change(str(template), before, after))
    return tuple(found)
