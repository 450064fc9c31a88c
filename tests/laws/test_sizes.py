"""Short enough to hold: functions aim at 25 lines and stop at 60; files stop at 500."""

from tests.laws.house import Function, at, functions, none, python_files

AIM, STOP, FILE_STOP = 25, 60, 500
AIMED = 0.9
"""The share of functions that meet the aim, for it to be one."""


def _lines(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_functions_stop_at_60_lines() -> None:
    none(
        [
            f"{at(path, function)} {function.name} has {_lines(function)} lines"
            for path in python_files("src", "tests", "bench")
            for function in functions(path)
            if _lines(function) > STOP
        ]
    )


def test_nine_in_ten_functions_meet_the_aim_of_25_lines() -> None:
    sizes = [_lines(function) for path in python_files() for function in functions(path)]
    assert sum(size <= AIM for size in sizes) >= AIMED * len(sizes)


def test_files_stop_at_500_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    none([f"{path} has {length} lines" for path, length in lengths.items() if length > FILE_STOP])
