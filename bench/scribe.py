"""Who writes the lines: processes, ids, people and addresses of an invented mail server.

Job: the pending lines in the order of their time, process ids that serve one session at a time, queue ids, clients and accounts.
Promise: the same seed gives the same lines; memory holds open sessions only, however many lines or addresses there are.
Limits: no real address or name ever appears. IPv4 addresses come from 240.0.0.0/4, which is reserved and used by nobody, IPv6 ones from
2001:db8::/32; names end in example.org, .net or .com.
"""

import heapq
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

SECOND = 1_000_000
"""Microseconds: all times here are whole microseconds since 1970 UTC."""

FIRST_NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "heidi", "ivan", "judy", "laura", "nina", "oscar", "peggy", "rupert", "sybil")
LAST_NAMES = ("archer", "baker", "cooper", "draper", "fisher", "gardner", "harper", "judge", "mason", "naylor", "porter", "sawyer", "turner")
DOMAINS = ("example.org", "example.org", "example.org", "example.net", "example.com")
ROLE_NAMES = ("info", "admin", "sales", "support", "office", "contact", "test", "webmaster", "postmaster", "billing", "scanner", "root", "user")


class Client(NamedTuple):
    """An address as the daemons write it, the name that its PTR gives, and the network that rules about log-ins see."""

    address: str
    name: str
    network: str

    @property
    def namaddr(self) -> str:
        """The way Postfix writes a client."""
        return f"{self.name}[{self.address}]"


class Fact(NamedTuple):
    """What a line tells about a client, in the words of Gatepost's design."""

    kind: str
    protocol: str
    client: Client
    weight: int = 1
    """Attempts, for a failed log-in; for an ended session, whether it was a bad one (1) or not (0)."""


Line = tuple[int, int, str, tuple[Fact, ...]]
"""Time, number, text behind the stamp, facts."""


def make_client(index: int, name: str = "") -> Client:
    """The client of a number: every seventh has an IPv6 address. A number's address is always the same, and no two numbers share one."""
    if index % 7 == 3:
        mixed = index * 1_327_217_885 % 2**31
        network = f"2001:db8:{mixed >> 15:x}:{(mixed & 0x7FFF) + 1:x}::"
        return Client(f"{network}{index % 60_000 + 1:x}", name or _name(index), network + "/64")
    mixed = index * 40_503_221 % 2**28
    address = f"{240 + (mixed >> 24)}.{mixed >> 16 & 255}.{mixed >> 8 & 255}.{mixed & 255}"
    return Client(address, name or _name(index), address)


def _name(index: int) -> str:
    if index % 5 < 3:
        return "unknown"
    return f"host-{index}.pool.example.net" if index % 5 == 3 else f"mail{index}.example.com"


def roaming(client: Client, number: int) -> Client:
    """Another address of the same /64, for IPv6; the same client for IPv4."""
    return client if client.network == client.address else client._replace(address=f"{client.network[:-3]}{number % 60_000 + 7:x}")


def make_account(index: int) -> str:
    """A mailbox of the server."""
    first, rest = index % len(FIRST_NAMES), index // len(FIRST_NAMES)
    last = LAST_NAMES[rest % len(LAST_NAMES)]
    again = rest // len(LAST_NAMES)
    return f"{FIRST_NAMES[first]}.{last}{again or ''}@{DOMAINS[index % len(DOMAINS)]}"


class Pool:
    """Process ids, each serving one session at a time, as Postfix's processes do: `take` gives one that is free at that time."""

    def __init__(self, scribe: "Scribe", uses: int = 100) -> None:
        self._scribe = scribe
        self._free: list[tuple[int, int, int]] = []
        self._uses = uses

    def take(self, at: int, until: int) -> int:
        """A process that is busy from ``at`` to ``until``."""
        if self._free and self._free[0][0] < at:
            _, pid, uses = heapq.heappop(self._free)
        else:
            pid, uses = self._scribe.new_pid(), 0
        if uses + 1 < self._uses:
            heapq.heappush(self._free, (until, pid, uses + 1))
        return pid


class Scribe:
    """Collects the lines of sessions that overlap, and hands them out in the order of time."""

    def __init__(self, rng: Random, host: str = "mx1", domain: str = "example.org") -> None:
        self.rng = rng
        self.host = host
        self.name = f"{host}.{domain}"
        self.local = "198.51.100.25"
        """The server's own address, which Dovecot writes as lip."""
        self._pending: list[Line] = []
        self._number = 0
        self._pid = 1200
        self._inode = 0x40000
        self._worker = 0
        self._prefix = f" {host} "
        self.smtpd, self.submission, self.cleanup, self.lmtp, self.smtp = (Pool(self) for _ in range(5))
        self.dovecot_lmtp = Pool(self)
        self.qmgr, self.anvil, self.postscreen, self.auth = (self.new_pid() for _ in range(4))

    def new_pid(self) -> int:
        """A process id not used recently; they wrap as Linux's do by default."""
        self._pid += 1 + self._pid % 3
        if self._pid > 4_194_000:
            self._pid = 1200
        return self._pid

    def queue_id(self, at: int) -> str:
        """A short queue id as Postfix makes it: the microseconds, then the queue file's inode."""
        self._inode = 0x40000 + (self._inode - 0x3FFFF) % 0x3FFFF
        return f"{at % SECOND:05X}{self._inode:X}"

    def session_id(self) -> str:
        """A Dovecot session id."""
        bits = self.rng.getrandbits(96)
        return "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[bits >> 6 * n & 63] for n in range(16))

    def worker(self) -> int:
        """The number of an auth-worker request."""
        self._worker += 1
        return self._worker

    def put(self, at: int, tag: str, text: str, *facts: Fact) -> None:
        """One line of a daemon, to be written at its time."""
        self._number += 1
        heapq.heappush(self._pending, (at, self._number, f"{self._prefix}{tag}: {text}\n", facts))

    def drain(self, until: int) -> Iterator[Line]:
        """The lines before a time, in order. Nothing may be put before that time afterwards."""
        pending = self._pending
        while pending and pending[0][0] < until:
            yield heapq.heappop(pending)
