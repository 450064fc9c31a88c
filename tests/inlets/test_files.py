"""Files become lines: what is opened, where a line ends, and how several files become one order of time."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import IO

import pytest
import zstandard

from gatepost.core.faults import BadInputError
from gatepost.inlets import files
from gatepost.inlets.files import LONGEST, SLICE, InOrder, LogFile

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor().compress,
}
BROKEN_BY_OTHERS = "1 a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i and so on, and on, and on, as text goes"
"""All that Python, Unicode and terminals take for the end of a line, save the one that ends a log's."""
MANY = "".join(f"{n} a line that differs {n * n}\n" for n in range(20_000)).encode()


def seconds(line: str) -> int | None:
    """The tests' stamp: a number at the line's start."""
    word = line.partition(" ")[0]
    return int(word) if word.isdigit() else None


def written(folder: Path, **contents: str | bytes) -> list[LogFile]:
    """Files with these contents, under these names."""
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [LogFile(str(folder / name)) for name in contents]


def one(folder: Path, content: str | bytes) -> LogFile:
    """A file with this content."""
    return written(folder, log=content)[0]


def lines_of(file: LogFile) -> list[str]:
    """All its lines."""
    return [line for lines in file.batches() for line in lines]


def in_order(logs: list[LogFile]) -> InOrder:
    """These files, by the tests' stamps."""
    return InOrder(logs, lambda _: seconds)


def merged(order: InOrder) -> list[str]:
    """All lines in order, none empty; the numbers of the batches are checked on the way."""
    found: list[str] = []
    for number, lines in order.batches(lambda _: None):
        assert number == len(found) + 1
        found += lines
    return found


def piped(monkeypatch: pytest.MonkeyPatch, write: Callable[[IO[bytes]], object]) -> None:
    """Whoever opens standard input reads from a pipe that ``write`` fills from another thread."""
    reading, writing = os.pipe()

    def fill() -> None:
        with open(writing, "wb", buffering=0) as into:
            write(into)

    threading.Thread(target=fill, daemon=True).start()
    monkeypatch.setattr(LogFile, "_open", lambda _: io.BufferedReader(io.FileIO(reading), SLICE))


# --- opening


@pytest.mark.parametrize("name", PACKERS)
def test_a_packed_file_is_unpacked_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert lines_of(one(tmp_path, PACKERS[name](MANY))) == lines_of(one(tmp_path, MANY))


@pytest.mark.parametrize("name", PACKERS)
def test_packed_files_one_behind_the_other_are_one(tmp_path: Path, name: str) -> None:
    assert lines_of(one(tmp_path, PACKERS[name](b"1 a\n") + PACKERS[name](b"2 b\n"))) == ["1 a", "2 b"]


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_data_that_is_cut_short_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    packed = PACKERS[name](MANY)
    log = one(tmp_path, packed[: int(len(packed) * kept)])
    with pytest.raises(BadInputError, match=r"log: its compressed data is damaged or cut short .*fetch it anew"):
        lines_of(log)
    with pytest.raises(BadInputError, match="damaged or cut short"):
        log.check()


