"""What stands, what ended a moment ago, and what made room."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gatepost.core.decisions import Decision, Expire
from gatepost.core.facts import Protocol
from gatepost.core.holdings import Holdings
from gatepost.core.subjects import Client, Subject
from gatepost.core.trust import View
from gatepost.core.windows import LATE
from tests.core.made import IP, NEIGHBOUR, SIX

SEEN = View(IP, (), False, ())


def decision(number: int, until: int = 100, subject: Subject | None = None, protocols: tuple[Protocol, ...] = ("smtp", "imap")) -> Decision:
    return Decision(
        number=number,
        rule="dos",
        action="block",
        subject=subject or Subject("client", IP),
        protocols=protocols,
        start=10,
        until=until,
    )


def holdings(*decisions: Decision, most: int = 100) -> Holdings:
    found = Holdings(most)
    for each in decisions:
        found.add(each)
    return found


def numbers(found: Holdings, account: str = "") -> list[int]:
    return [each.number for each in found.on(SEEN, account)]


def test_all_that_can_hold_a_client_is_found_the_newest_first() -> None:
    subjects = [Subject("client", IP), Subject("client", IP), Subject("network", "192.0.2.0/24"), Subject("client", NEIGHBOUR)]
    subjects += [Subject("account", "bob"), Subject("pair", f"bob from {IP}"), Subject("account", f"bob from {IP}")]
    found = holdings(*(decision(number, subject=subject) for number, subject in enumerate(subjects)))
    assert numbers(found) == [1, 0, 2]
    assert numbers(found, "bob") == [1, 0, 2, 4, 5]


def test_a_decision_stays_findable_for_ten_minutes_after_its_end() -> None:
    found = holdings(decision(1))
    assert found.advance(99) == []
    assert found.advance(100) == [Expire(decision(1))]
    assert found.advance(100) == []
    found.sweep(100 + LATE - 1)
    assert numbers(found) == [1]
    found.sweep(100 + LATE)
    assert numbers(found) == []
    assert not found.by_address


def test_a_release_shortens_and_is_not_told_as_an_end() -> None:
    found = holdings(decision(1))
    assert found.release(decision(1), 50, "lifted").protocols == ("smtp", "imap")
    assert found.decisions[1].until == 50
    assert [each.number for each in found.standing(49)] == [1]
    assert found.standing(50) == []
    assert found.advance(1000) == []
    assert found.told() == [1]


def test_a_release_on_some_protocols_leaves_the_others() -> None:
    found = holdings(decision(1))
    assert found.release(decision(1), 50, "allow entry", ("imap", "http")).protocols == ("imap",)
    assert found.decisions[1].protocols == ("smtp",)
    assert len(found.advance(100)) == 1


def test_what_ended_makes_room_first_and_then_what_ends_first_counted() -> None:
    found = holdings(decision(1, 30), decision(2, 90), decision(3, 60), most=3)
    found.advance(30)
    assert found.add(decision(4, 80)) == []
    freed = found.add(decision(5, 80))
    assert [each.decision.number for each in freed] == [3]
    assert (sorted(found.decisions), found.dropped) == ([2, 4, 5], 1)


def test_odd_prefix_lengths_are_noted_once() -> None:
    found = holdings()
    texts = ["192.0.2.0/24", "0.0.0.0/0", "192.0.2.0/28", "192.0.2.16/28", "2001:db8::/48", "2001:db8::/32"]
    assert [found.widen(Subject("network", text)) for text in texts] == [False, True, True, False, False, True]
    assert list(found.lengths) == [(4, 0), (4, 28), (6, 32)]
    assert not found.widen(Subject("account", "bob"))
    assert "::/0" not in View(Client(SIX), (), False, found.lengths).prefixes


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 40), st.booleans()),
        st.tuples(st.just("release"), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("advance"), st.integers(0, 12), st.booleans()),
        st.tuples(st.just("sweep"), st.integers(0, 2 * LATE), st.booleans()),
        st.tuples(st.just("again"), st.just(0), st.booleans()),
    ),
    max_size=60,
)


@given(STEPS)
def test_how_many_stand_and_the_newest_are_what_a_look_at_all_tells(steps: list[tuple[str, int, bool]]) -> None:
    found, at, number = holdings(most=12), 0, 0
    for what, by, flag in steps:
        if what == "add":
            number += 1
            found.add(structs.replace(decision(number, until=at + by), start=at, watched=flag, rule="dos" if number % 3 else ""))
        elif what == "release" and (there := found.lasting(at)):
            found.release(there[by % len(there)], at, "lifted", ("smtp",) if flag else ())
        elif what == "advance":
            at += by
            if flag:  # else the clock goes on, and nobody was told yet
                found.advance(at)
        elif what == "sweep":
            found.sweep(by)
        elif what == "again":
            again = holdings(most=12)
            again.load(found.decisions.values(), frozenset(found.told()))
            found = again
        stand = found.standing(at)
        assert found.tally(at) == Counter((each.rule, each.holds) for each in stand)
        assert list(found.newest(at)) == [each for each in reversed(stand) if each.holds]
