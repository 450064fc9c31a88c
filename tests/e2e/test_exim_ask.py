"""A real Exim asks, by the lines that `gatepost setup exim` puts into Debian's configuration, split and in one file.

Job: prove what docs/exim.md says: refusal at the connection, the last failed log-in, relaying for the relay box alone, and mail that goes on without
us. Promise: the lines are put in by the command line, inside the machine; clients have addresses of their own. Limits: the port asked about is not
one that the kernel drops, so that the answer is Exim's.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.e2e import hosts, services
from tests.e2e.attackers import auth_commands, message
from tests.e2e.campaign import ALICE, BOB, FRIEND, Place
from tests.e2e.conftest import need
from tests.e2e.live import SHARED, Live
from tests.e2e.net import World, wait_until

PORT = 2525
"""A port that the kernel knows nothing of."""
LOG = '[[logfile]]\npath = "/var/log/exim4/mainlog"\n'
CONFIG = '[[exim]]\nlisten = "127.0.0.1:8097"\n' + LOG
FAR = b"x@remote.example"
OPEN_RELAY = (
    FAR,
    b"x%remote.example@example.org",
    b"remote.example!x@example.org",
    b'"x@remote.example"@example.org',
    b"@example.org:x@remote.example",
    b"x@remote.example@example.org",
    b"x@[203.0.113.25]",
    b'"x@remote.example"',
    b"x%remote.example@[198.51.100.29]",
)
TOLD = (
    "{yes}{${if eq{${readsocket{GATEPOST}{failed client=$sender_host_address port=$received_port host=$primary_hostname "
    "account64=${base64:${length_255:USER}}\\n}{2s}{}{}}}{x}{yes}{no}}}}"
)
"""What docs/exim.md adds to a server_condition, so that it tells of failures."""


@dataclass
class Asked:
    """An Exim that asks, and the guard that it asks."""

    host: hosts.EximHost
    place: Place
    guard: Live

    def greeting(self, source: str) -> int:
        """The code that a client is greeted with."""
        with self.place.at(source).wire(PORT) as wire:
            return wire.reply()

    def relays(self, source: str, recipient: bytes = FAR) -> bool:
        """Whether a client may send to a recipient."""
        return self.place.at(source).talk([b"MAIL FROM:<" + FRIEND + b">", b"RCPT TO:<" + recipient + b">"], PORT)[-1] == 250


@pytest.fixture(scope="module", params=[True, False], ids=["split", "one file"])
def asked(world: World, request: pytest.FixtureRequest) -> Iterator[Asked]:
    """An Exim, set up to ask."""
    need("exim")
    name, number = ("mx9", 29) if request.param else ("mx10", 30)
    host = hosts.EximHost(world, name, number, shared=SHARED, split=request.param)
    services.name_server(host.machine)
    place = Place(world.internet, host)
    guard = Live(host.machine, config=CONFIG)
    _tell_of_failures(host, request.param)
    said = guard.cli("setup", "exim", "--apply")
    assert "written; now: update-exim4.conf" in said
    assert "it asks already" in guard.cli("setup", "exim")
    host.restart()
    guard.start()
    found = Asked(host, place, guard)
    found.greeting("192.0.2.1")  # the first request makes it the witness: the log can have told of that connection before
    yield found
    guard.stop()


def _tell_of_failures(host: hosts.EximHost, split: bool) -> None:
    """Adds the port, and has both authenticators tell of failures, as docs/exim.md says."""
    main, auth = ("conf.d/main/000_local", "conf.d/auth/31_local") if split else ("exim4.conf.localmacros", "exim4.conf.template")
    folder = host.machine.path("/etc/exim4")
    for name, changes in (
        (main, [("25 : 465 : 587", f"25 : 465 : 587 : {PORT}")]),
        (auth, [(f"lookup{{{user}}}lsearch{{CONFDIR/passwd}}{{$value}}{{*:*}}}}}}}}", user) for user in ("$auth1", "$auth2")]),
    ):
        text = (folder / name).read_text("utf-8")
        for before, after in changes:
            assert before in text
            text = text.replace(before, before[:-1] + TOLD.replace("USER", after) if after.startswith("$") else after)
        (folder / name).write_text(text, "utf-8")


def test_the_nth_connection_is_refused_at_the_greeting_and_others_go_on(asked: Asked) -> None:
    asked.guard.rules(dos=(6, "60s", "60s"))
    flooder = "192.0.2.11"
    # The log tells of each connection too: were both counted, the third would be refused.
    assert [asked.greeting(flooder) for _ in range(7)] == [220] * 5 + [451] * 2
    assert ("dos", "smtp", flooder) in asked.guard.blocks()
    assert asked.place.at("192.0.2.12").talk(message(FRIEND, [BOB]), PORT)[-1] == 250
    asked.guard.cli("access", "deny", "192.0.2.13")
    assert asked.greeting("192.0.2.13") == 550
    asked.guard.cli("access", "remove", "192.0.2.13")


def test_the_nth_failed_log_in_is_the_last(asked: Asked) -> None:
    asked.guard.rules(password_brute_force=(4, "60s", "60s"))
    guesser = asked.place.at("192.0.2.21")
    before = asked.guard.counted("auth_failed")
    wrong = auth_commands(ALICE[0], "wrong")[0]
    # In one session, and the right password behind the fourth guess is not looked at.
    assert guesser.talk([wrong, wrong], PORT) == [535, 535]
    assert guesser.talk([*auth_commands(ALICE[0], "wrong", "LOGIN"), wrong, auth_commands(*ALICE)[0]], PORT)[2:] == [535, 535, 451]
    asked.guard.quiet()
    assert asked.guard.counted("auth_failed") == before + 4
    assert ("password-brute-force", "smtp", "192.0.2.21") in asked.guard.blocks()
    assert asked.place.at("192.0.2.22").talk(auth_commands(*ALICE), PORT) == [235]


def test_the_relay_box_relays_and_nothing_else_does(asked: Asked) -> None:
    guard = asked.guard
    guard.rules()
    guard.cli("access", "allow", "192.0.2.31", "--relay", "--confirm-relay")
    guard.cli("access", "allow", "192.0.2.32")
    boxed, allowed, stranger = "192.0.2.31", "192.0.2.32", "192.0.2.33"
    assert [asked.relays(each) for each in (boxed, allowed, stranger)] == [True, False, False]
    assert not any(asked.relays(stranger, each) for each in OPEN_RELAY)
    assert not any(asked.relays(allowed, each) for each in OPEN_RELAY)
    # Exim takes a source route off: this is the same recipient.
    assert [each for each in OPEN_RELAY if asked.relays(boxed, each)] == [FAR, b"@example.org:x@remote.example"]
    alice = [*auth_commands(*ALICE), b"MAIL FROM:<alice@example.org>", b"RCPT TO:<" + FAR + b">"]
    assert asked.place.at(stranger).talk(alice, PORT)[-1] == 250
    guard.cli("access", "remove", boxed)
    guard.cli("access", "remove", allowed)
    assert not asked.relays(boxed)


@contextlib.contextmanager
def stopped(guard: Live) -> Iterator[None]:
    """It is not there meanwhile."""
    guard.stop()
    yield
    guard.start()


@pytest.mark.parametrize("away", [Live.hung, Live.slow, stopped])
def test_mail_goes_on_without_us_and_relaying_stays_closed(asked: Asked, away: Callable[[Live], contextlib.AbstractContextManager[None]]) -> None:
    asked.guard.rules()
    asked.guard.cli("access", "allow", "192.0.2.41", "--relay", "--confirm-relay")
    client = asked.place.at("192.0.2.42")
    with away(asked.guard):
        began = time.monotonic()
        assert client.talk([*auth_commands(*ALICE), *message(FRIEND, [BOB, b"carol@example.org"])], PORT)[-1] == 250
        assert time.monotonic() - began < 12  # once 2 s in a session, and a loaded machine's share
        assert away is Live.slow or not asked.relays("192.0.2.41")
        assert not any(asked.relays("192.0.2.43", each) for each in OPEN_RELAY[:3])
    assert asked.relays("192.0.2.41")
    asked.guard.cli("access", "remove", "192.0.2.41")


def test_the_door_closes_where_that_was_chosen(asked: Asked) -> None:
    asked.guard.rules()
    name = "conf.d/acl/10_gatepost" if asked.host.split else "exim4.conf.template"
    lists = asked.host.machine.path(f"/etc/exim4/{name}")
    before = lists.read_text("utf-8")
    assert "its lists ask" in asked.guard.cli("doctor", code=1)
    lists.write_text(before.replace("{away}}\n  deny", "{defer Not now, try again later}}\n  deny"), "utf-8")
    assert lists.read_text("utf-8") != before
    asked.host.restart()
    assert asked.greeting("192.0.2.71") == 220
    with stopped(asked.guard):
        assert asked.greeting("192.0.2.71") == 451
    lists.write_text(before, "utf-8")
    asked.host.restart()


def test_messages_and_bounces_have_their_account(asked: Asked) -> None:
    asked.guard.rules()
    before = asked.guard.counted("message_accepted"), asked.guard.counted("message_bounced")
    sends = [*auth_commands(*ALICE), *message(b"alice@example.org", [BOB, b"x@nowhere.invalid"])]
    assert asked.place.at("192.0.2.51").talk(sends, PORT)[-1] == 250
    wait_until(lambda: asked.guard.counted("message_bounced") == before[1] + 1, 20, "one bounce, though two inlets saw it")
    asked.guard.quiet()
    assert (asked.guard.counted("message_accepted"), asked.guard.counted("message_bounced")) == (before[0] + 1, before[1] + 1)


def test_an_alert_has_the_accounts_next_messages_wait(asked: Asked) -> None:
    asked.guard.rules()
    fields = ("--field", "counts=recipients", "--field", "by=account", "--on", "smtp", "--action", "alert")
    asked.guard.cli("rules", "set", "watch", *fields, "--threshold", "4", "--window", "60s", "--for", "60s")
    sends = [*auth_commands(*ALICE), *message(b"alice@example.org", [BOB, b"carol@example.org"])]
    assert [asked.place.at("192.0.2.55").talk(sends, PORT)[-1] for _ in range(3)] == [250] * 3
    wait_until(lambda: asked.host.machine.run("exim4", "-bp").count("frozen") == 2, 15, "two messages are frozen")


def test_what_exim_refuses_itself_it_still_refuses_in_its_own_words(asked: Asked) -> None:
    asked.guard.rules()
    with asked.place.at("192.0.2.61").greeted(PORT) as wire:
        wire.smtp(b"MAIL FROM:<" + FRIEND + b">")
        for recipient, expected in ((b"policy", b"550 Not today"), (b"grey", b"451 Greylisted, please try again later")):
            wire.send(b"RCPT TO:<" + recipient + b"@example.org>\r\n")
            assert wire.line() == expected
        wire.send(b"RCPT TO:<" + FAR + b">\r\n")
        assert wire.line() == b"550 relay not permitted"
        assert wire.smtp(b"RCPT TO:<" + BOB + b">") == 250
        wire.smtp(b"DATA")
        wire.send(b"Subject: forbidden\r\n\r\nx\r\n.\r\n")
        assert wire.line() == b"550 no such subjects"
    for hello in (b"EHLO ${run{/bin/false}}", b"EHLO x\x1b[31m"):
        assert asked.place.at("192.0.2.62").talk(message(b"${if eq{a}{a}{x}}@friend.example", [BOB]), PORT, hello)[-1] in (250, 501, 503, 550, 554)
