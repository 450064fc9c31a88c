"""Every story goes as written, every shipped rule and every rule field has one, and a story that expects something else fails."""

from pathlib import Path

import pytest
from msgspec import structs

from gatepost.aid.stories import differences, play
from gatepost.core.faults import BadInputError
from gatepost.core.rules import PRESETS, Preset, Rule, Where
from gatepost.wire.toml_files import read_rules

ROOT = Path(__file__).parents[2]
STORIES = sorted([*(ROOT / "tests" / "stories").glob("*.story"), *(ROOT / "examples").glob("*.story")])
TEXTS = {path: path.read_text(encoding="utf-8") for path in STORIES}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", STORIES, ids=_name)
def test_the_story_goes_as_written(path: Path) -> None:
    assert differences(TEXTS[path], _name(path)) == []


@pytest.mark.parametrize("path", STORIES, ids=_name)
def test_a_story_expects_something(path: Path) -> None:
    assert any(line.strip().startswith("<<") for line in TEXTS[path].split("\n"))


@pytest.mark.parametrize("path", STORIES, ids=_name)
def test_a_story_with_one_expectation_changed_fails(path: Path) -> None:
    lines = TEXTS[path].split("\n")
    for number, line in enumerate(lines):
        if line.strip().startswith("<<"):
            without = [*lines[:number], *lines[number + 1 :]]
            other = [*lines[:number], "<< refuse no-such-rule", *lines[number + 1 :]]
            assert differences("\n".join(without))
            assert differences("\n".join(other))


@pytest.mark.parametrize(("preset", "rule"), [(preset, rule.name) for preset, rules in PRESETS.items() for rule in rules])
def test_each_rule_of_each_preset_fires_in_a_story_of_that_preset(preset: Preset, rule: str) -> None:
    """What strict and relaxed take over from standard unchanged is told by standard's stories."""
    mine = next(each for each in PRESETS[preset] if each.name == rule)
    presets = [name for name, rules in PRESETS.items() if mine in rules]
    assert any(f"preset {name}" in text and f"({rule}: {mine.threshold} in {mine.window})" in text for text in TEXTS.values() for name in presets), (
        f"no story of {preset} has {rule} fire"
    )


def _fields() -> list[str]:
    fields = [field.encode_name for field in structs.fields(Rule) if field.encode_name not in ("name", "where")]
    return fields + [f"where.{field.encode_name}" for field in structs.fields(Where)]


@pytest.mark.parametrize("field", _fields())
def test_each_rule_field_is_set_in_a_story(field: str) -> None:
    assert any(f" {field}=" in line for text in TEXTS.values() for line in text.split("\n") if "rule " in line)


def _choices() -> list[tuple[str, str]]:
    counts = "connected open_connections bad_session auth_failed auth_succeeded message_accepted recipients rejected message_bounced"
    counts += " protocol_abused held"
    return [
        *(("counts", value) for value in counts.split()),
        *(("by", value) for value in ("client", "network", "account", "pair")),
        *(("distinct", value) for value in ("accounts", "secrets", "clients")),
        *(("action", value) for value in ("block", "delay", "alert")),
        *(("scope", value) for value in ("protocol", "logins", "everything")),
        *(("mode", value) for value in ("enforce", "observe", "off")),
        ("together", "true"),
        ("forgive_known", "true"),
    ]


@pytest.mark.parametrize(("field", "value"), _choices())
def test_each_choice_of_a_field_is_made_in_a_story(field: str, value: str) -> None:
    assert any(f"{field}={value}" in line.split() for text in TEXTS.values() for line in text.split("\n") if "rule " in line)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("preset strict\nprest standard", 2, "'prest'"),
        ("preset lenient", 1, "one of standard, relaxed, strict"),
        ("00:00:00 >> conected imap 192.0.2.7", 1, "kind: 'conected' is none"),
        ("00:00:00 >> connected imap 192.0.2.300", 1, "192.0.2.300"),
        ("00:00:00 >> connected imap 192.0.2.7 acount=bob", 1, "acount: connected has no such field"),
        ("00:00:00 ?? enter imap 192.0.2.7", 1, "stage: 'enter' is none"),
        ("rule x counts=connected threshold=0 window=5m for=5m", 1, "threshold"),
        ('rule x counts=connected threshold=1 window="5 parsecs" for=5m', 1, "is no length of time"),
        ("rule x counts=connected treshold=1 window=5m for=5m", 1, "did you mean threshold"),
        ("allow 192.0.2.7\ndeny 192.0.2.7\n00:00:00 ..", 3, "stands on both lists"),
        ("00:00:00 >> connected imap 192.0.2.7\npreset strict", 2, "adopt"),
        ("00:00:00 hold client 192.0.2.7 for never", 1, "is no length of time"),
        ("preset strict\n00:00:00 prolong client 192.0.2.7 for 1h", 2, "192.0.2.7 is not held then"),
        ("00:00:00 => connected", 1, "after a time comes"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(BadInputError, match=r"\S") as wrong:
        play(text, "x.story")
    assert str(wrong.value).startswith(f"x.story:{line}: ")
    assert said in str(wrong.value)


def test_an_explanation_may_be_left_out_though_the_story_writes_it_elsewhere() -> None:
    text = "rule x counts=connected threshold=1 window=1m for=1m action=delay delay=2s on=imap\n00:00:00 >> connected imap 192.0.2.7\n"
    text += "<< impose delay 2s client 192.0.2.7 on imap until 00:01:00\n00:00:01 ?? connect imap 192.0.2.7\n"
    first, second = "<< delay 2s (x: 1 in 1m)\n00:00:02 ?? connect imap 192.0.2.7\n", "<< delay 2s"
    assert differences(text + first + second) == []
    assert differences(text + first + second + " (x: 2 in 1m)")


def test_the_example_of_a_rule_file_is_read() -> None:
    path = ROOT / "examples" / "rules.toml"
    found = read_rules(path.read_text(encoding="utf-8"), path.name)
    assert found.rules()
    assert found.entries()
