"""``gatepost report`` against a real guard, whose keeper says what the test counted."""

from gatepost.pipeline.reports import Counted, GapDay, Tally
from tests.admin.test_why import Memory
from tests.cli.command import refused
from tests.cli.live import Live


def row(key: str, decisions: int, watched: int = 0) -> Counted:
    """A group."""
    return Counted(key=key, decisions=decisions, watched=watched, subjects=1)


def test_as_text_json_and_csv(gatepost: Live) -> None:
    memory = gatepost.made.desk.recall = Memory()
    rows = [row("=1+1\x1b[2J", 3000, 1), row("bob@example.org", 100)]
    begins = gatepost.made.now()
    memory.tally = Tally(begins=begins, total=row("", 3108, 1), rows=rows, groups=3, without=1, gaps=[GapDay(day="2027-01-14", missing=17)])
    asked = ("report", "--days", "3", "--by", "account")
    told = gatepost(*asked)
    assert told.code == 0
    for words in ("3,108 decisions, 1 of them watched only", "The history begins ", "17 facts of 2027-01-14", "=1+1\\x1b[2J", "bob@example.org"):
        assert words in told.out
    assert "7 decisions more in rows that are not shown" in told.out
    assert "1 decision without a known account." in told.out
    assert gatepost(*asked, "--json").json["total"]["decisions"] == 3108
    header, first, second, *_ = gatepost(*asked, "--csv").out.splitlines()
    assert (header, second) == ('"account","decisions","watched","subjects"', '"bob@example.org",100,0,1')
    assert first.startswith('"\'=1+1\\x1b[2J"')
    memory.tally = Tally()
    assert "There is no history yet." in gatepost("report").out


def test_what_cannot_be(gatepost: Live) -> None:
    refused(gatepost("report"), "none is kept here")
    refused(gatepost("report", "--by", "hour"), "hour")
    refused(gatepost("report", "--days", "0"), "--days")
    refused(gatepost("report", "--csv", "--json"), "name one of the two")
