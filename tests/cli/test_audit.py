"""``gatepost audit`` against a real guard."""

from tests.cli.command import refused
from tests.cli.live import Live


def test_nothing_yet(gatepost: Live) -> None:
    assert gatepost("audit", "list") == (0, "Nothing was changed yet.\n", "")


def test_list_and_undo(gatepost: Live) -> None:
    gatepost("rules", "set", "dos", "--threshold", "80")
    gatepost("access", "deny", "203.0.113.0/24")
    header, newest, oldest = gatepost("audit", "list").out.splitlines()
    assert header.split()[:2] == ["line", "when"]
    assert (newest.split()[0], newest.split()[4:6]) == ("2", ["access.deny", "203.0.113.0/24"])
    assert oldest.split()[4:6] == ["rules.set", "dos"]
    assert gatepost("audit", "list", "--limit", "1").out.splitlines()[-1] == "Older ones: gatepost audit list --before 2"
    assert gatepost("audit", "list", "--before", "2", "--json").json["lines"][0]["action"] == "rules.set"
    would = gatepost("audit", "undo", "2", "--dry-run").out
    assert would == "It would do this: off the lists: deny 203.0.113.0/24.\n"
    assert not gatepost.made.lets_in()
    assert gatepost("audit", "undo", "2").out == "Undone: off the lists: deny 203.0.113.0/24.\n"
    assert gatepost.made.lets_in()
    assert "undoes 2" in gatepost("audit", "list").out
    assert gatepost("audit", "undo", "1", "--json").json["number"] == 1
    assert gatepost.made.engine.rules[0].threshold == 50


def test_what_cannot_be_undone(gatepost: Live) -> None:
    gatepost("rules", "set", "dos", "--threshold", "80")
    gatepost("rules", "set", "dos", "--threshold", "90")
    refused(gatepost("audit", "undo", "1"), "line 1 cannot be undone: the rule dos is not as it left it; line 2 changed it since")
    assert gatepost("audit", "undo", "1", "--dry-run").out.startswith("It cannot be undone: the rule dos is not as it left it")
    refused(gatepost("audit", "undo", "77"), "the audit trail has no line 77")
    refused(gatepost("audit", "undo", "x"), "is not a valid number")
