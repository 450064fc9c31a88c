"""Known pairs, good clients and views."""

from gatepost.core.subjects import Client
from gatepost.core.trust import KNOWN_FOR, Known, Recent, View
from tests.core.made import IP, NEIGHBOUR, SIX, SIX_NEAR


def view(client: Client, shares: bool = False, lengths: tuple[tuple[int, int], ...] = ()) -> View:
    return View(client, (), shares, lengths)


def test_a_view_knows_every_prefix_that_can_hold_the_client() -> None:
    assert view(IP).prefixes == (IP, "192.0.2.0/24")
    assert view(SIX).prefixes == (SIX, "2001:db8::/64", "2001:db8::/48")
    assert view(SIX, shares=True).prefixes == view(SIX).prefixes
    assert view(IP, lengths=((4, 0), (6, 32))).prefixes[2:] == ("0.0.0.0/0",)


def test_ipv6_is_wide_unless_its_64_is_shared() -> None:
    assert (view(IP).wide, view(SIX).wide, view(SIX, shares=True).wide) == (IP, "2001:db8::/64", SIX)


def test_recent_is_remembered_for_less_than_its_span() -> None:
    recent = Recent(10, 5)
    recent.see("x", 100)
    assert [recent.has("x", at) for at in (99, 109, 110)] == [True, True, False]


def test_seen_late_is_not_seen_last() -> None:
    recent = Recent(10, 5)
    recent.see("x", 100)
    recent.see("x", 50)
    assert recent.has("x", 109)


def test_the_one_seen_longest_ago_leaves_and_is_counted() -> None:
    recent = Recent(10, 2)
    assert [recent.see(name, 0) for name in ("a", "b", "a", "c")] == [None, None, None, "b"]
    assert (list(recent.last), recent.dropped) == (["a", "c"], 1)


def test_known_is_a_place_not_an_address() -> None:
    known = Known(10)
    known.see("bob", view(IP), 0)
    known.see("eve", view(SIX), 0)
    assert known.has("bob", view(NEIGHBOUR), 1)
    assert known.has("eve", view(SIX_NEAR), 1)
    assert not known.has("eve", view(Client("2001:db8:0:1::1")), 1)
    assert not known.has("bob", view(SIX), 1)
    assert not known.has("", view(IP), 1)


def test_a_network_is_known_as_long_as_somebody_in_it_is() -> None:
    known = Known(1)
    known.see("eve", view(SIX), 0)
    assert known.in_network("2001:db8::/48", KNOWN_FOR - 1)
    assert not known.in_network("2001:db8::/48", KNOWN_FOR)
    known.see("bob", view(IP), 1)
    assert not known.in_network("2001:db8::/48", 1), "it left for another"
    assert known.pairs.dropped == 1


def test_what_is_forgotten_leaves_its_network() -> None:
    known = Known(10)
    known.see("bob", view(IP), 0)
    known.see("eve", view(IP), 0)
    known.forget(lambda account, home: account == "bob" and home == "192.0.2.0/24")
    assert not known.has("bob", view(IP), 1)
    assert known.in_network("192.0.2.0/24", 1)
