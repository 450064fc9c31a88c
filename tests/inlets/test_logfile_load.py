"""Under load: a process that writes, rotation every few hundred milliseconds, and kill -9 in a loop. Each line counts once."""

import asyncio
import fcntl
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC
from pathlib import Path

import msgspec
import pytest

from gatepost.core.facts import AnyFact
from gatepost.wire.maillog.reader import Reader
from tests.inlets.following import Desk, follow, until

ROOT = Path(__file__).parents[2]
TOTAL = 200_000
RATE = 50_000
LOGROTATE = shutil.which("logrotate", path="/usr/sbin:/usr/bin:/sbin:/bin")


def start(module: str, *arguments: object, out: int | None = None) -> subprocess.Popen[bytes]:
    """Starts a program of the tests."""
    return subprocess.Popen([sys.executable, "-m", f"tests.inlets.{module}", *map(str, arguments)], cwd=ROOT, stdout=out)


def start_guard(*arguments: object) -> subprocess.Popen[bytes]:
    """Starts a guard, and waits until it follows."""
    guard = start("guard", *arguments, out=subprocess.PIPE)
    assert guard.stdout is not None
    assert guard.stdout.readline() == b"ready\n"
    return guard


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process as the kernel does when memory is short: it cannot do anything about it."""
    process.kill()
    process.communicate()


def each_once(desk: Desk, total: int = TOTAL) -> None:
    """Every line was reported, and none twice."""
    counted = Counter(desk.numbers)
    assert not [number for number, times in counted.items() if times > 1][:10]
    assert not [number for number in range(total) if number not in counted][:10]
    assert len(desk.facts) == total


def to_the_end(desk: Desk, log: Path, writer: subprocess.Popen[bytes]) -> None:
    """Follows a log until all that a process writes was reported."""

    async def doing() -> None:
        await until(lambda: writer.poll() is not None)
        await until(lambda: len(desk.facts) >= TOTAL)

    follow(desk.inlet(log, grace_s=1), doing)
    assert writer.wait() == 0


@pytest.mark.parametrize("how", ["rename", "copytruncate"])
def test_rotated_under_load(tmp_path: Path, how: str) -> None:
    desk = Desk()
    log = tmp_path / "mail.log"
    to_the_end(desk, log, start("writer", log, RATE, TOTAL, how, 150))
    assert len(list(tmp_path.glob("mail.log-2*"))) >= 5
    each_once(desk)


@pytest.mark.servers
@pytest.mark.skipif(LOGROTATE is None, reason="needs logrotate")
@pytest.mark.parametrize("how", ["create", "nocreate", "copytruncate"])
def test_rotated_under_load_by_logrotate(tmp_path: Path, how: str) -> None:
    desk = Desk()
    log = tmp_path / "mail.log"
    config = tmp_path / "logrotate.conf"
    delay = "" if how == "copytruncate" else "delaycompress"
    config.write_text(f"{log} {{\n su root root\n missingok\n {how}\n rotate 100\n compress\n {delay}\n}}\n")
    config.chmod(0o600)
    log.touch()

    async def doing() -> None:
        writer = start("writer", log, RATE, TOTAL)
        rotations = 0
        with (tmp_path / "mail.log.lock").open("w") as lock:
            while writer.poll() is None:
                await asyncio.sleep(0.3)
                if how == "copytruncate":
                    await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
                assert LOGROTATE is not None
                rotator = await asyncio.create_subprocess_exec(LOGROTATE, "-f", "-s", str(tmp_path / "state"), str(config))
                assert await rotator.wait() == 0
                fcntl.flock(lock, fcntl.LOCK_UN)
                rotations += 1
        assert rotations >= 3
        await until(lambda: len(desk.facts) >= TOTAL)

    follow(desk.inlet(log, grace_s=1), doing)
    each_once(desk)


def generated(tmp_path: Path) -> Path:
    """A log as a real server writes it: sessions that are open at any moment, queue ids, and lines that tell nothing."""
    made = tmp_path / "generated"
    command = [sys.executable, str(ROOT / "bench" / "generate.py"), "--lines", "30000", "--seed", "3", "--addresses", "500", "-o", str(made)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return made


def stored(database: Path) -> list[AnyFact]:
    """The facts in a guard's database, in order."""
    with sqlite3.connect(database) as db:
        return [msgspec.json.decode(fact, type=AnyFact) for (fact,) in db.execute("select fact from facts order by place")]


def count(database: Path) -> int:
    """How many there are."""
    with sqlite3.connect(database) as db:
        found: int = db.execute("select count(*) from facts").fetchone()[0]
        return found


@pytest.mark.parametrize("how", ["rename", "copytruncate"])
def test_killed_in_a_loop(tmp_path: Path, how: str) -> None:
    """The facts stored are those that a reader tells which reads all lines in one go: none lost, none twice, no session torn."""
    made, database, log = generated(tmp_path), tmp_path / "db", tmp_path / "mail.log"
    reader = Reader(timezone=UTC, latest=time.time_ns() // 1000)
    expected = [fact for _, fact in reader.read(made.read_text().split("\n")[:-1], 0)]
    dice = random.Random(7)
    guard = start_guard(database, log)
    writer = start("writer", log, 4_000, made, how, 400)
    kills = 0
    try:
        while writer.poll() is None:
            time.sleep(dice.uniform(0.02, 0.5))
            stop(guard)
            kills += 1
            guard = start_guard(database, log)
        for _ in range(500):
            if count(database) >= len(expected):
                break
            time.sleep(0.05)
        time.sleep(0.2)
    finally:
        stop(guard)
        stop(writer)
    assert kills >= 5
    found = stored(database)
    assert Counter(map(repr, found)) == Counter(map(repr, expected))
    assert found == expected
