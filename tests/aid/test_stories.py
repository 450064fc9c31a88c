"""Stories are played and come back as they went."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.aid.stories import differences, play
from gatepost.core.faults import BadInputError

FLOOD = """# fifty are too many
preset standard

00:00:00  >> connected imap 192.0.2.7            49 times, every 2s
00:01:38  >> connected imap 192.0.2.7
          << impose block client 192.0.2.7 on imap until 00:06:38   (dos: 50 in 5m)
00:01:39  ?? connect imap 192.0.2.7
          << refuse dos
00:01:39  ?? connect pop3 192.0.2.7
          << allow
00:06:38  ..
          << expire block client 192.0.2.7 on imap   (dos: 50 in 5m)
"""
DEEDS = """allow 192.0.2.9 relay
hold account bob for 5m reason=spam
          << impose block account bob on everything until 00:05:00   (administrator: spam)
00:00:10  ?? login imap 198.51.100.1 account=bob
          << refuse administrator
00:00:11  ?? relay smtp 192.0.2.9
          << allow   (allow 192.0.2.9 relay)
00:01:00  lift account bob grace=1h
          << release block account bob on everything   (lifted)
00:02:00  adopt deny 198.51.100.0/24
00:02:01  ?? connect smtp 198.51.100.1
          << refuse denied   (deny 198.51.100.0/24)
00:03:00  adopt rule touchy counts=connected threshold=1 window=1m for=1m
00:03:01  >> connected imap 203.0.113.1
          << impose block client 203.0.113.1 on imap until 00:04:01   (touchy: 1 in 1m)
00:03:02  pause for 1h
          << release block client 203.0.113.1 on imap   (paused)
00:03:03  >> connected imap 203.0.113.2
          << watch block client 203.0.113.2 on imap until 00:04:03   (touchy: 1 in 1m)
00:03:04  resume
00:03:05  forget client 203.0.113.2
00:03:06  >> connected imap 203.0.113.2
          << impose block client 203.0.113.2 on imap until 00:04:06   (touchy: 1 in 1m)
"""


@pytest.mark.parametrize("story", [FLOOD, DEEDS, "", "\n\n# nothing\n"])
def test_a_story_that_goes_as_written_comes_back_as_it_was_written(story: str) -> None:
    assert play(story) == story
    assert differences(story) == []


@pytest.mark.parametrize("story", [FLOOD, DEEDS])
def test_what_follows_need_not_be_written_to_be_played(story: str) -> None:
    bare = "\n".join(line for line in story.split("\n") if not line.strip().startswith("<<"))
    assert play(bare) == story


def test_white_space_and_line_ends_do_not_matter() -> None:
    assert differences("\r\n".join("  ".join(line.split()) + "\t" for line in FLOOD.split("\n"))) == []


def test_an_explanation_need_not_be_written_each_for_itself() -> None:
    assert differences(FLOOD.replace("   (dos: 50 in 5m)", "")) == []
    assert differences(FLOOD.replace("   (dos: 50 in 5m)", "", 1)) == []
    delays = "<< delay 5s\n00:00:00.6 ?? connect imap 192.0.2.7\n<< delay 5s (x: 1 in 1m)"
    twice = f"""rule x counts=connected threshold=1 window=1m for=1s action=delay
00:00:00 >> connected imap 192.0.2.7
<< impose delay 5s client 192.0.2.7 on imap until 00:00:01
00:00:00.5 ?? connect imap 192.0.2.7
{delays}"""
    assert differences(twice) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(dos: 50 in 5m)\n00:01:39", "(dos: 49 in 5m)\n00:01:39"),
        ("until 00:06:38", "until 00:06:39"),
        ("          << allow\n", ""),
        ("          << allow\n", "<< allow\n<< allow\n"),
        ("<< refuse dos", "<< allow"),
        ("49 times", "48 times"),
    ],
)
def test_a_story_that_goes_otherwise_is_a_difference(right: str, wrong: str) -> None:
    assert right in FLOOD
    found = differences(FLOOD.replace(right, wrong), "x.story")
    assert found[:2] == ["--- x.story (as written)", "+++ x.story (as it went)"]


def test_a_difference_shows_only_what_differs() -> None:
    written = FLOOD.replace("   (dos: 50 in 5m)", "").replace("<< refuse dos", "<<   allow").replace("          <<", "\t<<")
    assert [line for line in differences(written)[2:] if line[0] in "+-"] == ["-\t<<   allow", "+          << refuse dos"]


@pytest.mark.parametrize(
    ("story", "wrong"),
    [
        ("preset standard\n\n00:00:00 >> conected imap 192.0.2.7\n", "s:3: kind: 'conected' is none"),
        ("00:00:00 ..\npreset strict", "s:2: once the story has begun, write TIME adopt in front of it"),
        ("00:00:00 ..\nallow 192.0.2.7", "s:2: once the story has begun"),
        ("allow 192.0.2.7\ndeny 192.0.2.7\n00:00:00 ..", "s:3: prefix: 192.0.2.7 on smtp stands on both lists"),
        ("allow 192.0.2.7\n00:00:00 adopt deny 192.0.2.7", "s:2: prefix: 192.0.2.7 on smtp stands on both lists"),
        ("rule x counts=connected threshold=0 window=5m for=5m", "s:1: threshold: "),
        ("00:00:00 hold client 192.0.2.7 for 0s", "s:1: until: a hold must end after it starts"),
    ],
)
def test_what_cannot_be_played_is_told_with_its_line(story: str, wrong: str) -> None:
    with pytest.raises(BadInputError) as told:
        differences(story, "s")
    assert str(told.value).startswith(wrong)


def test_an_entry_for_an_own_network_replaces_it() -> None:
    story = "deny 10.0.0.0/8\n00:00:00  ?? connect smtp 10.0.0.1\n          << refuse denied   (deny 10.0.0.0/8)"
    assert play(story) == story


LINES = [line.strip() for line in (FLOOD + DEEDS).split("\n") if not line.strip().startswith("<<")]


@given(st.lists(st.sampled_from(LINES), max_size=20))
def test_whatever_is_played_in_whatever_order_plays_or_is_refused_with_its_line(lines: list[str]) -> None:
    try:
        told = play("\n".join(lines), "s")
    except BadInputError as wrong:
        told = ""
        lines = lines[: wrong.line - 1]
    assert differences(told) == []
    assert told == "" or [line for line in told.split("\n") if not line.strip().startswith("<<")] == lines
