"""What of a fail2ban becomes what in Gatepost.

Job: turn mail jails, their bans and `ignoreip` into holds, list entries and changes of rules, and name what is left behind and why. Promise: nothing
is changed here, in fail2ban or in Gatepost; the same files and the same time give the same plan. Limits: whether Gatepost takes a line, the daemon
says.
"""

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from gatepost.aid.fail2ban_bans import AS_THE_JAIL_SAYS, FOR_GOOD, Ban, read_bans
from gatepost.aid.fail2ban_config import Config
from gatepost.aid.fail2ban_jails import LISTED, REJECTIONS, SPAM, Jail, ignored, read_jails
from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.spans import LONGEST, SECOND, Span
from gatepost.core.subjects import address, prefix_text

FOLDER, DATABASE = "/etc/fail2ban", "/var/lib/fail2ban/fail2ban.sqlite3"
"""Where fail2ban keeps its configuration, and its bans where that names no other file."""
LONGEST_NAME = 253
"""Characters of a host name (RFC 1035, 2.3.4, without the dot at its end)."""
A_CENTURY = 100 * 366 * 86_400
"""Seconds after which nobody will lift a ban."""
NEW_RULES: dict[str, dict[str, Any]] = {
    REJECTIONS: {"counts": "rejected", "on": ["smtp"]},
    LISTED: {"counts": "rejected", "on": ["smtp"], "where.reason": "dnsbl"},
    SPAM: {"counts": "rejected", "on": ["smtp"], "where.reason": "content"},
}
"""Fields of rules that no preset has."""


class Wish(Struct, frozen=True, kw_only=True):
    """A hold or a list entry, and what it was in fail2ban."""

    origin: str
    verb: Literal["hold", "allow", "deny"]
    prefix: str
    protocols: tuple[Protocol, ...]
    """Empty: everywhere."""
    until: int = 0
    """Microseconds since 1970 UTC; 0: for good."""
    note: str


class RuleWish(Struct, frozen=True, kw_only=True):
    """Changes of a rule, and the jail whose numbers they are."""

    origin: str
    name: str
    changes: dict[str, Any]


class Left(Struct, frozen=True):
    """What is not taken over."""

    what: str
    because: str


class Plan(Struct, frozen=True, kw_only=True):
    """What becomes what."""

    wishes: list[Wish]
    rules: list[RuleWish]
    left: list[Left]
    jails: list[str]
    """The mail jails, to be stopped afterwards."""


def read(folder: Path, database: str, now: int) -> Plan:
    """The plan for the fail2ban that a folder configures; an empty ``database`` is the one that its configuration names. Raises BadInputError."""
    config = Config(folder, "jail")
    database = database or _database(folder)
    if database.lower() not in ("none", ":memory:"):
        return plan(config, read_bans(Path(database)), now)
    found = plan(config, (), now)
    found.left.append(Left("bans", f"fail2ban keeps no database here (dbfile = {database})"))
    return found


def _database(folder: Path) -> str:
    try:
        return Config(folder, "fail2ban").get("Definition", "dbfile", DATABASE)
    except BadInputError:
        return DATABASE


def plan(config: Config, bans: Iterable[Ban], now: int) -> Plan:
    """The plan. ``now`` is in microseconds since 1970 UTC. Raises BadInputError where the defaults themselves cannot be read."""
    jails, others = read_jails(config)
    left: list[Left] = []
    wishes = [*_trusted(config, jails, left), *_banned(jails, others, bans, now, left)]
    rules = _rules(jails, left)
    for extra in dict.fromkeys(extra for jail in jails for extra in jail.extras):
        left.append(Left(f"{extra[0]} ({_names(jail for jail in jails if extra in jail.extras)})", extra[1]))
    return Plan(wishes=wishes, rules=rules, left=left, jails=[jail.name for jail in jails])


def _names(jails: Iterable[Jail]) -> str:
    return ", ".join(jail.name for jail in jails)


def _on(protocols: Iterable[str]) -> tuple[Protocol, ...]:
    """Protocols in their one order; empty where it is all of them."""
    named = set(protocols)
    found = tuple(each for each in PROTOCOLS if each in named)
    return () if found == PROTOCOLS else found


def _prefix(text: str) -> str:
    """The address or prefix that a text spells, bits behind its length cleared as fail2ban clears them; empty where it spells none."""
    base, slash, length = text.partition("/")
    try:
        first = address(base)
        return prefix_text(ip_network(f"{first}/{length}", strict=False)) if slash else str(first)
    except ValueError:
        return ""


# --- whom fail2ban never bans


