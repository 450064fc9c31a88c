"""The console, wired: its socket, its accounts, its tasks.

Job: listen for browsers and say where, with a one-time link while nobody can log in. Promise: whatever fails here is told, and the guard goes on
without a console. Limits: a changed [console] counts from the next start on.
"""

import ssl
from collections.abc import Coroutine, Sequence
from socket import socket
from typing import Any

from gatepost.admin.api.asked import Way
from gatepost.admin.api.listen import listen_tcp, tls_of
from gatepost.admin.api.serve import serve
from gatepost.admin.console import Console
from gatepost.admin.desk import Desk
from gatepost.admin.settings import ConsoleSettings
from gatepost.aid.speak import Speaker
from gatepost.core.faults import BadInputError
from gatepost.stores.contract import StoreError


class Web:
    """The console of a daemon."""

    def __init__(self, settings: ConsoleSettings, desk: Desk, speaker: Speaker) -> None:
        self._settings = settings
        self._desk = desk
        self._speaker = speaker
        self._listening: socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._console: Console | None = None
        self.problems: list[str] = []

    def listen(self) -> None:
        """Takes the port and opens the accounts. What fails is among the problems."""
        if not self._settings.listen:
            return
        try:
            self._console = Console(self._desk, self._settings)
            self._tls = tls_of(self._settings)
            self._listening = listen_tcp(self._settings)
            self._console.port = self._listening.getsockname()[1]
        except (BadInputError, StoreError) as wrong:
            self.problems.append(str(wrong))
            self._speaker.say("warning", "console", problem=wrong)
            if self._console:
                self._console.port, self._console.problem = 0, str(wrong)

    def ways(self) -> Sequence[Way]:
        """What the unix socket can ask about it."""
        return self._console.ways() if self._console else ()

    async def start(self) -> list[Coroutine[Any, Any, None]]:
        """Says where it is; what is to be run."""
        if self._console is None or self._listening is None:
            return []
        try:
            first = await self._console.first_link()
        except BadInputError as wrong:
            first = ""
            self._speaker.say("warning", "console", problem=wrong)
        self._speaker.say("notice", "console", address=self._console.address, **({"first": first} if first else {}))
        return [serve(self._console.application(), self._listening, self._tls), self._console.site.pulse.run()]

    def close(self) -> None:
        """Gives the port back."""
        if self._listening is not None:
            self._listening.close()
