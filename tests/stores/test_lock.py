"""Two daemons on one state folder: the second is told who the first is."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gatepost.stores.contract import StoreError
from gatepost.stores.lock import lock
from tests.stores.children import start

HOLD = """
import sys, time
from pathlib import Path
from gatepost.stores.lock import lock

held = lock(Path(sys.argv[1]))
print(1, flush=True)
time.sleep(600)
"""


def test_the_second_daemon_is_told_who_the_first_is(tmp_path: Path) -> None:
    with start(HOLD, tmp_path) as child:
        assert child.stdout
        assert child.stdout.readline() == "1\n"
        with pytest.raises(StoreError, match=rf"^another gatepost \(pid {child.pid}\) is using {tmp_path}; stop it first, or give this one"):
            lock(tmp_path)
        child.kill()
        child.wait()
        lock(tmp_path).release()


def test_a_folder_that_was_given_back_can_be_taken_again(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(StoreError, match=f"pid {os.getpid()}"):
        lock(tmp_path)
    held = lock(tmp_path)
    held.release()
    held.release()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_the_folder_is_made_and_its_owners_alone(tmp_path: Path) -> None:
    with lock(tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "state" / "lock").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^the state folder \S*/file/state cannot be used \(Not a directory\); it must be there, be writable"):
        lock(tmp_path / "file" / "state")


def test_on_a_full_disk_the_lock_holds_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with lock(tmp_path), pytest.raises(StoreError, match=r"^another gatepost is using"):
        lock(tmp_path)
