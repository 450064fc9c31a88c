"""The sample log that the repository carries: one evening hour of a small mail server, to be replayed by `make run`.

    python bench/sample.py -o examples/sample-mail.log

Job: everyday mail of two dozen people, and in it what the three standard rules find: two floods on SMTP, a harvester, guessers on IMAP, POP3
and SMTP; a slow guesser who stays below; and an office behind one address that logs in well and delivers, but opens too many IMAP connections
when its network comes back.
Promise: addresses for documentation only (RFC 5737, RFC 3849), names below example.org, .net and .com; under 300 kB; always the same.
Limits: small and readable rather than typical; `generate` writes typical logs of any size.
"""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import noise
import sessions
from generate import Log, Stamps, moment
from scribe import SECOND, Client, Scribe, make_account
from truth import Truth

START = int(datetime(2026, 11, 16, 19, tzinfo=UTC).timestamp()) * SECOND
OFFICE = Client("192.0.2.10", "office.example.net", "192.0.2.10")

Doing = tuple[float, Callable[[int], int]]
"""Seconds after the start, and what happens then."""


def client(address: str, name: str = "unknown") -> Client:
    """A client with an address for documentation; the /64s of this log are written short."""
    network = address if ":" not in address else address[: address.rindex("::")] + "::/64"
    return Client(address, name, network)


class Evening:
    """Collects what happens, then writes it in the order of time."""

    def __init__(self) -> None:
        self.rng = Random(1870)
        self.scribe = Scribe(self.rng)
        self.scribe.local = "198.51.100.25"
        self.doings: list[Doing] = []

    def every(self, start: float, times: int, pause: float, what: Callable[[int, int], int]) -> None:
        """Something that happens again and again: it is told its time and how often it happened before."""
        for number in range(times):
            after = start + pause * (number + 0.6 * self.rng.random())
            self.doings.append((after, lambda at, number=number: what(at, number)))  # type: ignore[misc]

    def everyday(self) -> None:
        """People and servers of every day, and the machine's own chatter."""
        scribe = self.scribe
        people = [client(f"192.0.2.{40 + n}", f"dsl-{n}.example.net") for n in range(22)] + [client("2001:db8:10:1::2a", "cable-7.example.net")]
        servers = [client(f"203.0.113.{10 + n}", f"mail{n}.example.com") for n in range(9)] + [client("2001:db8:20::25", "mx.example.com")]

        def read(at: int, n: int) -> int:
            who = n * 7 % len(people)
            return sessions.read_mail(scribe, people[who], at, "pop3" if who % 6 == 0 else "imap", make_account(who), 4 + n % 50)

        def deliver(at: int, n: int) -> int:
            sender = f"news{n % 4}@example.com" if n % 3 else make_account(n + 9).replace(".org", ".com")
            return sessions.deliver(scribe, servers[n * 3 % 10], at, [sender], make_account(n * 5 % 23))

        def submit(at: int, n: int) -> int:
            who = n * 5 % len(people)
            return sessions.submit(scribe, people[who], at, make_account(who), [f"partner{n % 5}@example.com"], bounces=n == 9)

        self.every(2, 80, 44, read)
        self.every(5, 42, 85, deliver)
        self.every(30, 16, 215, submit)
        self.every(60, 6, 600, lambda at, n: noise.cron(scribe, at))
        self.every(100, 9, 390, lambda at, n: noise.sshd(scribe, client(f"198.51.100.{140 + n}"), at))
        self.every(200, 3, 1200, lambda at, n: noise.anvil(scribe, servers[n], at, f"Nov 16 19:{n * 20:02d}:00"))
        self.every(240, 18, 190, lambda at, n: sessions.refused(scribe, client(f"198.51.100.{90 + n}"), at, n))
        self.every(150, 3, 1100, lambda at, n: sessions.guess_mailbox(scribe, people[n], at, "imap", make_account(n), 1 + n))

    def office(self) -> None:
        """Twenty-odd people behind one address, whose network comes back at half past."""
        scribe = self.scribe

        def read(at: int, n: int) -> int:
            return sessions.read_mail(scribe, OFFICE, at, "imap", make_account(30 + n % 24), 20 + n)

        self.every(300, 10, 140, read)
        self.every(1800, 62, 3.5, read)
        self.every(1100, 5, 400, lambda at, n: sessions.submit(scribe, OFFICE, at, make_account(30 + n * 4), [f"customer{n}@example.com"]))

    def attackers(self) -> None:
        """Those whom the standard rules should find, and one whom they should not."""
        scribe = self.scribe
        flood4, flood6 = client("198.51.100.77"), client("2001:db8:bad:1::77")
        harvester, spread = client("203.0.113.66"), ["sales", "info", "alice", "bob", "carl", "contact", "hr", "jobs"]
        imap, smtp, slow = client("198.51.100.201"), client("203.0.113.200"), client("198.51.100.230")

        def harvest(at: int, n: int) -> int:
            return sessions.harvest(scribe, harvester, at, [f"{spread[n % 8]}{n}@example.org", f"{spread[n * 3 % 8]}.{n}@example.org"], n % 3 > 0)

        def guess_pop3(at: int, n: int) -> int:
            """Another address of the same network each time, as IPv6 makes it easy."""
            roamer = client(f"2001:db8:6e:55::{n * 37 + 11:x}")
            return sessions.guess_mailbox(scribe, roamer, at, "pop3", "info@example.org", 3, tls=False)

        self.every(620, 57, 2.2, lambda at, n: sessions.knock(scribe, flood4, at, 300, patient=True))
        self.every(2700, 60, 3.0, lambda at, n: sessions.knock(scribe, flood6, at, 300, patient=True))
        self.every(1260, 30, 9, harvest)
        self.every(430, 21, 18, lambda at, n: sessions.guess_mailbox(scribe, imap, at, "imap", make_account(3), 3))
        self.every(2280, 20, 22, guess_pop3)
        self.every(2900, 13, 36, lambda at, n: sessions.guess_smtp(scribe, smtp, at, [f"{spread[n % 8]}@example.org"] * 5))
        self.every(40, 14, 250, lambda at, n: sessions.guess_mailbox(scribe, slow, at, "imap", "root@example.org", 1))

    def write(self, log: Log) -> None:
        """Let everything happen, in order."""
        for after, what in sorted(self.doings, key=lambda doing: doing[0]):
            at = START + int(after * SECOND)
            log.write(self.scribe.drain(at), sys.maxsize)
            what(at)
        log.write(self.scribe.drain(sys.maxsize), sys.maxsize)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Write the sample log of one evening hour.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the log")
    parser.add_argument("--truth", type=Path, help="write what exceeds the standard rules to this JSON file")
    given = parser.parse_args()
    evening, truth = Evening(), Truth()
    evening.everyday()
    evening.office()
    evening.attackers()
    with given.output.open("w", encoding="ascii") as out:
        evening.write(Log(out, Stamps(iso=False), truth))
    if given.truth:
        fires = [{**fire._asdict(), "at": moment(fire.at), "until": moment(fire.until)} for fire in truth.fires]
        given.truth.write_text(json.dumps({"facts": truth.facts, "fires": fires}, indent=1) + "\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
