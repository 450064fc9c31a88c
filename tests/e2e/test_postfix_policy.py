"""Real Postfix asks the real daemon: who may go on, who may relay, and what an account sent.

Job: prove what docs/postfix_policy.md promises, on the configuration that `gatepost setup postfix --apply` writes. Promise: the kernel blocks nothing
here (its ports are others), so what is refused is refused in the protocol. Limits: what the log alone tells is test_live.py's.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import hosts, net, services
from tests.e2e.attackers import Client, message
from tests.e2e.campaign import ALICE, BOB, FRIEND, Place
from tests.e2e.live import FOLLOWED, SHARED, Live, delivers
from tests.e2e.net import wait_until

POLICY = '[[postfix_policy]]\nlisten = "127.0.0.1:8094"\n[postfix_cidr]\npath = "/var/lib/hiding/auth.cidr"\nevery_s = 1\n'
CLOSED = '[[postfix_policy]]\nlisten = "127.0.0.1:8094"\nwhen_away = "closed"\n'
NO_KERNEL = "ports = { smtp = [2], imap = [2], pop3 = [2], sieve = [2] }"
MAIL = b"MAIL FROM:<" + FRIEND + b">"
AWAY = b"x@remote.example"
ROUTED = (
    AWAY,
    b"x%remote.example@example.org",
    b"x%remote.example@mx1.example.org",
    b"x%remote.example",
    b"x%remote.example@[127.0.0.1]",
    b"remote.example!x",
    b"remote.example!x@example.org",
    b'"x@remote.example"',
    b'"x@remote.example"@example.org',
    b'"x%remote.example"@example.org',
    b"@example.org:x@remote.example",
    b"@mx1.example.org,@example.org:x@remote.example",
    b"x@remote.example@example.org",
    b"x@[203.0.113.25]",
)
"""Ways to write a recipient elsewhere so that a careless server takes it for a local one."""
LISTS = {25: "the usual lists", 29: "defers relaying, delay_reject", 31: "refuses at connect", 32: "an older host's only list", 587: "submission"}
"""What the ports of tests/e2e/config/postfix/master.cf stand for."""
RULES = """\
[[rule]]
name = "spam"
counts = "recipients"
on = ["smtp"]
by = "account"
threshold = 6
window = "10m"
action = "alert"
for = "10m"

