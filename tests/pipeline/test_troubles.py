"""The guard's own problems: told once, and once when they are over."""

from gatepost.core.spans import SECOND
from gatepost.pipeline.troubles import AWAY, LASTS, Troubles

START = 1_800_000_000 * SECOND


def test_a_problem_is_told_once_it_lasts_and_its_end_once_it_stays_away() -> None:
    troubles = Troubles()
    assert troubles.look({"nftables": "no kernel"}, START) == []
    (told,) = troubles.look({"nftables": "no kernel"}, START + LASTS)
    assert (told.kind, told.source, told.text, told.at) == ("trouble", "nftables", "no kernel", START)
    assert troubles.look({"nftables": "still no kernel"}, START + 2 * LASTS) == []
    assert troubles.look({}, START + 3 * LASTS) == []
    (cured,) = troubles.look({}, START + 2 * LASTS + AWAY)
    assert (cured.kind, cured.at) == ("cured", START + 2 * LASTS)
    assert troubles.look({}, START + 10 * AWAY) == []


def test_a_moments_problem_is_not_told() -> None:
    troubles = Troubles()
    assert troubles.look({"log": "rotated"}, START) == []
    assert troubles.look({}, START + 1) == []
    assert troubles.look({"log": "rotated"}, START + LASTS) == []


def test_one_that_comes_and_goes_is_one() -> None:
    troubles = Troubles()
    found = [notice for step in range(20) for notice in troubles.look({"log": "gone"} if step % 2 else {}, START + step * LASTS)]
    assert [notice.kind for notice in found] in ([], ["trouble"])


def test_others_are_told_apart() -> None:
    troubles = Troubles(lasts=0)
    assert len(troubles.look({"a": "x", "b": "y"}, START)) == 2
