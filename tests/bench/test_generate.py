"""The benchmark's log generator: deterministic, consistent, and right about what it wrote.

Job: hold the generator's lines and its truth against patterns that know nothing of the generator.
Promise: the command is run as its users run it. Limits: shape and speed are looked at in docs/benchmarks.md, not here.
"""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

GENERATOR = Path(__file__).parents[2] / "bench" / "generate.py"
LINE = re.compile(r"(\w{3} [ \d]\d \d\d:\d\d:\d\d) mx1 ([\w/]+)(?:\[(\d+)\])?: (.*)")
FACTS = (
    ("connected", "smtp", re.compile(r"connect from \S+\[(\S+)\]$")),
    ("session_ended", "smtp", re.compile(r"disconnect from \S+\[(\S+)\] (.*)")),
    ("auth_failed", "smtp", re.compile(r"warning: \S+\[(\S+)\]: SASL \w+ authentication failed: ")),
    ("login", "imap", re.compile(r"imap-login: .* rip=(\S+), lip=")),
    ("login", "pop3", re.compile(r"pop3-login: .* rip=(\S+), lip=")),
)


class Told(NamedTuple):
    """A countable thing that one line tells."""

    at: datetime
    line: int
    kind: str
    protocol: str
    client: str
    weight: int


def run(folder: Path, *options: str) -> tuple[list[str], dict[str, Any]]:
    log, truth = folder / "mail.log", folder / "truth.json"
    subprocess.run([sys.executable, str(GENERATOR), "-o", str(log), "--truth", str(truth), *options], check=True)
    return log.read_text("ascii").splitlines(), json.loads(truth.read_text("ascii"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, Any]]:
    return run(tmp_path_factory.mktemp("log"), "--lines", "60000", "--seed", "7", "--addresses", "3000")


