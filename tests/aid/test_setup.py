"""Plans of changed files: shown, written, checked, taken back."""

import os
from pathlib import Path

import pytest

from gatepost.aid.setup import Applied, Change, Plan, added, apply, read, run
from gatepost.core.faults import BadInputError


def plan(*changes: Change) -> Plan:
    return Plan(server="postfix", changes=changes, check=("postfix", "check"))


def well(_: object) -> tuple[int, str]:
    return 0, ""


def test_what_is_written_has_a_backup_and_keeps_its_rights(tmp_path: Path) -> None:
    there = tmp_path / "main.cf"
    there.write_text("a = 1\n")
    there.chmod(0o640)
    new = tmp_path / "fresh" / "gatepost.toml"
    made = plan(Change(str(there), "a = 1\n", "a = 2\n"), Change(str(new), None, "b = 1\n"))
    done = apply(made, plan, well)
    assert done == Applied(True, backups=(f"{there}.before-gatepost",))
    assert (there.read_text(), new.read_text(), Path(done.backups[0]).read_text()) == ("a = 2\n", "b = 1\n", "a = 1\n")
    assert there.stat().st_mode & 0o777 == 0o640
    assert apply(plan(Change(str(there), "a = 2\n", "a = 3\n")), plan, well).backups == (f"{there}.before-gatepost1",)


def test_what_the_server_refuses_is_taken_back(tmp_path: Path) -> None:
    there = tmp_path / "main.cf"
    there.write_text("a = 1\n")
    new = tmp_path / "new.cf"
    seen = []

    def refuses(command: object) -> tuple[int, str]:
        seen.append((command, there.read_text(), new.read_text()))
        return 1, "fatal: no"

    done = apply(plan(Change(str(there), "a = 1\n", "a = 2\n"), Change(str(new), None, "b = 1\n")), plan, refuses)
    assert seen == [(("postfix", "check"), "a = 2\n", "b = 1\n")]
    assert not done.done
    assert "fatal: no" in done.said
    assert there.read_text() == "a = 1\n"
    assert os.listdir(tmp_path) == ["main.cf"]


def test_lines_that_are_not_found_again_are_taken_back(tmp_path: Path) -> None:
    there = tmp_path / "main.cf"
    there.write_text("a = 1\n")
    change = Change(str(there), "a = 1\n", "a = 2\n")
    done = apply(plan(change), lambda: plan(change), well)
    assert not done.done
    assert there.read_text() == "a = 1\n"


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    there = tmp_path / "main.cf"
    there.write_text("a = 7\n")
    with pytest.raises(BadInputError, match="changed meanwhile"):
        apply(plan(Change(str(there), "a = 1\n", "a = 2\n")), plan, well)
    assert os.listdir(tmp_path) == ["main.cf"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.cf").write_text("a = 1\n")
    (tmp_path / "main.cf").symlink_to("real.cf")
    assert apply(plan(Change(str(tmp_path / "main.cf"), "a = 1\n", "a = 2\n")), plan, well).done
    assert (tmp_path / "main.cf").is_symlink()
    assert (tmp_path / "real.cf").read_text() == "a = 2\n"


@pytest.mark.parametrize(
    ("before", "after"), [(None, "new\n"), ("", "new\n"), ("old\n", "old\n\nnew\n"), ("old", "old\n\nnew\n"), ("\n", "\nnew\n")]
)
def test_lines_are_added_at_the_end(tmp_path: Path, before: str | None, after: str) -> None:
    file = tmp_path / "gatepost.toml"
    if before is not None:
        file.write_text(before)
    made = added(file, "new\n")
    assert (made.before, made.after) == (before, after)
    assert made.lines[-1] == "new"


def test_a_file_that_cannot_be_read_names_the_cure(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"# \xe9\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").write_bytes(b"#" * ((1 << 20) + 1))
    for name, said in (("nowhere", "--folder"), ("latin", "UTF-8"), ("huge", "1 MiB"), (".", "cannot be read")):
        with pytest.raises(BadInputError, match=said):
            read(tmp_path / name)
    assert read(tmp_path / "pipe") == ""


def test_a_check_says_its_words_and_its_code() -> None:
    code, said = run(["sh", "-c", "test -t 2 && echo on a terminal >&2; exit 3"])
    assert (code, said) == (3, "on a terminal")
    assert run(["no-such-program-here"])[0] == 127


def test_what_a_check_leaves_behind_holds_nothing_up() -> None:
    code, said = run(["sh", "-c", "sleep 20 & echo done"])
    assert (code, said) == (0, "done")
