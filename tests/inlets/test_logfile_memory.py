"""What the reader remembers of open sessions outlives us, wherever its memory and the cursor were when we were killed."""

from pathlib import Path

import pytest

from gatepost.core.facts import Fact
from tests.inlets.following import Desk, append, catch_up
from tests.wire.maillog.lines import told
from tests.wire.maillog.test_reader import STORY

CUTS = [(memory, cursor) for memory in range(0, len(STORY), 2) for cursor in range(memory, len(STORY), 3)]


def as_lines(story: list[str]) -> str:
    return "".join(line + "\n" for line in story)


def without_time(facts: list[Fact]) -> list[str]:
    """What was told; the story may be of a later day than today, and then its times are cut."""
    return [repr(fact).partition(", ")[2] for fact in facts]


@pytest.mark.parametrize("rotated", ["", "mail.log.1"])
@pytest.mark.parametrize(("memory", "cursor"), CUTS)
def test_killed_behind_the_memory(tmp_path: Path, memory: int, cursor: int, rotated: str) -> None:
    """The memory was saved after one line, the cursor after a later one, perhaps with a rotation between; then the process is gone."""
    desk, log = Desk(), tmp_path / "mail.log"
    catch_up(desk.inlet(log))
    log.write_text(as_lines(STORY[:memory]))
    inlet = desk.inlet(log)
    catch_up(inlet)
    remembered = desk.cursors.get(inlet.memory_name, b"")
    if rotated:
        log.rename(tmp_path / rotated)
    append(log, as_lines(STORY[memory:cursor]))
    catch_up(desk.inlet(log))
    desk.cursors[inlet.memory_name] = remembered
    append(log, as_lines(STORY[cursor:]))
    catch_up(desk.inlet(log))
    assert without_time(desk.facts) == without_time(told(STORY))


def test_the_memory_matters(tmp_path: Path) -> None:
    """Without it the story is another, so that the test above can fail."""
    desk, log = Desk(), tmp_path / "mail.log"
    catch_up(desk.inlet(log))
    for line in STORY:
        append(log, line + "\n")
        inlet = desk.inlet(log, saved={name: cursor for name, cursor in desk.cursors.items() if "#memory" not in name})
        catch_up(inlet)
    assert without_time(desk.facts) != without_time(told(STORY))
