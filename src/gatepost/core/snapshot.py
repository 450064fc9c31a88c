"""An engine's state, written down and taken up again.

Job: turn all that an engine remembers into bytes and back. Promise: at any point of any history the engine that is loaded goes on identically
(the law, 13), and two engines in the same state dump the same bytes. Limits: a dump of another version is refused, in words.
"""

from typing import Any

import msgspec
from msgspec import Struct

from gatepost.core.access import Entry
from gatepost.core.brake import Lately
from gatepost.core.countries import CountryPolicy
from gatepost.core.decisions import Decision
from gatepost.core.engine import Engine, Limits
from gatepost.core.rules import Rule
from gatepost.core.spans import decode_span, encode_span
from gatepost.core.windows import PLACE_BITS, Distinct, Spread, Windows

VERSION = 1

Mark = tuple[int, int]
"""A mark as (time, place): a mark itself is longer than 64 bits."""


class _Window(Struct, array_like=True):
    key: str
    marks: list[Mark]
    values: list[str] | None = None
    """Parallel to ``marks`` where different values are counted."""
    client_marks: list[Mark] | None = None
    clients: list[str] | None = None


class _Windows(Struct, array_like=True):
    young: list[_Window]
    old: list[_Window]
    silences: list[tuple[str, list[tuple[int, int]]]]
    dropped: int
    turn_at: int


class _State(Struct):
    version: int
    limits: Limits
    rules: tuple[Rule, ...]
    entries: tuple[Entry, ...]
    windows: list[_Windows]
    decisions: list[Decision]
    told: list[int]
    lengths: list[tuple[int, int]]
    graces: list[tuple[str, int]]
    known: list[tuple[str, int]]
    good: list[tuple[str, int]]
    braking: list[tuple[str, list[tuple[str, int, bool]]]]
    numbers: dict[str, int]
    brake: bool
    countries: CountryPolicy = CountryPolicy()
    often: list[tuple[str, tuple[int, ...]]] = []


_NUMBERS = ("newest", "late", "turned_away", "numbered", "paused_until", "_turn_at")
_ENCODER = msgspec.msgpack.Encoder(enc_hook=encode_span, order="deterministic")
_DECODER = msgspec.msgpack.Decoder(_State, dec_hook=decode_span)


def dump(engine: Engine) -> bytes:
    """All that an engine remembers, as bytes; equal states give equal bytes."""
    numbers = {name: getattr(engine, name) for name in _NUMBERS}
    numbers |= {
        "known": engine.known.pairs.dropped,
        "good": engine.good.dropped,
        "decisions": engine.holdings.dropped,
        "often": engine.often.dropped,
        "braking": engine.braking.dropped,
    }
    return _ENCODER.encode(
        _State(
            version=VERSION,
            limits=engine.limits,
            rules=engine.rules,
            entries=engine.lists.entries,
            windows=[_windows_out(each.windows) for each in engine.counters],
            decisions=list(engine.holdings.decisions.values()),
            told=engine.holdings.told(),
            lengths=list(engine.holdings.lengths),
            graces=sorted(engine.graces.items()),
            known=list(engine.known.pairs.last.items()),
            good=list(engine.good.last.items()),
            braking=[(rule, [(name, *what) for name, what in lately.held.items()]) for rule, lately in engine.braking.rules.items()],
            numbers=numbers,
            brake=engine.brake,
            countries=engine.countries,
            often=list(engine.often.days.items()),
        )
    )


def load(data: bytes) -> Engine:
    """The engine that was dumped. Raises ValueError where the bytes are no dump of this version."""
    try:
        state = _DECODER.decode(data)
    except msgspec.MsgspecError as wrong:
        raise ValueError(f"this is no snapshot that this version can read: {wrong}") from None
    if state.version != VERSION:
        raise ValueError(f"a snapshot of version {state.version}; this program reads version {VERSION}")
    engine = Engine(state.rules, state.entries, state.limits)
    for each, kept in zip(engine.counters, state.windows, strict=True):
        _windows_in(each.windows, kept)
    engine.holdings.load(state.decisions, frozenset(state.told))
    engine.holdings.lengths.update(dict.fromkeys(state.lengths))
    engine.holdings.dropped = state.numbers.pop("decisions")
    engine.graces.update(state.graces)
    engine.known.load(state.known)
    engine.known.pairs.dropped = state.numbers.pop("known")
    engine.good.last.update(state.good)
    engine.good.dropped = state.numbers.pop("good")
    engine.often.days.update(state.often)
    engine.often.dropped = state.numbers.pop("often", 0)
    engine.braking.dropped = state.numbers.pop("braking")
    engine.braking.rules = {rule: Lately(held) for rule, held in state.braking}
    engine.brake = state.brake
    engine.countries = state.countries
    for name in _NUMBERS:
        setattr(engine, name, state.numbers[name])
    engine.lists.expire(engine.newest)
    return engine


def _mark_out(mark: int) -> Mark:
    return mark >> PLACE_BITS, mark & ((1 << PLACE_BITS) - 1)


def _mark_in(mark: Mark) -> int:
    return mark[0] << PLACE_BITS | mark[1]


def _window_out(key: str, window: Any) -> _Window:
    if isinstance(window, int):
        return _Window(key, [_mark_out(window)])
    if isinstance(window, list):
        return _Window(key, [_mark_out(each) for each in window])
    if isinstance(window, Distinct):
        return _Window(key, [_mark_out(at) for at, _ in window.pairs], [value for _, value in window.pairs])
    pairs = window.clients.pairs
    return _Window(key, [_mark_out(each) for each in window.facts], None, [_mark_out(at) for at, _ in pairs], [value for _, value in pairs])


def _window_in(kept: _Window) -> Any:
    marks = [_mark_in(each) for each in kept.marks]
    if kept.values is not None:
        return Distinct(zip(marks, kept.values, strict=True))
    if kept.clients is not None and kept.client_marks is not None:
        spread = Spread()
        spread.facts = marks
        spread.clients = Distinct(zip(map(_mark_in, kept.client_marks), kept.clients, strict=True))
        return spread
    return marks


def _windows_out(windows: Windows) -> _Windows:
    return _Windows(
        [_window_out(key, window) for key, window in sorted(windows.young.items())],
        [_window_out(key, window) for key, window in sorted(windows.old.items())],
        list(windows.silences.items()),
        windows.dropped,
        windows.turn_at,
    )


def _windows_in(windows: Windows, kept: _Windows) -> None:
    windows.young = {each.key: _window_in(each) for each in kept.young}
    windows.old = {each.key: _window_in(each) for each in kept.old}
    windows.silences = dict(kept.silences)
    windows.dropped = kept.dropped
    windows.turn_at = kept.turn_at
