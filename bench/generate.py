"""A seeded generator of realistic mail logs: Postfix 3.7 and Dovecot 2.3, with a little of sshd and cron.

    python bench/generate.py --lines 1000000 --seed 7 --addresses 20000 -o mail.log --truth truth.json

Job: write as many lines as asked for, streaming: users who read and send mail, servers that deliver, and attackers that flood, harvest,
guess and spray, some beyond the thresholds of the standard rules and some below.
Promise: the same options give the same bytes; about 138 bytes a line, about 40 % of the lines tell a fact; times rise; memory does not grow
with the number of lines. `--truth` tells what was driven and which addresses exceed the standard rules, counted naively from what was
written.
Limits: an even rate, day and night; one server. The last sessions are cut off where the lines end, as in a log that is being written.
"""

import argparse
import heapq
import json
import sys
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import IO, Any

import noise
import sessions
from scribe import ROLE_NAMES, SECOND, Client, Line, Scribe, make_account, make_client, roaming
from truth import Truth

LINES_PER_EVENT = 10.6
LINES_PER_SCAN = 2.9
"""What an event of the mix comes to on the average, attacks included, scans excluded; and a scan. Measured, so that `--rate` means lines a second."""
SCANS = 12.0
"""The share of the scans among the events, where a log needs no more of them to show all its addresses."""
SWEEP = 100_000
"""Lines between two sweeps of the truth."""


@dataclass
class Options:
    """What the command line asks for."""

    lines: int = 1_000_000
    seed: int = 1
    addresses: int = 20_000
    start: int = 0
    rate: float = 12.0
    iso: bool = False
    postscreen: bool = False


@dataclass
class Attack:
    """One attacker's doings: how many sessions, how far apart, and what has been done so far."""

    client: Client
    kind: str
    protocol: str
    left: int
    pause: float
    roams: bool
    account: str
    since: int
    until: int = 0
    sessions: int = 0
    failures: int = 0


