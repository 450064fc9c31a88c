"""`gatepost drill` against a real daemon: the demo's, whose gateways stand in front of its sandbox servers."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import environment
from tests.e2e.test_demo import Running, open_folder


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    """A demo that stays."""
    with open_folder() as folder:
        made = Running(folder, "--seconds", "1", "--keep")
        made.until("It goes on until Ctrl-C")
        yield made
        made.process.send_signal(signal.SIGINT)
        assert made.end() == 130
        if made.process.stdout is not None:
            made.process.stdout.close()


def _port(demo: Running, protocol: str) -> str:
    found = re.search(rf"\b{protocol} (\d+)[,)]", demo.seen)
    assert found, demo.seen
    return found[1]


def _nothing_left(demo: Running) -> None:
    assert "127.0.0.66" not in demo.ask("access", "list").stdout
    assert "127.0.0.66" not in demo.ask("blocks", "list").stdout


@pytest.mark.parametrize(
    ("rule", "protocol"),
    [
        ("dos", "imap"),
        ("dos", "pop3"),
        ("harvesting", "smtp"),
        ("password-brute-force", "smtp"),
        ("password-brute-force", "imap"),
        ("password-brute-force", "pop3"),
    ],
)
def test_the_rule_bites_and_all_is_cleaned_up(demo: Running, rule: str, protocol: str) -> None:
    done = demo.ask("drill", rule, "--protocol", protocol, "--port", _port(demo, protocol), "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"fired: {rule} holds 127.0.0.66 on {protocol}" in done.stdout
    assert f"the guard's answer to 127.0.0.66 on {protocol}: refuse ({rule})" in done.stdout
    assert done.stdout.count("another connection: turned away by the server") == 2
    assert "went wrong" not in done.stdout
    assert "cleaned up: 1 hold lifted, the exception is gone" in done.stdout
    _nothing_left(demo)


def test_without_a_terminal_it_wants_a_yes(demo: Running) -> None:
    done = demo.ask("drill", "dos", "--port", _port(demo, "imap"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "say --yes" in done.stderr


def test_where_nothing_listens_it_says_how_to_name_another_port(demo: Running) -> None:
    done = demo.ask("drill", "dos", "--port", "1", "--yes")
    assert done.returncode == 2
    assert "--host and --port name another" in done.stderr
    _nothing_left(demo)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_one_cleans_up(demo: Running, sent: signal.Signals, code: int) -> None:
    # A rule that is never reached, so that it still waits for it when it is interrupted.
    config = next(Path(demo.folder).glob("gatepost-demo-*/gatepost.toml"))
    assert demo.ask("rules", "set", "dos", "--field", "window=1s", "--threshold", "200").returncode == 0
    command = [sys.executable, "-u", "-m", "gatepost", "drill", "dos", "--port", _port(demo, "imap"), "--yes", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if line.startswith("sending"):
                process.send_signal(sent)
        assert process.wait(60) == code, seen
    assert "the exception is gone" in seen
    assert "Traceback" not in seen
    _nothing_left(demo)
    assert demo.ask("rules", "reset", "dos").returncode == 0
