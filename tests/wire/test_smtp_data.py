"""The text of a message: its one true end, and what is bare."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.smtp_data import BareNewlines, Body

TEXT = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.\r\n"]), max_size=30).map(b"".join)


def taken(way: BareNewlines, data: bytes, sizes: list[int]) -> tuple[bytes, bytes | None, bool]:
    """What a body gives when its data come in pieces."""
    body, out, at = Body(way), b"", 0
    for size in [*sizes, len(data)]:
        passed, rest = body.take(data[at : at + size])
        out += passed
        at += size
        if rest is not None:
            return out, rest + data[at:], body.bare
        if at >= len(data):
            break
    return out, None, body.bare


@pytest.mark.parametrize("way", ["refuse", "normalize", "pass"])
@given(TEXT, st.lists(st.integers(1, 5)))
def test_where_it_is_cut_changes_nothing(way: BareNewlines, data: bytes, sizes: list[int]) -> None:
    assert taken(way, data, sizes) == taken(way, data, [])


@given(TEXT)
def test_the_end_is_the_true_one(data: bytes) -> None:
    out, rest, bare = taken("refuse", data, [])
    text, end, behind = (b"\r\n" + data).partition(b"\r\n.\r\n")
    if end:
        assert (out, rest) == ((text + end)[2:], behind)
        assert bare == bool(re.search(rb"(?<!\r)\n|\r(?!\n)", text[2:] + end if text[2:] else b""))
    else:
        assert rest is None
        assert data.startswith(out)
        assert len(data) - len(out) <= 4


@given(TEXT)
def test_normalized_text_has_nothing_bare_and_ends_where_it_ended(data: bytes) -> None:
    out, rest, _ = taken("normalize", data, [])
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", out)
    _, end, behind = (b"\r\n" + data).partition(b"\r\n.\r\n")
    assert rest == (behind if end else None)
    assert (b"\r\n" + out).count(b"\r\n.\r\n") == (1 if end else 0)


@given(TEXT)
def test_clean_text_is_normalized_to_itself(data: bytes) -> None:
    clean = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    assert taken("normalize", clean, [])[:2] == taken("refuse", clean, [])[:2] or taken("refuse", clean, [])[1] is None
