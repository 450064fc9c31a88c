"""One spelling for each address and mailbox; what is read the short way is held against the standard library."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.core.subjects import (
    ACCOUNT_LENGTH,
    Client,
    Subject,
    account,
    client,
    groups,
    name_of,
    network,
    numbered,
    pair,
    prefix6,
    prefix_text,
    wider,
)
from tests.core.made import IP, SIX


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" [192.0.2.7] ", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[IPv6:2001:DB8:0:0::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::FFFF:c000:207", "192.0.2.7"),
    ],
)
def test_one_address_has_one_spelling(text: str, canonical: str) -> None:
    assert client(text) == canonical


@pytest.mark.parametrize("text", ["", "unknown", "192.0.2", "192.0.2.256", "192.0.2.07", "192.0.2.1/32", "2001:db8", "[", "1.2.3.4 5.6.7.8"])
def test_what_is_no_address_raises(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        client(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("192.0.2.0/24", "192.0.2.0/24"), ("192.0.2.7/32", "192.0.2.7"), ("::ffff:192.0.2.0/120", "192.0.2.0/24"), ("2001:DB8::/32", "2001:db8::/32")],
)
def test_prefixes(text: str, canonical: str) -> None:
    assert prefix_text(network(text)) == canonical


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.0.2.1/24", "192.0.2.0/24 is the network that it lies in"),
        ("192.0.2.0/33", "from 0 to 32"),
        ("192.0.2.0/x", "from 0 to 32"),
        ("::/-1", "128"),
    ],
)
def test_a_bad_prefix_names_the_cure(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        network(text)


def test_wider() -> None:
    assert (wider(IP, 24, 48), wider(SIX, 24, 48), wider(SIX, 24, 128)) == ("192.0.2.0/24", "2001:db8::/48", SIX)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" Bob@Example.ORG ", "bob@example.org"),
        ("bob", "bob@default.example"),
        ("CORP\\Bob", "bob@corp.example"),
        ("ELSE\\Bob", "bob@else"),
        ("CORP\\bob@else.example", "bob@else.example"),
        ("", ""),
        ("x" * 300 + "@y", "x" * ACCOUNT_LENGTH),
    ],
)
def test_one_mailbox_has_one_spelling(text: str, canonical: str) -> None:
    assert account(text, "Default.example", {"corp": "corp.example"}) == canonical


def test_no_account_has_the_name_of_another_kind() -> None:
    text = pair("bob", IP)
    assert len({name_of(Subject(by, text)) for by in ("account", "pair", "client")}) == 3
    assert name_of(Subject("client", IP)) == name_of(Subject("network", IP)) == IP
    assert str(Subject("client", IP)) == "client 192.0.2.1"


NUMBERS = st.lists(st.sampled_from([0, 0, 0, 1, 0xA, 0xAB, 0x1000, 0xFFFF]), min_size=8, max_size=8)
"""Eight groups of an IPv6 address, many of them zero."""


def address(parts: list[int]) -> IPv6Address:
    return IPv6Address(int("".join(f"{part:04x}" for part in parts), 16))


@given(NUMBERS)
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


@given(NUMBERS)
def test_number_and_prefixes_of_an_ipv6_client(parts: list[int]) -> None:
    one = address(parts)
    of = Client(str(one))
    assert numbered(of) == (6, int(one))
    for count in (3, 4):
        assert prefix6(groups(of), count) == str(ip_network((int(one), 16 * count), strict=False))
