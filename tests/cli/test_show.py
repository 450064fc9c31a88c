"""How things look: nothing that a terminal obeys, whatever a peer wrote."""

from datetime import UTC, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.cli import show
from gatepost.core.spans import Span
from tests.cli.command import ODD

ANY_TEXT = st.text(st.characters() | st.sampled_from(sorted(ODD)))


@given(ANY_TEXT, st.integers(0, 30))
def test_a_safe_text_is_printable(text: str, most: int) -> None:
    assert show.safe(text, most).isprintable()


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])))
def test_a_harmless_text_is_left_alone(text: str) -> None:
    assert show.safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31m", r"\x1b[31m"), ("a\nb\tc", r"a\nb\tc"), ("\u202eabc", r"\u202eabc"), ("\xa0", r"\xa0"), ("\udcff", r"\udcff"), ("日本é", "日本é")],
)
def test_what_does_not_show_is_escaped(text: str, shown: str) -> None:
    assert show.safe(text) == shown


@pytest.mark.parametrize(("most", "shown"), [(10, "abcdefghij"), (9, "abcd…ghij"), (8, "abc…hij"), (3, "a…j"), (0, "abcdefghij")])
def test_a_long_text_is_cut_in_its_middle(most: int, shown: str) -> None:
    assert show.safe("abcdefghij", most) == shown


@given(st.dictionaries(ANY_TEXT.filter(lambda text: text.isprintable() or text.isascii()), st.lists(ANY_TEXT.filter(lambda t: _is_unicode(t)))))
def test_json_holds_the_text_and_no_terminal_obeys_it(value: dict[str, list[str]]) -> None:
    line = show.as_json(value)
    assert msgspec.json.decode(line) == value
    assert line.endswith(b"\n")
    assert line[:-1].decode().isprintable()


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def test_json_writes_spans_as_text() -> None:
    assert show.as_json([Span.parse("90s")]) == b'["1m30s"]\n'


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "-"), (0, 5, "0.0 %"), (1, 3, "33.3 %"), (5, 5, "100 %"), (999_999, 1_000_000, "99.99 %"), (995, 1000, "99.50 %"), (1, 10**6, "0.0 %")],
)
def test_a_share_is_never_a_round_hundred_where_something_is_missing(part: int, whole: int, text: str) -> None:
    assert show.share(part, whole) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (1_992, "1,992 lines")])
def test_numbers(count: int, text: str) -> None:
    assert show.number(count, "line") == text


def test_numbers_of_odd_words() -> None:
    assert show.number(2, "was", "were") == "2 were"


def test_the_most_frequent_names_come_first() -> None:
    assert show.some({}) == ""
    assert show.some({"b": 1, "a": 1}) == "a, b"
    assert show.some({"a": 1, "b": 3, "c": 2, "d": 1}) == "b, c and 2 more"
    assert show.some({"\x1b": 1}) == r"\x1b"


def test_times_are_those_of_the_wall_clock() -> None:
    assert show.local(1_795_514_400_999_999, UTC) == "2026-11-24 10:00:00"
    assert show.local(1_795_514_400_000_000, timezone(timedelta(hours=-3, minutes=-30)), seconds=False) == "2026-11-24 06:30"


@pytest.mark.parametrize(("columns", "width"), [("", 160), ("80", 80), ("200", 200), ("x", 160)])
def test_the_width_is_what_columns_says(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert show.console().width == width
    assert show.console(33).width == 33
