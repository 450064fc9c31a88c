"""``gatepost blocks``, ``unblock``, ``pause``, ``resume`` against a real guard."""

import pytest

from tests.admin.desks import ATTACKER
from tests.cli.command import refused
from tests.cli.live import Live

ADD = ("--for", "1d", "--reason", "a nuisance")


def test_nobody_is_held(gatepost: Live) -> None:
    assert gatepost("blocks", "list") == (0, "Nobody is held.\n", "")
    assert gatepost("blocks", "list", "--json").json == []


def test_add_list_remove(gatepost: Live) -> None:
    assert gatepost("blocks", "add", "203.0.113.0/24", *ADD) == (0, "203.0.113.0/24 is held on everything for 1d.\n", "")
    assert not gatepost.made.lets_in()
    header, row = gatepost("blocks", "list").out.splitlines()
    assert header.split() == ["on", "who", "rule", "left", "30d", "why"]
    assert row.split()[:4] == ["everything", "203.0.113.0/24", "by", "hand"]
    assert row.endswith("a nuisance")
    assert gatepost("blocks", "list", "--json").json == gatepost.api.ask("GET", "/api/v1/blocks").json["blocks"]
    assert gatepost("blocks", "remove", "203.0.113.0/24") == (0, "released 203.0.113.0/24 on everything (by hand)\n", "")
    assert gatepost.made.lets_in()


def test_add_as_json_on_some_protocols(gatepost: Live) -> None:
    ran = gatepost("blocks", "add", ATTACKER, *ADD, "--protocol", "imap", "--protocol", "pop3", "--json")
    assert (ran.json["subject"], ran.json["protocols"]) == (ATTACKER, ["imap", "pop3"])


def test_unblock(gatepost: Live) -> None:
    gatepost.made.connect()
    ran = gatepost("unblock", ATTACKER, "--grace", "1h")
    assert ran == (0, f"released {ATTACKER} on smtp (dos)\nNo rule counts or holds {ATTACKER} for 1h.\n", "")
    gatepost.made.connect(many=500)
    assert gatepost.made.lets_in()
    assert gatepost("unblock", ATTACKER).out == f"Nothing held {ATTACKER}; what was counted of it is forgotten.\n"
    assert gatepost("unblock", ATTACKER, "--json").json == {"released": [], "grace_until": 0, "denied": None}


def test_unblock_of_who_is_denied_names_the_entry(gatepost: Live) -> None:
    gatepost("access", "deny", "203.0.113.0/24")
    assert "The deny entry 203.0.113.0/24 still keeps it out; gatepost access remove 203.0.113.0/24 ends that." in gatepost("unblock", ATTACKER).out


def test_prolong_and_permanent(gatepost: Live) -> None:
    gatepost.made.connect()
    said = gatepost("blocks", "prolong", ATTACKER, "--for", "1d").out
    assert said.startswith(f"{ATTACKER} is held on smtp (dos) for another 1d")
    (block,) = gatepost("blocks", "prolong", ATTACKER, "--for", "1d", "--json").json
    assert block["often"] == 1
    assert block["until"] - gatepost.made.now() > 47 * 3_600_000_000
    assert gatepost("blocks", "list", "--json").json[0]["often"] == 1
    assert gatepost("blocks", "permanent", ATTACKER, "--note", "no more") == (
        0,
        f"{ATTACKER} is on the deny list; gatepost access remove {ATTACKER} ends that.\n",
        "",
    )
    assert gatepost("blocks", "list", "--json").json == []
    assert not gatepost.made.lets_in()
    gatepost("blocks", "add", "203.0.113.8", *ADD)
    assert gatepost("blocks", "permanent", "203.0.113.8", "--json").json["entries"][0]["prefix"] == "203.0.113.8"
    assert [line.action for line in gatepost.made.audit()[:3]] == ["blocks.permanent", "blocks.add", "blocks.permanent"]


def test_pause_and_resume(gatepost: Live) -> None:
    gatepost.made.connect()
    assert gatepost("pause").out.startswith("Paused for 1h: 1 hold released; rules go on counting and hold nothing.")
    assert gatepost.made.lets_in()
    gatepost.made.connect()
    assert "(watched)" in gatepost("blocks", "list", "--watched").out
    assert gatepost("resume") == (0, "Rules hold again.\n", "")
    assert gatepost("pause", "--for", "2h", "--json").json["released"] == []


def test_what_an_administrator_wrote_stays_text(gatepost: Live) -> None:
    gatepost("blocks", "add", ATTACKER, "--for", "1d", "--reason", "\x1b[31mred\u202e\n[bold]x")
    assert "\\x1b[31mred\\u202e\\n[bold]x" in gatepost("blocks", "list").out
    assert gatepost("blocks", "list", "--json").json[0]["reason"] == "\x1b[31mred\u202e\n[bold]x"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("blocks", "add", "0.0.0.0/0", *ADD), "prefix: 0.0.0.0/0 would shut out"),
        (("blocks", "add", "198.51.100.254", *ADD), "this host's gateway"),
        (("blocks", "add", "198.51.100.1", *ADD), "this host's own network"),
        (("blocks", "add", "10.1.2.3", *ADD), "which goes before blocks; gatepost access deny 10.1.2.3"),
        (("blocks", "add", "nonsense", *ADD), "'nonsense' is no address"),
        (("blocks", "add", ATTACKER, "--for", "soon", "--reason", "x"), "for: 'soon' is no length of time"),
        (("blocks", "add", ATTACKER, "--for", "1d"), "Missing option '--reason'"),
        (("blocks", "add", ATTACKER, *ADD, "--protocol", "ftp"), "'ftp' is not one of 'smtp'"),
        (("blocks", "prolong", ATTACKER, "--for", "1d"), "subjects: 203.0.113.7 is not held"),
        (("blocks", "prolong", ATTACKER, "--for", "x"), "for: 'x' is no length of time"),
        (("blocks", "prolong", "--for", "1d"), "Missing argument"),
        (("blocks", "permanent", ATTACKER), "subjects: 203.0.113.7 is not held"),
        (("unblock", "203.0.113.300"), "subject: '203.0.113.300' is no address"),
        (("unblock", ATTACKER, "--grace", "x"), "grace: 'x' is no length of time"),
        (("pause", "--for", "0s"), "for: must be 1s or longer"),
    ],
)
def test_bad_input(gatepost: Live, command: tuple[str, ...], words: str) -> None:
    refused(gatepost(*command), words)
    assert gatepost.made.audit() == []
