"""Who logs in by SASL (RFC 4422), told from the client's responses.

Job: find account and secret in the responses of PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5's kin, SCRAM, XOAUTH2 and OAUTHBEARER. Promise: says when the next
response would show the server a proof, so that a log-in can be judged before; garbage yields nobody, never an exception. Limits: mechanisms that it
does not know (GSSAPI, NTLM, EXTERNAL) name nobody.
"""

import binascii
import re
from base64 import b64decode
from typing import Any

from gatepost.wire.tap import Ear, Tap, text_of

_USER_OF_OAUTH = re.compile(rb"(?:^|[,\x01])(?:user|a)=([^\x01,]{0,512})")
_BEARER = re.compile(rb"\x01auth=[Bb]earer ([^\x01]{0,16384})")
_USER_OF_SCRAM = re.compile(rb"[nyp](?:=[^,]{0,512})?,[^,]{0,512},(?:m=[^,]{0,512},)?n=([^,]{0,512})")

PLUS = re.compile(rb" [A-Z0-9-]{1,32}-PLUS(?![^ \r\n])", re.IGNORECASE)
"""Mechanisms in a list that are bound to a TLS channel, which ends at the gateway (RFC 5802, 6)."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/=*]*\r?\n")
_INITIAL = re.compile(rb"[ \t]*[A-Za-z0-9-]+[ \t]+[A-Za-z0-9_-]+[ \t]+[A-Za-z0-9+/=]*[ \t]*\r?\n")


class Sasl:
    """One exchange. `take` is given each response that the client sends, the initial one included."""

    __slots__ = ("_steps", "account", "mechanism", "secret")

    def __init__(self, mechanism: bytes) -> None:
        self.mechanism = text_of(mechanism[:32]).upper()
        self.account = ""
        self.secret = b""
        """What proves who it is, where that is the same each time; the caller hashes it and lets it go."""
        self._steps = 0

    def take(self, response: bytes) -> bool:
        """A response, in base64. Returns whether the log-in is to be judged now, before it goes on."""
        self._steps += 1
        said = decoded(response)
        if self.mechanism == "LOGIN":
            return self._login(said)
        if self._steps > 1:
            return False
        if self.mechanism == "PLAIN":  # RFC 4616: authzid NUL authcid NUL passwd
            _, _, rest = said.partition(b"\0")
            who, _, self.secret = rest.partition(b"\0")
            self.account = text_of(who)
        elif self.mechanism == "CRAM-MD5":  # RFC 2195: the name, a space, the digest
            self.account = text_of(said.rpartition(b" ")[0])
        elif self.mechanism.startswith("SCRAM-"):  # RFC 5802, 7
            found = _USER_OF_SCRAM.match(said)
            self.account = text_of(found[1].replace(b"=2C", b",").replace(b"=3D", b"=")) if found else ""
        elif self.mechanism in ("XOAUTH2", "OAUTHBEARER"):  # RFC 7628, 3.1
            found, token = _USER_OF_OAUTH.search(said), _BEARER.search(said)
            self.account = text_of(found[1].replace(b"=2C", b",").replace(b"=3D", b"=")) if found else ""
            self.secret = token[1] if token else b""
        return True

    def _login(self, said: bytes) -> bool:
        """The name first, then the password."""
        if self._steps == 1:
            self.account = text_of(said)
        elif self._steps == 2:
            self.secret = said
        return self._steps == 2


class LoginTap(Tap):
    """A tap whose clients log in."""

    __slots__ = ("_asked", "_sasl", "_secret")

    def __init__(self, ear: Ear, **common: Any) -> None:
        super().__init__(ear, **common)
        self._sasl: Sasl | None = None
        """The log-in under way."""
        self._asked = False
        """Whether it was judged."""
        self._secret = ""
        """The hash of what proves who it is."""

    def _begin(self, mechanism: bytes) -> None:
        """An exchange begins."""
        self._sasl, self._asked, self._secret = Sasl(mechanism), False, ""

    def _may(self, response: bytes) -> bool:
        """Whether a response of the client's may go on to the server."""
        sasl = self._sasl
        if sasl is None or not sasl.take(response):
            return True
        self._asked = True
        self._secret = self.ear.hashed(sasl.secret) if sasl.secret else ""
        sasl.secret = b""
        return self.ear.login(sasl.account, sasl.mechanism)

    def _over(self, well: bool, guessed: bool) -> bool:
        """The exchange is over. From a log-in on all bytes pass; a failed guess is told. Returns whether the session may go on."""
        sasl, self._sasl = self._sasl, None
        if sasl is None:
            return True
        if well:
            self.account = sasl.account or "?"
            self.ear.logged_in(sasl.account, sasl.mechanism)
            self.open = True
            return True
        return not (guessed and self._asked) or self.ear.login_failed(sasl.account, sasl.mechanism, self._secret)


def is_response(line: bytes) -> bool:
    """Whether a line is a response in base64, or a cancel, and nothing else. In such a long one a server with shorter lines finds no command."""
    return _BASE64.fullmatch(line) is not None


def is_initial(line: bytes) -> bool:
    """Whether a line is a command that begins a log-in with a response in base64, and nothing else."""
    return _INITIAL.fullmatch(line) is not None


def decoded(response: bytes) -> bytes:
    """What a response in base64 says; ``=`` stands for an empty one (RFC 4954, 4), and so does what is no base64."""
    try:
        return b64decode(response.strip() + b"==") if response.strip(b" \r\n=") else b""
    except (binascii.Error, ValueError):
        return b""
