"""The second factor: codes that change every 30 seconds (RFC 6238).

Job: make a secret, and tell whether a code belongs to it. Promise: a code is good once, and a neighbouring step is good too, for clocks differ.
Limits: SHA-1 and six digits, which is what every authenticator takes; guessing is slowed by throttle.py.
"""

import base64
import binascii
import hmac
import secrets
from urllib.parse import quote, urlencode

from gatepost.core.spans import SECOND

STEP = 30 * SECOND
DIGITS = 6


def new_secret() -> str:
    """A secret of 160 bits, in base32 (RFC 4226, 4, R6)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(secret: str, step: int) -> str:
    """The code of a step (RFC 4226, 5.3). Raises ValueError where the secret is none."""
    try:
        key = base64.b32decode(secret)
    except binascii.Error:
        raise ValueError("this is no secret in base32") from None
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(secret: str, code: str, at: int, after: int = 0) -> int:
    """The step that a code belongs to, if it is later than ``after``, the one that was used last; 0 where the code is wrong or was used."""
    typed = code.replace(" ", "").encode("utf-8", "replace")
    now = at // STEP
    right = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(code_at(secret, step).encode(), typed) and step > after]
    return max(right, default=0)


def uri_of(secret: str, name: str, host: str) -> str:
    """What an authenticator reads: ``otpauth://totp/...``."""
    return f"otpauth://totp/{quote(f'Gatepost {host}:{name}', safe='')}?{urlencode({'secret': secret, 'issuer': f'Gatepost {host}'})}"
