"""``gatepost status`` and ``doctor`` against a real guard."""

import pytest

from gatepost.admin.desk import Source
from tests.cli.live import Live


def _read(gatepost: Live, **more: object) -> None:
    given: dict[str, object] = {"name": "/var/log/mail.log", "reading": True, "last": gatepost.made.now(), "lines": 12345, "facts": 400} | more
    gatepost.made.sources = [Source(**given)]  # type: ignore[arg-type]


def test_all_is_well(gatepost: Live) -> None:
    _read(gatepost)
    gatepost.made.connect()
    gatepost.made.mirror.seen.decided = gatepost.made.mirror.seen.enforced = 1
    ran = gatepost("status")
    assert ran.code == 0
    assert ran.out.startswith("All is well.\n1 held (dos 1), 0 watched, up ")
    assert "never yet" in ran.out
    assert "12,345" in ran.out
    assert "dropped" not in ran.out


def test_problems_stand_first_and_the_exit_code_tells(gatepost: Live) -> None:
    _read(gatepost, reading=False, problem="cannot be read: \x1b[31m")
    gatepost.made.connect()
    gatepost("pause")
    ran = gatepost("status")
    assert ran.code == 1
    first, second = ran.out.splitlines()[:2]
    assert first == "problem: /var/log/mail.log: cannot be read: \\x1b[31m"
    assert second.startswith("paused for ")
    assert "NO" in ran.out
    assert gatepost("status", "--json").code == 1


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_json_is_what_the_api_answers(gatepost: Live, command: str) -> None:
    _read(gatepost)
    ran, asked = gatepost(command, "--json").json, gatepost.api.ask("GET", f"/api/v1/{command}").json
    if command == "status":
        del ran["now"], asked["now"]
    assert ran == asked


def test_the_doctor_names_what_is_bad_and_its_cure(gatepost: Live) -> None:
    ran = gatepost("doctor")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[:2] == ["BAD   inlets: no log is read", '      cure: name one in gatepost.toml: [[logfile]] path = "/var/log/mail.log"']
    assert lines[-1].startswith("1 bad, 7 to look at, ")


def test_what_is_worth_a_look_is_no_failure(gatepost: Live) -> None:
    _read(gatepost)
    ran = gatepost("doctor")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith("0 bad, ")


def test_an_inlet_that_is_asked_shows_its_questions(gatepost: Live) -> None:
    at = gatepost.made.now()
    gatepost.made.sources = [Source(name="postfix_policy:x", reading=True, last=at, requests=1_200, refusals=7, connections=40, asked={"access": at})]
    shown = gatepost("status").out
    line = next(line for line in shown.split("\n") if line.startswith("postfix_policy:x"))
    assert line.split()[1] == "yes"
    assert line.split()[-4:] == ["1,200", "7", "40", "0"]
