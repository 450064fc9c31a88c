"""How Exim spells a peer, and why it refused.

Job: find the address that Exim wrote, between what a client chose before it (a HELO name) and what a client chose behind it (senders,
recipients, user names, commands).
Promise: an address is taken only where the daemon's own format puts it and where its own words follow. Where a text of the client's makes two
readings possible, the sessions that are open decide; where they cannot, the line names nobody.
Limits: a host name is taken to hold no space (the resolver allows none). HELO names hold odd characters only where ``helo_accept_junk_hosts``
is set, which a log does not tell: so a HELO name is never trusted to be clean.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from gatepost.core.facts import Stage

Match = Callable[[str, int], re.Match[str] | None]

CANDIDATES = 16
"""Places that a line is tried at. Nothing that is no attempt to deceive has more than two."""

# `host (helo) [address]:port I=[interface]:port`: the host name only where it was verified, the HELO only where it differs, the ports only where
# they are selected. Between brackets and parentheses stand negated classes, so there is one way to read a text at a place.
_ADDRESS = r"\[([0-9A-Fa-f.:]+)\](?![^ :])(?::(\d+))?(?: Ci=\w+)?(?: I=\[[^\] ]*\](?::(\d+))?)?(?: Ci=\w+)?"
_left: Match = re.compile(r"(?:(?:[^ (\[]|\[[^ \]]*\][^ ])[^ ]* )?(?:\((?:[^()\[\] ]*|\[[^()\[\] ]*\])\) )?" + _ADDRESS).match
_right: Match = re.compile(r"\) " + _ADDRESS).match


class Peer(NamedTuple):
    """The client of a line, as text: address, port and the port it came to (empty where not told), and where the rest of the line begins."""

    address: str
    port: str
    to: str
    end: int

    @property
    def key(self) -> str:
        """What tells its connection from others, as far as the log does."""
        return f"{self.address}:{self.port}" if self.port else self.address


def _peer(found: re.Match[str]) -> Peer:
    return Peer(found[1], found[2] or "", found[3] or "", found.end())


_field: Match = re.compile(r" [A-Z]+=").match


def peer(message: str, place: int, follows: Match, sessions: Mapping[str, list[int]]) -> Peer | None:
    """The client that stands at a place of a message. ``follows`` matches what the daemon writes behind it, ``sessions`` are those that are open."""
    found = _left(message, place)
    if found is None:
        return _settled(message, message.find(") [", place), follows, sessions, [])
    fits = follows(message, found.end()) is not None
    place = message.find(") [", found.end()) if "(" in message[place : found.start(1)] else -1
    if place < 0:
        # No second reading: either no HELO name stands before the address, or nothing behind it could be the end of a longer one.
        return _peer(found) if fits else None
    return _settled(message, place, follows, sessions, [_peer(found)] if fits or _field(message, found.end()) else [])


def _settled(message: str, place: int, follows: Match, sessions: Mapping[str, list[int]], readings: list[Peer]) -> Peer | None:
    """The one reading that holds, of those known and those that end a HELO name from a place on."""
    for _ in range(CANDIDATES):
        if place < 0:
            chosen = settle(readings, sessions)
            return chosen if chosen is not None and follows(message, chosen.end) else None
        found = _right(message, place)
        # One of Exim's own fields, its form broken by text of the client's, may follow the true address: a reading that must not be left out,
        # though the line can then not be read.
        if found is not None and (follows(message, found.end()) or _field(message, found.end())):
            readings.append(_peer(found))
        place = message.find(") [", place + 1)
    return None


def behind(message: str, mark: str, follows: Match, sessions: Mapping[str, list[int]]) -> Peer | None:
    """The client that stands behind a mark, where a text of the client's (a command, an address) stands before the mark and can hold one too."""
    valid: list[Peer] = []
    place = message.find(mark)
    for _ in range(CANDIDATES):
        if place < 0:
            return settle(valid, sessions)
        found = peer(message, place + len(mark), follows, sessions)
        if found is not None and found not in valid:
            valid.append(found)
        place = message.find(mark, place + 1)
    return None


def settle(valid: list[Peer], sessions: Mapping[str, list[int]]) -> Peer | None:
    """The one among several readings whose connection is known to be open; a client cannot open one for another's address."""
    if len({one.key for one in valid}) > 1:
        valid = [one for one in valid if one.key in sessions and sessions[one.key][0] > 0]
    return valid[0] if len({one.key for one in valid}) == 1 else None


_IDENT = r"(?: U=[^ ]+)?"
_TLS = r'(?: X=[^ ]+)?(?: CV=[^ ]+)?(?: DN="[^"]*")?(?: SNI=[^ ]+)?'
_QUOTED = r'[^<>"]*(?:"(?:[^"\\]|\\.)*"[^<>"]*)*'
_TIME = r"(?: D=[\w.]+)?"

