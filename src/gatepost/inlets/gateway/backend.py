"""The way to the server behind: in clear text, in TLS from the first byte, or by STARTTLS.

Job: connect, and begin TLS, after the PROXY header where there is one, before the session hears of the connection. Promise: a server
that does not offer STARTTLS, or whose certificate does not verify, is away; not a byte of the client's reaches it, and nothing that came in clear
text is believed. Limits: TLS 1.2 and later; without `backend_ca` the certificate is not verified.
"""

import asyncio
import ssl
from collections.abc import Callable

from gatepost.core.facts import Protocol
from gatepost.inlets.gateway.settings import GatewaySettings, endpoint
from gatepost.wire.upgrade import Upgrade

Make = Callable[[], asyncio.Protocol]


class _Opening(asyncio.Protocol):
    """The connection before TLS: the dialogue up to STARTTLS, or nothing at all."""

    def __init__(self, header: bytes, dialogue: Upgrade | None) -> None:
        self._header, self._dialogue = header, dialogue
        self._transport: asyncio.Transport | None = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """TLS may begin; or why it may not."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if self._header and self._transport is not None:
            self._transport.write(self._header)
        if self._dialogue is None:
            self._end(None)

    def data_received(self, data: bytes) -> None:
        if self._dialogue is None or self._transport is None or (self.over.done() and not self._dialogue.done):
            return
        try:
            answer = self._dialogue.feed(data)
        except ValueError as wrong:
            self._transport.abort()
            self._end(ConnectionError(str(wrong)))
            return
        if answer:
            self._transport.write(answer)
        elif self._dialogue.done:
            self._transport.pause_reading()  # what comes now is TLS
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(ConnectionError("it hung up before TLS"))

    def _end(self, error: Exception | None) -> None:
        if self.over.done():
            return
        if error is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(error)


class _Early(asyncio.Protocol):
    """What comes with the last bytes of the handshake, until the session has the connection."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True


class Server:
    """The server behind. Raises OSError where its authorities cannot be read (ssl.SSLError is one)."""

    def __init__(self, settings: GatewaySettings, protocol: Protocol) -> None:
        self._settings, self._protocol = settings, protocol
        self._host, self._port = endpoint("backend", settings.backend)
        self._tls = _context(settings)
        self.problem = ""
        """Why it is away; empty where it is not."""

    async def connect(self, make: Make, header: bytes) -> asyncio.Transport:
        """Connects; ``header`` goes before TLS. Raises OSError or TimeoutError, and says why in `problem`."""
        try:
            async with asyncio.timeout(self._settings.backend_wait):
                if self._tls is None:
                    transport, _ = await asyncio.get_running_loop().create_connection(make, self._host, self._port)
                else:
                    transport = await self._secured(make, header, self._tls)
        except (OSError, TimeoutError) as wrong:
            self.problem = f"the server behind, {self._settings.backend}, is away: {_reason(wrong)}; clients are told to come back"
            raise
        self.problem = ""
        return transport

    async def _secured(self, make: Make, header: bytes, context: ssl.SSLContext) -> asyncio.Transport:
        """Begins TLS, and hands the connection over as if it had just been made, with the greeting that came in clear text."""
        loop = asyncio.get_running_loop()
        dialogue = Upgrade(self._protocol) if self._settings.backend_tls == "starttls" else None
        clear, opening = await loop.create_connection(lambda: _Opening(header, dialogue), self._host, self._port)
        early = _Early()
        try:
            await opening.over
            if clear.is_closing():
                raise ConnectionError("it hung up before TLS")
            secured = await loop.start_tls(clear, early, context, server_hostname=self._settings.backend_name or self._host)
            if secured is None or early.lost:
                raise ConnectionError("it hung up in TLS")
        except BaseException:
            clear.abort()
            raise
        protocol = make()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        said = (dialogue.greeting if dialogue is not None else b"") + early.data
        if said:
            protocol.data_received(said)
        return secured


def _context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """What is asked of the server's certificate; None in clear text. Raises OSError where its authorities cannot be read."""
    if settings.backend_tls == "none":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.backend_ca:
        context.load_verify_locations(settings.backend_ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(wrong: BaseException) -> str:
    """Why it is away, for people."""
    if isinstance(wrong, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {wrong.verify_message}"
    return str(wrong) or "no answer"
