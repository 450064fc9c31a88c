"""The sandbox's IMAP and POP3 servers.

Job: greet, check log-ins, say how many messages there are, and have Dovecot's line written of each session. Promise: lines of 1 KiB at most, silent
clients are sent away, and after ten failed log-ins a session ends. Limits: deliberately small. It speaks what a client needs to log in, look and
read (RFC 3501: CAPABILITY NOOP LOGIN SELECT EXAMINE FETCH LOGOUT; RFC 1939: CAPA USER PASS STAT LIST RETR NOOP QUIT), and no TLS, for it listens
on loopback alone. No library for Python that serves IMAP or POP3 is kept well enough to depend on.
"""

import asyncio
import contextlib
import shlex
from collections.abc import Callable

from gatepost.aid.demo.mailboxes import Mailboxes
from gatepost.aid.demo.maillog import LoginSession, MailLog

LONGEST = 1_024
IDLE = 30.0
"""Seconds after which a silent client is sent away."""
MOST_FAILURES = 10


def retrieval_server(protocol: str, mailboxes: Mailboxes, log: MailLog, client: str) -> asyncio.Protocol:
    """The IMAP or POP3 server of one connection."""
    kind = {"imap": _Imap, "pop3": _Pop3}[protocol]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = writer.get_extra_info("sockname")[0]
        await kind(mailboxes, LoginSession(log, protocol, client, here), writer.write).talk(reader, writer)

    return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=LONGEST), serve)


class _Server:
    """What both protocols share: lines in, lines out, and how a session ends."""

    greeting = ""

    def __init__(self, mailboxes: Mailboxes, session: LoginSession, write: Callable[[bytes], None]) -> None:
        self.mailboxes = mailboxes
        self.session = session
        self.account = ""
        self.failures = 0
        self.over = False
        self._write = write

    def say(self, line: str) -> None:
        self._write(f"{line}\r\n".encode())

    def say_message(self, message: bytes) -> None:
        self._write(message)

    def login(self, account: str, password: str) -> bool:
        if self.mailboxes.opens(account, password):
            self.account = account
            self.session.succeeded(account)
            return True
        self.session.failed(account)
        self.failures += 1
        self.over = self.failures >= MOST_FAILURES
        return False

    def take(self, line: str) -> None:
        """Answers a line."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.say(self.greeting)
        with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            while not self.over:
                line = await asyncio.wait_for(reader.readline(), IDLE)
                if not line:
                    break
                self.take(line.decode("utf-8", "replace").rstrip("\r\n"))
                await writer.drain()
        self.session.ended()
        writer.close()


class _Imap(_Server):
    greeting = "* OK [CAPABILITY IMAP4rev1] gatepost sandbox ready"

    def take(self, line: str) -> None:
        tag, _, rest = line.partition(" ")
        name, _, arguments = rest.partition(" ")
        do = getattr(self, f"on_{name.lower()}", None) if name.isascii() and name.isalpha() else None
        if not tag or do is None:
            self.say(f"{tag or '*'} BAD not spoken here")
            return
        self.say(f"{tag} {do(arguments)}")

    def on_capability(self, arguments: str) -> str:
        self.say("* CAPABILITY IMAP4rev1")
        return "OK done"

    def on_noop(self, arguments: str) -> str:
        return "OK done"

    def on_login(self, arguments: str) -> str:
        words = _words(arguments)
        if self.account or len(words) != 2:
            return "BAD LOGIN wants a name and a password, once"
        return "OK logged in" if self.login(*words) else "NO [AUTHENTICATIONFAILED] Authentication failed."

    def on_select(self, arguments: str) -> str:
        if not self.account:
            return "NO log in first"
        self.say(f"* {len(self.mailboxes.messages(self.account))} EXISTS")
        return "OK [READ-WRITE] selected"

    def on_examine(self, arguments: str) -> str:
        return self.on_select(arguments).replace("WRITE", "ONLY")

    def on_fetch(self, arguments: str) -> str:
        number, _, what = arguments.partition(" ")
        found = self.mailboxes.messages(self.account) if self.account else []
        if not (number.isascii() and number.isdigit() and 1 <= int(number) <= len(found)) or what.strip("()").upper() != "RFC822":
            return "NO FETCH wants the number of a message and RFC822"
        message = found[int(number) - 1]
        self.say(f"* {number} FETCH (RFC822 {{{len(message)}}}")
        self.say_message(message)
        self.say(")")
        return "OK done"

    def on_logout(self, arguments: str) -> str:
        self.say("* BYE Logging out")
        self.over = True
        return "OK done"


class _Pop3(_Server):
    greeting = "+OK gatepost sandbox ready."
    user = ""

    def take(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        do = getattr(self, f"on_{name.lower()}", None) if name.isascii() and name.isalpha() else None
        self.say("-ERR not spoken here" if do is None else do(argument))

    def on_capa(self, argument: str) -> str:
        return "+OK\r\nUSER\r\n."

    def on_noop(self, argument: str) -> str:
        return "+OK"

    def on_user(self, argument: str) -> str:
        self.user = argument
        return "+OK"

    def on_pass(self, argument: str) -> str:
        if self.account or not self.user:
            return "-ERR USER first, and once"
        return "+OK Logged in." if self.login(self.user, argument) else "-ERR [AUTH] Authentication failed."

    def on_stat(self, argument: str) -> str:
        found = self.mailboxes.messages(self.account)
        return f"+OK {len(found)} {sum(map(len, found))}" if self.account else "-ERR log in first"

    def on_list(self, argument: str) -> str:
        if not self.account:
            return "-ERR log in first"
        return "\r\n".join(["+OK", *(f"{number} {len(each)}" for number, each in enumerate(self.mailboxes.messages(self.account), 1)), "."])

    def on_retr(self, argument: str) -> str:
        found = self.mailboxes.messages(self.account) if self.account else []
        if not (argument.isascii() and argument.isdigit() and 1 <= int(argument) <= len(found)):
            return "-ERR no such message"
        text = found[int(argument) - 1].decode("utf-8", "replace").replace("\r\n.", "\r\n..")
        return f"+OK\r\n{text.removesuffix(chr(13) + chr(10))}\r\n."

    def on_quit(self, argument: str) -> str:
        self.over = True
        return "+OK Logging out."


def _words(text: str) -> list[str]:
    """Atoms and quoted strings; none where the text is neither."""
    try:
        return shlex.split(text)
    except ValueError:
        return []
