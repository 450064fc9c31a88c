"""A desk over a real guard: store in memory, a journal, a mirror that records what it is told, and a clock that the test sets."""

import asyncio
import json
import time
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from gatepost.admin.desk import Desk, Source, Who
from gatepost.core.access import own_entries
from gatepost.core.decisions import Allow, Effect, Question
from gatepost.core.engine import Engine
from gatepost.core.facts import AuthFailed, Connected, Protocol
from gatepost.core.snapshot import dump, load
from gatepost.core.spans import SECOND
from gatepost.core.subjects import Client
from gatepost.pipeline.guard import Guard
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.mirrors import MirrorState, Proof
from gatepost.pipeline.order import Order
from gatepost.stores.contract import Audit
from gatepost.stores.memory import MemoryStore

T = TypeVar("T")

START = 1_800_000_000 * SECOND
ADMIN = Who("anna", "192.0.2.99")
ATTACKER = Client("203.0.113.7")


class Recorder:
    """A mirror that writes down what it was told."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.lists = 0
        self.seen = MirrorState(name="nftables")
        self.proof = Proof(works=True, said="it really drops")

    def mark(self, effects: Iterable[Effect]) -> None:
        """Records effects."""
        self.effects += effects

    def mark_lists(self) -> None:
        """Counts changes of the lists."""
        self.lists += 1

    async def settled(self) -> None:
        """All is in force at once."""

    async def run(self) -> None:
        """Nothing is to be done."""

    def state(self) -> MirrorState:
        """How it is doing, as the test says."""
        return self.seen

    async def prove(self) -> Proof:
        """What the test says."""
        return self.proof

    def names(self) -> list[str]:
        """The kinds of the effects, in their order."""
        return [type(effect).__name__ for effect in self.effects]


class Bench:
    """A guard at work, and what a test looks at."""

    def __init__(self, real_time: bool = False, names: dict[str, tuple[str, ...]] | None = None) -> None:
        self.at = START
        self.real_time = real_time
        self.names = {} if names is None else names
        self.store = MemoryStore()
        self.store.open()
        self.engine = Engine(entries=own_entries(["198.51.100.1"]))
        self.journal = Journal(self.store, flush_after=0)
        self.mirror = Recorder()
        self.sources: list[Source] = []
        self.problems: list[str] = []
        self.guard = Guard(Order(self.engine), self.journal, [self.mirror], self._announce, self.now)
        self.desk = Desk(
            self.guard,
            self.store,
            self.now,
            gateways=["198.51.100.254"],
            daemons=["exim"],
            sources=lambda: self.sources,
            problems=lambda: self.problems,
            resolve=self._resolve,
        )

    def _announce(self, effects: Sequence[Effect]) -> None:
        pass

    async def _resolve(self, name: str) -> tuple[str, ...]:
        if name not in self.names:
            raise OSError("Name or service not known")
        return self.names[name]

    def now(self) -> int:
        """The time."""
        return time.time_ns() // 1000 if self.real_time else self.at

    def audit(self) -> list[Audit]:
        """The audit trail, newest first."""
        return [line for _, line in self.store.audit()]

    def before_after(self) -> tuple[Any, Any]:
        """What the newest line of the audit trail says."""
        line = self.audit()[0]
        return json.loads(line.before or "null"), json.loads(line.after or "null")

    def connect(self, client: str = ATTACKER, many: int = 50, protocol: Protocol = "smtp") -> None:
        """A client connects so often, within a moment."""
        now = self.now()
        self._report([Connected(now, "mx", protocol, "", Client(client)) for _ in range(many)])

    def fail(self, client: str = ATTACKER, many: int = 50, protocol: Protocol = "imap", account: str = "bob@example.org") -> None:
        """A client fails to log in so often."""
        now = self.now()
        self._report([AuthFailed(now, "mx", protocol, "", Client(client), account=account) for _ in range(many)])

    def _report(self, facts: Sequence[Any]) -> None:
        async def work() -> None:
            self.guard.report(facts)
            await self.guard.quiet()

        asyncio.run(work())

    def lets_in(self, client: str = ATTACKER, protocol: Protocol = "smtp") -> bool:
        """Whether a client may connect now."""
        return isinstance(self.guard.judge(Question(self.now(), Client(client), protocol, "connect")), Allow)

    def check_restart(self) -> None:
        """What stands can be written down and taken up again, by snapshot and by journal."""
        assert dump(load(dump(self.engine))) == dump(self.engine)
        again = Engine(entries=own_entries(["198.51.100.1"]))
        for place, entry in self.store.entries_after(0):
            again.apply(entry, place)
        assert again.lists.entries == self.engine.lists.entries
        assert again.rules == self.engine.rules


@contextmanager
def bench(real_time: bool = False, names: dict[str, tuple[str, ...]] | None = None) -> Iterator[Bench]:
    """A guard at work, closed at the end; whatever the test did to it survives a restart."""
    made = Bench(real_time, names)
    try:
        yield made
    finally:
        made.journal.close()
    made.check_restart()


def do(deed: Coroutine[Any, Any, T]) -> T:
    """Does it, on a loop of its own."""
    return asyncio.run(deed)
