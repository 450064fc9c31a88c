"""Who else is in a network that is to be held."""

import asyncio

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry
from gatepost.admin.actions.blocks import AddBlock, add_block
from gatepost.admin.actions.neighbours import Neighbours, neighbours
from gatepost.core.facts import AuthSucceeded
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, Span
from gatepost.core.subjects import Client
from tests.admin.desks import ADMIN, ATTACKER, Bench, do


def _log_in(made: Bench, client: str, account: str) -> None:
    async def work() -> None:
        made.guard.report([AuthSucceeded(made.now(), "mx", "imap", "", Client(client), account=account)])

    asyncio.run(work())


def _ask(made: Bench, prefix: str) -> Neighbours:
    return do(neighbours(made.desk, prefix))


def test_held_known_good_and_trusted_ones_are_told_and_others_are_not(made: Bench) -> None:
    made.connect()
    made.connect("203.0.112.9")
    _log_in(made, "203.0.113.9", "bob@example.org")
    _log_in(made, "2001:db8:7::1", "eve@example.org")
    do(add_entry(made.desk, ADMIN, AddEntry(verb="allow", prefix="203.0.113.128/25", protocols=("pop3",))))
    found = _ask(made, "203.0.113.0/24")
    assert (found.some_held, found.some_good, found.some_known) == ([ATTACKER], ["203.0.113.9"], ["bob@example.org from 203.0.113.0/24"])
    assert [each.prefix for each in found.trusted] == ["203.0.113.128/25"]
    assert (
        found.warning
        == "1 address in it logged in well or delivered mail in the last days; bob@example.org from 203.0.113.0/24 logged in well from there"
    )
    assert _ask(made, "203.0.113.0/28").known == 1, "its home is around it"
    assert _ask(made, "203.0.112.0/23").held == 2
    assert _ask(made, "2001:db8:7::/48").some_good == ["2001:db8:7::1"]
    assert (_ask(made, "198.18.0.0/15").warning, _ask(made, "2001:db8:8::/64").known) == ("", 0)


def test_a_network_with_good_ones_in_it_is_held_only_when_that_is_meant(made: Bench) -> None:
    _log_in(made, "203.0.113.9", "bob@example.org")
    asked = {"prefix": "203.0.113.0/24", "hold_for": Span(DAY)}
    with pytest.raises(BadInputError, match=r"^prefix: 203.0.113.0/24 would hit good ones: .*bob@example.org.*--confirm"):
        do(add_block(made.desk, ADMIN, AddBlock(**asked)))  # type: ignore[arg-type]
    assert made.lets_in()
    do(add_block(made.desk, ADMIN, AddBlock(confirm=True, **asked)))  # type: ignore[arg-type]
    assert not made.lets_in()


@pytest.mark.parametrize("prefix", ["", "nonsense", "203.0.113.7/24", "203.0.113.1-203.0.113.9", "203.0.113.0/99"])
def test_no_network(made: Bench, prefix: str) -> None:
    with pytest.raises(BadInputError, match=r"^prefix: "):
        _ask(made, prefix)
