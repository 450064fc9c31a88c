"""What an administrator writes about a gateway.

Job: declare a `[gateway.NAME]`, and say what is wrong with it. Promise: a combination that would make the server behind an open relay is refused,
with the cure. Limits: whether the server behind takes the client's address as it is told is seen only when it does not.
"""

import re
from ipaddress import ip_network
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gatepost.core.facts import Protocol
from gatepost.pipeline.witness import Logs
from gatepost.wire.smtp_data import BareNewlines
from gatepost.wire.tap import StartTls

PROTOCOL: dict[str, Protocol] = {
    "smtp": "smtp",
    "submission": "smtp",
    "submissions": "smtp",
    "imap": "imap",
    "imaps": "imap",
    "pop3": "pop3",
    "pop3s": "pop3",
    "sieve": "sieve",
}
"""Each service's protocol."""
IMPLICIT_TLS = ("submissions", "imaps", "pop3s")
"""Services that are encrypted from the first byte (RFC 8314)."""
IDLE = {"smtp": 310, "imap": 1_860, "pop3": 610, "sieve": 1_860}
"""Seconds of silence: a little more than the servers' own five (RFC 5321, 4.5.3.2.7), thirty (RFC 9051, 5.4; RFC 5804, 1.2) and ten minutes
(RFC 1939, 3)."""
LONGEST = {"smtp": 4 * 3_600, "imap": 0, "pop3": 4 * 3_600, "sieve": 0}
"""Seconds that a session lasts at most; 0: as long as it likes."""
SUBMISSION = ("submission", "submissions", "smtps")
"""What logs call the SMTP services for users."""
_LOGGED = {587: ("submission",), 465: ("submissions", "smtps")}
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})")
_LABELS = re.compile(r"\.?[^\s@<>,\"]{1,253}")


class GatewayCertificate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more certificate, for clients that ask for one of its names (SNI)."""

    names: Annotated[tuple[str, ...], Meta(description="Host names in lower case; `*.example.net` stands for all one level below.", min_length=1)]
    certificate: Annotated[str, Meta(description="File of the certificate and its chain (PEM).", max_length=4096)]
    key: Annotated[str, Meta(description="File of its key (PEM).", max_length=4096)]


class GatewayTls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificate that clients see."""

    certificate: Annotated[str, Meta(description="File of the certificate and its chain (PEM).", max_length=4096)]
    key: Annotated[str, Meta(description="File of its key (PEM). Both are read anew when they change.", max_length=4096)]
    also: Annotated[tuple[GatewayCertificate, ...], Meta(description="More certificates, chosen by the name that a client asks for.")] = ()


