"""The listener: its permissions, and what is in its way."""

import os
import socket
import stat
from pathlib import Path

import pytest

from gatepost.admin.api import listen as listen_module
from gatepost.admin.api.listen import listen
from gatepost.core.faults import BadInputError


def test_root_and_its_group_alone_may_ask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    os.umask(before)
    with listen(tmp_path / "run" / "api.sock"):
        mode = (tmp_path / "run" / "api.sock").stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o660)
    after = os.umask(before)
    assert after == before


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    listen(path).close()
    with listen(path), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))


def test_one_that_answers_is_not(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with listen(path), pytest.raises(BadInputError, match=r"api.sock: somebody answers there already; stop the other gatepost"):
        listen(path)


def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("precious")
    with pytest.raises(BadInputError, match=r"is there and no socket; remove it"):
        listen(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["x" * 200, "file/api.sock"])
def test_where_nobody_can_listen(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInputError, match=r"cannot listen there: (?!None).+; name another path: socket = "):
        listen(tmp_path / name)


def test_the_group_gets_it_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(listen_module, "GROUP", __import__("grp").getgrgid(os.getgid()).gr_name)
    monkeypatch.setattr(os, "chown", lambda path, user, group: given.append((path, user, group)))
    listen(tmp_path / "api.sock").close()
    assert given == [(tmp_path / "api.sock", -1, os.getgid())]
