"""Accounts: invitations, log-ins, sessions, roles and tokens."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from gatepost.admin.accounts import INVITED, PROGRAM, Accounts, Invite, LogInError, NewToken, Role
from gatepost.admin.desk import Who
from gatepost.admin.faults import UnknownError
from gatepost.admin.passwords import Passwords
from gatepost.admin.second import STEP, code_at
from gatepost.core.faults import BadInputError
from gatepost.core.spans import DAY, HOUR, MINUTE
from gatepost.core.subjects import Client
from gatepost.stores.contract import Audit, Record, StoreError
from gatepost.stores.memory import MemoryStore
from gatepost.stores.sqlite import SqliteStore
from tests.admin.consoles import PASSWORD, QUICK
from tests.admin.desks import START

HERE = Client("192.0.2.99")
ROOT = Who("root")


class House:
    """Accounts over a store, with a clock."""

    def __init__(self, store: MemoryStore | SqliteStore | None = None) -> None:
        self.at = START
        self.store = store or MemoryStore()
        self.store.open()
        self.accounts = self.again()

    def again(self) -> Accounts:
        """As after a restart."""
        self.accounts = Accounts(self.store, lambda: self.at, Passwords(QUICK))
        return self.accounts

    async def add(self, name: str, role: Role = "administrator") -> None:
        """A user."""
        secret = await self.accounts.invite(ROOT, Invite(name=name, role=role))
        await self.accounts.accept(secret, name, PASSWORD)

    async def log_in(self, name: str = "anna", password: str = PASSWORD) -> str:
        """A session's secret."""
        return await self.accounts.log_in(name, password, HERE)

    def actions(self) -> list[str]:
        """What the audit trail says was done, oldest first."""
        return [line.action for _, line in reversed(self.store.audit())]


def do(deed: Coroutine[Any, Any, None]) -> None:
    """Does it."""
    asyncio.run(deed)


@pytest.fixture
def house() -> House:
    """Nobody can log in yet."""
    return House()


def test_a_link_works_once(house: House) -> None:
    async def work() -> None:
        secret = await house.accounts.invite(ROOT, Invite(role="operator"))
        user = await house.accounts.accept(secret, " Anna ", PASSWORD)
        assert (user.name, user.role) == ("anna", "operator")
        with pytest.raises(UnknownError, match="key: this link was used or is too old"):
            await house.accounts.accept(secret, "bob", PASSWORD)
        assert list(house.accounts.users) == ["anna"]

    do(work())
    assert house.actions() == ["console.invite", "console.join"]


def test_two_who_use_a_link_at_once_are_one(house: House) -> None:
    async def work() -> None:
        secret = await house.accounts.invite(ROOT, Invite())
        done = await asyncio.gather(*(house.accounts.accept(secret, name, PASSWORD) for name in ("anna", "bob")), return_exceptions=True)
        assert [type(each).__name__ for each in done] == ["User", "UnknownError"]
        assert len(house.accounts.users) == 1

    do(work())


def test_a_link_ends_after_a_day_and_a_newer_one_takes_its_place(house: House) -> None:
    async def work() -> None:
        first = await house.accounts.invite(ROOT, Invite(name="bob", role="administrator"))
        second = await house.accounts.invite(ROOT, Invite(name="bob"))
        assert house.accounts.invitation(first) is None
        assert house.accounts.invitation(second)
        third, fourth = [await house.accounts.invite(ROOT, Invite(role="operator")) for _ in range(2)]
        assert house.accounts.invitation(third), "a link that names nobody was for somebody else"
        assert [each.by for each in house.accounts.open_links()] == ["root"] * 3
        gone = house.accounts.open_links()[1]
        assert await house.accounts.withdraw(ROOT, gone.id) == gone
        with pytest.raises(UnknownError, match="used, withdrawn, or is too old"):
            await house.accounts.withdraw(ROOT, gone.id)
        with pytest.raises(UnknownError):
            await house.accounts.withdraw(ROOT, "")
        assert [bool(house.accounts.invitation(each)) for each in (third, fourth)] == [False, True]
        starts = [await house.accounts.invite(Who("gatepost"), Invite(role="administrator")) for _ in range(2)]
        assert [bool(house.accounts.invitation(each)) for each in starts] == [False, True]
        house.at += INVITED
        assert house.accounts.invitation(second) is None

    do(work())