def read(lines: list[str]) -> list[Told]:
    """What the lines tell, by the patterns above; a session is bad where no DATA succeeded and no reply of 4xx was given."""
    told: list[Told] = []
    greylisted: dict[str, bool] = {}
    for number, line in enumerate(lines, 1):
        stamp, tag, pid, text = LINE.fullmatch(line).groups()  # type: ignore[union-attr]
        at = datetime.strptime(f"2026 {stamp}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
        if not tag.endswith("smtpd") and tag != "dovecot":
            continue
        if " reject: " in text:
            greylisted[pid] = "]: 4" in text
        for kind, protocol, pattern in FACTS:
            found = pattern.match(text)
            if not found:
                continue
            if kind == "login":
                told.append(Told(at, number, "connected", protocol, found[1], 1))
                failed = re.search(r"\(auth failed, (\d+) attempts", text)
                if failed:
                    told.append(Told(at, number, "auth_failed", protocol, found[1], int(failed[1])))
            elif kind == "session_ended" and (greylisted.pop(pid, False) or " data=" in text):
                continue
            else:
                told.append(Told(at, number, kind, protocol, found[1], 1))
    return told


def naive(told: list[Told]) -> list[tuple[str, str, str, int]]:
    """The three standard rules, in the plainest way: every fact that counts is kept, and each window is counted anew."""
    rules = {"connected": ("dos", 50, 5, 5), "session_ended": ("harvesting", 20, 5, 5), "auth_failed": ("password-brute-force", 50, 10, 30)}
    seen: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    holds: list[tuple[str, str, datetime]] = []
    fires = []
    for fact in told:
        name, threshold, window, hold = rules[fact.kind]
        network = str(ip_network(f"{fact.client}/64", strict=False)) if ":" in fact.client else fact.client
        if any(protocol == fact.protocol and who in (fact.client, network) and fact.at < until for protocol, who, until in holds[-200:]):
            continue
        subject = network if name == "password-brute-force" else fact.client
        times = seen[name, fact.protocol, subject]
        times.extend([fact.at] * fact.weight)
        if sum(fact.at - at < timedelta(minutes=window) for at in times) >= threshold:
            times.clear()
            holds.append((fact.protocol, subject, fact.at + timedelta(minutes=hold)))
            fires.append((name, fact.protocol, subject, fact.line))
    return fires


def test_the_same_seed_gives_the_same_log_and_another_seed_another(tmp_path: Path) -> None:
    options = ("--lines", "5000", "--addresses", "500", "--seed")
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    first = run(one, *options, "3")
    assert run(other, *options, "3") == first
    assert run(other, *options, "4")[0] != first[0]


def test_the_truth_is_what_a_naive_count_of_the_lines_finds(written: tuple[list[str], dict[str, Any]]) -> None:
    lines, truth = written
    fires = [(fire["rule"], fire["protocol"], fire["subject"], fire["line"]) for fire in truth["fires"]]
    assert naive(read(lines)) == fires
    assert {rule for rule, *_ in fires} == {"dos", "harvesting", "password-brute-force"}
    assert any("/64" in subject for _, _, subject, _ in fires)


def test_the_truth_counts_the_facts_of_the_lines(written: tuple[list[str], dict[str, Any]]) -> None:
    lines, truth = written
    kinds = Counter(fact.kind for fact in read(lines))
    assert truth["lines"] == len(lines) == 60_000
    assert truth["facts"]["connected"] == kinds["connected"]
    assert truth["facts"]["auth_failed"] == kinds["auth_failed"]
    assert truth["facts"]["session_ended"] == sum(": disconnect from " in line for line in lines)
    assert truth["facts"]["rejected"] == sum(" reject: " in line for line in lines)
    assert 0.35 < truth["lines_with_facts"] / len(lines) < 0.45


def test_one_process_serves_one_session_at_a_time(written: tuple[list[str], dict[str, Any]]) -> None:
    serving: dict[tuple[str, str], str] = {}
    for line in written[0]:
        _, tag, pid, text = LINE.fullmatch(line).groups()  # type: ignore[union-attr]
        if not tag.endswith("smtpd") or "does not resolve" in text:
            continue
        who = re.search(r"(\S+\[\S+\])", text)[1].removeprefix("client=").rstrip(":,")  # type: ignore[index]
        if text.startswith("connect from "):
            assert (tag, pid) not in serving
            serving[tag, pid] = who
        assert serving[tag, pid] == who.partition("],")[0].removesuffix("]") + "]"
        if text.startswith("disconnect from "):
            del serving[tag, pid]


def test_a_message_goes_from_client_to_removed(written: tuple[list[str], dict[str, Any]]) -> None:
    stages: dict[str, list[str]] = defaultdict(list)
    for line in written[0]:
        found = re.search(r"postfix/(?:submission/)?(\w+)\[\d+\]: ([0-9A-F]{10}): (\w+)", line)
        if found:
            stages[found[2]].append(f"{found[1]} {found[3]}")
    whole = [stage for stage in stages.values() if stage[-1] == "qmgr removed"]
    assert len(whole) > 0.95 * len(stages)
    assert all(stage[0] in ("smtpd client", "pickup uid", "cleanup message") for stage in whole)
    assert all("cleanup message" in stage and "qmgr from" in stage for stage in whole)


def test_times_rise_and_addresses_are_nobodys(written: tuple[list[str], dict[str, Any]]) -> None:
    lines, truth = written
    told = read(lines)
    assert all(one.at <= other.at for one, other in pairwise(told))
    clients = {fact.client for fact in told}
    assert len(clients) > 1000
    reserved = (ip_network("240.0.0.0/4"), ip_network("2001:db8::/32"))
    assert all(any(ip_address(client) in network for network in reserved) for client in clients)
    assert {attack["kind"] for attack in truth["attackers"]} == {"flood", "harvest", "guess", "spray"}


def test_the_sample_in_examples_is_what_its_maker_writes_and_fires_every_rule(tmp_path: Path) -> None:
    made = tmp_path / "sample.log"
    subprocess.run([sys.executable, str(GENERATOR.with_name("sample.py")), "-o", str(made)], check=True)
    carried = GENERATOR.parents[1] / "examples" / "sample-mail.log"
    assert made.read_bytes() == carried.read_bytes()
    assert carried.stat().st_size < 300_000
    lines = carried.read_text("ascii").splitlines()
    assert [fire[:3] for fire in naive(read(lines))] == [
        ("dos", "smtp", "198.51.100.77"),
        ("password-brute-force", "imap", "198.51.100.201"),
        ("harvesting", "smtp", "203.0.113.66"),
        ("dos", "imap", "192.0.2.10"),
        ("password-brute-force", "pop3", "2001:db8:6e:55::/64"),
        ("dos", "smtp", "2001:db8:bad:1::77"),
        ("password-brute-force", "smtp", "203.0.113.200"),
    ]
    addresses = {ip_address(found) for found in re.findall(r"(?:\[|rip=|lip=)(\d+(?:\.\d+){3}|[0-9a-f]+:[0-9a-f:]+)(?=[\],])", "\n".join(lines))}
    documentation = [ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]
    assert all(any(address in network for network in documentation) for address in addresses)
