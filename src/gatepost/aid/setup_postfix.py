"""Has Postfix ask: the lines for main.cf and master.cf.

Job: read both files as Postfix does, and plan three questions: whether a client may go on (first in its client restrictions), whether it may relay
(before what refuses relaying), and what was accepted (at the end of data), for every smtpd, whatever its ``-o`` say. Promise: no restriction is taken
away or weakened; every question has a time-out of its own and goes on without us; a second plan finds nothing left to do. Limits: restrictions in
classes or in access tables, and a Postfix before 3.1, are told and left alone. Postfix's manuals: postconf(5), master(5), SMTPD_POLICY_README.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gatepost.aid.discover import ask, main_cf
from gatepost.aid.setup import Change, Plan, read
from gatepost.core.faults import BadInputError

ACCESS, RELAY, DATA = "gatepost_access", "gatepost_relay", "gatepost_data"
CONTEXTS = {ACCESS: "access", RELAY: "relay", DATA: "data"}
"""Our names in main.cf, and the policy_context that each sends."""
ASKED = {"smtpd_client_restrictions": ACCESS, "smtpd_end_of_data_restrictions": DATA}
"""The lists that a question goes to the head of."""
GUARDED = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
"""The lists in which relaying is refused, by what ``NO_RELAY`` finds."""
NO_RELAY = re.compile(r"(?<![\w$])(?:reject|defer)_unauth_destination\b")
DEFAULT_RELAY = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
"""Postfix's default from compatibility level 1 on."""
HIDING = "smtpd_discard_ehlo_keyword_address_maps"
LOGIN_PORTS = ("submission", "587", "submissions", "smtps", "465")
OLDEST = (3, 1)
"""The first Postfix with policy_context."""


def policy_service(listen: str, context: str, closed: bool = False) -> str:
    """The check_policy_service of a question. The time-outs are Postfix's promise to go on without us: by its own defaults it would wait 100 s and
    then answer 451; ``closed`` keeps the 451, but not the waiting."""
    # Who listens on all addresses is asked on the nearest.
    near = listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
    where = f"unix:{listen}" if listen.startswith("/") else f"inet:{near}"
    instead = "451 4.3.5 Try again later" if closed and context == "access" else "DEFER_IF_REJECT" if context == "relay" else "DUNNO"
    action = f"{{ default_action={instead} }}" if " " in instead else f"default_action={instead}"
    return f"check_policy_service {{ {where}, timeout=2s, try_limit=1, {action}, policy_context={context} }}"


class Service(NamedTuple):
    """An entry of master.cf that runs smtpd: where its lines are, and its options."""

    name: str
    first: int
    behind: int
    options: dict[str, str]

    @property
    def inside(self) -> bool:
        """Whether only this host can connect: mail that a filter gives back, which was asked about when it came."""
        host, colon, _ = self.name.partition("/")[0].rpartition(":")
        return bool(colon) and (host.strip("[]") in ("localhost", "::1") or host.startswith("127."))


class Postfix:
    """Postfix's configuration in a folder, as text and as ``postconf`` understands it where it is installed."""

    def __init__(self, folder: str = "", ask: Callable[[Sequence[str]], str | None] = ask) -> None:
        """Raises BadInputError where there is none."""
        self._ask = ask
        given = folder or (ask(["postconf", "-h", "config_directory"]) or "").strip() or "/etc/postfix"
        self.folder = Path(given)
        self.main = read(self.folder / "main.cf")
        self.master = read(self.folder / "master.cf")
        self.told = main_cf(self.main)

    def value(self, name: str, default: str = "") -> str:
        """What a parameter of main.cf comes to, its references replaced."""
        found = self._ask(["postconf", "-c", str(self.folder), "-xh", name])
        return found.strip() if found is not None else self.told.get(name, default)

    @property
    def version(self) -> tuple[int, ...]:
        """Its version; empty where it is not known."""
        return tuple(int(part) for part in re.findall(r"\d{1,4}", self.value("mail_version"))[:2])

    def services(self) -> Iterator[Service]:
        """The smtpd services."""
        lines = self.master.split("\n")
        at = 0
        while at < len(lines):
            first, at = at, at + 1
            if not lines[first].strip() or lines[first][0] in "# \t":
                continue
            behind = at
            while at < len(lines) and (not lines[at].strip() or lines[at][0] in "# \t"):
                at += 1
                if lines[at - 1].strip() and lines[at - 1].lstrip()[0] != "#":
                    behind = at
            fields = lines[first].split(None, 7)
            if len(fields) == 8 and fields[7].split()[0].rpartition("/")[2] == "smtpd":
                found = {each.name: line[each.start : each.end] for line in lines[first:behind] for each in options(line)}
                yield Service(f"{fields[0]}/{fields[1]}", first, behind, found)

    def overrides(self) -> list[tuple[str, str]] | None:
        """The services and the parameters that master.cf sets for them, as ``postconf`` reads it; None where it is not installed."""
        answer = self._ask(["postconf", "-c", str(self.folder), "-P"])
        named = [line.partition(" =")[0].rpartition("/") for line in (answer or "").split("\n") if " =" in line]
        return None if answer is None else [(service, name) for service, _, name in named]