def test_the_link_of_the_start_ends_with_the_first_administrator(house: House) -> None:
    async def work() -> None:
        start = await house.accounts.invite(Who(PROGRAM), Invite(role="administrator"))
        await house.accounts.invite(ROOT, Invite(role="viewer"))
        await house.add("vera", "viewer")
        assert house.accounts.invitation(start) is not None, "a viewer steers nothing"
        await house.add("anna")
        assert house.accounts.invitation(start) is None
        assert [each.by for each in house.accounts.open_links()] == ["root"]

    do(work())


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("", PASSWORD, "name: '' is none"),
        ("a", PASSWORD, "name: 'a' is none"),
        ("anna<script>", PASSWORD, "name: 'anna<script>' is none"),
        ("x" * 65, PASSWORD, "name: "),
        ("there", PASSWORD, "name: there is a user there already"),
        ("anna", "short", "password: has 5 characters"),
    ],
)
def test_what_a_link_refuses_leaves_it_good(house: House, name: str, password: str, said: str) -> None:
    async def work() -> None:
        await house.add("there")
        secret = await house.accounts.invite(ROOT, Invite(role="viewer"))
        with pytest.raises(BadInputError, match=said):
            await house.accounts.accept(secret, name, password)
        assert (await house.accounts.accept(secret, "anna", PASSWORD)).role == "viewer"

    do(work())


def test_a_link_for_somebody_who_is_there_is_a_new_password_and_keeps_his_role(house: House) -> None:
    async def work() -> None:
        await house.add("anna", "viewer")
        session = await house.log_in()
        secret = await house.accounts.invite(ROOT, Invite(name="anna", role="administrator"))
        assert house.accounts.session(session)
        await house.accounts.accept(secret, "ignored", "another password")
        assert house.accounts.users["anna"].role == "viewer"
        assert house.accounts.session(session) is None
        assert house.accounts.session(await house.log_in("anna", "another password"))

    do(work())


def test_a_wrong_name_and_a_wrong_password_are_told_alike(house: House) -> None:
    async def work() -> None:
        await house.add("anna")
        said = []
        for name, password in (("anna", "wrong"), ("nobody", PASSWORD), ("", ""), ("\x00" * 1000, "x" * 100_000)):
            with pytest.raises(LogInError) as wrong:
                await house.log_in(name, password)
            said.append(str(wrong.value))
        assert set(said) == {"Name, password or code is wrong."}

    do(work())


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_the_sixth_try_waits_whether_there_is_such_a_user_or_not(house: House, name: str) -> None:
    async def work() -> None:
        await house.add("anna")
        tries = await asyncio.gather(*(house.log_in(name, "wrong") for _ in range(8)), return_exceptions=True)
        said = [str(each).partition(" A one-time link lets you in at once")[0] for each in tries]
        assert said == ["Name, password or code is wrong."] * 5 + ["Too many failed log-ins. Try again in 10 minutes."] * 3
        if name == "anna":
            with pytest.raises(LogInError, match="Too many"):
                await house.log_in(name, PASSWORD)
            house.at += 10 * MINUTE
            assert house.accounts.session(await house.log_in(name, PASSWORD))

    do(work())
    assert house.actions().count("console.throttled") == 1


def test_too_many_at_once_are_sent_away(house: House) -> None:
    async def work() -> None:
        tries = await asyncio.gather(*(house.log_in(f"name{number}", "wrong") for number in range(40)), return_exceptions=True)
        said = [str(each) for each in tries]
        assert said.count("Too many log-ins at once. Try again in a moment.") == 20

    do(work())


