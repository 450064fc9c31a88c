"""The guard at work: facts in, decisions out, in the kernel and on disk.

Job: hand entries to the order, have them journaled, tell the mirrors what is dirty, and announce what is in force. Promise: when `report` or `do`
returns, the engine has seen the entry; nothing is announced before the mirrors and the store are done with it, or known to have failed.
Limits: runs on one event loop; `report` and `judge` never wait.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import structs

from gatepost.core.decisions import Allow, Delay, Effect, Impose, Question, Refuse, Verdict
from gatepost.core.deeds import AdoptLists, AnyDeed, Lift
from gatepost.core.facts import AnyFact, Fact
from gatepost.core.subjects import Client
from gatepost.pipeline.journal import Journal
from gatepost.pipeline.mirrors import Mirror, Standing
from gatepost.pipeline.order import Order
from gatepost.pipeline.witness import ALL_LOGS, Logs, Witness
from gatepost.pipeline.witness import NAME as WITNESS
from gatepost.stores.contract import Audit

MOST_BUSY = 1_000
"""Clients whose facts are counted one by one."""

MOST_NAMES = 1_000
"""Names of rules, each twice, whose decisions are counted apart: rules come and go, and a metric's labels must not grow for ever."""
OTHERS = "(others)"
WORDS: dict[type[Verdict], str] = {Allow: "allow", Delay: "delay", Refuse: "refuse"}

TICK = 1.0
"""Seconds between two looks at what ran out."""
BEAT = 5.0
"""Seconds between two signs of life of the witness that are written down."""

SECRETS = "secrets"
"""The name under which the key of secrets is stored, among the inlets' cursors."""
KEY_SIZE = 16
"""Bytes of it."""

Report = Callable[[Sequence[Fact], str, bytes, Sequence[str]], None]
"""What an inlet that follows something calls: facts, its name, how far it has read, and the line that told each fact (or none at all)."""

Announce = Callable[[Sequence[Effect]], None]
"""Told of effects once they are in force; must return at once."""


class Stats:
    """What came in since the start: facts by kind and protocol, when the last of each came, and which clients make most of them."""

    __slots__ = ("busiest", "countries", "facts", "fed_by", "imposed", "last", "verdicts")

    def __init__(self) -> None:
        self.imposed: Counter[tuple[str, bool]] = Counter()
        """Decisions that were made, by rule (``administrator``: by hand) and whether they only watch."""
        self.verdicts: Counter[tuple[str, str]] = Counter()
        """Answers to those who may let a client in, by stage and word (allow, delay, refuse)."""
        self.countries: Counter[tuple[str, bool]] = Counter()
        """Log-ins that the countries' policy was against, by country, and whether it refused them or only watched."""
        self.facts: Counter[tuple[type[Fact], str]] = Counter()
        self.last: dict[tuple[type[Fact], str], int] = {}
        self.fed_by: dict[tuple[type[Fact], str], dict[str, None]] = {}
        """The inlets that they came from, by kind and protocol."""
        self.busiest: dict[str, Counter[str]] = {}
        """By protocol, how many facts each client made at least: exact enough to find one that makes more than half of them."""

    def follow(self, effects: Iterable[Effect]) -> None:
        """Counts the decisions among effects."""
        for effect in effects:
            if isinstance(effect, Impose):
                rule = effect.decision.rule or "administrator"
                name = (rule, effect.decision.watched)
                self.imposed[name if name in self.imposed or len(self.imposed) < MOST_NAMES else (OTHERS, name[1])] += 1

    def answer(self, question: Question, verdict: Verdict) -> None:
        """Counts a verdict."""
        self.verdicts[question.stage, WORDS[type(verdict)]] += 1
        if question.country:
            against = verdict.country if isinstance(verdict, Refuse) else verdict.watched if isinstance(verdict, Allow) else ""
            if against:
                self.countries[against, isinstance(verdict, Refuse)] += 1

    def count(self, facts: Sequence[Fact], inlet: str = "") -> None:
        """Counts facts that came from an inlet."""
        for fact in facts:
            if fact.evidence_only:
                continue
            what = (type(fact), fact.protocol)
            self.facts[what] += 1
            self.last[what] = fact.at
            fed_by = self.fed_by.get(what)
            if fed_by is None:
                fed_by = self.fed_by[what] = {}
            fed_by[inlet] = None
            clients = self.busiest.get(fact.protocol)
            if clients is None:
                clients = self.busiest[fact.protocol] = Counter()
            clients[fact.client] += 1
            if len(clients) > MOST_BUSY:
                # All give up one: who makes more than a thousandth of the facts stays, and no count is ever too high (Misra and Gries).
                self.busiest[fact.protocol] = Counter({name: count - 1 for name, count in clients.items() if count > 1})


