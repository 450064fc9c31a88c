"""One attempt of a drill: a connection to a mail server, as an attacker makes it.

Job: connect, or fail to log in, on SMTP, IMAP, POP3 and ManageSieve, in TLS where the server offers it. Promise: what the server does wrong ends the
attempt with one of `SERVER_ERRORS`. Limits: it sends no message, and guesses for one account that nobody has.
"""

import contextlib
import imaplib
import poplib
import smtplib
import socket
import ssl
from collections.abc import Callable

from msgspec import Struct

PATIENCE = 45.0
"""Seconds for one answer: servers slow down who fails to log in."""
GUESS = b"AGdhdGVwb3N0LWRyaWxsAHdyb25n"
"""gatepost-drill, wrong: for PLAIN (RFC 4616)."""
SERVER_ERRORS = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto, ssl.SSLError)


class Target(Struct, frozen=True, kw_only=True):
    """What is attacked, from where."""

    rule: str
    protocol: str
    host: str
    port: int
    source: str


def act(target: Target, size: int) -> None:
    """One connection of an attack, with so many failed log-ins where it is about these. Raises what the standard library's clients raise."""
    if target.rule == "password-brute-force":
        _GUESS[target.protocol](target, size)
    elif target.protocol == "smtp":
        with _smtp(target) as link:
            link.ehlo("drill.invalid")
    else:
        with socket.create_connection((target.host, target.port), PATIENCE, (target.source, 0)) as sock:
            sock.settimeout(PATIENCE)
            sock.recv(200)
            sock.sendall(_FAREWELL[target.protocol])
            while sock.recv(1000):
                pass


def _unverified() -> ssl.SSLContext:
    """TLS to this very host: its certificate names the host's public name, and nobody stands between."""
    found = ssl.create_default_context()
    found.check_hostname = False
    found.verify_mode = ssl.CERT_NONE
    return found


def _smtp(target: Target) -> smtplib.SMTP:
    return smtplib.SMTP(target.host, target.port, "drill.invalid", PATIENCE, (target.source, 0))


def _guess_smtp(target: Target, size: int) -> None:
    link = _smtp(target)
    try:
        link.ehlo()
        if link.has_extn("starttls"):
            link.starttls(context=_unverified())
            link.ehlo()
        for turn in range(size):
            code, said = link.docmd("AUTH", f"PLAIN {GUESS.decode()}")
            if code != 535:
                raise smtplib.SMTPResponseException(code, f"log-in {turn + 1}: {said.decode('ascii', 'replace')}")
    finally:
        with contextlib.suppress(smtplib.SMTPServerDisconnected):  # a gateway ends the session with the failure that fires
            link.quit()


class _Imap(imaplib.IMAP4):
    """IMAP from an address of our choice."""

    def __init__(self, target: Target) -> None:
        self._source = target.source
        super().__init__(target.host, target.port, PATIENCE)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout, (self._source, 0))


def _guess_imap(target: Target, size: int) -> None:
    link = _Imap(target)
    try:
        if "STARTTLS" in link.capabilities:
            link.starttls(_unverified())
        for _ in range(size):
            try:
                link.login("gatepost-drill", "wrong")
            except link.abort:
                raise
            except link.error:
                continue
        link.logout()
    finally:
        with contextlib.suppress(OSError):  # logout has closed it
            link.shutdown()


class _Pop3(poplib.POP3):
    """POP3 from an address of our choice."""

    def __init__(self, target: Target) -> None:
        self._source = target.source
        super().__init__(target.host, target.port, PATIENCE)

    def _create_socket(self, timeout: float) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout, (self._source, 0))


def _guess_pop3(target: Target, size: int) -> None:
    link = _Pop3(target)
    try:
        if "STLS" in link.capa():
            link.stls(_unverified())
        for _ in range(size):
            link.user("gatepost-drill")
            try:
                link.pass_("wrong")
            except poplib.error_proto:
                continue
        link.quit()
    finally:
        link.close()


class _Sieve:
    """ManageSieve (RFC 5804), for which the standard library has no client."""

    def __init__(self, target: Target) -> None:
        self._sock = socket.create_connection((target.host, target.port), PATIENCE, (target.source, 0))
        self._file = self._sock.makefile("rb")
        self.capabilities = self.answer()

    def ask(self, command: bytes) -> list[bytes]:
        """A command, and what is answered."""
        self._sock.sendall(command + b"\r\n")
        return self.answer()

    def answer(self) -> list[bytes]:
        """Lines up to the one that says OK or NO. Raises EOFError where the server ends it."""
        lines: list[bytes] = []
        while not lines or not lines[-1].startswith((b"OK", b"NO")):
            lines.append(self._file.readline(10_000).strip().upper())
            if not lines[-1] or lines[-1].startswith(b"BYE"):
                raise EOFError((lines[-1] or b"closed").decode("ascii", "replace"))
        return lines

    def starttls(self) -> None:
        """TLS from here on; the server tells anew what it can do."""
        self.ask(b"STARTTLS")
        self._file.close()
        self._sock = _unverified().wrap_socket(self._sock)
        self._file = self._sock.makefile("rb")
        self.answer()

    def close(self) -> None:
        """Closes it."""
        self._file.close()
        self._sock.close()


def _guess_sieve(target: Target, size: int) -> None:
    with contextlib.closing(_Sieve(target)) as link:
        if b'"STARTTLS"' in link.capabilities:
            link.starttls()
        for _ in range(size):
            link.ask(b'AUTHENTICATE "PLAIN" "' + GUESS + b'"')
        with contextlib.suppress(EOFError):  # a gateway ends the session with the failure that fires
            link.ask(b"LOGOUT")


_FAREWELL = {"imap": b"a LOGOUT\r\n", "pop3": b"QUIT\r\n", "sieve": b"LOGOUT\r\n"}
_GUESS: dict[str, Callable[[Target, int], None]] = {"smtp": _guess_smtp, "imap": _guess_imap, "pop3": _guess_pop3, "sieve": _guess_sieve}
