"""Account: one's own password, sessions and tokens.

Job: what everybody may change about himself. Promise: a token is shown once; changing the password ends the other sessions. Limits: accounts.py does
the work.
"""

from starlette.responses import Response

from gatepost.admin.accounts import NewToken
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.visit import Done, Visit
from gatepost.admin.second import uri_of
from gatepost.core.faults import BadInputError
from gatepost.core.texts import say, say_many, without


async def show(visit: Visit, token: str = "") -> Response:
    """The page; with a token that was just made."""
    kept = visit.accounts
    return visit.render(
        "account.html",
        sessions=kept.sessions_of(visit.user.name, visit.secret),
        tokens=sorted((each for each in kept.tokens.values() if each.user == visit.user.name), key=lambda each: each.name),
        form=fields_of(NewToken),
        token=token,
        pending=kept.pending_second(visit.user.name),
        uri=uri_of(kept.pending_second(visit.user.name), visit.user.name, visit.request.url.hostname or ""),
    )


async def password(visit: Visit) -> Done:
    """Changes the password."""
    if visit.text("new") != visit.text("again"):
        raise BadInputError(say("again: the two passwords differ"))
    try:
        await visit.accounts.change_password(visit.who, visit.secret, visit.text("old"), visit.text("new"), visit.client)
    except BadInputError as wrong:
        raise BadInputError(
            say("new: {said}", said=without(wrong.said, "password: ")) if wrong.said.startswith("password: ") else wrong.said
        ) from None
    return Done(said=say("The password is changed; your other sessions are ended."), to="/account")


async def others(visit: Visit) -> Done:
    """Ends the other sessions."""
    many = await visit.accounts.log_out_others(visit.who, visit.secret)
    return Done(said=say_many("{count} other session ended.", "{count} other sessions ended.", many), to="/account")


async def start_second(visit: Visit) -> Done:
    """Begins to set up a second factor."""
    visit.accounts.start_second(visit.who)
    return Done(said=say("Add the secret below to your authenticator."), to="/account")


async def confirm_second(visit: Visit) -> Done:
    """Puts it in force."""
    await visit.accounts.confirm_second(visit.who, visit.text("code"))
    return Done(said=say("The second factor is on."), to="/account")


async def end_second(visit: Visit) -> Done:
    """Takes it away."""
    await visit.accounts.end_second(visit.who, visit.text("old"), visit.client)
    return Done(said=say("The second factor is off."), to="/account")


async def add_token(visit: Visit) -> Response:
    """Makes a token, and shows it."""
    secret = await visit.accounts.add_token(visit.who, read(NewToken, visit.typed))
    visit.typed = {}
    return await show(visit, secret)


async def remove_token(visit: Visit) -> Done:
    """Takes a token away."""
    await visit.accounts.remove_token(visit.who, visit.text("name"))
    return Done(said=say("The token {name} works no more.", name=visit.text("name")), to="/account")
