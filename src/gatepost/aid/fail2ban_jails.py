"""Which of fail2ban's jails guard mail, what they hold and what they count.

Job: read the enabled jails out of the merged configuration, and tell mail jails from others by filter and port. Promise: a jail is either understood
or named with the reason. Limits: filters are known by their names; what a filter of somebody's own counts, nobody but he knows.
"""

import re

from msgspec import Struct

from gatepost.aid.fail2ban_config import DEFAULT, Config, seconds
from gatepost.core.facts import PROTOCOLS, Protocol
from gatepost.core.faults import BadInputError

LOGINS, BAD_SESSIONS = "password-brute-force", "harvesting"
REJECTIONS, LISTED, SPAM = "rejections", "rejections-dnsbl", "rejections-content"
"""The rules that fail2ban's mail filters correspond to."""

_FILTERS: dict[str, tuple[tuple[Protocol, ...], tuple[str, ...]]] = {
    "postfix": (("smtp",), (REJECTIONS,)),
    "postfix-sasl": (("smtp",), (LOGINS,)),
    "postfix-rbl": (("smtp",), (LISTED,)),
    "dovecot": (("imap", "pop3", "sieve"), (LOGINS,)),
    "sieve": (("sieve",), (LOGINS,)),
    "exim": (("smtp",), (LOGINS, REJECTIONS)),
    "exim-spam": (("smtp",), (SPAM,)),
    "sendmail-auth": (("smtp",), (LOGINS,)),
    "sendmail-reject": (("smtp",), (REJECTIONS,)),
    "courier-auth": (("smtp", "imap", "pop3"), (LOGINS,)),
    "courier-smtp": (("smtp",), (REJECTIONS,)),
    "cyrus-imap": (("imap", "pop3"), (LOGINS,)),
    "uwimap-auth": (("imap", "pop3"), (LOGINS,)),
    "perdition": (("imap", "pop3"), (LOGINS,)),
    "solid-pop3d": (("pop3",), (LOGINS,)),
    "domino-smtp": (("smtp",), (LOGINS,)),
    "oracleims": (("smtp", "imap", "pop3"), (LOGINS,)),
    "qmail": (("smtp",), (LISTED,)),
    "assp": (("smtp",), (REJECTIONS,)),
}
"""fail2ban's own mail filters: the protocols that they watch, and the rules that count the same."""
_POSTFIX_MODES: dict[str, tuple[str, ...]] = {
    "auth": (LOGINS,),
    "rbl": (LISTED,),
    "extra": (LOGINS, REJECTIONS),
    "aggressive": (LOGINS, REJECTIONS),
    "ddos": (BAD_SESSIONS,),
    "errors": (),
}
"""Where a mode of the filter postfix counts something else than rejections."""
_WORDS: dict[str, tuple[Protocol, ...]] = {
    **dict.fromkeys(("postfix", "exim", "exim4", "sendmail", "smtp", "smtpd", "opensmtpd", "qmail", "postscreen"), ("smtp",)),
    **dict.fromkeys(("dovecot", "courier", "cyrus"), ("imap", "pop3", "sieve")),
    **dict.fromkeys(("imap", "imapd"), ("imap",)),
    **dict.fromkeys(("pop3", "pop3d"), ("pop3",)),
    **dict.fromkeys(("sieve", "managesieve"), ("sieve",)),
}
"""What the names of filters of somebody's own tell."""
_NAMES = {"smtp": 25, "smtps": 465, "ssmtp": 465, "submissions": 465, "urd": 465, "submission": 587, "imap": 143, "imap2": 143, "imaps": 993}
_NAMES |= {"imap3": 220, "pop3": 110, "pop-3": 110, "pop3s": 995, "sieve": 4190, "http": 80, "www": 80, "https": 443}
_PORTS: dict[int, Protocol] = {25: "smtp", 465: "smtp", 587: "smtp", 143: "imap", 220: "imap", 993: "imap", 110: "pop3", 995: "pop3"}
_PORTS |= {4190: "sieve", 80: "http", 443: "http"}
_FIREWALLS = ("iptables", "nftables", "firewallcmd", "ufw", "shorewall", "ipfw", "bsd-ipfw", "osx", "pf", "npf", "ipfilter", "hostsdeny", "route")

_NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[(.*)\])?\s*", re.DOTALL)
_MODE = re.compile(r"\bmode\s*=\s*[\"']?([\w-]+)")
_ACTION = re.compile(r"^\s*([\w.-]+)\s*(?:\[|$)", re.MULTILINE)


