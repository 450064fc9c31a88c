"""Any Apprise URL: here its own json://, to a local receiver."""

import asyncio
import subprocess
import sys

import pytest

from gatepost.core.faults import BadInputError
from gatepost.outlets.messengers.apprise import AppriseSender
from gatepost.outlets.messengers.settings import ChannelSettings
from gatepost.pipeline.messengers import SendError
from tests.outlets.messengers.made import message
from tests.outlets.messengers.receivers import Hook


def sender(url: str) -> AppriseSender:
    """A channel at a URL."""
    return AppriseSender(ChannelSettings(kind="apprise", name="chat", url=url))


@pytest.mark.filterwarnings("ignore")  # what apprise's own packages warn of
def test_a_message_arrives_as_plain_text() -> None:
    with Hook() as hook:
        made = sender(f"json://127.0.0.1:{hook.port}/in")
        assert asyncio.run(made.send(message(text="a\\nb <b>x</b>\n"))) == ""
    assert hook.taken[0]["title"] == "a title"
    assert hook.taken[0]["message"].startswith("a\\nb <b>x</b>")
    assert made.to == "json://***"


@pytest.mark.filterwarnings("ignore")
def test_a_service_that_refuses_is_tried_again() -> None:
    with Hook("500") as hook, pytest.raises(SendError, match=r"json://\*\*\* did not take the message"):
        asyncio.run(sender(f"json://127.0.0.1:{hook.port}/in").send(message()))


@pytest.mark.filterwarnings("ignore")
def test_a_url_that_apprise_does_not_know_is_refused_without_its_secret() -> None:
    with pytest.raises(BadInputError, match="Apprise cannot use this nonsense:// URL") as wrong:
        sender("nonsense://token@example.org")
    assert "token" not in str(wrong.value)


def test_apprise_is_not_imported_where_nobody_asks_for_it() -> None:
    code = "import sys, gatepost.app.daemon; sys.exit('apprise' in sys.modules or 'requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
