"""A log that grows is followed: each line once, through rotation and truncation, and what is wrong is told."""

import asyncio
import os
import socket
from pathlib import Path

import msgspec
import pytest

from gatepost.core.faults import BadInputError
from gatepost.inlets import logfile_trail
from gatepost.inlets.inotify import Inotify
from gatepost.inlets.logfile import LogFileInlet, LogFileSettings, LogFileState
from gatepost.inlets.logfile_rotated import Found, look
from tests.inlets.following import Desk, append, catch_up, follow, line, lines, until

NOON = 1_795_521_600_000_000
"""2026-11-24 12:00 UTC, which the lines tell."""
HOUR = 3_600_000_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with three lines that were there before us."""
    path = tmp_path / "mail.log"
    path.write_text(lines(900, 903))
    return path


def test_begins_at_the_end(log: Path) -> None:
    desk = Desk()

    async def doing() -> None:
        append(log, lines(0, 2))
        await until(lambda: desk.numbers == [0, 1])

    follow(desk.inlet(log), doing)
    assert desk.numbers == [0, 1]


def test_a_half_line_at_the_first_start_is_read_when_it_ends(log: Path) -> None:
    desk = Desk()
    append(log, line(0)[:30])

    async def doing() -> None:
        append(log, line(0)[30:])
        await until(lambda: desk.numbers == [0])

    follow(desk.inlet(log), doing)
    assert desk.numbers == [0]


def test_half_lines_wait_for_their_end(log: Path) -> None:
    desk = Desk()
    inlet = desk.inlet(log)

    async def doing() -> None:
        for letter in line(0) + line(1)[:40]:
            append(log, letter)
            await asyncio.sleep(0)
        await until(lambda: desk.numbers == [0] and inlet.state().lag_bytes == 0)
        append(log, line(1)[40:])
        await until(lambda: desk.numbers == [0, 1])

    follow(inlet, doing)


def test_a_half_line_is_read_whole_after_a_restart(log: Path) -> None:
    desk = Desk()
    catch_up(desk.inlet(log))
    append(log, line(0) + line(1)[:40])
    catch_up(desk.inlet(log))
    assert desk.numbers == [0]
    append(log, line(1)[40:] + line(2))
    catch_up(desk.inlet(log))
    assert desk.numbers == [0, 1, 2]


def test_a_huge_line_is_cut_and_counted(log: Path) -> None:
    desk = Desk()
    inlet = desk.inlet(log)
    catch_up(inlet)
    append(log, line(0) + "Nov 24 12:00:00 mx postfix/smtpd[10]: " + "x" * 3_000_000)
    catch_up(desk.inlet(log))
    append(log, "y" * 1_000_000 + "\n" + line(1))
    inlet = desk.inlet(log)
    catch_up(inlet)
    assert desk.numbers == [0, 1]
    assert inlet.state().coverage.cut == 1


def test_a_missing_file_is_waited_for(tmp_path: Path) -> None:
    desk = Desk()
    log = tmp_path / "mail.log"
    inlet = desk.inlet(log)

    async def doing() -> None:
        await asyncio.sleep(0.01)
        state = inlet.state()
        assert not state.reading
        assert "does not exist" in state.problem
        log.write_text(lines(0, 3))
        await until(lambda: desk.numbers == [0, 1, 2])
        state = inlet.state()
        assert state.reading
        assert not state.problem

    follow(inlet, doing)


def test_a_file_that_was_made_while_we_were_down_is_read_from_its_start(tmp_path: Path) -> None:
    desk = Desk()
    log = tmp_path / "mail.log"
    catch_up(desk.inlet(log))
    log.write_text(lines(0, 3))
    catch_up(desk.inlet(log))
    assert desk.numbers == [0, 1, 2]


def test_rotation_by_renaming(log: Path) -> None:
    desk = Desk()
    inlet = desk.inlet(log, grace_s=5)

    async def doing() -> None:
        append(log, lines(0, 2))
        old = log.rename(log.with_name("mail.log.1"))
        append(old, line(2))
        await until(lambda: desk.numbers == [0, 1, 2])
        log.write_text(line(3))
        await until(lambda: desk.numbers == [0, 1, 2, 3])
        append(old, line(4))
        await until(lambda: desk.numbers == [0, 1, 2, 3, 4])

    follow(inlet, doing)
    assert inlet.state().rotations == 1


def test_the_half_line_at_the_end_of_a_finished_file_counts(log: Path) -> None:
    desk = Desk()

    async def doing() -> None:
        append(log, line(0).rstrip("\n"))
        await asyncio.sleep(0.02)
        log.rename(log.with_name("mail.log.1"))
        log.write_text(line(1))
        await until(lambda: len(desk.facts) == 2)

    follow(desk.inlet(log), doing)
    assert sorted(desk.numbers) == [0, 1]


def test_rotation_by_copying_and_truncating(log: Path) -> None:
    desk = Desk()
    inlet = desk.inlet(log)

    async def doing() -> None:
        append(log, line(0))
        await until(lambda: desk.numbers == [0])
        append(log, lines(1, 400))
        log.with_name("mail.log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        append(log, lines(400, 402))
        await until(lambda: len(desk.facts) >= 402)

    follow(inlet, doing)
    assert desk.numbers == list(range(402))
    assert inlet.state().lost_bytes == 0


def test_a_file_truncated_and_grown_beyond_our_place_is_seen(log: Path) -> None:
    desk = Desk()
    catch_up(desk.inlet(log))
    append(log, lines(0, 3))
    log.with_name("mail.log-20261124").write_bytes(log.read_bytes())
    log.write_text(lines(3, 3000))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(3000))


def test_truncation_without_a_copy(log: Path) -> None:
    desk = Desk()
    inlet = desk.inlet(log)

    async def doing() -> None:
        append(log, line(0))
        await until(lambda: desk.numbers == [0])
        os.truncate(log, 0)
        await until(lambda: inlet.state().rotations == 1)
        append(log, line(1))
        await until(lambda: desk.numbers == [0, 1])

    follow(inlet, doing)


def test_truncated_twice_between_two_looks(log: Path) -> None:
    """Found empty after the first time, the file is filled, copied, truncated and filled again before we look."""
    desk = Desk()
    inlet = desk.inlet(log)

    async def doing() -> None:
        append(log, line(0))
        log.with_name("mail.log.2").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        await until(lambda: desk.numbers == [0] and inlet.state().rotations == 1)
        append(log, lines(1, 5))
        log.with_name("mail.log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        append(log, lines(5, 10))
        await until(lambda: len(desk.facts) >= 10)

    follow(inlet, doing)
    assert desk.numbers == list(range(10))


def test_an_empty_log_truncated_while_we_were_down(log: Path) -> None:
    desk = Desk()
    os.truncate(log, 0)
    catch_up(desk.inlet(log))
    append(log, lines(0, 5))
    log.with_name("mail.log.1").write_bytes(log.read_bytes())
    log.write_text(lines(5, 10))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(10))


@pytest.mark.parametrize("seen", ["filled", "empty"])
def test_truncated_in_the_very_moment_of_a_start(log: Path, monkeypatch: pytest.MonkeyPatch, seen: str) -> None:
    """Between the look at the log and its opening it is copied, truncated and filled anew: what was seen of it is not what is opened."""
    desk = Desk()
    catch_up(desk.inlet(log))
    append(log, line(0))
    catch_up(desk.inlet(log))
    log.with_name("mail.log.2").write_bytes(log.read_bytes())
    log.write_text(lines(1, 5) if seen == "filled" else "")
    looks: list[str] = []

    def rotating(path: str) -> Found | None:
        found = look(path)
        if path == str(log) and not looks:
            looks.append(path)
            log.write_text(lines(1, 5))
            log.with_name("mail.log.1").write_bytes(log.read_bytes())
            log.write_text(lines(5, 10))
        return found

    monkeypatch.setattr(logfile_trail, "look", rotating)
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(10))


def test_a_writer_that_does_not_append_leaves_a_hole_after_truncation(log: Path) -> None:
    desk = Desk()
    inlet = desk.inlet(log)

    async def doing() -> None:
        with log.open("r+") as writer:
            writer.seek(0, os.SEEK_END)
            for each in range(6):
                writer.write(line(each))
                writer.flush()
                await until(lambda upto=each: desk.numbers == list(range(upto + 1)))  # type: ignore[misc]
                if each % 2:
                    os.truncate(log, 0)
                    await asyncio.sleep(0.02)

    follow(inlet, doing)


def test_replaced_by_another_file(log: Path) -> None:
    desk = Desk()

    async def doing() -> None:
        other = log.with_name("other")
        other.write_text(lines(0, 3))
        other.replace(log)
        await until(lambda: desk.numbers == [0, 1, 2])

    follow(desk.inlet(log), doing)


def test_an_inode_used_again_is_no_old_file(log: Path) -> None:
    desk = Desk()
    append(log, lines(903, 940))
    catch_up(desk.inlet(log))
    for _ in range(20):
        was = log.stat().st_ino
        log.unlink()
        log.write_text(lines(0, 40))
        if log.stat().st_ino == was:
            break
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(40))


def test_a_link_that_leads_elsewhere_is_followed(tmp_path: Path) -> None:
    desk = Desk()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log").write_text("")
    link = tmp_path / "mail.log"
    link.symlink_to("a/log")

    async def doing() -> None:
        append(tmp_path / "a" / "log", line(0))
        await until(lambda: desk.numbers == [0])
        append(tmp_path / "b" / "log", line(1))
        (tmp_path / "new").symlink_to("b/log")
        (tmp_path / "new").replace(link)
        await until(lambda: desk.numbers == [0, 1])

    follow(desk.inlet(link), doing)


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    fifo, binary, packed = tmp_path / "fifo", tmp_path / "binary", tmp_path / "mail.log.gz"
    os.mkfifo(fifo)
    binary.write_bytes(bytes(range(32)) * 20)
    packed.write_bytes(b"\x1f\x8b\x08\x00")
    for path in (tmp_path, fifo, binary, packed, Path("/dev/null")):
        with pytest.raises(BadInputError):
            Desk().inlet(path)


def test_a_socket_or_folder_that_takes_the_place_of_the_log_is_told(log: Path) -> None:
    desk = Desk()
    inlet = desk.inlet(log)

    async def doing() -> None:
        log.unlink()
        with socket.socket(socket.AF_UNIX) as taken:
            taken.bind(str(log))
            await until(lambda: "cannot be read" in inlet.state().problem)
        log.unlink()
        log.mkdir()
        await until(lambda: "no regular file" in inlet.state().problem)
        log.rmdir()
        log.write_text(line(0))
        await until(lambda: desk.numbers == [0])
        assert not inlet.state().problem

    follow(inlet, doing)


def test_a_permission_lost_is_told_and_tried_again(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so that the kernel's answer is played."""
    desk = Desk()
    inlet = desk.inlet(log)
    opening = os.open
    forbidden = True

    def refuse(path: str, flags: int, *rest: int, **more: int) -> int:
        if forbidden and path == str(log):
            raise PermissionError(13, "Permission denied", path)
        return opening(path, flags, *rest, **more)

    async def doing() -> None:
        nonlocal forbidden
        monkeypatch.setattr(os, "open", refuse)
        log.rename(log.with_name("mail.log.1"))
        forbidden = False
        log.write_text(line(0))
        forbidden = True
        await until(lambda: "Permission denied" in inlet.state().problem)
        assert inlet.state().reading, "the file that we have open is still read"
        forbidden = False
        await until(lambda: desk.numbers == [0])
        assert not inlet.state().problem

    follow(inlet, doing)