class Mix:
    """What happens next: draws an event, or lets an attack that is under way go on."""

    def __init__(self, options: Options) -> None:
        self.rng = Random(options.seed)
        self.scribe = Scribe(self.rng)
        self.options = options
        self.now = options.start
        self.attacks: list[Attack] = []
        """All attacks, for the truth."""
        self._under_way: list[tuple[int, int, Attack]] = []
        self._known = max(5, min(3000, options.addresses // 10))
        self._servers = max(5, min(8000, options.addresses // 5))
        self._strangers = max(10, options.addresses - self._known - self._servers)
        self._stranger = 0
        events: list[tuple[float, Callable[[], int]]] = [
            (36, self._delivery),
            (17, self._mailbox),
            (6, self._submission),
            (1.5, self._attack),
            (19, self._noise),
        ]
        others = sum(weight for weight, _ in events)
        scans = self._scans(others)
        self._lines_per_event = (LINES_PER_EVENT * others + LINES_PER_SCAN * scans) / (others + scans)
        self._events = [event for _, event in events] + [self._scan]
        self._weights = [*accumulate(weight for weight, _ in events), others + scans]

    def _scans(self, others: float) -> float:
        """How often strangers come by, so that all addresses appear; at most four lines in five are theirs."""
        lines = self.options.lines
        theirs = min(0.8 * lines, LINES_PER_SCAN * self._strangers)
        return max(SCANS, others * (theirs / LINES_PER_SCAN) / ((lines - theirs) / LINES_PER_EVENT))

    def step(self) -> int:
        """Let the next thing happen, and return its time: no line will be put before it any more."""
        after = self.now + int(self.rng.expovariate(self.options.rate / self._lines_per_event) * SECOND) + 1
        if self._under_way and self._under_way[0][0] <= after:
            at, number, attack = heapq.heappop(self._under_way)
            self.now = max(self.now, at)
            self._go_on(attack, number)
        else:
            self.now = after
            self._events[bisect(self._weights, self.rng.random() * self._weights[-1])]()
        return self.now

    def _pick(self, many: int) -> int:
        """A number below a bound, the small ones more often, as with clients of any service."""
        return int(self.rng.random() ** 2 * many)

    def _some_stranger(self) -> Client:
        """Strangers come one after the other, so that every address appears if the log is long enough."""
        self._stranger += 1
        return make_client(self._known + self._servers + self._stranger % self._strangers)

    def addresses(self) -> int:
        """How many addresses have been drawn, those of users and servers taken as all in use."""
        return self._known + self._servers + min(self._stranger, self._strangers)

    def _user(self) -> tuple[Client, str]:
        who = self._pick(self._known)
        return make_client(who, f"dsl-{who}.access.example.net"), make_account(who)

    def _delivery(self) -> int:
        server = self._pick(self._servers)
        client = make_client(self._known + server, f"mail{server}.example.com")
        at = self.now
        if self.options.postscreen:
            at = noise.passed(self.scribe, client, at, "OLD" if server % 9 else "NEW")
        senders = [make_account(self._pick(5000)).replace("example.", f"d{server % 97}.example.") for _ in range(1 + (server % 6 == 0))]
        return sessions.deliver(self.scribe, client, at, senders, make_account(self._pick(self._known)))

    def _mailbox(self) -> int:
        client, account = self._user()
        protocol = "pop3" if self.rng.random() < 0.2 else "imap"
        return sessions.read_mail(self.scribe, client, self.now, protocol, account, 1 + self.rng.random() * 90)

    def _submission(self) -> int:
        client, account = self._user()
        dice = self.rng.random()
        many = 1 if dice < 0.8 else 1 + int(self.rng.random() * 5)
        recipients = [f"{ROLE_NAMES[self._pick(len(ROLE_NAMES))]}{n}@partner.example.com" for n in range(many)]
        return sessions.submit(self.scribe, client, self.now, account, recipients, bounces=dice < 0.03)

    def _scan(self) -> int:
        """A stranger tries something once, or a known user mistypes a password."""
        scribe, client, dice = self.scribe, self._some_stranger(), self.rng.random()
        if self.options.postscreen and dice < 0.3:
            return noise.pregreet(scribe, client, self.now)
        if dice < 0.35:
            return sessions.refused(scribe, client, self.now, int(dice * 1000))
        if dice < 0.6:
            return sessions.knock(scribe, client, self.now, dice)
        if dice < 0.8:
            return sessions.probe_mailbox(scribe, client, self.now, "imap" if dice < 0.7 else "pop3")
        if dice < 0.9:
            return sessions.guess_smtp(scribe, client, self.now, [self._target()])
        if dice < 0.96:
            return sessions.guess_mailbox(scribe, client, self.now, "imap", self._target(), 1)
        client, account = self._user()
        return sessions.guess_mailbox(scribe, client, self.now, "imap", account, 2)

    def _target(self) -> str:
        return f"{ROLE_NAMES[int(self.rng.random() * len(ROLE_NAMES))]}@example.org" if self.rng.random() < 0.5 else make_account(self._pick(400))

    def _noise(self) -> int:
        dice = self.rng.random()
        if dice < 0.4:
            text = datetime.fromtimestamp(self.now // SECOND, UTC).strftime("%b %e %H:%M:%S")
            return noise.anvil(self.scribe, make_client(self._pick(self._servers)), self.now, text)
        if dice < 0.7:
            return noise.sshd(self.scribe, self._some_stranger(), self.now)
        return noise.cron(self.scribe, self.now) if dice < 0.9 else noise.local_mail(self.scribe, self.now)

    def _attack(self) -> int:
        """An attacker turns up: loud ones exceed a threshold, quiet ones stay below."""
        dice, loud = self.rng.random(), self.rng.random() < 0.6
        kind = "flood" if dice < 0.2 else "harvest" if dice < 0.45 else "guess" if dice < 0.85 else "spray"
        protocol = "smtp" if kind == "harvest" else ("imap", "pop3", "smtp")[int(self.rng.random() * 3)]
        pauses = {"flood": (0.2, 4.0), "harvest": (1.5, 11.0), "guess": (1.0, 8.0), "spray": (6.0, 40.0)}[kind]
        pause = pauses[0] + (pauses[1] - pauses[0]) * self.rng.random() * (1 if loud else 4)
        left = int((60 if loud else 8) * (0.5 + 1.5 * self.rng.random()))
        client = self._some_stranger()
        roams = client.network != client.address and self.rng.random() < 0.5
        attack = Attack(client, kind, protocol, left, pause, roams, self._target(), self.now)
        self.attacks.append(attack)
        self._go_on(attack, len(self.attacks))
        return self.now

    def _go_on(self, attack: Attack, number: int) -> None:
        client = roaming(attack.client, attack.sessions) if attack.roams else attack.client
        getattr(self, f"_{attack.kind}")(attack, client)
        attack.until = self.now
        attack.sessions += 1
        attack.left -= 1
        if attack.left > 0:
            after = self.now + int(attack.pause * (0.5 + self.rng.random()) * SECOND)
            heapq.heappush(self._under_way, (after, number, attack))

    def _flood(self, attack: Attack, client: Client) -> None:
        """Half of the SMTP flooders keep their connections until the server gives up."""
        if attack.protocol != "smtp":
            sessions.probe_mailbox(self.scribe, client, self.now, attack.protocol)
            return
        patient = len(attack.account) % 2 == 0
        sessions.knock(self.scribe, client, self.now, 300 if patient else 0.5, patient)

    def _harvest(self, attack: Attack, client: Client) -> None:
        names = [f"{ROLE_NAMES[(attack.sessions * 7 + n) % len(ROLE_NAMES)]}{attack.sessions}@example.org" for n in range(1 + attack.sessions % 3)]
        sessions.harvest(self.scribe, client, self.now, names, attack.sessions % 3 > 0)

    def _guess(self, attack: Attack, client: Client) -> None:
        attempts = 1 + int(self.rng.random() * 3)
        attack.failures += attempts
        if attack.protocol == "smtp":
            sessions.guess_smtp(self.scribe, client, self.now, [attack.account] * attempts, "PLAIN" if attack.left % 4 == 0 else "LOGIN")
        else:
            sessions.guess_mailbox(self.scribe, client, self.now, attack.protocol, attack.account, attempts)

    def _spray(self, attack: Attack, client: Client) -> None:
        """A password against one account after the other."""
        attack.failures += 1
        account = make_account(attack.sessions * 3)
        if attack.protocol == "smtp":
            sessions.guess_smtp(self.scribe, client, self.now, [account])
        else:
            sessions.guess_mailbox(self.scribe, client, self.now, attack.protocol, account, 1)


class Stamps:
    """The stamps that syslog puts before a line; one second's text is made once."""

    def __init__(self, iso: bool) -> None:
        self._iso = iso
        self._second = -1
        self._text = ""

    def seen(self, at: int) -> int:
        """What a reader of the stamp can know of the time."""
        return at if self._iso else at - at % SECOND

    def text(self, at: int) -> str:
        """RFC 3164, or ISO with microseconds as rsyslog writes it."""
        second = at // SECOND
        if second != self._second:
            self._second = second
            when = datetime.fromtimestamp(second, UTC)
            self._text = when.strftime("%Y-%m-%dT%H:%M:%S.") if self._iso else when.strftime("%b %e %H:%M:%S")
        return f"{self._text}{at % SECOND:06d}+00:00" if self._iso else self._text


class Log:
    """Writes lines with their stamps, counts them, and tells the truth about them."""

    def __init__(self, out: IO[str], stamps: Stamps, truth: Truth | None) -> None:
        self.out, self.stamps, self.truth = out, stamps, truth
        self.lines = self.with_facts = self.first = self.last = 0

    def write(self, lines: Iterator[Line], at_most: int) -> None:
        """Write what is due, up to a number of lines."""
        text, truth = self.stamps.text, self.truth
        for at, _, tail, facts in lines:
            if self.lines >= at_most:
                return
            self.lines += 1
            self.out.write(text(at) + tail)
            if truth is None:
                continue
            seen = self.last = self.stamps.seen(at)
            self.first = self.first or seen
            self.with_facts += bool(facts)
            for fact in facts:
                truth.tell(seen, self.lines, fact)
            if self.lines % SWEEP == 0:
                truth.sweep(seen)


def generate(options: Options, out: IO[str], tell: bool) -> dict[str, Any]:
    """Write a log; with ``tell``, return the truth about it."""
    mix = Mix(options)
    log = Log(out, Stamps(options.iso), Truth() if tell else None)
    while log.lines < options.lines:
        log.write(mix.scribe.drain(mix.step()), options.lines)
    return report(log, mix, options.seed) if tell else {}


def report(log: Log, mix: Mix, seed: int) -> dict[str, Any]:
    """The truth as JSON has it: times in UTC, subjects as Gatepost prints them."""
    truth = log.truth
    assert truth is not None
    return {
        "seed": seed,
        "lines": log.lines,
        "addresses": mix.addresses(),
        "lines_with_facts": log.with_facts,
        "span": [moment(log.first), moment(log.last)],
        "facts": dict(sorted(truth.facts.items())),
        "attackers": [_attacker(attack) for attack in mix.attacks if attack.since <= log.last],
        "fires": [{**fire._asdict(), "at": moment(fire.at), "until": moment(fire.until)} for fire in truth.fires],
    }


def _attacker(attack: Attack) -> dict[str, Any]:
    told = asdict(attack)
    wanted = {name: told[name] for name in ("kind", "protocol", "sessions", "failures", "roams")}
    return {"client": attack.client.address, "from": moment(attack.since), "until": moment(attack.until), **wanted}


def moment(at: int) -> str:
    """RFC 3339 in UTC; with microseconds only where there are any."""
    when = datetime.fromtimestamp(at // SECOND, UTC).replace(microsecond=at % SECOND)
    return when.isoformat().replace("+00:00", "Z")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write a realistic mail log of Postfix and Dovecot, the same for the same seed.")
    parser.add_argument("--lines", type=int, default=1_000_000, help="how many lines (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another log (default: %(default)s)")
    parser.add_argument(
        "--addresses",
        type=int,
        default=20_000,
        help="how many clients; of those with IPv6, attackers may use more of their /64 (default: %(default)s)",
    )
    parser.add_argument("--start", default="2026-11-02T00:00:00", help="the time of the first line, UTC (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=12.0, help="lines a second on the average (default: %(default)s)")
    parser.add_argument("--iso", action="store_true", help="ISO stamps with microseconds instead of RFC 3164")
    parser.add_argument("--postscreen", action="store_true", help="postscreen stands before smtpd")
    parser.add_argument("-o", "--output", default="-", help="the log; - is standard output (default)")
    parser.add_argument("--truth", type=Path, help="write what was driven, and what exceeds the standard rules, to this JSON file")
    return parser.parse_args()


def main() -> int:
    """Run the command."""
    given = arguments()
    start = int(datetime.fromisoformat(given.start).replace(tzinfo=UTC).timestamp()) * SECOND
    options = Options(given.lines, given.seed, given.addresses, start, given.rate, given.iso, given.postscreen)
    if given.output == "-":
        told = generate(options, sys.stdout, given.truth is not None)
    else:
        with open(given.output, "w", encoding="ascii", buffering=1 << 20) as out:
            told = generate(options, out, given.truth is not None)
    if given.truth is not None:
        given.truth.write_text(json.dumps(told, indent=1) + "\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
