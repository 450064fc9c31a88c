"""The keeper follows the journal: each entry once, gaps counted, secrets kept out, whoever is killed when."""

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gatepost.core.deeds import Lift
from gatepost.core.engine import Engine
from gatepost.core.rules import Rule
from gatepost.core.snapshot import dump
from gatepost.core.spans import SECOND, Span
from gatepost.core.subjects import Client, Subject
from gatepost.keeper import history as history_module
from gatepost.keeper.files import pieces
from gatepost.keeper.follow import Follower
from gatepost.keeper.frames import frame
from gatepost.keeper.snapshots import main as make_snapshot
from gatepost.pipeline.previews import AskPreview
from gatepost.pipeline.recall import Answer, AskForget, AskWhy, Counts, Past
from gatepost.stores.contract import Audit
from tests.keeper.following import ATTACKER, DAY, START, Writer, connected, failed, succeeded


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A store that is written to."""
    return Writer(tmp_path)


def why(follower: Follower, **asked: object) -> Past:
    """What the history says."""
    answer = follower.answer(AskWhy(number=1, **asked))  # type: ignore[arg-type]
    assert (answer.number, answer.problem) == (1, "")
    assert answer.past is not None
    return answer.past


def flood(many: int = 50, client: Client = ATTACKER, at: int = START) -> list[object]:
    """So many connections, a second apart."""
    return [connected(at + number * SECOND, client) for number in range(many)]


def until(what: Callable[[], object]) -> None:
    """Waits for something to become true."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_decision_is_told_with_the_lines_that_made_it_and_who_lifted_it(writer: Writer) -> None:
    writer.write(flood(), [f"line {number}" for number in range(50)])  # type: ignore[arg-type]
    at = START + 60 * SECOND
    writer.write([Lift(at, Subject("client", ATTACKER))], audit=[Audit(at=at, who="anna", action="unblock", reason="a customer")])
    past = why(writer.follower(), client=ATTACKER, prefixes=(ATTACKER, "203.0.113.0/24"))
    (told,) = past.told
    assert (told.decision.detail["rule"], told.decision.detail["count"]) == ("dos", 50)
    assert [event.line for event in told.evidence] == ["line 0", "line 1", "line 2", "line 47", "line 48", "line 49"]
    assert told.ended is not None
    assert (told.ended.kind, told.ended.detail["why"]) == ("released", "lifted")
    assert [(event.kind, event.detail["who"], event.detail["reason"]) for event in past.deeds] == [("lift", "anna", "a customer")]
    assert [(group.kind, group.count) for group in past.groups] == [("connected", 50)]
    assert past.newest[0].line == "line 49"


def test_names_that_are_no_accounts_are_masked_in_the_lines_too(writer: Writer) -> None:
    facts = [
        succeeded(START, "known@example.org"),
        failed(START + 1, "known@example.org"),
        failed(START + 2, "wrong@example.org", "password"),
        failed(START + 3, "wrong@example.org", "password"),
        failed(START + 4, "Tr0ub4dor&3".lower()),
        failed(START + 5, "s3cret@example.org", "unknown_user"),
    ]
    lines = ["", "user=<known>", "vague: user=<wrong@example.org>", "wrong: Password mismatch", "user=<Tr0ub4dor&3>", "no such thing"]
    writer.write(facts, lines)
    follower = writer.follower()
    follower.catch_up()
    rows = writer.rows("account, line, detail")
    text = "\n".join(map(str, rows))
    assert "tr0ub4dor" not in text.lower()
    assert "s3cret" not in text
    assert "5ec7e7" not in text
    assert [line for _, line, _ in rows] == [
        "",
        "user=<known>",
        "vague: user=<wrong@example.org>",
        "wrong: Password mismatch",
        "user=<*>",
        "(the line is withheld: it names an account that does not exist)",
    ]
    assert [account.startswith("masked:") for account, *_ in rows] == [False, False, False, False, True, True]
    assert why(follower, account="s3cret@example.org").groups[0].count == 1  # who knows the name finds it
    assert sum(group.count for group in why(follower, account="wrong@example.org").groups) == 2


