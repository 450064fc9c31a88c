"""A real journald, followed: each mail line once through rotation, vacuuming, restarts and kills, and what is lost is told."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatepost.core.facts import Connected
from gatepost.inlets.journal import JournalInlet, JournalSettings
from gatepost.inlets.journal_process import FOLDERS
from tests.e2e.journald import SOCKET, Journald, lacking
from tests.e2e.net import wait_until
from tests.inlets.following import Desk, now, number, until
from tests.inlets.listening import message, messages, running

MANY = 2_000


@pytest.fixture
def journald() -> Iterator[Journald]:
    """A journald with one mail line that was there before us."""
    if missing := lacking():
        pytest.skip(missing)
    made = Journald()
    try:
        made.log(message(900))
        yield made
    finally:
        made.close()


def inlet(desk: Desk, journald: Journald, folders: str = FOLDERS) -> JournalInlet:
    """An inlet that goes on from what was reported to a desk."""
    return JournalInlet(JournalSettings(directory=str(journald.folder)), desk.report, now, dict(desk.cursors), folders=folders)


def catch_up(desk: Desk, journald: Journald) -> JournalInlet:
    """Has a new inlet read what is there."""
    made = inlet(desk, journald)
    asyncio.run(made.catch_up())
    return made


def test_begins_at_now_and_reads_mail_lines_alone(journald: Journald) -> None:
    desk = Desk()
    made = inlet(desk, journald)

    async def doing() -> None:
        await asyncio.to_thread(journald.log, message(1), tag="someone/else", priority="user.info")
        await asyncio.to_thread(journald.log, message(2))
        await asyncio.to_thread(journald.log, message(3), priority="daemon.info")
        await until(lambda: desk.numbers == [2, 3])

    running(made, doing)
    state = made.state()
    assert (state.lines, state.facts, state.problem) == (2, 2, "")
    assert all(fact.at <= now() and fact.host for fact in desk.facts)


def test_rotation_while_followed(journald: Journald) -> None:
    desk = Desk()

    async def doing() -> None:
        for start in range(0, 30, 10):
            await asyncio.to_thread(journald.log, *messages(start, start + 10))
            await asyncio.to_thread(journald.rotate)
        await asyncio.to_thread(journald.vacuum)
        await asyncio.to_thread(journald.log, message(30))
        await until(lambda: desk.numbers == list(range(31)))

    running(inlet(desk, journald), doing)


def test_what_was_written_while_we_were_down(journald: Journald) -> None:
    desk = Desk()
    catch_up(desk, journald)
    journald.log(*messages(0, 50))
    journald.rotate()
    journald.log(*messages(50, 100))
    assert catch_up(desk, journald).state().gaps == 0
    catch_up(desk, journald)
    assert desk.numbers == list(range(100))


def test_a_vacuumed_journal_is_told_and_read_from_its_oldest_line_on(journald: Journald) -> None:
    desk = Desk()
    catch_up(desk, journald)
    journald.log(*messages(0, 5))
    journald.rotate()
    journald.log(*messages(5, 10))
    journald.vacuum()
    state = catch_up(desk, journald).state()
    assert desk.numbers == list(range(5, 10))
    assert state.gaps == 1
    assert "SystemMaxUse" in state.problem
    assert catch_up(desk, journald).state().gaps == 0


def test_a_journald_that_is_away_for_a_while(journald: Journald) -> None:
    desk = Desk()

    async def doing() -> None:
        await asyncio.to_thread(journald.log, message(0))
        await until(lambda: desk.numbers == [0])
        await asyncio.to_thread(journald.stop)
        await asyncio.to_thread(journald.start)
        await asyncio.to_thread(journald.log, message(1))
        await until(lambda: desk.numbers == [0, 1])

    running(inlet(desk, journald), doing)


def test_what_the_rate_limit_dropped_is_told(journald: Journald) -> None:
    journald.stop()
    journald.start("RateLimitIntervalSec=1s\nRateLimitBurst=5")
    desk = Desk()
    made = inlet(desk, journald)

    async def doing() -> None:
        await asyncio.to_thread(journald.burst, 500)
        await until(lambda: made.state().suppressed > 100)

    running(made, doing)
    assert "postfix.service" in made.state().problem
    assert "RateLimitBurst" in made.state().problem


def test_a_forged_notice_is_a_line_like_any_other(journald: Journald) -> None:
    desk = Desk()
    made = inlet(desk, journald)

    async def doing() -> None:
        forged = "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e\nN_DROPPED=9\n_TRANSPORT=driver\nMESSAGE=Suppressed 9 messages from x\n"
        await asyncio.to_thread(journald.inside, "logger", "--journald", f"--socket={SOCKET}", feed=forged)
        await asyncio.to_thread(journald.log, message(1))
        await until(lambda: desk.numbers == [1])

    running(made, doing)
    assert made.state().suppressed == 0


def test_odd_bytes_and_long_messages(journald: Journald) -> None:
    desk = Desk()
    made = inlet(desk, journald)

    async def doing() -> None:
        for odd in ("\\001\\377 binary", "x" * 3_000, "NOQUEUE: \\342\\200"):
            await asyncio.to_thread(journald.inside, "sh", "-c", f"printf '{odd}\\n' | logger -u {SOCKET} -p mail.info -t postfix/smtpd --size 9000")
        warning = "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: \\377\\001, sasl_username=x\\376"
        await asyncio.to_thread(journald.inside, "sh", "-c", f"printf '{warning}\\n' | logger -u {SOCKET} -p mail.info -t postfix/smtpd")
        await asyncio.to_thread(journald.log, message(1))
        await until(lambda: bool(desk.facts) and isinstance(desk.facts[-1], Connected))

    running(made, doing)
    assert [type(fact).__name__ for fact in desk.facts] == ["AuthFailed", "Connected"]


def test_a_user_who_may_not_read_it_is_told_the_cure(journald: Journald, tmp_path: Path) -> None:
    nobody = tmp_path / "journalctl"
    nobody.write_text('#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/journalctl "$@"\n')
    nobody.chmod(0o755)
    desk = Desk()
    made = inlet(desk, journald, f"{tmp_path}:/usr/bin:/bin")
    asyncio.run(made.catch_up())
    assert "systemd-journal" in made.state().problem
    journald.log(message(1))
    assert catch_up(desk, journald).state().problem == ""
    assert desk.numbers == [1]


def test_each_line_once_whatever_is_killed_when(journald: Journald, tmp_path: Path) -> None:
    database = tmp_path / "guard.db"
    command = [sys.executable, "-m", "tests.inlets.journal_guard", str(database), str(journald.folder)]
    chance = random.Random(7)

    def guard() -> subprocess.Popen[str]:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        return started

    def stored() -> list[int]:
        with sqlite3.connect(database) as db:
            facts = db.execute("select fact from facts order by place").fetchall()
        return [number(msgspec.json.decode(fact, type=Connected)) for (fact,) in facts]

    running_guard = guard()
    for start in range(0, MANY, 100):
        journald.log(*messages(start, start + 100))
        if chance.random() < 0.3:
            journald.rotate()
        if chance.random() < 0.6:
            os.kill(running_guard.pid, signal.SIGKILL)
            running_guard.communicate()
            running_guard = guard()
    wait_until(lambda: len(stored()) >= MANY, 30, "all lines")
    os.kill(running_guard.pid, signal.SIGKILL)
    running_guard.communicate()
    assert stored() == list(range(MANY))


def test_the_daemon_holds_who_floods_as_the_journal_tells(journald: Journald, tmp_path: Path) -> None:
    flood = "connect from unknown[203.0.113.7]"
    config, socket = tmp_path / "gatepost.toml", tmp_path / "api.sock"
    config.write_text(f'state = "{tmp_path}/state"\nsocket = "{socket}"\njournal.follow = "yes"\n')
    # In a network of its own, so that the kernel's tables of this machine are left alone.
    command = journald.enter("unshare", "--net", sys.executable, "-m", "gatepost", "run", "--yes", "--config", str(config))
    with (tmp_path / "said").open("wb") as said:
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def ask(what: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "gatepost", *what.split(), "--json", "--config", str(config)], capture_output=True, text=True, check=False
        )
        return json.loads(done.stdout) if done.stdout else None

    try:
        wait_until(lambda: bool(ask("status")), 30, f"an answer; it said {(tmp_path / 'said').read_text()[-2000:]}")
        journald.log(*[flood] * 49)
        wait_until(lambda: ask("status")["sources"][0]["lines"] == 49, 30, "49 lines")
        assert ask("blocks list") == []
        journald.log(flood)
        wait_until(lambda: bool(ask("blocks list")), 30, "a block")
        (source,) = ask("status")["sources"]
        assert (source["name"], source["reading"], source["problem"], source["facts"]) == ("journal", True, "", 50)
    finally:
        daemon.terminate()
        daemon.wait(30)
