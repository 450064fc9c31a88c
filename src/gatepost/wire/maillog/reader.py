"""Reads mail logs: lines in, facts out.

Job: find the process that wrote each line, hand it the message, and collect what it tells, with the number of the line.
Promise: sans I/O; what it remembers is bounded, and `dump` and `load` carry all of it over a restart, open sessions and queue ids included.
No line raises. A line that no grammar understands is counted, with a sample of its shape.
Limits: lines come in the order in which they were written. A line that tells no time counts as written at ``latest``. A line longer than
`LONGEST` is not read but counted: where it would be cut, a peer's text could end up where the daemon's own fields should stand.

The way of a line: most lines come from a process already seen, under a stamp of the same form as the line before. Then the text up to the
first ``: `` is cut at the stamp's end, a dictionary gives the process, and its class gives the handler of the message's first word. All
other lines go through `framing`, once for each process or, where the form has no such front, each time.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import msgspec
from msgspec import Struct, field

from gatepost.core.facts import Fact
from gatepost.wire.maillog import dovecot, exim, framing, postfix
from gatepost.wire.maillog.framing import Framed, frame
from gatepost.wire.maillog.grammar import MEMO, MEMO_LENGTH, NOTHING, Host, Process, Yield
from gatepost.wire.maillog.recent import Recent
from gatepost.wire.maillog.stamps import NoStampError, Stamps

GRAMMARS: tuple[Callable[[Host, str], Process | None], ...] = (postfix.process, dovecot.process, exim.process)
"""The grammars, in the order in which they are asked whether a tag is their daemon's."""

LONGEST = 16_384
"""Characters of a line at most."""
PROCESSES = 65_536
HOSTS = 4_096
SHAPES = 200
REPEATS = 1_000
"""A folded line counts this many times at most."""

_REPEATED = re.compile(r"message repeated ([0-9]{1,9}) times?: \[ ?(.*)\]", re.DOTALL)
_VARIABLE = re.compile(r"[^ ]*[0-9@\[<=/(\"'][^ ]*")


class Coverage(Struct):
    """How much of what was read was understood."""

    lines: int = 0
    mail_lines: int = 0
    """Lines of the daemons that we know."""
    understood: int = 0
    """Mail lines of which a grammar knew what they mean, be it nothing."""
    cut: int = 0
    """Lines that were too long to be read."""
    shapes: dict[str, int] = field(default_factory=dict)
    """A sample of what was not understood: the tag and the first words, and how often."""


class _Saved(Struct, array_like=True):
    hosts: dict[str, dict[str, Any]]
    processes: list[tuple[str, str, str, Any]]
    newest: int
    previous: str
    coverage: Coverage


