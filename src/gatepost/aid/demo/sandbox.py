"""The sandbox mail host.

Job: SMTP, IMAP and POP3 on high ports of loopback that the system chooses, for the guard's gateways alone. Promise: it listens on 127.0.0.1 alone.
Limits: it lives as long as the demo.
"""

import asyncio
from functools import partial

from gatepost.aid.demo.door import PROTOCOLS, Door, Protocol
from gatepost.aid.demo.mailboxes import Mailboxes
from gatepost.aid.demo.maillog import MailLog
from gatepost.aid.demo.retrieval import retrieval_server
from gatepost.aid.demo.smtp import smtp_server

HOST = "127.0.0.1"


class Sandbox:
    """Three servers over the same mailboxes."""

    def __init__(self, mailboxes: Mailboxes, log: MailLog) -> None:
        self._mailboxes = mailboxes
        self._log = log
        self._servers: list[asyncio.Server] = []
        self.ports: dict[Protocol, int] = {}

    async def start(self) -> None:
        """Listens; ``ports`` says where."""
        loop = asyncio.get_running_loop()
        for protocol in PROTOCOLS:
            server = await loop.create_server(partial(Door, partial(self._server, protocol)), HOST, 0)
            self._servers.append(server)
            self.ports[protocol] = server.sockets[0].getsockname()[1]

    def _server(self, protocol: Protocol, client: str) -> asyncio.Protocol:
        if protocol == "smtp":
            return smtp_server(self._mailboxes, self._log, client)
        return retrieval_server(protocol, self._mailboxes, self._log, client)

    async def stop(self) -> None:
        """Listens no more."""
        for server in self._servers:
            server.close()
        await asyncio.sleep(0)
