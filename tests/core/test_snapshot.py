"""Dump and load: refused where they cannot be read, the same whatever the hash seed."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gatepost.core.deeds import Hold, Lift
from gatepost.core.snapshot import VERSION, dump, load
from gatepost.core.subjects import Subject
from tests.core.made import IP, Guard, allow, at, client, connected, failed, rule

ROOT = Path(__file__).parents[2]
PLAY = """
from hashlib import sha256
from gatepost.core.engine import Engine
from gatepost.core.snapshot import dump
from tests.core.strategies import seeded, timed
from tests.core.test_engine_properties import answers
for seed in range(40):
    scenario = seeded(seed)
    engine = Engine(scenario.rules, scenario.entries)
    said = repr(answers(engine, timed(scenario.history), 0))
    print(seed, sha256(said.encode()).hexdigest(), sha256(dump(engine)).hexdigest())
"""


def test_two_hash_seeds_reach_the_same_state_and_effects() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", PLAY],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0].count("\n") == 40
    assert said[0] == said[1]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x80", msgspec.msgpack.encode({"version": 1})])
def test_what_is_no_snapshot_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ValueError, match="no snapshot that this version can read"):
        load(data)


def test_another_version_is_refused() -> None:
    state = msgspec.msgpack.decode(dump(Guard(rule()).engine))
    state["version"] = VERSION + 1
    with pytest.raises(ValueError, match=f"a snapshot of version {VERSION + 1}; this program reads version {VERSION}"):
        load(msgspec.msgpack.encode(state))


def test_a_window_goes_on_where_it_stopped() -> None:
    for counted in (rule("auth_failed"), rule("auth_failed", distinct="secrets"), rule("auth_failed", by="account", min_clients=1)):
        guard = Guard(counted)
        guard.take(failed(0), failed(1))
        guard.engine = load(dump(guard.engine))
        assert guard.imposed(failed(2))[0].evidence == (0, 1, 2)


def test_what_was_told_is_not_told_again() -> None:
    guard = Guard(rule(threshold=1, hold=10))
    guard.take(connected(0))
    assert len(guard.engine.advance(at(10))) == 1
    guard.engine = load(dump(guard.engine))
    assert guard.engine.advance(at(11)) == ()
    assert guard.word(9) == "refuse", "still there for a late fact"


def test_holds_of_odd_lengths_graces_and_expired_entries_are_taken_up() -> None:
    guard = Guard(rule(threshold=1), rule("auth_failed", threshold=1), lists=(allow("2001:db8::9", expires=at(5)),))
    guard.take(Hold(at(0), Subject("network", "192.0.2.0/29"), at(90)), Lift(at(1), client("203.0.113.1"), at(90)), connected(10, "203.0.113.1"))
    guard.engine = load(dump(guard.engine))
    assert guard.word(11, IP) == "refuse"
    assert not guard.imposed(connected(12, "203.0.113.1"))
    assert guard.imposed(failed(13, "2001:db8::1"))[0].subject.text == "2001:db8::/64"


def test_prefix_lengths_keep_their_order_so_that_verdicts_name_the_same_decision() -> None:
    guard = Guard()
    guard.take(*(Hold(at(0), Subject("network", text), at(90)) for text in ("192.0.2.0/28", "192.0.0.0/16", "192.0.2.0/27")))
    twin = load(dump(guard.engine))
    assert list(twin.holdings.lengths) == [(4, 28), (4, 16), (4, 27)]
