"""The messengers, wired.

Job: make the channels that the configuration names, pass on what the guard announces, and watch the guard itself for problems. Promise: a channel
that cannot be made is told as a problem, and the guard goes on; a changed configuration replaces what changed alone. Limits: it says nothing itself.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gatepost.config import Settings
from gatepost.core.decisions import Effect
from gatepost.core.faults import BadInputError
from gatepost.outlets.messengers.apprise import AppriseSender
from gatepost.outlets.messengers.channel import Channel
from gatepost.outlets.messengers.mail import MailSender
from gatepost.outlets.messengers.settings import ChannelSettings
from gatepost.outlets.messengers.spool import Spool
from gatepost.outlets.messengers.webhook import WebhookSender
from gatepost.pipeline.messengers import ChannelState, Notice, Sender, notices
from gatepost.pipeline.troubles import Troubles

LOOK_SECONDS = 5.0


class Alerts:
    """The channels of one guard. ``held`` says how many are held now, ``country`` where a subject is registered, ``wrong`` what is wrong."""

    def __init__(
        self,
        state: Path,
        now: Callable[[], int],
        held: Callable[[], int],
        wrong: Callable[[], Mapping[str, str]],
        country: Callable[[str], str] = lambda _: "",
    ) -> None:
        self.problems: dict[str, str] = {}
        """Why a channel could not be made, by its name."""
        self._state, self._now, self._held, self._wrong, self._country = state, now, held, wrong, country
        self._host = host_name()
        self._channels: dict[str, tuple[Channel, asyncio.Task[None]]] = {}
        self._troubles = Troubles()

    async def adopt(self, settings: Settings) -> None:
        """These are the channels from now on; those that are as before go on. What a channel collected is on disk before another takes its name."""
        wanted = {each.name: each for each in settings.channel}
        gone = [self._channels.pop(name) for name in list(self._channels) if wanted.get(name) != self._channels[name][0].settings]
        await _ended([task for _, task in gone])
        self.problems.clear()
        for name, each in wanted.items():
            if name in self._channels:
                continue
            try:
                # A look at files and an import of weight: not on the loop.
                sender = await asyncio.to_thread(sender_of, each, self._host, self._now)
            except BadInputError as wrong:
                self.problems[name] = str(wrong)
                continue
            made = Channel(each, sender, Spool(self._state / "spool" / name), self._now, self._host, self._held)
            self._channels[name] = made, asyncio.create_task(made.run(), name=f"channel {name}")

    def tell(self, effects: Sequence[Effect]) -> None:
        """These effects are in force. Returns at once."""
        if self._channels:
            self.pass_on(notices(effects, self._country))

    def pass_on(self, found: Sequence[Notice]) -> None:
        """Tells all channels."""
        for channel, _ in self._channels.values():
            channel.tell(found)

    async def watch(self) -> None:
        """Looks at the guard's own problems until it is cancelled; then the channels end too."""
        try:
            while True:
                if found := self._troubles.look(self._wrong(), self._now()):
                    self.pass_on(found)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await _ended([task for _, task in self._channels.values()])

    def states(self) -> list[ChannelState]:
        """How each channel is doing."""
        made = [channel.state() for channel, _ in self._channels.values()]
        return made + [ChannelState(name=name, kind="", to="", problem=problem) for name, problem in self.problems.items()]

    async def test(self, name: str) -> str:
        """Sends a test message; why it failed, empty where it went well. Raises KeyError where there is no such channel."""
        return self.problems[name] if name in self.problems else await self._channels[name][0].test()


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def sender_of(settings: ChannelSettings, host: str, now: Callable[[], int]) -> Sender:
    """What hands over a channel's messages. Raises BadInputError where its files or its URL cannot be used."""
    if settings.kind == "mail":
        return MailSender(settings, host)
    return WebhookSender(settings, now) if settings.kind == "webhook" else AppriseSender(settings)


def host_name() -> str:
    """This host's name, as mail and messages give it."""
    name = socket.gethostname()
    return "".join(c for c in name if c.isascii() and (c.isalnum() or c in "-.")).strip("-.")[:253] or "localhost"