def test_a_line_that_tells_several_facts_is_masked_for_all_of_them(writer: Writer) -> None:
    # Rows of the journal end within a line, too.
    facts = [each for number in range(2000) for each in (connected(START + number), failed(START + number, f"hunter{number}"))]
    lines = [line for number in range(2000) for line in [f"{number}: user=<hunter{number}>"] * 2]
    writer.write(facts[1:], lines[1:])
    writer.follower().catch_up()
    assert writer.rows("line", "contains(line, 'hunter')") == []
    assert len(writer.rows("line", "contains(line, 'user=<*>')")) == 3999


def test_without_masks_names_stay(writer: Writer) -> None:
    writer.write([failed(START, "bob")], ["user=<bob>"])
    writer.follower(mask=False).catch_up()
    assert writer.rows("account, line") == [("bob", "user=<bob>")]


def test_a_keeper_that_starts_again_doubles_nothing(writer: Writer) -> None:
    writer.write(flood())  # type: ignore[arg-type]
    writer.follower().catch_up()
    before = writer.rows()
    assert len(before) == 51
    writer.follower().catch_up()
    assert writer.rows() == before
    writer.write([connected(START + 400 * SECOND)])
    writer.follower().catch_up()
    rows = writer.rows("place, kind")
    assert [kind for place, kind in rows if place == 51] in (["connected", "expired"], ["expired", "connected"])
    assert len(rows) == 53


def test_what_the_journal_no_longer_has_is_a_gap_and_counted(writer: Writer) -> None:
    for each in flood(10):
        writer.write([each])  # type: ignore[list-item]
    follower = writer.follower()
    follower.catch_up()
    for each in flood(20, at=START + 20 * SECOND):
        writer.write([each])  # type: ignore[list-item]
    connection = sqlite3.connect(writer.path)
    connection.execute("DELETE FROM journal WHERE first BETWEEN 11 AND 25")
    connection.commit()
    connection.close()
    follower.catch_up()
    assert follower.counts().missing == 15
    assert writer.rows("place, detail", "kind = 'gap'") == [(26, '{"first":11,"missing":15}')]
    assert writer.follower().counts().missing == 15
    assert why(follower, client=ATTACKER).missing == 15


def test_a_row_that_is_damaged_is_a_gap(writer: Writer) -> None:
    for each in flood(3):
        writer.write([each])  # type: ignore[list-item]
    connection = sqlite3.connect(writer.path)
    connection.execute("UPDATE journal SET crc = 0 WHERE first = 2")
    connection.commit()
    connection.close()
    follower = writer.follower()
    follower.catch_up()
    assert [place for (place,) in writer.rows("place", "kind <> 'gap'")] == [1, 3]
    assert follower.counts().missing == 1


def test_snapshots_leave_the_journal_to_a_history_that_lags(writer: Writer) -> None:
    writer.write([connected(START)])
    writer.follower().catch_up()
    for each in flood(30):
        writer.write([each])  # type: ignore[list-item]
        make_snapshot([str(writer.path)])
    follower = writer.follower()
    follower.catch_up()
    assert follower.counts().missing == 0
    assert len(writer.rows()) == 31


def test_a_store_that_was_set_back_begins_a_generation(writer: Writer, tmp_path: Path) -> None:
    writer.write(flood(40))  # type: ignore[arg-type]
    writer.follower().catch_up()
    for name in tmp_path.glob("gatepost.db*"):
        name.unlink()
    again = Writer(tmp_path)
    follower = again.follower()
    again.write(flood(5, Client("192.0.2.9")))  # type: ignore[arg-type]
    follower.catch_up()
    again.follower().catch_up()
    assert len(again.rows()) == 45


def test_days_become_a_file_each_and_leave_in_time(writer: Writer) -> None:
    follower = writer.follower(days=3)
    for day in range(6):
        for turn in range(3):
            writer.write([connected(START + day * DAY + turn * SECOND)])
            follower.catch_up()
    found = pieces(writer.history)
    assert len({piece.day for piece in found}) == 3
    assert all(len([each for each in found if each.day == piece.day]) == 1 for piece in found if piece.day != found[-1].day)
    assert len(writer.rows()) == 9


