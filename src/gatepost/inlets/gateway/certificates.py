"""TLS at the gateway: what clients see.

Job: make the contexts, and read renewed certificates. Promise: TLS 1.2 and later; a renewal that cannot be read is told and changes nothing;
sessions go on. Limits: names are those that the settings give, not those in the certificates.
"""

import os
import ssl

from gatepost.inlets.gateway.settings import GatewayTls


class Certificates:
    """The certificates of one gateway. Raises OSError where one cannot be read (ssl.SSLError is one)."""

    def __init__(self, settings: GatewayTls) -> None:
        self._pairs = [_Pair(settings.certificate, settings.key), *(_Pair(each.certificate, each.key) for each in settings.also)]
        self._named = {name: pair.context for each, pair in zip(settings.also, self._pairs[1:], strict=True) for name in each.names}
        self.context = self._pairs[0].context
        """For clients that ask for no name, or for none that is known."""
        if self._named:
            self.context.sni_callback = self._choose

    def _choose(self, handshake: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """The certificate for the name that a client asks for (RFC 6066, 3), itself or by a wildcard."""
        asked = (name or "").lower()
        found = self._named.get(asked) or self._named.get("*." + asked.partition(".")[2])
        if found is not None:
            handshake.context = found

    def renew(self, anyway: bool = False) -> str:
        """Reads the files where they changed; why that failed, or an empty text. Handshakes from now on see the new ones."""
        return "; ".join(filter(None, (pair.renew(anyway) for pair in self._pairs)))


class _Pair:
    """A certificate and its key."""

    def __init__(self, certificate: str, key: str) -> None:
        self._files = (certificate, key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._stamps()
        self.context.load_cert_chain(*self._files)

    def _stamps(self) -> list[tuple[int, int]]:
        return [(found.st_mtime_ns, found.st_ino) for found in map(os.stat, self._files)]

    def renew(self, anyway: bool) -> str:
        """Reads the files where they changed; why that failed, or an empty text."""
        try:
            stamps = self._stamps()
            if anyway or stamps != self._seen:
                # A pair that does not fit, as between the two writes of a renewal, is refused whole and looked at again next time.
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
                self.context.load_cert_chain(*self._files)
                self._seen = stamps
        except OSError as wrong:
            return f"{', '.join(self._files)}: {wrong}; the old certificate stays in use"
        return ""
