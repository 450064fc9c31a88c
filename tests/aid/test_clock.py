"""Whether anybody keeps the clock right."""

import ctypes

import pytest

from gatepost.aid import clock


class Kernel:
    """A kernel that answers adjtimex(2) as the test says."""

    def __init__(self, state: int, status: int) -> None:
        self._state, self._status = state, status

    def adjtimex(self, told: object) -> int:
        """Answers; nobody may ask it to change anything."""
        given = told._obj  # type: ignore[attr-defined]
        assert given.modes == 0
        given.status = self._status
        return self._state


@pytest.mark.parametrize(
    ("state", "status", "wanted"), [(0, 0x2001, True), (0, 0x40, False), (5, 0, False), (5, 0x40, False), (1, 0, True), (-1, 0, None)]
)
def test_what_the_kernel_says(monkeypatch: pytest.MonkeyPatch, state: int, status: int, wanted: bool | None) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name, use_errno: Kernel(state, status))
    assert clock.synchronised() is wanted


def test_this_kernel_answers_and_is_not_changed() -> None:
    assert clock.synchronised() == clock.synchronised()


@pytest.mark.parametrize(("steered", "verdict", "cured"), [(True, "well", False), (False, "look", True), (None, "look", True)])
def test_what_is_not_well_names_its_cure(steered: bool | None, verdict: str, cured: bool) -> None:
    found = clock.words(steered)
    assert (found[0], bool(found[2])) == (verdict, cured)
