"""Messages on disk: in order, bounded, there after any end."""

from pathlib import Path

import pytest

from gatepost.outlets.messengers.spool import Spool
from tests.outlets.messengers.made import message


def opened(folder: Path, most: int = 1_000, most_bytes: int = 1 << 20) -> Spool:
    """A spool at work."""
    made = Spool(folder, most, most_bytes)
    made.open()
    return made


def keys(spool: Spool) -> list[str]:
    """Takes everything out."""
    found = []
    while first := spool.first():
        found.append(first[1].key)
        spool.done(first[0])
    return found


def test_what_was_put_is_there_for_the_next_process(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s")
    for key in "abc":
        spool.put(message(key))
    again = opened(tmp_path / "s")
    assert len(again) == 3
    again.put(message("d"))
    assert keys(again) == ["a", "b", "c", "d"]
    assert list((tmp_path / "s").iterdir()) == []
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    opened(tmp_path / "s").put(message())
    assert [file.stat().st_mode & 0o777 for file in (tmp_path / "s").iterdir()] == [0o600]


@pytest.mark.parametrize("bound", [{"most": 3}, {"most_bytes": 1500}])
def test_it_never_grows_beyond_its_bounds(tmp_path: Path, bound: dict[str, int]) -> None:
    spool = opened(tmp_path / "s", **bound)
    for key in range(10):
        spool.put(message(str(key)))
    kept = len(spool)
    assert 1 < kept < 5
    assert spool.dropped == 10 - kept
    assert keys(spool)[-1] == "9"


def test_what_cannot_be_read_is_let_go(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    spool = opened(folder)
    spool.put(message("a"))
    spool.put(message("b"))
    (folder / "000000000001.json").write_text("nonsense")
    (folder / "000000000009.json.new").write_text("half")
    (folder / "README").write_text("not ours")
    again = opened(folder)
    assert keys(again) == ["b"]
    assert again.dropped == 1
    assert [file.name for file in folder.iterdir()] == ["README"]


def test_where_the_disk_fails_messages_stay_in_memory(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a file, no folder")
    spool = opened(tmp_path / "s")
    spool.put(message("a"))
    assert spool.problem
    assert keys(spool) == ["a"]
