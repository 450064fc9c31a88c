"""What journalctl says, and how it ends, in the hands of the inlet: bounded, told, and each entry once. A real journald is in tests/e2e."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gatepost.inlets import journal
from gatepost.inlets.journal import JournalInlet, JournalSettings
from gatepost.inlets.journal_entry import Cursor, Place, decode, encode, place, read
from tests.inlets.following import Desk, now, until
from tests.inlets.listening import message, running

NOON = 1_795_521_600_000_000
FAKE = """\
#!/bin/sh
# Entries stand in `entries`; what is to be said and done instead, in `instead`.
cd "{folder}"
echo "$@" >> asked
[ -e instead ] && . ./instead
case "$*" in
*--lines=1*) tail -n 1 entries;;
*--follow*) echo $$ > pid; exec tail -n +1 -f entries;;
*) cat entries;;
esac
"""


def cursor(number: int, sequence: str = "aa", at: int = NOON) -> str:
    """A cursor of journald's."""
    return f"s={sequence};i={number:x};b=bb;m={number:x};t={at + number:x};x=0"


def entry(number: int, sequence: str = "aa", at: int = NOON, **fields: object) -> str:
    """An entry that tells one fact, and its number in it."""
    given = {
        "__CURSOR": cursor(number, sequence, at),
        "__REALTIME_TIMESTAMP": str(at + number),
        "_HOSTNAME": "mx",
        "SYSLOG_IDENTIFIER": "postfix/smtpd",
        "SYSLOG_PID": "10",
        "MESSAGE": message(number),
    }
    return json.dumps(given | fields) + "\n"


