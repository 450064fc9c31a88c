"""Those who send syslog, and what each of them tells.

Job: know who may send, keep a reader for each sender, so that the process ids of one host are never taken for another's, and report what lines tell.
Promise: bounded, whoever sends; what is dropped is counted by its reason; no fact is later than its arrival. Limits: over UDP anybody in between can
take any sender's address: list networks that nobody else can send from.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address, ip_network

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gatepost.core.facts import Fact
from gatepost.inlets.syslog_framing import line
from gatepost.wire.maillog.reader import Coverage, Reader
from gatepost.wire.maillog.recent import Recent

MOST = 256
"""Senders whose readers are kept; those that were silent for longest go first."""
MEMO = 4_096
VERSION = 1
LOCAL = "local"
"""The sender behind a socket of this host."""


class _Saved(Struct, array_like=True, frozen=True):
    version: int
    readers: dict[str, bytes]


class Senders:
    """All senders of one listener."""

    def __init__(
        self, networks: Iterable[str], reader: Callable[[], Reader], report: Callable[[Sequence[Fact], Sequence[str]], None], now: Callable[[], int]
    ) -> None:
        self.lines = self.facts = 0
        self.newest = 0
        """The newest time that a line told."""
        self.dropped: Counter[str] = Counter()
        """What was dropped, by reason: messages or connections."""
        self.unsaved = False
        """Whether lines were read since `dump`."""
        self._networks = [ip_network(each) for each in networks]
        self._make = reader
        self._report = report
        self._now = now
        self._known: dict[str, str] = {}
        self._readers: Recent[str, Reader] = Recent(MOST // 2)

    def known(self, address: str) -> str:
        """The sender at an address: its canonical text; empty where it may not send."""
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= MEMO:
                self._known.clear()
            found = self._known[address] = self._look_up(address)
        return found

    def _look_up(self, address: str) -> str:
        parsed = ip_address(address.partition("%")[0])
        parsed = (parsed.ipv4_mapped or parsed) if parsed.version == 6 else parsed
        return str(parsed) if any(parsed in network for network in self._networks) else ""

    def take(self, sender: str, messages: Iterable[bytes]) -> None:
        """Reads the messages of one sender, in their order, and reports what they tell."""
        lines = []
        for message in messages:
            if text := line(message):
                lines.append(text)
            else:
                self.dropped["empty"] += 1
        if not lines:
            return
        reader = self._readers.get(sender)
        if reader is None:
            reader = self._make()
            self._readers.put(sender, reader)
        now = self._now()
        reader.latest = now
        found = reader.read(lines, 0)
        self.lines += len(lines)
        self.unsaved = True
        self.newest = max(self.newest, reader.newest)
        if found:
            self.facts += len(found)
            facts = [fact if fact.at <= now else replace(fact, at=now) for _, fact in found]
            self._report(facts, [lines[number] for number, _ in found])

    @property
    def count(self) -> int:
        """Senders whose readers are kept."""
        return len(self._readers)

    def coverage(self) -> Coverage:
        """What the readers understood, together; the shapes are those of all."""
        total = Coverage()
        for _, reader in self._readers.items():
            part = reader.coverage
            total.lines += part.lines
            total.mail_lines += part.mail_lines
            total.understood += part.understood
            total.cut += part.cut
            total.shapes |= part.shapes
        return total

    def daemons(self) -> list[tuple[str, str]]:
        """The hosts and daemons whose lines came; a host that is not named is the sender."""
        return [(host or sender, daemon) for sender, reader in self._readers.items() for host, daemon in reader.daemons]

    def dump(self) -> bytes:
        """What the readers remember."""
        self.unsaved = False
        return msgspec.msgpack.encode(_Saved(VERSION, {sender: reader.dump() for sender, reader in self._readers.items()}))

    def load(self, saved: bytes | None) -> None:
        """Takes back what `dump` gave; what is damaged is left out."""
        try:
            readers = msgspec.msgpack.decode(saved, type=_Saved).readers if saved else {}
        except msgspec.MsgspecError:
            return
        for sender, memory in list(readers.items())[:MOST]:
            reader = self._make()
            try:
                reader.load(memory)
            except ValueError:
                continue
            self._readers.put(sender, reader)