class Reader:
    """Reads the lines of one source. ``latest`` (microseconds) is about the newest time of a line; ``daemon`` reads lines without a tag."""

    def __init__(
        self,
        *,
        daemon: str = "",
        timezone: tzinfo,
        year: int | None = None,
        latest: int,
        default_domain: str = "",
        domains: Mapping[str, str] | None = None,
    ) -> None:
        self.coverage = Coverage()
        self._daemon = daemon
        self._default_domain = default_domain
        self._domains = domains
        self._stamps = Stamps(timezone, year, latest)
        self._hosts: Recent[str, Host] = Recent(HOSTS)
        self._processes: Recent[tuple[str, str, str], Process | None] = Recent(PROCESSES)
        self._origins: Recent[str, Process | None] = Recent(PROCESSES)
        """Processes by the text between the stamp and the first ``: ``: the short way to what `_processes` has."""
        self._foreign: dict[str, None] = {}
        """The same texts up to the process id, of programs that are no mail daemons: their processes come and go by the thousand."""
        self.daemons: dict[tuple[str, str], None] = {}
        """The hosts and daemons (postfix, dovecot, exim) whose lines were read since the start."""
        self._edge = 15
        """Where the stamp of the form seen last ends."""
        self._previous = ""
        """The last line, in case the next one says that it was repeated."""

    @property
    def latest(self) -> int:
        """The newest time that a line can have; a live source moves it on with its clock."""
        return self._stamps.latest

    @latest.setter
    def latest(self, at: int) -> None:
        """Moves it on."""
        self._stamps.latest = at

    @property
    def newest(self) -> int:
        """The newest time of a line so far, or -1."""
        return self._stamps.newest

    def read(self, lines: Sequence[str], place: int) -> list[tuple[int, Fact]]:
        """What the lines tell. ``place`` is the number of the first; each fact comes with its line's."""
        return list(zip(*self.collect(lines, place), strict=True))

    def collect(self, lines: Sequence[str], place: int) -> tuple[list[int], list[Fact]]:
        """What `read` tells, as two lists: the numbers of the lines and the facts. A million pairs would take their time."""
        numbers: list[int] = []
        facts: list[Fact] = []
        seen, add = numbers.append, facts.append
        stamp_of, edge, origins = self._stamps.read, self._edge, self._origins.young
        front, behind = slice(edge), slice(edge, None)
        last, at, foreign = "", 0, 0
        if max(map(len, lines), default=0) > LONGEST:
            lines = self._without_long(lines)
        for number, line in enumerate(lines, place):
            head, _, message = line.partition(": ")
            try:
                process = origins[head[behind]]
                stamp = head[front]
                if stamp != last:
                    at, last = stamp_of(stamp), stamp
            except LookupError:
                if self._is_foreign(head, edge):
                    foreign += 1
                    continue
                process, at, message = self._unusual(line, lines[number - place - 1] if number > place else self._previous)
                last, edge, origins = "", self._edge, self._origins.young
                front, behind = slice(edge), slice(edge, None)
            if process is None:
                foreign += 1
                continue
            word, _, rest = message.partition(" ")
            handler = process.words.get(word)
            if handler is not None:
                found = handler(process, at, message)
            elif word == "message":
                found = self._repeated(process, at, message)
            else:
                found = process.other(at, message, word, rest)
            if found is NOTHING:
                continue
            if found is None:
                self._not_understood(line)
            elif isinstance(found, tuple):
                for fact in found:
                    seen(number)
                    add(fact)
            else:
                seen(number)
                add(found)
        if lines:
            self._previous = lines[-1]
        self._count(len(lines), foreign)
        return numbers, facts

    def _is_foreign(self, head: str, edge: int) -> bool:
        """Whether a line's head is of one more process of a program that is no mail daemon; its stamp counts."""
        program, bracket, pid = head[edge:].partition("[")
        if program not in self._foreign or not bracket or pid[-1:] != "]" or not pid[:-1].isdecimal():
            return False
        try:
            self._stamps.read(head[:edge])
        except NoStampError:
            return False
        return True

    def _without_long(self, lines: Sequence[str]) -> Sequence[str]:
        """The lines, empty ones in the place of those that are too long to be read."""
        self.coverage.cut += sum(len(line) > LONGEST for line in lines)
        return [line if len(line) <= LONGEST else "" for line in lines]

    def _unusual(self, line: str, previous: str) -> tuple[Process | None, int, str]:
        """Process, time and message of a line that the short way does not lead to."""
        framed = frame(line, self._daemon)
        if framed is None:
            return None, 0, ""
        try:
            at = self._time(framed.stamp)
        except NoStampError:
            return None, 0, ""
        if framed.tag == framing.REPEATED:
            again = frame(previous, self._daemon)
            if again is None or again.host != framed.host or again.tag == framing.REPEATED:
                return None, at, ""
            times = framed.message.split(" ")[3]
            return self._process(again), at, f"message repeated {times} times: [ {again.message}]"
        process = self._process(framed)
        if framed.edge:
            self._edge = framed.edge
            origin = line.partition(": ")[0][framed.edge :]
            if len(origin) <= MEMO_LENGTH:
                self._origins.put(origin, process)
                if process is None and framed.pid:
                    if len(self._foreign) >= MEMO:
                        self._foreign.clear()
                    self._foreign[origin.partition("[")[0]] = None
        return process, at, framed.message

    def _time(self, stamp: str | int) -> int:
        if isinstance(stamp, int):
            return self._stamps.clamp(stamp)
        return self._stamps.read(stamp) if stamp else self._stamps.latest

    def _process(self, framed: Framed) -> Process | None:
        """The process that a line names, made where it is new."""
        key = (framed.host, framed.tag, framed.pid)
        try:
            return self._processes.find(key)
        except KeyError:
            pass
        host = self._hosts.get(framed.host)
        if host is None:
            host = Host(framed.host, self._default_domain, self._domains)
            self._hosts.put(framed.host, host)
        found, name = next(((process, grammar.__module__) for grammar in GRAMMARS if (process := grammar(host, framed.tag)) is not None), (None, ""))
        if found is not None:
            if len(self.daemons) < HOSTS:
                self.daemons[framed.host, name.rpartition(".")[2]] = None
            found.shared = not framed.pid
        self._processes.put(key, found)
        return found

    def _repeated(self, process: Process, at: int, message: str) -> Yield:
        """Unfolds what rsyslog folded: it happened that often, after the line that was written."""
        folded = _REPEATED.fullmatch(message)
        if folded is None:
            return process.read(at, message)
        inner = folded[2]
        facts: list[Fact] = []
        for _ in range(min(int(folded[1]), REPEATS)):
            found = process.read(at, inner)
            if found is None:
                return None
            if not isinstance(found, tuple):
                facts.append(found)
            elif found:
                facts.extend(found)
            else:
                break  # what tells nothing once tells nothing the next time
        return tuple(facts) if facts else NOTHING

    def _not_understood(self, line: str) -> None:
        """Keeps a sample of the shapes that no grammar knew."""
        coverage = self.coverage
        coverage.understood -= 1
        framed = frame(line, self._daemon)
        words = framed.message[:100].split(" ")[:4] if framed is not None else []
        shape = " ".join([framed.tag if framed is not None else "", *(_VARIABLE.sub("*", word) for word in words)])
        if shape in coverage.shapes or len(coverage.shapes) < SHAPES:
            coverage.shapes[shape] = coverage.shapes.get(shape, 0) + 1

    def _count(self, lines: int, foreign: int) -> None:
        """Counts a batch; what was not understood has been taken off before."""
        self.coverage.lines += lines
        self.coverage.mail_lines += lines - foreign
        self.coverage.understood += lines - foreign

    def dump(self) -> bytes:
        """All that is remembered, to be saved with the cursor of the source."""
        processes = [(*key, process.dump()) for key, process in self._processes.items() if process is not None]
        saved = _Saved(
            {name: host.dump() for name, host in self._hosts.items()},
            [entry for entry in processes if entry[3] is not None],
            self._stamps.newest,
            self._previous,
            self.coverage,
        )
        return msgspec.msgpack.encode(saved)

    def load(self, saved: bytes) -> None:
        """Takes back what `dump` gave. Raises ValueError where the bytes are not its work."""
        state = msgspec.msgpack.decode(saved, type=_Saved)
        for table in (self._hosts, self._processes, self._origins):
            table.clear()
        for name, tables in state.hosts.items():
            host = Host(name, self._default_domain, self._domains)
            host.load(tables)
            self._hosts.put(name, host)
        for of_host, tag, pid, memory in state.processes:
            process = self._process(Framed("", of_host, tag, pid, ""))
            if process is not None:
                process.load(memory)
        self._stamps.newest = state.newest
        self._previous = state.previous
        self.coverage = state.coverage


def time_of(timezone: tzinfo, year: int | None, latest: int, daemon: str = "") -> Callable[[str], int | None]:
    """A function that tells when the lines of one source were written, in microseconds; None for a line that does not say."""
    stamps = Stamps(timezone, year, latest)

    def read(line: str) -> int | None:
        framed = frame(line, daemon)
        if framed is None or framed.stamp == "":
            return None
        try:
            return framed.stamp if isinstance(framed.stamp, int) else stamps.read(framed.stamp)
        except NoStampError:
            return None

    return read
