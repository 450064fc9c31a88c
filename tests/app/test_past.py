"""The composition root: log files, the reader that understands them, and the clock that orders them."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatepost.app.past import PastLogs
from gatepost.config import Accounts, Logs, Settings
from gatepost.core.access import own_entries
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS
from gatepost.wire.toml_files import moment

IN_UTC = Settings(logs=Logs(timezone="UTC"))


def write(path: Path, *lines: str, changed: datetime) -> str:
    """A log that was last changed then."""
    path.write_text("".join(f"{line}\n" for line in lines))
    os.utime(path, (changed.timestamp(),) * 2)
    return str(path)


def connect(stamp: str, address: str = "192.0.2.7") -> str:
    """A line of smtpd."""
    return f"{stamp} mx postfix/smtpd[1]: connect from unknown[{address}]"


def told(logs: PastLogs) -> list[tuple[int, str]]:
    """The numbers of lines and the times of the facts that they yield."""
    return [(number, moment(fact.at)) for number, fact in logs.facts()]


def test_stamps_without_a_year_are_of_the_year_in_which_their_file_was_changed(tmp_path: Path) -> None:
    old = write(tmp_path / "mail.log.1", connect("Dec 31 10:00:00"), changed=datetime(2023, 1, 1, tzinfo=UTC))
    new = write(tmp_path / "mail.log", connect("Jan  1 10:00:00"), changed=datetime(2025, 1, 2, tzinfo=UTC))
    assert told(PastLogs([new, old], IN_UTC)) == [(1, "2022-12-31T10:00:00Z"), (2, "2025-01-01T10:00:00Z")]


def test_a_year_that_is_named_is_that_of_the_first_stamp(tmp_path: Path) -> None:
    log = write(tmp_path / "log", connect("Dec 31 10:00:00"), connect("Jan  1 10:00:00"), changed=datetime(2026, 6, 1, tzinfo=UTC))
    assert told(PastLogs([log], IN_UTC, 2019)) == [(1, "2019-12-31T10:00:00Z"), (2, "2020-01-01T10:00:00Z")]


def test_files_that_overlap_are_of_the_year_of_the_newer_one(tmp_path: Path) -> None:
    """A copy that was cut off before the year turned does not take back what its twin tells of the new one."""
    old = write(tmp_path / "a", connect("Dec 31 10:00:00"), changed=datetime(2025, 12, 31, 11, tzinfo=UTC))
    new = write(tmp_path / "b", connect("Dec 31 10:00:00"), connect("Jan  5 10:00:00"), changed=datetime(2026, 1, 5, 11, tzinfo=UTC))
    for given in ([old, new], [new, old]):
        logs = PastLogs(given, IN_UTC)
        assert told(logs) == [(1, "2025-12-31T10:00:00Z"), (2, "2026-01-05T10:00:00Z")]
        assert logs.order.repeated == 1


def test_the_settings_reach_the_reader(tmp_path: Path) -> None:
    line = "imap-login: Login: user=<{}>, method=PLAIN, rip=192.0.2.7, lip=198.51.100.1, mpid=1, TLS, session=<a>"
    log = write(
        tmp_path / "log", *(f"Nov 24 10:00:00 {line.format(name)}" for name in ("bob", r"CORP\eve")), changed=datetime(2026, 11, 25, tzinfo=UTC)
    )
    accounts = Accounts(default_domain="example.org", domains={"corp": "corp.example"})
    logs = PastLogs([log], Settings(accounts=accounts, logs=Logs(timezone="+05:00", daemon="dovecot")))
    found = [fact for _, fact in logs.facts()]
    assert [getattr(fact, "account", None) for fact in found] == [None, "bob@example.org", None, "eve@corp.example"]
    assert {moment(fact.at) for fact in found} == {"2026-11-24T05:00:00Z"}


def test_what_cannot_be_read_is_told_before_anything_is(tmp_path: Path) -> None:
    log = write(tmp_path / "log", connect("Nov 24 10:00:00"), changed=datetime(2026, 11, 25, tzinfo=UTC))
    with pytest.raises(BadInputError, match="missing: cannot be read"):
        PastLogs([log, str(tmp_path / "missing")], IN_UTC)
    with pytest.raises(BadInputError, match="no time zone"):
        PastLogs([log], Settings(logs=Logs(timezone="Nowhere")))


def test_a_replay_is_fed_with_all_batches_in_order(tmp_path: Path) -> None:
    first = write(tmp_path / "b", *[connect("Nov 23 10:00:00")] * 30, changed=datetime(2026, 11, 25, tzinfo=UTC))
    second = write(tmp_path / "a", *[connect("Nov 23 10:00:01")] * 30, changed=datetime(2026, 11, 25, tzinfo=UTC))
    logs = PastLogs([second, first], IN_UTC)
    made = logs.replay(PRESETS["standard"], own_entries())
    for number, lines in logs.batches():
        made.feed(number, lines)
    (decision,) = made.told.values()
    assert [logs.order.where(number) for number in (decision.evidence[0], decision.evidence[-1])] == [(first, 1), (second, 20)]
