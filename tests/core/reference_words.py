"""What the naive reference remembers, and how it compares prefixes.

Job: a plain record for each thing that happened. Promise: nothing here decides. Limits: as the reference's.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from gatepost.core.access import Entry
from gatepost.core.decisions import Decision
from gatepost.core.facts import (
    AuthFailed,
    AuthSucceeded,
    Connected,
    Fact,
    Held,
    MessageAccepted,
    MessageBounced,
    ProtocolAbused,
    Rejected,
    SessionEnded,
)
from gatepost.core.subjects import Client, Subject, network, wider

Network = IPv4Network | IPv6Network
Group = tuple[str, ...]

COUNTED_KIND: dict[str, type[Fact]] = {
    "connected": Connected,
    "open_connections": Connected,
    "bad_session": SessionEnded,
    "auth_failed": AuthFailed,
    "auth_succeeded": AuthSucceeded,
    "message_accepted": MessageAccepted,
    "recipients": MessageAccepted,
    "rejected": Rejected,
    "message_bounced": MessageBounced,
    "protocol_abused": ProtocolAbused,
    "held": Held,
}


@dataclass
class Counted:
    """A fact that a rule counted."""

    rule: str
    group: Group
    key: str
    at: int
    place: int
    weight: int
    values: tuple[str, ...]
    client: str
    cleared: bool = False


@dataclass
class Silence:
    """A span in which a rule does not count a key (the law, 3)."""

    rule: str
    group: Group
    key: str
    start: int
    until: int
    by_pause: bool


@dataclass
class Standing:
    """A decision and what became of it."""

    decision: Decision
    protocols: tuple[str, ...]
    until: int
    told: bool = False


@dataclass
class Good:
    """A good deed: a log-in (with its account) or a message."""

    at: int
    client: str
    account: str
    known: bool = True
    good: bool = True
    good_home: bool = True


@dataclass
class Answer:
    """A verdict, with every decision that may be named in it."""

    word: str
    entry: Entry | None = None
    delay: int = 0
    decisions: list[int] = field(default_factory=list)
    country: str = ""


def home(client: str) -> str:
    """The /24 or /64 of a client."""
    return wider(Client(client), 24, 64)


def around(client: str) -> str:
    """The /24 or /48 of a client."""
    return wider(Client(client), 24, 48)


def inside(small: str, big: str) -> bool:
    """Whether one prefix lies in another."""
    inner, outer = network(small), network(big)
    return inner.version == outer.version and outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def place_of(subject: Subject) -> str:
    """The prefix that a subject stands for; empty for an account."""
    return "" if subject.by == "account" else subject.text.rpartition(" from ")[2]