def test_many_files_of_a_day_are_merged(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MANY", 4)
    follower = writer.follower()
    for number in range(25):
        writer.write([connected(START + number)])
        follower.catch_up()
    assert len(pieces(writer.history)) < 8
    assert [place for (place,) in writer.rows("place")] == list(range(1, 26))
    assert not [path for path in writer.history.iterdir() if path.name.startswith("making")]


def test_the_oldest_day_leaves_where_there_is_too_much(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = writer.follower(max_mb=10)
    noise = random.Random(1)
    for day in range(3):
        writer.write([connected(START + day * DAY)] * 20_000, [f"{noise.getrandbits(2000):0500x}" for _ in range(20_000)])
        follower.catch_up()
    assert sum(piece.size for piece in pieces(writer.history)) <= 10 << 20
    assert follower.counts().dropped_days >= 1


def test_what_is_left_over_from_a_merge_counts_once(writer: Writer) -> None:
    follower = writer.follower()
    writer.write([connected(START)])
    follower.catch_up()
    (piece,) = pieces(writer.history)
    data = Path(piece.path).read_bytes()
    writer.write([connected(START + 1)])
    follower.catch_up()
    follower.history._merge_pieces(pieces(writer.history))
    Path(piece.path).write_bytes(data)
    (writer.history / "making.parquet").touch()
    assert len(writer.rows()) == 2
    assert writer.follower().history.place == 2
    assert sorted(path.suffix for path in writer.history.iterdir()) == ["", ".parquet"]


@pytest.mark.parametrize("asked", [AskForget(client=ATTACKER), AskForget(network="203.0.113.0/24"), AskForget(account="bob@example.org")])
def test_what_is_forgotten_is_nowhere(writer: Writer, asked: AskForget) -> None:
    writer.write([succeeded(START, "bob@example.org"), connected(START, Client("192.0.2.1"))], ["bob@example.org logged in", "another"])
    follower = writer.follower()
    follower.catch_up()
    writer.write([failed(START + 1, "bob@example.org")], ["bob@example.org failed"])
    answer = follower.answer(asked)
    assert (answer.problem, answer.forgotten) == ("", 4)
    assert [client for (client,) in writer.rows("client")] == ["192.0.2.1"]
    assert [line for batch in writer.store.batches_after(0) for line in batch.lines if line] == ["another"]


def test_the_answer_for_a_network_is_about_its_clients(writer: Writer) -> None:
    clients = ["203.0.113.7", "203.0.113.200", "203.0.11.3", "2001:db8::7", "2001:db8:0:1::7"]
    writer.write([connected(START, Client(name)) for name in clients])
    follower = writer.follower()
    assert sorted(why(follower, network="203.0.113.0/24").clients) == ["203.0.113.200", "203.0.113.7"]
    assert sorted(why(follower, network="203.0.113.128/25").clients) == ["203.0.113.200"]
    assert sorted(why(follower, network="2001:db8::/64").clients) == ["2001:db8::7"]
    assert sorted(why(follower, network="0.0.0.0/0").clients) == sorted(clients[:3])


def test_the_answer_for_a_pair_is_about_one_client_or_network_of_the_account(writer: Writer) -> None:
    for name in ("203.0.113.7", "203.0.113.8", "2001:db8::7", "2001:db8:0:1::7"):
        writer.write([succeeded(START, "bob@example.org", Client(name)), connected(START, Client(name))])
    follower = writer.follower()
    for place, many in ({"client": "203.0.113.7"}, 1), ({"network": "2001:db8::/64"}, 1), ({"network": "203.0.113.0/24"}, 2):
        found = why(follower, account="bob@example.org", **place)
        assert sum(group.count for group in found.groups) == many, place


def test_hostile_lines_come_back_as_they_are(writer: Writer) -> None:
    line = "it's \x00 \x1b[31m \"quoted\" \\ ; DROP TABLE 'x' \u202e \U0001f600"
    writer.write([connected(START)], [line])
    assert why(writer.follower(), client=ATTACKER).newest[0].line == line


def test_killed_at_any_moment_it_goes_on_and_doubles_nothing(writer: Writer) -> None:
    chance = random.Random(3)
    for _ in range(6):
        child, link = writer.keeper(flush_s=1)
        with link:
            for _ in range(20):
                writer.write(flood(chance.randrange(1, 2000), Client(f"198.51.100.{chance.randrange(256)}"), START + writer.place * SECOND))  # type: ignore[arg-type]
                time.sleep(chance.random() * 0.05)
            child.kill()
            child.wait()
    child, link = writer.keeper()
    link.close()  # the daemon has ended: it reads what is there, and ends too
    assert child.wait(60) == 0
    places = [place for (place,) in writer.rows("place", "kind = 'connected'")]
    assert places == list(range(1, writer.place + 1))
    numbers = [number for (number,) in writer.rows("json_extract(detail, '$.number')", "kind = 'imposed'")]
    assert len(numbers) == len(set(numbers))


def test_as_a_process_it_answers_and_gives_signs_of_life(writer: Writer) -> None:
    writer.write(flood())  # type: ignore[arg-type]
    child, link = writer.keeper()
    with link, link.makefile("rb") as answers:
        link.sendall(frame(AskWhy(number=7, client=ATTACKER)))
        found: list[Answer] = []
        while not found or found[-1].number != 7:
            found.append(msgspec.msgpack.decode(answers.read(int.from_bytes(answers.read(4))), type=Answer))
        assert found[-1].past is not None
        assert found[-1].past.groups[0].count == 50
        assert found[0].counts is not None
    assert child.wait(60) == 0
    assert {path.stat().st_mode & 0o077 for path in writer.history.iterdir()} == {0}


def test_its_memory_is_bounded(writer: Writer) -> None:
    for turn in range(40):
        facts = [connected(START + (turn * 10_000 + n) * 20_000, Client(f"10.{turn}.{n >> 8 & 255}.{n & 255}")) for n in range(10_000)]
        writer.write(facts, [f"{fact.at} a line as long as those that daemons write about a client {fact.client} that connects" for fact in facts])
    child, link = writer.keeper()
    with link, link.makefile("rb") as answers:
        counts = Counts()
        while counts.place < 400_000:
            counts = msgspec.msgpack.decode(answers.read(int.from_bytes(answers.read(4))), type=Answer).counts or counts
        # A preview in which everybody could fire has both its engines full, and says so.
        everybody = Rule(name="slow", counts="connected", threshold=2, window=Span(DAY), hold_for=Span(DAY), on=("imap",))
        before, after = (everybody,), (msgspec.structs.replace(everybody, threshold=3),)
        asked = AskPreview(number=1, before=before, after=after, names=("slow",), entries=(), since=START, until=START + DAY, sift=False)
        link.sendall(frame(asked))
        result, last = None, False
        while not last:
            answer = msgspec.msgpack.decode(answers.read(int.from_bytes(answers.read(4))), type=Answer)
            last = result is not None and answer.counts is not None
            counts, result = answer.counts or counts, (answer.preview and answer.preview.result) or result
    assert child.wait(60) == 0
    assert len(writer.rows("place")) == 400_000
    assert result is not None
    assert result.fed == 400_000
    assert any("short of room" in note for note in result.notes)
    assert 0 < counts.memory < 256 << 20


def test_the_engine_starts_from_a_snapshot(writer: Writer) -> None:
    writer.write(flood(30))  # type: ignore[arg-type]
    engine = Engine()
    for place, fact in enumerate(flood(30), 1):
        engine.apply(fact, place)  # type: ignore[arg-type]
    writer.store.save_snapshot(30, dump(engine))
    writer.write(flood(20, at=START + 30 * SECOND))  # type: ignore[arg-type]
    assert why(writer.follower(), client=ATTACKER).told[0].decision.detail["count"] == 50
