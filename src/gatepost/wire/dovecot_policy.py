"""Dovecot's auth policy: what weakforced serves, as JSON in and JSON out.

Job: read the body of a request, and write the body of an answer. Promise: whatever a body holds, it becomes an `Asked` or a ValueError; texts are
whole (no lone surrogates) and bounded. Limits: HTTP is the inlet's; who asks is not looked at here.

Dovecot's manual, "Authentication policy": POST with ``command=allow`` before and after a log-in, ``command=report`` when it is over. An answer's
``status`` is -1 (refuse), 0 (go on), or the seconds to wait before going on.
"""

from ipaddress import ip_address
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct, structs

from gatepost.core.decisions import Allow, Delay, Verdict
from gatepost.core.facts import Protocol
from gatepost.core.spans import SECOND

SERVICES: dict[str, tuple[Protocol, str]] = {
    "imap": ("imap", "imap"),
    "pop3": ("pop3", "pop3"),
    "sieve": ("sieve", "sieve"),
    "managesieve": ("sieve", "sieve"),
    "submission": ("smtp", "submission"),
    "smtp": ("smtp", "smtp"),
    "http": ("http", "http"),
}
"""Dovecot's name of a service (Postfix's AUTH comes as ``smtp``), and what we call it. Others, like lmtp and doveadm, are no log-ins of clients."""
NO_PASSWORD = (
    *("CRAM-MD5", "DIGEST-MD5", "SCRAM-", "OAUTHBEARER", "XOAUTH2", "EXTERNAL", "GSSAPI"),
    *("GSS-SPNEGO", "NTLM", "OTP", "SKEY", "ANONYMOUS", "APOP"),
)
"""Mechanisms that show Dovecot no password: the hash is then the same for every try."""
TEXT = 4_096
"""Characters of a text that are looked at."""

ALLOWED = b'{"status":0,"msg":""}'
REFUSED = b'{"status":-1,"msg":"Too many failures; try again later"}'
OK = b'{"status":"ok"}'

Outcome = Literal["failed", "succeeded", "refused", "servers"]


class Asked(Struct, frozen=True):
    """What Dovecot tells of a log-in; a field that it does not send is empty."""

    login: str = ""
    remote: str = ""
    protocol: str = ""
    pwhash: str = ""
    session_id: str = ""
    fail_type: str = ""
    mech: str = ""
    """Sent where `setup` added it."""
    success: bool = False
    policy_reject: bool = False

    @property
    def service(self) -> tuple[Protocol, str] | None:
        """Protocol and service; None for a service that clients do not log in to."""
        return SERVICES.get(self.protocol)

    @property
    def secret(self) -> str:
        """The hash of what was tried; empty where the mechanism shows none."""
        return "" if self.mech.upper().startswith(NO_PASSWORD) else self.pwhash

    @property
    def outcome(self) -> Outcome:
        """How it ended: our own refusal, and the server's faults, accuse nobody (the law, 5)."""
        if self.success:
            return "succeeded"
        if self.policy_reject or self.fail_type == "policy":
            return "refused"
        return "servers" if self.fail_type in ("internal", "temp") else "failed"

    @property
    def reason(self) -> str:
        """Why it failed, as `AuthFailed` says it."""
        return _REASONS.get(self.fail_type, "")


_REASONS = {"credentials": "password", "account": "unknown_user", "disabled": "disabled", "expired": "disabled"}


class Listed(NamedTuple):
    """What a deed of weakforced's API is about, in our words."""

    prefix: str = ""
    """An address or a prefix."""
    login: str = ""
    seconds: int = 0
    """How long; 0: for good."""
    reason: str = ""


class _Entry(Struct, frozen=True):
    ip: str = ""
    netmask: str = ""
    login: str = ""
    expire_secs: int = 0
    reason: str = ""


_asked = msgspec.json.Decoder(Asked).decode
_entry = msgspec.json.Decoder(_Entry).decode


def read(body: bytes) -> Asked:
    """What a body of allow or report says; what is no UTF-8 in it is replaced: a strange name must not go by unseen. Raises ValueError."""
    try:
        asked = _asked(body)
    except UnicodeDecodeError:
        asked = _asked(body.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if len(body) > TEXT:
        cut = {name: value[:TEXT] for name, value in structs.asdict(asked).items() if isinstance(value, str)}
        asked = structs.replace(asked, **cut)
    return asked


def read_entry(body: bytes) -> Listed:
    """What a body of a deed says: ``ip`` or ``netmask``, ``login``, ``expire_secs``, ``reason``. Raises ValueError."""
    try:
        found = _entry(body or b"{}")
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if found.ip and found.netmask:
        raise ValueError("name ip or netmask, not both")
    if not 0 <= found.expire_secs < 1 << 40:
        raise ValueError("expire_secs: a number of seconds, 0 for good")
    if found.ip:
        ip_address(found.ip)  # an entry of ``ip`` is never a network
    return Listed(found.ip or found.netmask, found.login[:TEXT], found.expire_secs, found.reason[:500])


def answer(verdict: Verdict) -> bytes:
    """The body that tells a verdict. A delay is told in whole seconds, rounded up."""
    if isinstance(verdict, Allow):
        return ALLOWED
    if isinstance(verdict, Delay):
        return b'{"status":%d,"msg":""}' % -(-verdict.us // SECOND)
    return REFUSED


def failure(reason: str) -> bytes:
    """The body of a deed that was not done."""
    return msgspec.json.encode({"status": "failure", "reason": reason.encode("utf-8", "replace").decode()})
