"""Postfix's SMTP server: who connected, logged in, delivered, was refused, and how each session ended.

Job: read what one smtpd process writes, session after session.
Promise: the client is the first ``host[address]`` that Postfix itself wrote: whatever a peer sends stands behind it, or is not read for an
address. ``unknown[unknown]`` is nobody, and tells nothing.
Limits: the first connection of a proxy in front (XCLIENT) cannot be told from a client's: it is known when its session ends under another
address, and believed from then on. Which account logged in is only told with the first message, so a session that logs in and sends nothing
gives no `AuthSucceeded`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from gatepost.core.facts import AuthFailed, AuthSucceeded, Connected, ProtocolAbused, Rejected, SessionEnded, Stage
from gatepost.core.subjects import Client
from gatepost.wire.maillog.grammar import NOBODY, NOTHING, Host, Yield, names
from gatepost.wire.maillog.postfix_queue import START, Entry
from gatepost.wire.maillog.postfix_reject import STAGES, Cleanup, reason, temporary

NONE: tuple[Entry, ...] = ()
SESSION_MESSAGES = 1_000
"""Messages of one session that are remembered, in case its counters cannot tell."""

SERVER_FAULTS = (
    "Connection lost to authentication server",
    "Can't connect to authentication server",
    "Temporary authentication failure",
    "temporary",
    "Internal authentication failure",
    "Authentication backend error",
    "generic failure",
    "remote authentication server unavailable",
    "transient failure",
    "no memory available",
)
"""How a log-in fails by the server's own doing: Postfix's, Dovecot's and Cyrus SASL's words."""

REASONS = {
    "authentication failure": "password",
    "user not found": "unknown_user",
    "account disabled": "disabled",
    "Invalid authentication mechanism": "other",
    "no mechanism available": "other",
}
"""Why a log-in failed, where that is told; Dovecot does not tell Postfix."""

QUIET = names(
    "lost timeout SSL_accept Anonymous Trusted Untrusted Verified setting TLS fatal: error: panic: using table proxy-accept: Disabling auto"
    " xsasl_dovecot_server_connect initializing reject: bad milter-reject: connection sasl_exceptions: discarding refreshing abort Wrapper-mode"
    " Refusing statistics: unable open seek timeout: reload dict_eval:"
)
"""First words of smtpd's messages that tell nothing of a client."""

LIMITS: dict[str, Stage] = {
    "Connection concurrency limit exceeded": "connect",
    "Connection rate limit exceeded": "connect",
    "New TLS session rate limit exceeded": "helo",
    "AUTH command rate limit exceeded": "helo",
    "Message delivery request rate limit exceeded": "mail",
    "Recipient address rate limit exceeded": "rcpt",
}


