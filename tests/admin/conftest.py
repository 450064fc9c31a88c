"""A desk for each test."""

from collections.abc import Iterator

import pytest

from tests.admin.desks import Bench, bench


@pytest.fixture
def made() -> Iterator[Bench]:
    """A guard at work, with its desk."""
    with bench() as found:
        yield found
