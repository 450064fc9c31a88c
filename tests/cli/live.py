"""The real command against an API that a thread of the test serves, named by a configuration file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.admin.desks import Bench
from tests.admin.serving import Served, served
from tests.cli.command import Ran, run


class Live:
    """A guard with its API, and the command that asks it."""

    def __init__(self, api: Served, folder: Path) -> None:
        self.api = api
        self.made: Bench = api.made
        self.folder = folder

    def __call__(self, *args: str | Path, stdin: bytes = b"", **env: str) -> Ran:
        """Runs ``gatepost`` with these arguments against the guard."""
        return run(*args, "--config", "gatepost.toml", stdin=stdin, where=self.folder, **env)


@contextmanager
def live(folder: Path) -> Iterator[Live]:
    """A guard that the command asks."""
    path = folder / "api.sock"
    (folder / "gatepost.toml").write_text(f'socket = "{path}"\nstate = "{folder}"\n')
    with served(path, {"office.example.org": ("203.0.113.77",)}) as api:
        yield Live(api, folder)
