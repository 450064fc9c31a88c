"""What the docs show works: stories go as written, rule files and configurations are read, commands exist and take the options shown."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gatepost import config
from gatepost.aid.stories import differences
from gatepost.cli import gatepost
from gatepost.wire.toml_files import read, read_rules

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^ *|[|(`] ?|\.venv/bin/)(gatepost [a-z][^`\n|#]*)", re.MULTILINE)

Found = tuple[str, str]


def _fenced(language: str) -> list[Found]:
    """Each block of a language, with where it stands."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in FENCE.finditer(text):
            if block[1] == language:
                found.append((f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, block.start()) + 1}", block[2]))
    return found


def _settings(text: str) -> bool:
    parts = "logs|accounts|logfile|journal|syslog|gateway|channel|dovecot_policy|postfix_policy|postfix_cidr|console"
    return bool(re.search(rf"^\[+(?:{parts})\b", text, re.MULTILINE))


@pytest.mark.parametrize(("where", "text"), _fenced("story"))
def test_the_story_goes_as_written(where: str, text: str) -> None:
    assert differences(text, where) == []


@pytest.mark.parametrize(("where", "text"), _fenced("toml"))
def test_the_file_is_read(where: str, text: str) -> None:
    if _settings(text):
        assert read(config.Settings, text, where) != config.Settings()
    else:
        assert read_rules(text, where).rules()


def _commands() -> Iterator[Found]:
    for page in PAGES:
        for found in COMMAND.finditer(page.read_text(encoding="utf-8")):
            words = found[1].split("  ")[0].strip()
            yield str(page.relative_to(ROOT)), words


COMMANDS = list(dict.fromkeys(_commands()))


def test_commands_are_found() -> None:
    assert ("README.md", "gatepost replay /var/log/mail.log*") in COMMANDS
    assert len(COMMANDS) > 20


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_the_command_is_there_and_has_the_options_that_are_shown(page: str, line: str) -> None:
    command: click.Command = gatepost
    for word in shlex.split(line)[1:]:
        if isinstance(command, click.Group) and not word.startswith("-"):
            known = command.get_command(click.Context(command), word.rstrip(",.;:)"))
            assert known is not None, f"{page}: {line}"
            command = known
        elif word.startswith("--"):
            options = {name for each in command.params for name in each.opts} | {"--help", "--version"}
            assert word.partition("=")[0] in options, f"{page}: {line}"
