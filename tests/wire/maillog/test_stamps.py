"""Stamps: years, zones, and the hour that comes twice."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from gatepost.wire.maillog.stamps import NoStampError, Stamps

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def read(latest: str, *texts: str, zone: object = UTC, year: int | None = None) -> list[int]:
    stamps = Stamps(zone, year, at(latest))  # type: ignore[arg-type]
    return [stamps.read(text) for text in texts]


def test_the_latest_year_that_does_not_pass_the_end_by_a_day() -> None:
    end = "2026-11-24T12:00:00+00:00"
    assert read(end, "Nov 24 11:59:59") == [at("2026-11-24T11:59:59+00:00")]
    assert read(end, "Nov 26 11:59:59") == [at("2025-11-26T11:59:59+00:00")]
    assert read(end, "Feb 29 00:00:00") == [at("2024-02-29T00:00:00+00:00")]


def test_a_stamp_may_pass_the_end_by_a_day_and_no_more() -> None:
    end = "2026-11-24T12:00:00+00:00"
    assert read(end, "Nov 25 11:00:00", "2030-01-01T00:00:00Z") == [at("2026-11-25T11:00:00+00:00"), at("2026-11-25T12:00:00+00:00")]


def test_turn_of_the_year() -> None:
    assert read("2026-01-01T00:10:00+00:00", "Dec 31 23:59:59", "Jan  1 00:00:00") == [
        at("2025-12-31T23:59:59+00:00"),
        at("2026-01-01T00:00:00+00:00"),
    ]
    turn = ("Dec 31 23:59:59", "Jan  1 00:00:00", "Dec 31 23:59:59", "Jan  1 00:00:01")
    assert read("2030-01-01T00:00:00+00:00", *turn, year=2024) == [
        at("2024-12-31T23:59:59+00:00"),
        at("2025-01-01T00:00:00+00:00"),
        at("2024-12-31T23:59:59+00:00"),
        at("2025-01-01T00:00:01+00:00"),
    ]


def test_the_hour_that_comes_twice_is_told_by_the_order() -> None:
    found = read(
        "2026-11-24T00:00:00+00:00", "Oct 25 02:10:00", "Oct 25 02:59:59", "Oct 25 02:03:01", "Oct 25 02:59:59", "Oct 25 03:00:01", zone=BERLIN
    )
    assert found == [
        at("2026-10-25T00:10:00+00:00"),
        at("2026-10-25T00:59:59+00:00"),
        at("2026-10-25T01:03:01+00:00"),
        at("2026-10-25T01:59:59+00:00"),
        at("2026-10-25T02:00:01+00:00"),
    ]
    assert read("2026-11-24T00:00:00+00:00", "2026-10-25 02:30:00", "2026-10-25 02:59:59", "2026-10-25 02:00:00", zone=BERLIN)[2] == at(
        "2026-10-25T01:00:00+00:00"
    )


def test_lines_a_little_out_of_order_stay_in_the_first_hour() -> None:
    assert read("2026-11-24T00:00:00+00:00", "Oct 25 02:30:01", "Oct 25 02:29:59", zone=BERLIN)[1] == at("2026-10-25T00:29:59+00:00")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-24T12:00:00.123456+01:00", "2026-11-24T11:00:00.123456+00:00"),
        ("2026-11-24T12:00:00.123456789Z", "2026-11-24T12:00:00.123456+00:00"),
        ("2026-11-24T12:00:00.5-0330", "2026-11-24T15:30:00.5+00:00"),
        ("2026-11-24 12:00:00 +0200", "2026-11-24T10:00:00+00:00"),
        ("2026-11-24 12:00:00", "2026-11-24T12:00:00+00:00"),
        ("Nov 24 12:00:00.25", "2026-11-24T12:00:00.25+00:00"),
        ("Nov 24 12:00:60", "2026-11-24T12:01:00+00:00"),
    ],
)
def test_forms(text: str, meant: str) -> None:
    stamps = Stamps(UTC, None, at("2026-11-25T00:00:00+00:00"))
    assert stamps.read(text) == at(meant)
    assert stamps.read(text) == at(meant), "the second time through the memo"


def test_fractions_and_zones_are_not_mixed_up_by_the_memo() -> None:
    assert read("2026-11-25T00:00:00+00:00", "2026-11-24T12:00:00.100000Z", "2026-11-24T12:00:05Z", "2026-11-24T12:00:00.300000Z")[2] == at(
        "2026-11-24T12:00:00.3+00:00"
    )
    texts = (
        "2026-11-24T12:00:00.100000+01:00",
        "2026-11-24T12:00:00.200000+01:00",
        "2026-11-24T12:00:00.200000+02:00",
        "2026-11-24T12:00:00.2+02:00",
    )
    assert read("2026-11-25T00:00:00+00:00", *texts) == [
        at("2026-11-24T11:00:00.1+00:00"),
        at("2026-11-24T11:00:00.2+00:00"),
        at("2026-11-24T10:00:00.2+00:00"),
        at("2026-11-24T10:00:00.2+00:00"),
    ]


def test_moving_the_end_moves_the_year() -> None:
    stamps = Stamps(timezone(timedelta(0)), None, at("2026-06-01T00:00:00+00:00"))
    assert stamps.read("Nov 24 12:00:00") == at("2025-11-24T12:00:00+00:00")
    stamps.latest = at("2026-11-24T12:00:00+00:00")
    assert stamps.read("Nov 24 12:00:00") == at("2026-11-24T12:00:00+00:00")


@pytest.mark.parametrize(
    "text", ["", "Nov", "Foo 24 12:00:00", "Nov 31 12:00:00", "Nov 24 25:00:00", "Nov 24 12:00:xx", "2026-11-24", "2026-02-30T00:00:00Z", "٢٠٢٦"]
)
def test_what_is_no_stamp(text: str) -> None:
    with pytest.raises(NoStampError):
        read("2026-11-24T00:00:00+00:00", text)
