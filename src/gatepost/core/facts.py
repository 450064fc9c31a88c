"""What happened: the facts that inlets report.

Job: a type for each kind of fact, past tense, frozen. Promise: a fact says only what was seen; it carries its own time and the host that saw it.
Limits: a fact does not know its place in the order, nor whether it will be counted: the engine decides that, save that what is marked
``evidence_only`` never is.
"""

from typing import Literal

from msgspec import Struct

from gatepost.core.subjects import Client

Protocol = Literal["smtp", "imap", "pop3", "sieve", "http"]
Stage = Literal["connect", "helo", "mail", "rcpt", "data"]

PROTOCOLS: tuple[Protocol, ...] = ("smtp", "imap", "pop3", "sieve", "http")
STAGES: tuple[Stage, ...] = ("connect", "helo", "mail", "rcpt", "data")
REASONS = {
    "rejected": ("unknown_user", "relay_denied", "sender", "helo", "dnsbl", "content", "policy", "greylisted", "busy", "other"),
    "auth_failed": ("password", "unknown_user", "disabled", "other"),
    "protocol_abused": ("pregreet", "non_smtp_command", "too_many_errors", "bare_newline", "pipelining", "dnsbl", "command", "tls"),
}
"""The reasons that a fact of a kind can carry; an empty one is not known."""


def kind_name(name: str) -> str:
    """The name of a kind, ``session_ended``, from that of its class, ``SessionEnded``."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class Fact(Struct, frozen=True, gc=False, tag_field="kind", tag=kind_name):
    """Something that happened. ``at`` is in microseconds since 1970 UTC, ``host`` the machine that saw it, ``service`` the protocol's finer name."""

    at: int
    host: str
    protocol: Protocol
    service: str
    client: Client
    evidence_only: bool = False
    """Seen and kept, never counted: a repetition of what another line or inlet tells, or the server's own fault (the law, 5 and 7)."""


class Connected(Fact, frozen=True, gc=False):
    """A client opened a connection."""

    open: int = 0
    """How many connections of this client the inlet that saw it holds open, this one included; 0: not known, as from a log."""


class SessionEnded(Fact, frozen=True, gc=False):
    """A session came to its end."""

    messages: int = 0
    """Messages that the server accepted in it."""
    authenticated: bool = False
    server_at_fault: bool = False
    """Nothing was delivered because the server answered 4xx (unknown recipients apart), was busy, or failed."""
    refused: bool = False
    """We ourselves turned something away in it."""


class AuthFailed(Fact, frozen=True, gc=False):
    """A log-in failed by the client's doing."""

    account: str = ""
    secret: str = ""
    """A keyed hash of what was tried, empty where unknown; never the secret itself."""
    weight: int = 1
    """Attempts told by this one fact."""
    method: str = ""
    reason: str = ""
    session: str = ""


class AuthSucceeded(Fact, frozen=True, gc=False):
    """A log-in succeeded."""

    account: str = ""
    method: str = ""
    session: str = ""


class MessageAccepted(Fact, frozen=True, gc=False):
    """The server took responsibility for a message (RFC 5321, 4.2.5)."""

    account: str = ""
    recipients: int = 1
    size: int = 0
    """Bytes."""


class Rejected(Fact, frozen=True, gc=False):
    """The server refused a command of the client's."""

    stage: Stage = "rcpt"
    code: int = 0
    """The SMTP reply code, 400 to 599, or 0 where it was not told."""
    reason: str = ""
    account: str = ""
    recipient: str = ""


class MessageBounced(Fact, frozen=True, gc=False):
    """A message that this account or client submitted here came back from one of its recipients."""

    account: str = ""
    recipient: str = ""


class ProtocolAbused(Fact, frozen=True, gc=False):
    """The client spoke out of turn, or something else than the protocol."""

    reason: str = ""


class Held(Fact, frozen=True, gc=False):
    """A rule imposed a hold; made by the engine alone."""

    rule: str = ""
    by: str = ""
    subject: str = ""
    account: str = ""
    until: int = 0


class Refused(Fact, frozen=True, gc=False):
    """We turned the client away. Never counted."""

    stage: str = "connect"
    reason: str = ""
    account: str = ""
    country: str = ""
    """Where the client is registered, where that was the reason."""


AnyFact = Connected | SessionEnded | AuthFailed | AuthSucceeded | MessageAccepted | Rejected | MessageBounced | ProtocolAbused | Held | Refused
KINDS: dict[str, type[Fact]] = {kind_name(cls.__name__): cls for cls in Fact.__subclasses__()}
"""Each kind's name and type, in the order of declaration."""


def kind(of: Fact) -> str:
    """The name of a fact's kind, as ``connected``."""
    return kind_name(type(of).__name__)
