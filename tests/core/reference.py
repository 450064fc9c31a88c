"""The law of counting, written down naively: what the engine must equal.

Job: take the same entries as the engine and say, by brute force over plain lists that are never shortened, what follows. Promise: each sentence of
the law is a few lines here that can be read beside it; nothing is cached, indexed, swept or bounded.
Limits: quadratic, for short histories. It shares the declarations (facts, deeds, rules, entries, decisions, effects) and the spelling of addresses
with the engine, and no logic of counting, trust or holding.
"""

from collections.abc import Iterable

from msgspec import structs

from gatepost.core.access import Entry
from gatepost.core.countries import CountryPolicy
from gatepost.core.decisions import Brake, Decision, Effect, Expire, Impose, Question, Release
from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, AnyDeed, Deed, Forget, Hold, Lift, Pause, Retime
from gatepost.core.facts import (
    PROTOCOLS,
    AnyFact,
    AuthFailed,
    AuthSucceeded,
    Connected,
    Fact,
    Held,
    MessageAccepted,
    Refused,
    SessionEnded,
)
from gatepost.core.rules import Rule
from gatepost.core.spans import DAY, MINUTE
from gatepost.core.subjects import Subject, network, pair
from tests.core.reference_words import COUNTED_KIND, Answer, Counted, Good, Group, Network, Silence, Standing, around, home, inside, place_of


