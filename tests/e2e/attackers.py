"""Clients of every kind: guessers, harvesters, floods, broken and hostile clients, and people who just read their mail.

Job: drive one session (or many) from a given source address against a mail host. Promise: the source is bound before connecting; every session
ends within its time-out. Limits: only inside the namespaces of `net`; how often something happens is the caller's to say.
"""

import base64
import contextlib
import imaplib
import poplib
import smtplib
import socket
import ssl
import struct
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self, TypeVar

from tests.e2e.net import Internet, family

PORTS = {"smtp": 25, "submission": 587, "smtps": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "sieve": 4190}
TLS_FROM_THE_START = (465, 993, 995, 10993, 10995)
HOSTILE_USERS = (
    "x[6.6.6.6]",
    "bob>, method=PLAIN, rip=6.6.6.6, lip=1.2.3.4",
    "eve, rip=6.6.6.6, lip=1.2.3.4, session=<abc>",
    "unknown[6.6.6.6]: SASL PLAIN authentication failed",
    "a) [6.6.6.6] b",
    'quo"ted\\user',
    "tab\tesc\x1b[2Jbell\x07",
    "bücher@example.org",
    "rip=::ffff:6.6.6.6",
)
HOSTILE_HELOS = (
    b"x[6.6.6.6]",
    b"[6.6.6.6]",
    b"[IPv6:2001:db8:6::6]",
    b"a> from evil[6.6.6.6]: 550 b",
    b"rip=6.6.6.6, lip=1.2.3.4",
    b"(helo) [6.6.6.6]:25 I=[1.2.3.4]:25",
    b"tab\x07esc\x1b[31m",
    b"caf\xe9 \xff\xfe",
    b"h" * 300,
)


class Host(Protocol):
    """What an attacker must know of a host."""

    @property
    def v4(self) -> str: ...
    @property
    def v6(self) -> str: ...


class Wire:
    """One raw connection, spoken by hand."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.sock.sendall(data)

    def line(self) -> bytes:
        """The next line, or what came before the end."""
        while b"\n" not in self._buffer:
            more = self.sock.recv(65536)
            if not more:
                break
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def some(self, size: int) -> bytes:
        """The next so many bytes."""
        parts, left = [self._buffer], size - len(self._buffer)
        while left > 0:
            more = self.sock.recv(min(left, 1 << 20))
            if not more:
                break
            parts.append(more)
            left -= len(more)
        whole = b"".join(parts)
        self._buffer = whole[size:]
        return whole[:size]

    def reply(self) -> int:
        """The code of the next SMTP reply, all its lines read; 0 at the end."""
        while (line := self.line())[3:4] == b"-":
            pass
        return int(line[:3] or b"0")

    def smtp(self, command: bytes) -> int:
        """Sends an SMTP command and returns the reply's code."""
        self.send(command + b"\r\n")
        return self.reply()

    def tls(self) -> None:
        """Upgrades to TLS, whatever the certificate."""
        self.sock = _trusting().wrap_socket(self.sock)

    def wait_end(self) -> None:
        """Reads until the server closes."""
        with contextlib.suppress(OSError):
            while self.sock.recv(65536):
                pass

    def reset(self) -> None:
        """Breaks the connection off, without a farewell."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """A client at one address, and what it does to one host."""

    def __init__(self, internet: Internet, source: str, host: Host) -> None:
        self.internet, self.source = internet, source
        self.target = host.v6 if family(source) == socket.AF_INET6 else host.v4

    def sock(self, port: int) -> socket.socket:
        """A connection to one of the host's ports."""
        return self.internet.connect(self.source, self.target, port)

    def wire(self, port: int) -> Wire:
        """A raw connection to one of the host's ports."""
        return Wire(self.sock(port))

    def greeted(self, port: int = 25, hello: bytes = b"EHLO client.example") -> Wire:
        """A raw SMTP session after its greeting."""
        wire = self.wire(port)
        try:
            wire.reply()
            wire.smtp(hello)
        except BaseException:
            wire.sock.close()
            raise
        return wire

    def touch(self, port: int) -> None:
        """Connects, reads the greeting, leaves."""
        with self.wire(port) as wire:
            wire.line()

    def talk(self, commands: Iterable[bytes], port: int = 25, hello: bytes = b"EHLO client.example", leave: bool = True) -> list[int]:
        """An SMTP session: greeting, commands, QUIT; the replies' codes. It ends early where the server hangs up."""
        codes: list[int] = []
        with self.greeted(port, hello) as wire, contextlib.suppress(OSError):
            for command in commands:
                codes.append(wire.smtp(command))
                if codes[-1] in (0, 421):
                    return codes
            if leave:
                wire.smtp(b"QUIT")
        return codes

    def mail_library(self, port: int = 25, tls: bool = False) -> smtplib.SMTP:
        """smtplib's client, speaking from this address."""
        return _Smtp(self, port, tls)

    def deliver(self, to: Sequence[str], sender: str = "friend@friend.example", subject: str = "hello", *, port: int = 25,
                login: tuple[str, str] | None = None, starttls: bool = False) -> dict[str, tuple[int, bytes]]:  # fmt: skip
        """Sends a message with smtplib; the recipients that were refused."""
        with self.mail_library(port, tls=port == PORTS["smtps"]) as smtp:
            if starttls:
                smtp.starttls(context=_trusting())
            if login:
                smtp.login(*login)
            return smtp.sendmail(sender, list(to), f"From: {sender}\r\nSubject: {subject}\r\n\r\nHello there.\r\n")

    def smtp_guess(self, user: str, secret: str, port: int = 25, mechanism: str = "PLAIN") -> int:
        """One AUTH in one session; the reply's code."""
        return self.talk(auth_commands(user, secret, mechanism), port)[-1]

    def imap_guess(self, user: str, secrets: Sequence[str], port: int = 143, starttls: bool = False) -> int:
        """Tries log-ins in one connection, with imaplib's client; how many the server answered with NO."""
        with _Imap(self, port) as imap:
            if starttls:
                imap.starttls(_trusting())
            failed = 0
            for secret in secrets:
                try:
                    imap.login(user, secret)
                    imap.select()
                    return failed
                except imaplib.IMAP4.abort:
                    return failed
                except imaplib.IMAP4.error:
                    failed += 1
            return failed

    def imap_raw(self, *lines: bytes, port: int = 143, then: Sequence[bytes] = ()) -> list[bytes]:
        """Says lines of IMAP as they are, and returns the tagged answers; `then` answers the server's requests to go on."""
        more = list(then)
        answers = []
        with self.wire(port) as wire:
            wire.line()
            for line in lines:
                wire.send(line + b"\r\n")
                while (answer := wire.line())[:2] in (b"* ", b"+ "):
                    if answer[:2] == b"+ " and more:
                        wire.send(more.pop(0) + b"\r\n")
                answers.append(answer)
        return answers

    def pop3_guess(self, user: str, secrets: Sequence[str], port: int = 110) -> int:
        """Tries log-ins in one POP3 connection, with poplib's client; how many failed."""
        pop, failed = _Pop(self, port), 0
        try:
            for secret in secrets:
                try:
                    pop.user(user)
                    pop.pass_(secret)
                    break
                except poplib.error_proto:
                    failed += 1
            with contextlib.suppress(poplib.error_proto, OSError):
                pop.quit()
        finally:
            pop.close()
        return failed

    def sieve_guess(self, user: str, secret: str) -> bytes:
        """One AUTHENTICATE of ManageSieve (RFC 5804); the server's answer."""
        with self.wire(PORTS["sieve"]) as wire:
            while not wire.line().startswith(b"OK"):
                pass
            wire.send(b'AUTHENTICATE "PLAIN" "' + plain(user, secret) + b'"\r\n')
            return wire.line()

    def hydra(self, user: str, secrets: Sequence[str], protocol: str, port: int, width: int = 1) -> str:
        """Lets hydra guess, over so many connections; it cannot choose a source, so the route does."""
        self.internet.prefer(self.source, self.target)
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as words:
            words.write("\n".join(secrets) + "\n")
            words.flush()
            options = ["-l", user, "-P", words.name, "-t", str(width), "-s", str(port), "-I"]
            return self.internet.run("hydra", *options, f"{protocol}://{self.target}")

    def swaks(self, *options: str) -> str:
        """One session of swaks."""
        return self.internet.run("swaks", "--server", self.target, "--local-interface", self.source, "--helo", "client.example", *options)