class Option(NamedTuple):
    """An ``-o name=value`` or ``-o { name = value }`` on a line of master.cf, and where its value stands (master(5))."""

    name: str
    start: int
    end: int
    braced: bool


def options(line: str) -> Iterator[Option]:
    """The options on a line that is no comment."""
    at = 0
    while not line.lstrip().startswith("#") and (found := _OPTION.search(line, at)):
        start = found.end()
        braced = line.startswith("{", start)
        at = _closing(line, start) if braced else _SPACE.search(line, start).start()  # type: ignore[union-attr]
        named = _NAMED.match(line, start + braced, at)
        if named is not None:
            end = at - 1 if braced and line[at - 1] == "}" else at
            yield Option(named[1], named.end(), max(end, named.end()), braced)
        at = max(at, start + 1)


_OPTION = re.compile(r"(?<=\s)-o\s*")
_SPACE = re.compile(r"\s|$")
_NAMED = re.compile(r"\s*([A-Za-z0-9_]{1,100})\s*=\s*")


def _closing(line: str, start: int) -> int:
    """Behind the brace that closes the one at ``start``; the line's end where none does."""
    depth = 0
    for at in range(start, len(line)):
        depth += (line[at] == "{") - (line[at] == "}")
        if depth == 0:
            return at + 1
    return len(line)


# --- the plan


def plan_postfix(server: Postfix, listen: dict[str, str], closed: bool = False, hiding: str = "") -> Plan:
    """What is missing so that Postfix asks; ``listen`` says for each context where Gatepost listens, ``hiding`` names the table that hides AUTH.
    Raises BadInputError where Postfix cannot."""
    if server.version and server.version < OLDEST:
        raise BadInputError(f"Postfix {'.'.join(map(str, server.version))} has no policy_context; 3.1 is the first that does", str(server.folder))
    main, master = Lines(server.main), Lines(server.master)
    services = [service for service in server.services() if not service.inside]
    macros = _macros(server, main, services)
    for name, context in CONTEXTS.items():
        main.define(name, policy_service(listen[context], context, closed))
    for parameter, ours in ASKED.items():
        main.ask_first(parameter, ours, server.value(parameter))
    main.ask_before_refusal(GUARDED[0], server.value(GUARDED[0], DEFAULT_RELAY))
    for name in (GUARDED[1], *macros):
        main.ask_before_refusal(name)
    for service in services:
        _edit_service(master, service)
    for service in reversed(services if hiding else ()):
        if service.name.partition("/")[0].rpartition(":")[2] in LOGIN_PORTS and HIDING not in service.options:
            master.lines.insert(service.first + 1, f"  -o {HIDING}=cidr:{hiding}")
    by_hand = [*_unread(server), *(_hidden_otherwise(server, services, hiding) if hiding else ())]
    if not NO_RELAY.search(main.text) and not NO_RELAY.search(master.text):
        by_hand.append(f"no reject_unauth_destination was found: put ${RELAY} before whatever refuses relaying")
    texts = ((server.folder / "main.cf", server.main, main.text), (server.folder / "master.cf", server.master, master.text))
    return Plan(
        server="postfix",
        changes=tuple(Change(str(path), before, after) for path, before, after in texts if before != after),
        by_hand=tuple(by_hand),
        notes=tuple(_notes(server)),
        check=("postfix", "-c", str(server.folder), "check"),
        then=("postfix reload",),
    )


def _edit_service(master: "Lines", service: Service) -> None:
    """Puts our questions into the restrictions that a service has of its own."""
    for at in range(service.first, service.behind):
        for option in reversed(list(options(master.lines[at]))):
            line, gap = master.lines[at], ", " if option.braced else ","
            value = line[option.start : option.end]
            if option.name in ASKED:
                value = at_head(value, ASKED[option.name], gap)
            elif option.name in GUARDED:
                value = before_refusal(value, gap)
            master.lines[at] = line[: option.start] + value + line[option.end :]


def _macros(server: Postfix, main: "Lines", services: Sequence[Service]) -> list[str]:
    """The administrator's own names in main.cf that lists about relaying refer to."""
    values = [main.value(name) for name in GUARDED] + [service.options.get(name, "") for service in services for name in GUARDED]
    found = dict.fromkeys(name for value in values for name in _REFERENCE.findall(value))
    return [name for name in found if name in server.told and name not in CONTEXTS]


