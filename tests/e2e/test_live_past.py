"""The real daemon and its own past: what a client did is told with the server's lines, and other rules are tried on it.

Job: prove `why` and `rules preview` from the mail server's log line to the command's answer, with the keeper that the daemon started. Promise: what
is asked was driven here, by real clients. Limits: as test_live.py.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.attackers import together
from tests.e2e.campaign import ALICE, Place
from tests.e2e.live import FOLLOWED, Live, children, machine
from tests.e2e.net import wait_until


@pytest.fixture(scope="module")
def place(live_place: Place) -> Place:
    """The mail host, and its clients."""
    return live_place


@pytest.fixture
def guard(place: Place) -> Iterator[Live]:
    """A daemon that holds who connects six times to a protocol within a minute."""
    made = Live(machine(place), "past", FOLLOWED, "past")
    made.start()
    made.rules(dos=(6, "60s", "60s"))
    yield made
    made.end()
    made.remove_table()


def keeper(guard: Live) -> int:
    """The keeper's process."""
    for pid in children(guard.pid):
        with contextlib.suppress(FileNotFoundError):
            if b"follow" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
    return 0


def preview(guard: Live, *words: str) -> Any:
    """What other rules would have done."""
    return json.loads(guard.cli("rules", "preview", *words, "--days", "2", "--json"))


def test_other_rules_are_tried_on_the_past(place: Place, guard: Live) -> None:
    below, good, held = (place.at(f"203.0.113.{last}") for last in (41, 42, 43))
    assert good.imap_guess(*ALICE[:1], [ALICE[1]]) == 0
    together([lambda who=who: who.touch(110) for who in (below, good) for _ in range(5)])  # type: ignore[misc]
    together([lambda: held.touch(110)] * 6)
    wait_until(lambda: guard.held(held.source), 15, f"{held.source} is held")
    wait_until(lambda: guard.status()["history"] is not None, 15, "the keeper is there")
    guard.quiet()

    lower = preview(guard, "dos", "--threshold", "4")
    assert {hit["subject"] for hit in lower["gained"]} >= {below.source, good.source}
    assert held.source not in {hit["subject"] for hit in lower["gained"]}
    friends = {hit["subject"]: hit["accounts"] for hit in lower["friends"]}
    assert friends == {good.source: [ALICE[0]]}

    higher = preview(guard, "dos", "--threshold", "20")
    assert [(hit["subject"], hit["unknown"]) for hit in higher["lost"]] == [(held.source, True)]
    assert held.source in {each["subject"] for each in higher["blocked"]}

    new = preview(guard, "three", "--field", "counts=connected", "--threshold", "3", "--window", "1m", "--for", "1m", "--on", "pop3")
    assert new["rules"][0]["before"] == -1
    assert new["rules"][0]["after"] >= 3
    assert {total["rule"] for total in preview(guard, "--preset", "strict")["rules"]} >= {"dos", "password-spraying"}
    assert "1 probable false positive: held" in guard.cli("rules", "preview", "dos", "--threshold", "4")

    story = json.loads(guard.cli("why", held.source, "--json"))
    assert [block["rule"] for block in story["standing"]] == ["dos"]
    assert held.source in story["past"]["evidence"][0][0]["line"]


def test_ctrl_c_ends_a_preview_and_the_next_one_works(place: Place, guard: Live) -> None:
    wait_until(lambda: keeper(guard) > 0 and guard.status()["history"] is not None, 15, "the keeper is there")
    os.kill(keeper(guard), signal.SIGSTOP)
    try:
        command = [sys.executable, "-m", "gatepost", "rules", "preview", "dos", "--config", str(guard.outside)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asking:
            wait_until(lambda: _begun(guard), 15, "it is begun")
            asking.send_signal(signal.SIGINT)
            asking.communicate(timeout=30)
            assert asking.returncode == 130
    finally:
        os.kill(keeper(guard), signal.SIGCONT)
    assert preview(guard, "dos", "--threshold", "4")["rules"][0]["rule"] == "dos"


def _begun(guard: Live) -> bool:
    """Whether some preview runs: a second one is refused then."""
    with contextlib.suppress(Exception):
        return any(guard.ask("GET", f"previews/{number}")["state"] == "running" for number in range(1, 9))
    return False
