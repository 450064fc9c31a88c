"""Countries: from where one may log in.

Job: the page of the countries' policy, with who logs in from where. Promise: a policy that would shut out the one who sets it comes back with what
was typed and the box that confirms it. Limits: actions/ does the work.
"""

from unicodedata import normalize

from starlette.responses import Response

from gatepost.admin.actions import country
from gatepost.admin.pages.forms import fields_of, read
from gatepost.admin.pages.visit import Done, Visit
from gatepost.core.iso3166 import NAMES
from gatepost.core.texts import say


async def show(visit: Visit) -> Response:
    """The page."""
    found = await country.show_countries(visit.desk)
    form = fields_of(country.SetCountries, found.policy, leave_out=("codes",))
    chosen = set(visit.typed.get("codes", ())) if visit.typed else set(found.policy.codes)
    known = {place.code: place.accounts for place in found.places if place.accounts}
    names = sorted(NAMES.items(), key=lambda each: (each[0] not in chosen, normalize("NFKD", each[1])))
    near = [each for each in names if each[0] in chosen or each[0] in known]
    others = [each for each in names if each not in near]
    stale = bool(visit.typed) and visit.text("version") != found.version
    return visit.render("country.html", found=found, form=form, near=near, others=others, chosen=chosen, known=known, stale=stale)


async def save(visit: Visit) -> Done:
    """Puts a policy in force."""
    asked = read(country.SetCountries, visit.typed, leave_out=("codes",), codes=list(visit.typed.get("codes", ())))
    found = await country.set_countries(visit.desk, visit.who, asked, visit.text("version"))
    said = {
        "off": say("Countries are not asked about."),
        "observe": say("Countries are observed: nobody is refused."),
        "enforce": say("Countries are enforced."),
    }
    return Done(said=said[found.policy.mode], to="/access/country")
