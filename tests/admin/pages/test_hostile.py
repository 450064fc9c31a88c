"""Hostile text on every page: whatever a log, a name, a note or an address holds is text there.

Each string is put wherever somebody else, or an administrator who pastes, can put one; then every page is read with an HTML parser, and nothing may
be there that the templates do not have.
"""

import csv
import json
import re
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from gatepost.admin.actions.access import AddEntry, add_entry
from gatepost.admin.actions.blocks import AddBlock, add_block
from gatepost.admin.actions.channels import list_channels
from gatepost.admin.desk import Source
from gatepost.admin.pages import site
from gatepost.core.facts import AuthFailed
from gatepost.core.spans import DAY, Span
from gatepost.core.subjects import Client, account
from gatepost.pipeline.messengers import ChannelState
from gatepost.pipeline.previews import AskPreview, PreviewState
from gatepost.pipeline.recall import AskForget, AskWhy, Counts, Event, Group, Past, RecallError, Told
from gatepost.pipeline.reports import AskReport, Counted, GapDay, Tally
from gatepost.stores.contract import Audit, Batch
from tests.admin.consoles import Answer, Served, served
from tests.admin.desks import ADMIN, ATTACKER

MARK = "xhostilex"
STRINGS = {
    "script": f"<script>{MARK}()</script>",
    "attribute": f'" onmouseover="{MARK}()" x=\'',
    "single": f"' onmouseover='{MARK}()' x=\"",
    "tag": f"</td></table><img src=x onerror={MARK}()>",
    "link": f"javascript:{MARK}()",
    "template": "{{ 7 * 7 }}{% raw %}" + MARK,
    "comment": f"<!--{MARK}",
    "entity": f"&lt;script&gt;{MARK}",
    "control": f"\x1b[31m\x00\x07{MARK}\x9b\x7f",
    "direction": f"\u202e\u2066{MARK}\u200b\ufeff",
    "formula": f"=cmd|' /C calc'!{MARK}",
    "surrogate": f"\udcff{MARK}",
    "line": f"{MARK}\r\nSet-Cookie: a=b\r\n\r\n<b>",
}
ATTRIBUTES = {"onmouseover", "onerror", "onclick", "onload", "style", "srcdoc"}


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.acts: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Scripts, pictures and links that are not ours, and attributes that act."""
        given = dict(attrs)
        if tag in ("img", "iframe", "object", "embed", "style", "base") or (tag == "script" and given.get("src") != "/static/console.js"):
            self.acts.append(tag)
        self.acts += [name for name in given if name in ATTRIBUTES]
        self.acts += [str(given[name]) for name in ("href", "action", "src") if name in given and not str(given[name]).startswith(("/", "#"))]

    def handle_comment(self, data: str) -> None:
        """Our templates send no comments."""
        self.acts.append(f"comment {data}")

    def handle_data(self, data: str) -> None:
        """What is shown."""
        self.text.append(data)


class Remembers:
    """A keeper in whose history everything is hostile."""

    def __init__(self, text: str) -> None:
        self.text = text
        event = Event(place=1, at=1, kind="auth_failed", protocol=text, service=text, client=ATTACKER, account=text, detail={text: text}, line=text)
        plain = Event(place=1, at=1, kind=text, detail={"rule": text, "reason": text}, account=text)
        group = Group(kind=text, protocol=text, reason=text, evidence_only=True, count=1, first=1, last=1)
        told = Told(decision=plain, evidence=[event, plain], ended=plain)
        self.past = Past(
            groups=[group], clients={text: 1}, accounts={text: 1}, told=[told], evidence=[[event, plain]] * 9, deeds=[plain], newest=[event, plain]
        )

    async def why(self, asked: AskWhy) -> Past:
        """All of it."""
        return self.past

    async def report(self, asked: AskReport) -> Tally:
        """All of it."""
        row = Counted(key=self.text, decisions=2, watched=1, subjects=1)
        gap = GapDay(day=self.text, missing=1)
        return Tally(begins=1, total=row, rows=[row], groups=1, gaps=[gap])

    async def forget(self, asked: AskForget) -> int:
        """Nothing."""
        return 0

    def begin_preview(self, asked: AskPreview) -> PreviewState:
        """No page asks for one."""
        raise RecallError("nobody previews here")

    def preview(self, number: int) -> PreviewState | None:
        """There is none."""
        return None

    def cancel_preview(self, number: int) -> None:
        """There is none."""

    def counts(self) -> Counts | None:
        """Nothing is known."""
        return None

    def problem(self) -> str:
        """All is well."""
        return ""


def poison(console: Served, text: str) -> str:
    """Puts a text wherever one can be put; returns the account that it makes."""
    made, desk = console.made, console.made.desk
    sound = text.encode("utf-8", "replace").decode()
    made.connect()
    named = account(sound)
    made._report([AuthFailed(made.now(), "mx", "imap", "", Client("203.0.113.9"), account=named, reason="password") for _ in range(60)])
    made.sources = [Source(name=text, reading=False, problem=text)]
    made.problems = [text]
    made.mirror.seen.problem = text
    desk.unresolved = {text: text}
    desk.channels = lambda: [ChannelState(name=text, kind=text, to=text, problem=text)]
    desk.recall = Remembers(text)
    desk.country = lambda subject: text
    console.do(add_block(desk, ADMIN, AddBlock(prefix="203.0.113.77", hold_for=Span(DAY), reason=sound)))
    console.do(add_entry(desk, ADMIN, AddEntry(verb="deny", prefix="198.18.0.0/15", note=sound)))
    made.store.write(Batch(audit=[Audit(at=1, who=text, action=text, subject=text, before=text, after=text, reason=text)]))
    return named


@pytest.fixture(scope="module", params=list(STRINGS.values()), ids=list(STRINGS))
def poisoned(request: pytest.FixtureRequest) -> Iterator[tuple[Served, str, str]]:
    """A console in which a text is everywhere."""
    with served() as console:
        console.add_user("administrator", "administrator")
        yield console, request.param, poison(console, request.param)


PAGES = {
    "now": "/",
    "blocks": "/blocks?watched=yes",
    "blocks found": "/blocks?text={text}&rule={text}&protocol={text}&after={text}",
    "why": "/why?subject=" + ATTACKER,
    "why by hand": "/why?subject=203.0.113.77",
    "why account": "/why?subject={account}",
    "why nobody": "/why?subject={text}",
    "rules": "/rules",
    "no rule": "/rules/{text}",
    "no preview": "/preview/{text}",
    "kept": "/rules/dos?preview={text}",
    "access": "/access",
    "access found": "/access?text={text}&list={text}&client={text}&stage={text}&prefix={text}&add={text}&page={text}",
    "countries": "/access/country?mode={text}",
    "checked": "/access?client=198.18.0.1&stage=relay",
    "alerts": "/alerts",
    "audit": "/audit?before={text}",
    "audit all": "/audit",
    "audit line": "/audit/1",
    "account": "/account",
    "people": "/people",
    **{f"report by {each}": f"/report?days=3&by={each}" for each in ("day", "rule", "country", "network", "account", "protocol")},
    "report found": "/report?days={text}&by={text}",
    "nothing": "/{text}",
}
FORMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "block": ("/blocks", ("prefix", "for", "reason", "protocols")),
    "unblock": ("/blocks/unblock", ("one", "grace")),
    "why unblock": ("/why/unblock", ("subject", "grace")),
    "why block": ("/why/block", ("prefix", "for", "reason")),
    "pause": ("/pause", ("for",)),
    "rule": ("/rules/dos", ("threshold", "counts", "window", "for", "on", "version", "where.reason")),
    "preview": ("/rules/dos/preview", ("threshold", "window", "where.reason", "days")),
    "new preview": ("/new-rule/preview", ("name", "threshold", "days")),
    "mode": ("/rules/dos/mode", ("mode", "version")),
    "new rule": ("/new-rule", ("name", "threshold", "counts", "window", "for")),
    "entry": ("/access", ("verb", "prefix", "protocols", "expires", "note")),
    "remove": ("/access/remove", ("prefix",)),
    "country": ("/access/country", ("mode", "direction", "codes", "protocols", "version")),
    "import": ("/access/import", ("list", "rows", "protocols")),
    "test": ("/alerts/test", ("name",)),
    "token": ("/account/tokens", ("role", "days")),
    "token remove": ("/account/tokens/remove", ("name",)),
    "password": ("/account/password", ("old", "new", "again")),
    "second": ("/account/second/confirm", ("code",)),
    "second end": ("/account/second/end", ("old",)),
    "invite": ("/people/invite", ("name",)),
    "role": ("/people/role", ("name", "role")),
    "people remove": ("/people/remove", ("name",)),
}


def _check(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.acts == []
    assert not [each for each in page if (each < " " and each not in "\n\t") or each in "\x7f\x9b\u202e\u2066\u200b\ufeff"]
    return reader


@pytest.mark.parametrize("name", PAGES)
def test_it_is_text_on_every_page(poisoned: tuple[Served, str, str], name: str) -> None:
    console, text, named = poisoned
    sent = quote(text.encode("utf-8", "surrogatepass"), safe="")
    path = PAGES[name].format(text=sent, account=quote(named.encode("utf-8", "surrogatepass"), safe=""))
    found = console.browser("administrator").get(path)
    assert found.status in (200, 404)
    assert "a=b" not in str(found.headers)
    reader = _check(found.text)
    if name in ("now", "why", "access", "alerts", "audit all") or name.startswith("report by"):
        assert MARK in "".join(reader.text), "it is not even shown"


@pytest.mark.parametrize("name", FORMS)
def test_it_is_text_where_a_form_is_refused(poisoned: tuple[Served, str, str], name: str) -> None:
    console, text, _ = poisoned
    path, fields = FORMS[name]
    form = dict.fromkeys(fields, text.encode("utf-8", "surrogatepass"))
    before = len(console.accounts.users)
    found = console.browser("administrator").post(path, {"form": name} | form)
    assert found.status in (404, 412, 422), found.status
    _check(found.text)
    assert len(console.accounts.users) == before


@pytest.mark.parametrize("path", ["/login", "/first"])
def test_it_is_text_at_the_door(poisoned: tuple[Served, str, str], path: str) -> None:
    console, text, _ = poisoned
    sent = text.encode("utf-8", "replace")
    found = console.browser().post(path, {"name": sent, "password": sent, "again": sent, "key": sent, "then": sent})
    assert found.status in (403, 404)
    _check(found.text)
    console.accounts.throttle.__init__(console.made.now)  # type: ignore[misc]  # so that the next text may try too


STREAMS = {"/now/stream"}
"""Views that never end: they send what the page's own parts are."""
SOURCES = "\n".join(file.read_text("utf-8") for file in Path(site.__file__).parent.glob("*.py"))
ASKED = sorted({*re.findall(r'(?:asked|get)\("([a-z._]+)"', SOURCES), "text", "rule", "protocol", "sort", "after"})
"""Every name that a page looks for in its address."""
TYPED = sorted(
    {*re.findall(r'(?:text|get|_span\(visit,) ?\(?"([a-z._]+)"', SOURCES), *(name for _, names in FORMS.values() for name in names)} - {"csrf"}
)
"""Every name that a deed looks for in its form."""


