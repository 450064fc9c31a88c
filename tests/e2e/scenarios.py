"""What a capture is made of: scenarios, each a thing that clients do, with what its log lines must tell.

Job: declare scenarios and hold what they share. Promise: `facts` is stated from what was driven, not from what some reader made of the lines.
Limits: a scenario has its source addresses for itself, so that its expectations can be told by client.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.attackers import PORTS, Client
from tests.e2e.hosts import EximHost, MailHost
from tests.e2e.net import Internet

Facts = dict[str, dict[str, int]]
"""A number of facts (weights added) for each client and kind; kinds that are not named do not occur."""


@dataclass
class Stage:
    """Where a scenario plays."""

    internet: Internet
    host: MailHost | EximHost
    offset: int = 0
    """Added to the ports of IMAP and POP3: where a second instance listens."""

    def port(self, service: str) -> int:
        """The port of a service of IMAP or POP3."""
        return PORTS[service] + self.offset

    def client(self, source: str) -> Client:
        """A client at an address."""
        return Client(self.internet, source, self.host)


Drive = Callable[[Stage], object]


@dataclass
class Scenario:
    """Something driven, and what it means."""

    name: str
    about: str
    drive: Drive
    facts: Facts = field(default_factory=dict)
    contains: list[dict[str, Any]] = field(default_factory=list)
    """Facts that must be among them, each with the fields that matter here."""
    forms: tuple[str, ...] = ()
    """Other forms of the log that are kept for it too."""
    unchecked: tuple[str, ...] = ()
    """Clients of which nothing is promised here: proxies, whose `connect` line comes before it is known that they are."""


class Playbook:
    """The scenarios of one daemon, in the order in which they are declared."""

    def __init__(self, daemon: str) -> None:
        self.daemon = daemon
        self.scenarios: list[Scenario] = []

    def scenario(
        self,
        name: str,
        about: str,
        facts: Facts,
        contains: list[dict[str, Any]] | None = None,
        forms: tuple[str, ...] = (),
        unchecked: tuple[str, ...] = (),
    ) -> Callable[[Drive], Drive]:
        """Declares a scenario."""

        def declare(drive: Drive) -> Drive:
            self.scenarios.append(Scenario(name, about, drive, facts, contains or [], forms, unchecked))
            return drive

        return declare