class Reference:
    """All that ever happened, and the law applied to it."""

    def __init__(self, rules: tuple[Rule, ...], entries: tuple[Entry, ...]) -> None:
        self.rules = rules
        self.entries = entries
        self.brake = True
        self.countries = CountryPolicy()
        self.paused_until = 0
        self.newest = 0
        self.late = 0
        self.counted: list[Counted] = []
        self.silences: list[Silence] = []
        self.standing: list[Standing] = []
        self.deeds: list[Good] = []
        self.graces: dict[Subject, int] = {}
        self.brake_holds: list[tuple[str, int, str, bool]] = []

    # --- the verbs

    def apply(self, entry: AnyFact | AnyDeed, place: int) -> tuple[Effect, ...]:
        """What follows from an entry."""
        return tuple(self._do(entry)) if isinstance(entry, Deed) else tuple(self._fact(entry, place))

    def advance(self, at: int) -> tuple[Expire, ...]:
        """What ran out by a time, each told once: the first to end first."""
        ended = [each for each in self.standing if not each.told and each.until <= at]
        for each in ended:
            each.told = True
        ended.sort(key=lambda each: (each.until, each.decision.number))
        return tuple(Expire(self._now(each)) for each in ended)

    def judge(self, question: Question) -> Answer:
        """The law, 8: the most specific list entry that covers address, protocol and stage; else what stands; else allow."""
        at, client, protocol, stage = question.at, question.client, question.protocol, question.stage
        entry = self._entry(at, client, protocol, stage)
        if entry is not None and entry.verb == "deny":
            return Answer("refuse", entry)
        country = question.country if self._against(question, entry) else ""
        if country and self.countries.mode == "enforce":
            return Answer("refuse", country=country)
        against = [
            each.decision
            for each in self.standing
            if not each.decision.watched
            and each.decision.start <= at < each.until
            and protocol in each.protocols
            and (stage == "login" or not each.decision.logins)
            and self._holds(each.decision.subject, client, question.account)
            and not self._excused(each.decision, entry, question)
        ]
        blocks = [each.number for each in against if each.action == "block"]
        if blocks:
            return Answer("refuse", decisions=blocks)
        if against:
            slowest = max(each.delay for each in against)
            return Answer("delay", delay=slowest, decisions=[each.number for each in against if each.delay == slowest])
        return Answer("allow", entry, country=country)

    def _against(self, question: Question, entry: Entry | None) -> bool:
        """Whether the countries' policy would refuse: a log-in, from a country that was looked up, of nobody who is trusted or known."""
        policy, country = self.countries, question.country
        if policy.mode == "off" or question.stage != "login" or not country or question.protocol not in (policy.protocols or PROTOCOLS):
            return False
        listed = country in policy.codes
        refused = not policy.unknown if country == "unknown" else listed if policy.direction == "refuse" else not listed
        at, client = question.at, question.client
        known = policy.known_may and (self._known(question.account, client, at) if question.account else self._known_around(client, at))
        return refused and not known and not self._trusts(entry, "auth_failed")

    # --- judging

    def _entry(self, at: int, client: str, protocol: str, stage: str, whole: str = "") -> Entry | None:
        """The most specific entry in force that covers a client (or a whole prefix), a protocol and a stage."""
        found: list[tuple[int, Entry]] = []
        for entry in self.entries:
            boxes = entry.detection, entry.logins, entry.relay
            covers = entry.verb == "deny" or (entry.relay if stage == "relay" else boxes != (False, False, True))
            if covers and protocol in (entry.protocols or PROTOCOLS) and not (entry.expires and entry.expires <= at):
                found += [(net.prefixlen, entry) for net in entry.networks if inside(whole or client, str(net))]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    @staticmethod
    def _trusts(entry: Entry | None, counts: str) -> bool:
        """The law, 9: detection excuses from every rule, logins from rules about failed log-ins."""
        return entry is not None and entry.verb == "allow" and (entry.detection or (entry.logins and counts == "auth_failed"))

    @staticmethod
    def _holds(subject: Subject, client: str, account: str) -> bool:
        """Whether a subject is this client, or what it lies in, or this account, or both."""
        if subject.by == "account":
            return bool(account) and subject.text == account
        if subject.by == "pair":
            of, _, where = subject.text.rpartition(" from ")
            return bool(account) and of == account and inside(client, where)
        return inside(client, subject.text)

    def _excused(self, decision: Decision, entry: Entry | None, question: Question) -> bool:
        at, client, account = question.at, question.client, question.account
        if decision.subject.by == "account":
            return self._known(account, client, at) or (decision.rule != "" and self._grace_account(account, at))
        if entry is not None and (question.stage == "relay" or self._trusts(entry, decision.counts)):
            return True
        return decision.rule != "" and (self._grace_client(client, at) or (decision.subject.by == "pair" and self._grace_pair(account, client, at)))

    def _known(self, account: str, client: str, at: int) -> bool:
        """The law, 11: the account logged in well from there within 30 days."""
        return any(
            each.known and account and each.account == account and home(each.client) == home(client) and each.at > at - 30 * DAY
            for each in self.deeds
        )

    def _did_good(self, subject: str, client: str, at: int) -> bool:
        """The law, 12: the client that is held, or somebody of the /64 that is held, logged in well or delivered mail in the last 7 days."""
        lately = [each for each in self.deeds if each.at > at - 7 * DAY]
        return any((each.good and each.client == client) or (each.good_home and home(each.client) == subject) for each in lately)

    def _grace_client(self, client: str, at: int) -> bool:
        return any(by in ("client", "network") and until > at and inside(client, text) for (by, text), until in self._graces())

    def _grace_account(self, account: str, at: int) -> bool:
        return any(by == "account" and until > at and text == account for (by, text), until in self._graces())

    def _grace_pair(self, account: str, client: str, at: int) -> bool:
        return any(subject.by == "pair" and until > at and self._holds(subject, client, account) for subject, until in self.graces.items())

    def _graces(self) -> Iterable[tuple[tuple[str, str], int]]:
        return (((subject.by, subject.text), until) for subject, until in self.graces.items())

    # --- facts

    def _fact(self, fact: Fact, place: int) -> Iterable[Effect]:
        """The law, 2 to 6."""
        if fact.at < self.newest - 10 * MINUTE:
            self.late += 1
            return
        self.newest = max(self.newest, fact.at)
        if fact.evidence_only or isinstance(fact, Refused):
            return
        if self.judge(self._as_question(fact)).word == "refuse":
            return
        if isinstance(fact, AuthSucceeded):
            self.deeds.append(Good(fact.at, fact.client, fact.account))
        elif isinstance(fact, MessageAccepted):
            self.deeds.append(Good(fact.at, fact.client, ""))
        if isinstance(fact, SessionEnded) and (fact.messages or fact.server_at_fault or fact.refused):
            return
        yield from self._let_count(fact, place)

    @staticmethod
    def _as_question(fact: Fact) -> Question:
        if isinstance(fact, AuthFailed | AuthSucceeded):
            return Question(fact.at, fact.client, fact.protocol, "login", fact.account)
        if isinstance(fact, MessageAccepted):
            return Question(fact.at, fact.client, fact.protocol, "message", fact.account)
        return Question(fact.at, fact.client, fact.protocol, "connect")

    def _let_count(self, fact: Fact, place: int) -> Iterable[Effect]:
        for rule in self.rules:
            if rule.mode == "off" or type(fact) is not COUNTED_KIND[rule.counts] or fact.protocol not in rule.on:
                continue
            group: Group = rule.on if rule.together else (fact.protocol,)
            key = self._key(rule, fact)
            if key and self._matches(rule, fact) and self._accused(rule, fact) and not self._silent(rule.name, group, key, fact.at):
                yield from self._count(rule, group, key, fact, place)

    def _key(self, rule: Rule, fact: Fact) -> str:
        """Whose fact it is for a rule."""
        if isinstance(fact, Held):
            if rule.by == fact.by:
                return fact.subject
            return around(fact.client) if rule.by == "network" and fact.by == "client" else ""
        seen = self._seen_as(rule.counts, fact.client)
        account: str = getattr(fact, "account", "")
        return {"client": seen, "network": around(fact.client), "account": account, "pair": account and pair(account, seen)}[rule.by]

    def _seen_as(self, counts: str, client: str) -> str:
        """IPv6 by /64 for failed log-ins and protocol abuse, unless an allow entry in force lies in that /64; else the address."""
        if counts not in ("auth_failed", "protocol_abused") or ":" not in client:
            return client
        return client if any(inside(str(net), home(client)) for net in self._allowed_now()) else home(client)

    def _allowed_now(self) -> list[Network]:
        return [net for entry in self.entries if entry.verb == "allow" and not 0 < entry.expires <= self.newest for net in entry.networks]

    @staticmethod
    def _matches(rule: Rule, fact: Fact) -> bool:
        where = rule.where
        code: int = getattr(fact, "code", 0)
        return (
            where.reason in ("", getattr(fact, "reason", ""))
            and where.stage in ("", getattr(fact, "stage", ""))
            and (where.code == 0 or where.code == code or where.code == code // 100)
        )

    def _accused(self, rule: Rule, fact: Fact) -> bool:
        """The law, 4 and 9: a trusted client, one in grace and (where the rule says so) a known pair are not counted against."""
        at, client = fact.at, fact.client
        account: str = getattr(fact, "account", "")
        if rule.by == "account":
            return not self._grace_account(account, at)
        if self._trusts(self._entry(at, client, fact.protocol, "connect"), rule.counts) or self._grace_client(client, at):
            return False
        if rule.by == "pair":
            held_pair = isinstance(fact, Held) and self.graces.get(Subject("pair", fact.subject), 0) > at
            return not (held_pair or self._grace_pair(account, client, at))
        if rule.forgive_known and self._known(account, client, at):
            return False
        return not (rule.counts == "held" and rule.by == "network" and self._good_neighbours(client, at))

    def _good_neighbours(self, client: str, at: int) -> bool:
        """Whether a network holds a trusted or a known client."""
        net = around(client)
        if any(inside(str(allowed), net) or inside(client, str(allowed)) for allowed in self._allowed_now()):
            return True
        return self._known_around(client, at)

    def _known_around(self, client: str, at: int) -> bool:
        """Whether anybody is known from the network of a client (/24, /48)."""
        net = around(client)
        return any(each.known and each.account and around(each.client) == net and each.at > at - 30 * DAY for each in self.deeds)

    def _silent(self, rule: str, group: Group, key: str, at: int) -> bool:
        return any((each.rule, each.group, each.key) == (rule, group, key) and each.start <= at < each.until for each in self.silences)

    # --- windows

    def _count(self, rule: Rule, group: Group, key: str, fact: Fact, place: int) -> Iterable[Effect]:
        """The law, 2: N counted facts of the key in (T-W, T], T being the newest time of the key since it was cleared."""
        if rule.counts == "open_connections":  # the fact itself says how many there are
            if isinstance(fact, Connected) and fact.open >= rule.threshold:
                yield from self._impose(rule, group, key, [(fact.at, place)], fact, place)
            return
        weight = fact.weight if isinstance(fact, AuthFailed) else 1
        if rule.counts == "recipients" and isinstance(fact, MessageAccepted):
            weight = fact.recipients
        values = self._values(rule, fact, place, weight)
        if weight < 1 or (rule.distinct and not values):
            return
        self.counted.append(Counted(rule.name, group, key, fact.at, place, weight, values, fact.client))
        mine = [each for each in self.counted if (each.rule, each.group, each.key) == (rule.name, group, key) and not each.cleared]
        newest = max(each.at for each in mine)
        within = [each for each in mine if newest - rule.window.us < each.at <= newest]
        marks = self._latest(within) if rule.distinct else [(each.at, each.place) for each in within for _ in range(each.weight)]
        if len(marks) < rule.threshold or len({each.client for each in within}) < rule.min_clients:
            return
        for each in mine:
            each.cleared = True
        yield from self._impose(rule, group, key, sorted(marks)[-rule.threshold :], fact, place)

    @staticmethod
    def _latest(within: list[Counted]) -> list[tuple[int, int]]:
        """Different values, each at its latest time."""
        values = dict.fromkeys(value for each in within for value in each.values)
        return [max((each.at, each.place) for each in within if value in each.values) for value in values]

    @staticmethod
    def _values(rule: Rule, fact: Fact, place: int, weight: int) -> tuple[str, ...]:
        if rule.distinct == "clients":
            return (fact.subject,) if isinstance(fact, Held) else (fact.client,)
        if rule.distinct == "accounts":
            account: str = getattr(fact, "account", "")
            return (account,) if account else ()
        if rule.distinct == "secrets":
            secret: str = getattr(fact, "secret", "")
            return (secret,) if secret else tuple(f"unknown {place} {turn}" for turn in range(weight))
        return ()

    def _impose(self, rule: Rule, group: Group, key: str, marks: list[tuple[int, int]], fact: Fact, place: int) -> Iterable[Effect]:
        """The law, 3 and 12."""
        start = marks[-1][0]
        until = start + rule.hold_for.us
        paused = start < self.paused_until
        enforces = rule.mode == "enforce" and rule.action != "alert"
        decision = Decision(
            number=len(self.standing) + 1,
            rule=rule.name,
            action=rule.action,
            watched=paused or not enforces,
            subject=Subject(rule.by, key),
            protocols=group if rule.scope == "protocol" else PROTOCOLS,  # type: ignore[arg-type]
            logins=rule.scope == "logins",
            start=start,
            until=until,
            delay=rule.delay.us if rule.action == "delay" else 0,
            counts=rule.counts,
            fired_on=fact.protocol,
            count=fact.open if rule.counts == "open_connections" and isinstance(fact, Connected) else len(marks),
            evidence=tuple(place for _, place in marks),
        )
        self.standing.append(Standing(decision, decision.protocols, until))
        yield Impose(decision)
        if decision.watched:
            by_pause = paused and enforces
            self.silences.append(Silence(rule.name, group, key, start, min(until, self.paused_until) if by_pause else until, by_pause))
            return
        if rule.action == "block" and rule.counts != "held":
            account = key if rule.by == "account" else ""
            held = Held(start, fact.host, fact.protocol, fact.service, fact.client, False, rule.name, rule.by, key, account, until)
            yield from self._let_count(held, place)
        if rule.by == "client":
            yield from self._may_brake(rule.name, start, key, fact.client)

    def _may_brake(self, rule: str, at: int, subject: str, client: str) -> Iterable[Effect]:
        """The law, 12: 10 good clients within 10 minutes that are over a quarter of all different ones."""
        self.brake_holds.append((rule, at, subject, self._did_good(subject, client, at)))
        mine = [each for each in self.brake_holds if each[0] == rule]
        newest = max(at for _, at, _, _ in mine)
        latest: dict[str, tuple[int, bool]] = {}
        for _, then, name, good in mine:
            if name not in latest or then >= latest[name][0]:
                latest[name] = (then, good)
        recent = {name: good for name, (then, good) in latest.items() if then > newest - 10 * MINUTE}
        good_ones = [name for name, good in recent.items() if good]
        if not self.brake or len(good_ones) < 10 or len(good_ones) * 4 <= len(recent):
            return
        self._set_rules(tuple(structs.replace(each, mode="observe") if each.name == rule else each for each in self.rules))
        yield Brake(rule, at, len(good_ones), len(recent))
        for each in self.standing:
            if each.decision.rule == rule and not each.decision.watched and each.decision.subject.text in good_ones and self._stands(each, at):
                yield self._release(each, at)

    # --- decisions

    @staticmethod
    def _stands(each: Standing, at: int) -> bool:
        return each.decision.start <= at < each.until

    @staticmethod
    def _now(each: Standing) -> Decision:
        return structs.replace(each.decision, protocols=each.protocols, until=each.until)

    def _release(self, each: Standing, at: int, protocols: tuple[str, ...] = ()) -> Release:
        """Ends a decision on some protocols, or on all. What is taken off is taken off for late facts too; all of it: only from now on."""
        gone = tuple(name for name in each.protocols if not protocols or name in protocols)
        before = self._now(each)
        left = tuple(name for name in each.protocols if name not in gone)
        if left:
            each.protocols = left
        else:
            each.until, each.told = at, True
        return Release(before, gone, at, "")  # type: ignore[arg-type]

    # --- deeds

    def _do(self, deed: Deed) -> Iterable[Effect]:
        if isinstance(deed, AdoptRules):
            yield from self._adopt_rules(deed)
        elif isinstance(deed, AdoptLists):
            yield from self._adopt_lists(deed)
        elif isinstance(deed, AdoptCountries):
            self.countries = deed.policy
        elif isinstance(deed, Hold):
            number = len(self.standing) + 1
            decision = Decision(
                number=number, rule="", action="block", subject=deed.subject, protocols=deed.protocols, start=deed.at, until=deed.until
            )
            self.standing.append(Standing(decision, decision.protocols, deed.until))
            yield Impose(decision)
        elif isinstance(deed, Lift):
            yield from self._lift(deed)
        elif isinstance(deed, Retime):
            yield from self._retime(deed)
        elif isinstance(deed, Forget):
            self._forget(deed.subject)
        elif isinstance(deed, Pause):
            yield from self._pause(deed)

    def _set_rules(self, rules: tuple[Rule, ...]) -> None:
        """A rule whose counting is unchanged keeps its windows; another mode or action drops its silences; off counts nothing."""
        for old in self.rules:
            new = next((each for each in rules if each.name == old.name and each.mode != "off" and old.mode != "off"), None)
            same = new is not None and new.counting == old.counting
            for each in self.counted:
                each.cleared = each.cleared or (each.rule == old.name and not same)
            if not same or new is None or (new.mode, new.action) != (old.mode, old.action):
                self.silences = [each for each in self.silences if each.rule != old.name]
        self.rules = rules

    def _adopt_rules(self, deed: AdoptRules) -> Iterable[Effect]:
        self._set_rules(deed.rules)
        self.brake = deed.brake
        enforcing = [each.name for each in deed.rules if each.mode == "enforce" and each.action != "alert"]
        for each in self.standing:
            if each.decision.rule not in ("", *enforcing) and not each.decision.watched and each.until > deed.at:
                yield self._release(each, deed.at)

    def _adopt_lists(self, deed: AdoptLists) -> Iterable[Effect]:
        """The law, 9: an allow entry lifts the decisions that it covers at once."""
        self.entries = deed.entries
        for each in self.standing:
            where = place_of(each.decision.subject)
            if not where or each.decision.watched or not each.until > deed.at:
                continue
            lifted = tuple(
                protocol
                for protocol in each.protocols
                if self._trusts(self._entry(deed.at, where, protocol, "connect", whole=where), each.decision.counts)
            )
            if lifted:
                yield self._release(each, deed.at, lifted)

    def _retime(self, deed: Retime) -> Iterable[Effect]:
        """The decision ends, and where it is to go on, another like it begins."""
        each = self.standing[deed.number - 1]
        before = self._now(each)
        yield self._release(each, deed.at)
        if deed.until > deed.at:
            after = structs.replace(before, number=len(self.standing) + 1, start=deed.at, until=deed.until)
            self.standing.append(Standing(after, after.protocols, after.until))
            yield Impose(after)

    def _lift(self, deed: Lift) -> Iterable[Effect]:
        """Ends what stands on the subject, in it and around it; clears the counts of the subject and of what was ended."""
        subject = deed.subject
        cleared = [subject]
        if subject.by == "client" and "/" not in subject.text:
            cleared.append(Subject("client", home(subject.text)))
        for each in self.standing:
            if each.until > deed.at and self._touches(each.decision.subject, subject):
                cleared.append(each.decision.subject)
                yield self._release(each, deed.at)
        by_of = {rule.name: rule.by for rule in self.rules}
        for counted in self.counted:
            counted.cleared = counted.cleared or Subject(by_of.get(counted.rule, "client"), counted.key) in cleared
        self.silences = [each for each in self.silences if Subject(by_of.get(each.rule, "client"), each.key) not in cleared]
        if deed.grace > deed.at:
            self.graces[subject] = deed.grace

    @staticmethod
    def _touches(standing: Subject, lifted: Subject) -> bool:
        if standing == lifted:
            return True
        if lifted.by == "pair" or (standing.by == "account"):
            return False
        if lifted.by == "account":
            return standing.by == "pair" and standing.text.rpartition(" from ")[0] == lifted.text
        return inside(place_of(standing), lifted.text) or inside(lifted.text, place_of(standing))

    def _forget(self, subject: Subject) -> None:
        """Counts, known pairs and good deeds of a subject, of the addresses in it, and of the home (/24, /64) around it."""
        by_of = {rule.name: rule.by for rule in self.rules}
        for each in self.counted:
            each.cleared = each.cleared or self._about(by_of.get(each.rule, "client"), each.key, subject)
        self.silences = [each for each in self.silences if not self._about(by_of.get(each.rule, "client"), each.key, subject)]
        for good in self.deeds:
            if self._about("pair", pair(good.account, home(good.client)), subject):
                good.known = False
            good.good = good.good and not self._about("client", good.client, subject)
            good.good_home = good.good_home and not self._about("client", home(good.client), subject)

    @staticmethod
    def _about(by: str, key: str, subject: Subject) -> bool:
        account, _, where = key.rpartition(" from ")
        if by == "account":
            account, where = key, ""
        if subject.by == "account":
            return by in ("account", "pair") and account == subject.text
        if subject.by == "pair" and (by != "pair" or account != subject.text.rpartition(" from ")[0]):
            return False
        if not where:
            return False
        near = network(where).prefixlen >= (24 if network(where).version == 4 else 64)
        return inside(where, place_of(subject)) or (inside(place_of(subject), where) and near)

    def _pause(self, deed: Pause) -> Iterable[Effect]:
        """Releases the holds of rules; a silence that a pause made ends with the pause at the latest."""
        self.paused_until = deed.until if deed.until > deed.at else 0
        ends = max(deed.until, deed.at)
        for silence in self.silences:
            if silence.by_pause:
                silence.until = min(silence.until, ends)
        if not self.paused_until:
            return
        for each in self.standing:
            if each.decision.rule and not each.decision.watched and each.until > deed.at:
                yield self._release(each, deed.at)
