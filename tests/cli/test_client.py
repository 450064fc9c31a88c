"""Asking the daemon: who is told to have asked, and what is said where nobody answers."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.command import environment, refused, run
from tests.cli.live import Live

COMMANDS = [["status"], ["doctor"], ["blocks", "list"], ["unblock", "203.0.113.7"], ["access", "list"], ["pause"], ["rules", "observe", "dos"]]


def _config(folder: Path, path: Path) -> None:
    (folder / "gatepost.toml").write_text(f'socket = "{path}"\n')


@pytest.mark.parametrize("command", COMMANDS)
def test_no_daemon(tmp_path: Path, command: list[str]) -> None:
    _config(tmp_path, tmp_path / "api.sock")
    ran = run(*command, "--config", "gatepost.toml", where=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"gatepost: no gatepost answers at {tmp_path}/api.sock; start it with: gatepost run\n"


def test_a_socket_left_behind(tmp_path: Path) -> None:
    _config(tmp_path, tmp_path / "api.sock")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "api.sock"))
    assert "start it with: gatepost run" in run("status", "--config", "gatepost.toml", where=tmp_path).err


def test_a_path_that_no_socket_can_have(tmp_path: Path) -> None:
    _config(tmp_path, tmp_path / ("x" * 200))
    ran = run("status", "--config", "gatepost.toml", where=tmp_path)
    assert (ran.code, "path too long" in ran.err) == (1, True)


@pytest.mark.parametrize("said", [b"", b"220 mx ESMTP\r\n", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{"])
def test_somebody_else_answers(tmp_path: Path, said: bytes) -> None:
    _config(tmp_path, tmp_path / "api.sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "api.sock"))
        other.listen()

        def answer() -> None:
            link, _ = other.accept()
            with link:
                link.recv(65536)
                link.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        ran = run("status", "--config", "gatepost.toml", where=tmp_path)
        thread.join()
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)


def test_a_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "gatepost.toml").write_text("sockt = 1\n")
    refused(run("status", "--config", "gatepost.toml", where=tmp_path), "gatepost.toml:1: sockt: unknown field; did you mean socket?")


def test_who_asked_is_in_the_audit_trail(gatepost: Live) -> None:
    gatepost("resume", SUDO_USER="Jürgen")
    gatepost("resume", SUDO_USER="a\r\nX-Evil: 1")
    assert [line.who for line in gatepost.made.audit()] == ["a\r\nX-Evil: 1", "Jürgen"]


def test_nobody_shuts_himself_out(gatepost: Live) -> None:
    away = "192.0.2.99 50000 198.51.100.1 22"
    refused(
        gatepost("blocks", "add", "192.0.2.0/24", "--for", "1d", "--reason", "x", SSH_CONNECTION=away),
        "would shut out yourself: you work from 192.0.2.99",
    )
    refused(gatepost("access", "deny", "192.0.2.99", SSH_CONNECTION=away), "would shut out yourself")
    assert gatepost("access", "deny", "192.0.2.99", SSH_CONNECTION="UNKNOWN 65535 UNKNOWN 65535").code == 0


def test_sudo_takes_the_variable_away_but_his_shell_still_has_it(gatepost: Live) -> None:
    command = [sys.executable, "-m", "gatepost", "access", "deny", "192.0.2.0/24", "--config", "gatepost.toml"]
    inner = f"import os, subprocess, sys; del os.environ['SSH_CONNECTION']; sys.exit(subprocess.run({command!r}).returncode)"
    done = subprocess.run(
        [sys.executable, "-c", inner],
        cwd=gatepost.folder,
        env=environment(SSH_CONNECTION="192.0.2.99 50000 198.51.100.1 22"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "yourself: you work from 192.0.2.99" in done.stderr) == (2, True)


def test_an_argument_that_is_no_text(gatepost: Live) -> None:
    odd = os.fsdecode(b"caf\xe9")
    refused(gatepost("access", "deny", "203.0.113.7", "--note", odd), "an argument is no UTF-8 text")
    refused(gatepost("access", "remove", odd), "an argument is no UTF-8 text")
    refused(gatepost("alerts", "test", odd))
    refused(gatepost("rules", "reset", odd))
    refused(gatepost("rules", "observe", odd), "there is no rule")
