"""What the daemon says: to its log, and to systemd.

Job: structured log lines (logfmt) on standard error, and the notifications of sd_notify(3). Promise: one event, one line; what a peer wrote is quoted
and escaped. Limits: no levels to configure, no files: the service manager keeps the log.
"""

import json
import logging
import os
import socket
import sys
from typing import TextIO

_PRIORITIES = {"error": "<3>", "warning": "<4>", "notice": "<5>", "info": "<6>"}
"""What journald reads at the start of a line (sd-daemon(3))."""


class Speaker:
    """Writes log lines; ``prefixed`` puts journald's priority before each."""

    def __init__(self, out: TextIO | None = None, prefixed: bool | None = None) -> None:
        self._out = out or sys.stderr
        self._prefixed = "JOURNAL_STREAM" in os.environ if prefixed is None else prefixed

    def say(self, level: str, event: str, **fields: object) -> None:
        """One event with its fields. A log that cannot be written is no reason to stop."""
        words = [f"level={level}", f"event={event}", *(f"{name}={_quoted(value)}" for name, value in fields.items() if value not in ("", None))]
        try:
            self._out.write(f"{_PRIORITIES.get(level, '') if self._prefixed else ''}{' '.join(words)}\n")
            self._out.flush()
        except OSError:
            pass


class Relay(logging.Handler):
    """Says what the rooms below report through `logging`, as events of the daemon."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__()
        self._speaker = speaker

    def emit(self, record: logging.LogRecord) -> None:
        """One record, one event."""
        level = "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        self._speaker.say(level, record.name.rpartition(".")[2], said=record.getMessage())


def _quoted(value: object) -> str:
    text = str(value)
    return text if text and text.isascii() and text.isprintable() and not set(text) & set(' "=\\') else json.dumps(text)


class Notifier:
    """Tells the service manager how we are (sd_notify(3)); does nothing where there is none."""

    def __init__(self, address: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self.watchdog = int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000
        """Seconds between two signs of life; 0: none are wanted."""

    @property
    def present(self) -> bool:
        """Whether there is a service manager."""
        return bool(self._address)

    def tell(self, state: str) -> None:
        """Sends a state, as ``READY=1``."""
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            try:
                link.sendto(state.encode(), name)
            except OSError:
                return
