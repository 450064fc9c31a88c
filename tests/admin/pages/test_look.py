"""Words of the templates, and the pulse."""

from gettext import NullTranslations

import pytest

from gatepost.admin.pages.look import STATIC, TEMPLATES, Speech, environment, number, sound, span
from gatepost.admin.pages.pulse import EVERY, HEIGHT, KEPT, WIDTH, Beat, Pulse, lines_of
from gatepost.core.spans import DAY, HOUR, MINUTE, SECOND
from tests.admin.desks import Bench


@pytest.mark.parametrize(
    ("us", "text"),
    [(0, "0 s"), (-5, "0 s"), (999_999, "0 s"), (59 * SECOND, "59 s"), (61 * SECOND, "1 m 1 s"), (DAY + HOUR + MINUTE, "1 d 1 h"), (DAY, "1 d")],
)
def test_spans(us: int, text: str) -> None:
    assert span(us) == text


def test_times_and_numbers() -> None:
    english = Speech(NullTranslations())
    assert english.moment(0) == "never"
    assert english.moment(1_800_000_000 * SECOND) == '<time datetime="2027-01-15T08:00:00Z">2027-01-15 08:00:00</time>'

    assert number(1234567) == "1\u202f234\u202f567"


def test_what_no_screen_should_obey_is_shown_as_its_code() -> None:
    assert sound("a\x1b[31m\u202eb\n\tc é 漢") == "a\\u001b[31m\\u202eb\n\tc é 漢"
    assert sound(7) == 7


def test_every_template_can_be_read_and_nothing_in_them_is_inline_or_from_elsewhere() -> None:
    made = environment()
    for file in TEMPLATES.iterdir():
        text = file.read_text("utf-8")
        made.parse(text)
        assert not [word for word in ("style=", "onclick", "<style", "http://", "https://", "javascript:") if word in text], file.name
    for file in STATIC.iterdir():
        assert "http" not in file.read_text("utf-8").replace("http://www.w3.org/2000/svg", ""), file.name


def test_the_pulse_is_what_came_in_since_the_look_before(made: Bench) -> None:
    pulse = Pulse(made.desk)
    made.connect(many=6)
    pulse.look()
    made.connect("203.0.113.9", many=3, protocol="imap")
    pulse.look()
    pulse.look()
    assert [beat.facts for beat in pulse.beats] == [{"smtp": 6}, {"smtp": 0, "imap": 3}, {"smtp": 0, "imap": 0}]
    for _ in range(2 * KEPT):
        pulse.look()
    assert len(pulse.beats) == KEPT


def test_lines_stay_in_their_box_and_tell_facts_a_minute() -> None:
    beats = [Beat(number, {"smtp": number, "http": 1}) for number in range(1, 41)]
    lines, top, minutes = lines_of(beats)
    found = {line.protocol: line for line in lines}
    assert (list(found), minutes) == (["smtp", "imap", "pop3", "http"], 7)
    assert (found["smtp"].now, found["smtp"].most, top) == (40 * 60 / EVERY, 240.0, 240.0)
    assert [line.protocol for line in lines_of(beats, ["sieve", ""])[0]] == ["smtp", "imap", "pop3", "sieve", "http"]
    points = [tuple(map(float, point.split(","))) for point in found["smtp"].points.split()]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert (points[-1], lines_of([])[1:]) == ((WIDTH, 0), (10.0, 5))
    assert lines_of(beats[:1])[0][0].points.count(",") == 2, "the first look is seen, as a short line"
