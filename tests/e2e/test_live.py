"""The real daemon beside real servers: who goes too far is dropped on that protocol's ports, by the kernel, and nobody else.

Job: prove what `gatepost run` promises, from the mail server's log line to the packet. Promise: the daemon is the one that is installed, rules are
set through its command line, and attackers come from addresses of their own; nothing here looks at how long anything took. Limits: windows and
holds of seconds, Dovecot's own penalty off; needs root, namespaces and the servers.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.e2e import net
from tests.e2e.attackers import Client, auth_commands, message, together
from tests.e2e.campaign import ALICE, BOB, FRIEND, GHOST, GUESSED, Place
from tests.e2e.live import Live, delivers, gets, knock, knocks, machine

SMTP, IMAP, POP3 = (25, 587), (143, 993), (110, 995)
PORTS = {"smtp": SMTP, "imap": IMAP, "pop3": POP3}


@pytest.fixture(scope="module")
def place(live_place: Place) -> Place:
    """The mail host, and its clients."""
    return live_place


@pytest.fixture(scope="module")
def guard(place: Place) -> Iterator[Live]:
    """The daemon that most tests share."""
    made = Live(machine(place))
    made.start()
    yield made
    made.stop()


@dataclass
class Attack:
    """What one client does, one time too often."""

    client: Client
    act: Callable[[Client], object]
    rule: str
    protocol: str
    times: int
    subject: str = ""

    def once_more(self) -> None:
        """The Nth time: the block can come while it is being done."""
        with contextlib.suppress(ConnectionError):
            self.act(self.client)

    @property
    def decision(self) -> tuple[str, str, str]:
        """What must follow."""
        return self.rule, self.protocol, self.subject or self.client.source


def _deliver(client: Client) -> object:
    return client.talk(message(FRIEND, [BOB]))


def _harvest(client: Client) -> object:
    return client.talk([b"MAIL FROM:<" + FRIEND + b">", b"RCPT TO:<" + GHOST + b">"])


def _attacks(place: Place, net4: str, net6: str) -> list[Attack]:
    """Every rule on every protocol that it watches, in both families. What ends an SMTP session counts for the other rules too, below their
    thresholds."""

    def guess_imap(client: Client) -> object:
        return client.imap_guess(GUESSED, ["wrong"])

    def guess_pop3(client: Client) -> object:
        return client.pop3_guess(GUESSED, ["wrong"])

    def guess_smtp(client: Client) -> object:
        return client.talk(auth_commands(GUESSED, "wrong"))

    made = [
        ("dos", "smtp", _deliver, 6),
        ("dos", "imap", lambda client: client.touch(143), 6),
        ("dos", "pop3", lambda client: client.touch(110), 6),
        ("harvesting", "smtp", _harvest, 5),
        ("password-brute-force", "imap", guess_imap, 4),
        ("password-brute-force", "pop3", guess_pop3, 4),
        ("password-brute-force", "smtp", guess_smtp, 4),
    ]
    found = []
    for number, (rule, protocol, act, times) in enumerate(made, 1):
        found.append(Attack(place.at(f"{net4}.{number}"), act, rule, protocol, times))
        six = f"{net6}:{number}::"
        wide = f"{six}/64" if rule == "password-brute-force" else ""
        found.append(Attack(place.at(f"{six}1"), act, rule, protocol, times, wide))
    return found


NUMBERS = {"dos": (6, "60s", "12s"), "harvesting": (5, "60s", "12s"), "password_brute_force": (4, "60s", "12s")}


def test_the_nth_and_not_the_one_before_is_dropped_on_its_ports_alone_until_the_hold_ends(place: Place, guard: Live) -> None:
    guard.rules(**NUMBERS)
    attacks = _attacks(place, "192.0.2", "2001:db8:1")
    together([lambda each=each: [each.act(each.client) for _ in range(each.times - 1)] for each in attacks])  # type: ignore[misc]
    guard.quiet()
    assert guard.counted("auth_failed") == 3 * 2 * 3
    assert guard.blocks() == set()

    together([each.once_more for each in attacks])
    guard.becomes(each.decision for each in attacks)
    assert {each.decision: knocks(each.client, *PORTS[each.protocol]) for each in attacks} == {each.decision: ["silence"] * 2 for each in attacks}
    for each in attacks:
        others = [ports[0] for protocol, ports in PORTS.items() if protocol != each.protocol]
        assert knocks(each.client, *others) == ["open"] * 2, each.decision

    together([lambda each=each: gets(each.client, PORTS[each.protocol][0], "open", 30) for each in attacks])  # type: ignore[misc]
    guard.becomes(())
    assert delivers(attacks[0].client)


def test_who_is_allowed_is_never_held_and_who_is_denied_never_connects(place: Place, guard: Live) -> None:
    guard.rules(dos=(5, "60s", "60s"))
    allowed, neighbour, denied, spared = (place.at(f"203.0.113.{number}") for number in (7, 8, 9, 130))
    allowed6, denied6 = place.at("2001:db8:2:7::1"), place.at("2001:db8:2:9::1")
    for words in (("allow", "203.0.113.0/25"), ("deny", denied.source), ("deny", "203.0.113.128/25"), ("allow", spared.source)):
        guard.cli("access", *words)
    guard.cli("access", "allow", "2001:db8:2:7::/64", "--protocol", "imap")
    guard.cli("access", "deny", "2001:db8:2:8::/61", "--note", "a neighbourhood")

    before = guard.counted("connected")
    together([lambda who=who: who.touch(143) for who in (allowed, neighbour, spared, allowed6) for _ in range(12)])  # type: ignore[misc]
    net.wait_until(lambda: guard.counted("connected") >= before + 48, 15, "all connections are counted")
    assert guard.blocks() == set()
    assert {who.source: knocks(who, 143, 110, 25) for who in (denied, place.at("203.0.113.200"), denied6)} == {
        source: ["silence"] * 3 for source in (denied.source, "203.0.113.200", denied6.source)
    }
    assert [knock(who, 143) for who in (allowed, spared, allowed6)] == ["open"] * 3
    together([lambda: allowed6.touch(110)] * 5)
    guard.becomes([("dos", "pop3", allowed6.source)])
    assert knocks(allowed6, 110, 143) == ["silence", "open"]

    for prefix in ("203.0.113.0/25", denied.source, "203.0.113.128/25", spared.source, "2001:db8:2:7::/64", "2001:db8:2:8::/61"):
        guard.cli("access", "remove", prefix)
    assert [knock(who, 143) for who in (denied, denied6)] == ["open"] * 2


def test_a_lifted_block_leaves_the_kernel_and_grace_is_kept(place: Place, guard: Live) -> None:
    guard.rules(dos=(4, "60s", "60s"))
    client = place.at("192.0.2.41")
    together([lambda: client.touch(143)] * 4)
    guard.becomes([("dos", "imap", client.source)])
    assert knock(client, 143) == "silence"
    assert "released" in guard.cli("unblock", client.source, "--grace", "5s")
    assert knock(client, 143) == "open"
    together([lambda: client.touch(143)] * 8)
    guard.quiet()
    assert guard.blocks() == set()
    time.sleep(5)
    together([lambda: client.touch(143)] * 4)
    guard.becomes([("dos", "imap", client.source)])
    gets(client, 143, "silence")


def test_a_block_by_hand_holds_and_goes(place: Place, guard: Live) -> None:
    guard.rules()
    near, far = place.at("192.0.2.50"), place.at("192.0.2.66")
    guard.cli("blocks", "add", "192.0.2.48/29", "--for", "1h", "--reason", "a test", "--protocol", "imap")
    assert [*knocks(near, 143, 25), knock(far, 143)] == ["silence", "open", "open"]
    guard.cli("blocks", "remove", "192.0.2.48/29")
    assert knock(near, 143) == "open"
    for victim in ("0.0.0.0/0", "198.51.100.0/24"):
        assert "would shut out" in guard.cli("blocks", "add", victim, "--for", "1h", "--reason", "too much", code=2)
    guard.cli("blocks", "add", near.source, "--for", "3s", "--reason", "short")
    assert knock(near, 110) == "silence"
    gets(near, 110, "open")


def test_a_pause_lifts_what_rules_hold_and_nothing_else(place: Place, guard: Live) -> None:
    guard.rules(dos=(4, "60s", "60s"))
    held, late = place.at("192.0.2.60"), place.at("2001:db8:1:60::1")
    guard.cli("access", "deny", "192.0.2.61")
    together([lambda: held.touch(143)] * 4)
    guard.becomes([("dos", "imap", held.source)])
    guard.cli("pause", "--for", "1h")
    assert [knock(held, 143), knock(place.at("192.0.2.61"), 143)] == ["open", "silence"]
    together([lambda: late.touch(143)] * 6)
    guard.quiet()
    assert guard.blocks() == set()
    assert late.source in guard.cli("blocks", "list", "--watched")
    guard.cli("resume")
    again = place.at("192.0.2.62")
    together([lambda: again.touch(143)] * 4)
    guard.becomes([("dos", "imap", again.source)])
    gets(again, 143, "silence")
    guard.cli("access", "remove", "192.0.2.61")


def test_a_password_is_guessed_from_all_over_a_64_and_its_owner_still_gets_in(place: Place, guard: Live) -> None:
    guard.rules(password_brute_force=(5, "60s", "60s"))
    owner = place.at("2001:db8:2:50::5")
    assert owner.imap_guess(ALICE[0], [ALICE[1]]) == 0
    together([lambda n=n: place.at(f"2001:db8:1:64::{n}").imap_guess(ALICE[0], ["wrong"]) for n in range(1, 6)])  # type: ignore[misc]
    guard.becomes([("password-brute-force", "imap", "2001:db8:1:64::/64")])
    assert knock(place.at("2001:db8:1:64::77"), 993) == "silence"
    assert knock(place.at("2001:db8:1:65::1"), 993) == "open"
    assert owner.imap_guess(ALICE[0], [ALICE[1]]) == 0


def test_hydra_is_stopped(place: Place, guard: Live) -> None:
    guard.rules(password_brute_force=(5, "60s", "60s"))
    client = place.at("192.0.2.70")
    before = guard.counted("auth_failed")
    words = machine(place).home / "words"
    words.write_text("".join(f"guess{number}\n" for number in range(400)), "ascii")
    place.internet.prefer(client.source, client.target)
    place.internet.run("timeout", "12", "hydra", "-l", GUESSED, "-P", str(words), "-t", "4", "-I", f"imap://{client.target}")
    guard.becomes([("password-brute-force", "imap", client.source)])
    assert guard.counted("auth_failed") - before < 40
    assert knocks(client, 143, 110) == ["silence", "open"]
