"""`gatepost rules`: list, show, export, test."""

from pathlib import Path

import pytest

from gatepost.core.rules import PRESETS, sentence
from gatepost.wire.toml_files import read_rules
from tests.cli.command import refused, run

STORY = """preset standard
00:00:00  >> connected imap 192.0.2.7            49 times, every 2s
00:01:38  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 00:06:38   (dos: 50 in 5m)
"""


def test_the_rules_of_the_standard_preset_are_listed_in_sentences() -> None:
    lines = run("rules", "list").out.split("\n")
    assert [line.split()[:2] for line in lines[1:-1]] == [["dos", "enforce"], ["harvesting", "enforce"], ["password-brute-force", "enforce"]]
    assert "50 connections from one address within 5m on smtp, imap, pop3 (each apart) block that protocol for 5m." in lines[1]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_listed_as_json(preset: str) -> None:
    found = run("rules", "list", "--preset", preset, "--json").json["rules"]
    assert [(each["rule"]["name"], each["sentence"]) for each in found] == [(rule.name, sentence(rule)) for rule in PRESETS[preset]]  # type: ignore[index]


def test_a_rule_is_shown_with_its_sentence_and_its_toml(tmp_path: Path) -> None:
    said, _, toml = run("rules", "show", "dos").out.partition("\n\n")
    assert said == sentence(PRESETS["standard"][0])
    assert read_rules(toml, "shown").rule == PRESETS["standard"][:1]
    assert run("rules", "show", "dos", "--json").json["rule"]["threshold"] == 50


def test_an_unknown_rule_is_answered_with_the_known_ones() -> None:
    refused(run("rules", "show", "nix"), "there is no rule 'nix'; one of dos, harvesting, password-brute-force")
    refused(run("rules", "show", "bounces"), "there is no rule 'bounces'")
    assert run("rules", "show", "bounces", "--preset", "strict").code == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_exported_is_read_back(tmp_path: Path, preset: str) -> None:
    (tmp_path / "r.toml").write_text(run("rules", "export", "--preset", preset).out)
    assert read_rules((tmp_path / "r.toml").read_text(), "r.toml").rule == PRESETS[preset]  # type: ignore[index]
    assert run("rules", "export", "--rules", tmp_path / "r.toml").out == (tmp_path / "r.toml").read_text()


def test_stories_pass_and_differ(tmp_path: Path) -> None:
    (tmp_path / "good.story").write_text(STORY)
    (tmp_path / "bad.story").write_text(STORY.replace("until 00:06:38", "until 00:06:39"))
    ran = run("rules", "test", "good.story", "bad.story", where=tmp_path)
    assert ran.code == 1
    lines = ran.out.split("\n")
    assert lines[:2] == ["passed   good.story", "differs  bad.story"]
    assert [line.split("until")[1] for line in lines if "until" in line] == [" 00:06:39   (dos: 50 in 5m)", " 00:06:38   (dos: 50 in 5m)"]
    assert lines[-2] == "1 passed, 1 failed"
    assert run("rules", "test", "good.story", where=tmp_path).code == 0


def test_the_outcome_of_stories_as_json(tmp_path: Path) -> None:
    (tmp_path / "good.story").write_text(STORY)
    (tmp_path / "bad.story").write_text(STORY + "00:03:00 ?? connect imap 192.0.2.7\n<< allow\n")
    ran = run("rules", "test", "--json", "good.story", "bad.story", where=tmp_path)
    good, bad = ran.json["stories"]
    assert ran.code == 1
    assert good == {"file": "good.story", "passed": True, "diff": []}
    assert (bad["file"], bad["passed"]) == ("bad.story", False)
    assert {"-<< allow", "+          << refuse dos"} <= set(bad["diff"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("00:01:00  >> conected imap 192.0.2.7", ["bad.story:5: kind: 'conected' is none; one of connected"]),
        ("prest standard", ["bad.story:5: 'prest': a line starts with a time, <<, preset NAME"]),
        ("preset relaxed", ["bad.story:5: once the story has begun, write TIME adopt in front of it"]),
        ("deny 10.0.0.0/33", ["bad.story:5: prefix: '10.0.0.0/33'"]),
    ],
)
def test_a_typo_in_a_story_is_told_with_its_line_and_nothing_else_is_printed(tmp_path: Path, line: str, words: list[str]) -> None:
    (tmp_path / "good.story").write_text(STORY)
    (tmp_path / "bad.story").write_text(STORY + line + "\n")
    refused(run("rules", "test", "good.story", "bad.story", where=tmp_path), *words)


def test_stories_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"# caf\xe9\n")
    refused(run("rules", "test", "missing.story", where=tmp_path), "missing.story: cannot be read: No such file or directory")
    refused(run("rules", "test", ".", where=tmp_path), ".: cannot be read: Is a directory")
    refused(run("rules", "test", "latin", where=tmp_path), "latin: is no UTF-8 text (byte 5)")


def test_a_hostile_story_is_shown_never_obeyed(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(STORY.replace("(dos", "\x1b[2J\u202e(dos"))
    ran = run("rules", "test", "s", where=tmp_path)  # `run` looks for what a terminal obeys
    assert r"\x1b[2J\u202e" in ran.out
    (tmp_path / "s").write_text("\x1b[2J\n")
    refused(run("rules", "test", "s", where=tmp_path), "s:1: ")