[[rule]]
name = "slow"
counts = "rejected"
where = { reason = "policy" }
on = ["smtp"]
threshold = 2
window = "10m"
action = "delay"
delay = "2s"
for = "10m"
"""


class Asked(Live):
    """A daemon that Postfix asks."""

    @property
    def source(self) -> dict[str, object]:
        """How the listener is doing."""
        found: dict[str, object] = next(each for each in self.status()["sources"] if each["name"].startswith("postfix_policy"))
        return found

    def freeze(self) -> None:
        """It hangs, as a program that is stuck."""
        self.tell(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on; so does the command that started it, which stopped with it."""
        assert self._process is not None
        self.tell(signal.SIGCONT)
        os.kill(self._process.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def place(world: net.World) -> Iterator[Place]:
    """A mail host of its own: its configuration is changed."""
    if missing := net.lacking() or hosts.lacking("postfix", "dovecot", "rsyslog", "openssl"):
        pytest.skip(missing)
    made = hosts.MailHost(world, name=("mx8", 28), shared=SHARED)
    services.name_server(made.machine)
    made.machine.run("install", "-d", "-m", "0700", "/var/lib/hiding")  # as systemd makes the folder of our state
    milter = services.milter(made.machine)  # of port 32
    yield Place(world.internet, made)
    milter.close()


@pytest.fixture(scope="module")
def guard(place: Place) -> Iterator[Asked]:
    """The daemon, after `gatepost setup postfix --apply`."""
    assert isinstance(place.host, hosts.MailHost)
    made = Asked(place.host.machine, config=FOLLOWED + POLICY, nftables=NO_KERNEL)
    made.start()
    said = made.cli("setup", "postfix", "--apply")
    assert "written; now: postfix reload" in said
    made.machine.run("postfix", "reload")
    made.machine.write("/etc/gatepost/rules.toml", RULES)
    made.cli("rules", "import", "/etc/gatepost/rules.toml")
    yield made
    made.end()


def rcpt(client: Client, *to: bytes, port: int = 25) -> list[int]:
    """The codes for each recipient of a message that is not sent."""
    return client.talk([MAIL, *(b"RCPT TO:<" + each + b">" for each in to)], port)[1:]


def syslog(place: Place) -> Path:
    """What Postfix told."""
    assert isinstance(place.host, hosts.MailHost)
    return place.host.syslog


def reply(client: Client, to: bytes, port: int = 25) -> bytes:
    """The whole answer to one recipient, or to what came before."""
    with client.greeted(port) as wire:
        wire.smtp(MAIL)
        wire.send(b"RCPT TO:<" + to + b">\r\n")
        return wire.line()


@contextlib.contextmanager
def listed(guard: Asked, verb: str, address: str, *boxes: str) -> Iterator[None]:
    """An entry on a list, for a while."""
    guard.cli("access", verb, address, *boxes)
    yield
    guard.cli("access", "remove", address)


class TestSetup:
    """The lines that setup wrote."""

    def test_a_second_run_has_nothing_to_do_and_the_copies_are_there(self, guard: Asked) -> None:
        assert "nothing to add" in guard.cli("setup", "postfix")
        assert "gatepost" not in guard.machine.path("/etc/postfix/main.cf.before-gatepost").read_text("utf-8")

    def test_what_postfix_refuses_is_taken_back(self, guard: Asked) -> None:
        """Here `postfix check` fails because of a file that is not Postfix's."""
        master = guard.machine.path("/etc/postfix/master.cf")
        before = master.read_text("utf-8")
        broken = before + "broken line\n35 inet n - n - - smtpd\n  -o smtpd_client_restrictions=\n"
        master.write_text(broken, "utf-8")
        said = guard.machine.run(*guard.program("setup", "postfix", "--apply"), check=False)
        assert "taken back" in said
        assert master.read_text("utf-8") == broken
        assert not guard.machine.path("/etc/postfix/master.cf.before-gatepost1").exists()
        master.write_text(before, "utf-8")

    def test_the_doctor_sees_that_it_asks(self, guard: Asked, place: Place) -> None:
        assert place.at("192.0.2.80").talk(message(FRIEND, [BOB]))[-1] == 250
        found = {each["what"]: each for each in guard.ask("GET", "doctor")}
        assert found["postfix"]["verdict"] == "well"
        assert "127.0.0.0/8" in found["relaying"]["said"]
        for context in ("access", "relay", "data"):
            assert found[f"postfix_policy:127.0.0.1:8094 {context}"]["verdict"] == "well", context


class TestRelay:
    """Who may relay."""

    def test_a_stranger_may_not(self, guard: Asked, place: Place) -> None:
        assert b"554 5.7.1 <x@remote.example>: Relay access denied" in reply(place.at("192.0.2.100"), AWAY)

    def test_an_entry_with_the_box_may_and_one_without_it_may_not(self, guard: Asked, place: Place) -> None:
        trusted, other = place.at("192.0.2.101"), place.at("192.0.2.102")
        with listed(guard, "allow", "192.0.2.101", "--relay"), listed(guard, "allow", "192.0.2.102"):
            assert rcpt(trusted, AWAY, BOB) == [250, 250]
            assert b"Relay access denied" in reply(other, AWAY)
        assert rcpt(trusted, AWAY) == [554]

    def test_where_each_list_refuses_there_it_is_asked(self, guard: Asked, place: Place) -> None:
        with listed(guard, "allow", "2001:db8:1:5::5", "--relay"):
            trusted = place.at("2001:db8:1:5::5")
            assert [rcpt(trusted, AWAY, port=port) for port in (25, 29, 31, 32)] == [[250]] * 4

    @pytest.mark.parametrize("port", LISTS)
    def test_every_documented_configuration_is_closed(self, guard: Asked, place: Place, port: int) -> None:
        """Neither a stranger nor who is trusted for all but relaying gets mail out, however he writes the recipient."""
        with listed(guard, "allow", "192.0.2.104", "--protocol", "smtp"):
            for source in ("192.0.2.103", "192.0.2.104"):
                codes = [rcpt(place.at(source), to, port=port)[0] for to in ROUTED]
                assert all(code >= 400 for code in codes), dict(zip(ROUTED, codes, strict=True))

    def test_what_is_taken_back_or_denied_within_is_refused(self, guard: Asked, place: Place) -> None:
        with listed(guard, "allow", "203.0.113.0/24", "--relay"), listed(guard, "deny", "203.0.113.77"):
            assert rcpt(place.at("203.0.113.76"), AWAY) == [250]
            assert rcpt(place.at("203.0.113.77"), AWAY) == [554]
            assert rcpt(place.at("203.0.113.77"), BOB) == [554]


class TestAccess:
    """Who may go on."""

    def test_a_held_client_is_refused_for_now_and_another_is_not(self, guard: Asked, place: Place) -> None:
        held = place.at("192.0.2.110")
        guard.cli("blocks", "add", "192.0.2.110", "--for", "1h", "--reason", "test")
        assert reply(held, BOB).startswith(b"421 4.3.2 ")
        with held.wire(31) as wire:  # delay_reject off: at once
            assert wire.line().startswith(b"421 4.3.2 ")
        assert rcpt(held, BOB, port=587) == [421]  # its own list of client restrictions
        assert rcpt(place.at("192.0.2.111"), BOB) == [250]
        guard.cli("unblock", "192.0.2.110")
        assert rcpt(held, BOB) == [250]

    def test_a_denied_client_is_refused_for_good(self, guard: Asked, place: Place) -> None:
        with listed(guard, "deny", "192.0.2.112"):
            assert reply(place.at("192.0.2.112"), BOB).startswith(b"554 5.7.1 ")

    def test_what_we_refuse_accuses_nobody(self, guard: Asked, place: Place) -> None:
        held = "192.0.2.113"
        guard.cli("blocks", "add", held, "--for", "1h", "--reason", "test")
        for _ in range(3):
            rcpt(place.at(held), BOB)
        guard.quiet()
        assert not any(each[2] == held and each[0] == "slow" for each in guard.blocks())
        guard.cli("unblock", held)

    def test_a_delay_is_sat_out_by_postfix_once_a_message(self, guard: Asked, place: Place) -> None:
        slow = place.at("192.0.2.114")
        for _ in range(2):
            assert rcpt(slow, b"policy@example.org") == [554]
        wait_until(lambda: guard.held("192.0.2.114"), 10, "the rule about rejections fires")
        start = time.monotonic()
        assert rcpt(slow, BOB, b"carol@example.org") == [250, 250]
        assert time.monotonic() - start >= 2  # the least that two seconds take
        told = syslog(place).read_text("utf-8", "replace")
        assert "unknown action" not in told

    def test_who_is_held_is_not_offered_auth(self, guard: Asked, place: Place) -> None:
        held, other = place.at("192.0.2.115"), place.at("192.0.2.116")
        assert offers_auth(held)
        guard.cli("blocks", "add", "192.0.2.115", "--for", "1h", "--reason", "test")
        wait_until(lambda: not offers_auth(held), 15, "AUTH is hidden")
        assert offers_auth(other)
        assert offers_auth(held, 25)  # for submission alone
        guard.cli("unblock", "192.0.2.115")
        wait_until(lambda: offers_auth(held), 15, "AUTH is offered again")


def offers_auth(client: Client, port: int = 587) -> bool:
    """Whether AUTH is among the answers to EHLO."""
    with client.wire(port) as wire:
        wire.reply()
        wire.send(b"EHLO client.example\r\n")
        lines = [wire.line()]
        while lines[-1][3:4] == b"-":
            lines.append(wire.line())
    return any(line[4:9] == b"AUTH " for line in lines)


class TestMessages:
    """What an account sends."""

    def test_the_message_that_is_too_much_and_those_after_it_go_on_hold(self, guard: Asked, place: Place) -> None:
        """With policy and log both on it is the sixth recipient, not the third; and each counts once."""
        alice = place.at("203.0.113.50")

        def send(count: int) -> None:
            for _ in range(count):
                alice.deliver(["bob@example.org", "carol@example.org"], ALICE[0], port=587, login=ALICE)

        send(2)
        guard.quiet()
        assert "spam" not in {rule for rule, _, _ in fired(guard)}
        assert held_messages(guard) == 0
        send(1)
        wait_until(lambda: ("spam", ALICE[0]) in {(rule, subject) for rule, subject, _ in fired(guard)}, 10, "the rule fires")
        assert held_messages(guard) == 1
        send(1)
        assert held_messages(guard) == 2
        place.at("203.0.113.51").deliver(["bob@example.org"], "bob@example.org", port=587, login=("bob@example.org", "secret-b"))
        assert held_messages(guard) == 2
        guard.quiet()
        witnesses = {(each["inlet"], each["kind"]) for each in guard.status()["witnesses"]}
        assert ("postfix_policy:127.0.0.1:8094", "message_accepted") in witnesses
        # A stranger's message, which the log alone can say was delivered, counts all the same.
        before = guard.counted("message_accepted")
        assert place.at("192.0.2.120").talk(message(FRIEND, [BOB]))[-1] == 250
        wait_until(lambda: guard.counted("message_accepted") == before + 1, 10, "the log tells of it")


    def test_each_message_of_a_session_counts(self, guard: Asked, place: Place) -> None:
        """Postfix names each message anew, so none is taken for a repetition; and the log adds nothing to what was heard."""
        guard.quiet()
        before = guard.counted("message_accepted")
        with place.at("203.0.113.52").mail_library(587) as smtp:
            smtp.login("carol@example.org", "secret-c")
            for number in range(3):
                assert smtp.sendmail("carol@example.org", ["bob@example.org"], f"Subject: {number}\r\n\r\nHello.\r\n") == {}
        assert guard.counted("message_accepted") == before + 3
        guard.quiet()
        assert guard.counted("message_accepted") == before + 3


def fired(guard: Asked) -> list[tuple[str, str, str]]:
    """What rules found, those that only alert included: rule, subject, why."""
    lines = [line for line in guard.words().split("\n") if "event=impose" in line]
    fields = [dict(part.partition("=")[::2] for part in line.split()) for line in lines]
    return [(each["rule"], each["subject"], each.get("why", "")) for each in fields]


def held_messages(guard: Asked) -> int:
    """Messages in Postfix's hold queue."""
    return sum(line[:1].isalnum() and "!" in line.split()[0] for line in guard.machine.run("postqueue", "-p").split("\n") if line.strip())


class TestTools:
    """What others use to try a mail server."""

    def test_swaks(self, guard: Asked, place: Place) -> None:
        stranger, trusted = place.at("192.0.2.140"), place.at("192.0.2.141")
        assert delivers(stranger)
        assert "554 5.7.1 <x@remote.example>: Relay access denied" in stranger.swaks("--to", "x@remote.example", "--from", "a@friend.example")
        with listed(guard, "allow", "192.0.2.141", "--relay"):
            assert "250 2.0.0 Ok" in trusted.swaks("--to", "x@remote.example", "--from", "a@friend.example")

    def test_hundreds_of_messages_over_kept_connections(self, guard: Asked, place: Place) -> None:
        """smtp-source: 40 sessions at a time; each message is asked about at RCPT, twice, and at its end."""
        before = guard.source["requests"]
        place.internet.prefer("192.0.2.142", place.host.v4)
        to = ["-f", FRIEND.decode(), "-t", BOB.decode(), f"inet:{place.host.v4}:25"]
        assert place.internet.run("smtp-source", "-s", "40", "-m", "200", "-l", "500", *to) == ""
        found = guard.source
        assert found["requests"] == before + 600  # type: ignore[operator]
        assert found["connections"] <= 400  # type: ignore[operator]
        assert found["dropped"] == {}


class TestAway:
    """Mail goes on without us, and nothing relays that may not."""

    def test_stopped_hung_and_back(self, guard: Asked, place: Place) -> None:
        client = place.at("192.0.2.130")
        with listed(guard, "allow", "192.0.2.131", "--relay"):
            trusted = place.at("192.0.2.131")
            assert rcpt(trusted, AWAY) == [250]
            guard.kill()
            assert client.talk(message(FRIEND, [BOB]))[-1] == 250
            assert rcpt(client, AWAY)[0] in (450, 554)
            assert rcpt(trusted, AWAY) == [450]  # to be tried again, not lost
            guard.start()
            wait_until(lambda: rcpt(trusted, AWAY) == [250], 20, "it relays again")
            guard.freeze()
            took = []
            for _ in range(3):
                start = time.monotonic()
                assert client.talk(message(FRIEND, [BOB, b"carol@example.org"]))[-1] == 250
                took.append(time.monotonic() - start)
            assert rcpt(client, AWAY)[0] in (450, 554)
            guard.thaw()
            print("hung: a message took", [f"{each:.1f} s" for each in took])
            assert max(took) < 30  # Postfix's own defaults would wait 100 s for each question
            wait_until(lambda: rcpt(trusted, AWAY) == [250], 20, "it relays again")
        before = guard.source["requests"]
        wait_until(lambda: rcpt(client, BOB) == [250] and guard.source["requests"] != before, 20, "it is asked again")

    def test_slow_answers_count_all_the_same(self, guard: Asked, place: Place) -> None:
        """Stopped for less than Postfix waits: it gets its answer, late."""
        guard.cli("blocks", "add", "192.0.2.134", "--for", "1h", "--reason", "test")
        held = place.at("192.0.2.134")
        wait_until(lambda: rcpt(held, BOB) == [421], 20, "it is asked")
        guard.freeze()
        later = threading.Timer(0.7, guard.thaw)
        later.start()
        try:
            assert rcpt(held, BOB) == [421]
        finally:
            later.join()
        guard.cli("unblock", "192.0.2.134")

    @pytest.mark.parametrize("port", LISTS)
    def test_closed_without_us(self, guard: Asked, place: Place, port: int) -> None:
        guard.kill()
        try:
            codes = [rcpt(place.at("192.0.2.132"), to, port=port)[0] for to in ROUTED]
            assert all(code >= 400 for code in codes), dict(zip(ROUTED, codes, strict=True))
        finally:
            guard.start()

    def test_closed_where_the_administrator_chose_it(self, guard: Asked, place: Place) -> None:
        guard.configure(FOLLOWED + CLOSED)
        guard.cli("setup", "postfix", "--apply")
        guard.machine.run("postfix", "reload")
        guard.tell(signal.SIGHUP)
        client = place.at("192.0.2.133")
        try:
            wait_until(lambda: rcpt(client, BOB) == [250], 20, "it is asked")
            guard.kill()
            assert reply(client, BOB).startswith(b"451 4.3.5 ")
        finally:
            guard.configure(FOLLOWED + POLICY)
            guard.start()
            guard.cli("setup", "postfix", "--apply")
            guard.machine.run("postfix", "reload")
        wait_until(lambda: rcpt(client, BOB) == [250], 20, "mail goes on")


def test_the_log_names_no_trouble_of_ours(guard: Asked, place: Place) -> None:
    """No traceback, and no reason of ours in what Postfix told its peers."""
    assert "Traceback" not in guard.words()
    told = syslog(place).read_text("utf-8", "replace")
    assert "gatepost" not in "".join(line for line in told.split("\n") if "reject" in line).lower()
