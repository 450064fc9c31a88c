"""Entries to fill stores with."""

from gatepost.core.deeds import Hold
from gatepost.core.facts import AuthFailed, Connected
from gatepost.core.subjects import Client, Subject
from gatepost.stores.contract import Batch, Entry

BASE = 1_700_000_000_000_000


def entry(place: int) -> Entry:
    """The entry at a place: always the same, and different from its neighbours'."""
    client = Client(f"198.51.{place >> 8 & 255}.{place & 255}")
    if place % 50 == 0:
        return Hold(BASE + place, Subject("client", client), BASE + place + 60_000_000, reason=f"number {place}")
    if place % 3:
        return Connected(BASE + place, "mx", "smtp", "smtpd", client)
    return AuthFailed(BASE + place, "mx", "imap", "imaps", client, account=f"user{place}@example.org", secret="5" * 8, weight=2, method="PLAIN")


def run(first: int, many: int) -> list[Entry]:
    """The entries from a place on."""
    return [entry(place) for place in range(first, first + many)]


def batch(first: int, many: int) -> Batch:
    """A batch of them, with a cursor that tells how far it goes."""
    return Batch(first=first, entries=run(first, many), cursors={"logs": str(first + many - 1).encode()})


def numbered(first: int, many: int) -> list[tuple[int, Entry]]:
    """What a journal yields for them."""
    return list(enumerate(run(first, many), first))
