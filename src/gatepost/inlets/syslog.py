"""Syslog from other hosts and programs: UDP, TCP, TLS, and a unix socket.

Job: listen, and report what the mail lines of the listed senders tell. Promise: RFC 3164 and RFC 5424, with octet counts or newlines; bounded,
whoever sends whatever; strangers are dropped and counted; a listener that cannot open is told, and tried again; certificates are read anew at a
reload. Limits: what is sent while we are down is lost, unless the sender keeps it (TCP and TLS senders do); there is no cursor, only the readers'
memory, which is saved at most once a second.
"""

import asyncio
import contextlib
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import tzinfo
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gatepost.inlets.sockets import tcp_socket, unix_socket
from gatepost.inlets.syslog_datagrams import Datagrams
from gatepost.inlets.syslog_senders import Senders
from gatepost.inlets.syslog_streams import Streams
from gatepost.pipeline.guard import Report
from gatepost.wire.maillog.reader import Coverage, Reader

TICK = 1.0
"""Seconds between two looks at connections and at what is to be saved."""
MEMORY_SHARE = 50
"""The time between two savings is at least so many times what one takes."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a listener that could not open is tried again."""
BACKLOG = 128
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})")


class SyslogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A listener for syslog."""

    transport: Annotated[Literal["udp", "tcp", "tls", "unix"], Meta(description="How it is sent; unix: datagrams to a socket of this host.")]
    listen: Annotated[
        str, Meta(description="Address and port, or the socket's path.", max_length=200, examples=["0.0.0.0:6514", "[::]:514", "/run/gatepost/log"])
    ]
    senders: Annotated[
        tuple[str, ...],
        Meta(description="Networks that may send; needed for all but unix.", max_length=1_000, examples=[["192.0.2.0/24", "2001:db8::25"]]),
    ] = ()
    certificate: Annotated[str, Meta(description="TLS: file of the certificate and its chain (PEM).", max_length=4096)] = ""
    key: Annotated[str, Meta(description="TLS: file of its key (PEM).", max_length=4096)] = ""
    client_ca: Annotated[str, Meta(description="TLS: senders must show a certificate of this authority (PEM).", max_length=4096)] = ""
    mode: Annotated[str, Meta(description="Unix: rights of the socket.", pattern="^0[0-7]{3}$")] = "0660"
    daemon: Annotated[str, Meta(description="Daemon of lines that name none; empty: told by their form.", max_length=64, examples=["dovecot"])] = ""
    timezone: Annotated[str, Meta(description="Zone of stamps that name none; empty: the host's.", max_length=64, examples=["Europe/Berlin"])] = ""
    connections: Annotated[int, Meta(description="Connections at most.", ge=1, le=10_000)] = 256
    connections_of_one: Annotated[int, Meta(description="Connections of one sender at most.", ge=1, le=10_000)] = 32

    def __post_init__(self) -> None:
        """Raises ValueError where the fields do not fit each other."""
        if self.transport == "unix":
            if not self.listen.startswith("/") or len(os.fsencode(self.listen)) > 107:
                raise ValueError("listen: write the socket's path, of 107 bytes at most, like /run/gatepost/log")
        else:
            endpoint(self.listen)
            if not self.senders:
                raise ValueError('senders: list the networks that may send, like senders = ["192.0.2.0/24"]')
            for each in self.senders:
                _network(each)
        if self.transport == "tls" and not (self.certificate and self.key):
            raise ValueError("certificate and key: TLS needs both files")

    @property
    def name(self) -> str:
        """How it is told apart from others."""
        return f"syslog:{self.transport}:{self.listen}"


class SyslogState(Struct, kw_only=True):
    """How a listener is doing, for status, doctor and metrics. Times are microseconds since 1970 UTC, 0 where there is none."""

    listening: bool
    problem: str
    """What is wrong, and what is done about it; empty where all is well."""
    last_line_at: int
    """The newest time that a line told."""
    lines: int
    facts: int
    senders: int
    """Senders that are remembered."""
    connections: int
    dropped: dict[str, int]
    """Messages and connections that were dropped, by reason."""
    memory_bytes: int
    """What the readers' memory took when it was saved last."""
    coverage: Coverage


