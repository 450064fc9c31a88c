"""The console: every page and deed, who may, and how they are answered.

Job: one table of routes with the role each takes; log-in, sessions and forms' secrets in front of it. Promise: a page shows nothing and a deed does
nothing for who is not logged in, may not, or does not send the form's secret; a refused form keeps what was typed, with the message at its field.
Limits: what pages show is in the other files, what deeds do is in actions/.
"""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from gatepost.admin.accounts import Accounts, Role, csrf_of
from gatepost.admin.api import server
from gatepost.admin.desk import Desk, Who
from gatepost.admin.faults import StaleError, TooLargeError, UnauthorizedError
from gatepost.admin.pages import access, account, alerts, audit, blocks, country, door, now, people, preview, report, rules, why
from gatepost.admin.pages.look import STATIC, environment
from gatepost.admin.pages.pulse import Pulse
from gatepost.admin.pages.reader import Reader
from gatepost.admin.pages.shield import LOOPBACK, Shield
from gatepost.admin.pages.visit import Deed, Done, Kept, Typed, View, Visit, kept_of, link, sentences
from gatepost.admin.settings import ConsoleSettings
from gatepost.admin.tongues import LOCALE, READS, languages
from gatepost.core.faults import BadInputError
from gatepost.core.texts import say

COOKIE = "gatepost"
LARGEST = 8 * 1024 * 1024
"""Bytes of a form: a list of a hundred thousand entries can be pasted."""
MOST_FIELDS = 2_000
STALE = "Somebody else changed this meanwhile. Look at what stands now, and send it again if you still want it."
KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

VIEWS: tuple[tuple[str, View, Role], ...] = (
    ("/", now.show, "viewer"),
    ("/now/stream", now.stream, "viewer"),
    ("/blocks", blocks.show, "viewer"),
    ("/blocks/network", blocks.show_network, "operator"),
    ("/why", why.show, "viewer"),
    ("/rules", rules.show, "viewer"),
    ("/rules/export", rules.export, "viewer"),
    ("/rules/{name}", rules.show_one, "viewer"),
    ("/new-rule", rules.show_new, "administrator"),
    ("/presets/{preset}", rules.show_preset, "viewer"),
    ("/preview/{number}", preview.show, "viewer"),
    ("/preview/{number}/state", preview.state, "viewer"),
    ("/access", access.show, "viewer"),
    ("/access/import", access.show_import, "operator"),
    ("/access/export", access.export, "viewer"),
    ("/access/country", country.show, "viewer"),
    ("/alerts", alerts.show, "viewer"),
    ("/report", report.show, "viewer"),
    ("/report/export", report.export, "viewer"),
    ("/audit", audit.show, "viewer"),
    ("/audit/{number}", audit.show_one, "viewer"),
    ("/account", account.show, "viewer"),
    ("/people", people.show, "administrator"),
)
DEEDS: tuple[tuple[str, Deed, Role, View], ...] = (
    ("/pause", now.pause, "operator", now.show),
    ("/resume", now.resume, "operator", now.show),
    ("/blocks", blocks.add, "operator", blocks.show),
    ("/blocks/unblock", blocks.unblock, "operator", blocks.show),
    ("/blocks/prolong", blocks.prolong, "operator", blocks.show),
    ("/blocks/permanent", blocks.make_permanent, "operator", blocks.show),
    ("/blocks/network", blocks.add, "operator", blocks.show_network),
    ("/why/unblock", why.unblock, "operator", why.show),
    ("/why/block", why.block, "operator", why.show),
    ("/rules/{name}", rules.change, "administrator", rules.show_one),
    ("/rules/{name}/mode", rules.mode, "administrator", rules.show),
    ("/rules/{name}/reset", rules.reset, "administrator", rules.show),
    ("/rules/{name}/remove", rules.remove, "administrator", rules.show),
    ("/new-rule", rules.add, "administrator", rules.show_new),
    ("/presets/{preset}", rules.adopt, "administrator", rules.show_preset),
    ("/rules/{name}/preview", preview.begin_rule, "operator", rules.show_one),
    ("/new-rule/preview", preview.begin_new, "administrator", rules.show_new),
    ("/presets/{preset}/preview", preview.begin_preset, "operator", rules.show_preset),
    ("/preview/{number}/cancel", preview.cancel, "operator", preview.show),
    ("/access", access.add, "operator", access.show),
    ("/access/remove", access.remove, "operator", access.show),
    ("/access/import", access.bring, "operator", access.show_import),
    ("/access/country", country.save, "administrator", country.show),
    ("/alerts/test", alerts.test, "operator", alerts.show),
    ("/audit/{number}/undo", audit.undo, "operator", audit.show_one),
    ("/account/password", account.password, "viewer", account.show),
    ("/account/others", account.others, "viewer", account.show),
    ("/account/second/start", account.start_second, "viewer", account.show),
    ("/account/second/confirm", account.confirm_second, "viewer", account.show),
    ("/account/second/end", account.end_second, "viewer", account.show),
    ("/account/tokens", account.add_token, "viewer", account.show),
    ("/account/tokens/remove", account.remove_token, "viewer", account.show),
    ("/people/invite", people.invite, "administrator", people.show),
    ("/people/withdraw", people.withdraw, "administrator", people.show),
    ("/people/role", people.set_role, "administrator", people.show),
    ("/people/remove", people.remove, "administrator", people.show),
)


