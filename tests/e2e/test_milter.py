"""A real Postfix asks as its milter: who is held is refused at the connection, messages have an account, and mail goes on without us.

Job: prove what docs/milter.md says of Postfix. Promise: the daemon is the installed one; each client has an address of its own. Limits: the port
asked about is not one that the kernel drops, so that the answer is the milter's.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e import hosts
from tests.e2e.attackers import auth_commands, message
from tests.e2e.campaign import ALICE, BOB, FRIEND, GHOST, Place
from tests.e2e.conftest import need
from tests.e2e.live import FOLLOWED, SHARED, Live, machine
from tests.e2e.net import World, wait_until

PORT = 33
"""An smtpd of the mail host that the kernel knows nothing of."""
MILTER = "{ inet:127.0.0.1:8096, connect_timeout=2s, command_timeout=10s, content_timeout=10s, default_action=accept }"
CONFIG = '[[milter]]\nlisten = "127.0.0.1:8096"\n' + FOLLOWED
AWAY = 25
"""Seconds within which a session must go on while nobody answers: once 10, and a loaded machine's share."""


@pytest.fixture(scope="module")
def place(world: World) -> Place:
    """A mail host that asks."""
    need("postfix", "dovecot")
    made = Place(world.internet, hosts.MailHost(world, name=("mx13", 41), shared=SHARED))
    machine(made).run("postconf", f"smtpd_milters={MILTER}")
    machine(made).run("postfix", "reload")
    return made


@pytest.fixture(scope="module")
def guard(place: Place) -> Iterator[Live]:
    """The daemon."""
    made = Live(machine(place), config=CONFIG)
    made.start()
    greeting(place, "192.0.2.1")  # the first request makes it the witness: the log can have told of that connection before
    yield made
    made.stop()


def greeting(place: Place, source: str) -> int:
    """The code that a client is greeted with."""
    with place.at(source).wire(PORT) as wire:
        return wire.reply()


def source_of(guard: Live) -> dict[str, object]:
    """What status tells of the milter."""
    (found,) = [each for each in guard.status()["sources"] if each["name"].startswith("milter:")]
    return dict(found)


def test_the_nth_connection_is_refused_at_the_greeting_and_others_go_on(place: Place, guard: Live) -> None:
    guard.rules(dos=(6, "60s", "60s"))
    before = guard.counted("message_accepted")
    flooder = "192.0.2.11"
    # The log tells of each connection too: were both counted, the third would be refused.
    assert [greeting(place, flooder) for _ in range(7)] == [220] * 5 + [421] * 2
    assert ("dos", "smtp", flooder) in guard.blocks()
    assert greeting(place, "192.0.2.12") == 220
    assert place.at("192.0.2.12").talk(message(FRIEND, [BOB]), PORT)[-1] == 250
    guard.quiet()
    assert guard.counted("message_accepted") == before + 1
    witnesses = {(each["kind"], each["inlet"]) for each in guard.status()["witnesses"]}
    assert {("connected", "milter:127.0.0.1:8096"), ("message_accepted", "milter:127.0.0.1:8096")} <= witnesses
    assert source_of(guard)["problem"] == ""


def test_who_is_denied_is_told_so(place: Place, guard: Live) -> None:
    guard.rules()
    guard.cli("access", "deny", "192.0.2.21")
    assert greeting(place, "192.0.2.21") == 554
    guard.cli("access", "remove", "192.0.2.21")
    assert greeting(place, "192.0.2.21") == 220


def test_an_account_is_held_at_the_message_that_is_too_much(place: Place, guard: Live) -> None:
    """By account and client: a hold of an account leaves its known clients alone, and each of these has just logged in well."""
    guard.rules()
    fields = ("--field", "counts=recipients", "--field", "by=pair", "--on", "smtp")
    guard.cli("rules", "set", "spammer", *fields, "--threshold", "4", "--window", "60s", "--for", "60s")
    sends = [*auth_commands(*ALICE), *message(b"alice@example.org", [BOB, b"carol@example.org"])]
    stolen, own = place.at("192.0.2.31"), place.at("192.0.2.32")
    assert stolen.talk(sends, PORT)[1:] == [250, 250, 250, 354, 250]
    assert stolen.talk(sends, PORT)[-1] == 451
    assert stolen.talk(sends, PORT)[1] == 450
    assert stolen.talk(message(FRIEND, [BOB]), PORT)[-1] == 250
    assert own.talk(sends, PORT)[-1] == 250
    assert ("spammer", "smtp", "alice@example.org from 192.0.2.31") in guard.blocks()


