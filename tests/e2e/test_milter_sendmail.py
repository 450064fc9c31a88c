"""A real Sendmail asks as its milter, on a host where no log of it is read."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e import hosts, services
from tests.e2e.attackers import message
from tests.e2e.campaign import BOB, FRIEND, GHOST, Place
from tests.e2e.conftest import need
from tests.e2e.live import FOLLOWED, SHARED, Live
from tests.e2e.net import World

PORT = 2525
"""A port that the kernel knows nothing of."""
COUNTS = 'counts = ["connected", "message_accepted", "rejected", "session_ended"]\n'
CONFIG = f'[[milter]]\nlisten = "127.0.0.1:8096"\n{COUNTS}{FOLLOWED}'


@pytest.fixture(scope="module")
def place(world: World) -> Place:
    """A mail host that asks."""
    need("sendmail")
    host = hosts.SendmailHost(world, SHARED)
    services.name_server(host.machine)
    return Place(world.internet, host)


@pytest.fixture(scope="module")
def guard(place: Place) -> Iterator[Live]:
    """The daemon."""
    assert isinstance(place.host, hosts.SendmailHost)
    made = Live(place.host.machine, config=CONFIG)
    made.start()
    yield made
    made.stop()


def greeting(place: Place, source: str) -> int:
    """The code that a client is greeted with."""
    with place.at(source).wire(PORT) as wire:
        return wire.reply()


def test_the_nth_connection_is_refused_at_the_greeting_and_others_go_on(place: Place, guard: Live) -> None:
    guard.rules(dos=(4, "60s", "60s"))
    assert [greeting(place, "192.0.2.11") for _ in range(5)] == [220] * 3 + [421] * 2
    assert place.at("192.0.2.12").talk(message(FRIEND, [BOB]), PORT)[-1] == 250
    guard.cli("access", "deny", "192.0.2.13")
    assert greeting(place, "192.0.2.13") == 554
    guard.cli("access", "remove", "192.0.2.13")


def test_refused_recipients_and_bad_sessions_are_counted_without_a_log(place: Place, guard: Live) -> None:
    guard.rules(harvesting=(3, "60s", "60s"))
    before = guard.counted("rejected")
    for _ in range(2):
        assert place.at("192.0.2.21").talk(message(FRIEND, [GHOST])[:2], PORT) == [250, 550]
        assert place.at("192.0.2.22").talk(message(FRIEND, [GHOST, BOB]), PORT)[-1] == 250
    guard.quiet()
    assert guard.counted("rejected") == before + 4
    assert guard.blocks() == set()
    place.at("192.0.2.21").touch(PORT)
    guard.becomes([("harvesting", "smtp", "192.0.2.21")])
    assert greeting(place, "192.0.2.21") == 421
    assert greeting(place, "192.0.2.22") == 220


def test_mail_goes_on_without_us(place: Place, guard: Live) -> None:
    guard.rules()
    client = place.at("192.0.2.31")
    with guard.hung():
        began = time.monotonic()
        assert client.talk(message(FRIEND, [BOB]), PORT)[-1] == 250
        assert time.monotonic() - began < 25
    guard.stop()
    assert client.talk(message(FRIEND, [BOB]), PORT)[-1] == 250
    guard.start()
    before = guard.counted("connected")
    assert client.talk(message(FRIEND, [BOB]), PORT)[-1] == 250
    assert guard.counted("connected") == before + 1
