"""Scenarios that are played through the engine and printed back.

Job: play a story and tell, line by line, what followed. Promise: what comes back is the story as it really went, so that a failing story is a
diff. Limits: a story starts from an empty guard of its own; it touches nothing else.
"""

import difflib
import re
from collections.abc import Iterator

from msgspec import structs

from gatepost.core.access import Entry, own_entries
from gatepost.core.countries import CountryPolicy
from gatepost.core.decisions import Question
from gatepost.core.deeds import AdoptCountries, AdoptLists, AdoptRules, AnyDeed, Deed, Retime
from gatepost.core.engine import Engine
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Rule
from gatepost.core.subjects import name_of
from gatepost.pipeline.mirrors import Standing
from gatepost.pipeline.order import Order
from gatepost.wire.story import EPOCH, Expect, Given, Passes, Prolong, Report, Said, read_line, tell_effect, tell_verdict

INDENT = " " * 10


class Play:
    """One story being played."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._entries: list[Entry] = list(own_entries())
        self._countries = CountryPolicy()
        self._order: Order | None = None
        self.now = EPOCH

    def tell(self, said: Said) -> Iterator[str]:
        """Does what a line says and tells what follows. Raises ValueError where it cannot be done."""
        if isinstance(said, Given):
            yield from self._give(said)
        elif isinstance(said, Report):
            for turn in range(said.times):
                self.now = said.fact.at + turn * said.every
                for effect in self._started().report(structs.replace(said.fact, at=self.now)):  # type: ignore[arg-type]
                    yield tell_effect(effect)
        elif isinstance(said, Question):
            self.now = said.at
            yield tell_verdict(self._started().judge(said))
        elif isinstance(said, Passes):
            self.now = said.at
            for expired in self._started().advance(said.at):
                yield tell_effect(expired)
        elif isinstance(said, Deed):
            self.now = said.at
            for effect in self._started().do(said):
                yield tell_effect(effect)
        elif isinstance(said, Prolong):
            self.now = said.at
            for deed in self._prolonged(said):
                for effect in self._started().do(deed):
                    yield tell_effect(effect)

    def _prolonged(self, said: Prolong) -> list[Retime]:
        """A deed for each decision that holds a subject, as `gatepost blocks prolong` does it."""
        held = Standing(self._started().engine).about(name_of(said.subject), said.at)
        if not held:
            raise BadInputError(f"{said.subject.text} is not held then, so nothing of it can be prolonged")
        return [Retime(said.at, said.subject, each.number, each.until + said.by) for each in held]

    def _give(self, given: Given) -> Iterator[str]:
        if given.at < 0 and self._order is not None:
            raise BadInputError("once the story has begun, write TIME adopt in front of it")
        if given.preset:
            self._rules = {rule.name: rule for rule in PRESETS[given.preset]}
        if given.rule:
            self._rules[given.rule.name] = given.rule
        if given.entry:
            self._entries = [each for each in self._entries if not (each.own and each.networks == given.entry.networks)] + [given.entry]
        if given.countries:
            self._countries = given.countries
        if given.at >= 0:
            self.now = given.at
            for effect in self._started().do(self._adopted(given)):
                yield tell_effect(effect)

    def _adopted(self, given: Given) -> AnyDeed:
        if given.countries:
            return AdoptCountries(self.now, self._countries)
        return AdoptLists(self.now, tuple(self._entries)) if given.entry else AdoptRules(self.now, tuple(self._rules.values()))

    def _started(self) -> Order:
        if self._order is None:
            engine = Engine(tuple(self._rules.values()), tuple(self._entries))
            engine.countries = self._countries
            self._order = Order(engine)
        return self._order


def play(text: str, name: str = "story") -> str:
    """Plays a story and gives it back with what really followed. Raises BadInputError with the line that cannot be played."""
    stage, told = Play(), []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            said = read_line(line, stage.now)
            if isinstance(said, Expect):
                continue
            told.append(line)
            told += [f"{INDENT}<< {what}" for what in stage.tell(said)]
        except ValueError as wrong:
            raise BadInputError(wrong.said if isinstance(wrong, BadInputError) else str(wrong), name, number) from None
    return "\n".join(told)


def differences(text: str, name: str = "story") -> list[str]:
    """Plays a story; the lines of a unified diff from what it says to what followed, empty where they agree.

    White space does not matter, and an explanation in parentheses is compared only where the story writes one.
    """
    told = play(text, name).split("\n")
    said = text.split("\n")
    if len(said) == len(told) and all(map(_agree, said, told)):
        return []
    # What agrees is shown as it was written, so that the difference stands out.
    written = {_plain(line): line for line in said}
    shown = [written.get(_plain(line)) or written.get(_bare(line)) or line for line in told]
    return list(difflib.unified_diff(said, shown, f"{name} (as written)", f"{name} (as it went)", lineterm=""))


_EXPLAINED = re.compile(r"(<< .*?) ?\(.*\)")


def _plain(line: str) -> str:
    """A line whose white space does not matter."""
    return " ".join(line.split())


def _bare(line: str) -> str:
    """A plain line without its explanation."""
    found = _EXPLAINED.fullmatch(_plain(line))
    return found[1] if found else _plain(line)


def _agree(said: str, told: str) -> bool:
    """Whether a line went as written; an explanation matters only where the story writes one."""
    return _plain(said) in (_plain(told), _bare(told))
