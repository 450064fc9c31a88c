"""Each page as a person uses it, without JavaScript: what it shows, what its forms do, and what they say of bad input."""

import http.client
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from gatepost.admin.desk import Source
from gatepost.admin.second import STEP, code_at
from gatepost.core.facts import AuthSucceeded
from gatepost.core.rules import Rule
from gatepost.core.subjects import Client
from gatepost.pipeline.messengers import ChannelState
from gatepost.stores.contract import Audit, Batch
from tests.admin.consoles import PASSWORD, Browser, Served, served, shown
from tests.admin.desks import ATTACKER


@pytest.fixture
def console() -> Iterator[Served]:
    """A console with nobody logged in yet."""
    with served() as found:
        yield found


@pytest.fixture
def anna(console: Served) -> Browser:
    """An administrator's browser."""
    return console.browser("administrator")


def _follow(browser: Browser, path: str, form: dict[str, Any]) -> str:
    """Sends a form that is taken, and reads the page that follows."""
    sent = browser.post(path, form)
    assert sent.status == 303, shown(sent)
    return shown(browser.get(sent.headers["location"]))


def _refused(browser: Browser, path: str, form: dict[str, Any], status: int = 422) -> str:
    sent = browser.post(path, form)
    assert sent.status == status
    assert "Nothing was changed." in shown(sent)
    return sent.text


