"""The campaign of the acceptance test: who attacks whom, how often exactly, and who must be held for it by the preset `standard`.

Job: declare attacks (just enough to be held), near misses (one short of it) and honest clients, and drive them all at the same time.
Promise: every number is exact; an attack's sources do nothing else. Limits: the preset's rules count up to 50 in 5 and 10 minutes, so a campaign is
over in one or two; what ends a session without a message counts for `harvesting` too, so that other attacks on SMTP keep below 20 sessions or hold
their connections open together.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.e2e.attackers import HOSTILE_USERS, Client, Host, Wire, auth_commands, message, together
from tests.e2e.net import Internet

Job = Callable[[], object]
FRIEND, BOB, GHOST = b"friend@friend.example", b"bob@example.org", b"ghost@example.org"
ALICE = ("alice@example.org", "secret-a")
PROXY = "203.0.113.99"
GUESSED = "bob@example.org"


@dataclass
class Act:
    """What some clients do, and what the preset makes of it."""

    sources: tuple[str, ...]
    jobs: list[Job]
    rule: str = ""
    """The rule that holds them; empty where nobody may be held."""
    protocol: str = ""
    subject: str = ""
    """What is held; the only source, where this is empty."""
    count: int = 0
    began: float = field(default=0.0, init=False)
    ended: float = field(default=0.0, init=False)

    @property
    def decision(self) -> tuple[str, str, str]:
        """Rule, protocol and subject of the decision that must come."""
        return self.rule, self.protocol, self.subject or self.sources[0]


class Place:
    """The clients of an internet, and one host."""

    def __init__(self, internet: Internet, host: Host) -> None:
        self.internet, self.host = internet, host

    def at(self, source: str) -> Client:
        """A client at an address."""
        return Client(self.internet, source, self.host)

    def touches(self, source: str, port: int, times: int) -> list[Job]:
        """Connects and leaves after the greeting."""
        return [lambda: self.at(source).touch(port)] * times

    def held_open(self, source: str, times: int) -> list[Job]:
        """Opens SMTP connections and ends them only when all stand."""

        def hold() -> None:
            wires = together([lambda: self.at(source).greeted()] * times, 10)
            together([partial(_quit, wire) for wire in wires], 10)

        return [hold]

    def sessions(self, source: str, times: int, commands: list[bytes], port: int = 25, leave: bool = True) -> list[Job]:
        """SMTP sessions with the same commands."""
        return [lambda: self.at(source).talk(commands, port, leave=leave)] * times

    def imap_guesses(self, source: str, connections: int, each: int, user: str = GUESSED, port: int = 143) -> list[Job]:
        """Failing IMAP log-ins, several in a connection."""
        return [lambda: self.at(source).imap_guess(user, ["wrong"] * each, port)] * connections

    def pop3_guesses(self, source: str, connections: int, each: int, port: int = 110) -> list[Job]:
        """Failing POP3 log-ins, several in a connection."""
        return [lambda: self.at(source).pop3_guess(GUESSED, ["wrong"] * each, port)] * connections

    def smtp_guesses(self, source: str, connections: int, each: int, user: str = GUESSED, port: int = 25, hello: str = "x.example") -> list[Job]:
        """Failing SMTP log-ins, several in a session."""
        commands = auth_commands(user, "wrong") * each
        return [lambda: self.at(source).talk(commands, port, b"EHLO " + hello.encode())] * connections

    def by_proxy(self, source: str, times: int, commands: list[bytes]) -> list[Job]:
        """SMTP sessions of a client that a proxy hands on with XCLIENT."""
        given = [b"XCLIENT NAME=[UNAVAILABLE] ADDR=" + source.encode(), b"EHLO client.example", *commands]
        return self.sessions(PROXY, times, given)


def honest(place: Place, imap: bool = True) -> list[Act]:
    """People and servers that are busy and break nothing: alice, who mistypes her password now and then, and a friend's mail server."""
    alice, friend = "203.0.113.50", "192.0.2.80"
    jobs: list[Job] = [lambda: place.at(alice).deliver(["bob@example.org"], ALICE[0], port=587, login=ALICE)] * 6
    jobs += place.smtp_guesses(alice, 3, 1, ALICE[0], 587)
    if imap:
        jobs += [lambda: place.at(alice).imap_guess(ALICE[0], ["secret-a"])] * 20
        jobs += [lambda: place.at(alice).pop3_guess(ALICE[0], ["secret-a"])] * 10
        jobs += place.imap_guesses(alice, 2, 2, ALICE[0])
    mail: list[Job] = [lambda: place.at(friend).deliver(["bob@example.org", "carol@example.org"])] * 12
    mail += [lambda: place.at(friend).swaks("--to", "bob@example.org", "--from", "friend@friend.example")]
    return [Act((alice,), jobs), Act((friend,), mail + place.sessions(friend, 5, []))]


