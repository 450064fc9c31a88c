"""The server: it answers many at once, and ends when it is told."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.admin.serving import served


def test_it_ends_when_it_is_cancelled_and_then_nobody_answers(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with served(path) as found:
        assert found.ask("GET", "/api/v1/status").status == 200
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(str(path))


def test_many_at_once(tmp_path: Path) -> None:
    with served(tmp_path / "api.sock") as found:

        async def work() -> list[int]:
            asked = [asyncio.to_thread(found.ask, "GET", "/api/v1/rules") for _ in range(50)]
            return [answer.status for answer in await asyncio.gather(*asked)]

        assert asyncio.run(work()) == [200] * 50
