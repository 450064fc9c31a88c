"""TLS at the gateway: what clients see, and what the server behind is asked for.

Job: make the contexts, and read renewed certificates. Promise: TLS 1.2 and later; a renewal that cannot be read is told and changes nothing;
sessions go on. Limits: one certificate for each gateway.
"""

import os
import ssl

from gatepost.inlets.gateway.settings import GatewaySettings, GatewayTls


class Certificate:
    """The certificate of one gateway. Raises OSError where it cannot be read (ssl.SSLError is one)."""

    def __init__(self, settings: GatewayTls) -> None:
        self._settings = settings
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._stamps()
        self.context.load_cert_chain(settings.certificate, settings.key)

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        return tuple((found.st_mtime_ns, found.st_ino) for found in map(os.stat, (self._settings.certificate, self._settings.key)))

    def renew(self, anyway: bool = False) -> str:
        """Reads the files where they changed; why that failed, or an empty text. Handshakes from now on see the new ones."""
        try:
            stamps = self._stamps()
            if anyway or stamps != self._seen:
                # A pair that does not fit, as between the two writes of a renewal, is refused whole and looked at again next time.
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._settings.certificate, self._settings.key)
                self.context.load_cert_chain(self._settings.certificate, self._settings.key)
                self._seen = stamps
        except OSError as wrong:
            return f"{self._settings.certificate}, {self._settings.key}: {wrong}; the old certificate stays in use"
        return ""


def to_backend(settings: GatewaySettings) -> ssl.SSLContext | None:
    """How the server behind is spoken to; None in clear text. Raises OSError where its authorities cannot be read."""
    if not settings.backend_tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    if settings.backend_ca:
        context.load_verify_locations(settings.backend_ca)
    else:
        context.verify_mode = ssl.CERT_NONE
    return context