def test_fifty_files_at_once_on_one_inotify(tmp_path: Path) -> None:
    desk = Desk()
    paths = [tmp_path / f"{each}.log" for each in range(50)]

    async def all_of_them() -> None:
        inotify = Inotify()
        inlets = [desk.inlet(path, inotify=inotify) for path in paths]
        tasks = [asyncio.create_task(inlet.run()) for inlet in inlets]
        await asyncio.sleep(0)
        for upto in range(0, 5000, 50):
            for each, path in enumerate(paths):
                append(path, line(upto + each))
            await asyncio.sleep(0)
        await until(lambda: len(desk.facts) == 5000)
        assert {inlet.state().watching for inlet in inlets} == {"inotify"}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        inotify.close()

    asyncio.run(all_of_them())
    assert sorted(desk.numbers) == list(range(5000))


def test_without_inotify_it_polls_and_says_so(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    inlet = desk.inlet(log)

    def none(self: Inotify) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Inotify, "__init__", none)

    async def doing() -> None:
        append(log, line(0))
        await until(lambda: desk.numbers == [0])
        log.rename(log.with_name("mail.log.1"))
        log.write_text(line(1))
        await until(lambda: desk.numbers == [0, 1])
        assert inlet.state().watching == "polling: no inotify: Too many open files"

    follow(inlet, doing)


