"""STARTTLS towards the server behind (RFC 3207, RFC 2595, RFC 9051, RFC 5804): what the gateway says before TLS, for the client that waits.

Job: read the greeting, ask for TLS, and read whether the server takes it up. Promise: what the server says in clear text behind an answer, before it
was asked again, ends it: who sits between could have said it. Limits: sans I/O; what the server said it can do in clear text is forgotten.
"""

import re

from gatepost.core.facts import Protocol
from gatepost.wire.tap import LONGEST_ANSWER, text_of

ASKS: dict[Protocol, bytes] = {"smtp": b"STARTTLS\r\n", "imap": b"gatepost STARTTLS\r\n", "pop3": b"STLS\r\n", "sieve": b"STARTTLS\r\n"}
_LAST: dict[Protocol, re.Pattern[bytes]] = {
    "smtp": re.compile(rb"[0-9]{3}(?: |\r?\n)"),
    "imap": re.compile(rb"gatepost |\* BYE", re.IGNORECASE),
    "pop3": re.compile(rb""),
    "sieve": re.compile(rb"(?:OK|NO|BYE)[ \r\n]", re.IGNORECASE),
}
"""How the last line of an answer begins."""
_WELL: dict[Protocol, re.Pattern[bytes]] = {
    "smtp": re.compile(rb"2"),
    "imap": re.compile(rb"(?:\*|gatepost) OK[ \r\n]", re.IGNORECASE),
    "pop3": re.compile(rb"\+OK"),
    "sieve": re.compile(rb"OK", re.IGNORECASE),
}
"""How that line begins where the answer is yes."""
_OFFER = re.compile(rb"250[ -]STARTTLS[ \r\n]", re.IGNORECASE)
_CAPABILITIES = re.compile(rb"\[CAPABILITY [^\]\r\n]*\] ?", re.IGNORECASE)


class Upgrade:
    """One dialogue. `feed` is given what the server says, until `done`; it raises ValueError, in words, where there will be no TLS."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._data = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._step = "greeting"
        self.greeting = b""
        """What the client is still to be told once TLS is there, without what holds in clear text alone; empty where the server says it anew."""
        self.done = False
        """TLS begins now. What the server says from here on belongs to it."""

    def feed(self, data: bytes) -> bytes:
        """The server said something; what it is to be told. Raises ValueError."""
        if self.done:
            raise ValueError("it said more in clear text than it was asked, behind STARTTLS")
        *lines, self._data = (self._data + data).split(b"\n")
        self._size += len(data)
        if self._size > LONGEST_ANSWER:
            raise ValueError("it does not come to an end")
        for index, each in enumerate(lines):
            line = each + b"\n"
            self._lines.append(line)
            first = self._step == "greeting" and self._protocol == "imap"
            if first or _LAST[self._protocol].match(line):
                if lines[index + 1 :] or self._data:
                    raise ValueError("it said more in clear text than it was asked, behind STARTTLS")
                answer, self._lines = self._lines, []
                return self._answered(answer)
        return b""

    def _answered(self, answer: list[bytes]) -> bytes:
        """A whole answer."""
        protocol = self._protocol
        well = _WELL[protocol].match(answer[-1]) is not None
        if not well and self._step != "STARTTLS":
            raise ValueError(f"it turns us away: {_words(answer)}")
        if not well or (self._step == "EHLO" and not any(map(_OFFER.match, answer))):
            raise ValueError(f"it does not offer STARTTLS: {_words(answer)}")
        if self._step == "STARTTLS":
            self.done = True
            return b""
        if self._step == "greeting" and protocol != "sieve":  # there it comes once more, after TLS (RFC 5804, 2.2)
            self.greeting = _CAPABILITIES.sub(b"", b"".join(answer), count=1) if protocol == "imap" else b"".join(answer)
        if self._step == "greeting" and protocol == "smtp":
            self._step = "EHLO"
            return b"EHLO gatepost\r\n"
        self._step = "STARTTLS"
        return ASKS[protocol]


def _words(answer: list[bytes]) -> str:
    """The last line of an answer, for people."""
    return "".join(each if each.isprintable() else "?" for each in text_of(answer[-1].strip())[:200])
