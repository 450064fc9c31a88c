"""``gatepost access`` against a real guard."""

from pathlib import Path

import pytest

from tests.admin.desks import ATTACKER
from tests.cli.command import refused
from tests.cli.live import Live


def test_allow_list_remove(gatepost: Live) -> None:
    ran = gatepost("access", "allow", "8.8.8.0/24", "--protocol", "smtp", "--relay", "--note", "branch office", "--expires", "90d")
    assert ran == (0, "allowed: 8.8.8.0/24\n", "")
    row = next(row for row in gatepost("access", "list").out.splitlines() if "8.8.8.0/24" in row)
    assert row.split() == ["allow", "8.8.8.0/24", "smtp", "detection", "relay", "89d", "23h", "branch", "office"]
    assert gatepost("access", "list", "--json").json == gatepost.api.ask("GET", "/api/v1/access").json["entries"]
    assert gatepost("access", "remove", "8.8.8.0/24") == (0, "removed: 1 entry for 8.8.8.0/24\n", "")
    assert "8.8.8.0/24" not in gatepost("access", "list").out


def test_deny_and_check(gatepost: Live) -> None:
    gatepost("access", "allow", "203.0.113.0/24")
    assert gatepost("access", "deny", ATTACKER, "--json").json == {"verb": "deny", "prefix": ATTACKER}
    assert gatepost("access", "check", ATTACKER).out == f"{ATTACKER}, connect on everything: refuse (the entry deny {ATTACKER})\n"
    assert gatepost("access", "check", "203.0.113.8").out == "203.0.113.8, connect on everything: allow (the entry allow 203.0.113.0/24)\n"
    assert gatepost("access", "check", "8.8.8.8").out == "8.8.8.8, connect on everything: allow (no entry and no block is about it)\n"


def test_check_tells_protocols_apart(gatepost: Live) -> None:
    gatepost.made.connect()
    assert gatepost("access", "check", ATTACKER).out.splitlines() == [
        f"{ATTACKER}, connect on smtp: refuse (held by dos: 50 in 5m)",
        f"{ATTACKER}, connect on imap, pop3, sieve, http: allow (no entry and no block is about it)",
    ]
    assert len(gatepost("access", "check", ATTACKER, "--protocol", "smtp", "--json").json["answers"]) == 1


def test_a_host_name_is_shown_with_what_it_stands_for(gatepost: Live) -> None:
    assert gatepost("access", "allow", "office.example.org").out == "allowed: office.example.org\n"
    assert "office.example.org = 203.0.113.77" in gatepost("access", "list").out
    assert "for office.example.org" in gatepost("access", "check", "203.0.113.77").out
    assert gatepost("access", "remove", "office.example.org").out == "removed: 2 entries for office.example.org\n"


def test_import_and_export(gatepost: Live) -> None:
    Path(gatepost.folder / "list.csv").write_bytes(b"\xef\xbb\xbflist,prefix,note\r\ndeny,203.0.113.7,=cmd()\r\nallow,203.0.113.8,\r\n")
    assert gatepost("access", "import", "list.csv", "--dry-run").out == "would import 2 new, 0 replaced\n"
    assert gatepost("access", "import", "list.csv") == (0, "imported 2 new, 0 replaced\n", "")
    out = gatepost("access", "export").out
    assert "deny,203.0.113.7,,yes,no,no,,'=cmd()" in out
    assert gatepost("access", "import", "-", stdin=out.encode()).out == "imported 0 new, 0 replaced, 2 duplicates\n"
    assert gatepost("access", "import", "-", "--deny", stdin=b"203.0.113.9\n").out == "imported 1 new, 0 replaced\n"


def test_bad_rows_are_all_named_and_nothing_is_applied(gatepost: Live) -> None:
    Path(gatepost.folder / "list.txt").write_text("203.0.113.7\nx\x1b[31m\n10.0.0.0/8\n")
    ran = gatepost("access", "import", "list.txt", "--deny")
    assert (ran.code, ran.out) == (2, "nothing imported; good rows: 1 new, 0 replaced, 2 bad rows; mend them, or --skip-bad\n")
    first, second = ran.err.splitlines()
    assert first.startswith("list.txt: line 2: prefix: 'x\\")
    assert second.startswith("list.txt: line 3: prefix: 10.0.0.0/8 would shut out this host's own network")
    assert gatepost.made.lets_in()
    ran = gatepost("access", "import", "list.txt", "--deny", "--skip-bad")
    assert (ran.code, ran.out) == (0, "imported 1 new, 0 replaced, 2 bad rows\n")
    assert not gatepost.made.lets_in()
    assert len(gatepost("access", "import", "list.txt", "--deny", "--json").json["bad"]) == 2


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("access", "deny", "0.0.0.0/0"), "prefix: 0.0.0.0/0 would shut out"),
        (("access", "deny", "10.0.0.0/8", "--replace"), "this host's own network"),
        (("access", "allow", "10.0.0.7", "--relay"), "(--confirm-relay)"),
        (("access", "allow", "203.0.112.0/23", "--relay"), "wider than a /24"),
        (("access", "allow", ATTACKER, "--expires", "0s"), "expires: must be 1s or longer"),
        (("access", "allow", ATTACKER, "--no-detection"), "an allow entry with every box off"),
        (("access", "allow", "nowhere.example.org"), "does not resolve"),
        (("access", "deny", "office.example.org"), "a host name can be trusted for detection or log-ins only"),
        (("access", "remove", ATTACKER), "there is no entry for 203.0.113.7"),
        (("access", "remove", "::1"), "this host's own networks"),
        (("access", "check", "nonsense"), "client: 'nonsense' is no address"),
        (("access", "import", "/nonexistent"), "/nonexistent: cannot be read"),
        (("access", "import", "gatepost.toml"), "list: say whether"),
    ],
)
def test_bad_input(gatepost: Live, command: tuple[str, ...], words: str) -> None:
    refused(gatepost(*command), words)
    assert gatepost.made.audit() == []


def test_a_contradiction(gatepost: Live) -> None:
    gatepost("access", "allow", ATTACKER)
    refused(gatepost("access", "deny", ATTACKER), "stands on both lists", "remove one of them, or name other protocols")


def test_standard_input_that_is_no_text(gatepost: Live) -> None:
    refused(gatepost("access", "import", "-", "--deny", stdin=b"\xff\n"), "body: is no UTF-8 text")