# What follows a client, by kind of line.
counted: Match = re.compile(r" \(TCP/IP connection count = \d+\)$").match
closed: Match = re.compile(
    r"(?: \(via inetd\))?" + _TIME + r"(?: closed (?:by (?:QUIT|EOF|DROP in ACL)|after SIG(?:TERM|INT))| (?:TFO )?lost(?: \([^()]*\))?"
    r"| (?:TFO )?lost while reading message data(?: \([^()]*\))?)" + _TIME + r"$"
).match
inetd: Match = re.compile(r" \(via inetd\)$").match
idle: Match = re.compile(_IDENT + r" D=[\w.]+(?: A=([^ :]+)(?::([^ ]*))?)?" + _TLS + r"(?: C=[\w.,*]*)?$").match
broken: Match = re.compile(_IDENT + r"(?: \([^()]*\))?" + _TIME + r"$").match
abandoned: Match = re.compile(r" F=<.*>" + _TIME + r"$").match
dropped: Match = re.compile(_IDENT + r" dropped: too many (?:syntax or protocol errors|nonmail commands|unrecognized commands) \(").match
greeted: Match = re.compile(_IDENT + r' input="').match
hasty: Match = re.compile(_IDENT + r' next input="').match
denied: Match = re.compile(_IDENT + r": (\d{3}) ").match
refused: Match = re.compile(
    _IDENT + r"(?: \((?:host_reject_connection|tcp wrappers)|: not in reserve list| \(IP options\)$| refused \(IP options\)$)"
).match
full: Match = re.compile(r" refused: (?:too many connections|load average)").match
argument: Match = re.compile(_IDENT + r": syntactically invalid argument\(s\): ").match
unnamed: Match = re.compile(_IDENT + r": no HELO/EHLO given$").match
at_end: Match = re.compile(_IDENT + r"$").match
tired: Match = re.compile(_IDENT + r": too many messages in one connection$").match
big: Match = re.compile(_IDENT + r": (?:message too big|Too many \"Received\"|Non-CRLF)").match
unqualified: Match = re.compile(_IDENT + r"(?: .*)?$").match
spoken: Match = re.compile(
    _IDENT
    + _TLS
    + r" (?:F=<("
    + _QUOTED
    + r")>(?: A=([^ :]+)(?::([^ ]*))?)? )?(?:(temporarily )?rejected ()|(?:sender verify |incomplete trans|Warning: |RCPT ))"
).match
accepted: Match = re.compile(
    r"(?: TFO\*?)?"
    + _IDENT
    + r" P=[\w-]+(?: L[*.]?-?)?"
    + _TLS
    + r"(?: A=([^ :]+)(?::([^ ]*))?)?(?: PRDR)?(?: PRX=[^ ]+)?(?: K)? S=(\d{1,15})(?= |$)"
).match
sender: Match = re.compile(r'([^ "]*(?:"(?:[^"\\]|\\.)*"[^ "]*)*)(?: R=[^ ]+)?(?: DS)?(?: H=()| U=| P=)').match
recipient: Match = re.compile(r"RCPT <(" + _QUOTED + r")>[^:]*(?:: |$)").match
told: Match = re.compile(r"([45]\d\d)[ -]").match

PLACE_LENGTH = 100
"""Exim cuts the argument of a refused command here."""

STAGES: Mapping[str, Stage] = {
    "RCPT": "rcpt",
    "MAIL": "mail",
    "EHLO": "helo",
    "HELO": "helo",
    "connection": "connect",
    "DATA": "data",
    "after": "data",
    "during": "data",
    "by": "data",
}
"""The stage that a refusal's first word names. AUTH, STARTTLS, VRFY and the like have none."""

_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("greylisted", ("greylist", "graylist", "grey list", "gray list", "grey-list")),
    ("relay_denied", ("relay not permitted", "relaying denied", "relay denied", "relaying not permitted", "not permitted to relay", "no relay")),
    ("dnsbl", ("black list", "blacklist", "blocklist", "block list", "is listed at", "is listed in", "dnsbl", "dnslist", " rbl")),
    ("sender", ("sender verify", "sender address", "sender domain", "spf", "dmarc", "forged")),
    ("helo", ("helo", "ehlo")),
    (
        "unknown_user",
        (
            "unrouteable address",
            "unroutable address",
            "unknown user",
            "user unknown",
            "no such user",
            "unknown recipient",
            "no such recipient",
            "recipient unknown",
            "mailbox unavailable",
            "no such address",
            "user not found",
            "unknown address",
            "does not exist",
        ),
    ),
    ("content", ("spam", "virus", "malware", "attachment", "content", "mime")),
    ("busy", ("too many connections", "too many concurrent", "load average", "too much load", "try again later")),
    ("policy", ("administrative prohibition", "ratelimit", "rate limit", "too many", "not allowed", "policy", "prohibited", "banned")),
)


@lru_cache(maxsize=4096)
def reason(said: str, stage: str) -> str:
    """Why something was refused, by the words of Exim's own defaults and of common configurations."""
    low = said[:400].lower()
    for name, words in _REASONS:
        for word in words:
            if word in low:
                return name
    return "helo" if stage == "helo" else "other"


class Refusal(NamedTuple):
    """What ``rejected ...`` tells: stage, SMTP code, reason, recipient."""

    stage: Stage
    code: int
    reason: str
    recipient: str


def refusal(rest: str, temporarily: bool) -> Refusal | None:
    """What stands behind ``rejected ``. None where a command without a stage of its own was refused."""
    stage = STAGES.get(rest.partition(" ")[0].rstrip(":"))
    if stage is None:
        return None
    rcpt, said = "", ""
    if stage == "rcpt":
        found = recipient(rest, 0)
        if found is not None:
            rcpt, said = found[1], rest[found.end() :]
        else:
            cut = len("RCPT ") + PLACE_LENGTH
            rcpt, said = rest[5:cut].lstrip("<"), rest[cut:]
    elif stage == "mail" or stage == "helo":
        # The command's argument is the client's and can hold a colon: what follows the last one is Exim's reason, or nothing is known of it.
        said = rest.rpartition(": ")[2] if ": " in rest else ""
    else:
        said = rest.partition(": ")[2]
    said = said.removeprefix(": ")
    code = told(said, 0)
    if code is not None and (code[1][0] == "4") == temporarily:
        return Refusal(stage, int(code[1]), reason(said, stage), rcpt)
    # Exim's own codes, where a message of the administrator's does not begin with another.
    return Refusal(stage, 451 if temporarily else 550, reason(said, stage), rcpt)
