"""In CI nothing is passed over: the hook of tests/conftest.py, on test files that try."""

import os
import re
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


ONE = "\ndef test_other(): pass"


def _run(folder: Path, ci: bool, **codes: str) -> subprocess.CompletedProcess[str]:
    """Runs a test file for each of these."""
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    for name, code in codes.items():
        (folder / f"test_of_{name}.py").write_text(f"import pytest\n{code}\n")
    env = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-c", os.devnull, "--rootdir", str(folder), str(folder)]
    command += ["--continue-on-collection-errors"]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def in_ci(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """All of them at once, in CI."""
    return _run(tmp_path_factory.mktemp("ci"), ci=True, **{name: code + ONE for name, code in PASSED_OVER.items()})


@pytest.mark.parametrize("name", PASSED_OVER)
def test_in_ci_a_test_passed_over_is_a_failure_that_names_it(in_ci: subprocess.CompletedProcess[str], name: str) -> None:
    assert in_ci.returncode != 0
    which = f"test_of_{name}.py" + (f"::{name}" if f"def {name}(" in PASSED_OVER[name] else "")
    assert re.search(rf"^(?:FAILED|ERROR) {re.escape(which)}\b", in_ci.stdout, re.MULTILINE)
    assert f"{which} was passed over, which CI does not allow" in in_ci.stdout


def test_in_ci_nothing_else_fails(in_ci: subprocess.CompletedProcess[str]) -> None:
    whole = PASSED_OVER.keys() - {"test_module", "test_importor"}
    assert set(re.findall(r"^PASSED (\S+)", in_ci.stdout, re.MULTILINE)) == {f"test_of_{name}.py::test_other" for name in whole}


def test_elsewhere_it_is_passed_over(tmp_path: Path) -> None:
    names = ["test_mark", "test_call", "test_xfail"]
    done = _run(tmp_path, ci=False, **{name: PASSED_OVER[name] for name in names})
    assert done.returncode == 0
    assert "2 skipped, 1 xfailed" in done.stdout


def test_no_test_at_all_is_a_failure(tmp_path: Path) -> None:
    assert _run(tmp_path, ci=True, none="").returncode != 0
