"""Coverage-guided fuzzing of every codec that reads what strangers send.

Job: feed each codec of wire/ inputs that reach new branches, some seconds each, each in its own process: `python bench/fuzz.py [SECONDS] [NAME...]`.
Promise: whatever comes, a codec reads it or refuses it as it says it does, and any cut of a stream tells the same; else this ends with 1 and shows
the input. Limits: needs atheris, a development dependency; the properties in tests/wire hold without it.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SECONDS = 8
LATEST = 1_795_521_600_000_000
"""The time of the log lines, in microseconds."""


def _split(make: Callable[[], Any], told: Callable[[Any, bytes], object]) -> Callable[[bytes], None]:
    """A target: what a codec tells of a stream is the same where it is cut in two; the first byte says where."""

    def target(data: bytes) -> None:
        if len(data) < 2:
            return
        stream, cut = data[1:], data[0] * (len(data) - 1) // 255
        whole, parted = make(), make()
        found = told(whole, stream)
        first, second = told(parted, stream[:cut]), told(parted, stream[cut:])
        if isinstance(found, list) and isinstance(first, list) and isinstance(second, list):
            assert first + second == found

    return target


def _refused(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """A target: a reader that may say ValueError, and nothing else."""

    def target(data: bytes) -> None:
        try:
            read(data)
        except ValueError:
            return

    return target


def targets() -> dict[str, Callable[[bytes], None]]:
    """Every codec, by name."""
    from gatepost.core.facts import PROTOCOLS
    from gatepost.wire import dovecot_policy, exim_ask, imap, milter, pop3, postfix_policy, proxy_header, sieve, smtp, upgrade
    from gatepost.wire.maillog.reader import Reader
    from tests.wire.taps import Heard

    def feed(codec: Any, data: bytes) -> object:
        return codec.feed(data)

    def lines(data: bytes) -> None:
        Reader(timezone=UTC, latest=LATEST).read(data.decode("utf-8", "replace").split("\n"), 0)

    def asked(data: bytes) -> None:
        exim_ask.Line().feed(data)

    def upgraded(data: bytes) -> None:
        dialogue = upgrade.Upgrade(PROTOCOLS[data[0] % 4] if data else "smtp")
        for at in range(1, len(data), 16):
            dialogue.feed(data[at : at + 16])

    def tapped(make: Callable[[], Any]) -> Callable[[bytes], None]:
        def target(data: bytes) -> None:
            tap = make()
            for at in range(0, len(data), 16):
                (tap.from_client if data[at] % 3 else tap.from_server)(data[at + 1 : at + 16])

        return target

    return {
        "postfix_policy": _split(postfix_policy.Requests, feed),
        "milter": _split(milter.Conversation, feed),
        "exim_ask": asked,
        "dovecot_policy": _refused(lambda data: (dovecot_policy.read(data), dovecot_policy.read_entry(data))),
        "proxy_header": _refused(proxy_header.read),
        "smtp": tapped(lambda: smtp.SmtpTap(Heard())),
        "imap": tapped(lambda: imap.ImapTap(Heard())),
        "pop3": tapped(lambda: pop3.Pop3Tap(Heard())),
        "sieve": tapped(lambda: sieve.SieveTap(Heard())),
        "upgrade": _refused(upgraded),
        "maillog": lines,
    }


def fuzz(name: str, seconds: int) -> None:
    """Fuzzes one codec; ends this process."""
    import atheris

    with atheris.instrument_imports(include=["gatepost"]):
        target = targets()[name]
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096", "-print_final_stats=0", "-verbosity=0"], target)
    atheris.Fuzz()


def main() -> int:
    """Each codec in its own process, as many at once as there are cores; the exit code is 1 where one broke its promise."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    names = sys.argv[2:] or list(targets())

    def run(name: str) -> subprocess.CompletedProcess[str]:
        with TemporaryDirectory() as folder:  # where the fuzzer writes the input that broke it; it is printed too
            command = [sys.executable, str(Path(__file__).resolve()), "--one", name, str(seconds)]
            return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)

    broken = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for name, ran in zip(names, pool.map(run, names), strict=True):
            print(f"{name}: {'well' if ran.returncode == 0 else 'BROKEN'} after {seconds} s", flush=True)
            if ran.returncode:
                broken = 1
                print((ran.stdout + ran.stderr)[-4000:])
    return broken


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[2], int(sys.argv[3]))
    sys.exit(main())
