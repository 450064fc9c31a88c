"""People: who may steer this guard.

Job: the page of users, for administrators. Promise: a one-time link is shown once; the last administrator stays. Limits: accounts.py does the work.
"""

import msgspec
from starlette.responses import Response

from gatepost.admin.accounts import ROLES, Invite, Role
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.visit import Done, Visit, link
from gatepost.core.faults import BadInputError
from gatepost.core.texts import say


async def show(visit: Visit, made: str = "") -> Response:
    """The page; with a link that was just made."""
    kept = visit.accounts
    links, roles = kept.open_links(), tuple(map(say, ROLES))
    return visit.render("people.html", people=kept.people(), links=links, roles=roles, form=fields_of(Invite), made=made)


async def invite(visit: Visit) -> Response:
    """Makes a one-time link, and shows it."""
    secret = await visit.accounts.invite(visit.who, read(Invite, visit.typed))
    visit.typed = {}
    base = visit.request.base_url
    return await show(visit, f"{base.scheme}://{base.netloc}{link('/first', key=secret)}")


async def withdraw(visit: Visit) -> Done:
    """Makes a link useless."""
    gone = await visit.accounts.withdraw(visit.who, visit.text("id"))
    if gone.name:
        return Done(said=say("The link for {name} lets nobody in any more.", name=gone.name), to="/people")
    return Done(said=say("The link for a new {role} lets nobody in any more.", role=say(gone.role)), to="/people")


async def set_role(visit: Visit) -> Done:
    """Gives a user another role."""
    name = visit.text("name")
    try:
        role = msgspec.convert(visit.text("role"), Role)
    except msgspec.ValidationError:
        raise BadInputError(say("role: one of {roles}", roles=tuple(map(say, ROLES)))) from None
    await visit.accounts.set_role(visit.who, name, role)
    return Done(said=say("{name} is {role} now.", name=name, role=say(role)), to="/people")


async def remove(visit: Visit) -> Done:
    """Takes a user away."""
    name = visit.text("name")
    await visit.accounts.remove_user(visit.who, name)
    return Done(said=say("{name} may not log in any more.", name=name), to="/people")
