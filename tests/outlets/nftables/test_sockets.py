"""Which sockets are ended."""

import struct

import pytest

from gatepost.outlets.nftables.messages import End, Scope
from gatepost.outlets.nftables.sockets import asked_for, bytecode

HELD = End(Scope(bytes((192, 0, 2, 0)), 24, (25, 587)), (Scope(bytes((192, 0, 2, 9)), 32, (25,)),))
WANTED = {(4, 24): {0xC00002: [HELD]}}


@pytest.mark.parametrize(
    ("peer", "port", "ends"),
    [
        ((192, 0, 2, 7), 25, True),
        ((192, 0, 2, 7), 143, False),
        ((192, 0, 3, 7), 25, False),
        ((192, 0, 2, 9), 25, False),
        ((192, 0, 2, 9), 587, True),
    ],
)
def test_a_socket_is_ended_by_peer_and_port_and_spared_by_an_allow_entry(peer: tuple[int, ...], port: int, ends: bool) -> None:
    assert asked_for(bytes(peer), port, WANTED) is ends


def test_the_families_are_apart() -> None:
    assert not asked_for(bytes(12) + bytes((192, 0, 2, 7)), 25, WANTED)


@pytest.mark.parametrize("matching", [0, 1, 2, None])
def test_the_kernels_filter_accepts_a_peer_in_any_prefix(matching: int | None) -> None:
    scopes = [Scope(bytes((192, 0, 2, n)), 32, (25,)) for n in range(2)] + [Scope(bytes(16), 64, (25,))]
    code, place, number = bytecode(scopes), 0, 0
    while place < len(code):
        kind, yes, no = struct.unpack_from("=BBH", code, place)
        holds = kind == 8 and number == matching
        number += kind == 8
        place += yes if holds else no
    assert (place == len(code)) is (matching is not None)