class GatewayRelay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may send to whom."""

    local_domains: Annotated[
        tuple[str, ...], Meta(description="Domains that mail is taken for; `.example.org` stands for all below it.", examples=[["example.org"]])
    ]
    enforce: Annotated[bool, Meta(description="To other domains only who has logged in, or has an allow entry with the relay box.")] = False

    def __post_init__(self) -> None:
        """Raises ValueError where a domain is none."""
        for each in self.local_domains:
            if not _LABELS.fullmatch(each) or each != each.lower():
                raise ValueError(f"local_domains: {each!r} is no domain in lower case; write example.org, or .example.org for all below it")


class GatewaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gateway in front of a mail server."""

    listen: Annotated[tuple[str, ...], Meta(description="Addresses and ports.", min_length=1, max_length=32, examples=[["0.0.0.0:25", "[::]:25"]])]
    backend: Annotated[str, Meta(description="The server behind: host and port.", max_length=300, examples=["10.0.0.5:25"])]
    client_address: Annotated[
        Literal["proxy-v2", "proxy-v1", "xclient", "id", "none"],
        Meta(description="How the server behind is told who connects; id: IMAP's ID, as Dovecot takes it; none: it sees only this host."),
    ]
    tls: Annotated[GatewayTls | None, Meta(description="The certificate; without one nothing is seen behind STARTTLS.")] = None
    starttls: Annotated[
        Literal["auto", "hide", "pass"],
        Meta(
            description="Without a certificate: hide takes STARTTLS out, pass hands it on blindly; auto: hide where relaying is enforced or "
            "backend_tls is set, else pass."
        ),
    ] = "auto"
    logins_need_tls: Annotated[bool, Meta(description="With a certificate: no log-in before the session is encrypted.")] = True
    backend_tls: Annotated[
        Literal["none", "implicit", "starttls"],
        Meta(description="How the server behind is spoken to: in clear text, in TLS from the first byte, or in TLS after STARTTLS."),
    ] = "none"
    backend_ca: Annotated[
        str, Meta(description="Authorities of its certificate (PEM), which must be for its name; empty: it is not verified.", max_length=4096)
    ] = ""
    backend_name: Annotated[str, Meta(description="The name in its certificate, asked for by SNI; empty: the host in backend.", max_length=253)] = ""
    relay: Annotated[GatewayRelay | None, Meta(description="SMTP: relay control here.")] = None
    bare_newlines: Annotated[BareNewlines, Meta(description="SMTP: what becomes of a message with a bare CR or LF.")] = "refuse"
    refusal: Annotated[
        Literal["speak", "close"], Meta(description="Who is turned away is told so in the protocol, or sees the connection close.")
    ] = "speak"
    proxy_from: Annotated[
        tuple[str, ...],
        Meta(description="Balancers that must send the PROXY protocol (version 1 or 2); from others it is never taken.", max_length=1_000),
    ] = ()
    connections: Annotated[int, Meta(description="Connections at most.", ge=1, le=100_000)] = 5_000
    connections_of_one: Annotated[int, Meta(description="Connections of one address at most.", ge=1, le=100_000)] = 100
    idle: Annotated[int, Meta(description="Seconds of silence; 0: 310 on SMTP, 1860 on IMAP and ManageSieve, 610 on POP3.", ge=0, le=86_400)] = 0
    longest: Annotated[int, Meta(description="Seconds that a session lasts; 0: 4 hours on SMTP and POP3, else no limit.", ge=0, le=604_800)] = 0
    backend_wait: Annotated[int, Meta(description="Seconds until the server behind counts as away.", ge=1, le=120)] = 10
    drain: Annotated[int, Meta(description="Seconds that sessions get to end when Gatepost stops.", ge=0, le=600)] = 10
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="The names that the server behind has in its logs, which are then evidence only; empty: all.", max_length=100),
    ] = ()

    services: Annotated[
        tuple[str, ...],
        Meta(
            description="The services that the server behind names in its logs, as Postfix `submission` in `postfix/submission/smtpd`; "
            "empty: by the port of `backend`, as docs/gateway.md tells.",
            max_length=20,
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where a field is wrong by itself."""
        for each in self.listen:
            host, _ = endpoint("listen", each)
            if not re.fullmatch(r"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", host):
                raise ValueError(f"listen: {each!r} names no address; write it like 0.0.0.0:25 or [::]:25")
        endpoint("backend", self.backend)
        for each in self.proxy_from:
            try:
                ip_network(each)
            except ValueError as wrong:
                raise ValueError(f"proxy_from: {wrong}") from None

    def starttls_here(self) -> StartTls:
        """What becomes of STARTTLS."""
        if self.tls is not None:
            return "terminate"
        if self.starttls != "auto":
            return self.starttls
        return "hide" if self.backend_tls != "none" or (self.relay is not None and self.relay.enforce) else "pass"


class Gateways(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateways of this host, by service."""

    smtp: Annotated[GatewaySettings | None, Meta(description="SMTP, from other servers.")] = None
    submission: Annotated[GatewaySettings | None, Meta(description="SMTP, from users.")] = None
    submissions: Annotated[GatewaySettings | None, Meta(description="SMTP in TLS from the first byte.")] = None
    imap: Annotated[GatewaySettings | None, Meta(description="IMAP.")] = None
    imaps: Annotated[GatewaySettings | None, Meta(description="IMAP in TLS from the first byte.")] = None
    pop3: Annotated[GatewaySettings | None, Meta(description="POP3.")] = None
    pop3s: Annotated[GatewaySettings | None, Meta(description="POP3 in TLS from the first byte.")] = None
    sieve: Annotated[GatewaySettings | None, Meta(description="ManageSieve.")] = None

    def items(self) -> list[tuple[str, GatewaySettings]]:
        """Those that there are."""
        return [(service, found) for service in PROTOCOL if (found := getattr(self, service)) is not None]


def endpoint(field: str, text: str) -> tuple[str, int]:
    """Host and port of a text. Raises ValueError."""
    found = _HOST_PORT.fullmatch(text)
    if found is None or not 0 <= int(found[3]) <= 65_535:
        raise ValueError(f"{field}: {text!r} is no host and port; write 10.0.0.5:25 or [2001:db8::5]:25")
    return found[1] or found[2], int(found[3])


def logs_of(service: str, settings: GatewaySettings) -> Logs:
    """Which logs a gateway stands for. On SMTP the port of the server behind tells the service; where it does not, a gateway of port 25's stands for
    all but the submission services, and another for all. The logs of IMAP and POP3 servers do not tell one port from another."""
    named = settings.services or (_LOGGED.get(endpoint("backend", settings.backend)[1], ()) if PROTOCOL[service] == "smtp" else ())
    return Logs(settings.hosts, named, SUBMISSION if service == "smtp" and not named else ())


def check_gateway(service: str, settings: GatewaySettings) -> None:
    """Raises ValueError, whose text begins with the field, where the fields do not fit the service or each other."""
    protocol, way = PROTOCOL[service], settings.client_address
    if way == "xclient" and protocol == "imap":
        raise ValueError('client_address: IMAP knows no XCLIENT; write "id", or "proxy-v2"')
    if way == "xclient" and protocol == "sieve":
        raise ValueError('client_address: XCLIENT is not spoken on ManageSieve; write "proxy-v2"')
    if way == "id" and protocol != "imap":
        raise ValueError('client_address: ID belongs to IMAP; write "proxy-v2" or "xclient"')
    if (settings.backend_ca or settings.backend_name) and settings.backend_tls == "none":
        raise ValueError(
            'backend_tls: without TLS no certificate is verified; write "starttls" or "implicit", or leave backend_ca and backend_name out'
        )
    if settings.relay is not None and protocol != "smtp":
        raise ValueError("relay: belongs to SMTP; leave it out")
    if service in IMPLICIT_TLS and settings.tls is None:
        raise ValueError(f"tls: {service} begins with TLS; name certificate and key, or leave this gateway out")
    enforced = settings.relay is not None and settings.relay.enforce
    if protocol == "smtp" and way == "none" and not enforced:
        raise ValueError(
            "client_address: with none the server behind takes all mail for mail of this host, which it may relay: an open relay. "
            'Write "proxy-v2" or "xclient", or relay = { local_domains = [...], enforce = true }'
        )
    if enforced and settings.tls is None and settings.starttls == "pass":
        raise ValueError('starttls: what passes blindly cannot be policed; write "hide", or name a certificate in tls, or turn relay.enforce off')
    if settings.backend_tls != "none" and settings.starttls == "pass":
        raise ValueError("starttls: with backend_tls the server is spoken to in TLS already, and takes up no other; leave it out")
    if settings.tls is not None and settings.starttls == "pass":
        raise ValueError("starttls: with a certificate TLS ends here; leave it out")