_REFERENCE = re.compile(r"\$[{(]?([A-Za-z0-9_]{1,100})")


def _unread(server: Postfix) -> Iterator[str]:
    """Restrictions of services that ``postconf`` sees and this program does not, as where an option and its value stand on two lines."""
    told = server.overrides()
    if told is None:
        return
    here = {(service.name, name) for service in server.services() for name in service.options}
    for service, name in told:
        if name in (*ASKED, *GUARDED) and (service, name) not in here:
            yield f"master.cf: {service} has its own {name} in a form that is not understood: write it as -o {name}=... on one line"


def _hidden_otherwise(server: Postfix, services: Sequence[Service], hiding: str) -> Iterator[str]:
    """Tables of the administrator's own for what ours is for."""
    for service in services:
        if hiding not in service.options.get(HIDING, hiding):
            yield f"master.cf: {service.name} has its own {HIDING}: put cidr:{hiding} in front of it"
    if server.told.get(HIDING) and "postscreen_discard_ehlo_keyword_address_maps" not in server.told:
        yield f"main.cf: {HIDING} is for postscreen too: set postscreen_discard_ehlo_keyword_address_maps, be it to nothing"


def _notes(server: Postfix) -> Iterator[str]:
    for service in server.services():
        if service.inside:
            yield f"master.cf: {service.name} is left alone: only this host connects to it"
    yield "whom permit_mynetworks and permit_sasl_authenticated let relay, Postfix goes on to let relay"


def at_head(value: str, ours: str, gap: str) -> str:
    """A list of restrictions that asks us first."""
    if _has(value, ours):
        return value
    return f"${ours}{gap}{value}" if value.strip() else f"${ours}"


def before_refusal(value: str, gap: str) -> str:
    """A list of restrictions that asks us before it refuses relaying; one that does not refuse it is left as it is."""
    found = NO_RELAY.search(value)
    if found is None or _has(value[: found.start()], RELAY):
        return value
    return f"{value[: found.start()]}${RELAY}{gap}{value[found.start() :]}"


def _has(value: str, ours: str) -> bool:
    return re.search(rf"\$[{{(]?{ours}\b", value) is not None


class Lines:
    """A file of configuration, changed line by line: comments and line breaks stay as they are."""

    HEADING = "# Gatepost: gatepost setup postfix wrote these lines; $gatepost_... above refers to them. A name left empty asks nothing."

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)

    def _find(self, name: str) -> tuple[int, int] | None:
        """Where a parameter's last definition, which is the one that counts, stands: its first line, and behind its last."""
        found = None
        for at, line in enumerate(self.lines):
            if re.match(rf"{name}\s*=", line):
                behind = at + 1
                for more in range(behind, len(self.lines)):
                    text = self.lines[more]
                    if text.strip() and not text.lstrip().startswith("#"):
                        if not text[0].isspace():
                            break
                        behind = more + 1
                found = (at, behind)
        return found

    def define(self, name: str, value: str) -> None:
        """Has a name of ours stand for a value; added at the end where it is not there."""
        there = self._find(name)
        if there is not None:
            self.lines[slice(*there)] = [f"{name} = {value}"]
            return
        if self.HEADING not in self.lines:
            self._add("", self.HEADING)
        self._add(f"{name} = {value}")

    def _add(self, *lines: str) -> None:
        """Adds lines at the end, which stays the end of a line."""
        if self.lines[-1].strip():
            self.lines.append("")
        self.lines[-1:] = [*lines, ""]

    def value(self, name: str) -> str:
        """A parameter's value as it is written, in one line."""
        there = self._find(name)
        lines = [line for line in self.lines[slice(*there)] if not line.lstrip().startswith("#")] if there is not None else [""]
        return " ".join(lines).partition("=")[2].strip()

    def ask_first(self, name: str, ours: str, otherwise: str) -> None:
        """Has a list begin with a question of ours; ``otherwise`` is what it comes to where the file does not have it."""
        there = self._find(name)
        if there is None:
            self._add(f"{name} = {at_head(otherwise, ours, ', ')}")
        elif not _has(value := self.value(name), ours):
            head, _, rest = self.lines[there[0]].partition("=")
            self.lines[there[0]] = f"{head}= ${ours}{',' if value else ''} {rest.strip()}".rstrip()

    def ask_before_refusal(self, name: str, otherwise: str = "") -> None:
        """Has a list ask us before it refuses relaying, where it does."""
        there = self._find(name)
        if there is None:
            changed = before_refusal(otherwise, ", ")
            if changed != otherwise:
                self._add(f"{name} = {changed}")
        elif not _has(self.value(name), RELAY):
            for at in range(*there):
                if not self.lines[at].lstrip().startswith("#") and NO_RELAY.search(self.lines[at]):
                    self.lines[at] = before_refusal(self.lines[at], ", ")
                    return