def plain(user: str, secret: str) -> bytes:
    """The initial response of SASL PLAIN (RFC 4616)."""
    return base64.b64encode(f"\0{user}\0{secret}".encode())


def auth_commands(user: str, secret: str, mechanism: str = "PLAIN") -> list[bytes]:
    """The SMTP commands of one log-in."""
    if mechanism == "PLAIN":
        return [b"AUTH PLAIN " + plain(user, secret)]
    return [b"AUTH LOGIN", base64.b64encode(user.encode()), base64.b64encode(secret.encode())]


def message(sender: bytes, to: Iterable[bytes], text: bytes = b"Subject: x\r\n\r\nx") -> list[bytes]:
    """The SMTP commands of one message."""
    return [b"MAIL FROM:<" + sender + b">", *(b"RCPT TO:<" + one + b">" for one in to), b"DATA", text + b"\r\n."]


Result = TypeVar("Result")


def together(jobs: Iterable[Callable[[], Result]], width: int = 40) -> list[Result]:
    """Runs jobs at the same time, in bounded number; the first error is raised."""
    with ThreadPoolExecutor(width) as pool:
        return [done.result() for done in [pool.submit(job) for job in jobs]]


class _Smtp(smtplib.SMTP):
    def __init__(self, client: Client, port: int, tls: bool) -> None:
        self._client, self._tls = client, tls
        super().__init__(client.target, port, local_hostname="client.example", timeout=30)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._client.sock(port)
        return _trusting().wrap_socket(sock) if self._tls else sock


class _Imap(imaplib.IMAP4):
    def __init__(self, client: Client, port: int) -> None:
        self._client = client
        super().__init__(client.target, port, 30)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        sock = self._client.sock(self.port)
        return _trusting().wrap_socket(sock) if self.port in TLS_FROM_THE_START else sock

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None) -> None:
        """Leaves; a connection that was cut short is closed all the same, which imaplib forgets."""
        try:
            with contextlib.suppress(imaplib.IMAP4.abort):
                super().__exit__(kind, wrong, trace)
        finally:
            with contextlib.suppress(OSError):
                self.shutdown()


class _Pop(poplib.POP3):
    def __init__(self, client: Client, port: int) -> None:
        self._client = client
        super().__init__(client.target, port, 30)

    def _create_socket(self, timeout: float) -> socket.socket:
        sock = self._client.sock(self.port)
        return _trusting().wrap_socket(sock) if self.port in TLS_FROM_THE_START else sock
