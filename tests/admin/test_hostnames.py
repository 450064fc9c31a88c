"""Allow entries that are host names: looked up, kept up to date, never a way to relay or to shut anybody out."""

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry, list_entries, remove_entry
from gatepost.admin.actions.status import status
from gatepost.admin.desk import nobody
from gatepost.admin.hostnames import MOST_ADDRESSES, HostNames, host_name, look_up, system_resolve
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, HOUR, Span
from tests.admin.desks import ADMIN, ATTACKER, Bench, do

NAME = "office.example.org"


@pytest.fixture
def named(made: Bench) -> Bench:
    """A guard that trusts a host name."""
    made.names[NAME] = (ATTACKER, "2001:db8::7")
    _allow(made, NAME, note="the office")
    return made


def _allow(made: Bench, name: str, **more: object) -> None:
    do(add_entry(made.desk, ADMIN, AddEntry(verb="allow", prefix=name, **more)))  # type: ignore[arg-type]


def _addresses(made: Bench) -> list[str]:
    return [entry.prefix for entry in list_entries(made.desk) if entry.name and entry.prefix]


def test_its_addresses_are_trusted_at_once(named: Bench) -> None:
    named.connect(many=500)
    assert named.lets_in()
    assert _addresses(named) == [ATTACKER, "2001:db8::7"]
    assert {entry.note for entry in list_entries(named.desk) if entry.name} == {"the office"}
    assert len(named.before_after()[1]) == 3


def test_what_it_stands_for_is_kept_up_to_date(named: Bench) -> None:
    loop = HostNames(named.desk)
    named.names[NAME] = ("203.0.113.8",)
    do(loop.refresh())
    assert _addresses(named) == ["203.0.113.8"]
    line = named.audit()[0]
    assert (line.who, line.action, line.subject) == ("gatepost", "access.name", NAME)
    assert named.before_after() == (["2001:db8::7", ATTACKER], ["203.0.113.8"])
    do(loop.refresh())
    assert len(named.audit()) == 2


def test_a_name_that_no_longer_resolves_keeps_its_addresses_for_a_day(named: Bench) -> None:
    loop = HostNames(named.desk)
    do(loop.refresh())
    del named.names[NAME]
    named.at += HOUR
    do(loop.refresh())
    assert len(_addresses(named)) == 2
    (problem,) = status(named.desk).problems
    assert problem.startswith(f"{NAME} is no address and does not resolve")
    assert problem.endswith("its last addresses stay for a day")
    named.at += DAY
    do(loop.refresh())
    assert _addresses(named) == []
    assert status(named.desk).problems[0].endswith("its addresses are no longer trusted")
    named.names[NAME] = (ATTACKER,)
    do(loop.refresh())
    assert (_addresses(named), status(named.desk).problems) == ([ATTACKER], [])


def test_too_many_addresses_are_no_answer(named: Bench) -> None:
    named.names[NAME] = tuple(f"233.252.0.{number}" for number in range(MOST_ADDRESSES + 1))
    do(HostNames(named.desk).refresh())
    assert len(_addresses(named)) == 2
    assert "has 17 addresses" in status(named.desk).problems[0]


def test_who_has_an_entry_of_his_own_keeps_it(made: Bench) -> None:
    do(add_entry(made.desk, ADMIN, AddEntry(verb="deny", prefix=ATTACKER)))
    made.names[NAME] = (ATTACKER, "203.0.113.8")
    _allow(made, NAME)
    assert _addresses(made) == ["203.0.113.8"]
    assert not made.lets_in()


def test_an_entry_of_his_own_goes_before_the_name(named: Bench) -> None:
    do(add_entry(named.desk, ADMIN, AddEntry(verb="deny", prefix=ATTACKER)))
    assert not named.lets_in()
    do(HostNames(named.desk).refresh())
    assert _addresses(named) == ["2001:db8::7"]


def test_removing_the_name_removes_what_it_stood_for(named: Bench) -> None:
    with pytest.raises(BadInputError, match=f"stands there for {NAME}"):
        do(remove_entry(named.desk, ADMIN, ATTACKER))
    assert len(do(remove_entry(named.desk, ADMIN, "Office.Example.org."))) == 3
    assert _addresses(named) == []
    do(HostNames(named.desk).refresh())
    assert status(named.desk).names == []


def test_it_expires_with_its_addresses(made: Bench) -> None:
    made.names[NAME] = (ATTACKER,)
    _allow(made, NAME, expires=Span(HOUR))
    made.at += HOUR
    assert _addresses(made) == []
    do(HostNames(made.desk).refresh())
    assert _addresses(made) == []
    _allow(made, NAME)
    assert _addresses(made) == [ATTACKER]


@pytest.mark.parametrize(
    ("verb", "name", "more", "words"),
    [
        ("deny", NAME, {}, "a host name can be trusted for detection or log-ins only"),
        ("allow", NAME, {"relay": True}, "a host name can be trusted for detection or log-ins only"),
        ("allow", "nowhere.example.org", {}, "does not resolve"),
        ("allow", "empty.example.org", {}, "has 0 addresses"),
    ],
)
def test_what_a_name_cannot_be(made: Bench, verb: str, name: str, more: dict[str, object], words: str) -> None:
    made.names |= {NAME: (ATTACKER,), "empty.example.org": ()}
    with pytest.raises(BadInputError, match=r"^prefix: ") as refused:
        do(add_entry(made.desk, ADMIN, AddEntry(verb=verb, prefix=name, **more)))  # type: ignore[arg-type]
    assert words in str(refused.value)
    assert made.audit() == []


def test_twice_is_refused_unless_it_replaces(named: Bench) -> None:
    with pytest.raises(BadInputError, match=r"stands on the allow list already"):
        _allow(named, NAME)
    _allow(named, NAME, replace=True, logins=True)
    assert {entry.logins for entry in list_entries(named.desk) if entry.name} == {True}


@pytest.mark.parametrize(
    "text", ["203.0.113.300", "localhost", "2001:db8::1", "a..b", "-a.org", "a.org/24", "a b.org", "1.2.3.4-1.2.3.9", "x" * 254, ""]
)
def test_what_is_no_host_name(text: str) -> None:
    assert host_name(text) == ""


@pytest.mark.parametrize("text", ["a.example.org", "xn--bcher-kva.example", "A.Example.ORG.", "dyn_1.example.org"])
def test_what_is_one(text: str) -> None:
    assert host_name(text) == text.lower().removesuffix(".")


def test_where_nobody_is_asked_no_name_is_taken(made: Bench) -> None:
    made.desk.resolve = nobody
    with pytest.raises(BadInputError, match=r"host names are not looked up here"):
        do(look_up(made.desk, NAME))


def test_the_hosts_own_resolver_is_asked() -> None:
    with pytest.raises(OSError, match=r".+"):
        do(system_resolve("nowhere.invalid"))
