"""Postfix's queue: which client and account a queue id belongs to.

Job: join what smtpd, cleanup, qmgr and the delivery agents say of one message, by its queue id, and tell when it was taken into the queue and
when it bounced. Promise: a message counts once: not again at a retry, nor when a content filter hands it back, in which case it keeps
belonging to its first client. Ids that are used again start anew. The table is bounded.
Limits: instances that share a host are taken to share one name space of ids. A message whose first lines we never saw is nobody's.
Local submissions (pickup), bounces and forwards have no client, and so tell nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from gatepost.core.facts import MessageAccepted, MessageBounced
from gatepost.core.subjects import Client
from gatepost.wire.maillog.grammar import MEMO, MEMO_LENGTH, NOBODY, NOTHING, Host, Process, Yield
from gatepost.wire.maillog.recent import Recent

IDS = 65_536
PROXIES = 256
SURE = 8
"""How often a proxy was seen to be one, at most counted: what it takes to forget it again."""

START = slice(4)
"""What follows a queue id tells by its first four characters who reads it."""

FAULTS = ("write queue file", "queue file size", "message not accepted, try again later", "No space left", "mail_queue_enter")
"""What cleanup says when the server itself could not take the message."""


class Entry(Struct, array_like=True, gc=False):
    """A message on its way."""

    id: str
    client: Client
    account: str
    service: str
    active: bool = False
    """The queue manager has taken it: the session delivered it."""
    told: bool = False
    """It was counted, perhaps under the id that it had before a content filter."""
    bounce: bool = False
    """Its sender is the null address: nobody submitted it."""
    fault: bool = False
    """The server could not take it."""


class Peers(dict[str, Client]):
    """The clients of Postfix's ``host[address]`` and ``host[address]:port``; `NOBODY` where it names none. Bounded, each made once.

    Postfix checks a host name before it believes it, so the first bracket is its own.
    """

    __slots__ = ("_host",)

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def __missing__(self, text: str) -> Client:
        address, closed, _ = text.partition("[")[2].partition("]")
        found = self._host.client(address) if closed else NOBODY
        if len(self) >= MEMO:
            self.clear()
        if len(text) <= MEMO_LENGTH:
            self[text] = found
        return found


class Queue:
    """What Postfix's processes of one host share: the messages, the proxies in front, and the memo of peers."""

    __slots__ = ("entries", "peers", "proxies")

    def __init__(self, host: Host) -> None:
        self.peers = Peers(host)
        self.proxies: dict[Client, int] = {}
        """Addresses that connect for other clients, and how often they did, up to `SURE`."""
        self.entries: Recent[str, Entry] = Recent(IDS)

    @classmethod
    def of(cls, host: Host) -> "Queue":
        """The one queue of a host."""
        found = host.tables.get("postfix")
        if isinstance(found, Queue):
            return found
        queue = host.tables["postfix"] = cls(host)
        if found is not None:
            queue.load(found)
        return queue

    def saw_proxy(self, client: Client) -> None:
        """A connection from there ended as another client's."""
        if client in self.proxies or len(self.proxies) < PROXIES:
            self.proxies[client] = min(self.proxies.get(client, 0) + 1, SURE)

    def saw_own_session(self, client: Client) -> None:
        """A connection from a supposed proxy ended as its own: a few of these (a health check, or lines that were lost before) undo it."""
        left = self.proxies.get(client, 0) - 1
        if left > 0:
            self.proxies[client] = left
        else:
            self.proxies.pop(client, None)

    def dump(self) -> Any:
        """Messages and proxies; the memo of peers is made anew."""
        return {"entries": [entry for _, entry in self.entries.items()], "proxies": self.proxies}

    def load(self, state: Any) -> None:
        """Takes back what `dump` gave."""
        self.entries.clear()
        for entry in msgspec.convert(state["entries"], list[Entry]):
            self.entries.put(entry.id, entry)
        self.proxies = msgspec.convert(state["proxies"], dict[Client, int])


class Daemon(Process):
    """Any Postfix daemon: reads the lines that begin with a queue id. All else that is no session's business is understood, and nothing."""

    __slots__ = ("peers", "queue")

    def __init__(self, host: Host, service: str = "smtp") -> None:
        super().__init__(host, "smtp", service)
        self.queue = Queue.of(host)
        self.peers = self.queue.peers

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """Reads ``QUEUEID: ...``."""
        handler = self.by_id.get(rest[START])
        if handler is not None:
            id, colon, more = word.partition(":")
            if colon and not more and id.isalnum():
                return handler(self, at, id, rest)
        if word == "warning:":
            self._blame(rest)
        return NOTHING

    def _blame(self, rest: str) -> None:
        """Remembers that the server could not take a message."""
        entry = self.queue.entries.get(rest.partition(":")[0])
        if entry is not None and any(fault in rest for fault in FAULTS):
            entry.fault = True

    def _from(self, at: int, id: str, rest: str) -> Yield:
        """``from=<sender>, size=1234, nrcpt=1 (queue active)``: read from its end, since the sender is the peer's text."""
        entry = self.queue.entries.get(id)
        if entry is None or rest[-14:] != "(queue active)":
            return NOTHING
        entry.active = True
        if rest[:7] == "from=<>":
            entry.bounce = True
        if entry.told:
            return NOTHING
        entry.told = True
        head, _, recipients = rest[:-15].rpartition(", nrcpt=")
        size = head.rpartition(", size=")[2]
        return MessageAccepted(at, self.host.name, "smtp", entry.service, entry.client, False, entry.account, _number(recipients) or 1, _number(size))

    def _to(self, at: int, id: str, rest: str) -> Yield:
        """``to=<recipient>, ..., dsn=5.1.1, status=bounced (reason)``: the first status is ours, a later one may be quoted from a peer."""
        if "status=bounced" not in rest:
            return NOTHING
        entry = self.queue.entries.get(id)
        status = rest.partition(", status=")[2]
        if entry is None or entry.bounce or not status.startswith("bounced"):
            return NOTHING
        recipient = rest[4:].partition(">, ")[0]
        return MessageBounced(at, self.host.name, "smtp", entry.service, entry.client, False, entry.account, recipient[:255])

    def _removed(self, at: int, id: str, rest: str) -> Yield:
        self.queue.entries.pop(id)
        return NOTHING

    def _local(self, at: int, id: str, rest: str) -> Yield:
        """``uid=0 from=<root>``: pickup starts a message that has no client; its id may have been another's."""
        self.queue.entries.pop(id)
        return NOTHING

    by_id: ClassVar[Mapping[str, Callable[[Any, int, str, str], Yield]]] = {
        "from": _from,
        "to=<": _to,
        "remo": _removed,
        "uid=": _local,
    }
    """The handlers by the first four characters after the queue id."""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
