"""A store that is written to, and followers of it."""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from gatepost.core.deeds import Deed
from gatepost.core.facts import AuthFailed, AuthSucceeded, Connected, Fact
from gatepost.core.spans import SECOND
from gatepost.core.subjects import Client
from gatepost.keeper.files import HistorySettings, pieces
from gatepost.keeper.follow import Follower
from gatepost.stores.contract import Audit, Batch
from gatepost.stores.sqlite import SqliteStore

DAY = 86_400 * SECOND
START = 20_000 * DAY
ATTACKER = Client("203.0.113.7")


class Writer:
    """A daemon's store, without the daemon."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gatepost.db"
        self.history = folder / "history"
        self.store = SqliteStore(self.path)
        self.place = self.store.open().last

    def write(self, entries: Sequence[Fact | Deed], lines: Sequence[str] = (), audit: Sequence[Audit] = ()) -> None:
        """Writes entries in one transaction."""
        self.store.write(Batch(first=self.place + 1, entries=list(entries), lines=list(lines), audit=list(audit)))
        self.place += len(entries)

    def follower(self, **settings: Any) -> Follower:
        """A keeper in this process."""
        return Follower(self.path, self.history, HistorySettings(**settings))

    def keeper(self, **settings: Any) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """A keeper in a process of its own, and our end of its socket."""
        ours, theirs = socket.socketpair()
        said = msgspec.json.encode(HistorySettings(**settings)).decode()
        command = [sys.executable, "-m", "gatepost.keeper", "follow", str(self.path), str(self.history), said]
        with theirs:
            return subprocess.Popen(command, stdin=theirs.fileno()), ours

    def rows(self, columns: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
        """What the history holds, in the order of places."""
        paths = [piece.path for piece in pieces(self.history)]
        found = f"SELECT {columns} FROM read_parquet({json.dumps(paths).replace(chr(34), chr(39))}) WHERE {where} ORDER BY place"
        return duckdb.execute(found).fetchall()


def connected(at: int, client: Client = ATTACKER) -> Connected:
    """A client connects."""
    return Connected(at, "mx", "imap", "imaps", client)


def failed(at: int, account: str, reason: str = "", client: Client = ATTACKER) -> AuthFailed:
    """A log-in fails."""
    return AuthFailed(at, "mx", "imap", "imaps", client, account=account, secret="5ec7e7", reason=reason)


def succeeded(at: int, account: str, client: Client = ATTACKER) -> AuthSucceeded:
    """A log-in succeeds."""
    return AuthSucceeded(at, "mx", "imap", "imaps", client, account=account)
