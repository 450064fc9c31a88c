"""Channels: how they are doing, and a test.

Job: what an administrator asks about those who are told. Promise: a test goes out at once and its outcome is told. Limits: channels are wiring; they
are changed in gatepost.toml.
"""

from msgspec import Struct

from gatepost.admin.desk import Desk
from gatepost.admin.faults import UnknownError
from gatepost.core.texts import say
from gatepost.pipeline.messengers import ChannelState


class Tested(Struct, frozen=True, kw_only=True):
    """What became of a test message."""

    name: str
    ok: bool
    problem: str = ""


def list_channels(desk: Desk) -> list[ChannelState]:
    """How each channel is doing."""
    return list(desk.channels())


async def test_channel(desk: Desk, name: str) -> Tested:
    """Sends a test message. Raises UnknownError where there is no such channel."""
    try:
        problem = await desk.test_channel(name)
    except KeyError:
        known = ", ".join(each.name for each in desk.channels())
        raise UnknownError(
            say("name: there is no channel {name!r}; one of {known}", name=name, known=known)
            if known
            else say("name: there is no channel {name!r}; gatepost.toml has no [[channel]]", name=name)
        ) from None
    return Tested(name=name, ok=not problem, problem=problem)
