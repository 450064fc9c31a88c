"""The site over real TCP: who gets in, who may what, and what comes from elsewhere."""

import re
from collections.abc import Iterator

import pytest
from starlette.routing import Route

from gatepost.admin.accounts import ROLES, NewToken, Role, at_least
from gatepost.admin.api.routes import ROUTES
from gatepost.admin.desk import Who
from gatepost.admin.pages.site import DEEDS, VIEWS
from tests.admin.consoles import PASSWORD, Browser, Served, served, shown

SOMETHING = {"name": "dos", "preset": "strict", "number": "1"}


@pytest.fixture(scope="module")
def console() -> Iterator[Served]:
    """A console with a user for each role, who share it: no test here leaves anything behind that another one would see."""
    with served() as found:
        for role in ROLES:
            found.add_user(role, role)
        yield found


@pytest.fixture
def fresh() -> Iterator[Served]:
    """A console of the test's own."""
    with served() as found:
        yield found


def _filled(path: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: SOMETHING[found[1]], path)


class TestTheDoor:
    """Logging in and out."""

    def test_who_is_not_logged_in_sees_the_log_in_and_comes_back_to_where_he_was(self, fresh: Served) -> None:
        fresh.add_user("anna", "viewer")
        browser = fresh.browser()
        sent = browser.get("/why?subject=192.0.2.7")
        assert (sent.status, sent.headers["location"]) == (303, "/login?then=%2Fwhy%3Fsubject%3D192.0.2.7")
        found = browser.post("/login", {"name": "anna", "password": PASSWORD, "then": "/why?subject=192.0.2.7"})
        assert (found.status, found.headers["location"]) == (303, "/why?subject=192.0.2.7")

    @pytest.mark.parametrize("then", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "/a\r\nX: y"])
    def test_and_never_elsewhere(self, console: Served, then: str) -> None:
        found = console.browser().post("/login", {"name": "viewer", "password": PASSWORD, "then": then})
        assert (found.status, found.headers["location"]) == (303, "/")

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(self, console: Served) -> None:
        found = console.browser().post("/login", {"name": "viewer", "password": PASSWORD})
        parts = {part.strip().lower() for part in found.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= parts

    def test_a_wrong_password_is_told_without_telling_more(self, console: Served) -> None:
        told = [console.browser().post("/login", {"name": name, "password": "wrong"}) for name in ("viewer", "nobody")]
        assert [each.status for each in told] == [403, 403]
        assert told[0].text.replace('value="viewer"', 'value="nobody"') == told[1].text
        assert "Name, password or code is wrong." in shown(told[0])

    def test_the_first_link_makes_the_first_administrator_once(self, fresh: Served) -> None:
        link = fresh.do(fresh.console.first_link())
        assert link.startswith(f"http://127.0.0.1:{fresh.port}/first?key=")
        path, browser = link.removeprefix(f"http://127.0.0.1:{fresh.port}"), fresh.browser()
        form = {"key": path.partition("=")[2], "name": "anna", "password": PASSWORD, "again": PASSWORD}
        assert "as administrator" in shown(browser.get(path))
        assert "the two passwords differ" in shown(browser.post("/first", form | {"again": "other"}))
        assert 'value="anna"' in browser.post("/first", form | {"password": "short", "again": "short"}).text
        assert browser.post("/first", form).headers["location"] == "/"
        assert browser.get("/people").status == 200
        assert (again := fresh.browser().get(path)).status == 404
        assert "This link was used" in shown(again)
        assert fresh.do(fresh.console.first_link()) == ""

    def test_logging_out_ends_the_session_on_the_server(self, fresh: Served) -> None:
        browser = fresh.browser("viewer")
        cookie = browser.cookie
        assert browser.post("/logout").headers["location"] == "/login"
        browser.cookie = cookie
        assert browser.get("/").status == 303

    def test_a_session_that_ended_in_a_form_shows_what_was_typed_and_leads_to_the_log_in(self, fresh: Served) -> None:
        browser = fresh.browser("administrator")
        fresh.accounts.sessions.clear()
        sent = browser.post("/pause", {"for": "1h"})
        assert (sent.status, 'href="/login?then=%2F"' in sent.text, "for 1h" in shown(sent)) == (403, True, True)
        sent = browser.post("/access", {"prefix": "192.0.2.7", "note": "<b>long\nnote</b>"}, Referer="http://127.0.0.1/access?text=x")
        assert 'href="/login?then=%2Faccess%3Ftext%3Dx"' in sent.text
        assert "Your session is over. Nothing was changed." in shown(sent)
        assert "&lt;b&gt;long\nnote&lt;/b&gt;</textarea>" in sent.text
        sent = browser.post("/account/password", {"old": PASSWORD, "new": "another secret", "again": "another secret"})
        assert sent.status == 403
        assert not [word for word in (PASSWORD, "another secret", browser.csrf) if word in sent.text]
        assert fresh.made.engine.paused_until == 0


class TestRoles:
    """Each route and each role."""

    @pytest.mark.parametrize(("path", "wanted"), [(path, role) for path, _, role in VIEWS])
    def test_pages(self, console: Served, path: str, wanted: Role) -> None:
        if path == "/now/stream":
            return  # test_now.py reads it: it does not end by itself
        assert console.browser().get(_filled(path)).status == 303
        found = 404 if path.startswith("/preview/") else 200  # there is no preview
        for role in ROLES:
            assert (console.browser(role).get(_filled(path)).status == found) is at_least(role, wanted), role

    @pytest.mark.parametrize(("path", "wanted"), [(path, role) for path, _, role, _ in DEEDS])
    def test_deeds(self, fresh: Served, path: str, wanted: Role) -> None:
        for role in ROLES:
            answer = fresh.browser(role).post(_filled(path))
            assert (answer.status != 403) is at_least(role, wanted), role
            assert (f"This takes the role {wanted}; yours is {role}." in shown(answer)) is not at_least(role, wanted)

    @pytest.mark.parametrize("path", [path for path, *_ in DEEDS])
    def test_deeds_take_the_secret_of_the_forms(self, console: Served, path: str) -> None:
        browser, other = console.browser("administrator"), console.browser("administrator")
        for secret in ("", "x", other.csrf):
            refused = browser.post(_filled(path), {"csrf": secret})
            assert (refused.status, "This form is from an earlier session" in shown(refused)) == (403, True)

    def test_logging_out_takes_it_too(self, console: Served) -> None:
        browser = console.browser("viewer")
        assert browser.post("/logout", {"csrf": "x"}).status == 403
        assert browser.get("/").status == 200

    @pytest.mark.parametrize(("method", "path", "wanted"), [(way.method, way.path, way.role) for way in ROUTES])
    def test_the_api(self, fresh: Served, method: str, path: str, wanted: Role) -> None:
        browser = Browser(fresh.port)
        assert browser.ask(method, _filled(path)).status == 401
        for role in ROLES:
            fresh.add_user(role, role)
            token = fresh.do(fresh.accounts.add_token(Who(role), NewToken(name="t", role=role)))
            answer = browser.ask(method, _filled(path), b"", Authorization=f"Bearer {token}")
            assert (answer.status != 403) is at_least(role, wanted), role
            assert answer.status not in (401, 500)

    def test_the_tables_are_the_routes(self, console: Served) -> None:
        app = console.console.application()._app  # type: ignore[attr-defined]  # what stands behind the shield
        routes = {(method, route.path) for route in app.routes if isinstance(route, Route) for method in route.methods or () if method != "HEAD"}
        open_ones = {("GET", "/static/{name}"), ("GET", "/login"), ("POST", "/login"), ("GET", "/first"), ("POST", "/first"), ("POST", "/logout")}
        told = {("GET", path) for path, *_ in VIEWS} | {("POST", path) for path, *_ in DEEDS} | {(way.method, way.path) for way in ROUTES}
        assert routes == told | open_ones


class TestTheApi:
    """The same API as on the socket."""

    def test_a_token_is_who_asks_whatever_headers_say(self, fresh: Served) -> None:
        fresh.add_user("anna", "operator")
        token = fresh.do(fresh.accounts.add_token(Who("anna"), NewToken(name="cron", role="operator")))
        body = b'{"prefix": "203.0.113.7", "for": "1d"}'
        found = Browser(fresh.port).ask("POST", "/api/v1/blocks", body, Authorization=f"Bearer {token}", X_Gatepost_User="root")
        assert found.status == 200
        assert fresh.made.audit()[0].who == "anna (cron)"

    @pytest.mark.parametrize("said", ["", "Bearer", "Bearer ", "Bearer gp_x", "Basic YTpi", "bearer \xff"])
    def test_without_one_it_says_how(self, console: Served, said: str) -> None:
        found = Browser(console.port).ask("GET", "/api/v1/status", None, Authorization=said)
        assert (found.status, found.headers["www-authenticate"]) == (401, 'Bearer realm="gatepost"')
        assert found.headers["content-type"] == "application/problem+json"

    def test_a_cookie_is_no_token(self, console: Served) -> None:
        browser = console.browser("administrator")
        assert browser.ask("POST", "/api/v1/pause", b'{"for": "1h"}').status == 401

    def test_what_is_not_there_is_a_problem(self, console: Served) -> None:
        found = Browser(console.port).ask("GET", "/api/v1/nothing")
        assert (found.status, found.headers["content-type"]) == (404, "application/problem+json")


class TestBadForms:
    """Empty, huge, of another kind: a page says so, and nothing is half done."""

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
    @pytest.mark.parametrize("path", ["/login", "/first", "/pause", "/logout"])
    def test_another_kind_of_body(self, console: Served, path: str, kind: str) -> None:
        found = console.browser("administrator").ask("POST", path, b"{}", Content_Type=kind)
        assert (found.status, "a form is wanted here" in shown(found)) == (422, True)

    def test_one_that_is_too_long(self, console: Served) -> None:
        found = console.browser("administrator").post("/access/import", {"rows": "x" * (8 * 1024 * 1024)})
        assert (found.status, "longer than 8 MiB" in shown(found)) == (413, True)

    def test_one_with_too_many_fields(self, console: Served) -> None:
        found = console.browser("administrator").post("/blocks/unblock", {"subject": ["192.0.2.1"] * 3000})
        assert (found.status, "the form is damaged" in shown(found)) == (422, True)

    def test_a_page_that_is_not_there(self, console: Served) -> None:
        browser = console.browser("viewer")
        for path in ("/nothing", "/rules/nothing", "/presets/nothing", "/static/nothing.css", "/static/..%2f..%2fsite.py", "/static/console.py"):
            found = browser.get(path)
            assert (found.status, "There is no such page." in shown(found)) == (404, True), path
        refused = browser.ask("DELETE", "/blocks")
        assert (refused.status, set(refused.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "POST"})
