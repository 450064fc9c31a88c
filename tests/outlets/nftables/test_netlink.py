"""Lists of elements as the kernel writes them, alike or not."""

import struct

import pytest

from gatepost.outlets.nftables.netlink import _elements, attribute


def element(key: bytes, timeout: int | None = None, left: int = 0, more: bytes = b"") -> bytes:
    """One element, with its time-out and what is left of it in milliseconds."""
    timed = b"" if timeout is None else attribute(4, struct.pack(">Q", timeout)) + attribute(5, struct.pack(">Q", left))
    return attribute(1, attribute(1, attribute(1, key)) + timed + more)


A, B = b"\xc0\x00\x02\x07", b"\xc0\x00\x02\x08"
LONG = bytes(range(16))
COMMENT = attribute(6, b"who\0")


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([], []),
        ([element(A, 5000, 4999), element(B, 9, 0)], [(A, 4999), (B, 1)]),
        ([element(LONG, 5000, 4999), element(LONG[::-1], 9, 8)], [(LONG, 4999), (LONG[::-1], 8)]),
        ([element(A), element(B)], [(A, 0), (B, 0)]),
        ([element(A, 5000, 4999), element(B)], [(A, 4999), (B, 0)]),
        ([element(A, 5000, 4999), element(B, 7, 6, COMMENT)], [(A, 4999), (B, 6)]),
        ([element(B, 7, 6, COMMENT), element(A, 5000, 4999)], [(B, 6), (A, 4999)]),
        # As long as an address with its times, and something else.
        ([attribute(1, attribute(1, attribute(1, A)) + attribute(5, struct.pack(">Q", 3)) + attribute(4, struct.pack(">Q", 4)))], [(A, 3)]),
    ],
)
def test_elements_alike_and_mixed(parts: list[bytes], wanted: list[tuple[bytes, int]]) -> None:
    assert _elements(memoryview(b"".join(parts))) == wanted
