"""Import and export of the lists: whole or not at all, every bad row named, read back as written, nothing that a spreadsheet would run."""

import csv
import io
from typing import Any

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry, list_entries
from gatepost.admin.actions.lists import Imported, export_entries, import_entries
from gatepost.core.access import Entry
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, SECOND, Span
from tests.admin.desks import ADMIN, ATTACKER, Bench, bench, do

HEAD = "list,prefix,protocols,detection,logins,relay,expires,note\n"


def _import(made: Bench, text: str, verb: str = "", **more: Any) -> Imported:
    return do(import_entries(made.desk, ADMIN, text, verb, **more))


def _add(made: Bench, verb: str, prefix: str, **more: object) -> Entry:
    return do(add_entry(made.desk, ADMIN, AddEntry(verb=verb, prefix=prefix, **more)))  # type: ignore[arg-type]


def _listed(made: Bench) -> list[Entry]:
    return [entry for entry in list_entries(made.desk) if not entry.own]


NOTES = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\r\nx",
    "'=1",
    "'",
    "''x",
    "plain",
    'a "quoted", one',
    "two\nlines",
    "\x1b[31m\0",
    "é\u202e",
    "# no comment",
]


class TestExport:
    """Writing, and reading back."""

    def test_what_is_written_is_read_back_the_same(self, made: Bench) -> None:
        for number, note in enumerate(NOTES):
            _add(made, "allow", f"203.0.113.{number}", note=note)
        _add(made, "deny", "2001:db8::/32", protocols=("imap", "pop3"), expires=Span(90 * DAY))
        _add(made, "deny", "233.252.0.1-233.252.0.9")
        _add(made, "allow", "233.252.0.77", logins=True, protocols=("smtp",))
        _add(made, "deny", "233.252.0.77", protocols=("imap",))
        _add(made, "allow", "8.8.8.8", detection=False, relay=True)
        made.names["office.example.org"] = ("203.0.113.200",)
        _add(made, "allow", "office.example.org", note="by name")
        text = export_entries(made.desk)
        with bench(names=made.names) as other:
            found = _import(other, text, confirm_relay=True)
            assert (found.bad, found.applied) == ([], True)
            assert sorted(map(str, _listed(other))) == sorted(map(str, _listed(made)))
            assert {entry.prefix: entry for entry in _listed(other)} == {entry.prefix: entry for entry in _listed(made)}
        assert _import(made, text, confirm_relay=True).duplicates == len(_listed(made)) - 1

    def test_no_cell_is_a_formula(self, made: Bench) -> None:
        for number, note in enumerate(NOTES):
            _add(made, "allow", f"203.0.113.{number}", note=note)
        for row in csv.reader(io.StringIO(export_entries(made.desk), newline="")):
            assert not row[-1].startswith(("=", "+", "-", "@", "\t", "\r"))


