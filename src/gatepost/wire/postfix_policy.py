"""Postfix's policy delegation protocol: requests in, actions out.

Job: cut a stream into requests, and read of each what the guard asks for. Promise: however the stream is split, the requests are the same; whatever
it holds, nothing is raised: what is no request ends the stream with a reason; at most `MOST` bytes wait. Limits: attributes that are not named here
are not looked at; of one that is repeated the first counts. Source: Postfix's SMTPD_POLICY_README and its attr_print_plain(3): ``name=value``
lines, split at the first ``=``, an empty line behind the last; Postfix lets no line break into a value.
"""

from msgspec import Struct

MOST = 65_536
"""Bytes of a request. Postfix's own are about 1,000; names, addresses and certificates of peers are the longest part, each bounded there."""
FIRST = b"request=smtpd_access_policy"
"""The first line of every request, as Postfix writes it."""


class Request(Struct, frozen=True, gc=False):
    """What Postfix tells of one moment of a session; empty where it did not say."""

    client: bytes
    """``client_address``: an address, or ``unknown``."""
    state: bytes
    """``protocol_state``: CONNECT EHLO HELO MAIL RCPT DATA END-OF-MESSAGE VRFY ETRN."""
    context: bytes
    """``policy_context``: what the list that asks was given in main.cf (Postfix 3.1)."""
    account: bytes
    """``sasl_username``: who logged in, as he wrote it."""
    instance: bytes
    """The same for all questions about one message."""
    recipients: int = 0
    """``recipient_count``, read at END-OF-MESSAGE alone, like what follows."""
    size: int = 0
    """Bytes that came."""
    port: int = 0
    """``server_port`` (Postfix 3.2)."""


class Requests:
    """One stream."""

    __slots__ = ("_rest", "broken")

    def __init__(self) -> None:
        self._rest = b""
        self.broken = ""
        """Why nothing more is read from this stream; empty while it goes on."""

    @property
    def waiting(self) -> bool:
        """Whether a request has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[Request]:
        """The requests that are whole now."""
        if self.broken:
            return []
        *whole, rest = (self._rest + data if self._rest else data).split(b"\n\n")
        found: list[Request] = []
        for each in whole:
            if not each.startswith(FIRST) or len(each) > MOST:
                self._break(each)
                return found
            found.append(read(b"\n" + each + b"\n"))
        if len(rest) > MOST or not FIRST.startswith(rest[: len(FIRST)]):
            self._break(rest)
        else:
            self._rest = rest
        return found

    def _break(self, what: bytes) -> None:
        self.broken = "too long" if what.startswith(FIRST) else "no policy request"
        self._rest = b""


def read(block: bytes) -> Request:
    """A request from its lines, a line break before the first and behind the last."""
    find = block.find
    # Written out, since this runs for every recipient of every message: a call for each attribute costs twice the time.
    client = block[at + 16 : find(b"\n", at + 16)] if (at := find(b"\nclient_address=")) >= 0 else b""
    state = block[at + 16 : find(b"\n", at + 16)] if (at := find(b"\nprotocol_state=")) >= 0 else b""
    context = block[at + 16 : find(b"\n", at + 16)] if (at := find(b"\npolicy_context=")) >= 0 else b""
    account = block[at + 15 : find(b"\n", at + 15)] if (at := find(b"\nsasl_username=")) >= 0 else b""
    instance = block[at + 10 : find(b"\n", at + 10)] if (at := find(b"\ninstance=")) >= 0 else b""
    if state != b"END-OF-MESSAGE":
        return Request(client, state, context, account, instance)
    return Request(client, state, context, account, instance, *(_number(block, key) for key in _NUMBERS))


_NUMBERS = (b"\nrecipient_count=", b"\nsize=", b"\nserver_port=")


def _number(block: bytes, key: bytes) -> int:
    """A number; 0 where there is none."""
    start = block.find(key) + len(key)
    digits = block[start : block.find(b"\n", start)] if start >= len(key) else b""
    return int(digits) if len(digits) < 16 and digits.isdigit() else 0


def answer(action: str) -> bytes:
    """An answer: an action of access(5), on one line."""
    return b"action=%b\n\n" % action.encode("ascii", "replace").replace(b"\n", b" ")


DUNNO = answer("DUNNO")
OK = answer("OK")
"""Let it pass, whatever the rest of the list says: for relaying alone."""
DENIED = answer("REJECT")
"""554 5.7.1, and Postfix's own words."""
HELD = answer("421 4.3.2 Not taking mail from you for now, please try again later")
"""For the time of a hold: the session ends, and an honest server tries again. The status is that of a system that takes no mail (RFC 3463, 3.4), by
which a reader of the log knows that the server refused, and accuses nobody."""
DEFERRED = answer("450 4.3.2 Not taking this message for now, please try again later")
HOLD = answer("HOLD")
"""Into Postfix's hold queue, without the peer's being told: postsuper(1) releases it."""


def sleep(us: int, most: int) -> bytes:
    """Has Postfix itself wait, ``most`` seconds at most, and go on (postconf(5), ``sleep seconds``)."""
    return answer(f"sleep {max(1, min(most, -(-us // 1_000_000)))}")