def test_an_alert_has_the_accounts_next_messages_wait(place: Place, guard: Live) -> None:
    guard.rules()
    fields = ("--field", "counts=recipients", "--field", "by=account", "--on", "smtp", "--action", "alert")
    guard.cli("rules", "set", "watch", *fields, "--threshold", "4", "--window", "60s", "--for", "60s")
    sends = [*auth_commands(*ALICE), *message(b"alice@example.org", [BOB, b"carol@example.org"])]
    assert [place.at("192.0.2.35").talk(sends, PORT)[-1] for _ in range(3)] == [250] * 3
    queue = machine(place).run("postqueue", "-j")
    assert queue.count('"queue_name": "hold"') == 2
    machine(place).run("postsuper", "-d", "ALL")


def test_refused_recipients_are_counted_where_that_is_wanted(place: Place, guard: Live) -> None:
    guard.configure(CONFIG.replace('8096"\n', '8096"\ncounts = ["connected", "rejected", "session_ended"]\n', 1))
    guard.tell(signal.SIGHUP)
    guard.says("reloaded")
    wait_until(lambda: bool(source_of(guard)["reading"]), 10, "it listens anew")
    guard.rules(harvesting=(3, "60s", "60s"))
    before = guard.counted("rejected")
    harvest = [b"MAIL FROM:<" + FRIEND + b">", b"RCPT TO:<" + GHOST + b">", b"RCPT TO:<" + BOB + b">"]
    assert place.at("192.0.2.41").talk(harvest, PORT) == [250, 550, 250]
    wait_until(lambda: guard.counted("rejected") == before + 1, 15, "one refusal counted, though two inlets saw it")
    for _ in range(2):
        place.at("192.0.2.41").talk(harvest[:2], PORT)
    guard.becomes([("harvesting", "smtp", "192.0.2.41")])
    guard.configure(CONFIG)
    guard.tell(signal.SIGHUP)


@contextlib.contextmanager
def stopped(guard: Live) -> Iterator[None]:
    """It is not there meanwhile."""
    guard.stop()
    yield
    guard.start()


@pytest.mark.parametrize("away", [Live.hung, Live.slow, stopped])
def test_mail_goes_on_without_us(place: Place, guard: Live, away: Callable[[Live], contextlib.AbstractContextManager[None]]) -> None:
    guard.rules()
    client = place.at("192.0.2.51")
    assert client.talk(message(FRIEND, [BOB]), PORT)[-1] == 250
    with away(guard):
        began = time.monotonic()
        assert client.talk(message(FRIEND, [BOB]), PORT)[-1] == 250
        assert time.monotonic() - began < AWAY
    assert client.talk(message(FRIEND, [BOB]), PORT)[-1] == 250
    wait_until(lambda: bool(source_of(guard)["requests"]), 15, "it is asked again")


def test_a_session_outlives_the_guard(place: Place, guard: Live) -> None:
    guard.rules()
    with place.at("192.0.2.61").greeted(PORT) as wire:
        assert wire.smtp(b"MAIL FROM:<" + FRIEND + b">") == 250
        guard.kill()
        assert [wire.smtp(b"RCPT TO:<" + BOB + b">"), wire.smtp(b"DATA"), wire.smtp(b"Subject: x\r\n\r\nx\r\n.")] == [250, 354, 250]
    guard.start()


def test_the_door_closes_where_that_was_chosen(place: Place, guard: Live) -> None:
    guard.rules()
    where = machine(place)
    where.run("postconf", f"smtpd_milters={MILTER.replace('=accept', '=tempfail')}")
    where.run("postfix", "reload")
    assert "milter_default_action is not accept" in guard.cli("doctor", code=1)
    with stopped(guard):
        assert place.at("192.0.2.81").talk(message(FRIEND, [BOB]), PORT)[0] == 451
    where.run("postconf", f"smtpd_milters={MILTER}")
    where.run("postfix", "reload")
    assert "smtpd_milters has it" in guard.cli("doctor", code=1)
    assert place.at("192.0.2.81").talk(message(FRIEND, [BOB]), PORT)[-1] == 250


def test_hostile_names_stay_text(place: Place, guard: Live) -> None:
    guard.rules()
    odd = b'MAIL FROM:<"x\\" {auth_authen}"@friend.example> SIZE=99999999999999999999'
    for command in (odd, b"MAIL FROM:<" + b"x" * 300 + b"@friend.example>", b"MAIL FROM:<a%s%n@friend.example>"):
        assert place.at("192.0.2.71").talk([command, b"RCPT TO:<" + BOB + b">"], PORT, b"EHLO \xff\x1b[31m")[0] != 421
    assert source_of(guard)["dropped"] == {}
