"""The clients of the demo: a user, and three attackers, each from an address of its own on loopback.

Job: play their parts against the sandbox, over real connections, and tell the board what each got. Promise: they connect to 127.0.0.1 alone; what
each sends is bounded. Limits: they know only the words that their parts need.
"""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping

from gatepost.aid.demo.board import Actor, Board
from gatepost.aid.demo.door import Protocol

USER = Actor("127.0.0.5", "anna", "reads, sends, mistypes a password once", hostile=False)
FLOODER = Actor("127.0.0.11", "flooder", "connects to IMAP, time and again")
HARVESTER = Actor("127.0.0.22", "harvester", "looks for names on SMTP")
GUESSER = Actor("127.0.0.33", "guesser", "tries passwords on POP3")
ACTORS = (USER, FLOODER, HARVESTER, GUESSER)

ACCOUNT, PASSWORD = "anna@demo.example", "a sandbox's password"
TARGET = "127.0.0.1"
PATIENCE = 5.0
MOST_VISITS = 2_000
"""Connections of one client at most."""
KNOCK = 0.5
"""Seconds between two attempts of a client that is refused."""
LOOK_ELSEWHERE = 25
"""Each so many connections, the flooder looks at another protocol: there it is served."""

Why = Callable[[str, Protocol], Awaitable[str]]
"""Which rule refuses a client on a protocol; nothing where none does."""

_GOOD: dict[Protocol, bytes] = {"smtp": b"220", "imap": b"* OK", "pop3": b"+OK"}


class Cast:
    """Plays all parts until it is cancelled."""

    def __init__(self, board: Board, ports: Mapping[Protocol, int], why: Why) -> None:
        self._board = board
        self._ports = ports
        self._why = why

    async def play(self) -> None:
        """Everybody at once, the attackers one after the other's start."""
        async with asyncio.TaskGroup() as group:
            for part in (self._anna(), self._flood(1.0), self._harvest(3.0), self._guess(5.0)):
                group.create_task(part)

    async def visit(self, actor: Actor, protocol: Protocol, lines: tuple[bytes, ...] = ()) -> bool:
        """One connection: the greeting, then each line and its answer; whether the client was served. Raises OSError, TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(TARGET, self._ports[protocol], local_addr=(actor.address, 0))
            try:
                served = (await reader.readline()).startswith(_GOOD[protocol])
                self._board.got(actor, protocol, served, "" if served else await self._why(actor.address, protocol))
                for line in lines if served else ():
                    writer.write(line + b"\r\n")
                    if not await _answer(reader, protocol):
                        break  # as after the log-in that was one too many
                return served
            finally:
                writer.close()

    async def _try(self, actor: Actor, protocol: Protocol, lines: tuple[bytes, ...] = ()) -> bool:
        """A visit; one that fails is told, for neither the sandbox nor the guard should break."""
        try:
            return await self.visit(actor, protocol, lines)
        except (OSError, TimeoutError) as wrong:
            self._board.trouble(f"{actor.name} on {protocol}: {str(wrong) or 'no answer'}")
            return False

    async def _anna(self) -> None:
        token = b64encode(f"\0{ACCOUNT}\0{PASSWORD}".encode())
        mine = ACCOUNT.encode()
        letter = (b"MAIL FROM:<" + mine + b">", b"RCPT TO:<" + mine + b">", b"DATA", b"Subject: notes\r\n\r\nHello\r\n.")
        send = (b"EHLO laptop.example", b"AUTH PLAIN " + token, *letter, b"QUIT")
        mistyped, login = (f'a LOGIN {ACCOUNT} "{typed}"'.encode() for typed in ("mistyped", PASSWORD))
        read = (login, b"a SELECT INBOX", b"a LOGOUT")
        for number in range(MOST_VISITS):
            await self._try(USER, "smtp", send)
            await self._try(USER, "imap", (mistyped, *read) if number == 1 else read)
            await self._try(USER, "pop3", (f"USER {ACCOUNT}".encode(), f"PASS {PASSWORD}".encode(), b"STAT", b"QUIT"))
            # In a long demo she goes slowly enough to stay below every threshold.
            await asyncio.sleep(1.5 if number < 15 else 12)

    async def _flood(self, start: float) -> None:
        await asyncio.sleep(start)
        for number in range(MOST_VISITS):
            served = await self._try(FLOODER, "imap")
            if number % LOOK_ELSEWHERE == LOOK_ELSEWHERE - 1:
                await self._try(FLOODER, "pop3")
            await asyncio.sleep(0.08 if served else KNOCK)

    async def _harvest(self, start: float) -> None:
        await asyncio.sleep(start)
        names = ("info", "sales", "admin", "office", "test", "john", "mary", "support")
        for number in range(MOST_VISITS):
            to = f"{names[number % len(names)]}{number // len(names) or ''}@demo.example".encode()
            served = await self._try(HARVESTER, "smtp", (b"EHLO bulk.example", b"MAIL FROM:<>", b"RCPT TO:<" + to + b">", b"QUIT"))
            await asyncio.sleep(0.2 if served else KNOCK)

    async def _guess(self, start: float) -> None:
        await asyncio.sleep(start)
        for number in range(MOST_VISITS):
            guesses = [(f"USER {ACCOUNT}".encode(), f"PASS guess-{number}-{turn}".encode()) for turn in range(5)]
            served = await self._try(GUESSER, "pop3", (*(line for pair in guesses for line in pair), b"QUIT"))
            await asyncio.sleep(0.4 if served else KNOCK)


async def _answer(reader: asyncio.StreamReader, protocol: Protocol) -> bool:
    """Reads the answer to a line: in SMTP up to a line without a hyphen, in IMAP up to the tagged one; false where the session has ended."""
    with contextlib.suppress(ValueError):
        while line := await reader.readline():
            if (protocol == "smtp" and line[3:4] != b"-") or (protocol == "imap" and line.startswith(b"a ")) or protocol == "pop3":
                return True
    return False
