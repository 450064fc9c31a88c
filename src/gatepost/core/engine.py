"""The one state machine: entries in, effects out.

Job: apply facts and deeds in their order, judge questions by the state that they left. Promise: pure and synchronous; the same entries give the
same effects, always; all that it remembers is bounded, and what is dropped is counted (`Engine.pressure`).
Limits: it reads no clock (times come with the entries) and carries nothing out.

The main flow is `apply`: a late fact is set aside, a fact of a client that would have been turned away is not counted, the counters of its
kind and protocol count it, and what fires becomes a decision. steering.py does the deeds; snapshot.py writes the state down.
"""

from collections.abc import Iterator

from msgspec import Struct, structs

from gatepost.core.access import Entry, Lists, own_entries
from gatepost.core.brake import BRAKE_LEAST, Braking
from gatepost.core.counters import KIND_OF, Counter, counter, is_bad
from gatepost.core.countries import CountryPolicy
from gatepost.core.decisions import Allow, Brake, Decision, Delay, Effect, Expire, Impose, Question, QuestionStage, Refuse, Verdict
from gatepost.core.deeds import AnyDeed
from gatepost.core.facts import PROTOCOLS, AnyFact, AuthFailed, AuthSucceeded, Connected, Fact, Held, MessageAccepted, Protocol, Refused, SessionEnded
from gatepost.core.holdings import Holdings
from gatepost.core.often import Often
from gatepost.core.rules import PRESETS, Rule, check_rules
from gatepost.core.steering import do
from gatepost.core.subjects import Client, Subject, name_of, numbered, pair
from gatepost.core.trust import GOOD_FOR, Known, Recent, View
from gatepost.core.windows import LATE, PLACE_BITS, Windows, places


class Limits(Struct, frozen=True, kw_only=True):
    """How much the engine remembers at most."""

    keys: int = 524_288
    """Keys of one rule on one protocol."""
    views: int = 65_536
    known: int = 200_000
    good: int = 200_000
    often: int = 200_000
    decisions: int = 1_000_000


STAGE_OF: dict[type[Fact], QuestionStage] = {AuthFailed: "login", AuthSucceeded: "login", MessageAccepted: "message"}
"""The stage at which a fact's client would have been turned away; connect for all other kinds."""


GOOD: dict[type[Fact], None] = {MessageAccepted: None, AuthSucceeded: None}
"""What a client does well, remembered whether a rule counts it or not."""


