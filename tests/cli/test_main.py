"""The program as a whole: usage, interruptions, broken pipes, full disks."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gatepost.cli import COMMANDS, gatepost
from tests.cli.command import SAMPLE, environment, refused, run


def start(*args: str | Path, **how: object) -> subprocess.Popen[bytes]:
    """Starts the command, to be watched while it runs."""
    return subprocess.Popen([sys.executable, "-m", "gatepost", *map(str, args)], env=environment(), stderr=subprocess.PIPE, **how)  # type: ignore[call-overload,no-any-return]


def test_help_names_the_commands() -> None:
    ran = run("--help")
    assert ran.code == 0
    assert {"replay", "parse", "rules", "check"} <= set(ran.out.split())


def test_no_list_of_commands_is_cut_short_on_80_columns() -> None:
    def walk(group: click.Group, name: str) -> Iterator[str]:
        context = click.Context(group, info_name=name, terminal_width=80)
        yield from (f"{name}: {line}" for line in group.get_help(context).splitlines()[1:] if line.endswith("...") or len(line) > 80)
        for each in group.list_commands(context):
            command = group.get_command(context, each)
            if isinstance(command, click.Group):
                yield from walk(command, f"{name} {each}")

    assert list(walk(gatepost, "gatepost")) == []


def test_without_a_command_the_help_is_shown_and_the_usage_is_bad() -> None:
    ran = run()
    assert (ran.code, ran.out) == (2, "")
    assert "Try it:" in ran.err


def test_the_version() -> None:
    assert run("--version").out.startswith("gatepost, version ")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["shwo"], ["gatepost: No such command 'shwo'", "gatepost --help"]),
        (["stauts"], ["gatepost: No such command 'stauts'. Did you mean 'status'?"]),
        (["rules", "shwo"], ["gatepost rules: No such command 'shwo'", "Did you mean 'show'?"]),
        (["parse"], ["gatepost parse: Missing argument 'FILE...'"]),
        (["parse", "--nix", "x"], ["gatepost parse: No such option '--nix'"]),
        (["replay", "--year", "x", "y"], ["gatepost replay: Invalid value for '--year': 'x' is not a valid number"]),
        (["replay", "y", "--year"], ["Option '--year' requires an argument", "gatepost replay y --help"]),
        (["replay", "--year", "1969", "y"], ["'--year'", "1970"]),
        (["replay", "--preset", "x", "y"], ["'--preset'", "'standard', 'relaxed', 'strict'", "gatepost replay --help"]),
        (["rules", "test"], ["gatepost rules test: Missing argument 'FILE...'"]),
    ],
)
def test_bad_usage_is_one_line(args: list[str], words: list[str]) -> None:
    refused(run(*args), *words)


def test_a_hostile_argument_is_shown_never_obeyed() -> None:
    refused(run("parse", "\x1b[31mred\u202e"), r"\x1b[31mred\u202e: cannot be read")
    refused(run("rules", "show", "\x1b[31mred"), "there is no rule")


def test_of_a_huge_argument_the_ends_of_the_complaint_are_left() -> None:
    ran = run("rules", "show", "x" * 50_000)
    refused(ran, "gatepost: there is no rule 'xxx", "dos, harvesting, password-brute-force")
    assert len(ran.err) < 2100


@pytest.mark.parametrize("command", [["parse"], ["parse", "--json"], ["replay"], ["replay", "--json"]])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, command: list[str]) -> None:
    log = tmp_path / "log"
    log.write_bytes(SAMPLE.read_bytes() * 20)
    with start(*command, log, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(1)
        running.stdout.close()
        assert "Traceback" not in running.stderr.read().decode()
        assert running.wait(60) in (0, 1)


def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("wb") as full, start("parse", SAMPLE, stdout=full) as running:
        said = running.communicate(timeout=60)[1].decode()
    assert said == "gatepost: cannot write its output: No space left on device\n"
    assert running.returncode == 2


def _interrupted(running: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """What a command says that is interrupted; a signal that comes just before a read blocks waits for the next one, as a person presses again."""
    for _ in range(30):
        running.send_signal(signal.SIGINT)
        try:
            return running.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("it goes on")


@pytest.mark.parametrize("command", ["parse", "replay"])
def test_an_interruption_ends_it_without_a_traceback(tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    running = start(command, tmp_path / "pipe", stdout=subprocess.PIPE)
    with running, (tmp_path / "pipe").open("wb", buffering=0) as pipe:  # opens once the command has opened it
        pipe.write(b"Nov 24")
        out, err = _interrupted(running)
    assert running.returncode == 130
    assert out == b""
    assert err.strip() == b""


def test_a_terminal_without_unicode_sees_escapes(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(SAMPLE.read_bytes())
    ran = run("replay", "log", where=tmp_path, PYTHONIOENCODING="ascii", COLUMNS="80")
    assert ran.code == 0
    assert r"\u2026" in ran.out


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"unblock", "pause", "resume"}))
def test_each_command_starts_alone(name: str) -> None:
    with start(name, "--help", stdout=subprocess.PIPE) as running:
        said, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, b"")
    assert said.startswith(b"Usage: gatepost %s " % name.encode())


def test_a_daemon_waits_for_no_other_command() -> None:
    heavy = ("rich", "starlette", "uvicorn")
    code = f"import sys, gatepost.cli, gatepost.cli.run, gatepost.app.daemon; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