class TestNow:
    """The first page."""

    def test_it_shows_what_is_wrong_who_is_held_and_who_is_near(self, console: Served, anna: Browser) -> None:
        console.made.connect()
        console.made.fail("203.0.113.8", many=40)
        console.made.sources = [Source(name="mail.log", reading=True, lines=7, facts=3, understood=0.5)]
        console.made.problems = ["state: the disk is full"]
        said = shown(anna.get("/"))
        for words in ("1 thing needs attention", "state: the disk is full", ATTACKER, "dos", "203.0.113.8", "40 of 50", "mail.log", "50.0 %"):
            assert words in said
        console.made.problems = []
        assert "All is well." in shown(anna.get("/"))

    def test_pause_and_resume(self, console: Served, anna: Browser) -> None:
        console.made.connect()
        assert "Paused for 1h: 1 holds were lifted" in _follow(anna, "/pause", {"form": "pause", "for": "1h"})
        assert console.made.lets_in()
        assert "Rules hold again." in _follow(anna, "/resume", {})
        assert "no length of time" in unescape(_refused(anna, "/pause", {"form": "pause", "for": "soon"}))

    def test_the_stream_tells_what_changes_and_ends_with_the_session(self, console: Served, anna: Browser) -> None:
        link = http.client.HTTPConnection("127.0.0.1", console.port, timeout=60)
        link.request("GET", "/now/stream", headers={"Cookie": anna.cookie})
        found = link.getresponse()
        assert (found.status, found.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert _parts(found).keys() == {"health", "figures", "rates", "newest", "near", "wiring"}
        console.loop.call_soon_threadsafe(lambda: setattr(console.made, "problems", ["x: is wrong"]))
        while "health" not in (parts := _parts(found)):
            continue
        assert "x: is wrong" in parts["health"]
        console.loop.call_soon_threadsafe(console.accounts.sessions.clear)
        assert b"event: over" in found.read()
        link.close()


def _parts(found: http.client.HTTPResponse) -> dict[str, str]:
    while True:
        line = found.readline().decode()
        assert line, "the stream ended"
        if line.startswith("data: {"):
            parts: dict[str, str] = json.loads(line.removeprefix("data: "))
            return parts


class TestBlocks:
    """Filter, page, unblock."""

    def test_unblock_a_row_and_come_back_to_the_filter(self, console: Served, anna: Browser) -> None:
        console.made.connect()
        said = shown(anna.get("/blocks?text=203&sort=ending"))
        assert f"{ATTACKER} in 203.0.113.0/24 blocked smtp dos 50 in 5m" in said
        sent = anna.post("/blocks/unblock", {"one": ATTACKER, "grace": "1h", "back.text": "203", "back.sort": "ending"})
        assert sent.headers["location"] == "/blocks?text=203&sort=ending"
        assert f"{ATTACKER}: 1 block lifted. No rule holds it for 1h." in shown(anna.get(sent.headers["location"]))
        console.made.connect()
        assert console.made.lets_in()

    def test_what_is_said_is_said_once(self, console: Served, anna: Browser) -> None:
        console.made.connect()
        assert "1 block lifted" in _follow(anna, "/blocks/unblock", {"one": ATTACKER, "grace": "0s"})
        assert "1 block lifted" not in shown(anna.get("/blocks"))

    def test_ticked_rows(self, console: Served, anna: Browser) -> None:
        for number in range(3):
            console.made.connect(f"203.0.113.{number}")
        said = _follow(anna, "/blocks/unblock", {"subject": ["203.0.113.0", "203.0.113.2"], "grace": "0s"})
        assert "203.0.113.0, 203.0.113.2: 2 blocks lifted." in said
        assert [each.subject.text for each in console.made.guard.standing.holds(console.made.now())] == ["203.0.113.1"]
        assert "tick at least one row" in _refused(anna, "/blocks/unblock", {"grace": "0s"})
        assert "no length of time" in unescape(_refused(anna, "/blocks/unblock", {"one": "203.0.113.1", "grace": "x"}))

    def test_by_hand_and_what_is_refused_keeps_what_was_typed(self, console: Served, anna: Browser) -> None:
        form = {"form": "block", "prefix": "203.0.113.0/24", "for": "2d", "reason": 'he said "no"', "protocols": ["imap"]}
        assert "203.0.113.0/24 is blocked." in _follow(anna, "/blocks", form)
        assert not console.made.lets_in(protocol="imap")
        assert console.made.lets_in(protocol="smtp")
        text = _refused(anna, "/blocks", form | {"prefix": "nonsense"})
        for kept in ('value="nonsense"', 'value="2d"', 'value="he said &#34;no&#34;"', 'value="imap" checked', 'aria-invalid="true"'):
            assert kept in text
        assert "for: is empty" not in text
        assert "is empty" in _refused(anna, "/blocks", form | {"for": ""})
        assert "yourself" in _refused(anna, "/blocks", form | {"prefix": "127.0.0.0/8"})

    @pytest.mark.parametrize("query", ["sort=x", "after=x", "text=" + "x" * 300, "rule=%00", "limit=9"])
    def test_an_address_that_makes_no_sense_shows_a_page_all_the_same(self, anna: Browser, query: str) -> None:
        assert anna.get(f"/blocks?{query}").status == 200

    def test_pages(self, console: Served, anna: Browser) -> None:
        for number in range(60):
            console.made.connect(f"203.0.113.{number}", many=50)
        first = anna.get("/blocks?sort=newest").text
        assert "60 stand now" in shown(anna.get("/blocks"))
        path = unescape(first.partition('rel="next" href="')[2].partition('"')[0])
        second = anna.get(path).text
        assert ("203.0.113.59" in first, "203.0.113.0<" in first, "203.0.113.0<" in second) == (True, False, True)
        assert 'rel="next"' not in second

    def test_prolong_by_row_and_by_selection(self, console: Served, anna: Browser) -> None:
        for number in range(3):
            console.made.connect(f"203.0.113.{number}")
        assert re.search(r"4 m 59 s|5 m", shown(anna.get("/blocks")))
        said = _follow(anna, "/blocks/prolong", {"one": "203.0.113.0", "for": "7d", "back.rule": "dos"})
        assert "203.0.113.0: held 7d longer." in said
        assert "7 d" in said
        said = _follow(anna, "/blocks/prolong", {"subject": ["203.0.113.1", "203.0.113.2"], "for": "1d"})
        assert "203.0.113.1, 203.0.113.2: held 1d longer." in said
        assert "tick at least one row" in _refused(anna, "/blocks/prolong", {"for": "1d"})
        assert "not held" in _refused(anna, "/blocks/prolong", {"one": "203.0.113.9", "for": "1d"})
        assert "400 days from now at the latest" in _refused(anna, "/blocks/prolong", {"one": "203.0.113.0", "for": "399d"})
        assert [line.action for line in console.made.audit()[:3]] == ["blocks.prolong"] * 3

    def test_for_good_moves_it_to_the_deny_list(self, console: Served, anna: Browser) -> None:
        console.made.connect()
        assert f"{ATTACKER}: on the deny list for good, no longer a block." in _follow(anna, "/blocks/permanent", {"one": ATTACKER})
        assert "Nobody is blocked." in shown(anna.get("/blocks"))
        assert f"deny {ATTACKER}" in shown(anna.get("/access"))
        assert "not held" in _refused(anna, "/blocks/permanent", {"one": ATTACKER})

    def test_the_network_is_blocked_by_who_has_seen_whom_that_hits(self, console: Served, anna: Browser) -> None:
        console.made.connect()
        facts = [AuthSucceeded(console.made.now(), "mx", "imap", "", Client("203.0.113.9"), account="bob@example.org")]
        console.loop.call_soon_threadsafe(console.made.guard.report, facts)
        path = re.search(r'href="(/blocks/network[^"]*)"', anna.get("/blocks").text)
        assert path
        said = shown(anna.get(unescape(path[1])))
        assert "bob@example.org from 203.0.113.0/24 logged in well from there" in said
        assert f"Held now 1 {ATTACKER}" in said
        form = {"form": "block", "prefix": "203.0.113.0/24", "for": "2d", "reason": "enough"}
        text = _refused(anna, "/blocks/network", form)
        assert "confirm it" in text
        assert 'value="enough"' in text
        assert "203.0.113.0/24 is blocked." in _follow(anna, "/blocks/network", form | {"confirm": "yes"})
        assert "is no address" in shown(anna.get("/blocks/network?prefix=nonsense"))

    def test_a_viewer_sees_how_often_and_can_do_none_of_it(self, console: Served) -> None:
        console.made.connect()
        bob = console.browser("viewer")
        text = bob.get("/blocks").text
        assert 'data-name="In 30 days" class="num">1<' in text
        assert "More deeds" not in text
        for path in ("/blocks/prolong", "/blocks/permanent", "/blocks/network"):
            assert bob.post(path, {"one": ATTACKER, "for": "1d"}).status == 403
        assert bob.get("/blocks/network?prefix=203.0.113.0/24").status == 403


class TestWhy:
    """One subject."""

    def test_a_client(self, console: Served, anna: Browser) -> None:
        console.made.connect()
        console.made.connect(many=10, protocol="imap")
        said = shown(anna.get(f"/why?subject={ATTACKER}"))
        assert f"blocked {ATTACKER} on smtp, by dos : 50 in 5m" in said
        assert "10 of 50 in 5m" in said
        assert "no history is kept here" in said
        done = _follow(anna, "/why/unblock", {"form": "unblock", "subject": ATTACKER, "grace": "1h"})
        assert f"1 block of {ATTACKER} lifted." in done
        assert "No rule counts or holds it until" in done

    def test_where_it_is_registered_and_the_network_that_it_lies_in(self, console: Served, anna: Browser) -> None:
        console.made.connect()
        console.made.desk.country = lambda subject: "NL" if subject == ATTACKER else ""
        assert "client, registered in NL, in 203.0.113.0/24" in shown(anna.get(f"/why?subject={ATTACKER}"))
        assert f"{ATTACKER} NL in 203.0.113.0/24 blocked" in shown(anna.get("/blocks"))
        assert "network" in shown(anna.get("/why?subject=203.0.113.0/24"))

    def test_what_is_no_subject_keeps_what_was_typed(self, anna: Browser) -> None:
        found = anna.get("/why?subject=1.2.3")
        assert "'1.2.3' is no address, prefix or account" in shown(found)
        assert 'value="1.2.3"' in found.text

    def test_block_from_there(self, console: Served, anna: Browser) -> None:
        assert "is blocked" in _follow(anna, "/why/block", {"form": "block", "prefix": ATTACKER, "for": "1d", "reason": ""})
        assert not console.made.lets_in()
        assert "name a smaller prefix" in _refused(anna, "/why/block", {"form": "block", "prefix": "10.0.0.0/8", "for": "1d"})


def _rule(console: Served, name: str = "dos") -> Rule:
    return next(rule for rule in console.made.engine.rules if rule.name == name)


def _form_of(browser: Browser, path: str) -> dict[str, Any]:
    """What a browser would send of the form for a rule."""
    text = browser.get(path).text.partition('class="card fields two"')[2].partition("</form>")[0]
    form: dict[str, Any] = {}
    for piece in text.split("<input ")[1:]:
        name, value = (unescape(piece.partition(f'{each}="')[2].partition('"')[0]) for each in ("name", "value"))
        if 'type="checkbox"' not in piece.partition(">")[0] or " checked" in piece.partition(">")[0]:
            form.setdefault(name, []).append(value)
    for piece in text.split("<select ")[1:]:
        chosen = next((option for option in piece.split("<option ")[1:] if " selected" in option.partition(">")[0]), 'value=""')
        form[piece.partition('name="')[2].partition('"')[0]] = chosen.partition('value="')[2].partition('"')[0]
    return form


class TestRules:
    """Read, edit, switch."""

    def test_a_form_that_is_sent_as_it_came_changes_nothing(self, console: Served, anna: Browser) -> None:
        anna.post("/presets/strict")
        before = console.made.engine.rules
        for rule in before:
            _follow(anna, f"/rules/{rule.name}", _form_of(anna, f"/rules/{rule.name}"))
        assert console.made.engine.rules == before

    def test_edit(self, console: Served, anna: Browser) -> None:
        form = _form_of(anna, "/rules/dos") | {"threshold": "80", "for": "1h", "on": ["smtp"], "together": "yes"}
        assert "dos says now: 80 connections from one address within 5m on smtp block that protocol for 1h." in _follow(anna, "/rules/dos", form)
        rule = _rule(console)
        assert (rule.threshold, str(rule.hold_for), rule.on, rule.together) == (80, "1h", ("smtp",), True)

    def test_a_rule_without_a_window_and_without_a_gateway(self, console: Served, anna: Browser) -> None:
        form = _form_of(anna, "/rules/dos") | {"counts": "open_connections", "window": "", "threshold": "20"}
        said = "dos says now: 20 connections open at one time from one address on smtp, imap, pop3 (each apart) block that protocol for 5m."
        assert said in _follow(anna, "/rules/dos", form)
        assert "It cannot be carried out on smtp, imap, pop3: only a gateway knows" in anna.get("/rules/dos").text
        before = _rule(console)
        _follow(anna, "/rules/dos", _form_of(anna, "/rules/dos"))
        assert _rule(console) == before

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"threshold": "0"}, "threshold"),
            ({"threshold": "many"}, "'many' is no whole number"),
            ({"threshold": ""}, "is empty"),
            ({"threshold": "9" * 40}, "is no whole number"),
            ({"window": "soon"}, "no length of time"),
            ({"window": ""}, "must be 1s or longer"),
            ({"counts": "open_connections"}, "looked at in one moment; leave it out"),
            ({"on": []}, "on"),
            ({"by": "account"}, "name no account"),
            ({"where.reason": "x"}, "is no reason of connected"),
            ({"counts": "<b>"}, "counts"),
        ],
    )
    def test_what_a_rule_cannot_say_stands_at_its_field(self, console: Served, anna: Browser, changes: dict[str, Any], said: str) -> None:
        before = console.made.engine.rules
        text = _refused(anna, "/rules/dos", _form_of(anna, "/rules/dos") | {"for": "77m"} | changes)
        assert said in unescape(text)
        assert 'value="77m"' in text
        assert console.made.engine.rules == before

    def test_two_who_edit_one_rule(self, console: Served, anna: Browser) -> None:
        mine = _form_of(anna, "/rules/dos") | {"threshold": "70"}
        bob = console.browser("administrator")
        _follow(bob, "/rules/dos", _form_of(bob, "/rules/dos") | {"threshold": "90", "on": ["smtp"], "together": "yes"})
        text = _refused(anna, "/rules/dos", mine, 412)
        assert "Somebody changed the rules while you were editing." in text
        assert ('value="70"' in text, 'value="imap" checked' in text) == (True, True)
        assert re.findall("In force now: <b>(.*?)</b>", text) == ["smtp", "yes", "90"]
        version = text.partition('name="version" value="')[2].partition('"')[0]
        _follow(anna, "/rules/dos", mine | {"version": version})
        assert _rule(console).threshold == 70
        _follow(bob, "/rules/dos/remove", {})
        text = _refused(anna, "/rules/dos", mine, 412)
        assert ("There is no rule dos any more." in text, "<code>70</code>" in text) == (True, True)

    @pytest.mark.parametrize("mode", ["observe", "off", "enforce"])
    def test_modes(self, console: Served, anna: Browser, mode: str) -> None:
        said = _follow(anna, "/rules/dos/mode", {"mode": mode})
        assert _rule(console).mode == mode
        assert {"observe": "observed only", "off": "is off", "enforce": "enforced"}[mode] in said
        assert "enforce, observe or off" in _refused(anna, "/rules/dos/mode", {"mode": "x"})

    def test_a_preset_shows_the_difference_first(self, console: Served, anna: Browser) -> None:
        _follow(anna, "/rules/dos", _form_of(anna, "/rules/dos") | {"threshold": "80"})
        said = shown(anna.get("/presets/strict"))
        for words in ("dos changes 80 connections", "harvesting stays", "repeat-offender new"):
            assert words in said
        assert _rule(console).threshold == 80
        _follow(anna, "/presets/strict", {})
        assert (len(console.made.engine.rules), _rule(console).threshold) == (11, 50)

    def test_new_reset_and_remove(self, console: Served, anna: Browser) -> None:
        form = _form_of(anna, "/new-rule") | {"name": "mine", "counts": "auth_failed", "threshold": "9", "window": "1h", "for": "1d", "on": ["imap"]}
        assert "The rule mine was added." in _follow(anna, "/new-rule", form)
        assert _rule(console, "mine").threshold == 9
        assert "there is a rule 'mine' already" in unescape(_refused(anna, "/new-rule", form))
        assert "The rule mine is gone." in _follow(anna, "/rules/mine/remove", {})
        _follow(anna, "/rules/dos", _form_of(anna, "/rules/dos") | {"threshold": "80"})
        _follow(anna, "/rules/dos/reset", {})
        assert _rule(console).threshold == 50

    def test_a_viewer_reads_all_of_it(self, console: Served) -> None:
        said = shown(console.browser("viewer").get("/rules/dos"))
        assert "Threshold 50 How many are too many." in said
        assert "Save" not in said


