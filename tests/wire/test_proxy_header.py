"""The PROXY protocol's header: exact, in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.wire.proxy_header import SIGNATURE, Header, read, write_1, write_2

FOUR, SIX = ("192.0.2.7", 4711), ("2001:db8::7", 4711)
TO_FOUR, TO_SIX = ("198.51.100.1", 25), ("2001:db8::1", 25)


@pytest.mark.parametrize("write", [write_1, write_2])
@pytest.mark.parametrize(("source", "target"), [(FOUR, TO_FOUR), (SIX, TO_SIX), (FOUR, TO_SIX), (SIX, TO_FOUR)])
def test_what_is_written_is_read(write: object, source: tuple[str, int], target: tuple[str, int]) -> None:
    header = write(source, target)  # type: ignore[operator]
    assert read(header + b"EHLO") == Header(len(header), source[0], source[1])  # type: ignore[arg-type]
    for size in range(len(header)):
        assert read(header[:size]) is None


def test_as_haproxy_writes_it() -> None:
    assert write_1(FOUR, TO_FOUR) == b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n"
    assert write_2(FOUR, TO_FOUR) == SIGNATURE + bytes.fromhex("2111000cc0000207c63364011267 0019".replace(" ", ""))
    mapped = b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 1 2\r\n"
    assert read(mapped) == Header(len(mapped), "192.0.2.7", 1)  # type: ignore[arg-type]
    assert read(b"PROXY UNKNOWN ffff:: whatever\r\n") == Header(31, None)
    tlvs = SIGNATURE + bytes.fromhex("21110010c0000207c6336401126700190400017f")
    assert read(tlvs) == Header(32, "192.0.2.7", 4711)  # type: ignore[arg-type]
    health = SIGNATURE + bytes.fromhex("20000000")
    assert read(health) == Header(16, None, health=True)


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO me\r\n",
        b"PROXY TCP4 192.0.2.7 2001:db8::1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.8 1 66000\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.8 1\r\n",
        b"PROXY TCP4 192.0.2.777 192.0.2.8 1 2\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + bytes.fromhex("31110000"),
        SIGNATURE + bytes.fromhex("21110004c0000207"),
        SIGNATURE + bytes.fromhex("2111ffff"),
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read(data)


@given(st.binary(max_size=60).map(lambda data: SIGNATURE + data) | st.binary(max_size=120).map(lambda data: b"PROXY " + data))
def test_garbage_is_read_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except ValueError:
        return
    assert found is None or found.length <= len(data)
