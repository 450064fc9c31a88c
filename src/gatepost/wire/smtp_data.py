"""The text of a message, from DATA to its end (RFC 5321, 4.1.1.4 and 4.5.2).

Job: find the end, which is CR LF "." CR LF and nothing else, and look for bare CR and LF, by which a message is smuggled past a server that takes
other ends. Promise: any split of the text gives the same. Limits: holds back four bytes at most, or in `normalize` a lone dot and a CR.
"""

import re
from typing import Literal

BareNewlines = Literal["refuse", "normalize", "pass"]
"""What becomes of a message with a bare CR or LF: it is refused; they become CR LF; or it goes on as it is."""

END = b"\r\n.\r\n"
_TOKEN = re.compile(rb"[^\r\n]+|\r\n|\r|\n")


class Body:
    """One message's text."""

    __slots__ = ("_dot", "_held", "_start", "_true", "_way", "bare")

    def __init__(self, way: BareNewlines) -> None:
        self._way = way
        self.bare = False
        """There was a bare CR or LF, and it is to be refused."""
        self._held = b""
        self._start = True
        """Nothing came yet; in `normalize`: a line begins here."""
        self._true = True
        """The line began behind a true CR LF."""
        self._dot = False
        """The line so far is a dot, which is held back."""

    def take(self, data: bytes) -> tuple[bytes, bytes | None]:
        """More bytes. Returns what goes on, and what comes behind the end; None where the end has not come."""
        if self._held:
            data, self._held = self._held + data, b""
        return self._normalized(data) if self._way == "normalize" else self._plain(data)

    def _plain(self, data: bytes) -> tuple[bytes, bytes | None]:
        if self._start:
            if data.startswith(b".\r\n"):  # the CR LF before it is the command's
                return data[:3], data[3:]
            if b".\r\n".startswith(data):
                self._held = data
                return b"", None
            self._start = False
        found = data.find(END)
        if found >= 0:
            passed, rest = data[: found + 5], data[found + 5 :]
            self._check(passed)
            return passed, rest
        keep = next((size for size in (4, 3, 2, 1) if data.endswith(END[:size])), 0)
        if keep:
            data, self._held = data[:-keep], data[-keep:]
        self._check(data)
        return data, None

    def _check(self, data: bytes) -> None:
        """Whether each CR and LF of a piece stands in a pair; no piece is cut between the two."""
        if self._way == "refuse" and not self.bare:
            alone = data.replace(b"\r\n", b"")  # a quarter of the time that counting takes
            self.bare = b"\n" in alone or b"\r" in alone

    def _normalized(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Each bare CR and LF becomes CR LF; a dot behind or before one of them is no end, and is doubled so that nobody takes it for one."""
        if data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        out: list[bytes] = []
        for found in _TOKEN.finditer(data):
            token = found[0]
            if token[:1] not in b"\r\n":
                out.append(self._words(token))
                continue
            if self._dot:
                if token == b"\r\n":
                    out.append(b".\r\n")
                    rest = data[found.end() :] + self._held
                    self._held = b""
                    return b"".join(out), rest
                out.append(b"..")
            out.append(b"\r\n")
            self._start, self._true, self._dot = True, token == b"\r\n", False
        return b"".join(out), None

    def _words(self, token: bytes) -> bytes:
        """Text within a line."""
        start, self._start = self._start, False
        if self._dot:
            self._dot = False
            return b"." + token
        if start and token[:1] == b".":
            if not self._true:
                return b"." + token
            if token == b".":
                self._dot = True
                return b""
        return token
