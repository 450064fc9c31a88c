"""Webhooks: signed JSON to a web address.

Job: post each message, with a signature that the receiver can check. Promise: https is verified, redirects are refused, 2xx alone is success, each
try ends in time, and all tries of a message carry the same body and the same Idempotency-Key. Limits: no proxies; of an answer only its status and
Retry-After are read.

The signature is HMAC-SHA256 over the timestamp (seconds since 1970, as text), a full stop, and the body: `Gatepost-Signature: v1=<hex>`, with the
timestamp in `Gatepost-Timestamp`. A receiver refuses a timestamp that is more than five minutes off, and compares in constant time.
"""

import contextlib
import hashlib
import hmac
import http.client
import socket
import ssl
from collections.abc import Callable
from importlib.metadata import version

import msgspec

from gatepost.core.spans import SECOND
from gatepost.outlets.messengers.mail import trusted
from gatepost.outlets.messengers.settings import ChannelSettings, shown_url, split_url
from gatepost.outlets.messengers.threads import in_thread
from gatepost.outlets.messengers.wording import inert
from gatepost.pipeline.messengers import Message, SendError

TIMEOUT, STEP = 30.0, 10.0
"""Seconds for a request, and for each step of it."""
LATER = (408, 425, 429)
"""Of the 4xx, those that a later try may get past."""


class WebhookSender:
    """Posts messages; ``now`` stamps each try, in microseconds since 1970 UTC."""

    kind = "webhook"

    def __init__(self, settings: ChannelSettings, now: Callable[[], int]) -> None:
        """Raises BadInputError where a file that the settings name cannot be read."""
        url = settings.read("url")
        parts = split_url(url)
        self.to = shown_url(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = settings.read("secret").encode()
        self._context = trusted(settings.ca_file) if parts.scheme == "https" else None
        self._now = now

    async def send(self, message: Message) -> str:
        """Posts a message. Raises SendError."""
        body = encode(message)
        stamp = str(self._now() // SECOND)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"gatepost/{version('gatepost')}",
            "Idempotency-Key": message.key,
            "Gatepost-Timestamp": stamp,
            "Gatepost-Signature": f"v1={sign(self._secret, stamp, body)}",
        }
        link = self._link()
        try:
            status, later = await in_thread(lambda: _post(link, self._target, body, headers), TIMEOUT, lambda: _close(link))
        except ssl.SSLCertVerificationError as wrong:
            raise SendError(f"{self._host}: its certificate is not trusted: {wrong.verify_message}; ca_file names another authority") from None
        except (OSError, http.client.HTTPException, ValueError) as wrong:
            raise SendError(f"{self._host}: {inert(str(wrong) or type(wrong).__name__, 200)}") from None
        if 200 <= status < 300:
            return ""
        if 300 <= status < 400:
            raise SendError(f"{self._host} answered {status}: redirects are not followed; name the final address", again=False)
        raise SendError(f"{self._host} answered {status}", again=status >= 500 or status in LATER, wait=later)

    def _link(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=STEP, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=STEP)


def sign(secret: bytes, stamp: str, body: bytes) -> str:
    """The signature of a body at a timestamp."""
    return hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def encode(message: Message) -> bytes:
    """The body of a message: the same at each try."""
    return msgspec.json.encode(
        {
            "version": 1,
            "id": message.key,
            "at": message.at,
            "kind": message.kind,
            "host": message.host,
            "title": message.title,
            "text": message.text,
            "notices": message.notices,
            "left_out": message.left_out,
        }
    )


def _post(link: http.client.HTTPConnection, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
    link.request("POST", target, body, headers)
    answer = link.getresponse()
    later = answer.headers.get("Retry-After", "")
    return answer.status, float(later) if later.isascii() and later.isdigit() and len(later) < 6 else 0.0


def _close(link: http.client.HTTPConnection) -> None:
    if link.sock is not None:
        with contextlib.suppress(OSError):
            link.sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        link.close()
