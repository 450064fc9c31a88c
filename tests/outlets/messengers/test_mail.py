"""Mail, at a real SMTP server: TLS, log-in, refusals; and through a sendmail that records what it is given."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from gatepost.core.faults import BadInputError
from gatepost.outlets.messengers.mail import MailSender
from gatepost.outlets.messengers.settings import ChannelSettings
from gatepost.pipeline.messengers import SendError
from tests.outlets.messengers.made import message
from tests.outlets.messengers.receivers import MailServer, certificate, free_port

HOST = "mx.example.org"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


def settings(**given: Any) -> ChannelSettings:
    """A mail channel."""
    return ChannelSettings(kind="mail", name="admins", to=given.pop("to", ("postmaster@example.org",)), **given)


def send(chosen: ChannelSettings, **given: Any) -> str:
    """Sends one message."""
    return asyncio.run(MailSender(chosen, HOST).send(message(**given)))


def test_plain_to_this_host_marked_as_sent_by_a_program() -> None:
    with MailServer() as server:
        assert send(settings(server="127.0.0.1", port=server.port), text="Line\n.dot\nFrom here: ünï\n") == ""
    (mail,) = server.mails
    assert server.envelopes == [("gatepost@mx.example.org", ["postmaster@example.org"])]
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "All")
    assert (mail["Message-ID"], mail["Subject"], mail.get_content_type()) == ("<k1@gatepost.mx.example.org>", "a title", "text/plain")
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().replace("\r\n", "\n") == "Line\n.dot\nFrom here: ünï\n"


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # aiosmtpd does not know that it speaks TLS from the first byte
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_tls_with_log_in(pair: tuple[Path, Path], security: Any, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    with MailServer(security, pair, user="guard") as server:
        where = {"server": "127.0.0.1", "port": server.port, "security": security}
        send(settings(**where, user="guard", password_file=str(tmp_path / "password"), ca_file=str(pair[0])))
        assert len(server.mails) == 1
        with pytest.raises(SendError, match="535") as wrong:
            send(settings(**where, user="guard", password="wrong", ca_file=str(pair[0])))
        assert not wrong.value.again
        with pytest.raises(SendError, match=r"its certificate is not trusted: self.signed certificate.*ca_file"):
            send(settings(**where, user="guard", password="secret"))
    assert len(server.mails) == 1


def test_a_server_without_tls_gets_no_password() -> None:
    with MailServer() as server, pytest.raises(SendError, match="STARTTLS"):
        send(settings(server="127.0.0.1", port=server.port, security="starttls", user="guard", password="secret"))


def test_a_header_cannot_be_injected() -> None:
    with MailServer() as server:
        send(settings(server="127.0.0.1", port=server.port), title="x\r\nBcc: victim@example.org\r\n\r\nhello")
    assert server.mails[0]["Bcc"] is None
    assert server.mails[0]["Subject"].startswith("x\\r\\nBcc: victim")


def test_recipients_that_are_refused_are_told() -> None:
    with MailServer(refuse="550 no such user") as server:
        where = {"server": "127.0.0.1", "port": server.port}
        assert "nobody@example.org: 550 no such user" in send(settings(**where, to=("nobody@example.org", "bob@example.org")))
        with pytest.raises(SendError, match=r"nobody@example\.org: 550") as wrong:
            send(settings(**where, to=("nobody@example.org",)))
    assert not wrong.value.again


def test_a_server_that_is_away_is_tried_again() -> None:
    with pytest.raises(SendError, match="refused") as wrong:
        send(settings(server="127.0.0.1", port=free_port()))
    assert wrong.value.again


@pytest.fixture
def sendmail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sendmail that keeps what it is given; it fails where a file says so."""
    made = tmp_path / "sendmail"
    made.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\ncat > {tmp_path}/mail\n[ ! -e {tmp_path}/fail ] || {{ echo no space >&2; exit 75; }}\n')
    made.chmod(made.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("gatepost.outlets.messengers.mail.may_use", lambda _: True)
    return made


def test_through_sendmail(sendmail: Path) -> None:
    sender = MailSender(settings(to=("root",)), HOST, str(sendmail))
    assert asyncio.run(sender.send(message())) == ""
    assert sendmail.with_name("args").read_text() == "-t -oi -f gatepost@mx.example.org\n"
    mail = sendmail.with_name("mail").read_bytes()
    assert b"\nTo: root\n" in mail
    assert b"\r" not in mail
    sendmail.with_name("fail").touch()
    with pytest.raises(SendError, match="ended with 75: no space"):
        asyncio.run(sender.send(message()))


def test_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"channel.password_file: .*none cannot be read: No such file"):
        MailSender(settings(server="mx.example.org", user="guard", password_file=str(tmp_path / "none")), HOST)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(BadInputError, match="is empty"):
        MailSender(settings(server="mx.example.org", user="guard", password_file=str(tmp_path / "empty")), HOST)
    with pytest.raises(BadInputError, match=r"channel\.ca_file"):
        MailSender(settings(server="mx.example.org", ca_file=str(tmp_path / "empty")), HOST)
