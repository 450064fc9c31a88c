"""Channels as an administrator asks for them."""

import asyncio

import pytest

from gatepost.admin.actions.channels import list_channels
from gatepost.admin.actions.channels import test_channel as ask_test
from gatepost.admin.actions.status import problems_of
from gatepost.core.faults import BadInputError
from gatepost.pipeline.messengers import ChannelState
from tests.admin.desks import Bench

STATE = ChannelState(name="admins", kind="mail", to="root", problem="no route")


async def _answer(name: str) -> str:
    return {"admins": "no route", "chat": ""}[name]


def test_a_test_tells_its_outcome(made: Bench) -> None:
    made.desk.test_channel = _answer
    assert asyncio.run(ask_test(made.desk, "chat")).ok
    failed = asyncio.run(ask_test(made.desk, "admins"))
    assert (failed.ok, failed.problem) == (False, "no route")


def test_a_channel_that_is_not_there_is_told(made: Bench) -> None:
    with pytest.raises(BadInputError, match=r"there is no channel 'x'; gatepost.toml has no \[\[channel\]\]"):
        asyncio.run(ask_test(made.desk, "x"))
    made.desk.channels = lambda: [STATE]
    with pytest.raises(BadInputError, match="one of admins"):
        asyncio.run(ask_test(made.desk, "x"))


def test_one_that_fails_is_a_problem_of_the_guard(made: Bench) -> None:
    made.desk.channels = lambda: [STATE]
    assert list_channels(made.desk) == [STATE]
    assert "channel admins: no route" in problems_of(made.desk)