class Fake:
    """A journalctl that says what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries = folder / "entries"
        self.entries.touch()
        program = folder / "journalctl"
        program.write_text(FAKE.format(folder=folder))
        program.chmod(0o755)

    def write(self, text: str) -> None:
        """Writes entries behind those that are there."""
        with self.entries.open("a") as file:
            file.write(text)

    def instead(self, script: str) -> None:
        """What it does from now on, before anything else; nothing where the script is empty."""
        (self.folder / "instead.new").write_text(script)
        (self.folder / "instead.new").rename(self.folder / "instead")

    def asked(self) -> str:
        """The arguments of all its runs."""
        return (self.folder / "asked").read_text()

    def inlet(self, desk: Desk, **settings: object) -> JournalInlet:
        """An inlet that goes on from what was reported to a desk."""
        given = JournalSettings(**settings)  # type: ignore[arg-type]
        return JournalInlet(given, desk.report, now, dict(desk.cursors), folders=f"{self.folder}:/usr/bin:/bin")


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """A journal with one mail line that was there before us."""
    made = Fake(tmp_path)
    made.write(entry(1))
    return made


def catch_up(inlet: JournalInlet) -> JournalInlet:
    """Has it read what is there."""
    asyncio.run(inlet.catch_up())
    return inlet


def test_begins_at_the_newest_entry_and_asks_for_mail_alone(fake: Fake) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk, identifiers=("my-mta",), directory="/var/log/elsewhere"))
    fake.write(entry(2))
    catch_up(fake.inlet(desk))
    assert desk.numbers == [2]
    assert "SYSLOG_FACILITY=2 + SYSLOG_IDENTIFIER=dovecot" in fake.asked()
    assert "--directory=/var/log/elsewhere" in fake.asked()
    assert "+ SYSLOG_IDENTIFIER=my-mta +" in fake.asked()


def test_an_empty_journal_begins_at_now(fake: Fake) -> None:
    fake.entries.write_text("")
    desk = Desk()
    catch_up(fake.inlet(desk))
    fake.write(entry(2))
    state = catch_up(fake.inlet(desk)).state()
    assert desk.numbers == [2]
    assert (state.gaps, state.problem) == (0, "")
    assert "--since=@" in fake.asked()


def test_the_facts_bear_the_cursor_of_their_line(fake: Fake) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk))
    fake.write(entry(2) + entry(3))
    catch_up(fake.inlet(desk))
    saved = decode(desk.cursors["journal"], Cursor)
    assert saved is not None
    assert saved.entry == cursor(3)


def test_after_a_restart_the_memory_is_read_up_to_the_cursor(fake: Fake) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk))
    memory = desk.cursors["journal#memory"]
    says = "A1: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=bob@example.org"
    fake.write(entry(2, MESSAGE=says) + entry(3))
    catch_up(fake.inlet(desk))
    # As if we had been killed before the memory was saved.
    desk.cursors["journal#memory"] = memory
    before = len(desk.facts)
    fake.write(entry(4, SYSLOG_IDENTIFIER="postfix/qmgr", MESSAGE="A1: from=<bob@example.org>, size=100, nrcpt=1 (queue active)"))
    catch_up(fake.inlet(desk))
    assert [(type(fact).__name__, fact.client) for fact in desk.facts[before:]] == [("MessageAccepted", "192.0.2.7")]


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_entries_that_are_gone(fake: Fake, gone: int) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk))
    memory = desk.cursors["journal#memory"]
    fake.write(entry(2))
    catch_up(fake.inlet(desk))
    desk.cursors["journal#memory"] = memory
    fake.entries.write_text("".join(entry(number) for number in range(1 + gone, 6)))
    state = catch_up(fake.inlet(desk)).state()
    assert desk.numbers == list(range(2, 6)) if gone < 3 else [2, 4, 5]
    # Where only what the memory began at is gone, nothing is lost.
    assert state.gaps == (1 if gone > 1 else 0)
    assert ("deleted" in state.problem) == (gone > 1)


def test_another_journald_is_told_by_time(fake: Fake) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk))
    fake.entries.write_text(entry(7, "cc", NOON - 1_000) + entry(8, "cc", NOON + 1_000))
    assert catch_up(fake.inlet(desk)).state().gaps == 1
    assert desk.numbers == [8]


def test_a_clock_that_was_set_back_changes_nothing(fake: Fake) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk))
    fake.write(entry(2, at=NOON - 3_600_000_000) + entry(3, at=NOON - 3_600_000_000))
    catch_up(fake.inlet(desk))
    catch_up(fake.inlet(desk))
    assert desk.numbers == [2, 3]


def test_no_fact_is_later_than_now(fake: Fake) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk))
    fake.write(entry(2, at=now() + 3_600_000_000))
    catch_up(fake.inlet(desk))
    assert desk.numbers == [2]
    assert desk.facts[0].at <= now()


def test_odd_entries_are_harmless(fake: Fake) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk))
    fake.write("-- No entries --\n{\n[]\nnull\n" + "x" * 100_000 + "\n" + "[" * 10_000 + "\n")
    fake.write(entry(2, MESSAGE=None) + entry(3, MESSAGE=list(message(3).encode())) + entry(4, MESSAGE=[1, 999]) + entry(5, MESSAGE=["a", "b"]))
    fake.write(entry(6, MESSAGE_ID=["a", "b"], SYSLOG_IDENTIFIER=[1]) + entry(7, MESSAGE="z" * 20_000) + entry(8, MESSAGE=[255, 254]))
    fake.write(entry(9))
    state = catch_up(fake.inlet(desk)).state()
    assert desk.numbers == [3, 9]
    assert state.coverage.cut == 2
    saved = decode(desk.cursors["journal"], Cursor)
    assert saved is not None
    assert saved.entry == cursor(9)


def test_what_journald_dropped_is_told_for_an_hour(fake: Fake) -> None:
    desk = Desk()
    catch_up(fake.inlet(desk))
    dropped: dict[str, Any] = {
        "MESSAGE_ID": "a596d6fe7bfa4994828e72309e95d61e",
        "_TRANSPORT": "driver",
        "N_DROPPED": "17",
        "OBJECT_SYSTEMD_UNIT": "postfix@-.service\x1b",
    }
    fake.write(entry(2, **dropped) + entry(3, **{**dropped, "_TRANSPORT": "journal"}) + entry(4, **{**dropped, "N_DROPPED": "x"}))
    inlet = catch_up(fake.inlet(desk))
    state = inlet.state()
    assert state.suppressed == 18
    assert "postfix@-.service?" in state.problem
    inlet._now = lambda: now() + 3_600_000_000
    assert inlet.state().problem == ""
    assert inlet.state().suppressed == 18
    assert catch_up(fake.inlet(desk)).state().suppressed == 0


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('echo "No journal files were opened due to insufficient permissions." >&2; exit 1', "systemd-journal"),
        ('echo "Hint: You are currently not seeing messages from other users and the system." >&2', "systemd-journal"),
        ('printf "odd \\033[31m\\nlast words\\n" >&2; exit 3', "ended with 3 (last words)"),
        ("exit 1", "it said nothing"),
        ("kill -9 $$", "ended with -9"),
        ("head -c 5000000 /dev/zero >&2; exit 1", "ended with 1"),
        ("head -c 5000000 /dev/zero; exit 1", "ended with 1"),
    ],
)
def test_what_goes_wrong_is_told(fake: Fake, script: str, said: str) -> None:
    fake.instead(script)
    desk = Desk()
    state = catch_up(fake.inlet(desk)).state()
    assert said in state.problem
    assert len(state.problem) < 1_000
    fake.instead("")
    assert catch_up(fake.inlet(desk)).state().problem == ""


def test_no_journalctl_is_told(tmp_path: Path) -> None:
    inlet = JournalInlet(JournalSettings(), Desk().report, now, {}, folders=str(tmp_path))
    assert "journalctl" in catch_up(inlet).state().problem


def test_journalctl_that_ends_is_started_again(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FIRST_PAUSE", 0.01)
    desk = Desk()
    inlet = fake.inlet(desk)

    async def doing() -> None:
        await until(lambda: inlet.state().reading)
        for number in range(2, 6):
            fake.write(entry(number))
            await until(lambda number=number: desk.numbers[-1:] == [number])  # type: ignore[misc]
            await until(lambda: (fake.folder / "pid").exists() and bool((fake.folder / "pid").read_text()))
            fake.instead("exit 1")
            pid = int((fake.folder / "pid").read_text())
            (fake.folder / "pid").unlink()
            os.kill(pid, signal.SIGTERM)
            await until(lambda: "trying again" in inlet.state().problem)
            fake.instead("")

    running(inlet, doing)
    assert desk.numbers == [2, 3, 4, 5]
    assert inlet.state().starts > 5


@pytest.mark.parametrize("text", ["", "nonsense", "s=;i=1;b=1;m=1;t=1;x=1", "s=aa;i=zz;b=1;m=1;t=1;x=1", cursor(1) + "\n", cursor(1) + ";--help"])
def test_what_is_no_cursor(text: str) -> None:
    assert place(text) is None
    assert decode(encode(Cursor(1, text, 0)), Cursor) == (Cursor(1, "", 0) if not text else None)


def test_places() -> None:
    assert place(cursor(16)) == Place("aa", 16, NOON + 16)
    assert Place("a", 1, 9).is_before(Place("a", 2, 1))
    assert Place("a", 9, 1).is_before(Place("b", 1, 2))
    assert not Place("a", 1, 1).is_before(Place("a", 1, 1))


@pytest.mark.parametrize("saved", [None, b"", b"nonsense", encode(Cursor(2, "", 0))])
def test_a_cursor_that_cannot_be_read_is_none(saved: bytes | None) -> None:
    assert decode(saved, Cursor) is None


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", '{"__CURSOR": 1}', "[" * 100_000])
def test_what_is_no_entry(line: str) -> None:
    assert read(line) is None
