"""Countries come from a database that the administrator has; without one nothing is known, and nothing is wrong."""

from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from gatepost.aid.country import NAMES, Countries
from gatepost.core.faults import BadInputError


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A small database of our own."""
    writer = MMDBWriter(6, "Test-Country", languages=["en"], ipv4_compatible=True)
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country": {"iso_code": "NL"}})
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"registered_country": {"iso_code": "de"}})
    writer.insert_network(IPSet(["2001:db8::/32"]), {"country": {"iso_code": "\x1b[31m"}})
    path = tmp_path / NAMES[0]
    writer.to_db_file(str(path))
    return path


def test_what_the_database_knows(database: Path) -> None:
    countries = Countries(str(database))
    subjects = ("203.0.113.7", "203.0.113.0/24", "bob@example.org from 203.0.113.7", "198.51.100.1", "192.0.2.1", "bob@example.org", "")
    assert [countries.of(subject) for subject in subjects] == ["NL", "NL", "NL", "DE", "", "", ""]


def test_what_is_no_code_is_not_shown(database: Path) -> None:
    assert Countries(str(database)).of("2001:db8::1") == ""


def test_the_usual_folders_are_looked_through(database: Path) -> None:
    assert Countries(folders=("/nonexistent", str(database.parent))).of("203.0.113.7") == "NL"
    assert Countries(folders=("/nonexistent",)).of("203.0.113.7") == ""


def test_a_question_is_told_what_nobody_knows_and_that_there_is_no_data(database: Path) -> None:
    countries = Countries(str(database))
    assert [countries.place(client) for client in ("203.0.113.7", "192.0.2.1", "2001:db8::1")] == ["NL", "unknown", "unknown"]
    assert Countries(folders=()).place("203.0.113.7") == ""


FOUR = "# made for a test\n3221225984,3221226239,DE\n3405803776,3405804031,nl\n3405804032,3405804032,??\n3405804033,3405804033,EU\nrubbish\n"
SIX = "2001:db8::,2001:db8:0:ffff:ffff:ffff:ffff:ffff,AT\n2001:db8:1::,2001:db8:1:ffff:ffff:ffff:ffff:ffff,CH\n"


def test_the_text_files_of_tor(tmp_path: Path) -> None:
    (tmp_path / "geoip").write_text(FOUR)
    countries = Countries(folders=(str(tmp_path),))
    clients = ("192.0.2.0", "192.0.2.255", "192.0.3.0", "192.0.1.255", "203.0.113.7", "203.0.114.0", "203.0.114.1", "2001:db8::1")
    assert [countries.place(client) for client in clients] == ["DE", "DE", "unknown", "unknown", "NL", "unknown", "unknown", "unknown"]
    (tmp_path / "geoip6").write_text(SIX)
    countries = Countries(str(tmp_path / "geoip"))
    assert [countries.of(client) for client in ("2001:db8::1", "2001:db8:1::/64", "2001:db8:2::1", "::1")] == ["AT", "CH", "", ""]
    assert countries.of("a host") == ""


@pytest.mark.parametrize("text", ["", "5,9,DE\n1,2,NL\n", "9,5,DE\n", "5,9,DE\n7,12,NL\n", "4294967296,4294967297,DE\n"])
def test_text_that_cannot_be_searched_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "geoip"
    path.write_text(text)
    with pytest.raises(BadInputError, match=r"cannot be read: geoip: (holds no line|line \d: the ranges are not sorted)"):
        Countries(str(path))


def test_data_that_changed_is_taken_up_and_what_is_damaged_is_not(tmp_path: Path) -> None:
    path, countries = tmp_path / "geoip", Countries(folders=(str(tmp_path),))
    assert (countries.there, countries.refresh(), countries.place("192.0.2.1")) == (False, "", "")
    path.write_text(FOUR)
    assert (countries.refresh(), countries.place("192.0.2.1"), countries.database) == ("", "DE", str(path))
    path.with_name("new").write_text(FOUR.replace("DE", "AT"))
    path.with_name("new").replace(path)
    assert (countries.refresh(), countries.place("192.0.2.1")) == ("", "AT")
    path.with_name("new").write_text("")
    path.with_name("new").replace(path)
    assert "holds no line" in countries.refresh()
    assert (countries.place("192.0.2.1"), countries.refresh()) == ("AT", "")
    assert countries.problem == f"country.database: {path} cannot be read: geoip: holds no line first,last,CC; the data of {path} stays in force"
    path.with_name("geoip6").write_text(SIX)
    path.write_text(FOUR)
    assert (countries.refresh(), countries.problem, countries.place("192.0.2.1"), countries.place("2001:db8::1")) == ("", "", "DE", "AT")
    path.with_name("geoip6").write_text(SIX.replace("AT", "FR"))
    assert (countries.refresh(), countries.place("2001:db8::1")) == ("", "FR")
    path.unlink()
    assert countries.refresh() == f"country.database: nothing is in the usual folders any more; the data of {path} stays in force"
    assert (countries.refresh(), countries.place("192.0.2.1")) == ("", "DE")


def test_another_database_is_looked_in_and_what_is_missing_leaves_the_old_in_force(database: Path, tmp_path: Path) -> None:
    countries, text, missing = Countries(str(database)), tmp_path / "geoip", tmp_path / "missing.mmdb"
    text.write_text(FOUR)
    assert "missing.mmdb cannot be read: No such file" in countries.look_in(str(missing))
    assert (countries.place("198.51.100.1"), countries.database) == ("DE", str(database))
    assert (countries.look_in(str(database)), countries.problem) == ("", "")
    assert (countries.look_in(str(text)), countries.place("198.51.100.1"), countries.place("192.0.2.1")) == ("", "unknown", "DE")
    missing.write_bytes(database.read_bytes())
    assert (countries.look_in(str(missing)), countries.place("198.51.100.1"), countries.database) == ("", "DE", str(missing))


def test_a_database_that_is_written_over_while_it_is_in_use(database: Path) -> None:
    """A file that is mapped and gets shorter ends who reads in it, by SIGBUS."""
    countries, good = Countries(str(database)), database.read_bytes()
    database.write_bytes(b"")
    assert (countries.place("203.0.113.7"), countries.place("198.51.100.1")) == ("NL", "DE")
    assert "cannot be read" in countries.refresh()
    database.write_bytes(good[: len(good) // 2])
    countries.refresh()
    assert "cannot be read: Error opening database file" in countries.problem
    assert countries.place("198.51.100.2") == "DE"
    database.write_bytes(good)
    assert (countries.refresh(), countries.problem) == ("", "")


def test_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    bad = tmp_path / NAMES[1]
    bad.write_text("no database")
    for path in (bad, tmp_path / "missing.mmdb"):
        with pytest.raises(BadInputError, match=r"^country\.database: .*\.mmdb cannot be read: "):
            Countries(str(path))
    assert Countries(folders=(str(tmp_path),)).of("203.0.113.7") == ""