class TestAccess:
    """The lists."""

    def test_add_find_check_remove(self, console: Served, anna: Browser) -> None:
        form = {"form": "entry", "verb": "allow", "prefix": "198.51.100.0/24", "detection": "yes", "expires": "", "note": "branch office"}
        assert "198.51.100.0/24 is on the allow list. It covers 256 addresses." in _follow(anna, "/access", form)
        assert "1 of 10 entries" in shown(anna.get("/access?text=branch"))
        assert "smtp allow allow 198.51.100.0/24" in shown(anna.get("/access?client=198.51.100.9"))
        assert "is no address" in shown(anna.get("/access?client=nobody"))
        assert "is off the list" in _follow(anna, "/access/remove", {"prefix": "198.51.100.0/24"})
        assert "there is no entry" in _refused(anna, "/access/remove", {"prefix": "198.51.100.0/24"}, 404)

    def test_relay_for_many_wants_a_second_yes(self, console: Served, anna: Browser) -> None:
        form = {"form": "entry", "verb": "allow", "prefix": "203.1.0.0/16", "detection": "yes", "relay": "yes", "note": ""}
        assert "Relay deserves care" in shown(anna.get("/access"))
        text = _refused(anna, "/access", form)
        assert "wider than a /24" in text
        assert 'value="203.1.0.0/16"' in text
        assert "is on the allow list" in _follow(anna, "/access", form | {"confirm_relay": "yes", "note": "a printer"})
        text = unescape(_refused(anna, "/access", form | {"confirm_relay": "yes"}))
        assert "there stands already: allow 203.1.0.0/16 relay (a printer); replace it (the box Replace" in text
        assert "is on the allow list" in _follow(anna, "/access", form | {"confirm_relay": "yes", "replace": "yes"})

    def test_a_box_that_is_not_ticked_is_off(self, console: Served, anna: Browser) -> None:
        assert "allows nothing" in _refused(anna, "/access", {"form": "entry", "verb": "allow", "prefix": "198.51.100.0/24", "note": ""})

    def test_import_tries_first_names_bad_rows_and_keeps_the_text(self, console: Served, anna: Browser) -> None:
        form = {"form": "import", "list": "deny", "rows": "203.0.113.1\r\nnonsense\r\n203.0.113.2", "deed": "try"}
        tried = anna.post("/access/import", form)
        assert "2 added, 0 replaced, 0 there already, 1 bad row." in shown(tried)
        assert "line 2: prefix: 'nonsense'" in shown(tried)
        assert "nonsense\n203.0.113.2</textarea>" in tried.text.replace("\r", "")
        assert "Nothing was imported" in shown(anna.post("/access/import", form | {"deed": "import"}))
        assert len(console.made.guard.standing.entries()) == 9
        assert "2 entries were added" in _follow(anna, "/access/import", form | {"deed": "import", "skip_bad": "yes"})
        assert len(console.made.guard.standing.entries()) == 11
        assert "203.0.113.2" in anna.get("/access/export").text
        assert "is empty" in _refused(anna, "/access/import", {"rows": " "})

    def test_many_entries_come_in_pages(self, console: Served, anna: Browser) -> None:
        rows = "\n".join(f"203.0.{number >> 8}.{number & 255}" for number in range(250))
        _follow(anna, "/access/import", {"list": "deny", "rows": rows, "deed": "import"})
        assert [anna.get(f"/access?page={number}").text.count("<tr>") - 1 for number in (1, 2, 3, 99)] == [100, 100, 59, 59]
        assert anna.get("/access?page=x").status == 200


