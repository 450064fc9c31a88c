"""The house as the laws see it: its files, their syntax trees, and one way to say what offends."""

import ast
import gc
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "gatepost"
PURE = ("core", "wire")
"""The rooms that decide and speak, and touch nothing."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def committed() -> tuple[Path, ...]:
    """All files that git tracks or would take in: what is ignored is nobody's business."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return tuple(sorted(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()))


def python_files(*rooms: str) -> list[Path]:
    """The Python files below these folders of the project; below `src/gatepost` where none is named."""
    return sorted(path for room in rooms or ("src/gatepost",) for path in (ROOT / room).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file. All are kept: the garbage collector would look at each again and again for nothing."""
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    finally:
        gc.freeze()
        gc.enable()


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file, nested ones too."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def at(path: Path, node: ast.AST) -> str:
    """Where something stands, so that an editor can jump there."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def none(offences: list[str]) -> None:
    """The verdict of a law: a failure lists every offence, not the first alone."""
    assert not offences, "\n" + "\n".join(offences)