def _check_whatever(found: Answer) -> None:
    """A page, or a file that is exported; a kind that nobody knows here is no answer."""
    kind = found.headers["content-type"].partition(";")[0]
    file = found.headers.get("content-disposition", "").rpartition(".")[2].strip('"')
    if kind == "text/html":
        _check(found.text)
    elif file == "csv":
        cells = [cell for row in csv.reader(found.text.splitlines(keepends=True)) for cell in row]
        assert cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    elif kind == "application/json":
        assert json.loads(found.text)
        assert found.headers["x-content-type-options"] == "nosniff"
    else:
        assert file == "toml", f"the sweep does not know {kind} as {file!r}"
        assert tomllib.loads(found.text)


def test_every_view_there_is_takes_it_as_text(poisoned: tuple[Served, str, str]) -> None:
    console, text, named = poisoned
    browser, sent = console.browser("administrator"), text.encode("utf-8", "surrogatepass")
    queries = "", urlencode(dict.fromkeys(ASKED, sent)), urlencode({"subject": named.encode("utf-8", "surrogatepass"), "prefix": ATTACKER})
    for path in (path for path, _, _ in site.VIEWS if path not in STREAMS):
        for name in ("dos", "strict", "1", quote(sent, safe="")) if "{" in path else ("",):
            for query in queries:
                found = browser.get(re.sub(r"{\w+}", "NAME", path).replace("NAME", name) + f"?{query}")
                assert found.status in (200, 404, 422), path
                _check_whatever(found)


def test_every_deed_there_is_takes_it_as_text(poisoned: tuple[Served, str, str]) -> None:
    console, text, _ = poisoned
    sent = text.encode("utf-8", "surrogatepass")
    for path, *_ in site.DEEDS:
        browser = console.browser("administrator")
        found = browser.post(re.sub(r"{\w+}", lambda _: quote(sent, safe=""), path), dict.fromkeys(TYPED, sent))
        assert found.status in (303, 404, 412, 422), path
        assert "a=b" not in str(found.headers)
        if found.status == 303:  # it asks for nothing that was typed
            found = browser.get(found.headers["location"])
        _check_whatever(found)


def test_the_export_holds_no_formula(poisoned: tuple[Served, str, str]) -> None:
    console, text, _ = poisoned
    exported = console.browser("administrator").get("/access/export").text
    assert MARK in exported
    assert not [line for line in exported.split("\n") if line.rpartition(",")[2].startswith(("=", "+", "-", "@"))]
    assert list_channels(console.made.desk)[0].name == text
