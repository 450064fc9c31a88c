"""The console's settings, ``[console]`` in gatepost.toml.

Job: where the console and the API listen over TCP. Promise: elsewhere than on loopback only with TLS; what is wrong is told before anything starts.
Limits: declares and checks; api/serve.py listens.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated

from msgspec import Meta, Struct

from gatepost.admin.tongues import languages

_WRITE = 'write "127.0.0.1:8093", "[::1]:8093", or "" for none'


class ConsoleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The web console, and the API over TCP."""

    listen: Annotated[
        str,
        Meta(description="Address and port; empty: nowhere. Elsewhere than on loopback only with a certificate.", max_length=60),
    ] = "127.0.0.1:8093"
    names: Annotated[
        tuple[str, ...],
        Meta(description="Host names by which browsers reach it, beside localhost and its address.", examples=["guard.example.org"]),
    ] = ()
    certificate: Annotated[str, Meta(description="File of the certificate chain (PEM); with it the console speaks TLS.")] = ""
    key: Annotated[str, Meta(description="File of its private key (PEM); empty: it is in the certificate's file.")] = ""
    language: Annotated[
        str,
        Meta(description="Language of its pages; empty: what the browser asks for, English where that is not there.", max_length=20, examples=["en"]),
    ] = ""

    def __post_init__(self) -> None:
        if self.language and self.language not in languages():
            raise ValueError(f'language: {self.language!r} is not there; one of {", ".join(languages())}, or "" for the browser\'s')
        if not self.listen:
            return
        host, _ = self.address
        if not host.is_loopback and not self.certificate:
            raise ValueError(f'listen: {host} is not loopback, where passwords need TLS; name a certificate, or listen on "127.0.0.1:8093"')
        if host.is_unspecified and not self.names:
            raise ValueError("names: it listens on every address; say by which names or addresses browsers reach it")
        if self.key and not self.certificate:
            raise ValueError("key: is of no use without a certificate; name it too")

    @property
    def address(self) -> tuple[IPv4Address | IPv6Address, int]:
        """Where it listens. Raises ValueError."""
        host, colon, port = self.listen.rpartition(":")
        try:
            found = ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            raise ValueError(f"listen: {self.listen!r} names no address; {_WRITE}") from None
        if not colon or not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(f"listen: {self.listen!r} names no port from 0 to 65535; {_WRITE}")
        return found, int(port)

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""
        return bool(self.certificate)
