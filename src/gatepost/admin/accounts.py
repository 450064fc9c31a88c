"""Accounts: who may steer this guard.

Job: users with a role, invitations (one-time links), sessions and API tokens, kept in the store. Promise: of every secret only a hash is kept;
taking a user away, or changing the password, ends the sessions at once; the last administrator stays. Limits: what a role may stands at each route.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, structs

from gatepost.admin.desk import Who, audit_line
from gatepost.admin.faults import UnknownError
from gatepost.admin.passwords import Passwords, check_password
from gatepost.admin.second import new_secret, step_of
from gatepost.admin.throttle import Throttle
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, HOUR, MINUTE
from gatepost.core.subjects import Client
from gatepost.core.texts import say, say_many
from gatepost.stores.contract import Audit, Record, Store, StoreError

Role = Literal["viewer", "operator", "administrator"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "administrator")
"""From the one who may least: a viewer looks; an operator also blocks, lifts and edits lists; an administrator does everything."""

IDLE, LONGEST = 8 * HOUR, 7 * DAY
"""After so long without a request, and at the latest after so long, a session ends."""
INVITED = DAY
"""For so long an invitation is good."""
MOST = 200
"""Users, sessions of one user, tokens, and invitations at most."""
TOUCH = 5 * MINUTE
SHORT = 16
"""Characters of a link's hash that name it on a page."""
PROGRAM = "gatepost"
"""Who makes the link of a start."""
QUEUE = 20
"""Log-ins that wait for their turn at most."""

Name = Annotated[
    str, Meta(title="Name", description="2 to 64 letters, digits, dots, hyphens and @.", pattern="^[a-z0-9][a-z0-9.@_-]{1,63}$", examples=["anna"])
]
T = TypeVar("T", bound=Struct)


class User(Struct, frozen=True, kw_only=True):
    """Who may log in."""

    name: str
    role: Role
    password: str
    """Its argon2id hash."""
    created: int
    second: str = ""
    """The secret of the second factor; empty: none."""
    step: int = 0
    """The step of the code that was used last."""


class Invitation(Struct, frozen=True, kw_only=True):
    """A one-time link: whoever has it chooses a password. With the name of a user it is a new password for him."""

    name: str = ""
    role: Role = "administrator"
    until: int
    by: str = ""
    """Who made it."""


class Session(Struct, frozen=True, kw_only=True):
    """Somebody who is logged in."""

    user: str
    created: int
    seen: int
    client: str = ""
    agent: str = ""


class Token(Struct, frozen=True, kw_only=True):
    """A key for programs. It may what its role and its user's role both may."""

    name: str
    user: str
    role: Role
    created: int
    until: int = 0
    """0: it stays until it is removed."""


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a key for a program."""

    name: Annotated[str, Meta(title="Name", description="What it is for.", min_length=1, max_length=100, examples=["monitoring"])]
    role: Annotated[Role, Meta(title="Role", description="What it may do; never more than you.")] = "viewer"
    days: Annotated[int, Meta(title="Days", description="For how many days it is good; 0: until removed.", ge=0, le=3650)] = 365


class Invite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a one-time link with which somebody chooses a password."""

    name: Annotated[str, Meta(title="Name", description="Of a new user or of one who is there; empty: chosen with the link.", max_length=64)] = ""
    role: Annotated[Role, Meta(title="Role", description="viewer looks, operator blocks and edits lists, administrator does everything.")] = "viewer"


class Person(Struct, frozen=True, kw_only=True):
    """A user as lists show it."""

    name: str
    role: Role
    created: int
    sessions: int
    tokens: int


class OpenLink(Struct, frozen=True, kw_only=True):
    """A one-time link that was not used yet, as lists show it."""

    id: str
    """Names it; it is no secret."""
    name: str
    role: Role
    until: int
    by: str


class LogInError(Exception):
    """A log-in was refused; the text tells nothing that the one who tried must not know."""


