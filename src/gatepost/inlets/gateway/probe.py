"""A look at the server behind, as a session would come to it: does it take what it is told?

Job: connect, say the header and the client's address as a session does, and take leave. Promise: nothing else is said, no mail and no log-in is
tried; it ends within seconds. Limits: it says 127.0.0.1 as the client; a server that takes the address without believing it (Dovecot's ID) looks
the same.
"""

import asyncio
import contextlib
import re
from collections.abc import Sequence

from gatepost.core.facts import Protocol
from gatepost.inlets.gateway.backend import Server
from gatepost.pipeline.mirrors import Proof
from gatepost.wire.tap import text_of

WAIT = 5.0
"""Seconds for its greeting, and as many for each answer."""
MOST = 65_536
"""Bytes that are looked at."""
GREETED: dict[Protocol, re.Pattern[bytes]] = {
    "smtp": re.compile(rb"^[2-5][0-9]{2}(?: .*)?\r?\n", re.MULTILINE),
    "imap": re.compile(rb"^\* .*\n", re.MULTILINE),
    "pop3": re.compile(rb"^[+-].*\n", re.MULTILINE),
    "sieve": re.compile(rb"^(?:OK|NO|BYE)\b.*\n", re.MULTILINE),
}
"""The end of a greeting."""
TURNED_AWAY = re.compile(rb"[45][0-9]{2}|\* BYE|-|NO|BYE")
"""A greeting that is none."""
REFUSED: dict[Protocol, re.Pattern[bytes]] = {
    "smtp": re.compile(rb"^[45][0-9]{2}.*", re.MULTILINE),
    "imap": re.compile(rb"^[^ \r\n]+ (?:BAD|NO).*", re.MULTILINE),
    "pop3": re.compile(rb"^-.*", re.MULTILINE),
    "sieve": re.compile(rb"^NO\b.*", re.MULTILINE),
}
"""An answer to something that it did not take."""
LEAVE: dict[Protocol, bytes] = {"smtp": b"QUIT\r\n", "imap": b"gatepost LOGOUT\r\n", "pop3": b"QUIT\r\n", "sieve": b"LOGOUT\r\n"}
HEADER = "have that listener of the server take the PROXY protocol from this host, or change client_address; docs/gateway.md has the lines"


class _Talk(asyncio.Protocol):
    """What the server says, and whether it hung up."""

    def __init__(self, header: bytes) -> None:
        self._header = header
        self.transport: asyncio.Transport | None = None
        self.said = b""
        self.over = False
        self._heard = 0
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if self._header and self.transport is not None and transport.get_extra_info("sslcontext") is None:  # in TLS it went before
            self.transport.write(self._header)

    def data_received(self, data: bytes) -> None:
        if len(self.said) < MOST:
            self.said += data
        self._news.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        self._news.set()

    async def until(self, end: re.Pattern[bytes] | None) -> None:
        """Waits for one more answer, or for the end of the connection, as long as a server may take."""
        before = self._heard
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT):
                while not self.over and not (end and end.search(self.said, before)):
                    self._news.clear()
                    await self._news.wait()
        self._heard = len(self.said)

    async def says(self, line: bytes, end: re.Pattern[bytes] | None) -> None:
        """Says a line, and waits."""
        if self.transport is not None and not self.over:
            self.transport.write(line)
            await self.until(end)


async def probe(server: Server, protocol: Protocol, way: str, header: bytes, hello: Sequence[bytes]) -> Proof:
    """Tries the server behind. ``way`` is the gateway's `client_address`; ``header`` and the lines of ``hello`` are what it has a session say."""
    talk = _Talk(header)
    try:
        await server.connect(lambda: talk, header)
    except OSError:  # TimeoutError is one
        return Proof(works=False, said=server.problem, cure="is it up, and does it take connections from here?")
    try:
        await talk.until(GREETED[protocol])
        greeting = GREETED[protocol].search(talk.said)
        if greeting is None:
            return _silent(talk, way)
        if TURNED_AWAY.match(greeting[0]):  # it may be busy, or not like us: that says nothing of the header
            return Proof(works=None, said=f"it greets with {_words(greeting[0])}", cure="its log tells why")
        for line in hello:
            await talk.says(line, GREETED[protocol])
        if talk.over:
            return _silent(talk, way)
        await talk.says(LEAVE[protocol], None)
        if len(talk.said) == greeting.end():
            return Proof(works=None, said="it greets, and answers nothing", cure="its log tells why")
    finally:
        if talk.transport is not None:
            talk.transport.abort()
    found = REFUSED[protocol].search(talk.said, greeting.end())
    if found is None:
        told = "it greets" if way == "none" else f"it greets, and takes the client's address ({way})"
        return Proof(works=True, said=f"{told}: tried with 127.0.0.1 as the client")
    return _refused(_words(found[0]), way)


def _words(line: bytes) -> str:
    """What a server said, so that it can be shown."""
    return "".join(each if each.isprintable() else "?" for each in text_of(line.strip())[:200])


def _silent(talk: _Talk, way: str) -> Proof:
    what = "it hangs up before it is spoken to" if talk.over else f"it does not greet within {WAIT:.0f} s"
    if way.startswith("proxy"):
        return Proof(works=False, said=f"{what}, though it was sent a PROXY header ({way})", cure=HEADER)
    cure = 'if it waits for a PROXY header: client_address = "proxy-v2"; else its log tells'
    return Proof(works=False, said=what, cure=cure)


def _refused(line: str, way: str) -> Proof:
    if way.startswith("proxy"):
        said = f"it takes the PROXY header for commands ({line}): it would see this host as the client of everything, and may relay for it"
        return Proof(works=False, said=said, cure=HEADER)
    if way == "xclient":
        cure = "name this host in smtpd_authorized_xclient_hosts of Postfix, or login_trusted_networks of Dovecot"
        return Proof(works=False, said=f"it does not take the client's address by XCLIENT ({line})", cure=cure)
    return Proof(works=None, said=f"it answers {line}", cure="its log tells why")
