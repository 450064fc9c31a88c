"""Which inlets run, what a reload does to them, and what is told of them."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from gatepost import config
from gatepost.aid.discover import Findings, JournalSource, LogSource
from gatepost.aid.speak import Speaker
from gatepost.app.feeds import Feeds, wanted
from gatepost.pipeline.guard import Guard
from tests.inlets.following import Desk, append, now, until

FOUND_FILE = LogSource("/var/log/mail.log", ("postfix",), "", "found")
FOUND_JOURNAL = JournalSource(("postfix",), "found")
FILE = {"logfile": [{"path": "/var/log/other.log"}]}
SYSLOG = {"transport": "udp", "listen": "127.0.0.1:0", "senders": ["127.0.0.1/32"]}
GATEWAY = {"listen": ["127.0.0.1:0"], "backend": "127.0.0.1:1", "client_address": "proxy-v2"}
LINE = "Nov 24 12:00:00 mx postfix/smtpd[10]: connect from unknown[10.0.0.7]\n"


def settings(given: dict[str, Any]) -> config.Settings:
    """Settings as from a file."""
    return msgspec.convert({"logs": {"timezone": "UTC"}} | given, config.Settings)


def findings(*logs: LogSource, journal: JournalSource | None = None) -> Findings:
    """What was found on a host."""
    return Findings((), logs, (), (), (), (), journal)


@pytest.mark.parametrize(
    ("given", "found", "names"),
    [
        ({}, findings(FOUND_FILE), ["/var/log/mail.log"]),
        ({}, findings(journal=FOUND_JOURNAL), ["journal"]),
        ({}, findings(FOUND_FILE, journal=FOUND_JOURNAL), ["/var/log/mail.log", "journal"]),
        ({}, findings(), []),
        (FILE, findings(FOUND_FILE, journal=FOUND_JOURNAL), ["/var/log/other.log"]),
        ({"journal": {"follow": "yes"}}, findings(FOUND_FILE), ["journal"]),
        ({"journal": {"follow": "no"}}, findings(journal=FOUND_JOURNAL), []),
        (FILE | {"journal": {"follow": "yes"}}, findings(), ["/var/log/other.log", "journal"]),
        ({"postfix_policy": [{}]}, findings(FOUND_FILE), ["/var/log/mail.log", "postfix_policy:127.0.0.1:8094"]),
        ({"syslog": [SYSLOG]}, findings(FOUND_FILE), ["/var/log/mail.log", "syslog:udp:127.0.0.1:0"]),
        ({"gateway": {"smtp": GATEWAY}, "syslog": [SYSLOG]}, findings(FOUND_FILE), ["/var/log/mail.log", "syslog:udp:127.0.0.1:0", "gateway:smtp"]),
    ],
)
def test_what_runs(given: dict[str, Any], found: Findings, names: list[str]) -> None:
    assert list(wanted(settings(given), found)) == names


def running(given: dict[str, Any], doing: Callable[[Feeds, Desk], Coroutine[Any, Any, None]]) -> None:
    """Runs the inlets of a configuration while something is done."""

    async def together() -> None:
        desk, feeds = Desk(), Feeds(Speaker(), now)
        await feeds.start(cast(Guard, desk), settings(given), findings())
        try:
            await asyncio.wait_for(doing(feeds, desk), 60)
        finally:
            tasks = [feed.task for feed in feeds._feeds.values()]
            feeds.stop()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(together())


def test_a_reload_touches_what_changed_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.touch()
    two.touch()
    unix = {"transport": "unix", "listen": str(tmp_path / "log")}

    async def doing(feeds: Feeds, desk: Desk) -> None:
        await until((tmp_path / "log").exists)
        before = dict(feeds._feeds)
        feeds.reload(settings({"logfile": [{"path": str(one)}], "syslog": [unix | {"mode": "0600"}]}), findings())
        feeds.reload(settings({"logfile": [{"path": str(one)}, {"path": str(two)}], "syslog": [unix | {"mode": "0622"}]}), findings())
        await until(lambda: len(feeds.names) == 3)
        await until(lambda: (tmp_path / "log").exists() and (tmp_path / "log").stat().st_mode & 0o777 == 0o622)
        assert feeds._feeds[str(one)] is before[str(one)]
        assert before[f"syslog:unix:{tmp_path}/log"].task.cancelled()
        append(one, LINE)
        append(two, LINE.replace("10.0.0.7", "10.0.0.8"))
        await until(lambda: sorted(desk.numbers) == [7, 8])

    running({"logfile": [{"path": str(one)}], "syslog": [unix]}, doing)


def test_two_sources_of_one_daemon_are_told(tmp_path: Path) -> None:
    log, path = tmp_path / "mail.log", tmp_path / "log"
    log.touch()

    async def doing(feeds: Feeds, desk: Desk) -> None:
        await until(path.exists)
        append(log, LINE)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(LINE.replace(" mx", "").replace("postfix/smtpd", "dovecot").encode(), str(path))
            await until(lambda: len(desk.facts) == 1 and [each.lines for each in feeds.sources()] == [1, 1])
            assert feeds.problems() == []
            sock.sendto(LINE.replace(" mx", "").encode(), str(path))
        await until(lambda: len(desk.facts) == 2)
        (told,) = feeds.problems()
        assert f"postfix is read from {log} and from syslog:unix:{path}" in told
        assert "counts twice" in told

    running({"logfile": [{"path": str(log)}], "syslog": [{"transport": "unix", "listen": str(path)}]}, doing)


def test_what_cannot_start_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    packed = tmp_path / "mail.log.gz"
    packed.write_bytes(b"\x1f\x8b\x08" + b"\0" * 20)

    async def doing(feeds: Feeds, desk: Desk) -> None:
        assert feeds.names == ["syslog:udp:127.0.0.1:0"]
        assert "compressed" in feeds.problems()[0]
        await until(lambda: all(source.reading for source in feeds.sources()))

    running({"logfile": [{"path": str(packed)}], "syslog": [SYSLOG]}, doing)