class Smtpd(Cleanup):
    """The SMTP server: one session after the other."""

    __slots__ = ("client", "entries")

    def __init__(self, host: Host, service: str = "smtp") -> None:
        super().__init__(host, service)
        self._begin(NOBODY)

    def _begin(self, client: Client) -> None:
        self.client = client
        """Who connected, while the session lasts."""
        self.account = None
        self.fault = False
        self.entries: Sequence[Entry] = NONE
        """The messages that the session has begun."""

    def connect(self, at: int, message: str) -> Yield:
        """``connect from host[address]``."""
        client = self.peers[message[13:]]
        self._begin(NOBODY if self.shared else client)
        if client is NOBODY:
            return NOTHING
        return Connected(at, self.host.name, "smtp", self.service, client, client in self.queue.proxies)

    def disconnect(self, at: int, message: str) -> Yield:
        """``disconnect from host[address] ehlo=1 auth=0/1 quit=1 commands=2/3``; old versions write no counters."""
        peer, _, counters = message[16:].partition(" ")
        client = self.peers[peer]
        opened, entries = self.client, self.entries
        messages, authenticated = count(counters)
        if messages < 0:  # BDAT counts chunks, not messages; old versions count nothing
            messages = 1 if self.shared else sum(entry.active for entry in entries)
        fault = not messages and (self.fault or (entries is not NONE and any(entry.fault for entry in entries)))
        authenticated = authenticated or self.account is not None
        self._begin(NOBODY)
        if client is NOBODY:
            return NOTHING
        if opened != client and opened is not NOBODY:
            self.queue.saw_proxy(opened)
            connected = Connected(at, self.host.name, "smtp", self.service, client)
            return connected, SessionEnded(at, self.host.name, "smtp", self.service, client, False, messages, authenticated, fault)
        own = client in self.queue.proxies
        if own:
            self.queue.saw_own_session(client)
        return SessionEnded(at, self.host.name, "smtp", self.service, client, own, messages, authenticated, fault)

    def warning(self, at: int, message: str) -> Yield:
        """``warning: host[address]: SASL PLAIN authentication failed: reason, sasl_username=name``, and all other warnings."""
        who, _, rest = message[9:].partition(": ")
        if rest[:5] == "SASL " and "[" in who:
            return self._sasl(at, who, rest[5:])
        if rest and (stage := LIMITS.get(who)) is not None:
            return self._limited(at, stage, rest)
        if who.startswith("non-SMTP command from "):
            return self._abused(at, who[22:], "non_smtp_command")
        if who.startswith("improper command pipelining after "):
            return self._abused(at, who[34:].partition(" from ")[2], "pipelining")
        if who.startswith("not enough free space in mail queue") or "No space left" in rest:
            self.fault = True
        else:
            self._blame(message[9:])
        return NOTHING

    def _sasl(self, at: int, peer: str, said: str) -> Yield:
        """``METHOD authentication failed: reason[, sasl_username=name]``. A client that breaks off (``aborted``) tried no password."""
        client = self.peers[peer]
        method, _, outcome = said.partition(" authentication ")
        if client is NOBODY or outcome[:7] != "failed:":
            return NOTHING
        why, _, name = outcome[8:].partition(", sasl_username=")
        ours, told = failure(why)
        if ours:
            self.fault = True
        account = "" if name == "(unavailable)" else self.host.account(name)
        return AuthFailed(at, self.host.name, "smtp", self.service, client, ours, account, "", 1, method[:100], told)

    def _limited(self, at: int, stage: Stage, rest: str) -> Yield:
        """``61 from host[address] for service smtp``: a limit of anvil's, told to the client as 421 or 450."""
        client = self.peers[rest.partition(" from ")[2].partition(" ")[0]]
        self.fault = True
        if client is NOBODY:
            return NOTHING
        code = 421 if stage == "connect" else 450
        return Rejected(at, self.host.name, "smtp", self.service, client, True, stage, code, "busy", self.account or "")

    def noqueue(self, at: int, message: str) -> Yield:
        """``NOQUEUE: reject: ...``, and ``NOQUEUE: client=...`` where a filter stands before the queue."""
        handler = self.by_id.get(message[9:13])
        return NOTHING if handler is None else handler(self, at, "", message[9:])

    def _client(self, at: int, id: str, rest: str) -> Yield:
        """``client=host[address], sasl_method=PLAIN, sasl_username=name``: a message begins."""
        if rest[:7] != "client=":
            return NOTHING
        peer, _, more = rest[7:].partition(", ")
        client = self.peers[peer]
        logged_in: Yield = NOTHING
        if more[:5] == "sasl_" and self.account is None:
            logged_in = self._logged_in(at, client, more)
        if id:
            # Only one who has not logged in is believed to hand a message back: a user's name stands before these fields.
            plain = Entry(id, client, self.account or "", self.service)
            self._begun(self._handed_back(plain, more) if more[:5] == "orig_" else plain)
        if self.shared:
            self._begin(NOBODY)
        return logged_in

    def _begun(self, entry: Entry) -> None:
        """Remembers a message; one of nobody's only takes the id from whose it was before."""
        if entry.client is NOBODY:
            self.queue.entries.pop(entry.id)
            return
        self.queue.entries.put(entry.id, entry)
        if isinstance(self.entries, list):
            if len(self.entries) < SESSION_MESSAGES:
                self.entries.append(entry)
        else:
            self.entries = [entry]

    def _logged_in(self, at: int, client: Client, more: str) -> Yield:
        """The first message of a session tells who logged in. What follows the name is a peer's text, or nothing."""
        method, _, name = more.partition(", sasl_username=")
        self.account = self.host.account(name.partition(", sasl_sender=")[0])
        if client is NOBODY:
            return NOTHING
        return AuthSucceeded(at, self.host.name, "smtp", self.service, client, False, self.account, method.removeprefix("sasl_method="))

    def _handed_back(self, entry: Entry, more: str) -> Entry:
        """``orig_queue_id=ID, orig_client=host[address]``: a filter hands a message back, which stays that of its first client."""
        fields = dict(part.partition("=")[::2] for part in more.split(", "))
        first = self.queue.entries.get(fields.get("orig_queue_id", ""))
        if first is not None:
            return Entry(entry.id, first.client, first.account, first.service, told=True, bounce=first.bounce)
        return Entry(entry.id, self.peers[fields.get("orig_client", "")], "", entry.service, told="orig_queue_id" in fields)

    def proxy_reject(self, at: int, message: str) -> Yield:
        """``proxy-reject: END-OF-MESSAGE: 554 5.7.1 ...``: a filter before the queue refused; the line names no client, the session does."""
        where, _, reply = message.removeprefix("proxy-reject: ").partition(": ")
        code = int(reply[:3]) if reply[:3].isascii() and reply[:3].isdigit() else 0
        if temporary(code, ""):
            self.fault = True
        if self.client is NOBODY or self.client in self.queue.proxies:
            return NOTHING
        stage = STAGES.get(where, "data")
        why = reason(stage, code, reply[4:9], reply)
        return Rejected(at, self.host.name, "smtp", self.service, self.client, why == "busy", stage, code, why, self.account or "")

    def _proxy_reject(self, at: int, id: str, rest: str) -> Yield:
        return self.proxy_reject(at, rest)

    def pipelining(self, at: int, message: str) -> Yield:
        """``improper command pipelining after EHLO from host[address]: text``."""
        return self._abused(at, message.partition(" from ")[2], "pipelining")

    def too_many(self, at: int, message: str) -> Yield:
        """``too many errors after RCPT from host[address]``."""
        if message[:22] != "too many errors after ":
            return NOTHING
        return self._abused(at, message.partition(" from ")[2], "too_many_errors")

    def _too_many(self, at: int, id: str, rest: str) -> Yield:
        """From Postfix 3.10 on a queue id, or ``NOQUEUE``, stands before it."""
        return self.too_many(at, rest)

    def non_smtp(self, at: int, message: str) -> Yield:
        """``non-SMTP command from host[address]: text``."""
        return self._abused(at, message[22:], "non_smtp_command")

    def _abused(self, at: int, rest: str, why: str) -> Yield:
        """``rest`` begins with the peer; the peer's text follows after a colon."""
        client = self.peers[rest.partition(": ")[0]]
        return NOTHING if client is NOBODY else ProtocolAbused(at, self.host.name, "smtp", self.service, client, False, why)

    def quiet(self, at: int, message: str) -> Yield:
        """A message that accuses nobody: a lost connection, TLS, a notice about configuration."""
        return NOTHING

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """Reads ``QUEUEID: ...``; all else is not understood."""
        id, colon, more = word.partition(":")
        if more or not id.isalnum() or (rest and not colon):
            return None
        handler = self.by_id.get(rest[START])
        if handler is not None:
            return handler(self, at, id, rest)
        return None if id.isalpha() else NOTHING

    def dump(self) -> Any:
        """The open session, if there is one."""
        if self.client is NOBODY and not self.entries and self.account is None and not self.fault:
            return None
        return [self.client, self.account, self.fault, self.entries]

    def load(self, state: Any) -> None:
        """Takes back what `dump` gave; messages still in the queue are the queue's own entries."""
        client, self.account, self.fault, entries = state
        self.client = Client(client) if client else NOBODY
        saved = msgspec.convert(entries, list[Entry])
        self.entries = [self.queue.entries.get(entry.id) or entry for entry in saved]

    words: ClassVar[Mapping[str, Callable[[Any, int, str], Yield]]] = {
        "connect": connect,
        "disconnect": disconnect,
        "warning:": warning,
        "NOQUEUE:": noqueue,
        "proxy-reject:": proxy_reject,
        "improper": pipelining,
        "too": too_many,
        "non-SMTP": non_smtp,
        **dict.fromkeys(QUIET, quiet),
    }
    by_id: ClassVar[Mapping[str, Callable[[Any, int, str, str], Yield]]] = {
        **Cleanup.by_id,
        "clie": _client,
        "prox": _proxy_reject,
        "too ": _too_many,
    }


@lru_cache(maxsize=4096)
def failure(why: str) -> tuple[bool, str]:
    """Whether a failed log-in was the server's own doing, and its reason in our words."""
    ours = why.startswith(SERVER_FAULTS)
    return ours, "other" if ours else REASONS.get(why, "")


@lru_cache(maxsize=4096)
def count(counters: str) -> tuple[int, bool]:
    """Messages (-1 where the counters cannot tell) and whether a log-in succeeded, from ``ehlo=1 auth=0/1 data=1 commands=2/3``."""
    told = (part.partition("=") for part in counters.split())
    done = {name: int(number) for name, _, both in told if (number := both.partition("/")[0]).isdecimal() and len(number) < 10}
    if "commands" not in done or done.get("bdat"):
        return -1, done.get("auth", 0) > 0
    return done.get("data", 0), done.get("auth", 0) > 0
