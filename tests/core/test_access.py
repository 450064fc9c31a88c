"""Deny and allow lists: what an entry may say, what contradicts, what covers whom."""

import pytest

from gatepost.core.access import MOST_PREFIXES, OWN_RANGES, Entry, Lists, check_entries, own_entries, prefixes
from gatepost.core.subjects import Client, numbered
from tests.core.made import IP, OTHER, SIX, allow, deny


def test_a_range_is_the_prefixes_that_make_it_up() -> None:
    assert [str(net) for net in prefixes("192.0.2.1-192.0.2.4")] == ["192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/32"]
    assert [str(net) for net in prefixes("192.0.2.0 - 192.0.2.255")] == ["192.0.2.0/24"]
    lists = Lists((deny("192.0.2.1-192.0.2.4"),))
    covered = [bool(lists.covering(*numbered(Client(f"192.0.2.{number}")))) for number in range(6)]
    assert covered == [False, True, True, True, True, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.0.2.9-192.0.2.1", "must run from a lower to a higher address of one family"),
        ("192.0.2.1-2001:db8::1", "of one family"),
        ("mail.example", "is no address, prefix or range; write 192.0.2.7, 192.0.2.0/24 or 192.0.2.1-192.0.2.9"),
        ("192.0.2.1/24", "192.0.2.0/24 is the network that it lies in"),
        ("192.0.2.1-", "is no address, prefix or range"),
        ("", "is no address, prefix or range"),
    ],
)
def test_a_bad_prefix_names_the_cure(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        deny(text)


def test_the_worst_range_is_still_an_entry() -> None:
    assert len(prefixes("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")) == 254 <= MOST_PREFIXES


def test_every_box_off_is_an_exception_that_must_expire_and_is_no_own_network() -> None:
    assert allow(IP, detection=False, expires=1).speaks
    assert not allow(IP, detection=False, relay=True).speaks
    with pytest.raises(ValueError, match="or let it expire"):
        allow(IP, detection=False)
    with pytest.raises(ValueError, match="name protocols instead"):
        allow(IP, detection=False, own=True, expires=1)


def test_boxes_that_contradict_name_the_cure() -> None:
    with pytest.raises(ValueError, match="boxes of the allow list"):
        deny(IP, relay=True)
    with pytest.raises(ValueError, match="check detection, logins or relay"):
        allow(IP, detection=False)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (allow(IP), deny(IP), "192.0.2.1 on smtp stands on both lists"),
        (allow(IP, protocols=("imap",)), deny(IP), "192.0.2.1 on imap stands on both lists"),
        (deny("192.0.2.0-192.0.2.1"), allow("192.0.2.0/31"), "stands on both lists"),
        (deny(IP), deny("::ffff:192.0.2.1"), "stands twice"),
        (allow(IP), allow(IP, relay=True), "stands twice"),
    ],
)
def test_the_same_prefix_on_the_same_protocol_stands_once(one: Entry, other: Entry, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_entries((one, other))


def test_other_protocols_and_other_lengths_do_not_contradict() -> None:
    check_entries((allow(IP, protocols=("imap",)), deny(IP, protocols=("smtp",)), deny("192.0.2.0/24")))


def test_the_most_specific_comes_first_whatever_the_order() -> None:
    entries = (deny("0.0.0.0/0"), allow(IP), deny("192.0.2.0/24"))
    for order in (entries, entries[::-1]):
        assert [entry.prefix for entry in Lists(order).covering(*numbered(IP))] == [IP, "192.0.2.0/24", "0.0.0.0/0"]
    assert [entry.prefix for entry in Lists(entries).covering(*numbered(OTHER))] == ["0.0.0.0/0"]
    assert Lists(entries).covering(*numbered(SIX)) == ()


def test_what_an_entry_trusts() -> None:
    logins = allow(IP, detection=False, logins=True)
    assert [allow(IP).trusts("connected"), logins.trusts("connected"), logins.trusts("auth_failed"), deny(IP).trusts("auth_failed")] == [
        *(True, False, True, False)
    ]
    assert not allow(IP, detection=False, relay=True).trusts("auth_failed")


def test_an_entry_is_in_force_until_just_before_it_expires() -> None:
    assert [allow(IP, expires=10).in_force(at) for at in (9, 10)] == [True, False]
    assert allow(IP).in_force(2**60)


def test_a_network_is_shared_with_an_allowed_address_in_it_until_that_expires() -> None:
    lists = Lists((allow("2001:db8::9", expires=10), deny("2001:db8:0:1::9"), allow("2001:d00::/24")))
    assert lists.shares(*numbered(SIX), 64)
    assert lists.shares(*numbered(Client("2001:db8:0:5::1")), 48)
    assert not lists.shares(*numbered(Client("2001:db8:0:1::1")), 64)
    assert lists.expire(10)
    assert not lists.shares(*numbered(SIX), 64)


def test_own_entries_trust_and_do_not_relay() -> None:
    found = own_entries(("203.0.113.5", "127.0.0.0/8"))
    assert [entry.prefix for entry in found] == [*OWN_RANGES, "203.0.113.5"]
    assert all(entry.own and entry.detection and not entry.relay and not entry.expires for entry in found)
    check_entries(found)


def test_an_entry_in_words() -> None:
    assert str(allow(IP, protocols=("smtp",), relay=True, detection=False)) == "allow 192.0.2.1 on smtp relay no-detection"