def at_least(role: Role, wanted: Role) -> bool:
    """Whether a role may what another one may."""
    return ROLES.index(role) >= ROLES.index(wanted)


def csrf_of(secret: str) -> str:
    """What a session's forms must carry: it follows from the cookie's secret, which no other site can read."""
    return hashlib.sha256(b"form:" + secret.encode()).hexdigest()


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class Accounts:
    """All accounts, in memory and in the store. Raises StoreError where those in the store cannot be read."""

    def __init__(self, store: Store, now: Callable[[], int], passwords: Passwords | None = None) -> None:
        self._store = store
        self._now = now
        self.passwords = passwords or Passwords()
        self.throttle = Throttle(now)
        self._turn = asyncio.Lock()
        self._joining = asyncio.Lock()
        self._log_ins = asyncio.Lock()
        self._waiting = 0
        self._pending: dict[str, str] = {}
        """Secrets of second factors that are being set up, by user."""
        self.users = self._read("user", User)
        self.invitations = self._read("invitation", Invitation)
        self.sessions = self._read("session", Session)
        self.tokens = self._read("token", Token)

    def _read(self, kind: str, what: type[T]) -> dict[str, T]:
        try:
            return {key: msgspec.json.decode(data, type=what) for key, data in self._store.records(kind).items()}
        except msgspec.MsgspecError as wrong:
            raise StoreError(f"console: a {kind} in the store cannot be read ({wrong}); restore a backup of the database") from None

    async def _keep(self, changes: Iterable[tuple[str, str, Struct | None]], audit: Iterable[Audit] = (), must: bool = True) -> None:
        """Keeps changes on disk, then in memory. Where the store fails nothing changed, and BadInputError is raised; or, if it need not (``must``),
        they are kept in memory alone: who comes to mend a full disk must get in."""
        changed = list(changes)
        records = [Record(kind=kind, key=key, data=None if value is None else msgspec.json.encode(value)) for kind, key, value in changed]
        async with self._turn:
            try:
                await asyncio.to_thread(self._store.keep, records, list(audit))
            except StoreError as wrong:
                if must:
                    raise BadInputError(say("it could not be kept: {wrong}", wrong=str(wrong))) from None
            for kind, key, value in changed:
                kept: dict[str, Struct] = getattr(self, f"{kind}s")
                kept.pop(key, None)
                if value is not None:
                    kept[key] = value

    def _audit(self, who: Who, action: str, subject: str, before: object = None, after: object = None) -> list[Audit]:
        return [audit_line(self._now(), who, action, subject, before, after)]

    # --- users and invitations

    def people(self) -> list[Person]:
        """All users, by name."""
        return [
            Person(
                name=user.name,
                role=user.role,
                created=user.created,
                sessions=sum(self._alive(each) for each in self.sessions.values() if each.user == user.name),
                tokens=sum(each.user == user.name for each in self.tokens.values()),
            )
            for user in sorted(self.users.values(), key=lambda each: each.name)
        ]

    async def invite(self, who: Who, asked: Invite) -> str:
        """Makes a one-time link; returns its secret. One for somebody who is there keeps his role, and ends nothing until it is used. An older one
        for the same name goes, and at a start the one of the start before."""
        name = _name(asked.name) if asked.name.strip() else ""
        role = self.users[name].role if name in self.users else asked.role
        now = self._now()
        old = self._links(lambda _, each: each.until <= now or (each.name == name and bool(name or each.by == who.name == PROGRAM)))
        if len(self.invitations) - len(old) >= MOST:
            raise BadInputError(say("name: there are {most} open links already; withdraw some under People", most=MOST))
        secret = secrets.token_urlsafe(32)
        made = Invitation(name=name, role=role, until=now + INVITED, by=who.name)
        await self._keep([*old, ("invitation", _key(secret), made)], self._audit(who, "console.invite", name or role))
        return secret

    def invitation(self, secret: str) -> Invitation | None:
        """The invitation that a secret stands for, while it is good."""
        found = self.invitations.get(_key(secret))
        return found if found and found.until > self._now() else None

    def open_links(self) -> list[OpenLink]:
        """Links that were not used yet and are still good, those that end first first."""
        good = [(key, each) for key, each in self.invitations.items() if each.until > self._now()]
        found = [OpenLink(id=key[:SHORT], name=each.name, role=each.role, until=each.until, by=each.by) for key, each in good]
        return sorted(found, key=lambda each: each.until)

    async def withdraw(self, who: Who, link: str) -> OpenLink:
        """Makes a link useless; returns what it was. Raises UnknownError."""
        found = next((each for each in self.open_links() if each.id == link), None)
        if found is None:
            raise UnknownError(say("id: this link was used, withdrawn, or is too old"))
        await self._keep(self._links(lambda key, _: key.startswith(link)), self._audit(who, "console.withdraw", found.name or found.role))
        return found

    def _links(self, which: Callable[[str, Invitation], bool]) -> list[tuple[str, str, None]]:
        """That some links go."""
        return [("invitation", key, None) for key, each in self.invitations.items() if which(key, each)]

    async def accept(self, secret: str, name: str, password: str, client: str = "") -> User:
        """Uses up an invitation; with the first administrator the links of the start go too. Raises BadInputError, and then it is still good."""
        async with self._joining:  # one by one: a second one with the same link finds it used
            return await self._accept(secret, name, password, client)

    async def _accept(self, secret: str, name: str, password: str, client: str) -> User:
        found = self.invitation(secret)
        if found is None:
            raise UnknownError(say("key: this link was used or is too old; ask for another (gatepost console link)"))
        name = found.name or _name(name)
        check_password(password, name)
        if not found.name and name in self.users:
            raise BadInputError(say("name: there is a user {name} already; take another name", name=name))
        if name not in self.users and len(self.users) >= MOST:
            raise BadInputError(say("name: there are {most} users already", most=MOST))
        kept = await self.passwords.hash(password)
        before = self.users.get(name)
        user = User(name=name, role=before.role if before else found.role, password=kept, created=before.created if before else self._now())
        ended = [("session", key, None) for key, each in self.sessions.items() if each.user == name]
        audit = self._audit(Who(name, client), "console.password" if before else "console.join", name, after={"role": user.role})
        used = self._links(lambda key, each: key == _key(secret) or (user.role == "administrator" and each.by == PROGRAM))
        await self._keep([*used, ("user", name, user), *ended], audit)
        return user

    async def set_role(self, who: Who, name: str, role: Role) -> None:
        """Gives a user another role. Who is an administrator no more has no links of his left, with which he might be one again."""
        user = self._user(name)
        self._check_last(user, role)
        gone = self._links(lambda _, each: each.by == user.name) if role != "administrator" else []
        await self._keep([("user", user.name, structs.replace(user, role=role)), *gone], self._audit(who, "console.role", name, user.role, role))

    async def remove_user(self, who: Who, name: str) -> None:
        """Takes a user away, with his sessions and tokens, the links for him, and those that he made: nothing lets him in again."""
        user = self._user(name)
        self._check_last(user, None)
        gone = [("session", key, None) for key, each in self.sessions.items() if each.user == user.name]
        gone += [("token", key, None) for key, each in self.tokens.items() if each.user == user.name]
        gone += self._links(lambda _, each: user.name in (each.name, each.by))
        await self._keep([("user", user.name, None), *gone], self._audit(who, "console.remove", user.name, user.role))

    def _user(self, name: str) -> User:
        if name not in self.users:
            raise UnknownError(say("name: there is no user {name!r}", name=name))
        return self.users[name]

    def _check_last(self, user: User, role: Role | None) -> None:
        others = [each for each in self.users.values() if each.role == "administrator" and each.name != user.name]
        if user.role == "administrator" and role != "administrator" and not others:
            raise BadInputError(say("name: {name} is the only administrator; make another one first", name=user.name))

    # --- logging in

    async def log_in(self, name: str, password: str, client: Client, agent: str = "", code: str = "") -> str:
        """Checks a password, and the code of a second factor where there is one, and opens a session; returns its secret. Raises LogInError."""
        name = name.strip().lower()[:255]
        if self._waiting >= QUEUE:
            raise LogInError(say("Too many log-ins at once. Try again in a moment."))
        self._waiting += 1
        try:
            async with self._log_ins:  # one by one: what came before is counted before the next is looked at
                await self._check(name, password, client, code)
        finally:
            self._waiting -= 1
        return await self.open_session(name, client, agent)

    async def _check(self, name: str, password: str, client: Client, code: str) -> None:
        seconds = self.throttle.wait(client, name)
        if seconds:
            minutes = -(-seconds // 60)
            wait = say_many(
                "Too many failed log-ins. Try again in {count} minute.", "Too many failed log-ins. Try again in {count} minutes.", minutes
            )
            raise LogInError(say("{wait} A one-time link lets you in at once: gatepost console link --name NAME, on the host itself.", wait=wait))
        user = self.users.get(name)
        right = await self.passwords.verify(user.password if user else "", password)
        step = step_of(user.second, code, self._now(), user.step) if user and user.second else -1
        if not (user and right and step):
            if self.throttle.failed(client, name):
                await self._keep([], self._audit(Who("gatepost"), "console.throttled", client), must=False)
            raise LogInError(say("Name, password or code is wrong."))
        if step > 0:
            await self._keep([("user", name, structs.replace(user, step=step))], must=False)
        self.throttle.succeeded(client, name)

    async def open_session(self, name: str, client: str, agent: str = "") -> str:
        """Opens a session; returns its secret. What ran out goes, and a user's oldest where there are too many."""
        secret, now = secrets.token_urlsafe(32), self._now()
        over = [key for key, each in self.sessions.items() if not self._alive(each)]
        own = sorted((each.seen, key) for key, each in self.sessions.items() if each.user == name and key not in over)
        over += [key for _, key in own[: max(0, len(own) - MOST + 1)]]
        made = Session(user=name, created=now, seen=now, client=client, agent=agent[:200])
        changes = [*(("session", key, None) for key in over), ("session", _key(secret), made)]
        await self._keep(changes, self._audit(Who(name, client), "console.login", name), must=False)
        return secret

    def _alive(self, session: Session) -> bool:
        return session.seen + IDLE > (now := self._now()) and session.created + LONGEST > now

    def session(self, secret: str) -> User | None:
        """Who is logged in with a cookie's secret; None where the session ended."""
        found = self.sessions.get(_key(secret))
        return self.users.get(found.user) if found and self._alive(found) else None

    async def touch(self, secret: str) -> None:
        """A session was used: it is kept alive."""
        found = self.sessions.get(_key(secret))
        if found and self._now() - found.seen > TOUCH:
            await self._keep([("session", _key(secret), structs.replace(found, seen=self._now()))], must=False)

    async def log_out(self, secret: str) -> None:
        """Ends a session."""
        found = self.sessions.get(_key(secret))
        if found:
            await self._keep([("session", _key(secret), None)], self._audit(Who(found.user, found.client), "console.logout", found.user), must=False)

    async def log_out_others(self, who: Who, secret: str) -> int:
        """Ends all sessions of a user but this one; how many."""
        others = [key for key, each in self.sessions.items() if each.user == who.name and key != _key(secret)]
        await self._keep([("session", key, None) for key in others], self._audit(who, "console.logout", who.name, after={"others": len(others)}))
        return len(others)

    def sessions_of(self, name: str, secret: str) -> list[tuple[Session, bool]]:
        """The sessions of a user, the newest first, and whether each is this one."""
        found = [(each, key == _key(secret)) for key, each in self.sessions.items() if each.user == name and self._alive(each)]
        return sorted(found, key=lambda pair: -pair[0].seen)

    async def change_password(self, who: Who, secret: str, old: str, new: str, client: Client) -> None:
        """Changes one's own password and ends one's other sessions. Raises BadInputError."""
        await self._check_own(who, old, client)
        check_password(new, who.name)
        user = self._user(who.name)
        changed = structs.replace(user, password=await self.passwords.hash(new))
        ended = [("session", key, None) for key, each in self.sessions.items() if each.user == who.name and key != _key(secret)]
        await self._keep([("user", user.name, changed), *ended], self._audit(who, "console.password", who.name))

    async def _check_own(self, who: Who, password: str, client: Client) -> None:
        async with self._log_ins:
            if self.throttle.wait(client, who.name):
                raise BadInputError(say("old: too many wrong passwords; try again later"))
            if not await self.passwords.verify(self._user(who.name).password, password):
                self.throttle.failed(client, who.name)
                raise BadInputError(say("old: is not your password"))

    # --- the second factor

    def start_second(self, who: Who) -> None:
        """Makes a secret, which is in force once a code of it was typed."""
        self._pending[self._user(who.name).name] = new_secret()

    def pending_second(self, name: str) -> str:
        """The secret that a user is setting up; empty where he is not."""
        return self._pending.get(name, "")

    async def confirm_second(self, who: Who, code: str) -> None:
        """Puts the second factor in force. Raises BadInputError where the code is wrong."""
        secret = self._pending.get(who.name)
        step = step_of(secret, code, self._now()) if secret else 0
        if not secret or not step:
            raise BadInputError(say("code: is not the code of now; look at the clock of both devices, and type the next one"))
        changed = structs.replace(self._user(who.name), second=secret, step=step)
        await self._keep([("user", who.name, changed)], self._audit(who, "console.second", who.name))
        self._pending.pop(who.name, None)

    async def end_second(self, who: Who, password: str, client: Client) -> None:
        """Takes the second factor away. Raises BadInputError where it is not the password."""
        await self._check_own(who, password, client)
        changed = structs.replace(self._user(who.name), second="", step=0)
        await self._keep([("user", who.name, changed)], self._audit(who, "console.second.end", who.name))

    # --- tokens

    async def add_token(self, who: Who, asked: NewToken) -> str:
        """Makes a token of a user; returns its secret, which is told this once."""
        user = self._user(who.name)
        if not at_least(user.role, asked.role):
            raise BadInputError(say("role: you are {role}; a token cannot be more", role=say(user.role)))
        if len(self.tokens) >= MOST or any(each.user == user.name and each.name == asked.name for each in self.tokens.values()):
            raise BadInputError(say("name: there is a token {name!r} of yours already, or there are {most}", name=asked.name, most=MOST))
        secret, now = "gp_" + secrets.token_urlsafe(32), self._now()
        made = Token(name=asked.name, user=user.name, role=asked.role, created=now, until=now + asked.days * DAY if asked.days else 0)
        await self._keep([("token", _key(secret), made)], self._audit(who, "console.token", asked.name, after={"role": asked.role}))
        return secret

    async def remove_token(self, who: Who, name: str) -> None:
        """Takes a token of one's own away."""
        found = [key for key, each in self.tokens.items() if each.user == who.name and each.name == name]
        if not found:
            raise UnknownError(say("name: you have no token {name!r}", name=name))
        await self._keep([("token", key, None) for key in found], self._audit(who, "console.token.remove", name))

    def token(self, secret: str) -> tuple[str, Role] | None:
        """Whose token it is, and what it may; None where it is none, or too old."""
        found = self.tokens.get(_key(secret))
        user = self.users.get(found.user) if found else None
        if found is None or user is None or (found.until and found.until <= self._now()):
            return None
        return f"{user.name} ({found.name})", min(found.role, user.role, key=ROLES.index)


def _name(text: str) -> str:
    """A user's name in its one spelling. Raises BadInputError."""
    try:
        return msgspec.convert(text.strip().lower(), Name)
    except msgspec.ValidationError:
        raise BadInputError(say("name: {text!r} is none; 2 to 64 letters a-z, digits, dots, hyphens and @", text=text.strip()[:80])) from None