def floods_of_mail_host(place: Place) -> list[Act]:
    """Connections to Postfix and Dovecot: 50 are held, 49 are not."""
    six = "2001:db8:1:c::"
    delivering: list[Job] = [lambda: place.at("192.0.2.6").deliver(["bob@example.org"])] * 49
    return [
        Act(("192.0.2.1",), place.touches("192.0.2.1", 143, 50), "dos", "imap", count=50),
        Act(("192.0.2.2",), place.touches("192.0.2.2", 143, 49)),
        Act(("192.0.2.3",), place.touches("192.0.2.3", 110, 50), "dos", "pop3", count=50),
        Act(("192.0.2.4",), place.touches("192.0.2.4", 110, 49)),
        Act(("192.0.2.5",), place.held_open("192.0.2.5", 50), "dos", "smtp", count=50),
        Act(("192.0.2.6",), delivering),
        Act((f"{six}1",), place.touches(f"{six}1", 110, 50), "dos", "pop3", count=50),
        Act((f"{six}2",), place.touches(f"{six}2", 110, 49)),
    ]


def harvesters_of_mail_host(place: Place) -> list[Act]:
    """Sessions with Postfix that end without a message: 20 are held, 19 are not; those that the server sent away until later accuse nobody."""
    unknown, greylisted = message(FRIEND, [GHOST])[:2], message(FRIEND, [b"grey@example.org"])[:2]
    chunk = [*message(FRIEND, [BOB])[:2], b"BDAT 12\r\nSubject: x\r"]
    whole = [*message(FRIEND, [BOB])[:2], b"BDAT 12\r\nSubject: x\r", b"BDAT 5 LAST\r\n\r\nx"]
    early: list[Job] = [lambda: _pregreet(place.at("192.0.2.17"))] * 20
    return [
        Act(("192.0.2.7",), place.sessions("192.0.2.7", 20, []), "harvesting", "smtp", count=20),
        Act(("192.0.2.8",), place.sessions("192.0.2.8", 19, [])),
        Act(("192.0.2.16",), place.sessions("192.0.2.16", 20, unknown), "harvesting", "smtp", count=20),
        Act(("192.0.2.17",), early, "harvesting", "smtp", count=20),
        Act(("192.0.2.18",), place.sessions("192.0.2.18", 30, greylisted)),
        Act(("192.0.2.19",), place.sessions("192.0.2.19", 20, chunk, leave=False), "harvesting", "smtp", count=20),
        Act(("192.0.2.20",), place.sessions("192.0.2.20", 25, whole)),
        # The proxy itself has 39 sessions, and is not held.
        Act(("192.0.2.21",), place.by_proxy("192.0.2.21", 20, unknown), "harvesting", "smtp", count=20),
        Act(("192.0.2.22",), place.by_proxy("192.0.2.22", 19, unknown)),
    ]