class Guard:
    """One running guard."""

    def __init__(self, order: Order, journal: Journal, mirrors: Sequence[Mirror], announce: Announce, now: Callable[[], int]) -> None:
        self.order = order
        self.journal = journal
        self.mirrors = mirrors
        self.standing = Standing(order.engine)
        self.stats = Stats()
        self.witness = Witness()
        self.place: Callable[[Client], str] = lambda client: ""
        """Where a client is registered, ``unknown`` where nobody knows; empty where there is no data. Asked only where a policy wants to know."""
        self.cursors: dict[str, bytes] = {}
        """How far each inlet has read, by its name."""
        self._announce = announce
        self._now = now
        self._announcing: set[asyncio.Task[None]] = set()

    def recall(self, cursors: Mapping[str, bytes]) -> None:
        """Takes up how far each inlet had read, and who was the witness, before a restart."""
        self.cursors.update(cursors)
        self.witness.load(self.cursors.pop(WITNESS, b""))

    def key(self) -> bytes:
        """The key with which inlets hash secrets, so that equal ones are known for equal: made once, and kept in the store alone."""
        key = self.cursors.get(SECRETS, b"")
        if len(key) != KEY_SIZE:
            key = secrets.token_bytes(KEY_SIZE)
            self.report((), SECRETS, key)
        return key

    # --- what inlets call

    def report(self, facts: Sequence[Fact], inlet: str = "", cursor: bytes = b"", lines: Sequence[str] = ()) -> None:
        """Facts happened, as a log tells. ``cursor`` says how far ``inlet`` has read, and is stored with them, as are the log ``lines`` that told
        them (one for each, or none). No fact is later than its arrival. What a witness was there to hear is evidence only."""
        now = self._now()
        facts = [fact if fact.at <= now else structs.replace(fact, at=now) for fact in facts]
        if self.witness:
            covers = self.witness.covers
            facts = [structs.replace(fact, evidence_only=True) if covers(fact) else fact for fact in facts]
        self._take(facts, inlet, cursor, lines)

    def hear(self, facts: Sequence[Fact], inlet: str, kinds: Sequence[type[Fact]] | None = None, logs: Logs = ALL_LOGS) -> None:
        """Facts happened, as a mail server told an inlet that it asks. From now on the inlet is the witness for ``kinds`` (else for the kinds of
        these facts) on their protocols, for what ``logs`` tell."""
        for fact in facts:
            self.witness.heard(inlet, (type(fact),) if kinds is None else kinds, fact.protocol, fact.at, logs)
        self._take(facts)

    def _take(self, facts: Sequence[Fact], inlet: str = "", cursor: bytes = b"", lines: Sequence[str] = ()) -> None:
        first = self.order.place + 1
        followed = self.order.report_all(facts)
        if inlet:
            self.cursors[inlet] = cursor
        self.journal.add(first, facts, {inlet: cursor} if inlet else {}, (), lines)
        self.stats.count(facts, inlet)
        if followed:
            self._follow([effect for effects in followed for effect in effects])

    def judge(self, question: Question) -> Verdict:
        """Whether a client may go on: for who asks before it lets him; no fact is counted."""
        question = self.placed(question)
        verdict = self.order.judge(question)
        self.stats.answer(question, verdict)
        return verdict

    def why(self, question: Question) -> Verdict:
        """What would be answered; for who only wants to know: it is not counted among the answers."""
        return self.order.judge(self.placed(question))

    def placed(self, question: Question) -> Question:
        """A question with the client's country, where the countries' policy is on and the question is about a log-in."""
        policy = self.order.engine.countries
        if policy.mode == "off" or question.stage != "login" or question.country or question.protocol not in policy.on:
            return question
        return structs.replace(question, country=self.place(question.client))

    def admit(
        self,
        question: Question,
        fact: AnyFact,
        inlet: str = "",
        kinds: Sequence[type[Fact]] | None = None,
        logs: Logs = ALL_LOGS,
        judged: Verdict | None = None,
    ) -> Verdict:
        """Judges a client by what its fact leads to: the fact that fires a rule is itself turned away. ``inlet`` is the witness, as in `hear`;
        ``judged`` is the answer that this question has had already."""
        if inlet:
            self.witness.heard(inlet, (type(fact),) if kinds is None else kinds, fact.protocol, fact.at, logs)
        if judged is None:
            question = self.placed(question)
        verdict, effects = self.order.admit(question, fact, judged)
        self.journal.add(self.order.place, [fact])
        self.stats.count([fact])
        if verdict is not judged:
            self.stats.answer(question, verdict)
        if effects:
            self._follow(effects)
        return verdict

    def stopped(self, inlet: str) -> None:
        """An inlet that mail servers ask has ended: from now on logs are believed."""
        self.witness.stopped(inlet, self._now())
        self._write_witness()

    def _write_witness(self) -> None:
        self.witness.beat(self._now())
        self.journal.add(self.order.place + 1, (), {WITNESS: self.witness.dump()})

    # --- what administrators do

    async def do(self, deed: AnyDeed, audit: Audit) -> tuple[Effect, ...]:
        """Does a deed; returns what followed once it is in force and stored. Raises ValueError where it contradicts itself; then nothing changed."""
        return await self.do_all([deed], [audit])

    async def do_all(self, deeds: Sequence[AnyDeed], audit: Sequence[Audit]) -> tuple[Effect, ...]:
        """Does deeds one right after the other, as one batch for the store. Raises ValueError where one contradicts itself; those before it are done,
        so whoever does several has checked them all before."""
        first, done = self.order.place + 1, 0
        effects: list[Effect] = []
        try:
            for deed in deeds:
                effects += self.order.do(deed)
                done += 1
        finally:
            if done:
                self.journal.add(first, deeds[:done], {}, audit)
        await self._settle(effects, self.order.place, lists=any(isinstance(deed, AdoptLists | Lift) for deed in deeds))
        return tuple(effects)

    # --- what follows

    def _follow(self, effects: Sequence[Effect]) -> None:
        task = asyncio.create_task(self._settle(effects, self.order.place))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)

    @property
    def following(self) -> int:
        """Announcements that wait for the mirrors and the store."""
        return len(self._announcing)

    async def _settle(self, effects: Sequence[Effect], place: int, lists: bool = False) -> None:
        """The kernel first, the disk beside it; then it is announced."""
        self.stats.follow(effects)
        for mirror in self.mirrors:
            if lists:  # a grace is one of them
                mirror.mark_lists()
            mirror.mark(effects)
        self.journal.flush()
        await asyncio.gather(*(mirror.settled() for mirror in self.mirrors), self.journal.stored(place))
        if effects:
            self._announce(effects)

    async def run(self) -> None:
        """Looks at what ran out, and shows that the witness lives, until it is cancelled."""
        beats = 0
        while True:
            await asyncio.sleep(TICK)
            beats += 1
            if self.witness.changed or (beats * TICK >= BEAT and self.witness.listening):
                self._write_witness()
                beats = 0
            ended = self.order.advance(self._now())
            if ended:
                self._announce(ended)

    async def quiet(self) -> None:
        """Returns when all that followed so far is announced."""
        while self._announcing:
            await asyncio.gather(*self._announcing)
