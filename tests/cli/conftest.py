"""A guard for the command to ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.live import Live, live


@pytest.fixture
def gatepost(tmp_path: Path) -> Iterator[Live]:
    """The command, and the guard that answers it."""
    with live(tmp_path) as found:
        yield found
