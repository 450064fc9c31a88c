"""Whom a hold or a deny entry must not hit."""

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry
from gatepost.admin.desk import Harm, Who
from gatepost.core.access import Entry, prefixes
from gatepost.core.faults import BadInputError
from gatepost.core.spans import HOUR, Span
from tests.admin.desks import ADMIN, Bench, do

HARMFUL = [
    ("0.0.0.0/0", "yourself: you work from 192.0.2.99"),
    ("::/0", "this host's own network"),
    ("192.0.2.99", "yourself"),
    ("192.0.2.0/24", "yourself"),
    ("198.51.100.254", "this host's gateway 198.51.100.254"),
    ("198.51.100.1", "this host's own network 198.51.100.1"),
    ("10.0.0.0/7", "this host's own network 10.0.0.0/8"),
    ("fe80::/10", "this host's own network fe80::/10"),
]


@pytest.mark.parametrize(("prefix", "words"), HARMFUL)
def test_what_shuts_out_host_gateway_or_administrator_is_refused(made: Bench, prefix: str, words: str) -> None:
    (net,) = prefixes(prefix)
    for check in (Harm(made.desk, ADMIN).check_hold, lambda net: Harm(made.desk, ADMIN).check_deny(_deny(str(net)))):
        with pytest.raises(BadInputError, match=r"^prefix: .* would shut out") as refused:
            check(net)
        assert words in str(refused.value)


@pytest.mark.parametrize("away", ["", "UNKNOWN", "not an address", "2001:db8::1"])
def test_where_the_administrator_works_from_may_be_unknown(made: Bench, away: str) -> None:
    Harm(made.desk, Who("anna", away)).check_hold(prefixes("192.0.2.99")[0])


@pytest.mark.parametrize("away", ["::ffff:192.0.2.99", "192.0.2.99"])
def test_a_mapped_address_is_the_administrators_too(made: Bench, away: str) -> None:
    with pytest.raises(BadInputError, match=r"yourself"):
        Harm(made.desk, Who("anna", away)).check_hold(prefixes("192.0.2.0/24")[0])


def _deny(prefix: str) -> Entry:
    return Entry(verb="deny", prefix=prefix)


def _allow(made: Bench, prefix: str, **more: object) -> None:
    do(add_entry(made.desk, ADMIN, AddEntry(verb="allow", prefix=prefix, **more)))  # type: ignore[arg-type]


def test_a_hold_that_covers_an_allow_entry_or_lies_in_one_is_refused(made: Bench) -> None:
    _allow(made, "203.0.113.0/24", protocols=("smtp",))
    harm = Harm(made.desk, ADMIN)
    with pytest.raises(BadInputError, match=r"would shut out the allow entry 203.0.113.0/24; name a smaller prefix, or remove that entry first"):
        harm.check_hold(prefixes("203.0.112.0/23")[0])
    with pytest.raises(BadInputError, match=r"lies in the allow entry 203.0.113.0/24, which goes before blocks; gatepost access deny 203.0.113.7"):
        harm.check_hold(prefixes("203.0.113.7")[0])
    harm.check_hold(prefixes("203.0.113.7")[0], ["imap"])


def test_an_entry_for_relaying_alone_is_not_shut_out_unseen(made: Bench) -> None:
    _allow(made, "203.0.113.7", detection=False, relay=True)
    with pytest.raises(BadInputError, match=r"would shut out the allow entry 203.0.113.7"):
        Harm(made.desk, ADMIN).check_hold(prefixes("203.0.113.0/24")[0])


def test_a_logins_only_entry_does_not_go_before_a_hold_in_it(made: Bench) -> None:
    _allow(made, "203.0.113.0/24", logins=True)
    Harm(made.desk, ADMIN).check_hold(prefixes("203.0.113.7")[0])


def test_a_deny_entry_may_cover_an_allow_entry_because_that_goes_before_it(made: Bench) -> None:
    _allow(made, "203.0.113.7")
    Harm(made.desk, ADMIN).check_deny(_deny("203.0.113.0/24"))


def test_a_deny_entry_may_cover_the_administrator_where_an_allow_entry_goes_before_it(made: Bench) -> None:
    _allow(made, "192.0.2.96/28")
    Harm(made.desk, ADMIN).check_deny(_deny("192.0.2.0/24"))
    with pytest.raises(BadInputError, match=r"yourself"):
        Harm(made.desk, ADMIN).check_deny(_deny("192.0.2.99"))


def test_an_expired_allow_entry_is_in_nobodys_way(made: Bench) -> None:
    _allow(made, "203.0.113.0/24", expires=Span(HOUR))
    made.at += HOUR
    Harm(made.desk, ADMIN).check_hold(prefixes("203.0.113.0/24")[0])
