"""A preview beside everything else that the keeper does: in turns, one at a time, stopped at once."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import msgspec
import pytest

from gatepost.core.access import own_entries
from gatepost.core.rules import PRESETS
from gatepost.core.subjects import Client
from gatepost.keeper import history as history_module
from gatepost.keeper.files import pieces
from gatepost.keeper.follow import Follower
from gatepost.keeper.frames import QUESTIONS, frame
from gatepost.pipeline.previews import AskCancel, AskPreview, PreviewState
from gatepost.pipeline.recall import Answer, AskForget, AskWhy
from tests.keeper.following import ATTACKER, DAY, START, Writer, connected

ASKED = AskPreview(
    number=3, before=PRESETS["standard"], after=PRESETS["relaxed"], names=("dos",), entries=own_entries(), since=START, until=START + 2 * DAY
)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A store with twenty busy clients."""
    made = Writer(tmp_path)
    for last in range(20):
        made.write([connected(START + last * 1_000_000 + number * 20_000, Client(f"203.0.113.{last}")) for number in range(2_000)])
    return made


def finish(follower: Follower) -> list[PreviewState]:
    """All that is told until there is no preview any more."""
    told = []
    while follower.previews.busy:
        state = follower.previews.turn()
        if state is not None:
            told.append(state)
    return told


def test_it_tells_how_far_it_is_and_then_the_result(writer: Writer) -> None:
    follower = writer.follower()
    assert follower.answer(ASKED).preview == PreviewState(number=3)
    told = finish(follower)
    assert [state.state for state in told] == ["running"] * (len(told) - 1) + ["done"]
    percents = [state.percent for state in told]
    assert percents == sorted(set(percents))
    assert told[-1].result is not None
    assert told[-1].result.facts == 40_000
    assert told[-1].result.took > 0


def test_what_was_just_written_is_in_it(writer: Writer) -> None:
    follower = writer.follower()
    follower.catch_up()
    writer.write([connected(START + DAY + number, Client("198.51.100.9")) for number in range(50)])
    follower.answer(ASKED)
    assert (result := finish(follower)[-1].result)
    assert [day.before for day in result.days][1] == 1


def test_one_at_a_time_and_cancelled_it_makes_room(writer: Writer) -> None:
    follower = writer.follower()
    follower.answer(ASKED)
    second = follower.answer(msgspec.structs.replace(ASKED, number=4)).preview
    assert second is not None
    assert (second.number, second.state) == (4, "failed")
    assert follower.answer(AskCancel(number=9)).preview is None
    assert follower.answer(AskCancel(number=3)).preview == PreviewState(number=3, state="cancelled")
    assert follower.previews.turn() is None
    follower.answer(msgspec.structs.replace(ASKED, number=5))
    assert finish(follower)[-1].state == "done"


def test_questions_are_answered_and_facts_recorded_meanwhile(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MANY", 2)
    follower = writer.follower()
    follower.answer(ASKED)
    for turn in range(4):
        follower.previews.turn()
        writer.write([connected(START + DAY + turn)])
        past = follower.answer(AskWhy(number=1, client=ATTACKER)).past
        assert past is not None
        assert past.groups[-1].last == START + DAY + turn
    many = len(pieces(follower.history.folder))
    assert many > 2  # nothing is merged under a preview
    assert finish(follower)[-1].state == "done"
    writer.write([connected(START + DAY + 5)])
    follower.catch_up()
    assert len(pieces(follower.history.folder)) < many


def test_forgetting_ends_it(writer: Writer) -> None:
    follower = writer.follower()
    follower.answer(ASKED)
    follower.answer(AskForget(number=1, client="203.0.113.1"))
    assert not follower.previews.busy
    told = follower.previews.turn()
    assert told is not None
    assert (told.number, told.state, "history forget" in told.problem) == (3, "failed", True)
    assert follower.previews.turn() is None


def test_what_goes_wrong_ends_the_preview_alone(writer: Writer) -> None:
    follower = writer.follower()
    follower.answer(ASKED)
    for piece in pieces(follower.history.folder):
        Path(piece.path).write_bytes(b"no parquet")
    (failed,) = finish(follower)
    assert (failed.state, failed.number) == ("failed", 3)
    assert "parquet" in failed.problem.lower()
    with pytest.raises(duckdb.Error):
        follower.history.begins()


def test_as_a_process_it_works_is_cancelled_and_answers_between(writer: Writer) -> None:
    child, link = writer.keeper()
    with link, link.makefile("rb") as answers:

        def until(wanted: Callable[[Answer], bool]) -> Answer:
            while True:
                found = msgspec.msgpack.decode(answers.read(int.from_bytes(answers.read(4))), type=Answer)
                if wanted(found):
                    return found

        link.sendall(frame(ASKED) + frame(AskCancel(number=3)) + frame(msgspec.structs.replace(ASKED, number=4)))
        assert until(lambda told: told.preview is not None and told.preview.state == "cancelled").preview.number == 3  # type: ignore[union-attr]
        link.sendall(frame(AskWhy(number=8, client="203.0.113.1")))
        assert until(lambda told: told.number == 8).past is not None
        link.sendall(frame(msgspec.structs.replace(ASKED, number=5)))
        done = until(lambda told: told.preview is not None and told.preview.result is not None).preview
        assert done is not None
        assert done.number in (4, 5)
    assert child.wait(60) == 0


def test_rules_go_over_the_socket_whole() -> None:
    assert QUESTIONS.decode(frame(ASKED)[4:]) == ASKED
