"""What no block may cover, with the reason."""

import pytest

from gatepost.core.access import Entry, own_entries
from gatepost.outlets.nftables.own import covers_own

OWN, GATEWAYS = ["203.0.113.1", "2001:db8::1"], ["203.0.113.254"]
ENTRIES = (*own_entries(OWN), Entry(verb="allow", prefix="198.51.100.0/24"), Entry(verb="allow", prefix="192.0.2.7", detection=False, relay=True))


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("0.0.0.0/0", "0.0.0.0/0 covers this host's own address 203.0.113.1; block a smaller prefix"),
        ("2001:db8::/64", "covers this host's own address 2001:db8::1"),
        ("203.0.113.128/25", "covers the gateway 203.0.113.254"),
        ("198.51.0.0/16", "covers the allow entry 198.51.100.0/24"),
        ("198.51.100.9", "lies in the allow entry 198.51.100.0/24, which goes before blocks"),
        ("10.1.2.3", "lies in the own network 10.0.0.0/8"),
    ],
)
def test_a_block_is_refused_with_the_reason(prefix: str, said: str) -> None:
    assert said in (covers_own(prefix, OWN, GATEWAYS, ENTRIES) or "")


@pytest.mark.parametrize("prefix", ["192.0.2.7", "192.0.2.0/24", "2001:db8:1::/48", "203.0.113.0/25"])
def test_other_blocks_are_made(prefix: str) -> None:
    assert covers_own(prefix, OWN[1:], GATEWAYS, ENTRIES[:8] + ENTRIES[-2:]) is None


def test_an_expired_entry_protects_nobody() -> None:
    entry = Entry(verb="allow", prefix="198.51.100.0/24", expires=10)
    assert covers_own("198.51.100.9", [], [], [entry], 9)
    assert covers_own("198.51.100.9", [], [], [entry], 10) is None
