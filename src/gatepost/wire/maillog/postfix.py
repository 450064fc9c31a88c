"""Postfix's messages: which of its daemons a tag names, and who reads it.

Job: the way in to Postfix's grammar. `postfix_smtpd` reads the sessions, `postfix_reject` what cleanup and smtpd refuse, `postfix_queue` the
messages' ways by queue id, `postscreen` what is tested before a session.
Promise: any instance (``postfix-out/smtpd``) and any service name (``postfix/submission/smtpd``) is known by the daemon at its end.
Limits: where the logging system cut the service off (rsyslog's RFC 5424: ``postfix`` alone), the messages themselves tell which daemon wrote
them; all that neither smtpd nor postscreen nor the queue writes then counts as understood.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gatepost.wire.maillog.grammar import NOTHING, Host, Process, Yield, names
from gatepost.wire.maillog.postfix_queue import Daemon
from gatepost.wire.maillog.postfix_reject import Cleanup
from gatepost.wire.maillog.postfix_smtpd import Smtpd
from gatepost.wire.maillog.postscreen import Postscreen

DAEMONS = frozenset(
    names(
        "anvil bounce cleanup defer discard dnsblog error flush lmtp local master nqmgr oqmgr pickup pipe postalias postdrop postfix-script postkick"
        " postlog postlogd postmap postqueue postscreen postsuper proxymap proxywrite qmgr qmqpd relay retry scache sendmail showq smtp smtpd"
        " spawn tlsmgr tlsproxy trace trivial-rewrite verify virtual"
    )
)
SERVICES = ("submissions", "submission", "smtps")
"""Names of services that can stand in an instance's name, as in ``postfix-submission/smtpd``."""


def process(host: Host, tag: str) -> Process | None:
    """The reader of what Postfix writes under this tag, as ``postfix/submission/smtpd``; None where it is not Postfix's."""
    instance, slash, path = tag.partition("/")
    if not slash:
        return Unnamed(host) if tag == "postfix" or (tag.startswith("postfix-") and tag not in DAEMONS) else None
    service, _, daemon = path.rpartition("/")
    if daemon not in DAEMONS and not instance.startswith("postfix"):
        return None
    if daemon == "smtpd":
        return Smtpd(host, service or next((name for name in SERVICES if instance.endswith(f"-{name}")), "smtp"))
    if daemon == "postscreen":
        return Postscreen(host)
    return Cleanup(host) if daemon == "cleanup" else Daemon(host)


class Unnamed(Smtpd):
    """All daemons under one name, where the logging system cut the service off: a message's own form tells who wrote it."""

    __slots__ = ("screen", "tls")

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.screen = Postscreen(host)
        self.tls = False
        """The process is tlsproxy, which says CONNECT and DISCONNECT of connections that postscreen tells of as well."""

    def arrival(self, at: int, message: str) -> Yield:
        """``connect from`` is smtpd's; ``connect to`` is a delivery agent's, and the address a server's."""
        return self.connect(at, message) if message[:13] == "connect from " else NOTHING

    def noqueue(self, at: int, message: str) -> Yield:
        """postscreen has no host name before the bracket."""
        _, found, rest = message[:64].partition(" from ")
        return self.screen.noqueue(at, message) if found and rest[:1] == "[" else super().noqueue(at, message)

    def screened(self, at: int, message: str) -> Yield:
        """A message that begins with one of postscreen's words."""
        word = message.partition(" ")[0]
        if word == "CONNECT":
            self.tls = " to [" not in message
        return NOTHING if self.tls else Postscreen.words[word](self.screen, at, message)

    def other(self, at: int, message: str, word: str, rest: str) -> Yield:
        """What smtpd does not know is another daemon's, and tells nothing."""
        return super().other(at, message, word, rest) or NOTHING

    def dump(self) -> Any:
        """Both memories."""
        own, screen = super().dump(), self.screen.dump()
        return None if own is None and screen is None and not self.tls else [own, screen, self.tls]

    def load(self, state: Any) -> None:
        """Takes back what `dump` gave."""
        own, screen, self.tls = state
        if own is not None:
            super().load(own)
        if screen is not None:
            self.screen.load(screen)

    words: ClassVar[Mapping[str, Callable[[Any, int, str], Yield]]] = {
        **Smtpd.words,
        **dict.fromkeys([word for word in Postscreen.words if word not in Smtpd.words], screened),
        "connect": arrival,
        "NOQUEUE:": noqueue,
    }
