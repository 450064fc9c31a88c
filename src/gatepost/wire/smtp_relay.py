"""To whom a message goes, and whether that is here.

Job: take the mailbox out of RCPT, and hold it against the local domains. Promise: whatever could name another destination is not local: source
routes, ``%``, ``!``, an ``@`` in quotes. Limits: what a local address stands for (aliases, forwarding) the server behind decides.
"""

import re
from collections.abc import Iterable

_RCPT = re.compile(
    rb"""[ \t]*RCPT[ \t]+TO[ \t]*:[ \t]*
    (?:<((?:[^"<>]|"(?:[^"\\]|\\.)*")*)> | ([^\s<>"(),;:\\]+))
    (?:[ \t]+[A-Za-z0-9-]+(?:=[^\s<>=]*)?)* [ \t]*\r?\n""",
    re.IGNORECASE | re.VERBOSE,
)
"""The whole command, and nothing beside it: lenient servers take the last of several addresses."""
_ELSEWHERE = b'%!"\\,:()<>'


def mailbox(line: bytes) -> bytes:
    """The mailbox that a RCPT command names, without its angle brackets; empty where it does not clearly name one."""
    found = _RCPT.fullmatch(line)
    return (found[1] or found[2] or b"") if found is not None else b""


def is_local(recipient: bytes, domains: Iterable[str]) -> bool:
    """Whether a mailbox is in a local domain. ``.example.org`` stands for what is below example.org. One without a domain is local: ``postmaster``
    has none (RFC 5321, 4.5.1)."""
    user, at, domain = recipient.rpartition(b"@")
    if not at:
        user, domain = recipient, b""
    if any(byte in _ELSEWHERE for byte in user) or b"@" in user or user[:1] == b"|" or (at and not user):
        return False
    if not at:
        return bool(user)
    named = domain.decode("utf-8", "replace").lower().rstrip(".")
    return any(named == each or (each[:1] == "." and named.endswith(each)) for each in domains)
