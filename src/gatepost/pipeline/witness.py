"""Who is believed where two inlets see the same thing (the law of counting, 7).

Job: remember from when to when an inlet that mail servers ask was asked about a kind of fact on a protocol; then what logs tell of it is evidence.
Promise: an inlet is the witness from the first request on, and never before: one that nobody asks makes nobody blind. It ends when the inlet stops;
after a crash, at its last sign of life; and where the log goes on telling what the inlet no longer hears, at the last request: then logs count
again, and it is told as a problem. Limits: pure; times are arguments, in microseconds since 1970 UTC. What it remembers of the past is bounded.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from gatepost.core.facts import Fact, MessageAccepted, Protocol, kind_name
from gatepost.core.spans import SECOND

NAME = "witness"
"""The name under which it is stored, among the inlets' cursors."""
SPANS = 32
"""Spans that are kept of one kind on one protocol; of more, the two oldest become one."""
MISSED = 10
"""Facts that the log tells and the inlet did not hear, one after the other, until the log is believed again."""
SLACK = 5 * SECOND
"""So much later than the newest request is a fact that was missed: a log can be a little late."""
OPEN = 1 << 62


class Logs(Struct, frozen=True):
    """Whose lines: those of these hosts and of these services, by the names that they have in logs. Nothing named: all."""

    hosts: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    """Services that are not meant."""

    def tell(self, fact: Fact) -> bool:
        """Whether a fact is told by them."""
        if self.hosts and fact.host not in self.hosts:
            return False
        return fact.service not in self.but and (not self.services or fact.service in self.services)


ALL_LOGS = Logs()


class Span(Struct):
    """For how long one inlet was the witness of one kind on one protocol."""

    inlet: str
    kind: str
    protocol: str
    since: int
    last: int
    """The newest request."""
    until: int = OPEN
    missed: int = 0
    """Facts of logs behind the newest request."""
    silent: bool = False
    """It ended because of them."""
    logs: Logs = ALL_LOGS
    """Which logs it stands for."""

    def holds(self, fact: Fact) -> bool:
        """Whether it was listening when what a log tells happened."""
        return self.since <= fact.at < self.until and self.logs.tell(fact)


class WitnessState(Struct, frozen=True, kw_only=True):
    """Who is the witness for what, for status and doctor."""

    inlet: str
    kind: str
    protocol: str
    since: int
    last: int
    """When it was asked last."""
    problem: str = ""
    """Why the log is believed instead; empty where all is well."""
    cure: str = ""


class Witness:
    """The spans in which inlets were listening."""

    def __init__(self) -> None:
        self._spans: dict[str, dict[str, list[Span]]] = {}
        """By kind and protocol, the oldest first."""
        self._alive = 0
        self.changed = False
        """Whether a span began or ended since `dump`."""

    def __bool__(self) -> bool:
        return bool(self._spans)

    @property
    def listening(self) -> bool:
        """Whether any inlet is a witness now."""
        return any(span.until == OPEN for span in self._all())

    def heard(self, inlet: str, kinds: Sequence[type[Fact]], protocol: Protocol, at: int, logs: Logs = ALL_LOGS) -> None:
        """An inlet was asked: from here on, it is the witness. From the whole second on, for that is how exact the stamps of logs are."""
        for kind in kinds:
            spans = self._spans.setdefault(_name(kind), {}).setdefault(protocol, [])
            for span in reversed(spans):
                if span.inlet == inlet and span.until == OPEN:
                    span.last = max(span.last, at)
                    span.missed = 0
                    break
            else:
                spans.append(Span(inlet, _name(kind), protocol, at - at % SECOND, at, logs=logs))
                self.changed = True
                _bound(spans)

    def stopped(self, inlet: str, at: int) -> None:
        """An inlet listens no longer."""
        for span in self._all():
            if span.inlet == inlet:
                span.silent = False
                if span.until == OPEN:
                    span.until = at
                    self.changed = True

    def covers(self, fact: Fact) -> bool:
        """Whether a log's fact is told by a witness: an inlet that was listening at the fact's own time. Of a stranger's message the log alone knows
        whether it was delivered: who asks does so before that (docs/decisions/0021)."""
        if type(fact) is MessageAccepted and not fact.account:
            return False
        of_kind = self._spans.get(_name(type(fact)))
        for span in reversed(of_kind.get(fact.protocol, ())) if of_kind else ():
            if span.holds(fact):
                if span.until == OPEN and fact.at > span.last + SLACK and not fact.evidence_only:
                    self._miss(span)
                return True
        return False

    def _miss(self, span: Span) -> None:
        span.missed += 1
        if span.missed >= MISSED:
            span.until, span.silent, self.changed = span.last + SECOND, True, True

    def beat(self, at: int) -> None:
        """A sign of life: what is open now ends here, if nothing more comes."""
        self._alive = at

    def dump(self) -> bytes:
        """All of it."""
        self.changed = False
        return msgspec.msgpack.encode((self._alive, list(self._all())))

    def load(self, data: bytes) -> None:
        """What was dumped before a restart; what was open then ended at the last sign of life. What cannot be read is no memory at all."""
        if not data:
            return
        try:
            alive, spans = msgspec.msgpack.decode(data, type=tuple[int, list[Span]])
        except msgspec.MsgspecError:
            return
        for span in spans:
            span.until = min(span.until, max(alive, span.last + 1))
            self._spans.setdefault(span.kind, {}).setdefault(span.protocol, []).append(span)

    def state(self) -> list[WitnessState]:
        """Who is the witness now, and who would be, did he hear anything."""
        return [_state(span) for span in self._all() if span.until == OPEN or (span.silent and not self._heard_since(span))]

    def _heard_since(self, silent: Span) -> bool:
        return any(span.inlet == silent.inlet and span.since > silent.since for span in self._spans[silent.kind][silent.protocol])

    def _all(self) -> Iterator[Span]:
        return (span for protocols in self._spans.values() for spans in protocols.values() for span in spans)


_NAMES = {kind: kind_name(kind.__name__) for kind in Fact.__subclasses__()}
_name = _NAMES.__getitem__


def _bound(spans: list[Span]) -> None:
    """Makes one of the two oldest that have ended; what a log that is caught up with tells of the time between them is then evidence too."""
    if len(spans) > SPANS:
        ended = [span for span in spans if span.until != OPEN][:2]
        if len(ended) == 2:
            older, newer = ended
            spans.remove(older)
            if (older.inlet, older.logs) == (newer.inlet, newer.logs):
                newer.since, newer.until = min(older.since, newer.since), max(older.until, newer.until)


def _state(span: Span) -> WitnessState:
    problem = cure = ""
    if span.silent:
        what = f"{span.kind} on {span.protocol}"
        problem = f"{span.inlet} is no longer asked about {what}, while the log goes on telling it: the log counts again"
        cure = f"have the mail server ask it again, or take it out of gatepost.toml: {span.inlet}"
    return WitnessState(inlet=span.inlet, kind=span.kind, protocol=span.protocol, since=span.since, last=span.last, problem=problem, cure=cure)
