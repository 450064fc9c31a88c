"""Postfix's rejections: what was refused, at which stage, and why.

Job: read ``reject: RCPT from host[address]: 550 5.1.1 <x@y>: Recipient address rejected: User unknown; from=<> to=<x@y> ...``, as smtpd,
cleanup and postscreen write it, and give the reply a reason of ours.
Promise: the client is the first ``host[address]`` or, where a message's own header stands before it, the client of the queue id. Stage, code
and status are taken from where Postfix writes them.
Limits: a reason is guessed from the wording of the restrictions that Postfix ships and of common policy servers; the rest is ``policy``.
The texts can hold a peer's words, so a peer can spoil the reason of its own rejections, never more.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gatepost.core.facts import ProtocolAbused, Rejected, Stage
from gatepost.wire.maillog.grammar import NOBODY, NOTHING, Host, Yield
from gatepost.wire.maillog.postfix_queue import Daemon

STAGES: dict[str, Stage] = {
    "CONNECT": "connect",
    "HELO": "helo",
    "EHLO": "helo",
    "STARTTLS": "helo",
    "AUTH": "helo",
    "MAIL": "mail",
    "RCPT": "rcpt",
    "VRFY": "rcpt",
    "ETRN": "rcpt",
    "DATA": "data",
    "BDAT": "data",
    "END-OF-MESSAGE": "data",
}
"""Postfix's name of the moment, and ours."""

HEAD = re.compile(
    r"(?:milter-)?reject: ([A-Z-]{1,20}) from ([^ \[]{0,255}\[[^ \]]{0,64}\](?::[0-9]{1,5})?): "
    r"(?:([0-9]{3}) )?(?:([245]\.[0-9]{1,3}\.[0-9]{1,3}) )?"
)
"""The front of a rejection: stage, peer, code and status (RFC 3463), all the server's own."""

WORDINGS = (
    ("Relay access denied", "relay_denied"),
    ("blocked using", "dnsbl"),
    ("Sender address rejected", "sender"),
    ("Helo command rejected", "helo"),
    ("reylist", "greylisted"),
    ("raylist", "greylisted"),
    ("Service currently unavailable", "greylisted"),  # postscreen's deep tests: come back, and be let through
    ("Recipient address rejected: User unknown", "unknown_user"),
    ("Recipient address rejected: und", "unknown_user"),
    ("Recipient address rejected: unv", "unknown_user"),
    ("too many connections", "busy"),
    ("server ports busy", "busy"),
    ("Message content rejected", "content"),
    ("bare <LF> received", "content"),
    ("Relaying denied", "relay_denied"),
)
"""What the reply says, and what that means; the first that is found."""


def reason(stage: Stage, code: int, status: str, text: str) -> str:
    """Why something was refused, in our words."""
    if status[1:] == ".1.1":  # RFC 3463, 3.2: bad destination mailbox address
        return "unknown_user"
    for wording, found in WORDINGS:
        if wording in text:
            return found
    if status[1:3] == ".3" and code < 500:  # RFC 3463, 3.4: the mail system is full, or not accepting messages
        return "busy"
    return "content" if stage == "data" else "policy"


def temporary(code: int, status: str) -> bool:
    """Whether the peer was told to come back. A filter's refusal tells the status alone."""
    return 400 <= code < 500 or (not code and status[:1] == "4")


def recipient(stage: Stage, text: str) -> str:
    """The recipient that a rejection concerns: at the front, where the restriction is about it, else from the envelope; empty before RCPT."""
    if stage != "rcpt":
        return ""
    if text[:1] == "<":
        address, closed, rest = text[1:].partition(">: ")
        if closed and rest.startswith(("Recipient", "Relay")):
            return address[:255]
    return text.partition(" to=<")[2].partition(">")[0][:255]


CONTENT = ("reject: header ", "reject: body ", "reject: mime-error ", "reject: content ")


class Cleanup(Daemon):
    """A daemon that refuses: cleanup, and smtpd with more to say."""

    __slots__ = ("account", "fault")

    def __init__(self, host: Host, service: str = "smtp") -> None:
        super().__init__(host, service)
        self.account: str | None = None
        """Who logged in to smtpd's session, once a message told."""
        self.fault = False
        """The server answered 4xx in this session, or failed."""

    def _reject(self, at: int, id: str, rest: str) -> Yield:
        """``reject: RCPT from host[address]: 550 5.1.1 ...`` and a filter's ``milter-reject: ...``."""
        head = HEAD.match(rest)
        if head is None:
            return self._content(at, id, rest) if rest.startswith(CONTENT) else NOTHING
        where, peer, digits, status = head.groups("")
        stage, code, text = STAGES.get(where, "mail"), int(digits or 0), rest[head.end() :]
        client = self.peers[peer]
        why = reason(stage, code, status, text)
        entry = self.queue.entries.get(id) if id else None
        if why != "unknown_user" and temporary(code, status):
            self.fault = True
            if entry is not None:
                entry.fault = True
        if client is NOBODY:
            return NOTHING
        account = self.account or (entry.account if entry is not None else "")
        service = entry.service if entry is not None else self.service
        refused = Rejected(at, self.host.name, "smtp", service, client, why == "busy", stage, code, why, account, recipient(stage, text))
        if "bare <LF> received" in text:
            return refused, ProtocolAbused(at, self.host.name, "smtp", service, client, False, "bare_newline")
        return refused

    def _content(self, at: int, id: str, rest: str) -> Yield:
        """``reject: header Subject: ... from host[address]; ...: 5.7.1 text``: the message's own words come first, so the queue id tells whose."""
        entry = self.queue.entries.get(id) if id else None
        if entry is None:
            return NOTHING
        return Rejected(at, self.host.name, "smtp", entry.service, entry.client, False, "data", 0, "content", entry.account)

    by_id: ClassVar[Mapping[str, Callable[[Any, int, str, str], Yield]]] = {**Daemon.by_id, "reje": _reject, "milt": _reject}