@pytest.mark.parametrize("name", PACKERS)
def test_damaged_data_is_refused(tmp_path: Path, name: str) -> None:
    packed = bytearray(PACKERS[name](MANY))
    packed[len(packed) // 2 : len(packed) // 2 + 50] = bytes(50)
    with pytest.raises(BadInputError, match="damaged or cut short"):
        lines_of(one(tmp_path, bytes(packed)))


@pytest.mark.parametrize("name", PACKERS)
def test_standard_input_may_be_packed_and_come_byte_by_byte(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    piped(monkeypatch, lambda into: [into.write(PACKERS[name](b"1 a\n2 b\n")[n : n + 1]) for n in range(len(PACKERS[name](b"1 a\n2 b\n")))])
    assert lines_of(LogFile("-")) == ["1 a", "2 b"]


def test_standard_input_may_be_shorter_than_any_packers_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, lambda into: into.write(b"1 a"))
    assert lines_of(LogFile("-")) == ["1 a"]


def test_a_good_file_passes_the_check_and_shows_no_progress(tmp_path: Path) -> None:
    log = one(tmp_path, gzip.compress(MANY))
    log.check()
    assert log.done == 0


def test_progress_counts_bytes_on_the_disk(tmp_path: Path) -> None:
    log = one(tmp_path, gzip.compress(MANY))
    for _ in log.batches():
        assert 0 < log.done <= log.size
    assert log.done == log.size


@pytest.mark.parametrize(
    ("path", "said"), [("missing", "cannot be read: No such file or directory"), (".", "is a directory; name the log files in it")]
)
def test_what_cannot_be_opened_is_refused_at_once(tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        LogFile(str(tmp_path / path))


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    log = one(tmp_path, "1 a\n")
    monkeypatch.setattr("gatepost.inlets.files.io.FileIO", refuse)  # root may read everything
    with pytest.raises(BadInputError, match="log: cannot be read: Permission denied"):
        lines_of(log)
    with pytest.raises(BadInputError, match="log: cannot be read: Permission denied"):
        log.check()


def test_a_file_that_goes_away_is_refused(tmp_path: Path) -> None:
    log = one(tmp_path, "1 a\n")
    (tmp_path / "log").unlink()
    with pytest.raises(BadInputError, match="log: cannot be read: No such file"):
        lines_of(log)


@pytest.mark.parametrize(
    "content", [Path(sys.executable).read_bytes(), b"PK\x03\x04" + os.urandom(200), "1 wide\n".encode("utf-16") * 50], ids=["elf", "random", "utf-16"]
)
def test_a_binary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadInputError, match="log: is a binary file, not a log"):
        lines_of(one(tmp_path, content))


def test_a_name_that_is_no_text_is_told_with_escapes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/mail\xff.log"
    Path(os.fsdecode(path)).write_bytes(b"1 a\n")
    log = LogFile(os.fsdecode(path))
    assert log.name.endswith(r"/mail\xff.log")
    assert lines_of(log) == ["1 a"]


# --- where a line ends


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"1 a", ["1 a"]),
        (b"1 a\n", ["1 a"]),
        (b"1 a\n\n\n2 b\n", ["1 a", "", "", "2 b"]),
        (b"1 a\r\n2 b\r\n", ["1 a", "2 b"]),
        (b"1 a\r\n2 b\r", ["1 a", "2 b"]),
        (b"1 a\rb\n", ["1 a\rb"]),
        (b"\xef\xbb\xbf1 a\n", ["1 a"]),
        (f"{BROKEN_BY_OTHERS}\n2\n".encode(), [BROKEN_BY_OTHERS, "2"]),
        (b"1 \xff\xfe caf\xe9\n2 b\n", ["1 \ufffd\ufffd caf\ufffd", "2 b"]),
        (b"1 a\x00b \x1b[31m red \x1b]0;title\x07 and so on\n2 b\n", ["1 a\x00b \x1b[31m red \x1b]0;title\x07 and so on", "2 b"]),
        (bytes(3 * SLICE + 5) + b"1 a\n2 b\n", ["1 a", "2 b"]),
    ],
    ids=[
        *("empty", "empty line", "no newline", "newline", "empty lines", "crlf", "half a crlf", "lone cr", "byte order mark"),
        *("other line ends", "no utf-8", "controls", "hole"),
    ],
)
def test_lines(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    found = lines_of(one(tmp_path, content))
    assert found == lines


def test_lines_of_every_length_around_a_slice_are_whole(tmp_path: Path) -> None:
    for length in range(SLICE - 3, SLICE + 4):
        content = "\r\n".join(["x" * (length - 20_000), "é" * 10_000, "y", "", "z"])
        assert [len(line) for line in lines_of(one(tmp_path, content))] == [min(length - 20_000, LONGEST + 1), 10_000, 1, 0, 1]


@pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
@pytest.mark.parametrize(("length", "kept"), [(LONGEST, LONGEST), (LONGEST + 1, LONGEST + 1), (LONGEST + 2, LONGEST + 1), (300_000, LONGEST + 1)])
@pytest.mark.parametrize("end", ["\n2 b\n", ""])
def test_a_long_line_is_cut_one_character_behind_the_longest(tmp_path: Path, character: str, length: int, kept: int, end: str) -> None:
    found = lines_of(one(tmp_path, "1 a\n" + character * length + end))
    assert found == ["1 a", character * kept, *(["2 b"] if end else [])]


def test_a_line_of_100_mb_takes_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        for _ in range(100):
            log.write(b"x" * 1_000_000)
    script = (
        "import sys; from gatepost.inlets.files import LogFile\n"
        "print(sum(len(lines) for lines in LogFile(sys.argv[1]).batches()))\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    told = subprocess.run([sys.executable, "-c", script, str(tmp_path / "log")], check=True, capture_output=True, text=True).stdout.split()
    assert told[0] == "1"
    assert int(told[1]) < 60_000  # KiB


# --- several files


def test_a_rotated_series_given_in_any_order_is_one_order(tmp_path: Path) -> None:
    series = {"mail.log": b"30 e\n40 f\n", "mail.log.1": b"10 c\n20 d\n", "mail.log.2.gz": gzip.compress(b"1 a\n2 b\n")}
    written(tmp_path, **series)
    for given in permutations(series):
        order = in_order([LogFile(str(tmp_path / name)) for name in given])
        found = merged(order)
        assert [line for line in found if line] == ["1 a", "2 b", "10 c", "20 d", "30 e", "40 f"]
        for number, line in enumerate(found, 1):
            name, at = order.where(number)
            assert name.startswith(str(tmp_path))
            raw = Path(name).read_bytes()
            text = gzip.decompress(raw) if name.endswith(".gz") else raw
            assert text.decode().split("\n")[at - 1] == line


def test_files_whose_times_overlap_are_merged_and_a_line_of_both_is_read_once(tmp_path: Path) -> None:
    logs = written(tmp_path, mail="1 a\n2 b\n2 b\n4 d\n", syslog="1 a\n1 kernel\n2 b\n3 cron\n4 d\n5 e")
    order = in_order(logs)
    found = merged(order)
    assert [line for line in found if line] == ["1 a", "1 kernel", "2 b", "2 b", "3 cron", "4 d", "5 e"]
    assert order.repeated == 3
    assert [f"{Path(name).name}:{at}" for name, at in map(order.where, range(1, len(found) + 1))] == [
        *("mail:1", "syslog:2", "mail:2", "mail:3", "syslog:4", "mail:4", "syslog:6"),
    ]


def test_the_same_file_named_twice_is_read_once(tmp_path: Path) -> None:
    log = one(tmp_path, "1 a\n1 a\n2 b")
    order = in_order([log, LogFile(log.path)])
    assert merged(order) == ["1 a", "1 a", "2 b"]
    assert order.repeated == 3


def test_a_line_without_a_time_stays_behind_its_neighbour(tmp_path: Path) -> None:
    logs = written(tmp_path, main="1 a\n3 rejected\n5 c\n", reject="3 rejected\nEnvelope-from: <x>\n----\n4 b\n  more")
    assert [line for line in merged(in_order(logs)) if line] == ["1 a", "3 rejected", "Envelope-from: <x>", "----", "4 b", "  more", "5 c"]


def test_a_file_reaches_to_its_last_line_that_tells_a_time(tmp_path: Path) -> None:
    """Exim's rejectlog ends in the headers of a message: it overlaps the mainlog all the same."""
    logs = written(tmp_path, reject="1 a\n7 d\nEnvelope-from: <x>\n----\n", main="2 b\n3 c\n7 d\n8 e")
    order = in_order(logs)
    assert [line for line in merged(order) if line and line[0].isdigit()] == ["1 a", "2 b", "3 c", "7 d", "8 e"]
    assert order.repeated == 1


def test_a_long_file_that_ends_in_no_line_with_a_time_reaches_to_its_last_change(tmp_path: Path) -> None:
    logs = written(tmp_path, reject="1 a\n" + "no time\n" * 20_000, main="2 b\n")
    os.utime(tmp_path / "reject", ns=(9_000, 9_000))
    logs = [LogFile(log.path) for log in logs]
    assert logs[0].changed == 9
    assert [line for line in merged(in_order(logs)) if line not in ("", "no time")] == ["1 a", "2 b"]


@pytest.mark.parametrize("packed", [False, True])
def test_the_end_of_a_long_file_is_found(tmp_path: Path, packed: bool) -> None:
    early = "".join(f"{n} a line of the first file\n" for n in range(1, 9_001)) + "half a li"
    late = "8000 in between\n9500 behind\n"
    logs = written(tmp_path, a=gzip.compress(early.encode()) if packed else early, b=late)
    assert [line for line in merged(in_order(logs)) if line.startswith(("7999 ", "8000 ", "9000 ", "9500 "))] == [
        *("7999 a line of the first file", "8000 a line of the first file", "8000 in between", "9000 a line of the first file", "9500 behind"),
    ]


def test_empty_files_and_files_without_times_do_no_harm(tmp_path: Path) -> None:
    logs = written(tmp_path, empty="", timeless="a\nb\n", log="5 c\n")
    assert [line for line in merged(in_order(logs)) if line] == ["a", "b", "5 c"]
    assert merged(in_order(written(tmp_path, x="", y=""))) == []


def test_merged_batches_are_bounded_in_lines_and_in_characters(tmp_path: Path) -> None:
    long = "".join(f"{n} {'x' * 10_000}\n" for n in range(1, 30))
    short = "".join(f"{n}\n" for n in range(1, 2_000))
    batches = [lines for _, lines in in_order(written(tmp_path, long=long, short=short)).batches(lambda _: None)]
    assert max(map(len, batches)) <= files.BATCH
    assert max(sum(map(len, lines)) for lines in batches) <= SLICE + LONGEST + 1


def test_every_file_is_begun_before_its_lines_and_of_a_group_the_newest_last(tmp_path: Path) -> None:
    logs = written(tmp_path, late="8 a\n", old="1 a\n3 b\n", new="2 c\n")
    for log, changed in zip(logs, (3, 2, 1), strict=True):
        log.changed = changed
    begun: list[str] = []
    seen = [(list(begun), lines) for _, lines in in_order(logs).batches(lambda file: begun.append(Path(file.path).name))]
    assert seen[0][0] == ["new", "old"]
    assert seen[-1] == (["new", "old", "late"], ["8 a"]) or seen[-1][0] == ["new", "old", "late"]


def test_what_was_read_to_find_the_order_is_no_progress(tmp_path: Path) -> None:
    logs = written(tmp_path, a=gzip.compress(b"1 a\n"), b="5 b\n")
    batches = in_order(logs).batches(lambda _: None)
    next(batches)
    assert logs[1].done == 0


def test_standard_input_is_not_mixed_with_files(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"-: standard input cannot be brought into one order with files; name one or the other"):
        merged(in_order([one(tmp_path, "1 a\n"), LogFile("-")]))


def test_a_pipe_is_not_mixed_with_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInputError, match=r"pipe: is no file on disk, so it cannot be brought into one order with others; give it alone"):
        merged(in_order([one(tmp_path, "1 a\n"), LogFile(str(tmp_path / "pipe"))]))


@pytest.mark.parametrize("name", PACKERS)
def test_one_of_several_files_that_is_cut_short_is_refused_before_any_line(tmp_path: Path, name: str) -> None:
    logs = written(tmp_path, good="1 a\n", bad=PACKERS[name](MANY)[:-9])
    with pytest.raises(BadInputError, match="bad: its compressed data"):
        next(in_order(logs).batches(lambda _: None))
