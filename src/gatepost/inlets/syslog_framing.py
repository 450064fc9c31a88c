"""The messages in a stream of syslog (RFC 6587), and the line that a message holds.

Job: tell octet counting and newline framing apart by the first byte of a connection, cut the stream into messages, and make a line of each. Promise:
sans I/O; what waits is bounded, whatever comes; a message that is too long is left out and counted, and the stream goes on behind it; what cannot
go on is told in ``broken``. Limits: what ends without its end is no message: where it is cut, a peer's text could stand where the daemon's own
fields should.
"""

import re

LONGEST = 65_536
"""Bytes of a message at most: the reader takes a quarter of that in characters."""
MOST_SKIPPED = 1 << 20
"""Bytes of a message that is too long which are passed over; a longer one ends the connection."""
DIGITS = 7
"""Of an octet count at most."""
_PRIORITY = re.compile(r"<[0-9]{1,3}>")
_BETWEEN = b"\0\r\n"


class Frames:
    """The messages of one connection."""

    __slots__ = ("_buffer", "_counted", "_skip", "_skipped", "broken", "too_long")

    def __init__(self) -> None:
        self.broken = ""
        """Why the stream cannot go on; empty while it can."""
        self.too_long = 0
        """Messages that were left out since they are too long."""
        self._buffer = bytearray()
        self._counted: bool | None = None
        self._skip = 0
        """Bytes of a counted message that are still to be passed over; with newlines: 1 until the next one."""
        self._skipped = 0

    @property
    def waiting(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer) or self._skip > 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that end in these bytes."""
        if self.broken:
            return []
        if self._counted is None:
            data = data.lstrip(_BETWEEN)
            if not data:
                return []
            self._counted = data[:1].isdigit()
        return self._by_count(data) if self._counted else self._by_newline(data)

    def _by_newline(self, data: bytes) -> list[bytes]:
        if self._skip:
            rest, newline, data = data.partition(b"\n")
            if not newline:
                self._pass_over(len(rest))
                return []
            self._skip = 0
        whole, newline, tail = data.rpartition(b"\n")
        found: list[bytes] = []
        if newline:
            found = (bytes(self._buffer) + whole).split(b"\n")
            self._buffer = bytearray()
            short = [message for message in found if len(message) <= LONGEST]
            self.too_long += len(found) - len(short)
            found = short
        self._buffer += tail
        if len(self._buffer) > LONGEST:
            self.too_long += 1
            self._skip, self._skipped = 1, 0
            self._pass_over(len(self._buffer))
            self._buffer = bytearray()
        return found

    def _pass_over(self, many: int) -> None:
        self._skipped += many
        if self._skipped > MOST_SKIPPED:
            self.broken = "endless message"

    def _by_count(self, data: bytes) -> list[bytes]:
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        buffer = self._buffer
        buffer += data
        found: list[bytes] = []
        at, end = 0, len(buffer)
        while at < end:
            if buffer[at] in _BETWEEN:  # some senders end counted messages, too
                at += 1
                continue
            start = buffer.find(b" ", at, at + DIGITS + 1)
            count = self._count(bytes(buffer[at : start if start >= 0 else end]), start < 0)
            if count < 0 or self.broken:
                break
            stop = start + 1 + count
            if count > LONGEST:
                self.too_long += 1
                self._skip = max(stop - end, 0)
                at = min(stop, end)
                continue
            if stop > end:
                break
            found.append(bytes(buffer[start + 1 : stop]))
            at = stop
        del buffer[: end if self.broken else at]
        return found

    def _count(self, digits: bytes, open_end: bool) -> int:
        """A count; -1 where it has not ended yet, or is none."""
        if not digits.isdigit() or digits.startswith(b"0") or len(digits) > DIGITS:
            self.broken = "no octet count"
            return -1
        if open_end:
            return -1
        count = int(digits)
        if count > MOST_SKIPPED:
            self.broken = "huge octet count"
        return count


def line(message: bytes) -> str:
    """The line that a message holds, without its priority; empty where there is none."""
    message = message.strip(_BETWEEN + b" ").removeprefix(b"\xef\xbb\xbf")
    if b"\0" in message or b"\n" in message:
        message = message.replace(b"\0", b"?").replace(b"\n", b" ")
    text = message.decode("utf-8", "replace")
    priority = _PRIORITY.match(text)
    return text[priority.end() :] if priority is not None else text
