"""Countries: who logs in from where, what a policy refuses, and that nobody shuts his own country out by accident."""

import asyncio
from typing import Any

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry, check_client
from gatepost.admin.actions.country import NO_DATA, SetCountries, Shown, set_countries, show_countries
from gatepost.admin.actions.metrics import metrics
from gatepost.admin.actions.status import status
from gatepost.admin.actions.why import why
from gatepost.admin.desk import Source, Who
from gatepost.admin.faults import StaleError
from gatepost.core.countries import CountryPolicy
from gatepost.core.decisions import Allow, Question, Verdict
from gatepost.core.facts import AuthSucceeded, Protocol
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY
from gatepost.core.subjects import Client
from tests.admin.desks import ADMIN, Bench, do

WHERE = {"203.0.113": "NL", "192.0.2": "DE", "198.51.100": "AT"}
HERE, ABROAD = "192.0.2.7", "203.0.113.7"
SOCKET = Who("root")


def place(client: str) -> str:
    """Where the tests' networks are."""
    return WHERE.get(client.rpartition(".")[0], "unknown")


@pytest.fixture
def countries(made: Bench) -> Bench:
    """A guard that has data of countries, and is asked by Dovecot."""
    made.guard.place = place
    made.desk.country_data = lambda: "/usr/share/GeoIP/test.mmdb"
    made.sources = [Source(name="dovecot_policy:127.0.0.1:4001", reading=True)]
    return made


def logged_in(made: Bench, account: str, client: str, ago: int = 0) -> None:
    """Somebody logs in well."""
    made._report([AuthSucceeded(made.at - ago, "mx", "imap", "", Client(client), account=account)])


def adopt(made: Bench, *codes: str, who: Who = ADMIN, version: str = "", **more: Any) -> Shown:
    """Puts a policy in force."""
    return do(set_countries(made.desk, who, SetCountries(**({"mode": "enforce", "codes": codes} | more)), version))


def refused(made: Bench, *codes: str, who: Who = ADMIN, **more: Any) -> str:
    """What is said of a policy that is not put in force."""
    before, lines = made.engine.countries, len(made.audit())
    with pytest.raises(BadInputError) as wrong:
        adopt(made, *codes, who=who, **more)
    assert (made.engine.countries, len(made.audit())) == (before, lines)
    return str(wrong.value)


def asks(made: Bench, client: str, protocol: Protocol = "imap", account: str = "") -> Verdict:
    """What an inlet hears when somebody wants to log in."""
    return made.guard.judge(Question(made.at, Client(client), protocol, "login", account))


class TestPolicy:
    """What is put in force."""

    def test_log_ins_are_refused_and_counted_by_country(self, countries: Bench) -> None:
        shown = adopt(countries, "DE", "AT")
        assert shown.policy == CountryPolicy(mode="enforce", codes=("AT", "DE"))
        assert isinstance(asks(countries, HERE), Allow)
        assert [getattr(asks(countries, ABROAD), name) for name in ("reason", "country")] == ["country", "NL"]
        assert countries.lets_in(ABROAD), "connections are nobody's business"
        assert isinstance(asks(countries, "10.0.0.7"), Allow)
        places = do(show_countries(countries.desk)).places
        assert [(each.code, each.name, each.refused, each.watched, each.against) for each in places] == [("NL", "Netherlands", 2, 0, True)]

    def test_it_is_audited_and_versioned(self, countries: Bench) -> None:
        first = do(show_countries(countries.desk)).version
        second = adopt(countries, "DE", version=first).version
        line = countries.audit()[0]
        assert (line.who, line.action, line.subject) == ("anna", "country.enforce", "allow DE")
        assert countries.before_after() == ({}, {"mode": "enforce", "codes": ["DE"]})
        with pytest.raises(StaleError, match="the countries were changed meanwhile"):
            adopt(countries, "AT", version=first)
        adopt(countries, "DE", mode="off", version=second)
        assert isinstance(asks(countries, ABROAD), Allow)

    def test_observing_refuses_nobody_and_tells(self, countries: Bench) -> None:
        adopt(countries, "AT", mode="observe")
        assert getattr(asks(countries, ABROAD), "watched", "") == "NL"
        assert {each.code: (each.refused, each.watched) for each in do(show_countries(countries.desk)).places} == {"NL": (0, 1)}
        assert 'gatepost_country_refusals_total{country="NL",watched="yes"} 1.0' in metrics(countries.desk)

    def test_known_clients_and_allowed_ones_go_on(self, countries: Bench) -> None:
        logged_in(countries, "bob@example.org", ABROAD)
        adopt(countries, "DE")
        assert isinstance(asks(countries, "203.0.113.99", account="bob@example.org"), Allow)
        assert not isinstance(asks(countries, "203.0.113.99", account="eve@example.org"), Allow)
        do(add_entry(countries.desk, ADMIN, AddEntry(verb="allow", prefix="203.0.113.99", logins=True)))
        assert isinstance(asks(countries, "203.0.113.99", account="eve@example.org"), Allow)

    def test_what_is_asked_tells_the_country(self, countries: Bench) -> None:
        adopt(countries, "DE")
        found = check_client(countries.desk, ABROAD, "imap", "login").answers[0]
        assert (found.verdict, found.country) == ("refuse", "NL")
        assert check_client(countries.desk, ABROAD, "imap", "connect").answers[0].verdict == "allow"
        answers = do(why(countries.desk, ABROAD)).answers
        assert {(each.stage, each.verdict, each.reason) for each in answers if each.protocol == "imap"} == {
            ("connect", "allow", ""),
            ("login", "refuse", "country"),
        }
        assert not countries.guard.stats.countries, "who only wants to know is not counted"


