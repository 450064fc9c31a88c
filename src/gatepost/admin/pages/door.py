"""The door: logging in, and the one-time link.

Job: what somebody sees who is not logged in. Promise: a wrong name and a wrong password look alike and take as long; a link works once. Limits: who
may try, and how often, is told by accounts.py.
"""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from gatepost.admin.accounts import LogInError
from gatepost.admin.faults import UnknownError
from gatepost.admin.pages.visit import Typed
from gatepost.core.faults import BadInputError
from gatepost.core.subjects import Client, client
from gatepost.core.texts import say

if TYPE_CHECKING:
    from gatepost.admin.pages.site import Site


def safe_path(text: str) -> str:
    """A path of the console to go to; the first page where the text is none."""
    return text if text.startswith("/") and text[1:2] not in ("/", "\\") and text.isprintable() and len(text) < 1000 else "/"


def _first(typed: Typed, name: str) -> str:
    return next(iter(typed.get(name, ())), "")


def client_of(request: Request) -> Client:
    """Who connected."""
    try:
        return client(request.client.host if request.client else "")
    except ValueError:
        return Client("0.0.0.0")  # noqa: S104  # nobody: a transport without addresses


async def log_in(site: "Site", request: Request, typed: Typed) -> Response:
    """Checks name and password."""
    name, then, agent = _first(typed, "name"), _first(typed, "then"), request.headers.get("user-agent", "")
    try:
        secret = await site.accounts.log_in(name, _first(typed, "password"), client_of(request), agent, _first(typed, "code"))
    except LogInError as wrong:
        return site.render("login.html", None, 403, then=then, name=name, problem=str(wrong), empty=not site.accounts.users)
    return site.let_in(request, secret, safe_path(then))


def show_first(site: "Site", key: str, name: str = "", problem: str = "") -> Response:
    """The page behind a one-time link."""
    found = site.accounts.invitation(key)
    if found is None:
        return site.render(
            "login.html", None, 404, then="", name="", problem=say("This link was used, or is too old."), empty=not site.accounts.users
        )
    return site.render("first.html", None, 422 if problem else 200, key=key, fixed=found.name, role=found.role, name=name, problem=problem)


async def join(site: "Site", request: Request, typed: Typed) -> Response:
    """Uses up a one-time link: name and password are chosen."""
    key, name, password = (_first(typed, each) for each in ("key", "name", "password"))
    try:
        if password != _first(typed, "again"):
            raise BadInputError(say("password: the two passwords differ"))
        user = await site.accounts.accept(key, name, password, client_of(request))
    except UnknownError:
        return show_first(site, "")
    except BadInputError as wrong:
        return show_first(site, key, name, str(wrong))
    secret = await site.accounts.open_session(user.name, client_of(request), request.headers.get("user-agent", ""))
    return site.let_in(request, secret, "/")