class Engine:
    """The state of one guard."""

    def __init__(self, rules: tuple[Rule, ...] = PRESETS["standard"], entries: tuple[Entry, ...] | None = None, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.newest = 0
        """The time of the newest fact."""
        self.late = 0
        """Facts that came more than 10 minutes after a newer one."""
        self.turned_away = 0
        """Facts that a rule would have counted, had their client not been turned away."""
        self.numbered = 0
        """Decisions made so far."""
        self.brake = True
        self.countries = CountryPolicy()
        self.paused_until = 0
        self.graces: dict[str, int] = {}
        self.lists = Lists(own_entries() if entries is None else entries)
        self.holdings = Holdings(self.limits.decisions)
        self._held, self._held_accounts = self.holdings.by_address.keys(), self.holdings.by_account
        self.known = Known(self.limits.known)
        self.good = Recent(GOOD_FOR, self.limits.good)
        self.often = Often(self.limits.often)
        self.braking = Braking(max(4 * BRAKE_LEAST, self.limits.decisions))
        self.rules: tuple[Rule, ...] = ()
        self.counters: tuple[Counter, ...] = ()
        self._picky = False
        self._tables: dict[type[Fact], dict[Protocol, tuple[Counter, ...]]] = {}
        self._views: dict[Client, View] = {}
        self._turn_at = 0
        self.set_rules(rules)

    # --- the verbs

    def apply(self, entry: AnyFact | AnyDeed, place: int) -> tuple[Effect, ...]:
        """Takes an entry in; ``place`` is its number in the order, below 2**40. Returns what follows from it."""
        kind = type(entry)
        table = self._tables.get(kind)  # type: ignore[arg-type]
        if table is None:
            return self._apply_other(entry)
        fact: Fact = entry  # type: ignore[assignment]
        at = fact.at
        if at != self.newest and self._is_late(at):
            self.late += 1
            return ()
        # What nobody counts or remembers goes no further: it is most of a quiet log.
        counters = table.get(fact.protocol)
        if counters is None or fact.evidence_only or (kind is SessionEnded and not is_bad(fact)):
            return ()
        view = self._views.get(fact.client) or self.view(fact.client)
        if (view.entries or self._held_accounts or not self._held.isdisjoint(view.prefixes)) and self._turns_away(fact, view):
            self.turned_away += 1
            return ()
        if kind in GOOD:
            self._remember(fact, view)
        if view.entries or self._picky or self.graces:
            counters = tuple(each for each in counters if self._counts(each, fact, view))
        effects: tuple[Effect, ...] = ()
        for each in counters:
            if each.plain and not each.windows.silences:
                marks = each.windows.count(view.wide if each.wide else view.client, at << PLACE_BITS | place)
            else:
                marks = each.count(fact, view, place)
            if marks is not None:
                effects += tuple(self._impose(each, marks, fact, view, place))
        return effects

    def judge(self, question: Question) -> Verdict:
        """Whether a client may go on: list entries first, then at log-ins the countries' policy, then what stands, else allow (the law, 8)."""
        view = self._views.get(question.client) or self.view(question.client)
        country = question.country if question.stage == "login" else ""
        return self._judge(view, question.at, question.protocol, question.stage, question.account, country)

    def advance(self, at: int) -> tuple[Expire, ...]:
        """What ran out by a time, each told once."""
        ended = self.holdings.advance(at)
        self.holdings.sweep(self.newest)
        return tuple(ended)

    @property
    def pressure(self) -> dict[str, int]:
        """What was dropped to stay within the limits, and what came too late."""
        return {
            "keys": sum(each.windows.dropped for each in self.counters),
            "known": self.known.pairs.dropped,
            "good": self.good.dropped,
            "decisions": self.holdings.dropped,
            "often": self.often.dropped,
            "braking": self.braking.dropped,
            "late": self.late,
        }

    # --- judging

    def view(self, client: Client) -> View:
        """What is looked up once for each client."""
        if len(self._views) >= self.limits.views:
            self._views.clear()
        version, number = numbered(client)
        found = View(client, self.lists.covering(version, number), self.lists.shares(version, number, 64), self.holdings.lengths)
        self._views[client] = found
        return found

    def forget_views(self) -> None:
        """Has every client looked up anew: lists or prefix lengths changed."""
        self._views.clear()

    @staticmethod
    def entry_for(entries: tuple[Entry, ...], at: int, protocol: Protocol, stage: QuestionStage) -> Entry | None:
        """The first of the entries, the most specific first, that covers a protocol and a stage."""
        for entry in entries:
            if protocol not in entry.on or not entry.in_force(at):
                continue
            if entry.verb == "deny" or (entry.relay if stage == "relay" else entry.speaks):
                return entry
        return None

    def _judge(self, view: View, at: int, protocol: Protocol, stage: QuestionStage, account: str, country: str = "") -> Verdict:
        entry = self.entry_for(view.entries, at, protocol, stage) if view.entries else None
        if entry is not None and entry.verb == "deny":
            return Refuse("denied", entry=entry)
        if country and not self._shuts_out(country, entry, view, at, protocol, account):
            country = ""
        if country and self.countries.mode == "enforce":
            return Refuse("country", country=country)
        picky = entry is not None or bool(self.graces)
        slowest: Decision | None = None
        for decision in self.holdings.on(view, account):
            if not decision.covers(at, protocol, stage):
                continue
            if (picky or decision.subject.by == "account") and self._excused(decision, entry, view, at, stage, account):
                continue
            if decision.action == "block":
                return Refuse(decision.rule or "administrator", decision=decision)
            if slowest is None or decision.delay > slowest.delay:
                slowest = decision
        return Allow(entry, country) if slowest is None else Delay(slowest.delay, slowest)

    def _shuts_out(self, country: str, entry: Entry | None, view: View, at: int, protocol: Protocol, account: str) -> bool:
        """Whether the countries' policy is against a log-in: not of a client that an allow entry trusts, nor of a known one."""
        policy = self.countries
        if policy.mode == "off" or protocol not in policy.on or not policy.refuses(country) or (entry is not None and entry.trusts("auth_failed")):
            return False
        # Who names no account yet (Exim asks at AUTH) may be one who is known from there; he is asked about again when he has named it.
        known = self.known.has(account, view, at) if account else self.known.in_network(view.network, at)
        return not (policy.known_may and known)

    def _excused(self, decision: Decision, entry: Entry | None, view: View, at: int, stage: QuestionStage, account: str) -> bool:
        """Whether a decision leaves this client alone: list entries go before decisions, known clients before holds of their account."""
        if decision.subject.by == "account":
            return self.known.has(account, view, at) or bool(decision.rule and self._in_grace((f"account {account}",), at))
        if entry is not None and (stage == "relay" or entry.trusts(decision.counts)):
            return True
        names = view.prefixes if decision.subject.by != "pair" else (*view.prefixes, name_of(decision.subject), *_pair_names(account, view))
        return bool(decision.rule) and self._in_grace(names, at)

    def _in_grace(self, names: tuple[str, ...], at: int) -> bool:
        return bool(self.graces) and any(self.graces.get(name, 0) > at for name in names)

    def _turns_away(self, fact: Fact, view: View) -> bool:
        stage = STAGE_OF.get(type(fact), "connect")
        if not (view.entries or self._held_accounts or self.graces):  # nobody can be excused: a flood of held clients goes this way
            return self.holdings.blocks(view, fact.at, fact.protocol, stage)
        account: str = getattr(fact, "account", "") if stage != "connect" else ""
        return isinstance(self._judge(view, fact.at, fact.protocol, stage, account), Refuse)

    # --- counting

    def _counts(self, each: Counter, fact: Fact, view: View) -> bool:
        """Whether a fact counts for a rule: not where a list entry, a grace or a known account speaks for its client (the law, 4 and 9)."""
        rule, at = each.rule, fact.at
        account: str = getattr(fact, "account", "")
        if rule.by == "account":
            return not self._in_grace((f"account {account}",), at)
        entry = self.entry_for(view.entries, at, fact.protocol, "connect") if view.entries else None
        if (entry is not None and entry.trusts(rule.counts)) or self._in_grace(view.prefixes, at):
            return False
        if rule.by == "pair":
            return not (self.graces and self._in_grace((f"pair {each.key(fact, view)}", *_pair_names(account, view)), at))
        if rule.forgive_known and self.known.has(account, view, at):
            return False
        return not (rule.counts == "held" and rule.by == "network" and self._good_network(view, fact))

    def _good_network(self, view: View, fact: Fact) -> bool:
        """Whether a network holds a trusted or a known client: then nobody is held for his neighbours."""
        if self.known.in_network(view.network, fact.at) or self.lists.shares(*numbered(view.client), 48):
            return True
        return any(entry.verb == "allow" and entry.in_force(self.newest) for entry in view.entries)

    def _impose(self, fired: Counter, marks: list[int], fact: Fact, view: View, place: int) -> Iterator[Effect]:
        """A rule fired: decide, remember, tell; and count the hold itself where a rule does."""
        rule = fired.rule
        start = marks[-1] >> PLACE_BITS
        until = start + rule.hold_for.us
        paused = start < self.paused_until
        subject = fired.subject(fired.key(fact, view))
        self.numbered += 1
        decision = Decision(
            number=self.numbered,
            rule=rule.name,
            action=rule.action,
            watched=paused or not rule.holds,
            subject=subject,
            protocols=fired.protocols if rule.scope == "protocol" else PROTOCOLS,
            logins=rule.scope == "logins",
            start=start,
            until=until,
            delay=rule.delay.us if rule.action == "delay" else 0,
            counts=rule.counts,
            fired_on=fact.protocol,
            count=fact.open if rule.counts == "open_connections" and isinstance(fact, Connected) else len(marks),
            reason=rule.limit,
            evidence=places(marks),
        )
        yield from self.holdings.add(decision)
        yield Impose(decision)
        if decision.watched:
            fired.windows.silence(subject.text, start, min(until, self.paused_until) if paused and rule.holds else until)
            return
        self.often.see(name_of(subject), start)
        if rule.action == "block" and rule.counts != "held":
            yield from self._count_held(decision, fact, view, place)
        if subject.by == "client":
            yield from self._brake(decision, view)

    def look_up(self, subject: Subject) -> None:
        """Has clients looked up by the prefix length of a subject from now on."""
        if self.holdings.widen(subject):
            self.forget_views()

    def _count_held(self, decision: Decision, fact: Fact, view: View, place: int) -> Iterator[Effect]:
        counters = self._tables[Held].get(fact.protocol)
        if counters:
            subject = decision.subject
            account = subject.text if subject.by == "account" else ""
            held = Held(
                decision.start,
                fact.host,
                fact.protocol,
                fact.service,
                fact.client,
                False,
                decision.rule,
                subject.by,
                subject.text,
                account,
                decision.until,
            )
            for each in counters:
                marks = each.count(held, view, place) if self._counts(each, held, view) else None
                if marks is not None:
                    yield from self._impose(each, marks, held, view, place)

    def _brake(self, decision: Decision, view: View) -> Iterator[Effect]:
        at, rule = decision.start, decision.rule
        good = self.good.has(view.client, at) or (decision.subject.text == view.wide and self.good.has(view.wide, at))
        too_many = self.braking.pull(rule, decision.subject.text, at, good)
        if too_many is None or not self.brake:
            return
        hit = self.braking.good_clients(rule)
        self.set_rules(tuple(structs.replace(each, mode="observe") if each.name == rule else each for each in self.rules))
        yield Brake(rule, at, *too_many)
        for standing in self.holdings.standing(at):
            if standing.rule == rule and standing.holds and standing.subject.text in hit:
                yield self.holdings.release(standing, at, "brake")

    def _remember(self, fact: Fact, view: View) -> None:
        """The client logged in well or delivered mail."""
        self.good.see(view.client, fact.at)
        if view.home != view.network:  # IPv6: a hold of the /64 must find it too
            self.good.see(view.home, fact.at)
        if isinstance(fact, AuthSucceeded) and fact.account:
            self.known.see(fact.account, view, fact.at)

    # --- rules and time

    def set_rules(self, rules: tuple[Rule, ...]) -> None:
        """Compiles rules to counters; one whose counting is unchanged keeps its windows, any other starts clean."""
        check_rules(rules)
        before = {(each.rule.name, each.rule.counting, each.protocols): each for each in self.counters}
        self.rules = rules
        made = []
        for rule in rules:
            if rule.mode == "off":
                continue
            for protocols in [rule.on] if rule.together else [(name,) for name in rule.on]:
                old = before.get((rule.name, rule.counting, protocols))
                windows = old.windows if old else Windows(rule, max(2, self.limits.keys // 2))
                if old and (old.rule.mode, old.rule.action) != (rule.mode, rule.action):
                    windows.silences.clear()
                windows.rule = rule
                made.append(counter(rule, protocols, windows))
        self.counters = tuple(made)
        self._index()
        self._turn_at = 0

    def set_lists(self, entries: tuple[Entry, ...]) -> None:
        """Puts entries in force. Raises ValueError, before anything changed, where they contradict each other."""
        self.lists = Lists(entries, self.newest)
        self.forget_views()
        self._turn_at = 0

    def _index(self) -> None:
        """Finds counters by kind and protocol; where nobody counts there is nothing, save for what is remembered in any case."""
        self._picky = any(each.rule.forgive_known for each in self.counters)
        self._tables = {kind: dict.fromkeys(PROTOCOLS, ()) if kind in GOOD else {} for kind in Fact.__subclasses__() if kind is not Refused}
        for each in self.counters:
            table = self._tables[KIND_OF[each.rule.counts]]
            for protocol in each.protocols:
                table[protocol] = (*table.get(protocol, ()), each)

    def _is_late(self, at: int) -> bool:
        """Whether a fact's time is too long ago to count; a newer one moves the engine's on."""
        if at > self.newest:
            self.newest = at
            if at >= self._turn_at:
                self._turn()
        return at < self.newest - LATE

    def _turn(self) -> None:
        """Lets go what is idle: windows, graces, decisions that ended long ago."""
        now = self.newest
        for each in self.counters:
            if each.windows.turn_at <= now:
                each.windows.turn(now)
        for name in [name for name, until in self.graces.items() if until + LATE <= now]:
            del self.graces[name]
        if self.lists.expire(now):
            self.forget_views()
        turns = [each.windows.turn_at for each in self.counters] or [now + LATE]
        self._turn_at = min(turns + [entry.expires for entry in self.lists.entries if entry.expires > now])

    def _apply_other(self, entry: AnyFact | AnyDeed) -> tuple[Effect, ...]:
        """Deeds; and `Refused` facts, which are evidence and move the time on."""
        if isinstance(entry, Refused):
            self.late += entry.at < self.newest - LATE
            if entry.at > self.newest:
                self.newest = entry.at
                self._turn()
            return ()
        return do(self, entry)  # type: ignore[arg-type]


def _pair_names(account: str, view: View) -> tuple[str, ...]:
    """The names of the pairs that an account and a client make."""
    return (f"pair {pair(account, view.client)}", f"pair {pair(account, view.home)}") if account else ()
