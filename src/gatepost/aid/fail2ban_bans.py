"""The bans that fail2ban's database remembers.

Job: read who is banned now, by which jail and until when. Promise: the database is opened read-only; nothing in it changes, be fail2ban running or
not. Limits: databases of fail2ban 0.11 and later, which keep what stands in the table `bips`.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from gatepost.core.faults import BadInputError
from gatepost.core.spans import SECOND

FOR_GOOD = -1
"""A ban's length in the database: it never ends."""
AS_THE_JAIL_SAYS = -2
"""The same, of a ban that was made before fail2ban 0.11."""


class Ban(Struct, frozen=True):
    """An address, or whatever else a filter found, that a jail has banned."""

    jail: str
    ip: str
    at: int
    """When it was banned, in microseconds since 1970 UTC."""
    length: int
    """For how long, in seconds, or one of the two above."""


def read_bans(database: Path) -> list[Ban]:
    """All bans that are remembered, the oldest first, those that ran out too. Raises BadInputError."""
    try:
        if not database.is_file():
            raise BadInputError(f"{database}: is not there; name fail2ban's database with --database (dbfile in fail2ban.conf)")
        with closing(sqlite3.connect(f"file:{quote(os.fsencode(database.absolute()))}?mode=ro", uri=True, timeout=10)) as link:
            rows = link.execute("SELECT jail, ip, timeofban, bantime FROM bips ORDER BY timeofban, jail, ip").fetchall()
    except OSError as wrong:
        raise BadInputError(f"{database}: cannot be read ({wrong.strerror}); root can, with sudo") from None
    except sqlite3.Error as wrong:
        if "no such table" in str(wrong):
            raise BadInputError(f"{database}: has no table bips, where fail2ban keeps bans from 0.11 on; start such a one on it once") from None
        raise BadInputError(f"{database}: cannot be read ({wrong}); root can, with sudo") from None
    whole = [row for row in rows if all(isinstance(text, str) for text in row[:2]) and all(isinstance(number, int) for number in row[2:])]
    return [Ban(jail, ip, at * SECOND, length) for jail, ip, at, length in whole]
