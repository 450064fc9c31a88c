"""The whole `gatepost demo`, as a newcomer starts it: without rights, on a terminal or not, left alone, interrupted or killed.

The commands that it offers are tried while it runs.
"""

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import environment

NOBODY = 65534


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder for temporary files, which others may write to. Not below pytest's own: each start of a pytest closes that to others."""
    with tempfile.TemporaryDirectory(prefix="gatepost-test-") as made:
        Path(made).chmod(0o1777)
        yield Path(made)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An open folder of the test's own."""
    with open_folder() as made:
        yield made


def _command(*words: str) -> list[str]:
    """The demo, without any right where we have some to give away. Root stays root where others may not read this very program."""
    command = [sys.executable, "-m", "gatepost", *words]
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        return command
    lowly = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
    probe = subprocess.run([*lowly, sys.executable, "-c", "import gatepost"], capture_output=True, check=False, cwd="/")
    none = [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    return [*(lowly if probe.returncode == 0 else none), *command]


def _guards(folder: Path) -> list[int]:
    """The daemons that run on a configuration below a folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"gatepost.app.demo_guard" in words and any(word.startswith(bytes(folder)) for word in words):
            found.append(int(each.parent.name))
    return found


class Running:
    """A demo in the background, its output line by line."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        env = environment(TMPDIR=str(folder), PYTHONUNBUFFERED="1")
        self.process = subprocess.Popen(_command("demo", *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd="/", text=True)
        self.seen = ""

    def until(self, words: str) -> None:
        """Reads up to a line with these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen += line
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}:\n{self.seen}")

    def end(self) -> int:
        """Reads the rest; the exit code."""
        assert self.process.stdout is not None
        self.seen += self.process.stdout.read()
        return self.process.wait(60)

    def ask(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """One of the commands that it offers."""
        config = next(self.folder.glob("gatepost-demo-*/gatepost.toml"))
        command = [sys.executable, "-m", "gatepost", *words, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)


@pytest.fixture
def running(folder: Path) -> Iterator[list[Running]]:
    """Demos that are ended whatever happens."""
    made: list[Running] = []
    yield made
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()
        if each.process.stdout is not None:
            each.process.stdout.close()


def _start(running: list[Running], folder: Path, *words: str) -> Running:
    running.append(Running(folder, *words))
    return running[-1]


def test_all_three_rules_bite_the_user_is_served_and_what_it_offers_works(folder: Path, running: list[Running]) -> None:
    demo = _start(running, folder, "--seconds", "30")
    demo.until("harvesting holds 127.0.0.22 on smtp for 12 s (20 in 5m)")
    blocks = demo.ask("blocks", "list")
    assert "127.0.0.22" in blocks.stdout
    lifted = demo.ask("unblock", "127.0.0.22", "--grace", "1s")
    assert "released 127.0.0.22 on smtp (harvesting)" in lifted.stdout
    assert "127.0.0.0/8" in demo.ask("access", "list").stdout
    assert "nftables" in demo.ask("status").stdout
    demo.until("harvester is served on smtp again")
    assert demo.end() == 0, demo.seen
    for rule, who in (("dos", "127.0.0.11 flooder is refused on imap"), ("password-brute-force", "127.0.0.33 guesser is refused on pop3")):
        assert f"{who} by {rule}" in demo.seen
    assert "All three rules turned an attacker away" in demo.seen
    assert "anna is refused" not in demo.seen
    assert "\x1b" not in demo.seen
    assert list(folder.iterdir()) == []
    assert _guards(folder) == []


def test_one_that_is_too_short_says_what_is_missing(folder: Path, running: list[Running]) -> None:
    demo = _start(running, folder, "--seconds", "2")
    assert demo.end() == 1
    assert "harvesting turned nobody away" in demo.seen
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_one_leaves_nothing_behind(folder: Path, running: list[Running], sent: signal.Signals, code: int) -> None:
    demo = _start(running, folder, "--seconds", "60")
    demo.until("try meanwhile")
    demo.process.send_signal(sent)
    assert demo.end() == code
    assert "Traceback" not in demo.seen
    assert list(folder.iterdir()) == []
    assert _guards(folder) == []


def test_the_guard_of_a_killed_one_ends_by_itself(folder: Path, running: list[Running]) -> None:
    demo = _start(running, folder, "--seconds", "60")
    demo.until("try meanwhile")
    assert len(_guards(folder)) == 1
    demo.process.kill()
    until = time.monotonic() + 30
    while _guards(folder):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_kept_one_stays_until_it_is_interrupted_and_so_does_its_folder(folder: Path, running: list[Running]) -> None:
    demo = _start(running, folder, "--seconds", "1", "--keep")
    demo.until("It goes on until Ctrl-C")
    demo.until("Your own logs")
    assert demo.ask("blocks", "list").returncode == 0
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 130
    assert [each.name for each in folder.glob("*/mail.log")] == ["mail.log"]
    assert _guards(folder) == []


def test_on_a_terminal_it_is_a_picture_that_leaves_the_terminal_whole(folder: Path) -> None:
    main, other = pty.openpty()
    env = environment(TMPDIR=str(folder), TERM="xterm", COLUMNS="140", LINES="40")
    process = subprocess.Popen(_command("demo", "--seconds", "3"), stdin=other, stdout=other, stderr=other, env=env, cwd="/")
    os.close(other)
    drawn = b""
    while True:
        try:
            drawn += os.read(main, 65536)
        except OSError:  # the other side is closed
            break
    os.close(main)
    assert process.wait(60) == 1
    assert re.search(rb"127\.0\.0\.5 anna.*served", drawn)
    assert drawn.count(b"\x1b[?25l") == drawn.count(b"\x1b[?25h") >= 1
    assert list(folder.iterdir()) == []


def test_top_is_one_picture_where_there_is_no_terminal_and_live_on_one(folder: Path, running: list[Running]) -> None:
    demo = _start(running, folder, "--seconds", "8", "--keep")
    demo.until("dos holds 127.0.0.11")
    once = demo.ask("top")
    assert once.returncode == 0, once.stderr
    assert re.search(r"^imap +connected +[\d.,]+ +\d+ *$", once.stdout, re.MULTILINE)
    assert re.search(r"^127\.0\.0\.11 +dos +imap +\d+s ago +\d+s *$", once.stdout, re.MULTILINE)
    config = next(folder.glob("gatepost-demo-*/gatepost.toml"))
    main, other = pty.openpty()
    were = termios.tcgetattr(other)
    command = [sys.executable, "-m", "gatepost", "top", "--config", str(config)]
    env = environment(TERM="xterm", COLUMNS="120", LINES="40")
    process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=env, cwd="/")
    drawn = b""
    while b"nearest to a threshold" not in drawn:
        drawn += os.read(main, 65536)
    os.write(main, b"q")
    while b"\x1b[?1049l" not in drawn:
        drawn += os.read(main, 65536)
    assert process.wait(30) == 0
    assert termios.tcgetattr(other) == were
    os.close(main)
    os.close(other)
