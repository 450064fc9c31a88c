"""The sandbox's servers, by the standard library's own clients, as a gateway hands them on; and what their log tells the real grammars."""

import asyncio
import contextlib
import imaplib
import poplib
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from gatepost.aid.demo.door import PROTOCOLS, Protocol
from gatepost.aid.demo.mailboxes import MOST, Mailboxes
from gatepost.aid.demo.maillog import MailLog
from gatepost.aid.demo.sandbox import Sandbox
from gatepost.core.facts import AuthFailed, AuthSucceeded, Connected, Fact, MessageAccepted, Rejected, SessionEnded
from gatepost.wire import proxy_header
from gatepost.wire.maillog.reader import Reader

NAME, PASSWORD = "bob@demo.example", 'a "good" \\ one'
AT = 1_795_500_000_000_000


class House:
    """A sandbox on a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mail.log"
        self.log = MailLog(self.path, lambda: AT)
        self.mailboxes = Mailboxes({NAME: PASSWORD})
        self.sandbox = Sandbox(self.mailboxes, self.log)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.sandbox.start(), self.loop).result()

    def close(self) -> None:
        """Stops the servers, once all sessions are over."""
        asyncio.run_coroutine_threadsafe(self.sandbox.stop(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.log.close()

    def settle(self) -> None:
        """Waits until every session has ended."""
        done: Future[None] = asyncio.run_coroutine_threadsafe(self._idle(), self.loop)
        done.result(10)

    async def _idle(self) -> None:
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)

    def facts(self) -> list[Fact]:
        """What the real grammars read in the log; every line is understood."""
        self.settle()
        reader = Reader(timezone=UTC, latest=AT)
        found = [fact for _, fact in reader.read(self.path.read_text("utf-8").split("\n")[:-1], 0)]
        assert reader.coverage.understood == reader.coverage.mail_lines == reader.coverage.lines
        return found

    def smtp(self, source: str = "127.0.0.9") -> smtplib.SMTP:
        """A client."""
        return smtplib.SMTP("127.0.0.1", self.sandbox.ports["smtp"], "client.example", source_address=(source, 0))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A sandbox; what the clients connect with says first who they are, as a gateway does."""
    made = House(tmp_path)
    monkeypatch.setattr(socket, "create_connection", _handed_on)
    yield made
    made.close()


_connect = socket.create_connection


def _handed_on(*words: Any, **more: Any) -> socket.socket:
    link = _connect(*words, **more)
    link.sendall(proxy_header.write_2(link.getsockname(), link.getpeername()))
    return link


def _kinds(facts: list[Fact]) -> list[type[Fact]]:
    return [type(fact) for fact in facts if not fact.evidence_only]


def test_mail_goes_in_by_smtp_and_comes_out_by_imap_and_pop3(house: House) -> None:
    with house.smtp() as link:
        link.login(NAME, PASSWORD)
        link.sendmail(NAME, [NAME], "Subject: one\r\n\r\nHello\r\n.dot\r\n")
    imap = imaplib.IMAP4("127.0.0.1", house.sandbox.ports["imap"])
    imap.login(NAME, PASSWORD)
    assert imap.select("INBOX") == ("OK", [b"1"])
    fetched = imap.fetch("1", "(RFC822)")[1][0]
    assert isinstance(fetched, tuple)
    assert fetched[1].endswith(b"Hello\r\n.dot\r\n")
    assert imap.fetch("2", "(RFC822)")[0] == "NO"
    imap.logout()
    pop = poplib.POP3("127.0.0.1", house.sandbox.ports["pop3"])
    pop.user(NAME)
    pop.pass_(PASSWORD)
    assert pop.stat() == (1, len(fetched[1]))
    assert pop.retr(1)[1][-2:] == [b"Hello", b".dot"]
    with pytest.raises(poplib.error_proto):
        pop.retr(2)
    pop.quit()
    facts = house.facts()
    assert _kinds(facts) == [Connected, AuthSucceeded, MessageAccepted, SessionEnded, Connected, AuthSucceeded, Connected, AuthSucceeded]
    assert {fact.client for fact in facts[:4]} == {"127.0.0.9"}
    assert [fact.account for fact in facts if isinstance(fact, AuthSucceeded)] == [NAME] * 3


