"""Mail to the administrators.

Job: hand a message to this host's own mail server (through sendmail, or on its port 25), or to an SMTP server with TLS and log-in. Promise: plain
text alone, marked as sent by a program (RFC 3834), so that nobody answers it automatically; a password goes out over verified TLS or not at all; each
try ends in time. Limits: addresses are ASCII; where a server takes only some of the recipients, the message counts as handed over, and the others are
told as a problem.
"""

import asyncio
import contextlib
import os
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from gatepost.core.faults import BadInputError
from gatepost.core.spans import SECOND
from gatepost.outlets.messengers.settings import ChannelSettings, is_here
from gatepost.outlets.messengers.threads import in_thread
from gatepost.outlets.messengers.wording import inert
from gatepost.pipeline.messengers import Message, SendError

SENDMAIL = "/usr/sbin/sendmail"
TIMEOUT, STEP = 60.0, 20.0
"""Seconds for a message, and for one answer of the server."""


class MailSender:
    """Sends messages as mail from ``host``."""

    kind = "mail"

    def __init__(self, settings: ChannelSettings, host: str, sendmail: str = SENDMAIL) -> None:
        """Raises BadInputError where a file that the settings name cannot be read."""
        self.to = ", ".join(settings.to)
        self._settings = settings
        self._host = host
        self._password = settings.read("password")
        self._from = settings.sender or f"gatepost@{host}"
        self._sendmail = sendmail
        self._server = settings.server or "127.0.0.1"
        self._security = settings.security or ("none" if is_here(self._server) else "starttls")
        self._context = None if self._security == "none" else trusted(settings.ca_file)

    async def send(self, message: Message) -> str:
        """Hands a message over; what is to be said of it. Raises SendError."""
        made = self.mail(message)
        if not self._settings.server and may_use(self._sendmail):
            await self._by_sendmail(bytes(made))
            return ""
        link: list[smtplib.SMTP] = []
        try:
            return await in_thread(lambda: self._by_smtp(made, link), TIMEOUT, lambda: _close(link))
        except smtplib.SMTPResponseException as wrong:
            said = inert(bytes(wrong.smtp_error).decode("utf-8", "replace") if isinstance(wrong.smtp_error, bytes) else wrong.smtp_error, 200)
            raise SendError(f"{self._server} answered {wrong.smtp_code} {said}", again=wrong.smtp_code < 500) from None
        except smtplib.SMTPRecipientsRefused as wrong:
            raise SendError(
                f"{self._server} refused {_refused(wrong.recipients)}", again=all(c < 500 for c, _ in wrong.recipients.values())
            ) from None
        except ssl.SSLCertVerificationError as wrong:
            raise SendError(f"{self._server}: its certificate is not trusted: {wrong.verify_message}; ca_file names another authority") from None
        except (smtplib.SMTPException, OSError, UnicodeError) as wrong:
            raise SendError(f"{self._server}: {inert(str(wrong) or type(wrong).__name__, 200)}") from None

    def mail(self, message: Message) -> EmailMessage:
        """The message as a mail: RFC 5322, plain text."""
        made = EmailMessage(policy=SMTP)
        made["From"] = self._from
        made["To"] = self.to
        made["Subject"] = inert(message.title, 200)
        made["Date"] = format_datetime(datetime.fromtimestamp(message.at // SECOND, UTC))
        made["Message-ID"] = f"<{message.key}@gatepost.{self._host}>"
        # RFC 3834: no vacation notice, no bounce of a bounce. The second is what Exchange looks at.
        made["Auto-Submitted"] = "auto-generated"
        made["X-Auto-Response-Suppress"] = "All"
        made.set_content(message.text, cte="quoted-printable")
        return made

    async def _by_sendmail(self, data: bytes) -> None:
        command = (self._sendmail, "-t", "-oi", "-f", self._from)
        pipe = asyncio.subprocess.PIPE
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        try:
            child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=asyncio.subprocess.DEVNULL, stderr=pipe, env=environment)
        except OSError as wrong:
            raise SendError(f"{self._sendmail}: {wrong.strerror}") from None
        try:
            _, said = await asyncio.wait_for(child.communicate(data.replace(b"\r\n", b"\n")), TIMEOUT)
        except TimeoutError:
            raise SendError(f"{self._sendmail}: no answer within {TIMEOUT:g} s") from None
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
        if child.returncode:
            raise SendError(f"{self._sendmail} ended with {child.returncode}: {inert(said.decode('utf-8', 'replace').strip(), 200)}")

    def _by_smtp(self, made: EmailMessage, link: list[smtplib.SMTP]) -> str:
        settings = self._settings
        if self._security == "tls":
            opened: smtplib.SMTP = smtplib.SMTP_SSL(self._server, settings.port or 465, self._host, timeout=STEP, context=self._context)
        else:
            port = settings.port or (25 if is_here(self._server) else 587)
            opened = smtplib.SMTP(self._server, port, self._host, timeout=STEP)
        link.append(opened)
        with opened:
            if self._security == "starttls":
                opened.starttls(context=self._context)
            if settings.user:
                opened.login(settings.user, self._password)
            refused = opened.sendmail(self._from, settings.to, bytes(made))
        return f"{self._server} refused {_refused(refused)}" if refused else ""


def _refused(recipients: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{to}: {code} {inert(said.decode('utf-8', 'replace'), 100)}" for to, (code, said) in recipients.items())


def _close(link: list[smtplib.SMTP]) -> None:
    for opened in link:
        if opened.sock is not None:
            with contextlib.suppress(OSError):
                opened.sock.close()


def trusted(ca_file: str) -> ssl.SSLContext:
    """What verifies a server. Raises BadInputError where the file of certificates cannot be used."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as wrong:
        raise BadInputError(f"channel.ca_file: {ca_file} cannot be used: {wrong.strerror or wrong}") from None


def may_use(sendmail: str) -> bool:
    """Whether sendmail can do its work: it needs rights of its own, which a service with NoNewPrivileges does not let it have."""
    if not os.access(sendmail, os.X_OK):
        return False
    try:
        return "NoNewPrivs:\t1" not in Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return True
