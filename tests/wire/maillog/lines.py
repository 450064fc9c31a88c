"""What the tests of the mail log's grammars share."""

from datetime import UTC, tzinfo

from gatepost.core.facts import Fact
from gatepost.wire.maillog.reader import Reader

LATEST = 1_795_910_400_000_000
"""2026-11-29 00:00 UTC."""
NOON = 1_795_521_600_000_000
"""2026-11-24 12:00 UTC, the stamp that `syslog` writes."""


def reader(timezone: tzinfo = UTC, **more: object) -> Reader:
    """A reader with the tests' usual settings."""
    return Reader(**{"timezone": timezone, "latest": LATEST, **more})  # type: ignore[arg-type]


def syslog(*messages: str, tag: str = "postfix/smtpd", pid: int = 10) -> list[str]:
    """The messages of one process, as lines of syslog."""
    return [f"Nov 24 12:00:00 mx {tag}[{pid}]: {message}" for message in messages]


def facts(*messages: str, tag: str = "postfix/smtpd", pid: int = 10) -> list[Fact]:
    """What the messages of one process tell."""
    return told(syslog(*messages, tag=tag, pid=pid))


def told(lines: list[str]) -> list[Fact]:
    """What lines tell a fresh reader."""
    return [fact for _, fact in reader().read(lines, 1)]


def short(found: list[Fact]) -> list[str]:
    """Facts as kind and client, to be compared at a glance."""
    return [f"{type(fact).__name__} {fact.client}" + (" evidence" if fact.evidence_only else "") for fact in found]