def test_unknown_recipients_and_wrong_passwords_are_told_as_the_daemons_tell_them(house: House) -> None:
    with house.smtp() as link:
        assert link.docmd("AUTH PLAIN", "AGEAYg==")[0] == 503  # no EHLO yet
        link.ehlo()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            link.login(NAME, "wrong")
        link.mail("")
        assert link.rcpt("ghost@demo.example")[0] == 550
        assert link.docmd("DATA")[0] == 503
    pop = poplib.POP3("127.0.0.1", house.sandbox.ports["pop3"])
    for _ in range(3):
        pop.user("ghost\x07, rip=192.0.2.1")
        with pytest.raises(poplib.error_proto):
            pop.pass_("wrong")
    pop.quit()
    imap = imaplib.IMAP4("127.0.0.1", house.sandbox.ports["imap"])
    assert imap.noop()[0] == "OK"
    imap.logout()
    facts = house.facts()
    failed = [fact for fact in facts if isinstance(fact, AuthFailed)]
    assert [(fact.protocol, fact.client, fact.weight) for fact in failed][-1] == ("pop3", "127.0.0.1", 3)
    assert {(fact.protocol, fact.client) for fact in failed[:-1]} == {("smtp", "127.0.0.9")}
    assert [fact.reason for fact in facts if isinstance(fact, Rejected)] == ["unknown_user"]
    assert [fact.messages for fact in facts if isinstance(fact, SessionEnded)] == [0]
    assert sum(type(fact) is Connected for fact in facts) == 3


@pytest.mark.parametrize("said", [b"EHLO stranger\r\n", b"PROXY UNKNOWN\r\n", proxy_header.SIGNATURE + b"\x20\0\0\0", b"PROXY TCP4 x\r\n"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_is_not_handed_on_by_a_gateway_gets_no_server(house: House, protocol: Protocol, said: bytes) -> None:
    with _connect(("127.0.0.1", house.sandbox.ports[protocol]), 10) as link:
        link.sendall(said)
        with contextlib.suppress(ConnectionResetError):
            assert link.recv(1) == b""
    assert house.facts() == []


def test_a_header_may_come_in_parts_and_with_the_first_command(house: House) -> None:
    with _connect(("127.0.0.1", house.sandbox.ports["imap"]), 10) as link:
        said = proxy_header.write_1(("192.0.2.7", 1234), ("127.0.0.1", 143)) + b"a NOOP\r\n"
        for part in (said[:9], said[9:30], said[30:]):
            link.sendall(part)
            time.sleep(0.05)
        with link.makefile("rb") as answers:
            assert [answers.readline()[:4] for _ in range(2)] == [b"* OK", b"a OK"]
    assert [fact.client for fact in house.facts()] == ["192.0.2.7"]


def test_ten_failures_end_a_session_and_a_long_line_too(house: House) -> None:
    pop = poplib.POP3("127.0.0.1", house.sandbox.ports["pop3"])
    for _ in range(10):
        pop.user(NAME)
        with pytest.raises(poplib.error_proto):
            pop.pass_("wrong")
    with pytest.raises((poplib.error_proto, OSError)):
        pop.noop()
    pop.close()
    imap = imaplib.IMAP4("127.0.0.1", house.sandbox.ports["imap"])
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        imap.login(NAME, "x" * 5_000)
    imap.shutdown()
    failed = [fact for fact in house.facts() if isinstance(fact, AuthFailed)]
    assert [fact.weight for fact in failed] == [10]


@pytest.mark.parametrize("line", ["", "a", "a XYZZY", "a LOGIN one", 'a LOGIN "open', "a FETCH 1 RFC822", "a SELECT INBOX", "\x00\xff"])
def test_what_imap_does_not_understand_is_refused_and_it_goes_on(house: House, line: str) -> None:
    imap = imaplib.IMAP4("127.0.0.1", house.sandbox.ports["imap"])
    imap.send(line.encode() + b"\r\n")
    assert imap.readline().split(b" ", 1)[1].startswith((b"BAD", b"NO"))
    imap.send(b"b NOOP\r\n")
    assert imap.readline() == b"b OK done\r\n"
    imap.send(b"c LOGOUT\r\n")
    imap.shutdown()


def test_a_mailbox_is_bounded() -> None:
    boxes = Mailboxes({NAME: PASSWORD})
    for number in range(MOST + 5):
        boxes.deliver(NAME.upper(), str(number).encode())
    assert boxes.messages(NAME)[0] == b"5"
    assert len(boxes.messages(NAME)) == MOST
    assert not boxes.opens("ghost", "")