def test_sessions_end_when_idle_at_the_latest_after_a_week_and_by_hand(house: House) -> None:
    async def work() -> None:
        await house.add("anna")
        one, other = await house.log_in(), await house.log_in()
        for _ in range(24):
            house.at += 7 * HOUR
            await house.accounts.touch(one)
        assert house.accounts.session(other) is None
        house.at -= HOUR
        assert house.accounts.session(one)
        house.at += HOUR
        assert house.accounts.session(one) is None
        third = await house.log_in()
        assert len(house.accounts.sessions) == 1
        await house.accounts.log_out(third)
        assert house.accounts.session(third) is None

    do(work())


def test_everything_survives_a_restart_and_no_secret_is_stored(tmp_path: Path) -> None:
    house = House(SqliteStore(tmp_path / "gatepost.db"))

    async def work() -> None:
        await house.add("anna")
        session = await house.log_in()
        token = await house.accounts.add_token(Who("anna"), NewToken(name="cron", role="operator"))
        link = await house.accounts.invite(ROOT, Invite(name="bob"))
        house.again()
        assert house.accounts.session(session)
        assert house.accounts.token(token) == ("anna (cron)", "operator")
        assert house.accounts.invitation(link)
        stored = b"".join(data for kind in ("user", "session", "token", "invitation") for data in house.store.records(kind).values())
        keys = "".join(key for kind in ("session", "token", "invitation") for key in house.store.records(kind))
        assert not [each for each in (session, token, link, PASSWORD) if each.encode() in stored or each in keys]

    do(work())
    house.store.close()


def test_the_last_administrator_stays(house: House) -> None:
    async def work() -> None:
        await house.add("anna")
        await house.add("bob", "operator")
        for deed in (house.accounts.remove_user(ROOT, "anna"), house.accounts.set_role(ROOT, "anna", "viewer")):
            with pytest.raises(BadInputError, match="name: anna is the only administrator; make another one first"):
                await deed
        await house.accounts.set_role(ROOT, "bob", "administrator")
        session = await house.log_in()
        await house.accounts.remove_user(ROOT, "anna")
        assert house.accounts.session(session) is None
        with pytest.raises(UnknownError, match="there is no user 'anna'"):
            await house.accounts.remove_user(ROOT, "anna")

    do(work())


def test_no_link_brings_back_who_was_taken_away(house: House) -> None:
    async def work() -> None:
        for name in ("anna", "bob", "carl"):
            await house.add(name)
        for_bob = await house.accounts.invite(Who("anna"), Invite(name="bob"))
        of_bob = await house.accounts.invite(Who("bob"), Invite(role="administrator"))
        of_carl = await house.accounts.invite(Who("carl"), Invite(role="administrator"))
        await house.accounts.remove_user(Who("anna"), "bob")
        await house.accounts.set_role(Who("anna"), "carl", "operator")
        for each in (for_bob, of_bob, of_carl):
            with pytest.raises(UnknownError):
                await house.accounts.accept(each, "bob", PASSWORD)
        assert list(house.again().users) == ["anna", "carl"]
        assert not house.accounts.invitations

    do(work())


def test_a_role_that_changes_changes_what_sessions_and_tokens_may(house: House) -> None:
    async def work() -> None:
        await house.add("anna")
        await house.add("bob")
        session = await house.log_in("bob")
        token = await house.accounts.add_token(Who("bob"), NewToken(name="all", role="administrator"))
        await house.accounts.set_role(Who("anna"), "bob", "viewer")
        user = house.accounts.session(session)
        assert user
        assert user.role == "viewer"
        assert house.accounts.token(token) == ("bob (all)", "viewer")

    do(work())


def test_tokens(house: House) -> None:
    async def work() -> None:
        await house.add("anna", "operator")
        who = Who("anna")
        with pytest.raises(BadInputError, match="role: you are operator; a token cannot be more"):
            await house.accounts.add_token(who, NewToken(name="t", role="administrator"))
        token = await house.accounts.add_token(who, NewToken(name="t", days=2))
        with pytest.raises(BadInputError, match="name: there is a token 't'"):
            await house.accounts.add_token(who, NewToken(name="t"))
        assert house.accounts.token(token) == ("anna (t)", "viewer")
        assert [house.accounts.token(each) for each in ("", "gp_", token[:-1], token + "x", "\ud800")] == [None] * 5
        house.at += 2 * DAY
        assert house.accounts.token(token) is None
        await house.accounts.remove_token(who, "t")
        with pytest.raises(UnknownError, match="you have no token 't'"):
            await house.accounts.remove_token(who, "t")

    do(work())