class Jail(Struct, frozen=True, kw_only=True):
    """A mail jail that is enabled."""

    name: str
    filter: str
    protocols: tuple[Protocol, ...]
    """What it shuts a banned address out of."""
    rules: tuple[str, ...]
    """The rules that count what its filter finds; none where none is known."""
    maxretry: int
    findtime: int
    """Seconds, as the next one; -1 is for good."""
    bantime: int
    ignored: tuple[str, ...]
    """Whom it never bans, as written."""
    extras: tuple[tuple[str, str], ...]
    """What it does that has no counterpart, each with the reason."""


def read_jails(config: Config) -> tuple[list[Jail], dict[str, str]]:
    """The mail jails, and of all other enabled ones why they are left out."""
    jails: list[Jail] = []
    left: dict[str, str] = {}
    for name in config.names():
        try:
            if config.get(name, "enabled").lower() in ("1", "yes", "true", "on"):
                found = _jail(config, name)
                if isinstance(found, Jail):
                    jails.append(found)
                else:
                    left[name] = found
        except BadInputError as wrong:
            left[name] = f"its configuration cannot be read: {wrong.said}"
    return jails, left


def _jail(config: Config, name: str) -> Jail | str:
    """A mail jail; else why it is none."""
    told = _NAMED.fullmatch(config.get(name, "filter", name))
    if told is None:
        return "its filter has no name"
    filter_, mode = told[1].lower(), _MODE.search(told[2] or "")
    ports = config.get(name, "port", "0:65535")
    on, named = _on_ports(ports)
    known = _FILTERS.get(filter_)
    guessed = {protocol for word in re.split(r"[-_.]", filter_) for protocol in _WORDS.get(word, ())}
    if filter_ == "recidive":
        return "it counts what other jails banned; the rule repeat-offender does that (gatepost rules preset strict has it)"
    if known is None and not guessed and not named:
        return f"it guards no mail service (filter {filter_}, port {ports})"
    rules = known[1] if known else (LOGINS,) if re.search("auth|sasl|login", filter_) else ()
    if filter_ == "postfix" and mode:
        rules = _POSTFIX_MODES.get(mode[1], rules)
    extras, everywhere = _actions(config, name)
    on |= set(known[0] if known else guessed) if not on or filter_ == "sieve" else set()
    return Jail(
        name=name,
        filter=filter_,
        protocols=tuple(each for each in PROTOCOLS if everywhere or each in on),
        rules=rules,
        maxretry=_number(config.get(name, "maxretry", "5"), name),
        findtime=seconds(config.get(name, "findtime", "10m")),
        bantime=seconds(config.get(name, "bantime", "10m")),
        ignored=ignored(config, name),
        extras=extras,
    )


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadInputError(f"[{name}] maxretry: {text!r} is no whole number")
    return int(text)


def ignored(config: Config, section: str = DEFAULT) -> tuple[str, ...]:
    """Whom a jail, or all by default, never bans."""
    return tuple(dict.fromkeys(config.get(section, "ignoreip").replace(",", " ").split()))


def _on_ports(text: str) -> tuple[set[Protocol], bool]:
    """The protocols of a list of ports, and whether one of mail's is named for itself, not only within a range."""
    found: set[Protocol] = set()
    named = False
    for each in text.lower().replace(",", " ").split():
        first, colon, last = each.partition(":")
        low, high = _port(first), _port(last if colon else first)
        inside = {protocol for port, protocol in _PORTS.items() if low <= port <= high}
        found |= inside
        named = named or (not colon and bool(inside - {"http"}))
    return found, named


def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else _NAMES.get(text, -1)


def _actions(config: Config, name: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    """What a jail does besides banning in the firewall, each with the reason why it is left out; and whether it bans on all ports."""
    found: list[tuple[str, str]] = []
    if config.get(name, "bantime.increment").lower() in ("1", "yes", "true", "on"):
        found.append(("bantime.increment", "the rule repeat-offender holds whom rules held before (gatepost rules preset strict has it)"))
    if config.get(name, "ignorecommand"):
        found.append(("ignorecommand", "Gatepost runs no commands to ask whom it trusts; allow the addresses or host names that it lets through"))
    try:
        actions = list(dict.fromkeys(_ACTION.findall(config.get(name, "action"))))
        banaction = config.get(name, "banaction")
    except BadInputError as wrong:
        return (*found, ("action", f"it cannot be read: {wrong.said}")), False
    for action in actions:
        if action != banaction and not action.startswith(_FIREWALLS):
            found.append((f"action {action}", "Gatepost runs none of fail2ban's actions; it blocks in nftables itself"))
    return tuple(found), any("allports" in each for each in (*actions, banaction))
