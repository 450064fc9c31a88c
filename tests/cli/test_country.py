"""``gatepost access country`` against a real guard."""

from datetime import UTC, datetime
from pathlib import Path

from gatepost.core.decisions import Question
from gatepost.core.facts import AuthSucceeded
from gatepost.core.subjects import Client
from tests.admin.desks import ATTACKER
from tests.cli.live import Live


def _give_data(gatepost: Live) -> None:
    """Everybody is in the Netherlands."""
    gatepost.made.guard.place = lambda client: "NL"
    gatepost.made.desk.country_data = lambda: "/usr/share/GeoIP/test.mmdb"


def test_without_data_it_only_observes(gatepost: Live) -> None:
    assert gatepost("access", "country", "show").out == "countries: off; log-ins are let in from everywhere\n"
    ran = gatepost("access", "country", "allow", "DE")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no data of countries on this host" in ran.err
    ran = gatepost("access", "country", "allow", "de,at", "--observe", "--protocol", "imap")
    assert ran.out == "countries: log-ins on imap are let in only from Austria (AT), Germany (DE) (observed only: nobody is refused)\n"
    assert "warning: country: there is no data" in ran.err


def test_what_it_would_shut_out_is_confirmed_first(gatepost: Live) -> None:
    _give_data(gatepost)
    at = gatepost.made.now()
    fact = AuthSucceeded(at, "mx", "imap", "", Client(ATTACKER), account="bob@example.org")
    gatepost.api.loop.call_soon_threadsafe(lambda: gatepost.made.guard.report([fact]))
    ran = gatepost("access", "country", "allow", "DE", "--unknown", "refuse")
    assert ran.code == 2
    assert "Netherlands (NL): 1 account" in ran.err
    ran = gatepost("access", "country", "refuse", "NL", "--known", "refuse", "--even-mine")
    assert ran.out.splitlines()[0] == "countries: log-ins are let in from everywhere but Netherlands (NL), known clients not either"
    assert ran.out.splitlines()[-1].split() == ["Netherlands", "NL", "1", _day(at), "0", "0", "refused"]
    assert "unenforced on smtp, imap, pop3" in ran.err
    ran = gatepost("access", "check", ATTACKER, "--stage", "login")
    assert ran.out == f"{ATTACKER}, login on everything: refuse (its country, NL, may not log in)\n"
    assert "observed only" in gatepost("access", "country", "observe").out
    assert "(observed only: its country, NL" in gatepost("access", "check", ATTACKER, "--stage", "login").out
    gatepost.api.loop.call_soon_threadsafe(lambda: gatepost.made.guard.judge(Question(at, Client(ATTACKER), "imap", "login")))
    said = gatepost("status").out
    assert "countries: log-ins are let in from everywhere but Netherlands (NL), known clients not either (observed only: nobody is refused); " in said
    assert "; since the start: 1 would have been refused (NL 1)" in said
    assert "login allow (would refuse country NL)" in gatepost("why", ATTACKER).out
    assert gatepost("access", "country", "enforce").code == 2
    assert "the list is kept: NL" in gatepost("access", "country", "off").out


def _day(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d")


def test_export_and_import(gatepost: Live) -> None:
    _give_data(gatepost)
    gatepost("access", "country", "allow", "NL")
    out = gatepost("access", "country", "export").out
    (gatepost.folder / "policy.json").write_text(out)
    gatepost("access", "country", "off")
    assert gatepost("access", "country", "import", "policy.json", "--json").json["policy"] == {"mode": "enforce", "codes": ["NL"]}
    assert gatepost("access", "country", "export").out == out
    Path(gatepost.folder / "bad.json").write_text("[]")
    assert "bad.json: is no JSON object" in gatepost("access", "country", "import", "bad.json").err
    ran = gatepost("access", "country", "import", "-", stdin=b'{"mode": "enforce", "codes": ["UK"]}')
    assert (ran.code, "did you mean GB" in ran.err) == (2, True)