class TestImport:
    """Reading."""

    @pytest.mark.parametrize(
        "text",
        [
            "203.0.113.7\n203.0.114.0/24\n",
            "# a list\n\n203.0.113.7   # why\n203.0.114.0/24 ; SBL1\n",
            "203.0.113.7\r\n203.0.114.0/24\r\n",
            "\ufeff203.0.113.7\n203.0.114.0/24",
            "\ufefflist,prefix\r\ndeny,203.0.113.7\r\n,203.0.114.0/24\r\n",
            "Prefix;Note\n203.0.113.7;x\n203.0.114.0/24;y\n",
            "prefix,note\n# a comment,\n\n203.0.113.7,x\n203.0.114.0/24\n",
        ],
    )
    def test_forms(self, made: Bench, text: str) -> None:
        found = _import(made, text, "deny")
        assert (found.added, found.bad, found.applied) == (2, [], True)
        assert not made.lets_in()
        assert not made.lets_in("203.0.114.9")
        assert (made.audit()[0].action, made.audit()[0].subject, made.mirror.lists) == ("access.import", "2 entries", 1)

    def test_all_bad_rows_are_named_and_none_is_applied(self, made: Bench) -> None:
        _add(made, "allow", "233.252.0.1")
        rows = [
            ("deny,203.0.113.7,,,,,,good", ""),
            ("deny,nonsense,,,,,,", "'nonsense' is no address"),
            ("deny,203.0.113.7/24,,,,,,", "bits set behind its prefix"),
            ("dney,203.0.113.8,,,,,,", "list: 'dney' is neither allow nor deny"),
            (",203.0.113.8,,,,,,", "list: is empty"),
            ("deny,203.0.113.8,ftp,,,,,", "protocols: 'ftp' is none"),
            ("allow,203.0.113.8,,maybe,,,,", "detection: 'maybe' is neither yes nor no"),
            ("allow,203.0.113.8,,,,yes,,", "relay: an import gives the relay box only where you confirm it"),
            ("deny,203.0.113.8,,,,,2001-01-01T00:00:00Z,", "expires: 2001-01-01T00:00:00Z has passed already"),
            ("deny,203.0.113.8,,,,,soon,", "expires: 'soon' is no time"),
            ("deny,203.0.113.8,,,,,2099-01-01T00:00:00,", "expires: name its offset"),
            (f"deny,203.0.113.8,,,,,,{'x' * 501}", "note: "),
            ("deny,203.0.113.8,,,,,,a,b", "row: has 9 cells"),
            ("deny,192.0.2.0/24,,,,,,", "would shut out yourself"),
            ("deny,0.0.0.0/0,,,,,,", "would shut out"),
            ("allow,203.0.113.7,,,,,,", "stands in line 2 too, with other words"),
            ("deny,233.252.0.1,,,,,,", "stands on the allow list (allow 233.252.0.1); remove it there first"),
            ("deny,,,,,,,", "is no address"),
            ("allow,nowhere.example.org,,,,,,", "nowhere.example.org is no address and does not resolve"),
        ]
        text = HEAD + "\n".join(row for row, _ in rows) + "\n"
        before = list_entries(made.desk)
        found = _import(made, text)
        assert (found.applied, list_entries(made.desk)) == (False, before)
        assert len(found.bad) == len(rows) - 1, found.bad
        for number, (said, (_, words)) in enumerate(zip(found.bad, rows[1:], strict=True), 3):
            assert said.startswith(f"line {number}: ")
            assert words in said
        assert _import(made, text, skip_bad=True).applied
        assert [entry.prefix for entry in _listed(made)] == ["233.252.0.1", "203.0.113.7"]

    def test_a_range_that_overlaps_an_entry_is_bad(self, made: Bench) -> None:
        _add(made, "allow", "233.252.0.1")
        assert "overlaps the entry allow 233.252.0.1" in _import(made, "233.252.0.1-233.252.0.2", "allow").bad[0]

    def test_a_cell_of_several_lines_is_counted_by_its_first(self, made: Bench) -> None:
        found = _import(made, HEAD + 'deny,203.0.113.7,,,,,,"two\nlines"\ndeny,bad,,,,,,\n')
        assert found.bad[0].startswith("line 4: ")

    def test_the_same_row_twice_is_a_duplicate_and_harmless(self, made: Bench) -> None:
        found = _import(made, "203.0.113.7\n[203.0.113.7]\n203.0.113.7/32\n", "deny")
        assert (found.added, found.duplicates, found.bad) == (1, 2, [])
        assert _import(made, "203.0.113.7\n", "deny").duplicates == 1
        assert len(made.audit()) == 1

    def test_a_row_takes_the_place_of_the_entry_on_the_same_list(self, made: Bench) -> None:
        _add(made, "deny", ATTACKER, note="old")
        found = _import(made, HEAD + f"deny,{ATTACKER},,,,,,new\n")
        assert (found.added, found.replaced) == (0, 1)
        assert [entry.note for entry in _listed(made)] == ["new"]
        assert made.before_after()[0] == [{"verb": "deny", "prefix": ATTACKER, "note": "old"}]

    def test_an_own_network_stays_own(self, made: Bench) -> None:
        assert _import(made, HEAD + "allow,10.0.0.0/8,,,yes,,,\n").replaced == 1
        assert [entry.logins for entry in list_entries(made.desk) if entry.own and entry.prefix == "10.0.0.0/8"] == [True]

    def test_a_dry_run_changes_nothing(self, made: Bench) -> None:
        found = _import(made, ATTACKER, "deny", dry_run=True)
        assert (found.added, found.applied, made.audit()) == (1, False, [])
        assert made.lets_in()

    @pytest.mark.parametrize(
        ("text", "verb", "words"),
        [
            ("203.0.113.7\n", "", "list: say whether these are allowed or denied"),
            ("203.0.113.7\n", "both", "list: 'both' is neither"),
            ("list,prefx\n", "", "columns: 'prefx' is none; did you mean prefix?"),
            ("list,prefix,color\n", "", "columns: 'color' is none; they may be"),
            ("prefix,prefix\n", "deny", "columns: prefix must be there, and each once"),
        ],
    )
    def test_no_list_at_all(self, made: Bench, text: str, verb: str, words: str) -> None:
        with pytest.raises(BadInputError, match=f"^{words}".replace("?", r"\?")):
            _import(made, text, verb)

    def test_an_empty_text_adds_nothing(self, made: Bench) -> None:
        assert _import(made, "") == Imported(added=0, replaced=0, duplicates=0, bad=[], applied=True)
        assert made.audit() == []

    def test_a_hundred_thousand_rows(self, made: Bench) -> None:
        rows = [f"{20 + number // 65536}.{number // 256 % 256}.{number % 256}.7" for number in range(100_000)]
        assert _import(made, "\n".join(rows), "deny").added == 100_000
        assert not made.lets_in(rows[77_777])
        assert _import(made, "\n".join([*rows, "nonsense"]), "deny", skip_bad=True).duplicates == 100_000
        made.at += SECOND
        assert _add(made, "deny", ATTACKER).prefix == ATTACKER
