"""Runs the real command, as a user does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.cli.warm import LONGEST, Call, warm

SAMPLE = Path(__file__).parents[2] / "examples" / "sample-mail.log"
_RANGES = ((0, 9), (11, 32), (127, 160), (0xAD, 0xAE), (0x200B, 0x2010), (0x2028, 0x202F), (0x2066, 0x206A), (0xFEFF, 0xFF00))
ODD = frozenset(chr(code) for first, behind in _RANGES for code in range(first, behind)) - {"\t"}
"""What a terminal obeys, or shows as nothing."""


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object that it printed."""
        return msgspec.json.decode(self.out)

    @property
    def objects(self) -> list[Any]:
        """The objects that it printed, one a line."""
        return [msgspec.json.decode(line) for line in self.out.split("\n") if line]


def environment(**more: str) -> dict[str, str]:
    """Variables that do not depend on who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")}
    nowhere = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "STATE_DIRECTORY"), "/nonexistent")
    return kept | {"TZ": "UTC", "LANG": "C.UTF-8"} | nowhere | more


def run(*args: str | Path, stdin: bytes = b"", where: Path | None = None, **env: str) -> Ran:
    """Runs ``gatepost`` with these arguments in this folder. Whatever it does, there is no traceback, and nothing that a terminal obeys."""
    call = Call([os.fsencode(str(each)) for each in args], str(where or Path.cwd()), environment(**env))
    # What the interpreter reads while it starts needs a start.
    code, out, err = (_cold if any(name.startswith("PYTHON") for name in env) else warm(**environment()).run)(call, stdin)
    ran = Ran(code, out.decode(), err.decode())
    assert "Traceback" not in ran.err, ran.err
    assert not ODD & set(ran.out + ran.err)
    return ran


def _cold(call: Call, stdin: bytes) -> tuple[int, bytes, bytes]:
    command: list[str | bytes] = [sys.executable, "-m", "gatepost", *call.args]
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=call.where, env=call.env, timeout=LONGEST, check=False)
    return done.returncode, done.stdout, done.stderr


def refused(ran: Ran, *words: str) -> None:
    """Bad input: exit code 2, one line on standard error that holds these words, and nothing on standard output."""
    assert (ran.code, ran.out) == (2, ""), ran
    assert ran.err.endswith("\n")
    assert ran.err.count("\n") == 1, ran.err
    for word in words:
        assert word in ran.err, ran.err


def postfix(*messages: str, stamp: str = "Nov 24 10:00:00", pid: int = 10) -> str:
    """Lines of one smtpd process."""
    return "".join(f"{stamp} mx postfix/smtpd[{pid}]: {message}\n" for message in messages)


def connects(address: str, count: int, stamp: str = "Nov 24 10:00:00") -> str:
    """So many connections of a client."""
    return postfix(*[f"connect from unknown[{address}]"] * count, stamp=stamp)