class Site:
    """The console over a desk."""

    def __init__(self, desk: Desk, accounts: Accounts, settings: ConsoleSettings) -> None:
        self.desk = desk
        self.accounts = accounts
        self.pulse = Pulse(desk)
        self.streams = 0
        self.pictures: dict[str, tuple[float, dict[str, str]]] = {}
        self.previews: dict[int, Kept] = {}
        self._settings = settings
        self.locale = LOCALE
        """Where translations are."""
        self._templates: dict[str, Environment] = {}
        """By language, once somebody read it."""
        self._said: dict[str, str] = {}
        """By a session's secret, what its next page says."""

    def application(self) -> ASGIApp:
        """Console and API, behind the shield."""
        routes = [
            Route("/static/{name}", self._static),
            Route("/login", self._show_login, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/first", self._show_first, methods=["GET"]),
            Route("/first", self._join, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            *(Route(path, self._page(view, role), methods=["GET"]) for path, view, role in VIEWS),
            *(Route(path, self._deed(deed, role, view), methods=["POST"]) for path, deed, role, view in DEEDS),
            *server.routes(self.desk, self._by_token),
        ]
        reader = Middleware(Reader, languages(self.locale), self._settings.language)
        app = Starlette(routes=routes, middleware=[reader], exception_handlers={HTTPException: self._not_found, Exception: self._our_fault})
        app.router.redirect_slashes = False
        return Shield(app, (*self._settings.names, str(self._settings.address[0])), self._settings.tls)

    # --- who asks

    def _by_token(self, request: Request) -> tuple[Who, Role]:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        found = self.accounts.token(secret.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise UnauthorizedError("a token of yours is wanted: Authorization: Bearer gp_...; the console makes one under Account")
        return Who(found[0], door.client_of(request)), found[1]

    def _secret(self, request: Request) -> str:
        return request.cookies.get(COOKIE, "")

    def _visit(self, request: Request) -> Visit | None:
        secret = self._secret(request)
        user = self.accounts.session(secret)
        return Visit(request, self, user, secret, door.client_of(request)) if user else None

    # --- pages and deeds

    def _page(self, view: View, role: Role) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = self._visit(request)
            if visit is None:
                return RedirectResponse(link("/login", then=str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")), 303)
            if not visit.may(role):
                return self._refuse(visit, role)
            await self.accounts.touch(visit.secret)
            return await view(visit)

        return endpoint

    def _deed(self, deed: Deed, role: Role, view: View) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = self._visit(request)
            try:
                typed = await form_of(request)
            except BadInputError as wrong:
                return self.error(server.CODES.get(type(wrong), 422), str(wrong), visit)
            if visit is None:
                return self._over(say("Your session is over."), request, typed)
            visit.typed = typed
            if not hmac.compare_digest(visit.text("csrf").encode(), csrf_of(visit.secret).encode()):
                return self._over(say("This form is from an earlier session."), request, typed, visit)
            if not visit.may(role):
                return self._refuse(visit, role)
            try:
                done = await deed(visit)
            except BadInputError as wrong:
                if isinstance(wrong, StaleError):
                    visit.wrong[""] = STALE
                else:
                    visit.refuse(wrong, [*visit.typed, *request.path_params])
                answer = await view(visit)
                answer.status_code = server.CODES.get(type(wrong), 422)
                return answer
            if isinstance(done, Done):
                self._say(visit.secret, done.said)
                return RedirectResponse(done.to, 303)
            return done

        return endpoint

    def _over(self, said: str, request: Request, typed: Typed, visit: Visit | None = None) -> Response:
        """A form came without its session: nothing is done, and what was typed is shown, so that it can be typed again; no secret is."""
        return self.render("over.html", visit, 403, title=said, kept=kept_of(typed), to=link("/login", then=_page_before(request)), fragment=True)

    def _refuse(self, visit: Visit, role: Role) -> Response:
        return self.error(403, say("This takes the role {role}; yours is {yours}.", role=say(role), yours=say(visit.user.role)), visit)

    def _say(self, secret: str, text: str) -> None:
        if self.desk.guard.journal.problem:
            text = sentences(text, say("It is in force, but could not be stored: {problem}", problem=self.desk.guard.journal.problem))
        self._said[secret] = text
        while len(self._said) > 1000:
            self._said.pop(next(iter(self._said)))

    def render(self, template: str, visit: Visit | None = None, code: int = 200, **values: Any) -> Response:
        """A page."""
        return HTMLResponse(self.text(template, visit, **values), code)

    def text(self, template: str, visit: Visit | None = None, **values: Any) -> str:
        """A template's text."""
        said = self._said.pop(visit.secret, "") if visit and "fragment" not in values else ""
        about = {
            "visit": visit,
            "user": visit.user if visit else None,
            "may": visit.may if visit else lambda role: False,
            "csrf": csrf_of(visit.secret) if visit else "",
            "path": visit.request.url.path if visit else "",
            "wrong": visit.wrong if visit else {},
            "typed": visit.typed if visit else {},
            "said": said,
            "now": self.desk.now(),
            "country": self.desk.country,
        }
        language = READS.get()
        if language not in self._templates:
            self._templates[language] = environment(language, self.locale)
        return self._templates[language].get_template(template).render(about | values)

    # --- the door

    async def _show_login(self, request: Request) -> Response:
        if self._visit(request):
            return RedirectResponse(door.safe_path(request.query_params.get("then", "")), 303)
        return self.render("login.html", then=request.query_params.get("then", ""), name="", problem="", empty=not self.accounts.users)

    async def _log_in(self, request: Request) -> Response:
        return await self._open(request, door.log_in)

    async def _show_first(self, request: Request) -> Response:
        return door.show_first(self, request.query_params.get("key", ""))

    async def _join(self, request: Request) -> Response:
        return await self._open(request, door.join)

    async def _open(self, request: Request, deed: Callable[["Site", Request, Typed], Awaitable[Response]]) -> Response:
        try:
            return await deed(self, request, await form_of(request))
        except BadInputError as wrong:
            return self.error(server.CODES.get(type(wrong), 422), str(wrong))

    async def _log_out(self, request: Request) -> Response:
        try:
            secret, typed = self._secret(request), await form_of(request)
        except BadInputError as wrong:
            return self.error(422, str(wrong))
        if not hmac.compare_digest(next(iter(typed.get("csrf", [""]))).encode(), csrf_of(secret).encode()):
            return self.error(403, say("This form is from an earlier session. Reload the page and log out again."), self._visit(request))
        await self.accounts.log_out(secret)
        self._said.pop(secret, None)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    def let_in(self, request: Request, secret: str, to: str) -> Response:
        """Answers with a session's cookie."""
        answer = RedirectResponse(to, 303)
        secure = self._settings.tls or (request.url.hostname or "") not in LOOPBACK
        answer.set_cookie(COOKIE, secret, path="/", httponly=True, samesite="strict", secure=secure)
        return answer

    # --- the rest

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        file = STATIC / name
        kind = KINDS.get(name.rpartition(".")[2])
        if kind is None or not file.is_file():
            raise HTTPException(404)
        return Response(file.read_bytes(), media_type=kind, headers={"Cache-Control": "max-age=300"})

    def error(self, status: int, said: str, visit: Visit | None = None) -> Response:
        """A page that says what is wrong."""
        return self.render("error.html", visit, status, title=say(HTTPStatus(status).phrase), problem=said, fragment=True)

    async def _not_found(self, request: Request, wrong: Exception) -> Response:
        if request.url.path.startswith("/api/"):
            return await server.not_found(request, wrong)
        status = wrong.status_code if isinstance(wrong, HTTPException) else 404
        said = say("There is no such page.") if status == HTTPStatus.NOT_FOUND else say("This page cannot be asked that way.")
        answer = self.error(status, said, self._visit(request))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            there = [each for each in request.app.routes if each.matches(request.scope)[0] is not Match.NONE]
            answer.headers["Allow"] = ", ".join(sorted({method for each in there for method in each.methods}))
        return answer

    async def _our_fault(self, request: Request, wrong: Exception) -> Response:
        if request.url.path.startswith("/api/"):
            return await server.our_fault(request, wrong)
        return self.error(
            500, say("Gatepost failed at this ({kind}); its log has the trace. Please report it.", kind=type(wrong).__name__), self._visit(request)
        )


def _page_before(request: Request) -> str:
    """The page on which a form stood; the shield has seen that it is one of ours."""
    before = urlsplit(request.headers.get("referer", ""))
    return door.safe_path(before.path + (f"?{before.query}" if before.query else ""))


async def form_of(request: Request) -> Typed:
    """What a form sent. Raises BadInputError where it is none, or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise BadInputError(say("a form is wanted here; programs use /api/v1"))
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > LARGEST:
            raise TooLargeError(say("the form is longer than {size} MiB", size=LARGEST >> 20))
    try:
        sent = parse_qs(data.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadInputError(say("the form is damaged")) from None
    return {name: [value.replace("\r\n", "\n") for value in values] for name, values in sent.items()}
