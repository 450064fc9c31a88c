"""Words that nothing committed may hold: where packages came from, where somebody's machine keeps its files, work put off, a silent skip."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.laws.house import ROOT, at, committed, none, python_files, tree

# Written as patterns that do not match themselves.
REGISTRIES = re.compile(r"pypi[.]org|pythonhosted[.]org|(?:deb|security|snapshot)[.]debian[.]org|npmjs[.](?:org|com)")
MACHINE_PATHS = re.compile(r"(?<![\w.:/~$})-])/(?:work|tmp|root|Users|home/\w+)/\w")
PUT_OFF = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")
MARKS = ("skip", "skipif", "xfail")


def _lines() -> Iterator[tuple[str, str]]:
    """Each line of each text file, with where it stands."""
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS, PUT_OFF], ids=["registries", "paths of a machine", "work put off"])
def test_nothing_committed_holds(pattern: re.Pattern[str]) -> None:
    none([f"{where}: {found[0]}" for where, line in _lines() if (found := pattern.search(line))])


def test_lock_files_name_packages_and_hashes_alone() -> None:
    locks = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]
    words = re.compile(r"https?:|@ |--(?!hash=)[a-z-]+")
    none([f"{lock.name}:{number}: {line}" for lock in locks for number, line in enumerate(lock.read_text().split("\n"), 1) if words.search(line)])


def test_nothing_in_the_source_is_left_to_implement() -> None:
    names = [(path, node) for path in python_files() for node in ast.walk(tree(path)) if isinstance(node, ast.Name)]
    none([at(path, name) for path, name in names if name.id == "NotImplementedError"])


def test_who_skips_says_why() -> None:
    none([at(path, node) for path in python_files("tests") for node in _silent(path)])


def _silent(path: Path) -> Iterator[ast.AST]:
    """Marks and calls that pass a test over without a reason."""
    module = tree(path)
    called = {id(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)}
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and node.attr in MARKS and ast.unparse(node).startswith("pytest.mark.") and id(node) not in called:
            yield node
        elif isinstance(node, ast.Call) and _name(node) in {f"pytest.mark.{mark}" for mark in MARKS} | {"pytest.skip", "pytest.xfail"}:
            positional = 1 if _name(node) in ("pytest.mark.skip", "pytest.skip", "pytest.xfail") else 99
            if len(node.args) < positional and not any(keyword.arg == "reason" for keyword in node.keywords):
                yield node


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)
