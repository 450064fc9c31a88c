"""What would have been: past lines through the same engine.

Job: feed the lines of logs to a reader and its facts to the order, and gather what an administrator wants to know of each decision: the lines
that made it, what was tried, and whether the client was a good one. Promise:
it decides nothing itself; what it keeps of lines and clients is bounded.
Limits: it opens no file and prints nothing; it keeps 8 bytes a fact, so that every decision can name its lines, and all decisions.
"""

from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import islice
from operator import attrgetter

from msgspec import Struct, field

from gatepost.core.access import Entry
from gatepost.core.decisions import Brake, Decision, Effect, Impose, Release
from gatepost.core.engine import Engine
from gatepost.core.facts import AuthFailed, AuthSucceeded, Fact, MessageAccepted, Rejected, kind_name
from gatepost.core.rules import Rule
from gatepost.core.subjects import Client, wider
from gatepost.pipeline.order import Order
from gatepost.wire.maillog.reader import Reader

KEPT_LINES = 100_000
KEPT_BYTES = 32_000_000
"""Lines whose text is kept, to show evidence, and how long they may be together."""
MOST_CLIENTS = 200_000
"""Clients of which what they tried, or did well, is kept."""
MOST_NAMES = 50
"""Names kept of each."""


class Deeds(Struct):
    """What a client did, as far as it tells friend from foe."""

    logins: int = 0
    messages: int = 0
    accounts: dict[str, int] = field(default_factory=dict)
    """Accounts that logged in well."""
    tried: dict[str, int] = field(default_factory=dict)
    """Accounts that failed to log in, and recipients that were refused."""

    def add(self, other: "Deeds") -> None:
        """Adds what another client did."""
        self.logins += other.logins
        self.messages += other.messages
        for mine, theirs in ((self.accounts, other.accounts), (self.tried, other.tried)):
            for name, times in theirs.items():
                mine[name] = mine.get(name, 0) + times


class Line(Struct):
    """A line of evidence; its text is empty where it is too long ago."""

    number: int
    text: str


class Told(Struct):
    """A decision and its evidence."""

    decision: Decision
    evidence: list[int]
    """Line numbers, oldest first."""
    first: Line
    last: Line
    released: str = ""
    """Why it ended before its time."""


