"""Starts the command a hundred times without importing it a hundred times: a process that has it all in memory forks for each call.

Job: what ``python -m gatepost`` does, with the same arguments, folder, environment, pipes and exit code, in a process of its own. Promise: nothing
of one call is left for the next. Limits: what the interpreter reads of the environment while it starts (``PYTHON...``, the locale) and its seed of
hashes are those of the first call; the start of each command, and its end, are for test_main.py to try.
"""

import atexit
import gc
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import NoReturn

import msgspec

_ROOT = Path(__file__).parents[2]
LONGEST = 120
"""Seconds that a command may take."""


class Call(msgspec.Struct):
    """One call of the command."""

    args: list[bytes]
    where: str
    env: dict[str, str]


class Warm:
    """The process that forks, seen from the tests."""

    def __init__(self, env: dict[str, str]) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._one_at_a_time = Lock()
        command = [sys.executable, "-m", "tests.cli.warm", str(theirs.fileno())]
        self._process = subprocess.Popen(command, cwd=_ROOT, env=env, pass_fds=[theirs.fileno()])
        theirs.close()

    def close(self) -> None:
        """It ends when nobody is left to call."""
        self._link.close()
        self._process.wait()

    def run(self, call: Call, stdin: bytes) -> tuple[int, bytes, bytes]:
        """Exit code, standard output and standard error of a call."""
        pipes = [os.pipe() for _ in range(3)]
        (stdin_theirs, stdin_ours), (out_ours, out_theirs), (err_ours, err_theirs) = pipes
        theirs = [stdin_theirs, out_theirs, err_theirs]
        with self._one_at_a_time, ThreadPoolExecutor(3) as pool:
            try:
                socket.send_fds(self._link, [msgspec.msgpack.encode(call)], theirs)
            finally:
                for fd in theirs:
                    os.close(fd)
            pool.submit(_feed, stdin_ours, stdin)
            out, err = pool.submit(_drain, out_ours), pool.submit(_drain, err_ours)
            code = self._ended(int(self._link.recv(64)))
            return code, out.result(), err.result()

    def _ended(self, child: int) -> int:
        self._link.settimeout(LONGEST)
        try:
            return int(self._link.recv(64))
        except TimeoutError:
            os.kill(child, 9)
            raise
        finally:
            self._link.settimeout(None)


@cache
def warm(**env: str) -> Warm:
    """The one of this session."""
    made = Warm(env)
    atexit.register(made.close)
    return made


def _feed(fd: int, given: bytes) -> None:
    with open(fd, "wb", buffering=0) as pipe, suppress(BrokenPipeError):
        while given:
            given = given[pipe.write(given) :]


def _drain(fd: int) -> bytes:
    with open(fd, "rb") as pipe:
        return pipe.read()


def _wait(link: socket.socket) -> Call:
    """Forks for each call that comes, and tells its process and exit code; returns in the child alone."""
    while True:
        told, fds, *_ = socket.recv_fds(link, 1 << 20, 3)
        if not told:
            os._exit(0)
        child = os.fork()
        if not child:
            link.close()
            _take(fds)
            return msgspec.msgpack.decode(told, type=Call)
        for fd in fds:
            os.close(fd)
        link.send(b"%d" % child)
        link.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _take(fds: list[int]) -> None:
    """Makes these standard input, output and error."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)


def _become(call: Call) -> None:
    os.chdir(call.where)
    os.environ.clear()
    os.environ.update(call.env)
    time.tzset()
    sys.argv = ["gatepost", *map(os.fsdecode, call.args)]


def _end(main: Callable[[], None]) -> NoReturn:
    """Runs it, and ends with its exit code, without taking apart what was in memory before."""
    code: int | str | None = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    from gatepost.cli import COMMANDS, main

    for name in sorted(set(COMMANDS.values())):
        import_module(f"gatepost.cli.{name}")
    gc.collect()
    gc.freeze()
    _become(_wait(socket.socket(fileno=int(sys.argv[1]))))
    _end(main)