def guessers_of_mail_host(place: Place) -> list[Act]:
    """Failed log-ins through Dovecot, for IMAP, POP3 and Postfix: 50 are held, 49 are not, and a /64 is one guesser."""
    guesses = "password-brute-force"
    many, few = [f"2001:db8:1:a::{n}" for n in range(1, 11)], [f"2001:db8:1:b::{n}" for n in range(1, 8)]
    # hydra stops at nothing and counts its connections itself, so it guesses more often than it takes.
    hydra: list[Job] = [lambda: place.at("192.0.2.23").hydra(GUESSED, [f"guess{n}" for n in range(60)], "smtp", 587, 8)]
    hostile_smtp = [job for user in HOSTILE_USERS for job in place.smtp_guesses("192.0.2.14", 1, 6, user, 587, "x[6.6.6.6]")]
    hostile_imap = [job for user in HOSTILE_USERS for job in _quoted(place, "192.0.2.15", user, 6)]
    return [
        Act(("192.0.2.9",), place.imap_guesses("192.0.2.9", 10, 5), guesses, "imap", count=50),
        Act(("192.0.2.10",), place.pop3_guesses("192.0.2.10", 10, 5), guesses, "pop3", count=50),
        Act(("192.0.2.11",), place.smtp_guesses("192.0.2.11", 5, 5) + place.smtp_guesses("192.0.2.11", 5, 5, port=587), guesses, "smtp", count=50),
        Act(("192.0.2.12",), place.imap_guesses("192.0.2.12", 7, 7)),
        Act(("192.0.2.13",), place.smtp_guesses("192.0.2.13", 7, 7)),
        Act(tuple(many), [job for one in many for job in place.imap_guesses(one, 1, 5)], guesses, "imap", "2001:db8:1:a::/64", 50),
        Act(tuple(few), [job for one in few for job in place.imap_guesses(one, 1, 7)]),
        Act(("192.0.2.23",), hydra, guesses, "smtp", count=50),
        Act(("192.0.2.14",), hostile_smtp, guesses, "smtp", count=50),
        Act(("192.0.2.15",), hostile_imap, guesses, "imap", count=50),
    ]


def own_log(place: Place) -> list[Act]:
    """The Dovecot that writes its own log, on ports 10000 above the usual."""
    return [
        Act(("192.0.2.31",), place.imap_guesses("192.0.2.31", 10, 5, port=10143), "password-brute-force", "imap", count=50),
        Act(("192.0.2.32",), place.pop3_guesses("192.0.2.32", 7, 7, port=10110)),
        Act(("192.0.2.33",), place.touches("192.0.2.33", 10110, 50), "dos", "pop3", count=50),
    ]


def exim(place: Place) -> list[Act]:
    """Connections, sessions and log-ins with Exim, exact in the same way."""
    unknown, guesses = message(FRIEND, [GHOST])[:2], "password-brute-force"
    users = [user for user in HOSTILE_USERS if "\0" not in user]
    hostile = [job for user in users for job in place.smtp_guesses("203.0.113.67", 1, 6, user, hello="[6.6.6.6]")]
    delivering: list[Job] = [lambda: place.at("203.0.113.62").deliver(["bob@example.org"])] * 49
    return [
        Act(("203.0.113.61",), place.held_open("203.0.113.61", 50), "dos", "smtp", count=50),
        Act(("203.0.113.62",), delivering),
        Act(("203.0.113.63",), place.sessions("203.0.113.63", 20, unknown), "harvesting", "smtp", count=20),
        Act(("203.0.113.64",), place.sessions("203.0.113.64", 19, [])),
        Act(("203.0.113.65",), place.smtp_guesses("203.0.113.65", 17, 3), guesses, "smtp", count=50),
        Act(("203.0.113.66",), place.smtp_guesses("203.0.113.66", 7, 7)),
        Act(("203.0.113.67",), hostile, guesses, "smtp", count=50),
        *honest(place, imap=False),
    ]


def _quit(wire: Wire) -> None:
    wire.smtp(b"QUIT")
    wire.sock.close()


def _quoted(place: Place, source: str, user: str, each: int) -> list[Job]:
    lines = [f"t{number} ".encode() + b"AUTHENTICATE PLAIN " + auth_commands(user, "wrong")[0].split(b" ")[2] for number in range(each)]
    return [lambda: place.at(source).imap_raw(*lines, b"x LOGOUT")]


def _pregreet(client: Client) -> None:
    with client.wire(26) as wire, contextlib.suppress(OSError):
        wire.line()
        wire.send(b"EHLO [6.6.6.6]\r\n")
        wire.wait_end()


def drive(acts: list[Act], width: int = 60) -> None:
    """Does all of it, in bounded parallel, and notes when each act began and ended."""

    def noted(act: Act, job: Job) -> Job:
        def run() -> None:
            act.began = min(act.began or time.time(), time.time())
            job()
            act.ended = max(act.ended, time.time())

        return run

    waiting = [[noted(act, job) for job in act.jobs] for act in acts]
    mixed: list[Job] = []
    # One job of each act in turn, so that attackers and honest clients meet at the servers.
    while waiting:
        mixed += [jobs.pop(0) for jobs in waiting]
        waiting = [jobs for jobs in waiting if jobs]
    together(mixed, width)
