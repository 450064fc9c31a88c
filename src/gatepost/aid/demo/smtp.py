"""The sandbox's SMTP server, on aiosmtpd.

Job: take mail for accounts that exist, refuse other recipients, check log-ins, and have Postfix's lines written of it. Promise: nothing is relayed;
a message has 64 KiB at most. Limits: no TLS, for it listens on loopback alone.
"""

import asyncio
import logging
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from gatepost.aid.demo.mailboxes import Mailboxes
from gatepost.aid.demo.maillog import MailLog, SmtpSession

LARGEST = 65_536
IDLE = 30.0
"""Seconds after which a silent client is sent away."""


# aiosmtpd warns of a field that it fills itself; the mail log tells all that the demo needs.
logging.getLogger("mail.log").addHandler(logging.NullHandler())


def smtp_server(mailboxes: Mailboxes, log: MailLog, client: str) -> asyncio.Protocol:
    """The server of one connection."""
    return _Server(_Desk(mailboxes, SmtpSession(log, client)))


class _Server(SMTP):
    def __init__(self, desk: "_Desk") -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            desk,
            hostname="demo.example",
            ident="ESMTP gatepost sandbox",
            data_size_limit=LARGEST,
            timeout=IDLE,
            auth_require_tls=False,
            authenticator=desk.authenticate,
            loop=loop,
        )

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.event_handler.session.ended()


class _Desk:
    """What aiosmtpd asks of one session."""

    def __init__(self, mailboxes: Mailboxes, session: SmtpSession) -> None:
        self._mailboxes = mailboxes
        self.session = session

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, asked: Any) -> AuthResult:
        well = False
        if isinstance(asked, LoginPassword):
            name, password = asked.login.decode("utf-8", "replace"), asked.password.decode("utf-8", "replace")
            well = self._mailboxes.opens(name, password)
            self.session.login(name, mechanism, well)
        return AuthResult(success=well, handled=False)

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]) -> list[str]:  # noqa: N802
        session.host_name = hostname
        self.session.command("ehlo")
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        envelope.mail_from = address
        self.session.command("mail")
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if not self._mailboxes.exists(address):
            self.session.unknown_recipient(envelope.mail_from or "", address, session.host_name or "")
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        self.session.command("rcpt")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        for to in envelope.rcpt_tos:
            self._mailboxes.deliver(to, envelope.content)
        self.session.accepted(envelope.mail_from or "", envelope.rcpt_tos, len(envelope.content))
        return "250 2.0.0 Ok: queued"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.session.command("quit")
        return "221 2.0.0 Bye"
