"""Lengths of time as people write them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.spans import DAY, HOUR, LONGEST, MINUTE, SECOND, Span, decode_span, encode_span


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("5m", 5 * MINUTE),
        ("1h30m", HOUR + 30 * MINUTE),
        ("30 d", 30 * DAY),
        ("90 Seconds", 90 * SECOND),
        ("2w", 14 * DAY),
        ("250ms", 250_000),
        ("0s", 0),
        ("1 h 1 s", HOUR + SECOND),
    ],
)
def test_what_people_write(text: str, us: int) -> None:
    assert Span.parse(text).us == us


@pytest.mark.parametrize("text", ["", "5", "5 parsecs", "m", "-5m", "1.5h", "5m!", "\u0661m", "1y"])
def test_what_is_no_length_of_time_names_the_cure(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and a unit"):
        Span.parse(text)


def test_the_longest_span() -> None:
    assert Span.parse("400d").us == LONGEST
    for wrong in ("400d1ms", "999999999w"):
        with pytest.raises(ValueError, match="between 0 and 400 days"):
            Span.parse(wrong)


@given(st.integers(0, LONGEST // 1000))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    span = Span(milliseconds * 1000)
    assert Span.parse(str(span)) == span


def test_spans_in_files() -> None:
    assert msgspec.json.decode(b'"5m"', type=Span, dec_hook=decode_span) == Span(5 * MINUTE)
    assert msgspec.json.encode(Span(5 * MINUTE), enc_hook=encode_span) == b'"5m"'
    with pytest.raises(msgspec.ValidationError, match="in quotes"):
        msgspec.json.decode(b"5", type=Span, dec_hook=decode_span)