def test_a_kernel_that_tells_nothing_is_noticed(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    inlet = desk.inlet(log)
    monkeypatch.setattr(Inotify, "_ready", lambda self: os.read(self._fd, 65_536))

    async def doing() -> None:
        for each in range(5):
            append(log, line(each))
            await until(lambda upto=each: len(desk.facts) == upto + 1)  # type: ignore[misc]
        assert inlet.state().watching == "polling: the kernel tells nothing of changes here"

    follow(inlet, doing)


def test_nothing_is_later_than_now(log: Path) -> None:
    desk = Desk()
    catch_up(desk.inlet(log))
    append(log, line(0).replace("12:00:00", "23:00:00") + line(1))
    catch_up(desk.inlet(log, now=lambda: NOON + HOUR))
    assert [fact.at for fact in desk.facts] == [NOON + HOUR, NOON]


def test_state_can_be_written_as_json(log: Path) -> None:
    desk = Desk()
    catch_up(desk.inlet(log))
    append(log, lines(0, 2) + "rubbish\n")
    inlet = desk.inlet(log, now=lambda: NOON + HOUR)
    catch_up(inlet)
    state = msgspec.json.decode(msgspec.json.encode(inlet.state()), type=LogFileState)
    assert (state.path, state.lines, state.facts, state.coverage.mail_lines) == (str(log), 3, 2, 2)
    assert state.last_line_at == NOON
    assert state.last_read_at == NOON + HOUR


def test_settings_are_checked() -> None:
    for wrong in ({"path": ""}, {"path": "/x", "slice": 1}, {"path": "/x", "grace_s": -1}, {"path": "/x", "unknown": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, LogFileSettings)


def test_it_yields_to_others_between_slices(log: Path) -> None:
    desk = Desk()
    catch_up(desk.inlet(log))
    append(log, lines(0, 20_000))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both(inlet: LogFileInlet) -> None:
        others = asyncio.create_task(other())
        await inlet.catch_up()
        others.cancel()

    inlet = desk.inlet(log)
    asyncio.run(both(inlet))
    inlet._trail.close()
    assert desk.numbers == list(range(20_000))
    assert turns >= len(lines(0, 20_000)) // 65_536
