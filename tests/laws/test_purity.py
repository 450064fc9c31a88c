"""Time is an argument, and order is never left to a hash seed: core and wire read no clock, hash nothing and go through no set.

What a syntax tree cannot show (a set behind a function's result) is held by the test that runs the engine under two hash seeds.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.laws.house import PURE, ROOT, SRC, at, functions, none, python_files, tree

CLOCKS = {"now", "utcnow", "today", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"}
IMPURE = {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint", "id"}
SET_CALLS = {"set", "frozenset"}
ORDERED_BY = {"list", "tuple", "iter", "enumerate", "reversed", "zip", "map", "filter", "next", "dict", "deque", "chain"}
"""Calls whose result shows the order in which their arguments are gone through."""


def _pure_files() -> list[Path]:
    return python_files(*(f"src/gatepost/{room}" for room in PURE))


def test_core_and_wire_read_no_clock_and_touch_nothing() -> None:
    none(
        [
            f"{at(path, node)} {ast.unparse(node.func)}()"
            for path in _pure_files()
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call)
            if (isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS) or (isinstance(node.func, ast.Name) and node.func.id in IMPURE)
        ]
    )


def test_core_and_wire_call_no_hash() -> None:
    calls = [(path, node) for path in _pure_files() for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    none([at(path, node) for path, node in calls if isinstance(node.func, ast.Name) and node.func.id == "hash"])


def test_core_and_wire_go_through_no_set() -> None:
    none([f"{at(path, node)} {ast.unparse(node)}" for path in _pure_files() for node in gone_through(tree(path))])


def test_functions_of_core_and_wire_do_not_wait() -> None:
    none([at(path, function) for path in _pure_files() for function in functions(path) if isinstance(function, ast.AsyncFunctionDef)])


def test_each_module_of_core_and_wire_has_its_tests() -> None:
    """`core/rules.py` is tested in `tests/core/test_rules.py`; a package's own file only where it does something."""
    modules = [path for path in _pure_files() if path.name != "__init__.py" or any(functions(path))]
    pairs = [(path, _its_tests(path)) for path in modules]
    none([f"{path.relative_to(ROOT)} has no {tests.relative_to(ROOT)}" for path, tests in pairs if not tests.is_file()])


def _its_tests(path: Path) -> Path:
    stem = path.parent.name if path.name == "__init__.py" else path.stem
    return ROOT / "tests" / path.relative_to(SRC).with_name(f"test_{stem.lstrip('_')}.py")


def gone_through(module: ast.Module) -> Iterator[ast.expr]:
    """Each set whose order would show: looped over, listed, unpacked, joined or popped. ``sorted``, ``len``, ``in`` and the like are fine."""
    sets = _names_of_sets(module)
    for node in ast.walk(module):
        yield from (found for found in _iterated(node) if _is_set(found, sets))


def _iterated(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        return [node.iter]
    if isinstance(node, ast.Starred):
        return [node.value]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ORDERED_BY:
        return node.args
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "pop" and not node.args:
            return [node.func.value]
        if node.func.attr in ("join", "extend", "fromkeys", "from_iterable"):
            return node.args
    return []


def _is_set(node: ast.expr, sets: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in SET_CALLS
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return _is_set(node.left, sets) or _is_set(node.right, sets)
    return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in sets


def _names_of_sets(module: ast.Module) -> set[str]:
    """Names and attributes that the file itself says are sets: by what is assigned to them, or by their annotation."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and _is_set(node.value, set()):
            names.update(ast.unparse(target) for target in node.targets)
        elif isinstance(node, ast.AnnAssign) and _says_set(node.annotation):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.arg) and node.annotation is not None and _says_set(node.annotation):
            names.add(node.arg)
    return names


def _says_set(annotation: ast.expr) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(base, ast.Name) and base.id in SET_CALLS | {"Set", "AbstractSet", "MutableSet"}


@pytest.mark.parametrize(
    "code",
    [
        "for x in {1, 2}: pass",
        "[x for x in set(y)]",
        "list({x for x in y})",
        "s = set()\nfor x in s: pass",
        "def f(s: frozenset[str]): return ','.join(s)",
        "class A:\n    def f(self):\n        self.s: set[int] = set()\n        return self.s.pop()",
        "for x in a | {1}: pass",
        "f(*{1, 2})",
    ],
)
def test_a_set_gone_through_is_seen(code: str) -> None:
    assert list(gone_through(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["sorted({1, 2})", "1 in {1, 2}", "len(set(y))", "d = {}\nfor x in d: pass", "s = set()\nd.pop()", "s = {1}\nmax(s)"]
)
def test_other_uses_of_sets_are_fine(code: str) -> None:
    assert not list(gone_through(ast.parse(code)))