def _mode_of_dos(console: Served) -> str:
    return console.made.engine.rules[0].mode


class TestTheRest:
    """Alerts, audit, account, people."""

    def test_alerts(self, console: Served, anna: Browser) -> None:
        async def taken(name: str) -> str:
            return "" if name == "good" else "550 no such user"

        assert "Nobody is told what happens." in shown(anna.get("/alerts"))
        console.made.desk.channels = lambda: [ChannelState(name=name, kind="mail", to="root@example.org") for name in ("good", "bad")]
        console.made.desk.test_channel = taken
        assert "The test message was taken by good." in _follow(anna, "/alerts/test", {"name": "good"})
        assert "550 no such user" in _refused(anna, "/alerts/test", {"name": "bad"})

    def test_audit_tells_who_changed_what_page_by_page(self, console: Served, anna: Browser) -> None:
        _follow(anna, "/rules/dos/mode", {"mode": "observe"})
        said = shown(anna.get("/audit"))
        assert "administrator rules.observe dos" in said
        assert '"mode":"observe"' in said
        console.made.store.write(Batch(audit=[Audit(at=1, who="many", action="x", subject=str(number)) for number in range(120)]))
        first = anna.get("/audit").text
        second = anna.get(unescape(first.partition('rel="next" href="')[2].partition('"')[0])).text
        assert (first.count("<tr>") - 1, second.count("<tr>") - 1) == (50, 50)
        assert anna.get("/audit?before=x").status == 200

    def test_undo_is_said_first_and_then_done(self, console: Served, anna: Browser) -> None:
        _follow(anna, "/rules/dos/mode", {"mode": "observe"})
        number = console.made.store.audit(1)[0][0]
        link = f'<a href="/audit/{number}"'
        assert link in anna.get("/audit").text
        assert "What it would do: dos says again: 50 connections" in shown(anna.get(f"/audit/{number}"))
        assert _mode_of_dos(console) == "observe"
        assert f"Line {number} is undone: dos says again" in _follow(anna, f"/audit/{number}/undo", {})
        assert _mode_of_dos(console) == "enforce"
        assert f"It cannot be undone: line {number} cannot be undone" in shown(anna.get(f"/audit/{number}"))
        assert "changed it since" in _refused(anna, f"/audit/{number}/undo", {}, 409)
        assert anna.get("/audit/99999").status == anna.get("/audit/x").status == 404
        assert "That takes the role operator" in shown(console.browser("viewer").get(f"/audit/{number + 1}"))

    def test_account(self, console: Served, anna: Browser) -> None:
        made = anna.post("/account/tokens", {"form": "token", "name": "cron", "role": "viewer", "days": "30"})
        token = made.text.partition('class="once">')[2].partition("<")[0]
        assert console.accounts.token(token) == ("administrator (cron)", "viewer")
        assert token not in anna.get("/account").text
        again = _refused(anna, "/account/tokens", {"form": "token", "name": "cron", "days": "30"})
        assert "there is a token 'cron' of yours already" in unescape(again)
        assert "works no more" in _follow(anna, "/account/tokens/remove", {"name": "cron"})
        assert "the two passwords differ" in _refused(anna, "/account/password", {"old": PASSWORD, "new": "a" * 20, "again": "b"})
        other = console.browser("administrator")
        form = {"old": PASSWORD, "new": "another password", "again": "another password"}
        assert "your other sessions are ended" in _follow(anna, "/account/password", form)
        assert (anna.get("/").status, other.get("/").status) == (200, 303)

    def test_a_second_factor(self, console: Served, anna: Browser) -> None:
        assert "Second factor" in shown(anna.get("/account"))
        assert "Add the secret below" in _follow(anna, "/account/second/start", {})
        secret = console.accounts.pending_second("administrator")
        assert secret in shown(anna.get("/account"))
        assert "is not the code of now" in _refused(anna, "/account/second/confirm", {"form": "second", "code": "1"})
        code = code_at(secret, console.made.now() // STEP)
        assert "The second factor is on." in _follow(anna, "/account/second/confirm", {"form": "second", "code": code})
        assert secret not in anna.get("/account").text
        assert "Name, password or code is wrong." in shown(console.browser().log_in("administrator"))
        console.made.at += STEP
        form = {"name": "administrator", "password": PASSWORD, "code": code_at(secret, console.made.now() // STEP)}
        assert console.browser().post("/login", form).status == 303
        assert "is not your password" in _refused(anna, "/account/second/end", {"form": "second", "old": "wrong"})
        assert "The second factor is off." in _follow(anna, "/account/second/end", {"form": "second", "old": PASSWORD})

    def test_people(self, console: Served, anna: Browser) -> None:
        made = anna.post("/people/invite", {"form": "invite", "name": "bob", "role": "operator"})
        link = unescape(made.text.partition('class="once">')[2].partition("<")[0])
        bob = console.browser()
        path = link.removeprefix(f"http://127.0.0.1:{console.port}")
        assert "A password for bob" in shown(bob.get(path))
        bob.post("/first", {"key": path.partition("=")[2], "name": "bob", "password": PASSWORD, "again": PASSWORD})
        assert bob.get("/people").status == 403
        unnamed = anna.post("/people/invite", {"form": "invite", "role": "operator"}).text
        assert "whoever opens it operator administrator" in shown(anna.get("/people"))
        named = re.search(r'name="id" value="(\w+)"', unnamed)
        assert named
        assert "a new operator lets nobody in any more" in _follow(anna, "/people/withdraw", {"id": named[1]})
        assert "whoever opens it" not in shown(anna.get("/people"))
        assert "was used, withdrawn" in _refused(anna, "/people/withdraw", {"id": named[1]}, 404)
        assert "bob is administrator now." in _follow(anna, "/people/role", {"name": "bob", "role": "administrator"})
        assert bob.get("/people").status == 200
        assert "may not log in any more" in _follow(anna, "/people/remove", {"name": "bob"})
        assert bob.get("/").status == 303
        assert "is the only administrator" in _refused(anna, "/people/remove", {"name": "administrator"})
        assert "role: one of" in shown(anna.post("/people/role", {"name": "administrator", "role": "root"})).replace("role : ", "role: ")
