"""Chat, push, SMS and the rest: whatever an Apprise URL reaches.

Job: hand a message to the apprise package. Promise: the package is imported only where a channel asks for it; the text goes out as plain text, its
escapes and tags uninterpreted. Limits: why a service refused is known to its plugin alone: a failure says no more than that.
"""

from typing import Any

from gatepost.core.faults import BadInputError
from gatepost.outlets.messengers.settings import ChannelSettings
from gatepost.outlets.messengers.threads import in_thread
from gatepost.pipeline.messengers import Message, SendError

TIMEOUT = 60.0
_TYPES = {"quiet": "success", "urgent": "failure", "test": "info"}


class AppriseSender:
    """Sends messages to one Apprise URL."""

    kind = "apprise"

    def __init__(self, settings: ChannelSettings) -> None:
        """Raises BadInputError where the URL is none that Apprise knows."""
        url = settings.read("url")
        scheme = url.partition("://")[0]
        self.to = f"{scheme}://***"
        self._target = _load(url)
        if self._target is None:
            raise BadInputError(f"channel.url: Apprise cannot use this {scheme}:// URL; its documentation tells how the service's URLs are written")

    async def send(self, message: Message) -> str:
        """Hands a message over. Raises SendError."""
        given = {"title": message.title, "body": message.text, "notify_type": _TYPES.get(message.kind, "warning"), "body_format": "text"}
        try:
            taken = await in_thread(lambda: self._target.notify(interpret_escapes=False, **given), TIMEOUT)
        except (OSError, TypeError, ValueError) as wrong:
            raise SendError(f"{self.to}: {type(wrong).__name__}") from None
        if not taken:
            raise SendError(f"{self.to} did not take the message")
        return ""


def _load(url: str) -> Any:
    """What sends to a URL; None where it is none. Imported here alone: it weighs 30 MB."""
    import apprise

    target = apprise.Apprise()
    return target if target.add(url) else None
