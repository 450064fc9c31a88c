"""``gatepost why`` and ``gatepost history forget``, the real command against a served API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.pipeline.recall import Event, Group, Past, Told
from tests.admin.desks import ATTACKER
from tests.admin.serving import Served, served
from tests.admin.test_why import Memory
from tests.cli.command import Ran, refused, run

HOSTILE = "imap-login: user=<\x1b[2J\u202eevil>, rip=203.0.113.7"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Served]:
    """A daemon's API, and the configuration that leads to it."""
    (tmp_path / "gatepost.toml").write_text(f'socket = "{tmp_path}/api.sock"\n')
    with served(tmp_path / "api.sock") as found:
        yield found


def ask(daemon: Served, *args: str) -> Ran:
    """Runs the command."""
    return run(*args, "--config", daemon.path.parent / "gatepost.toml")


def past(at: int) -> Past:
    """A past in which much happened."""
    fact = Event(place=1, at=at, kind="auth_failed", protocol="imap", client=ATTACKER, account="bob", line=HOSTILE)
    detail = {"number": 99, "rule": "dos", "action": "block", "watched": False, "said": "50 in 5m", "start": at, "until": at + 1, "count": 50}
    decision = Event(place=1, at=at, kind="imposed", client=ATTACKER, detail=detail)
    released = Event(place=2, at=at, kind="released", client=ATTACKER, detail={"number": 99, "why": "lifted"})
    deed = Event(place=2, at=at, kind="lift", client=ATTACKER, detail={"who": "anna", "reason": "a customer"})
    return Past(
        since=at,
        groups=[Group(kind="auth_failed", protocol="imap", reason="password", evidence_only=False, count=1234, first=at, last=at)],
        accounts={"masked:aabbccddee:9": 3, "bob": 1},
        told=[Told(decision=decision, evidence=[fact], ended=released)],
        evidence=[[fact, fact]],
        deeds=[deed],
        newest=[fact],
        missing=5,
    )


def test_the_story_of_a_client(daemon: Served) -> None:
    daemon.made.desk.recall = Memory(past(daemon.made.now()))
    daemon.made.connect(many=50)
    ran = ask(daemon, "why", ATTACKER)
    assert ran.code == 0
    for words in (
        "203.0.113.7 is held (block) on smtp since",
        "by the rule dos: 50 in 5m",
        "user=<\\x1b[2J\\u202eevil>",
        "... 48 more between",
        "released",
        "1,234 failed log-ins (password) on imap",
        "(a name of 9 characters, not known as an account) 3, bob 1",
        "unblocked by anna a customer",
        "smtp: connect refuse (dos)",
        "5 entries of the order are missing from the history.",
    ):
        assert words in ran.out, ran.out


def test_without_a_keeper_it_says_so(daemon: Served) -> None:
    ran = ask(daemon, "why", "bob@example.org")
    assert ran.code == 0
    assert "bob@example.org is not held now." in ran.out
    assert "No history: no history is kept here" in ran.out


def test_as_json_it_is_the_daemons_answer(daemon: Served) -> None:
    daemon.made.desk.recall = Memory(past(daemon.made.now()))
    found = ask(daemon, "why", ATTACKER, "--json").json
    assert (found["subject"], found["by"], found["past"]["groups"][0]["count"]) == (ATTACKER, "client", 1234)


def test_forgetting_asks_first(daemon: Served) -> None:
    daemon.made.desk.recall = Memory()
    assert ask(daemon, "history", "forget", ATTACKER).code == 130
    ran = ask(daemon, "history", "forget", ATTACKER, "--yes")
    assert (ran.code, ran.out) == (0, "203.0.113.7 is forgotten: 7 lines of the past are gone, and what was counted of it.\n")
    assert ask(daemon, "history", "forget", ATTACKER, "--yes", "--json").json == {"subject": ATTACKER, "forgotten": 7}


def test_bad_subjects_are_refused(daemon: Served) -> None:
    refused(ask(daemon, "why", "192.0.2.300"), "192.0.2.300")


def test_where_no_daemon_answers(tmp_path: Path) -> None:
    (tmp_path / "gatepost.toml").write_text(f'socket = "{tmp_path}/api.sock"\n')
    ran = run("why", ATTACKER, "--config", tmp_path / "gatepost.toml")
    assert (ran.code, ran.out) == (1, "")
