"""One request of somebody who is logged in, and what came of it.

Job: hold who asks, what he typed and what was wrong with it, so that a page can show it again. Promise: what was typed is kept where it was refused.
Limits: one request long.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from gatepost.admin.accounts import Accounts, Role, User, at_least
from gatepost.admin.actions.preview import Begun
from gatepost.admin.desk import Desk, Who
from gatepost.admin.pages.pulse import Pulse
from gatepost.core.faults import BadInputError
from gatepost.core.subjects import Client
from gatepost.core.texts import say, without
from gatepost.pipeline.previews import Preview

Typed = Mapping[str, Sequence[str]]


UNKEPT = ("csrf", "form", "version", "old", "new", "again", "code", "password", "key")
"""What a form sends and no page shows again."""


def kept_of(typed: Typed) -> list[tuple[str, str]]:
    """What was typed, to be shown where its form is gone; no secret."""
    return [(name, value) for name, values in typed.items() if name not in UNKEPT for value in values if value]


class Kept(Struct, kw_only=True):
    """A preview that was begun on a page: whose it is, and the form that it was begun from."""

    owner: str
    edit: str
    """The page of its form; a deed of the same path saves it."""
    name: str
    """The rule, or the preset."""
    typed: dict[str, list[str]]
    begun: Begun
    result: Preview | None = None
    """Once it was looked at: the keeper remembers the newest one alone."""


class House(Protocol):
    """What a page needs of the site."""

    desk: Desk
    accounts: Accounts
    pulse: Pulse
    streams: int
    """How many are open."""
    pictures: dict[str, tuple[float, dict[str, str]]]
    """What they show in each language, and when it was made, by the loop's clock."""
    previews: dict[int, Kept]
    """The newest ones that were begun here, by their numbers."""

    def render(self, template: str, visit: "Visit | None" = None, code: int = 200, **values: Any) -> Response:
        """A page."""

    def text(self, template: str, visit: "Visit | None" = None, **values: Any) -> str:
        """A template's text."""


class Visit:
    """A request, and who asks."""

    def __init__(self, request: Request, site: House, user: User, secret: str, client: Client) -> None:
        self.request = request
        self.site = site
        self.desk = site.desk
        self.accounts = site.accounts
        self.user = user
        self.secret = secret
        self.client = client
        self.who = Who(user.name, client)
        self.typed: Typed = {}
        """What a form sent."""
        self.wrong: dict[str, str] = {}
        """By field, what is wrong with it; under "" what is wrong with no field of the form."""

    def render(self, template: str, **values: Any) -> Response:
        """A page for this visit."""
        return self.site.render(template, self, **values)

    def may(self, role: Role) -> bool:
        """Whether who asks may what a role may."""
        return at_least(self.user.role, role)

    def text(self, name: str, default: str = "") -> str:
        """A value that was typed."""
        return next(iter(self.typed.get(name, ())), default)

    def asked(self, name: str, default: str = "") -> str:
        """A value in the address."""
        return self.request.query_params.get(name, default)

    def take_up(self) -> None:
        """Has the page show what its visitor had typed before a preview, where the address names one of his."""
        number = self.asked("preview")
        kept = self.site.previews.get(int(number)) if number.isascii() and number.isdigit() and len(number) < 16 else None
        if not self.typed and kept and kept.owner == self.user.name and kept.edit == self.request.url.path:
            self.typed = kept.typed

    def refuse(self, wrong: BadInputError, fields: Sequence[str]) -> None:
        """Has a page show what was wrong, at its field where the form has it."""
        name, colon, said = wrong.said.partition(": ")
        first = next((each for each in name.split(", ") if each in fields), "") if colon else ""
        self.wrong[first] = without(wrong.said, name + colon) if first and said else str(wrong)


class Done(Struct, frozen=True, kw_only=True):
    """A deed was done: what to say, and the page that says it."""

    said: str
    to: str


View = Callable[[Visit], Awaitable[Response]]
"""Shows a page."""
Deed = Callable[[Visit], Awaitable[Done | Response]]
"""Does what a form asks for. Raises BadInputError."""


def sentences(*said: str) -> str:
    """Sentences one after the other, without those that are empty."""
    found = ""
    for each in said:
        found = say("{before} {then}", before=found, then=each) if found and each else found or each
    return found


def link(path: str, **query: Any) -> str:
    """An address within the console, without what is empty."""
    given = {name: value for name, value in query.items() if value not in ("", None, False, 0)}
    return f"{path}?{urlencode(given, errors='replace')}" if given else path
