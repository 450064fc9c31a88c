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


def test_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    bad = tmp_path / NAMES[1]
    bad.write_text("no database")
    for path in (bad, tmp_path / "missing.mmdb"):
        with pytest.raises(BadInputError, match=r"country\.database: cannot be read"):
            Countries(str(path))
    assert Countries(folders=(str(tmp_path),)).of("203.0.113.7") == ""
