"""In CI nothing is passed over: the hook of tests/conftest.py, on test files that try."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.laws.house import ROOT

PASSED_OVER = {
    "test_mark": "@pytest.mark.skip(reason='no root')\ndef test_mark(): pass",
    "test_call": "def test_call(): pytest.skip('no server')",
    "test_fixture": "@pytest.fixture\ndef lacking(): pytest.skip('no kernel')\ndef test_fixture(lacking): pass",
    "test_xfail": "@pytest.mark.xfail(reason='one day')\ndef test_xfail(): assert False",
    "test_xpass": "@pytest.mark.xfail(reason='one day', strict=False)\ndef test_xpass(): pass",
    "test_module": "pytest.skip('no daemon', allow_module_level=True)",
    "test_importor": "pytest.importorskip('no_such_module_here')",
}


def _run(folder: Path, code: str, ci: bool) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_it.py").write_text(f"import pytest\n{code}\n")
    env = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", PASSED_OVER)
def test_in_ci_a_test_passed_over_is_a_failure_that_names_it(tmp_path: Path, name: str) -> None:
    done = _run(tmp_path, PASSED_OVER[name] + "\ndef test_other(): pass", ci=True)
    assert done.returncode != 0
    assert "was passed over, which CI does not allow" in done.stdout
    assert (name if f"def {name}(" in PASSED_OVER[name] else "test_it.py") in done.stdout


@pytest.mark.parametrize("name", ["test_mark", "test_call", "test_xfail"])
def test_elsewhere_it_is_passed_over(tmp_path: Path, name: str) -> None:
    assert _run(tmp_path, PASSED_OVER[name], ci=False).returncode == 0


def test_no_test_at_all_is_a_failure(tmp_path: Path) -> None:
    assert _run(tmp_path, "", ci=True).returncode != 0
