"""Bad input says where, what, and what would be right, in one line."""

import pytest

from gatepost.core.faults import BadInputError


@pytest.mark.parametrize(
    ("where", "line", "text"),
    [("", 0, "a cure"), ("rules.toml", 0, "rules.toml: a cure"), ("rules.toml", 7, "rules.toml:7: a cure")],
)
def test_the_place_stands_first(where: str, line: int, text: str) -> None:
    wrong = BadInputError("a cure", where, line)
    assert (str(wrong), wrong.said, wrong.where, wrong.line) == (text, "a cure", where, line)


def test_it_is_a_value_error() -> None:
    assert issubclass(BadInputError, ValueError)
