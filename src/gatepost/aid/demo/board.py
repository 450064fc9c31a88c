"""What the demo shows: who got what, on which protocol, and why.

Job: gather what clients got and what the guard decided into one picture and a list of events; say at the end whether all went as promised.
Promise: an event is told once; a rule counts as having bitten only when a client was in fact turned away by it. Limits: decides nothing, prints
nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gatepost.aid.demo.door import PROTOCOLS, Protocol

RULES = ("dos", "harvesting", "password-brute-force")


@dataclass
class Cell:
    """What a client got on a protocol."""

    served: int = 0
    refused: int = 0
    rule: str = ""
    """Which rule refuses it now; empty: it is served."""


@dataclass(frozen=True)
class Event:
    """Something worth a line. ``kind``: plan, held, refused, ended, served, trouble."""

    at: int
    kind: str
    text: str


@dataclass(frozen=True)
class Actor:
    """A client of the demo: its address, its name, and what it does."""

    address: str
    name: str
    does: str
    hostile: bool = True


@dataclass
class Board:
    """The picture, as it is now."""

    now: Callable[[], int]
    actors: tuple[Actor, ...]
    on_event: Callable[[Event], None] = lambda event: None
    cells: dict[tuple[str, Protocol], Cell] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    """What stands now, the newest first, as the daemon lists it."""
    bitten: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    ended: int = 0
    _known: dict[int, dict[str, Any]] = field(default_factory=dict)

    def tell(self, kind: str, text: str) -> None:
        """Something worth a line happened."""
        event = Event(self.now(), kind, text)
        self.events.append(event)
        self.on_event(event)

    def trouble(self, text: str) -> None:
        """Something went wrong that a demo must not hide; the same thing is told once."""
        if text not in self.problems:
            self.problems.append(text)
            self.tell("trouble", text)

    def actor(self, address: str) -> Actor | None:
        """Who an address is."""
        return next((each for each in self.actors if each.address == address), None)

    def got(self, actor: Actor, protocol: Protocol, served: bool, rule: str = "") -> None:
        """What a client got when it connected; where it was refused, by which rule."""
        cell = self.cells.setdefault((actor.address, protocol), Cell())
        if served:
            cell.served += 1
            if cell.rule:
                self.tell("served", f"{actor.address} {actor.name} is served on {protocol} again")
            cell.rule = ""
            return
        rule = rule or cell.rule or "?"
        cell.refused += 1
        if not cell.rule:
            tried = f"after {cell.served} connections" if cell.served else "at once"
            self.tell("refused", f"{actor.address} {actor.name} is refused on {protocol} by {rule}, {tried}")
        cell.rule = rule
        self.bitten.add(rule)

    def saw_blocks(self, blocks: list[dict[str, Any]]) -> None:
        """What the guard holds now."""
        standing = {block["number"]: block for block in blocks}
        for number, block in sorted(standing.items()):
            if number not in self._known:
                where = ",".join(block["protocols"])
                seconds = round((block["until"] - block["start"]) / 1_000_000)
                self.tell("held", f"{block['rule'] or 'an administrator'} holds {block['subject']} on {where} for {seconds} s ({block['reason']})")
        for number, block in self._known.items():
            if number not in standing:
                self.ended += 1
                self.tell("ended", f"the hold of {block['subject']} by {block['rule'] or 'an administrator'} is over")
        self._known, self.blocks = standing, blocks

    def until(self, client: str, protocol: Protocol) -> int:
        """Until when a client is held on a protocol; 0: it is not."""
        found = [block["until"] for block in self.blocks if block["subject"] == client and protocol in block["protocols"]]
        return max(found, default=0)

    def missing(self) -> list[str]:
        """What did not go as the demo promises; nothing where all did."""
        found = [f"{rule} turned nobody away" for rule in RULES if rule not in self.bitten]
        for actor in self.actors:
            if actor.hostile:
                continue
            for protocol in PROTOCOLS:
                cell = self.cells.get((actor.address, protocol), Cell())
                if cell.refused:
                    found.append(f"{actor.name} was refused {cell.refused} times on {protocol}")
                elif not cell.served:
                    found.append(f"{actor.name} was never served on {protocol}")
        return [*found, *self.problems]
