"""The process that owns CAP_NET_ADMIN.

Job: carry out `messages` on nf_tables and on this host's sockets. Promise: it holds no other right, decides nothing, reads nothing that a peer
wrote, and ends by itself when the main process is gone, leaving elements to run out or, as set, lifting them. Limits: started by `link` alone. It
is two processes: a keeper that only waits, and the worker that it forks, so that a worker that died is replaced even where the main process has
given its own rights away.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from msgspec import DecodeError

from gatepost.outlets.nftables import ruleset
from gatepost.outlets.nftables.capabilities import Capability, drop_capabilities
from gatepost.outlets.nftables.drops import Drops
from gatepost.outlets.nftables.libnftables import CURES, Libnftables, NftablesError
from gatepost.outlets.nftables.messages import (
    MOST_FRAME,
    Apply,
    Done,
    End,
    Failed,
    Key,
    Layout,
    Probe,
    Put,
    Read,
    Reply,
    Request,
    Seen,
    Stop,
    frame,
    request,
)
from gatepost.outlets.nftables.netlink import NftablesReader
from gatepost.outlets.nftables.sockets import Sockets
from gatepost.outlets.nftables.writer import NftablesWriter

SLICE = 2000
"""Elements in a slice of a deep look: a hold waits no longer than for one."""


class Worker:
    """What the worker knows: one context of libnftables, what our table looked like after our last change, and a deep look under way."""

    def __init__(self) -> None:
        self._library: Libnftables | None = None
        self._reader: NftablesReader | None = None
        self._sockets: Sockets | None = None
        self._writer: NftablesWriter | None = None
        self._layout: Layout | None = None
        self._looks: tuple[tuple[bytes, ...], ...] = ()
        self._generation = 0
        self._slices: Iterator[Seen] | None = None
        self._drops = Drops()
        self._proving: tuple[tuple[bytes, ...], ...] = ()
        """What stands for a proof, in the words of `NftablesReader.structure`."""

    def answer(self, message: Request) -> Reply:
        """Carries out a request."""
        try:
            if isinstance(message, Apply):
                return self._apply(message)
            if isinstance(message, Read):
                return self._read(message)
            return self._stop(message)
        except NftablesError as wrong:
            return Failed(wrong.code, str(wrong))
        except PermissionError:
            return Failed("rights", CURES["rights"])
        except FileNotFoundError:
            return Failed("missing", "a set is not there any more")
        except OSError as wrong:
            return Failed("kernel", f"{CURES['kernel']} ({os.strerror(wrong.errno or 0)})")

    def orphaned(self) -> None:
        """The main process is gone: the table stays or goes, as the layout says."""
        if self._layout is not None:
            self.answer(Stop(self._layout.lift_at_end, self._layout.table))

    def _stop(self, message: Stop) -> Reply:
        if message.lift:
            self._open().run(ruleset.removal(message.table))
        return Done()

    def _open(self) -> Libnftables:
        if self._library is None:
            self._look()
            self._library = Libnftables()
        return self._library

    def _look(self) -> NftablesReader:
        if self._reader is None:
            reader = NftablesReader()
            self._generation = reader.generation()
            self._reader = reader
        return self._reader

    def _apply(self, change: Apply) -> Reply:
        start = time.perf_counter_ns()
        fresh = False
        if change.probe is not None:
            self._probe(change.probe)
        elif change.layout is not None:
            fresh = self._build(change, change.layout)
        elif change.put or change.take:
            if self._layout is None:
                return Failed("missing", "no table was built yet")
            if change.fresh and not change.take:
                self._put(change.put, self._layout.table)
            else:
                self._open().run(ruleset.commands(change, self._layout.table))
            self._generation += 1
        if change.ends:
            self._end(change.ends)
        return Done((time.perf_counter_ns() - start) // 1000, fresh)

    def _put(self, puts: Sequence[Put], table: str) -> None:
        if self._writer is None:
            self._writer = NftablesWriter()
        try:
            self._writer.put(table, puts)
        except (PermissionError, FileNotFoundError):
            raise
        except OSError as wrong:
            raise NftablesError("refused", f"the kernel takes no more elements ({os.strerror(wrong.errno or 0)})") from None

    def _probe(self, probe: Probe) -> None:
        """Begins to drop what a proof sends, or ends it."""
        if self._layout is None:
            raise NftablesError("missing", "no table was built yet")
        table, reader = self._layout.table, self._look()
        if self._proving:
            rules, self._proving = [each for each in self._proving if len(each) == 3 and each[1] == b"prerouting\0"], ()
            self._open().run(ruleset.probe_removal(table, int.from_bytes(rules[0][2], "big")))
            self._generation += 1
        if probe.drop:
            before = set(reader.structure(table))
            self._open().run(ruleset.probe(table, probe.address, probe.port))
            self._generation += 1
            self._proving = tuple(each for each in reader.structure(table) if each not in before)

    def _build(self, change: Apply, layout: Layout) -> bool:
        """Builds the table, or makes it what it should be, keeping the elements of its sets; returns whether there was none."""
        library, reader = self._open(), self._look()
        known = {ruleset.set_name(key) for key in layout.keys}
        stale = [name for name in reader.sets(layout.table) if name not in known]
        fresh = not reader.structure(layout.table)
        self._drops.see(reader.counters(layout.table))  # the rules are made anew, and begin at nothing
        try:
            library.run(ruleset.commands(change, layout.table, stale=stale))
        except NftablesError as wrong:
            if fresh or wrong.code in ("rights", "library"):
                raise
            # What stands was built by another version, or by somebody else: it cannot be changed into ours.
            library.run(ruleset.commands(change, layout.table, anew=True))
            fresh = True
        self._layout, self._proving = layout, ()
        self._looks = reader.structure(layout.table)
        if not self._looks:  # what is not there now must not be what is looked for from now on
            raise NftablesError("missing", "somebody else removed our table as it was made")
        self._generation = reader.generation()
        return fresh

    def _end(self, ends: list[End]) -> None:
        try:
            if self._sockets is None:
                self._sockets = Sockets()
            self._sockets.end(ends)
        except OSError as wrong:
            said = f"connections of held clients stay open: the kernel cannot end them (CONFIG_INET_DIAG_DESTROY; {os.strerror(wrong.errno or 0)})"
            raise NftablesError("refused", said) from None

    def _read(self, message: Read) -> Reply:
        if self._layout is None:
            found = [ruleset.key_named(name) for name in self._look().sets(message.table)]
            return Seen(touched=True, intact=False, keys=tuple(key for key in found if key is not None))
        if message.deep:
            return self._slice(self._layout)
        self._slices = None
        reader = self._look()
        self._drops.see(reader.counters(self._layout.table))
        now = reader.generation()
        touched, self._generation = now != self._generation, now
        intact = not touched or tuple(each for each in reader.structure(self._layout.table) if each not in self._proving) == self._looks
        return Seen(touched, intact, dropped=self._drops.totals())

    def _slice(self, layout: Layout) -> Seen:
        if self._slices is None:
            self._slices = self._all_slices(layout)
        found = next(self._slices, None)
        if found is None:
            self._slices = None
            return Seen(touched=False, intact=True)
        return found

    def _all_slices(self, layout: Layout) -> Iterator[Seen]:
        reader = NftablesReader()  # of its own: changes go on between the slices
        try:
            for key in layout.keys:
                yield from _slices(reader, layout.table, key)
        finally:
            reader.close()


def _slices(reader: NftablesReader, table: str, key: Key) -> Iterator[Seen]:
    held: list[tuple[bytes, int]] = []
    torn = False
    for found, changed in reader.elements(table, ruleset.set_name(key)):
        torn = torn or changed
        held += found
        if len(held) >= SLICE:
            yield Seen(touched=False, intact=True, key=key, elements=held, torn=torn, done=False)
            held = []
    yield Seen(touched=False, intact=True, key=key, elements=held, torn=torn, done=False)


def work(link: socket.socket) -> None:
    """Answers requests until the main process says stop or is gone."""
    worker = Worker()
    with link, link.makefile("rb") as stream:
        while True:
            try:
                message = request(_body(stream))
                answer = worker.answer(message)
                link.sendall(frame(answer))
            except (DecodeError, OSError):  # gone, or talking nonsense
                worker.orphaned()
                return
            if isinstance(message, Stop):
                return


def _body(stream: BinaryIO) -> bytes:
    """The next frame's content; empty where none comes any more."""
    head = stream.read(4)
    length = int.from_bytes(head, "big")
    return stream.read(length) if len(head) == 4 and length <= MOST_FRAME else b""


def keep(control: socket.socket) -> None:
    """Forks a worker for each byte that comes and hands over a socket to it; ends when the main process is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    while control.recv(1):
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            ours.close()
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                work(theirs)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(2)
            os._exit(0)
        theirs.close()
        socket.send_fds(control, [b"w"], [ours.fileno()])
        ours.close()


def main() -> None:
    """``python -m gatepost.outlets.nftables.helper FD``: the keeper, on a socket that the main process left open."""
    # A terminal's Ctrl-C reaches the whole group: what then is to be done the main process says.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    drop_capabilities(keep=(Capability.NET_ADMIN,))
    with socket.socket(fileno=int(sys.argv[1])) as control:
        keep(control)


if __name__ == "__main__":
    main()
