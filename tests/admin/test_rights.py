"""What the process may do, and who may do what to its files."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gatepost.admin.actions import rights


def process(folder: Path, *masks: str) -> Path:
    """A process, as /proc shows it, with a thread for each mask."""
    for number, mask in enumerate(masks):
        thread = folder / "task" / str(number)
        thread.mkdir(parents=True)
        (thread / "status").write_text(f"Name:\tgatepost\nCapPrm:\tffffffffffffffff\nCapEff:\t{mask}\nCapBnd:\t0\n")
    return folder


@pytest.mark.parametrize(
    ("masks", "verdict", "words"),
    [
        (["0", "0"], "well", "no special right, in all of its 2 threads"),
        (["0000000000000404"], "well", "no special right but CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE"),
        (["0", "0000000000001000"], "bad", "holds CAP_NET_ADMIN: "),
        (["000001ffffffffff"], "bad", "holds CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL and 34 more"),
        (["8000000000000000"], "bad", "CAP_63"),
        ([], "look", "does not tell"),
    ],
)
def test_rights_that_any_thread_holds(tmp_path: Path, masks: list[str], verdict: str, words: str) -> None:
    found = rights.look_at_process(process(tmp_path, *masks))
    assert (found.verdict, words in found.said, bool(found.cure)) == (verdict, True, verdict != "well"), found


def test_the_threads_of_a_real_process_are_seen() -> None:
    leave = threading.Event()
    others = [threading.Thread(target=leave.wait) for _ in range(3)]
    for another in others:
        another.start()
    try:
        assert rights.capabilities()[0] >= 4
    finally:
        leave.set()
        for another in others:
            another.join()


def test_a_process_that_gave_its_rights_away() -> None:
    code = """if True:
        from gatepost.admin.actions.rights import look_at_process
        from gatepost.outlets.nftables.capabilities import drop_capabilities
        drop_capabilities()
        print(look_at_process().verdict)"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "well\n"


def test_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for mode, verdict in ((0o700, "well"), (0o750, "look"), (0o704, "look")):
        os.chmod(tmp_path, mode)
        assert [each.verdict for each in rights.look_at_state(tmp_path)] == [verdict]
    os.chmod(tmp_path, 0o700)
    monkeypatch.setattr(rights, "LITTLE_ROOM", 1 << 80)
    assert [("MB are left" in each.said, each.verdict) for each in rights.look_at_state(tmp_path)] == [(True, "look")]
    assert [each.verdict for each in rights.look_at_state(tmp_path / "gone")] == ["bad"]


def test_what_may_not_be_written_or_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "mail.log"
    log.touch()
    denied: set[str] = set()
    monkeypatch.setattr(os, "access", lambda path, mode, effective_ids: str(path) not in denied)
    assert list(rights.look_at_logs([str(log), str(tmp_path / "not" / "there")])) == []
    denied.add(str(tmp_path))
    assert [each.verdict for each in rights.look_at_state(tmp_path)] == ["bad"]
    assert [(each.verdict, "may not be listed" in each.said) for each in rights.look_at_logs([str(log)])] == [("look", True)]
    denied.add(str(log))
    assert [(each.verdict, each.said, "adm" in each.cure) for each in rights.look_at_logs([str(log)])] == [("bad", "may not be read", True)]


def test_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    assert rights.look_at_socket(path).verdict == "bad"
    path.touch()
    assert "something else" in rights.look_at_socket(path).said
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        for mode, verdict in ((0o660, "well"), (0o666, "bad")):
            path.chmod(mode)
            assert rights.look_at_socket(path).verdict == verdict
