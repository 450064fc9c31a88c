"""The benchmark's own command: it measures what it is told to, and names what can't run.

Job: run it small. Promise: nothing here looks at how long anything took. Limits: the peers themselves are not run, grep apart.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = Path(__file__).parents[2] / "bench" / "run.py"


def run(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN), "--data", str(data), "--lines", "2000", "--rounds", "2", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_measures_a_peer_and_keeps_the_log(tmp_path: Path) -> None:
    done = run(tmp_path, "--only", "peers", "--peers", "grep", "--json")
    told: dict[str, Any] = json.loads(done.stdout)
    (row,) = told["peers"]["rows"]
    assert row["name"] == "grep"
    assert row["wall_ratio"] == row["cpu_ratio"] == 1
    assert row["rss"] > 0
    assert "lines match" in row["note"]
    assert (tmp_path / "2000-20000.log").exists()


def test_a_gatepost_that_is_not_there_is_named_with_the_reason(tmp_path: Path) -> None:
    done = run(tmp_path, "--only", "peers", "--peers", "gatepost replay,grep", "--gatepost", "/nowhere/gatepost")
    assert done.returncode == 0
    assert "not run: gatepost replay: gatepost: [Errno 2] No such file or directory: '/nowhere/gatepost'" in done.stdout
    assert "\ngrep " in done.stdout


@pytest.mark.parametrize(("option", "said"), [("--only", "no such part: moon"), ("--peers", "no such contestant: moon")])
def test_an_unknown_name_is_bad_usage(tmp_path: Path, option: str, said: str) -> None:
    done = run(tmp_path, option, "grep,moon" if option == "--peers" else "peers,moon")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
