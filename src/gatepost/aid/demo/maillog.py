"""The sandbox's mail log.

Job: write what the sandbox's servers saw, in Postfix's and Dovecot's own words, as syslog would write it to a file. Promise: the lines are those
that the real daemons write, so that the real inlet and the real grammars read them; what a client said cannot begin a line of its own.
Limits: the lines that tell of a client, not the daemons' whole talk.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

HOST = "demo"


class MailLog:
    """A file that grows by a line each time."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        self._out = path.open("a", encoding="utf-8", buffering=1)
        self._now = now
        self._busy: set[int] = set()
        self._numbers = count(1)

    def write(self, tag: str, message: str) -> None:
        """One line, with a stamp that names its offset."""
        stamp = datetime.fromtimestamp(self._now() / 1_000_000, UTC).isoformat(timespec="microseconds")
        text = "".join(c if c.isprintable() else "?" for c in message)
        self._out.write(f"{stamp} {HOST} {tag}: {text}\n")

    def number(self) -> int:
        """A number that was not given before: for queue ids and sessions."""
        return next(self._numbers)

    def hire(self) -> int:
        """The process id of a server for one session: no two sessions have one at the same time, as with Postfix's processes."""
        pid = next(pid for pid in count(1001) if pid not in self._busy)
        self._busy.add(pid)
        return pid

    def dismiss(self, pid: int) -> None:
        """The session has ended."""
        self._busy.discard(pid)

    def close(self) -> None:
        """Closes the file."""
        self._out.close()


class SmtpSession:
    """What Postfix's smtpd writes of one session."""

    def __init__(self, log: MailLog, client: str) -> None:
        self._log = log
        self._pid = log.hire()
        self._peer = f"unknown[{client}]"
        self._commands: dict[str, list[int]] = {}
        self._method = ""
        self._account = ""
        self._say(f"connect from {self._peer}")

    def _say(self, message: str) -> None:
        self._log.write(f"postfix/smtpd[{self._pid}]", message)

    def command(self, name: str, well: bool = True) -> None:
        """A command was carried out, or refused."""
        done = self._commands.setdefault(name, [0, 0])
        done[0] += well
        done[1] += 1

    def login(self, account: str, method: str, well: bool) -> None:
        """A log-in; Postfix tells one that succeeded with the first message."""
        self.command("auth", well)
        if well:
            self._account, self._method = account, method
        else:
            self._say(f"warning: {self._peer}: SASL {method} authentication failed: authentication failure, sasl_username={account}")

    def unknown_recipient(self, sender: str, recipient: str, helo: str) -> None:
        """A recipient that does not exist."""
        self.command("rcpt", False)
        self._say(
            f"NOQUEUE: reject: RCPT from {self._peer}: 550 5.1.1 <{recipient}>: Recipient address rejected: User unknown in virtual mailbox table; "
            f"from=<{sender}> to=<{recipient}> proto=ESMTP helo=<{helo}>"
        )

    def accepted(self, sender: str, recipients: list[str], size: int) -> None:
        """A message was accepted and delivered."""
        self.command("data")
        id = f"{0xD3300000 + self._log.number():X}"
        sasl = f", sasl_method={self._method}, sasl_username={self._account}" if self._account else ""
        self._say(f"{id}: client={self._peer}{sasl}")
        self._log.write("postfix/cleanup[901]", f"{id}: message-id=<{id}@{HOST}>")
        self._log.write("postfix/qmgr[902]", f"{id}: from=<{sender}>, size={size}, nrcpt={len(recipients)} (queue active)")
        for to in recipients:
            sent = "relay=virtual, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)"
            self._log.write("postfix/virtual[903]", f"{id}: to=<{to}>, {sent}")
        self._log.write("postfix/qmgr[902]", f"{id}: removed")

    def ended(self) -> None:
        """The session is over."""
        told = [f"{name}={done}" if done == tried else f"{name}={done}/{tried}" for name, (done, tried) in self._commands.items()]
        done, tried = (sum(each[which] for each in self._commands.values()) for which in (0, 1))
        self._say(" ".join([f"disconnect from {self._peer}", *told, f"commands={done}" if done == tried else f"commands={done}/{tried}"]))
        self._log.dismiss(self._pid)


class LoginSession:
    """What Dovecot's login process writes of one session: a line, when its log-in phase ends."""

    def __init__(self, log: MailLog, service: str, client: str, server: str) -> None:
        self._log = log
        self._service = service
        self._number = log.number()
        self._rip, self._lip = client, server
        self._account = ""
        self._failed = 0
        self._ended = False

    def failed(self, account: str) -> None:
        """A log-in failed; the client may try again."""
        self._account = account
        self._failed += 1

    def succeeded(self, account: str) -> None:
        """A log-in succeeded."""
        self._say("Login", account, f", mpid={2000 + self._number % 30000}")

    def ended(self) -> None:
        """The client left; nothing is written of one that was logged in."""
        tries = f"{self._failed} attempt{'s' if self._failed > 1 else ''}"
        why = f"auth failed, {tries} in 1 secs" if self._failed else "no auth attempts in 0 secs"
        self._say(f"Disconnected: Connection closed ({why})", self._account, "")

    def _say(self, what: str, account: str, more: str) -> None:
        if self._ended:
            return
        self._ended = True
        method = ", method=PLAIN" if account else ""
        where = f"rip={self._rip}, lip={self._lip}{more}, session=<demo{self._number:08x}>"
        self._log.write("dovecot", f"{self._service}-login: {what}: user=<{account}>{method}, {where}")