class TestOwnCountry:
    """What keeps an administrator from shutting himself out."""

    def test_where_he_works(self, countries: Bench) -> None:
        said = refused(countries, "AT", who=Who("anna", HERE))
        assert said.startswith(f"codes: you work from {HERE}, in Germany (DE), where nobody could log in then; name that country too, or confirm it")
        assert "--even-mine" in refused(countries, "DE", who=Who("anna", HERE), direction="refuse")
        adopt(countries, "AT", who=Who("anna", HERE), even_mine=True)
        adopt(countries, "DE", who=Who("anna", HERE))
        adopt(countries, "AT", who=Who("anna", HERE), mode="observe")
        assert "you work from" in refused(countries, "AT", who=Who("anna", HERE))

    def test_an_allowed_administrator_shuts_nobody_out_by_accident(self, countries: Bench) -> None:
        do(add_entry(countries.desk, ADMIN, AddEntry(verb="allow", prefix=HERE)))
        adopt(countries, "AT", who=Who("anna", HERE))

    @pytest.mark.parametrize("who", [SOCKET, Who("anna", "127.0.0.1"), Who("anna", "UNKNOWN")])
    def test_where_nobody_knows_the_accounts_speak(self, countries: Bench, who: Who) -> None:
        logged_in(countries, "user0@example.org", "203.0.113.1", ago=29 * DAY)
        for number in range(3):
            logged_in(countries, f"user{number}@example.org", f"192.0.2.{number}")
        said = refused(countries, "AT", who=who)
        assert "(Germany (DE): 3 accounts, Netherlands (NL): 1 account); name that country too" in said
        assert "(Netherlands (NL): 1 account)" in refused(countries, "DE", who=who)
        adopt(countries, "DE", "NL", who=who)
        places = do(show_countries(countries.desk)).places
        assert [(each.code, each.accounts, each.places, each.newest) for each in places] == [
            ("DE", 3, 1, countries.at),
            ("NL", 1, 1, countries.at - 29 * DAY),
        ]
        countries.at += 2 * DAY
        adopt(countries, "DE", who=who)
        adopt(countries, "AT", who=who, even_mine=True)

    def test_who_is_allowed_anyway_is_no_loss(self, countries: Bench) -> None:
        logged_in(countries, "bob@example.org", "10.0.0.7")
        logged_in(countries, "bob@example.org", HERE)
        do(add_entry(countries.desk, ADMIN, AddEntry(verb="allow", prefix="192.0.2.0/24")))
        adopt(countries, "AT", who=SOCKET, unknown=False)

    def test_unknown_countries(self, countries: Bench) -> None:
        logged_in(countries, "bob@example.org", "233.252.0.7")
        assert "(no known country: 1 account)" in refused(countries, "DE", who=SOCKET, unknown=False)
        adopt(countries, "DE", who=SOCKET)
        said = refused(countries, "DE", who=Who("anna", "233.252.0.9"), unknown=False)
        assert "you work from 233.252.0.9, in no known country" in said


class TestUnenforced:
    """What nobody can carry out is told."""

    def test_without_data_nothing_is_enforced(self, made: Bench) -> None:
        assert NO_DATA in refused(made, "DE", even_mine=True)
        assert adopt(made, "DE", mode="observe").problems == [f"country: {NO_DATA}"]
        assert isinstance(asks(made, ABROAD), Allow)

    def test_data_that_went_away_refuses_nobody(self, countries: Bench) -> None:
        adopt(countries, "DE", unknown=False)
        countries.guard.place, countries.desk.country_data = lambda client: "", lambda: ""
        assert isinstance(asks(countries, ABROAD), Allow)
        assert f"country: {NO_DATA}" in status(countries.desk).problems

    @pytest.mark.parametrize(
        ("names", "missing"),
        [
            ([], "smtp, imap, pop3"),
            (["mail.log"], "smtp, imap, pop3"),
            (["postfix_policy:127.0.0.1:1"], "imap, pop3"),
            (["exim:/run/x", "gateway:imaps"], "pop3"),
            (["gateway:imap", "gateway:pop3s", "gateway:submission"], ""),
            (["dovecot_policy:127.0.0.1:4001"], ""),
        ],
    )
    def test_who_asks_about_log_ins(self, countries: Bench, names: list[str], missing: str) -> None:
        gates: dict[str, Protocol] = {"gateway:imap": "imap", "gateway:imaps": "imap", "gateway:pop3s": "pop3", "gateway:submission": "smtp"}
        countries.sources = [Source(name=name, reading=True, tells_open=gates.get(name, "")) for name in names]
        adopt(countries, "DE")
        problems = [each for each in status(countries.desk).problems if each.startswith("country: ")]
        assert [each.partition("unenforced on ")[2].partition(":")[0] for each in problems] == ([missing] if missing else [])

    def test_a_protocol_on_which_somebody_logs_in(self, countries: Bench) -> None:
        countries.fail(protocol="http", many=1)
        assert "unenforced on http: nobody asks" in adopt(countries, "DE").problems[0]
        assert adopt(countries, "DE", protocols=("imap",)).problems == []


def test_many_known_accounts_do_not_hold_the_guard_up(countries: Bench) -> None:
    known = countries.engine.known
    known.load((f"192.{number >> 8 & 255}.{number & 255}.0/24 user{number}@example.org", countries.at) for number in range(30_000))

    async def beside() -> int:
        turns, task = 0, asyncio.create_task(show_countries(countries.desk))
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        assert sum(each.accounts for each in (await task).places) == 30_000
        return turns

    assert do(beside()) > 10
    known.load([])
    known.pairs.last.clear()
    known._networks.clear()