def _trusted(config: Config, jails: list[Jail], left: list[Left]) -> list[Wish]:
    """Allow entries: everywhere for whom all mail jails ignore, else on the protocols that no other mail jail watches."""
    of_jail = {jail.name: {_prefix(text) or text.lower() for text in jail.ignored} for jail in jails}
    # Where no mail jail is enabled, those whom all jails would ignore.
    told = [each for jail in jails for each in jail.ignored] if jails else ignored(config)
    found = []
    everybody = dict.fromkeys(_prefix(text) or text.lower() for text in told)
    for text in everybody:
        counting = [jail for jail in jails if text not in of_jail[jail.name]]
        ignoring = [jail for jail in jails if text in of_jail[jail.name]]
        origin = f"ignoreip {text}" + (f" ({_names(ignoring)})" if counting else "")
        watched = {each for jail in counting for each in jail.protocols}
        on = _on({each for jail in ignoring for each in jail.protocols} - watched) if counting else ()
        if not _prefix(text) and ("/" in text or len(text) > LONGEST_NAME):
            left.append(Left(origin, "it is no address, prefix or host name"))
        elif counting and not on:
            left.append(Left(origin, f"{_names(counting)} count it on the same protocols; allow it by hand where it is to be trusted"))
        else:
            found.append(Wish(origin=origin, verb="allow", prefix=text, protocols=on, note="fail2ban: ignoreip"))
    return found


# --- whom fail2ban has banned


def _banned(jails: list[Jail], others: dict[str, str], bans: Iterable[Ban], now: int, left: list[Left]) -> list[Wish]:
    known = {jail.name: jail for jail in jails}
    for_good: dict[str, list[Jail]] = {}
    running: list[Wish] = []
    elsewhere: Counter[str] = Counter()
    for ban in bans:
        jail = known.get(ban.jail)
        length = jail.bantime if jail and ban.length == AS_THE_JAIL_SAYS else ban.length
        if length > A_CENTURY:
            length = FOR_GOOD
        until = min(ban.at, now) + length * SECOND
        if length != FOR_GOOD and until <= now:
            continue
        prefix = _prefix(ban.ip)
        if jail is None:
            elsewhere[ban.jail] += 1
        elif not prefix:
            left.append(Left(f"{jail.name}: ban of {ban.ip}", "it is no address"))
        elif length == FOR_GOOD:
            for_good.setdefault(prefix, []).append(jail)
        else:
            running.append(_running(jail, prefix, until, now))
    for name in dict.fromkeys((*others, *elsewhere)):
        many = f" ({elsewhere[name]:,} banned)" if elsewhere[name] else ""
        left.append(Left(f"jail {name}{many}", others.get(name, "it is not enabled, so fail2ban does not enforce them either")))
    denied = [
        Wish(
            origin=f"{_names(by)}: permanent ban of {prefix}",
            verb="deny",
            prefix=prefix,
            protocols=_on(each for jail in by for each in jail.protocols),
            note=f"fail2ban: {_names(by)}"[:500],
        )
        for prefix, by in for_good.items()
    ]
    return denied + sorted(running, key=lambda wish: -wish.until)


def _running(jail: Jail, prefix: str, until: int, now: int) -> Wish:
    """A hold; a hold cannot be longer than the longest span, so that a longer ban is a deny entry that ends."""
    return Wish(
        origin=f"{jail.name}: ban of {prefix}",
        verb="hold" if until - now <= LONGEST else "deny",
        prefix=prefix,
        protocols=_on(jail.protocols),
        until=until,
        note=f"fail2ban: {jail.name}"[:500],
    )


# --- when fail2ban bans


def _rules(jails: list[Jail], left: list[Left]) -> list[RuleWish]:
    """For each rule the numbers of the strictest jail that counts the same."""
    by_rule: dict[str, list[Jail]] = {}
    for jail in jails:
        for name in jail.rules:
            by_rule.setdefault(name, []).append(jail)
        if not jail.rules:
            left.append(Left(f"{jail.name}: {_numbers(jail)}", f"no rule is known to count what the filter {jail.filter} finds; write one"))
    found = []
    for name, alike in by_rule.items():
        first = min(alike, key=lambda jail: (jail.maxretry, -jail.findtime, jail.name))
        same = [jail for jail in alike if _numbers(jail) == _numbers(first)]
        for jail in alike:
            if jail not in same:
                left.append(Left(f"{jail.name}: {_numbers(jail)}", f"the rule {name} takes the numbers of {first.name}, which fire first"))
        try:
            changes = _changes(first)
        except BadInputError as wrong:
            left.append(Left(f"{first.name}: {_numbers(first)}", wrong.said))
        else:
            found.append(RuleWish(origin=f"{_names(same)}: {_numbers(first)}", name=name, changes=NEW_RULES.get(name, {}) | changes))
    return found


def _numbers(jail: Jail) -> str:
    return f"maxretry {jail.maxretry}, findtime {_length(jail.findtime)}, bantime {_length(jail.bantime)}"


def _length(length: int) -> str:
    return "for good" if length < 0 else str(Span(length * SECOND)) if length * SECOND <= LONGEST else f"{length // 86_400}d"


def _changes(jail: Jail) -> dict[str, Any]:
    if not (1 <= jail.maxretry <= 10_000 and jail.findtime >= 1 and jail.bantime != 0):
        raise BadInputError("a rule counts 1 to 10,000, over 1s at least")
    window, hold = (Span(min(each * SECOND, LONGEST) if each > 0 else LONGEST) for each in (jail.findtime, jail.bantime))
    return {"threshold": jail.maxretry, "window": str(window), "for": str(hold)}
