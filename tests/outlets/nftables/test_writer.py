"""Elements as the kernel reads them."""

import struct

import pytest

from gatepost.outlets.nftables.messages import Key, Put
from gatepost.outlets.nftables.netlink import attributes
from gatepost.outlets.nftables.ruleset import LONGEST_MS
from gatepost.outlets.nftables.writer import AT_ONCE, put_bodies


def told(body: bytes) -> tuple[str, str, list[tuple[bytes, int]]]:
    """What a message says: table, set, and its elements with their time-outs in milliseconds."""
    parts = dict(attributes(memoryview(body)[4:]))
    elements = []
    for kind, element in attributes(parts[3]):
        assert kind == 1
        inner = dict(attributes(element))
        (value,) = (bytes(data) for number, data in attributes(inner[1]) if number == 1)
        elements.append((value, struct.unpack(">Q", inner[4])[0] if 4 in inner else 0))
    return bytes(parts[1]).decode(), bytes(parts[2]).decode(), elements


@pytest.mark.parametrize(("family", "size"), [(4, 4), (6, 16)])
def test_each_element_comes_with_its_time(family: int, size: int) -> None:
    put = Put(Key("rule", family, 8 * size, "smtp"), [(bytes(range(size)), 1), (bytes(size), 0), (b"\xff" * size, 2 * LONGEST_MS)])  # type: ignore[arg-type]
    (body,) = put_bodies("gatepost", put)
    wanted = [(bytes(range(size)), 1), (bytes(size), 0), (b"\xff" * size, LONGEST_MS)]
    assert told(body) == ("gatepost\0", f"rule_smtp_{family}_{8 * size}\0", wanted)


def test_many_go_in_messages_whose_length_has_room() -> None:
    elements = [(number.to_bytes(16, "big"), 1000) for number in range(2 * AT_ONCE + 1)]
    bodies = list(put_bodies("gatepost", Put(Key("hand", 6, 128, "all"), elements)))
    assert [len(told(body)[2]) for body in bodies] == [AT_ONCE, AT_ONCE, 1]
    assert [element for body in bodies for element in told(body)[2]] == elements
    assert max(map(len, bodies)) < 65536


def test_nothing_is_no_message() -> None:
    assert list(put_bodies("gatepost", Put(Key("hand", 4, 32, "all"), []))) == []
