"""``gatepost rules preview``, the real command against a served API."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.pipeline.previews import Blocked, Day, Gap, Hit, Preview, PreviewState, Total
from gatepost.pipeline.recall import Past
from tests.admin.serving import Served, served
from tests.admin.test_why import Memory
from tests.cli.command import Ran, refused, run

NOON = 1_790_000_000_000_000


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Served]:
    """A daemon's API, and the configuration that leads to it."""
    (tmp_path / "gatepost.toml").write_text(f'socket = "{tmp_path}/api.sock"\n')
    with served(tmp_path / "api.sock") as found:
        yield found


def ask(daemon: Served, *args: str) -> Ran:
    """Runs the command."""
    return run("rules", "preview", *args, "--config", daemon.path.parent / "gatepost.toml")


def hit(subject: str, **more: object) -> Hit:
    """A subject that was held."""
    return Hit(subject=subject, by="client", holds=3, first=NOON, until=NOON, rules=("dos",), **more)  # type: ignore[arg-type]


RESULT = Preview(
    since=NOON,
    until=NOON + 1,
    facts=1_234_567,
    fed=89,
    days=[Day(day="2026-09-21", before=4, after=1_700, unknown=2), Day(day="2026-09-22", before=0, after=0, unknown=0)],
    rules=[Total(rule="dos", before=4, after=1_700, braked=NOON), Total(rule="quick", before=-1, after=2)],
    gained=[hit(f"203.0.113.{last}", both=False) for last in range(20)],
    lost=[hit("192.0.2.1", unknown=True)],
    friends=[hit("192.0.2.9", logins=12, accounts=("bob@example.org", "\x1b[2J\u202eevil"))],
    gaps=[Gap(start=NOON, until=NOON, missing=5), Gap(start=NOON, until=NOON)],
    blocked=[Blocked(subject="192.0.2.1", start=NOON, until=NOON)],
    many={"before": 2, "after": 22, "gained": 20, "lost": 1, "lost_unknown": 1, "friends": 1, "friends_gained": 1}
    | {"delivered": 1, "gaps": 2, "blocked": 1},
    notes=["a note"],
)


def remembers(daemon: Served, *states: PreviewState) -> Memory:
    """The daemon's keeper goes through these states."""
    memory = daemon.made.desk.recall = Memory(Past())
    memory.states = list(states)
    return memory


def test_both_sides_as_text(daemon: Served) -> None:
    memory = remembers(daemon, PreviewState(number=7, percent=10), PreviewState(number=7, state="done", result=RESULT))
    ran = ask(daemon, "dos", "--threshold", "30", "--for", "1h", "--field", "mode=observe", "--days", "3")
    assert ran.code == 0, ran.err
    for words in (
        "today:   dos: 50 connections",
        "changed: dos: 30 connections",
        "1,234,567 facts that could count",
        "2026-09-21        4    1,700        2",
        "the brake would have stopped it at",
        "quick      -        2",
        "22 subjects held by the changed rules, 2 by those of today",
        "20 gained",
        "and 5 more",
        "1 lost, held by the rules of today alone, 1 of them unknown",
        "192.0.2.1: 3 holds",
        "1 probable false positive: held",
        "12 good log-ins (bob@example.org, \\x1b[2J\\u202eevil)",
        "1 more subject that the changed rules hold delivered mail here.",
        "5 entries are missing",
        "before the history begins",
        "1 span in which a subject was really blocked",
        "note: a note",
    ):
        assert words in ran.out, (words, ran.out)
    (question,) = memory.asked
    assert (question.after[0].threshold, str(question.after[0].hold_for), question.after[0].mode) == (30, "1h", "observe")


def test_as_json_it_is_the_result_and_both_sentences(daemon: Served) -> None:
    remembers(daemon, PreviewState(number=7, state="done", result=RESULT))
    found = ask(daemon, "--preset", "strict", "--json").json
    assert (found["facts"], found["many"]["gained"], len(found["gained"])) == (1_234_567, 20, 20)
    assert len(found["after"]) == len(found["before"]) + 8


def test_a_preview_that_fails_says_why(daemon: Served) -> None:
    remembers(daemon, PreviewState(number=7, state="failed", problem="the disk is on fire"))
    ran = ask(daemon, "dos")
    assert (ran.code, ran.out) == (1, "")
    assert "the preview failed: the disk is on fire" in ran.err


def test_bad_input_is_refused_before_anything_begins(daemon: Served) -> None:
    memory = remembers(daemon, PreviewState(number=7))
    refused(ask(daemon), "name a rule")
    refused(ask(daemon, "dos", "--preset", "strict"), "one of the two")
    refused(ask(daemon, "dos", "--threshold", "none"), "threshold")
    refused(ask(daemon, "dos", "--field", "threshold"), "NAME=VALUE")
    refused(ask(daemon, "dos", "--days", "0"), "--days")
    assert memory.asked == []


def test_an_interruption_cancels_the_work(daemon: Served) -> None:
    memory = remembers(daemon, PreviewState(number=7, percent=1))
    command = [sys.executable, "-m", "gatepost", "rules", "preview", "dos", "--config", str(daemon.path.parent / "gatepost.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}) as asking:
        end = time.monotonic() + 60
        while not memory.asked and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.5)
        asking.send_signal(signal.SIGINT)
        asking.communicate(timeout=60)
        assert asking.returncode == 130
    assert memory.states == [PreviewState(number=7, state="cancelled")]


def test_the_api_answers_for_the_newest_alone(daemon: Served) -> None:
    remembers(daemon, PreviewState(number=7, percent=42))
    begun = daemon.ask("POST", "/api/v1/previews", {"rule": "dos", "changes": {"threshold": 30}})
    assert (begun.status, begun.json["number"]) == (200, 7)
    assert daemon.ask("GET", "/api/v1/previews/7").json["percent"] == 42
    assert daemon.ask("GET", "/api/v1/previews/8").status == 404
    assert daemon.ask("GET", "/api/v1/previews/x").status == 422
    assert daemon.ask("DELETE", "/api/v1/previews/7").json["state"] == "cancelled"
    assert daemon.ask("POST", "/api/v1/previews", {"rule": "dos", "dayz": 3}).json["field"] == "dayz"
