"""The console, put together: accounts, the one-time link, and the site.

Job: open the accounts, see to it that somebody can get in, and tell where. Promise: while there is no administrator, each start makes a fresh
one-time link; without one nobody gets in. Limits: app/ listens.
"""

from collections.abc import Sequence

from msgspec import Struct
from starlette.types import ASGIApp

from gatepost.admin.accounts import PROGRAM, Accounts, Invite, Person
from gatepost.admin.api.asked import Asked, Way
from gatepost.admin.desk import Desk, Who
from gatepost.admin.pages.site import Site
from gatepost.admin.pages.visit import link
from gatepost.admin.settings import ConsoleSettings
from gatepost.core.faults import BadInputError

PATHS = ("/api/v1/console", "/api/v1/console/link")
"""What the unix socket alone answers, by POST."""


class Made(Struct, frozen=True, kw_only=True):
    """A one-time link."""

    link: str
    role: str
    name: str = ""


class About(Struct, frozen=True, kw_only=True):
    """Where the console is, and who may use it."""

    address: str
    problem: str
    people: list[Person]


class Console:
    """The console over a desk."""

    def __init__(self, desk: Desk, settings: ConsoleSettings, accounts: Accounts | None = None) -> None:
        self.settings = settings
        self.accounts = accounts or Accounts(desk.store, desk.now)
        self.site = Site(desk, self.accounts, settings)
        self.port = settings.address[1] if settings.listen else 0
        """The port that it listens on; 0: it does not."""
        self.problem = ""
        """Why it does not listen."""

    @property
    def address(self) -> str:
        """Where a browser finds it; empty where it does not listen."""
        if not self.port:
            return ""
        host = self.settings.names[0] if self.settings.names and self.settings.tls else str(self.settings.address[0])
        return f"{'https' if self.settings.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def application(self) -> ASGIApp:
        """What is served over TCP."""
        return self.site.application()

    async def first_link(self) -> str:
        """A fresh link for the first administrator; empty where there is one already."""
        if any(user.role == "administrator" for user in self.accounts.users.values()):
            return ""
        return (await self.make_link(Who(PROGRAM), Invite(role="administrator"))).link

    async def make_link(self, who: Who, asked: Invite) -> Made:
        """A one-time link. Raises BadInputError where the console does not listen."""
        if not self.address:
            raise BadInputError(f"console: {self.problem or 'it listens nowhere; set listen in [console] of gatepost.toml'}")
        secret = await self.accounts.invite(who, asked)
        made = self.accounts.invitation(secret)
        return Made(link=self.address + link("/first", key=secret), role=made.role if made else asked.role, name=made.name if made else "")

    def ways(self) -> Sequence[Way]:
        """What the unix socket can ask beside the API: who is there may get in."""

        def about(ask: Asked) -> About:
            return About(address=self.address, problem=self.problem, people=self.accounts.people())

        return (
            Way(method="POST", path=PATHS[0], role="administrator", said="where the console is, and who may use it", answer=About, does=about),
            Way(
                method="POST",
                path=PATHS[1],
                role="administrator",
                said="a one-time link into the console",
                body=Invite,
                answer=Made,
                does=lambda ask: self.make_link(ask.who, ask.body),
            ),
        )
