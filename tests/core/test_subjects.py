"""Names of clients and their networks: what is read the short way is held against the standard library."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.subjects import Client, client, groups, numbered, prefix6

numbers = st.lists(st.sampled_from([0, 0, 0, 1, 0xA, 0xAB, 0x1000, 0xFFFF]), min_size=8, max_size=8)
"""Eight groups of an IPv6 address, many of them zero."""


def address(parts: list[int]) -> IPv6Address:
    return IPv6Address(int("".join(f"{part:04x}" for part in parts), 16))


@given(numbers)
def test_an_ipv6_client_has_one_spelling(parts: list[int]) -> None:
    one = address(parts)
    expected = str(one.ipv4_mapped or one)
    spellings = [str(one), one.exploded, str(one).upper(), ":".join(f"{part:x}" for part in parts), f"[{one}]", f"{one}%eth0"]
    assert {client(text) for text in spellings} == {expected}


@given(st.text("0123456789abf:.", max_size=24))
def test_what_is_no_address_is_no_client(text: str) -> None:
    try:
        found = ip_address(text)
    except ValueError:
        with pytest.raises(ValueError, match="does not appear"):
            client(text)
    else:
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        assert client(text) == str(mapped or found)


@given(numbers)
def test_number_and_prefixes_of_an_ipv6_client(parts: list[int]) -> None:
    one = address(parts)
    of = Client(str(one))
    assert numbered(of) == (6, int(one))
    for count in (3, 4):
        assert prefix6(groups(of), count) == str(ip_network((int(one), 16 * count), strict=False))
