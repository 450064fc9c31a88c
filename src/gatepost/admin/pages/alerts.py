"""Alerts: who is told what happens, and does it arrive.

Job: the page of channels, with a test button. Promise: a test's outcome is told. Limits: channels are wired in gatepost.toml.
"""

from starlette.responses import Response

from gatepost.admin.actions import channels
from gatepost.admin.pages.visit import Done, Visit
from gatepost.core.faults import BadInputError
from gatepost.core.texts import say


async def show(visit: Visit) -> Response:
    """The page."""
    return visit.render("alerts.html", channels=channels.list_channels(visit.desk))


async def test(visit: Visit) -> Done:
    """Sends a test message."""
    found = await channels.test_channel(visit.desk, visit.text("name"))
    if not found.ok:
        raise BadInputError(say("The test on {name} failed: {problem}", name=found.name, problem=found.problem))
    return Done(said=say("The test message was taken by {name}.", name=found.name), to="/alerts")
