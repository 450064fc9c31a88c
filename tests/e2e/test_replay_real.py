"""The acceptance test of replay: real Postfix, Dovecot and Exim under attack, and `gatepost replay` names exactly the attackers.

Job: compare the decisions with what the campaign drove: rule, protocol, who, when, and because of which lines. Promise: whoever stayed one short,
was sent away by the server, or hid another's address in names, is not named. Limits: the preset `standard`; every log is that of one run.
"""

import ipaddress
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.campaign import Act
from tests.e2e.conftest import Attacked

SERVERS_TAKE = 3
"""Seconds between a client's deed and its line, at most: Dovecot delays the answer to a failed log-in, and tells it afterwards."""


def gatepost(*words: str | Path) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "gatepost", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def replay(*logs: Path) -> dict[str, Any]:
    """The decisions of a replay, as JSON."""
    told: dict[str, Any] = json.loads(gatepost("replay", "--json", "--timezone", "UTC", *logs))
    return told


def named(told: dict[str, Any]) -> Counter[tuple[str, str, str]]:
    """Rule, protocol and subject of the decisions."""
    return Counter((one["rule"], one["protocol"], one["subject"]) for one in told["decisions"])


def wanted(acts: Sequence[Act]) -> Counter[tuple[str, str, str]]:
    """The decisions that must come: each once."""
    return Counter(act.decision for act in acts if act.rule)


def stands_in(line: str, act: Act) -> bool:
    """Whether a log line is about one of an act's clients."""
    sources = {ipaddress.ip_address(source) for source in act.sources}
    shown = re.findall(r"(?:rip=|\[)([0-9a-f]*[:.][0-9a-f:.]+)(?=[],])", line)
    return any(ipaddress.ip_address(text) in sources for text in shown)


def check(told: dict[str, Any], acts: Sequence[Act], log: Path) -> None:
    """Exactly the attackers; each within the minute in which it was driven, for its own lines."""
    assert named(told) == wanted(acts)
    lines = log.read_bytes().decode("utf-8", "replace").split("\n")
    by_decision = {act.decision: act for act in acts if act.rule}
    for one in told["decisions"]:
        act = by_decision[one["rule"], one["protocol"], one["subject"]]
        begun = datetime.fromisoformat(one["from"]).timestamp()
        assert act.began - 1 <= begun <= act.ended + SERVERS_TAKE, one
        assert one["count"] == act.count
        assert one["evidence"]
        assert all(stands_in(lines[number - 1], act) for number in one["evidence"]), one


@pytest.mark.parametrize("form", ["rfc3164", "iso", "rfc5424"])
def test_replay_names_exactly_the_attackers_of_postfix_and_dovecot(mail_host: dict[str, Attacked], form: str) -> None:
    attacked = mail_host["syslog"]
    check(replay(attacked.logs[form]), attacked.acts, attacked.logs[form])


def test_replay_names_exactly_the_attackers_in_dovecots_own_log(mail_host: dict[str, Attacked]) -> None:
    attacked = mail_host["own"]
    check(replay(attacked.logs["own"]), attacked.acts, attacked.logs["own"])


@pytest.mark.parametrize("form", ["main", "syslog"])
def test_replay_names_exactly_the_attackers_of_exim(exim_host: Attacked, form: str) -> None:
    check(replay(exim_host.logs[form]), exim_host.acts, exim_host.logs[form])


def test_replay_of_several_hosts_names_the_attackers_of_all(mail_host: dict[str, Attacked], exim_host: Attacked) -> None:
    told = replay(mail_host["syslog"].logs["rfc3164"], mail_host["own"].logs["own"], exim_host.logs["main"])
    assert named(told) == wanted([*mail_host["syslog"].acts, *mail_host["own"].acts, *exim_host.acts])


def test_all_lines_of_the_campaign_are_understood(mail_host: dict[str, Attacked], exim_host: Attacked) -> None:
    told = replay(mail_host["syslog"].logs["rfc3164"], mail_host["own"].logs["own"], exim_host.logs["main"])
    assert told["understood"] == told["mail_lines"]
    assert told["cut"] == 0


def test_rsyslogs_forms_of_the_same_session_yield_the_same_facts(mail_host: dict[str, Attacked]) -> None:
    """Stamps of RFC 3164 have no fractions of a second, and RFC 5424's APP-NAME loses what stands behind the slash: neither is compared."""

    def facts(log: Path) -> list[tuple[int, list[Any]]]:
        told = [json.loads(line) for line in gatepost("parse", "--json", "--timezone", "UTC", log).splitlines()]
        for line in told:
            for fact in line["facts"]:
                fact["at"], fact["service"] = fact["at"][:19], ""
        return [(line["line"], line["facts"]) for line in told]

    logs = mail_host["syslog"].logs
    traditional = facts(logs["rfc3164"])
    assert len(traditional) > 1000
    assert facts(logs["iso"]) == traditional
    assert facts(logs["rfc5424"]) == traditional