def test_a_changed_password_ends_the_other_sessions(house: House) -> None:
    async def work() -> None:
        await house.add("anna")
        one, other = await house.log_in(), await house.log_in()
        who = Who("anna")
        with pytest.raises(BadInputError, match="old: is not your password"):
            await house.accounts.change_password(who, one, "wrong", "another password", HERE)
        with pytest.raises(BadInputError, match="password: has 3 characters"):
            await house.accounts.change_password(who, one, PASSWORD, "new", HERE)
        await house.accounts.change_password(who, one, PASSWORD, "another password", HERE)
        assert (bool(house.accounts.session(one)), house.accounts.session(other)) == (True, None)

    do(work())


def test_what_the_store_does_not_keep_has_not_happened(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(records: list[Record], audit: list[Audit]) -> None:
        raise StoreError("the disk is full")

    async def work() -> None:
        secret = await house.accounts.invite(ROOT, Invite())
        with monkeypatch.context() as broken:
            broken.setattr(house.store, "keep", full)
            with pytest.raises(BadInputError, match="it could not be kept: the disk is full"):
                await house.accounts.accept(secret, "anna", PASSWORD)
        assert not house.accounts.users
        await house.accounts.accept(secret, "anna", PASSWORD)

    do(work())


def test_who_comes_to_mend_a_full_disk_gets_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(records: list[Record], audit: list[Audit]) -> None:
        raise StoreError("the disk is full")

    async def work() -> None:
        await house.add("anna")
        monkeypatch.setattr(house.store, "keep", full)
        secret = await house.log_in()
        house.at += 7 * HOUR
        await house.accounts.touch(secret)
        house.at += 7 * HOUR
        assert house.accounts.session(secret)
        await house.accounts.log_out(secret)
        assert house.accounts.session(secret) is None

    do(work())


def test_a_second_factor_is_in_force_once_it_was_confirmed_and_its_codes_are_good_once(house: House) -> None:
    async def work() -> None:
        await house.add("anna")
        who = Who("anna")
        house.accounts.start_second(who)
        secret = house.accounts.pending_second("anna")
        with pytest.raises(BadInputError, match="code: is not the code of now"):
            await house.accounts.confirm_second(who, "000000")
        assert house.accounts.session(await house.log_in())
        await house.accounts.confirm_second(who, code_at(secret, house.at // STEP))
        house.again()
        for code in ("", "000000", code_at(secret, house.at // STEP)):  # the last one was used to confirm it
            with pytest.raises(LogInError, match="Name, password or code is wrong"):
                await house.accounts.log_in("anna", PASSWORD, HERE, code=code)
        house.at += STEP
        code = code_at(secret, house.at // STEP)
        with pytest.raises(LogInError, match="Name, password or code is wrong"):
            await house.accounts.log_in("anna", "wrong", HERE, code=code)
        assert house.accounts.session(await house.accounts.log_in("anna", PASSWORD, HERE, code=code))
        with pytest.raises(LogInError):
            await house.accounts.log_in("anna", PASSWORD, HERE, code=code)

    do(work())


def test_who_lost_it_gets_in_by_a_link_and_who_has_it_ends_it_with_his_password(house: House) -> None:
    async def work() -> None:
        await house.add("anna")
        who = Who("anna")
        for end in ("link", "password"):
            house.accounts.start_second(who)
            await house.accounts.confirm_second(who, code_at(house.accounts.pending_second("anna"), house.at // STEP))
            if end == "link":
                await house.accounts.accept(await house.accounts.invite(ROOT, Invite(name="anna")), "anna", PASSWORD)
            else:
                with pytest.raises(BadInputError, match="old: is not your password"):
                    await house.accounts.end_second(who, "wrong", HERE)
                await house.accounts.end_second(who, PASSWORD, HERE)
            assert house.accounts.session(await house.log_in())

    do(work())
    assert house.actions().count("console.second") == 2
