"""The preview page: from the form to both sides and back, over a real console; the keeper says what the test says."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from gatepost.admin.actions.rules import set_mode
from gatepost.admin.pages.preview import HEIGHT, bars_of
from gatepost.core.spans import DAY
from gatepost.pipeline.previews import Blocked, Day, Gap, Hit, Preview, PreviewState, Total
from gatepost.pipeline.recall import Past
from tests.admin.consoles import Answer, Browser, Served, served, shown
from tests.admin.desks import ADMIN, START
from tests.admin.test_why import Memory

HOSTILE = '"><script>alert(1)</script>\u202e'
GAINED = Hit(
    subject="203.0.113.9", by="client", holds=3, first=START, until=START + DAY, rules=("dos",), logins=30, accounts=("eve@example.org", HOSTILE)
)
LOST = Hit(subject="203.0.113.10", by="client", holds=1, first=START, until=START + DAY, rules=("dos",), unknown=True)
RESULT = Preview(
    since=START - DAY,
    until=START,
    facts=854,
    fed=100,
    days=[Day(day="2027-01-14", before=2, after=6, unknown=1), Day(day="2027-01-15", before=0, after=3, unknown=0)],
    rules=[Total(rule="dos", before=2, after=9, braked=START)],
    gained=[GAINED],
    lost=[LOST],
    friends=[structs.replace(GAINED, both=False)],
    gaps=[Gap(start=START - DAY, until=START - DAY // 2), Gap(start=START - 9, until=START, missing=12)],
    blocked=[Blocked(subject="203.0.113.11", start=START - DAY, until=START)],
    many={"gained": 1, "lost": 1, "friends": 1, "gaps": 2, "blocked": 1},
    notes=[HOSTILE],
)


@pytest.fixture
def console() -> Iterator[Served]:
    """A console whose keeper is about to say something."""
    with served() as found:
        found.made.desk.recall = Memory(Past())
        yield found


def memory(console: Served) -> Any:
    """Who remembers."""
    return console.made.desk.recall


def fields(text: str, action: str) -> dict[str, list[str]]:
    """What the form of an action would send."""
    form = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', text, re.DOTALL)
    assert form, action
    sent: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        name, value = (re.search(rf' {each}="([^"]*)"', tag) for each in ("name", "value"))
        if name and ("checkbox" not in tag or " checked" in tag):
            sent.setdefault(name[1], []).append(html.unescape(value[1] if value else ""))
    for name, options in re.findall(r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', form[0], re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        sent[name] = [html.unescape(chosen[1] if chosen else "")]
    return sent


def begun(anna: Browser, page: str = "/rules/dos", **typed: Any) -> Answer:
    """Fills a form in, and presses Preview."""
    return anna.post(f"{page}/preview", fields(anna.get(page).text, page) | typed)


def test_from_the_form_to_both_sides_and_saved(console: Served) -> None:
    anna = console.browser("administrator")
    memory(console).states = [
        PreviewState(number=7, percent=40),
        PreviewState(number=7, percent=41),
        PreviewState(number=7, state="done", result=RESULT),
    ]
    answer = begun(anna, threshold="30", days="3")
    assert (answer.status, answer.headers["location"]) == (303, "/preview/7")
    (asked,) = memory(console).asked
    assert (asked.after[0].threshold, asked.names, asked.before[0].threshold) == (30, ("dos",), 50)
    assert 2 * DAY <= START - asked.since < 3 * DAY

    running = anna.get("/preview/7").text
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in running
    assert "40 %" in running
    assert 'action="/rules/dos"' not in running
    assert anna.get("/preview/7/state").text == '{"state":"running","percent":41}'

    done = anna.get("/preview/7")
    said = shown(done)
    for words in (
        "dos: 30 connections",
        "2027-01-14 2 6 1",
        "Probable false positives 1",
        "eve@example.org",
        "12 entries are missing",
        "before the history",
    ):
        assert words in said
    for subject in ("203.0.113.9", "203.0.113.10", "203.0.113.11"):
        assert f'href="/why?subject={subject}"' in done.text
    assert "refresh" not in done.text
    assert "<script>alert" not in done.text
    assert "\u202e" not in done.text
    assert console.made.engine.rules[0].threshold == 50
    assert anna.post("/rules/dos", fields(done.text, "/rules/dos")).status == 303
    assert console.made.engine.rules[0].threshold == 30


def test_the_second_of_two_is_told_and_keeps_what_he_typed(console: Served) -> None:
    anna = console.browser("administrator")
    memory(console).states = [PreviewState(number=7, state="done", result=RESULT)]
    begun(anna, threshold="31")
    form = fields(anna.get("/preview/7").text, "/rules/dos")
    console.do(set_mode(console.made.desk, ADMIN, "harvesting", "observe"))
    answer = anna.post("/rules/dos", form)
    assert answer.status == 412
    assert 'value="31"' in answer.text
    assert "Somebody changed the rules" in answer.text
    again = anna.get("/rules/dos?preview=7").text  # back to editing tells it too
    assert 'value="31"' in again
    assert "Somebody changed the rules" in again
    assert 'value="31"' not in console.browser("operator").get("/rules/dos?preview=7").text


def test_what_cannot_be_stands_at_its_field_and_nothing_begins(console: Served) -> None:
    anna = console.browser("administrator")
    for typed, words in (
        ({"threshold": "0", "days": "3"}, 'id="rule-threshold-wrong"'),
        ({"days": "0"}, 'id="rule-days-wrong"'),
        ({"days": "x"}, "no whole"),
    ):
        answer = begun(anna, **typed)
        assert answer.status == 422
        assert words in answer.text
    assert begun(anna, "/new-rule", name="dos").status == 422
    assert memory(console).asked == []
    console.made.desk.recall = None
    assert "no history is kept here" in shown(begun(anna))


def test_new_rules_presets_and_rules_that_are_off(console: Served) -> None:
    anna = console.browser("administrator")
    typed = {"name": "mine", "counts": "auth_failed", "threshold": "9", "window": "1h", "for": "1d", "on": ["imap"]}
    assert begun(anna, "/new-rule", **typed).status == 303
    assert memory(console).asked[-1].names == ("mine",)
    assert 'value="mine"' in anna.get("/new-rule?preview=7").text
    assert anna.post("/presets/strict/preview", {"form": "rule", "days": "2"}).status == 303
    assert "password-spraying" in memory(console).asked[-1].names
    console.do(set_mode(console.made.desk, ADMIN, "dos", "off"))
    assert begun(anna).status == 303
    assert memory(console).asked[-1].after[0].mode == "enforce"


def test_who_may_and_whose_it_is(console: Served) -> None:
    anna, bob, eve = (console.browser(role) for role in ("administrator", "operator", "viewer"))
    memory(console).states = [PreviewState(number=7, state="done", result=RESULT)]
    assert begun(bob, threshold="30").status == 303
    assert 'action="/rules/dos"' not in bob.get("/preview/7").text  # an operator saves no rule
    assert "Back to editing" in shown(bob.get("/preview/7"))
    for other in (anna, eve):
        said = shown(other.get("/preview/7"))
        assert "begun by operator" in said
        assert "Back to editing" not in said
    eve.get("/account")
    assert eve.post("/rules/dos/preview", {"form": "rule"}).status == 403
    for number in ("8", "x", "99999999999999999999"):
        assert anna.get(f"/preview/{number}").status == anna.get(f"/preview/{number}/state").status == 404
    assert "not the newest" in shown(anna.get("/preview/8"))


def test_one_that_is_cancelled_keeps_the_form(console: Served) -> None:
    anna = console.browser("administrator")
    begun(anna, threshold="33")
    anna.get("/preview/7")
    assert anna.post("/preview/7/cancel").status == 303
    assert "The preview was cancelled" in shown(anna.get("/preview/7"))
    assert 'value="33"' in anna.get("/rules/dos?preview=7").text


def test_bars_are_as_tall_as_their_holds() -> None:
    bars, top = bars_of(RESULT.days)
    assert (top, [bar.height for bar in bars]) == (6, ["40.00", f"{HEIGHT:.2f}", "0.00", "60.00"])
    assert bars_of([]) == ([], 1)
