"""Rooms only look down; core and wire live on the standard library's pure parts and msgspec. The contracts are in pyproject.toml."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.laws.house import PURE, ROOT, at, none, python_files, tree

ALLOWED = {"gatepost", "msgspec"}


def test_the_import_contracts_are_kept() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_third_party_packages_core_and_wire_import_msgspec_alone() -> None:
    none(
        [
            f"{at(path, node)} imports {name}"
            for path in python_files(*(f"src/gatepost/{room}" for room in PURE))
            for node in ast.walk(tree(path))
            for name in _imported(node)
            if name not in ALLOWED and name not in sys.stdlib_module_names
        ]
    )


def test_imports_are_absolute() -> None:
    # So that a contract, a reader and grep see the same name.
    froms = [(path, node) for path in python_files() for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom)]
    none([at(path, node) for path, node in froms if node.level])


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [str(node.module).partition(".")[0]]
    return []