class Replay:
    """Past lines through an engine of its own."""

    def __init__(self, reader: Reader, rules: tuple[Rule, ...], entries: tuple[Entry, ...]) -> None:
        self.reader = reader
        self.order = Order(Engine(rules, entries))
        self.told: dict[int, Told] = {}
        """Decisions by their number."""
        self.brakes: list[Brake] = []
        self.kinds: Counter[type[Fact]] = Counter()
        self.repeats = 0
        """Facts that only repeat what others tell."""
        self.first = 0
        self.newest = 0
        self.deeds: dict[str, Deeds] = {}
        self.forgotten = 0
        """Clients whose deeds had to make room."""
        self._lines = array("Q")
        """The line of each place."""
        self._kept: deque[tuple[int, bytes]] = deque()
        """The number of a batch's first line, and the lines as one text: a list of lines would cost more, and keep the processor's caches cold."""
        self._kept_lines = self._kept_bytes = 0
        self._by_network: dict[str, dict[str, Deeds]] = {}
        """The deeds in each network, for each length of prefix that was asked for."""

    def feed(self, number: int, lines: list[str]) -> None:
        """Takes in lines; ``number`` is that of the first."""
        numbers, facts = self.reader.collect(lines, number)
        self._keep(number, lines)
        if not facts:
            return
        self._by_network = {}
        self._lines.extend(numbers)
        for effects in self.order.report_all(facts):
            self._follow(effects)
        self._count(facts)
        self.order.advance(self.order.engine.newest)

    def _count(self, facts: list[Fact]) -> None:
        """Counts facts by their kind, and notes what their clients did."""
        new = [fact for fact in facts if not fact.evidence_only]
        kinds = list(map(type, new))
        self.repeats += len(facts) - len(new)
        self.kinds.update(kinds)
        self.first = min(self.first or facts[0].at, *map(_AT, facts))
        self.newest = self.order.engine.newest
        for fact, note in zip(new, map(_NOTES.get, kinds), strict=True):
            if note is not None:
                note(self.deeds.get(fact.client) or self._new_deeds(fact.client), fact)

    def _keep(self, number: int, lines: list[str]) -> None:
        packed = "\n".join(lines).encode("utf-8", "surrogatepass")
        self._kept.append((number, packed))
        self._kept_lines += len(lines)
        self._kept_bytes += len(packed)
        while len(self._kept) > 1 and (self._kept_lines > KEPT_LINES or self._kept_bytes > KEPT_BYTES):
            oldest, packed = self._kept.popleft()
            self._kept_lines -= self._kept[0][0] - oldest
            self._kept_bytes -= len(packed)

    def _text(self, number: int) -> str:
        for first, packed in reversed(self._kept):
            if first <= number:
                return packed.split(b"\n", number - first + 1)[number - first].decode("utf-8", "surrogatepass")
        return ""

    def _follow(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Impose):
                lines = list(dict.fromkeys(self._lines[place - 1] for place in effect.decision.evidence))
                first, last = (Line(number, self._text(number)) for number in (lines[0], lines[-1]))
                self.told[effect.decision.number] = Told(effect.decision, lines, first, last)
            elif isinstance(effect, Release) and effect.decision.number in self.told:
                self.told[effect.decision.number].released = effect.why
            elif isinstance(effect, Brake):
                self.brakes.append(effect)

    def _new_deeds(self, client: Client) -> Deeds:
        if len(self.deeds) >= MOST_CLIENTS:
            self._forget_deeds()
        found = self.deeds[client] = Deeds()
        return found

    def _forget_deeds(self) -> None:
        """Makes room: the older half at once, because finding the oldest of a dictionary takes the longer, the more left it before."""
        for client in list(islice(self.deeds, MOST_CLIENTS // 2)):
            del self.deeds[client]
        self.forgotten += MOST_CLIENTS // 2

    # --- the answers

    @property
    def facts(self) -> dict[str, int]:
        """How many facts of each kind there were."""
        return {kind_name(kind.__name__): count for kind, count in self.kinds.most_common() if count}

    @property
    def dropped(self) -> dict[str, int]:
        """What was dropped to stay within the limits, and what came too late: by the engine, and here."""
        return self.order.engine.pressure | {"deeds": self.forgotten}

    def deeds_in(self, decision: Decision) -> Deeds:
        """What the clients of a decision's subject did, before it and after."""
        together = Deeds()
        subject = decision.subject
        if subject.by == "account":
            return together
        text = subject.text.rpartition(" from ")[2]
        _, slash, length = text.partition("/")
        if not slash:
            return self.deeds.get(text, together)
        return self._deeds_by_network(length, ":" in text).get(text, together)

    def _deeds_by_network(self, length: str, is_ipv6: bool) -> dict[str, Deeds]:
        """The deeds in each network with a prefix of this length: added up once, not for each decision."""
        key = f"{'ipv6' if is_ipv6 else 'ipv4'}/{length}"
        if key not in self._by_network:
            sums = self._by_network[key] = {}
            for client, deeds in self.deeds.items():
                if client and (":" in client) == is_ipv6:
                    sums.setdefault(wider(Client(client), int(length), int(length)), Deeds()).add(deeds)
        return self._by_network[key]

    def groups(self) -> Iterator[list[Told]]:
        """The decisions of one rule about one subject on the same protocols together, in the order of their first; what only watched apart."""
        found: dict[tuple[str, str, tuple[str, ...], bool], list[Told]] = {}
        for told in self.told.values():
            decision = told.decision
            found.setdefault((decision.rule, str(decision.subject), decision.protocols, decision.watched), []).append(told)
        yield from found.values()


_AT = attrgetter("at")


def _add(names: dict[str, int], name: str, weight: int = 1) -> None:
    if name and (name in names or len(names) < MOST_NAMES):
        names[name] = names.get(name, 0) + weight


def _note_failure(deeds: Deeds, fact: AuthFailed) -> None:
    _add(deeds.tried, fact.account, fact.weight)


def _note_login(deeds: Deeds, fact: AuthSucceeded) -> None:
    deeds.logins += 1
    _add(deeds.accounts, fact.account)


def _note_message(deeds: Deeds, fact: MessageAccepted) -> None:
    deeds.messages += 1


def _note_rejection(deeds: Deeds, fact: Rejected) -> None:
    _add(deeds.tried, fact.recipient)


_NOTES: dict[type[Fact], Callable[..., None]] = {
    AuthFailed: _note_failure,
    AuthSucceeded: _note_login,
    MessageAccepted: _note_message,
    Rejected: _note_rejection,
}
