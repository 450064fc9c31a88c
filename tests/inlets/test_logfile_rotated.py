"""What was written while we were down is read once: in whatever files rotation and compression have put it."""

import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from gatepost.inlets.logfile_cursor import VERSION, Cursor, Fingerprint, Memory, Place, decode, digest, encode
from gatepost.inlets.logfile_rotated import Rotated, look
from tests.inlets.following import Desk, append, catch_up, line, lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that was read up to line 9."""
    path = tmp_path / "mail.log"
    path.write_text(lines(900, 903))
    return path


@pytest.fixture
def desk(log: Path) -> Desk:
    """Who has stored lines 0 to 9."""
    desk = Desk()
    catch_up(desk.inlet(log))
    append(log, lines(0, 10))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(10))
    return desk


def later(path: Path, seconds: int) -> Path:
    """As if a file had been written to some time later."""
    then = path.stat().st_mtime_ns + seconds * 1_000_000_000
    os.utime(path, ns=(then, then))
    return path


def pack(path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> Path:
    """Compresses a file as the usual programs do: its time is kept."""
    told = path.stat()
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(compress(path.read_bytes()))
    path.unlink()
    os.utime(packed, ns=(told.st_mtime_ns, told.st_mtime_ns))
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def test_nothing_is_read_twice(log: Path, desk: Desk) -> None:
    for _ in range(3):
        catch_up(desk.inlet(log))
    assert desk.numbers == list(range(10))


def test_what_was_appended_is_read(log: Path, desk: Desk) -> None:
    append(log, lines(10, 20))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(20))


@pytest.mark.parametrize("name", ["mail.log.1", "mail.log-20261124", "mail-20261124.log", "mail.1.log", "mail.log.0", "mail.log-20261124-1795532400"])
def test_rotated_once(log: Path, desk: Desk, name: str) -> None:
    append(log, lines(10, 20))
    log.rename(log.with_name(name))
    log.write_text(lines(20, 30))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(30))


def test_rotated_and_no_new_file_yet(log: Path, desk: Desk) -> None:
    append(log, lines(10, 20))
    log.rename(log.with_name("mail.log.1"))
    catch_up(desk.inlet(log))
    log.write_text(lines(20, 30))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(30))


@pytest.mark.parametrize("suffix", PACKERS)
def test_rotated_often_and_compressed(log: Path, desk: Desk, suffix: str) -> None:
    """The file that we stopped in is the third, and a bigger one than fits a slice is among them."""
    append(log, lines(10, 3_000))
    pack(later(log.rename(log.with_name("mail.log.3")), 10), suffix, PACKERS[suffix])
    log.write_text(lines(3_000, 6_000))
    pack(later(log.rename(log.with_name("mail.log.2")), 20), suffix, PACKERS[suffix])
    log.write_text(lines(6_000, 6_010))
    later(log.rename(log.with_name("mail.log.1")), 30)
    log.write_text(lines(6_010, 6_020))
    catch_up(desk.inlet(log, catch_up_slice=4_096))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(6_020))


def test_older_files_are_left_alone(log: Path, desk: Desk) -> None:
    """Whatever lies there: older logs, other logs, copies that somebody made."""
    shutil.copy(log, log.with_name("mail.log.bak"))
    append(log, lines(10, 20))
    shutil.copy(log, log.with_name("mail.log.save"))
    log.rename(log.with_name("mail.log.1"))
    log.with_name("mail.log.2").write_text(lines(500, 510))
    log.with_name("mail.err").write_text(lines(600, 610))
    log.with_name("mail.log.9.gz").write_bytes(b"\x1f\x8b\x08 damaged")
    log.with_name("mail.log.d").mkdir()
    log.write_text(lines(20, 30))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(30))


def test_being_compressed_at_this_moment(log: Path, desk: Desk) -> None:
    append(log, lines(10, 2_000))
    old = log.rename(log.with_name("mail.log.1"))
    old.with_name("mail.log.1.gz").write_bytes(gzip.compress(old.read_bytes())[:3_000])
    log.write_text(lines(2_000, 2_010))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(2_010))


def test_damaged_while_compressed(log: Path, desk: Desk) -> None:
    """What comes out of it is read, the rest told, and the log goes on."""
    append(log, lines(10, 5_000))
    packed = pack(log.rename(log.with_name("mail.log.1")), ".gz", gzip.compress)
    packed.write_bytes(packed.read_bytes()[:-4_000])
    log.write_text(lines(6_000, 6_010))
    inlet = desk.inlet(log, catch_up_slice=4_096)
    catch_up(inlet)
    assert desk.numbers[-10:] == list(range(6_000, 6_010))
    assert desk.numbers[:-10] == list(range(len(desk.numbers) - 10))
    assert "mail.log.1.gz" in inlet.state().problem


def test_copied_and_truncated_twice(log: Path, desk: Desk) -> None:
    append(log, lines(10, 20))
    shutil.copy(log, log.with_name("mail.log.2"))
    log.write_text(lines(20, 30))
    shutil.copy(log, log.with_name("mail.log.1"))
    log.write_text(lines(30, 400))
    catch_up(desk.inlet(log))
    assert desk.numbers == list(range(400))


def test_moved_to_a_folder_of_its_own(log: Path, desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    append(log, lines(10, 20))
    log.rename(tmp_path / "old" / "mail.log.1")
    log.write_text(lines(20, 30))
    catch_up(desk.inlet(log, rotated_to=str(tmp_path / "old")))
    assert desk.numbers == list(range(30))


def test_the_file_that_we_stopped_in_is_gone(log: Path, desk: Desk) -> None:
    """What is there was written since; that something may be missing is told."""
    log.with_name("mail.log.1").write_text(lines(20, 30))
    log.write_text(lines(30, 40))
    inlet = desk.inlet(log)
    catch_up(inlet)
    assert desk.numbers == [*range(10), *range(20, 40)]
    assert inlet.state().lost_trails == 1


@pytest.mark.parametrize("damaged", [b"", b"\xc1", b"rubbish", encode(Cursor(VERSION + 1, 0, [], []))])
def test_a_cursor_that_nobody_can_read_is_none(log: Path, damaged: bytes) -> None:
    desk = Desk()
    catch_up(desk.inlet(log, saved={f"logfile:{log}": damaged, f"logfile:{log}#memory": damaged}))
    append(log, line(0))
    catch_up(desk.inlet(log))
    assert desk.numbers == [0]


def test_cursors_come_back_as_they_were() -> None:
    place = Place(1, 2, 3, Fingerprint(4, digest(b"head")), 5)
    cursor, memory = Cursor(VERSION, 9, [place], [place.head]), Memory(VERSION, [place], b"memory")
    assert decode(encode(cursor), Cursor) == cursor
    assert decode(encode(memory), Memory) == memory
    assert place.head.fits(b"header")
    assert not place.head.fits(b"hea")
    assert not Fingerprint(0, b"").fits(b"anything")


def test_names_of_rotated_files(tmp_path: Path) -> None:
    yes = ["mail.log.1", "mail.log.12.gz", "mail.log-20261124.xz", "mail-20261124.log", "mail-20261124.log.gz", "mail.1.log"]
    no = ["mail.log", "mail.err", "mail.info.1", "mail.err.log", "xmail.log.1", "mail"]
    for name in yes + no:
        (tmp_path / name).write_text(name)
    assert sorted(Path(found.path).name for found in Rotated(str(tmp_path / "mail.log")).all()) == sorted(yes)


def test_what_cannot_be_looked_at_is_no_file(tmp_path: Path) -> None:
    assert look(str(tmp_path)) is None
    assert look(str(tmp_path / "missing")) is None
