"""Notices, bundles and messages for the tests of messengers."""

from gatepost.core.spans import MINUTE, SECOND
from gatepost.pipeline.messengers import Message, Notice

START = 1_800_000_000 * SECOND


def block(number: int = 1, at: int = START, rule: str = "dos", subject: str = "", action: str = "block", watched: bool = False) -> Notice:
    """A client that a rule holds."""
    return Notice(
        kind="imposed",
        at=at,
        rule=rule,
        action=action,
        watched=watched,
        by="client",
        subject=subject or f"203.0.113.{number}",
        country="NL",
        protocols=("smtp",),
        until=at + 5 * MINUTE,
        counts="connected",
        count=50,
        reason="50 in 5m",
        number=number,
    )


def brake(at: int = START) -> Notice:
    """The brake stopped a rule."""
    return Notice(kind="brake", at=at, rule="dos", good=10, held=20)


def trouble(at: int = START, source: str = "nftables", text: str = "no kernel") -> Notice:
    """Something is wrong with the guard itself."""
    return Notice(kind="trouble", at=at, source=source, text=text)


def message(key: str = "k1", at: int = START, title: str = "a title", text: str = "a text\n") -> Message:
    """A message to be handed over."""
    return Message(key=key, at=at, kind="first", host="mx.example.org", title=title, text=text, notices=(block(),))
