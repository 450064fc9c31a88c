"""The bounded dictionary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.maillog.recent import Recent


def test_what_was_used_lately_stays() -> None:
    table: Recent[int, int] = Recent(10)
    table.put(-1, 7)
    for n in range(1000):
        table.put(n, n)
        assert table.find(-1) == 7
    assert len(table) <= 21
    with pytest.raises(KeyError):
        table.find(0)
    assert table.get(0) is None


@given(st.lists(st.tuples(st.sampled_from(["put", "pop", "get"]), st.integers(0, 30)), max_size=200))
def test_it_never_tells_what_a_dictionary_would_not(deeds: list[tuple[str, int]]) -> None:
    table: Recent[int, int] = Recent(8)
    plain: dict[int, int] = {}
    for value, (deed, key) in enumerate(deeds):
        if deed == "put":
            table.put(key, value)
            plain[key] = value
        elif deed == "pop":
            assert table.pop(key) in (None, plain.pop(key, None))
            assert table.get(key) is None
        else:
            assert table.get(key) in (None, plain.get(key))
    items = dict(table.items())
    assert len(items) <= 16
    assert items.items() <= plain.items()
    table.clear()
    assert len(table) == 0