class SyslogInlet:
    """Listens for syslog. ``saved`` holds what was reported before a restart, by name; what is not ours in it is left alone."""

    def __init__(
        self,
        settings: SyslogSettings,
        report: Report,
        now: Callable[[], int],
        saved: Mapping[str, bytes],
        *,
        zone: tzinfo,
        default_domain: str = "",
        domains: Mapping[str, str] | None = None,
    ) -> None:
        """``report`` is called on the loop's thread; facts come without a name."""
        self.settings = settings
        self.name = settings.name
        self._report = report

        def reader() -> Reader:
            return Reader(daemon=settings.daemon, timezone=zone, latest=now(), default_domain=default_domain, domains=domains)

        self.senders = Senders(settings.senders, reader, lambda facts, lines: report(facts, "", b"", lines), now)
        self.senders.load(saved.get(self.name))
        self.port = 0
        """The port that it listens on, while it does: the kernel's choice where 0 was asked for."""
        self._tls: ssl.SSLContext | None = None
        self._streams: Streams | None = None
        self._datagrams: Datagrams | None = None
        self._problem = ""
        self._overflow = 0
        """Datagrams that the kernel dropped on sockets that are closed."""
        self._next_saving = 0.0
        self._memory_bytes = 0

    # --- what the guard calls

    async def catch_up(self) -> None:
        """There is nothing to catch up with: what is sent while nobody listens is not here."""

    async def run(self) -> None:
        """Listens until it is cancelled; a listener that cannot open is tried again."""
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    sock = self._open()
                except (OSError, ValueError) as wrong:
                    self._problem = f"cannot listen: {wrong}; trying again"
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                self._problem = ""
                with contextlib.closing(sock):
                    await self._listen(sock)
        finally:
            self._save()

    def renew(self) -> None:
        """Reads certificate and key anew, for connections from now on."""
        if self._tls is not None:
            try:
                self._tls.load_cert_chain(self.settings.certificate, self.settings.key)
                self._problem = ""
            except OSError as wrong:
                self._problem = f"{self.settings.certificate}, {self.settings.key}: {wrong}; the old certificate stays in use"

    def state(self) -> SyslogState:
        """How it is doing."""
        senders = self.senders
        overflow = self._overflow + (self._datagrams.overflow() if self._datagrams is not None else 0)
        return SyslogState(
            listening=bool(self._streams or self._datagrams),
            problem=self._problem,
            last_line_at=max(senders.newest, 0),
            lines=senders.lines,
            facts=senders.facts,
            senders=senders.count,
            connections=self._streams.count if self._streams is not None else 0,
            dropped=dict(senders.dropped) | ({"buffer full": overflow} if overflow else {}),
            memory_bytes=self._memory_bytes,
            coverage=senders.coverage(),
        )

    # --- listening

    def _open(self) -> socket.socket:
        """The socket. Raises OSError."""
        settings = self.settings
        if settings.transport == "unix":
            return unix_socket(settings.listen, int(settings.mode, 8), socket.SOCK_DGRAM)
        if settings.transport == "tls":
            self._tls = _context(settings)
        stream = settings.transport != "udp"
        sock = tcp_socket(*endpoint(settings.listen), socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        if stream:
            sock.listen(BACKLOG)
        sock.setblocking(False)
        self.port = sock.getsockname()[1]
        return sock

    async def _listen(self, sock: socket.socket) -> None:
        settings = self.settings
        if settings.transport in ("tcp", "tls"):
            streams = self._streams = Streams(self.senders, settings.connections, settings.connections_of_one, self._tls)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(streams.serve(sock))
                    group.create_task(self._tick())
            finally:
                self._streams = None
                streams.close()
            return
        datagrams = self._datagrams = Datagrams(self.senders, sock, local=settings.transport == "unix")
        datagrams.start()
        try:
            await self._tick()
        finally:
            self._overflow += datagrams.overflow()
            self._datagrams = None
            datagrams.close()
            if settings.transport == "unix":
                with contextlib.suppress(OSError):
                    os.unlink(settings.listen)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if self._streams is not None:
                self._streams.sweep()
            if self.senders.unsaved and time.monotonic() >= self._next_saving:
                self._save()

    def _save(self) -> None:
        """Saves the readers' memory."""
        if not self.senders.unsaved:
            return
        start = time.monotonic()
        memory = self.senders.dump()
        self._report((), self.name, memory, ())
        self._memory_bytes = len(memory)
        end = time.monotonic()
        self._next_saving = end + MEMORY_SHARE * (end - start)


def endpoint(text: str) -> tuple[str, int]:
    """Address and port. Raises ValueError."""
    found = _HOST_PORT.fullmatch(text)
    if found is None or int(found[3]) > 65_535:
        raise ValueError(f"listen: {text!r} is no address and port; write 0.0.0.0:514 or [::]:514")
    return str(ip_address(found[1] or found[2])), int(found[3])


def _network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError as wrong:
        raise ValueError(f"senders: {wrong}") from None


def _context(settings: SyslogSettings) -> ssl.SSLContext:
    """The TLS of a listener. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key, lambda: "")
    except OSError as wrong:
        raise OSError(f"{settings.certificate}, {settings.key}: {wrong}") from None
    if settings.client_ca:
        try:
            context.load_verify_locations(settings.client_ca)
        except OSError as wrong:
            raise OSError(f"{settings.client_ca}: {wrong}") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context
