"""Who is told, by the real daemon: one mail at once and one digest for two hundred blocks, webhooks that fail at times, a kill in between.

Job: prove what docs/alerts.md promises, from the log line to the receiver. Promise: receivers are real servers on the machine's own loopback; nothing
here looks at how long anything took. Limits: the mail server's log lines are written by the test; needs root and namespaces.
"""

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gatepost.cli.client import ask
from tests.e2e import net
from tests.e2e.live import FOLLOWED, LOG, SHARED, Live
from tests.e2e.net import Machine, wait_until
from tests.outlets.messengers.receivers import Hook, MailServer

BLOCKS = 200


@pytest.fixture(scope="module")
def machine(world: net.World) -> Machine:
    """A host with a mail log and nothing else."""
    made = world.machine("mx14", 39, shared=SHARED)
    made.write(LOG, "")
    return made


@pytest.fixture
def hook(machine: Machine) -> Iterator[Hook]:
    """A receiver of webhooks inside."""
    with machine.inside():
        made = Hook()
        made.__enter__()
    yield made
    made.__exit__()


@pytest.fixture
def mails(machine: Machine) -> Iterator[MailServer]:
    """A mail server inside."""
    with machine.inside():
        made = MailServer()
        made.__enter__()
    yield made
    made.__exit__()


def attack(machine: Machine, *clients: str) -> None:
    """Each client connects as often as is too much."""
    with machine.path(LOG).open("a", encoding="ascii") as log:
        for client in clients:
            log.write(f"{_now()}+00:00 mx14 postfix/smtpd[9]: connect from unknown[{client}]\n" * 3)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def started(machine: Machine, name: str, channels: str) -> Live:
    """A daemon with channels, whose rule dos bites at the third connection."""
    live = Live(machine, name, FOLLOWED + channels, table=name)
    live.start()
    live.rules(dos=(3, "60s", "1h"))
    return live


def webhook(hook: Hook) -> str:
    """A channel to a receiver."""
    return f'[[channel]]\nkind = "webhook"\nname = "hook"\nurl = "http://127.0.0.1:{hook.port}/in"\nsecret = "s"\n'


def test_two_hundred_blocks_are_one_mail_at_once_and_one_digest(machine: Machine, hook: Hook, mails: MailServer) -> None:
    mail = f'[[channel]]\nkind = "mail"\nname = "admins"\nto = ["root@localhost"]\nserver = "127.0.0.1"\nport = {mails.port}\nevery = "20s"\n'
    chat = f'[[channel]]\nkind = "apprise"\nname = "chat"\nurl = "json://127.0.0.1:{hook.port}/chat"\nevery = "0s"\ntell = []\n'
    live = started(machine, "alerta", mail + webhook(hook) + chat)

    assert sorted(live.cli("alerts", "test").splitlines()) == ["admins: taken", "chat: taken", "hook: taken"]
    assert mails.mails[0]["Subject"].endswith("test of the channel admins")
    assert {each.get("kind", "chat") for each in hook.taken} == {"chat", "test"}

    attack(machine, "192.0.2.1")
    wait_until(lambda: any("192.0.2.1 is blocked on smtp by dos" in each["Subject"] for each in mails.mails), 20, "the first block is told")
    before = len(mails.mails)
    attack(machine, *(f"192.0.2.{number}" for number in range(2, BLOCKS + 1)))
    wait_until(lambda: any(f"{BLOCKS - 1} blocks" in each["Subject"] for each in mails.mails), 60, "the digest")
    wait_until(lambda: "quiet again" in mails.mails[-1]["Subject"], 60, "it is quiet again")
    assert len(mails.mails) == before + 2
    wait_until(lambda: _told(hook) == {f"192.0.2.{number}" for number in range(1, BLOCKS + 1)}, 30, "the webhook got each block")
    listed = json.loads(live.cli("alerts", "list", "--json"))
    states = {each["name"]: (each["dropped"], each["waiting"], each["problem"]) for each in listed}
    assert states == dict.fromkeys(("admins", "hook", "chat"), (0, 0, ""))
    assert 'gatepost_channel_sent_total{channel="admins"} 4.0' in str(ask("GET", "/metrics", config_path=str(live.outside)))
    live.stop()


def _told(hook: Hook) -> set[str]:
    bodies = [each for each in hook.taken if "notices" in each]
    return {notice["subject"] for body in bodies for notice in body["notices"] if notice["kind"] == "imposed"}


def test_a_receiver_that_fails_at_times_and_a_killed_guard(machine: Machine, hook: Hook) -> None:
    hook.script = ["500", "reset", "503"]
    live = started(machine, "alertb", webhook(hook))
    attack(machine, "203.0.113.1")
    wait_until(lambda: "203.0.113.1" in _told(hook), 60, "it arrives at last")
    assert len({headers["Idempotency-Key"] for headers, _ in hook.requests[:4]}) == 1

    before = len(hook.requests)
    hook.script = ["500"] * 1_000
    attack(machine, "203.0.113.2")
    wait_until(lambda: len(hook.requests) > before, 30, "it is tried")
    live.stop(signal.SIGKILL)
    pending = dict(hook.requests[-1][0])["Idempotency-Key"]
    hook.script = []
    live.start()
    wait_until(lambda: "203.0.113.2" in _told(hook), 60, "it arrives after the restart")
    wait_until(lambda: live.ask("GET", "channels")[0]["waiting"] == 0, 10, "nothing waits any more")
    assert [body["id"] for body in hook.taken if any(each.get("subject") == "203.0.113.2" for each in body["notices"])] == [pending]

    hook.script = ["401"]
    live.machine.run(*live.program("alerts", "test", "hook"), check=False)
    assert live.ask("GET", "channels")[0]["problem"] == "127.0.0.1 answered 401"
    assert any("channel hook" in problem for problem in live.status()["problems"])
    live.stop()
