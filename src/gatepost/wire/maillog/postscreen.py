"""postscreen's messages: clients that are tested before an smtpd sees them.

Job: tell of the connections that postscreen keeps to itself, and of what its tests caught.
Promise: a connection counts once: where postscreen hands it on (``PASS``), smtpd's own ``connect`` tells of it. The client is the first
``[address]:port``, which postscreen writes before anything that the peer sent.
Limits: a connection that it keeps is told when it ends. Whether a deep test refused (450) or the peer left by itself before ``PASS NEW`` is
told apart by the rejection alone.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gatepost.core.facts import Connected, ProtocolAbused, Rejected, SessionEnded
from gatepost.wire.maillog.grammar import NOBODY, NOTHING, Host, Process, Yield, names
from gatepost.wire.maillog.postfix_queue import Queue
from gatepost.wire.maillog.postfix_reject import HEAD, STAGES, reason, recipient, temporary
from gatepost.wire.maillog.recent import Recent

PEERS = 4_096

NEW, OLD, BUSY = "new", "old", "busy"
"""What is known of a connection before its end: it passed all tests now, or before; or the server refused it or told it to come back."""

QUIET = names(
    "HANGUP WHITELISTED BLACKLISTED ALLOWLISTED DENYLISTED WHITELIST ALLOWLIST ENFORCE DROP SKIP UNPASS UNFAIL NOFORWARD DATA BDAT"
    " cache entering leaving close warning: fatal: error: panic: using table statistics: reload replacing lost initializing timeout"
)


class Postscreen(Process):
    """The one postscreen process of an instance."""

    __slots__ = ("open", "peers")

    def __init__(self, host: Host) -> None:
        super().__init__(host, "smtp", "smtp")
        self.peers = Queue.of(host).peers
        self.open: Recent[str, str] = Recent(PEERS)
        """What is known of a connection, by ``[address]:port``."""

    def connect(self, at: int, message: str) -> Yield:
        """``CONNECT from [address]:port to [address]:port``: told when it ends, or by smtpd."""
        self.open.pop(_peer(message))
        return NOTHING

    def passed(self, at: int, message: str) -> Yield:
        """``PASS NEW [address]:port`` or ``PASS OLD``."""
        self.open.put(_peer(message), NEW if message[5:8] == "NEW" else OLD)
        return NOTHING

    def disconnect(self, at: int, message: str) -> Yield:
        """``DISCONNECT [address]:port``: postscreen kept this connection to its end."""
        peer = _peer(message)
        known, client = self.open.pop(peer), self.peers[peer]
        if client is NOBODY or known == OLD:
            return NOTHING
        connected = Connected(at, self.host.name, "smtp", self.service, client)
        if known == NEW:
            return connected
        return connected, SessionEnded(at, self.host.name, "smtp", self.service, client, False, 0, False, known == BUSY)

    def noqueue(self, at: int, message: str) -> Yield:
        """``NOQUEUE: reject: RCPT from [address]:port: 550 5.7.1 ...``, or ``CONNECT ...: all server ports busy``."""
        head = HEAD.match(message, 9)
        if head is None:
            return NOTHING
        where, peer, digits, status = head.groups("")
        stage, text = STAGES.get(where, "rcpt"), message[head.end() :]
        code = int(digits or (421 if stage == "connect" else 0))
        client = self.peers[peer]
        why = reason(stage, code, status, text)
        if temporary(code, status) and self.open.get(peer) is None:
            self.open.put(peer, BUSY)
        if client is NOBODY:
            return NOTHING
        return Rejected(at, self.host.name, "smtp", self.service, client, why == "busy", stage, code, why, "", recipient(stage, text))

    def pregreet(self, at: int, message: str) -> Yield:
        """``PREGREET 11 after 0.1 from [address]:port: EHLO ...``."""
        return self._abused(at, message, "pregreet")

    def command(self, at: int, message: str) -> Yield:
        """``COMMAND PIPELINING from [address]:port after EHLO: ...`` and the limits of time, count and length."""
        return self._abused(at, message, "pipelining" if message[8:18] == "PIPELINING" else "command")

    def bare_newline(self, at: int, message: str) -> Yield:
        """``BARE NEWLINE from [address]:port after CONNECT``."""
        return self._abused(at, message, "bare_newline")

    def non_smtp(self, at: int, message: str) -> Yield:
        """``NON-SMTP COMMAND from [address]:port after CONNECT: GET / HTTP/1.1``."""
        return self._abused(at, message, "non_smtp_command")

    def dnsbl(self, at: int, message: str) -> Yield:
        """``DNSBL rank 5 for [address]:port``."""
        return self._abused(at, message, "dnsbl")

    def _abused(self, at: int, message: str, why: str) -> Yield:
        client = self.peers[_peer(message)]
        return NOTHING if client is NOBODY else ProtocolAbused(at, self.host.name, "smtp", self.service, client, False, why)

    def quiet(self, at: int, message: str) -> Yield:
        """A message that accuses nobody, or repeats what the end will tell."""
        return NOTHING

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """``[address]:port: replacing command ...``, or nothing that we know."""
        return NOTHING if message[:1] == "[" else None

    def dump(self) -> Any:
        """What is known of open connections."""
        return dict(self.open.items()) or None

    def load(self, state: Any) -> None:
        """Takes back what `dump` gave."""
        for peer, known in state.items():
            self.open.put(peer, known)

    words: ClassVar[Mapping[str, Callable[[Any, int, str], Yield]]] = {
        "CONNECT": connect,
        "PASS": passed,
        "DISCONNECT": disconnect,
        "NOQUEUE:": noqueue,
        "PREGREET": pregreet,
        "COMMAND": command,
        "BARE": bare_newline,
        "NON-SMTP": non_smtp,
        "DNSBL": dnsbl,
        "reject:": quiet,
        **dict.fromkeys(QUIET, quiet),
    }


def _peer(message: str) -> str:
    """The first ``[address]:port`` of a message, or an empty text."""
    start = message.find("[")
    closed = message.find("]:", start)
    if start < 0 or closed < 0:
        return ""
    end = closed + 2
    while message[end : end + 1].isdecimal():
        end += 1
    return message[start:end]
