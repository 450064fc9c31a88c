"""What is made from the code is what stands in docs/: the reference pages, and the picture, which loads nothing from elsewhere."""

import re

import pytest

from docs.pictures import demo as demo_picture
from docs.pictures import make as pictures
from docs.reference import make as reference

PAGES = reference.pages()
AGAIN = "run docs/reference/make.py or docs/pictures/make.py, and look at the difference"


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_says_what_the_declarations_say(name: str) -> None:
    assert (reference.HERE / name).read_text(encoding="utf-8") == PAGES[name], AGAIN


def test_the_picture_shows_what_replay_prints() -> None:
    assert pictures.PICTURE.read_text(encoding="utf-8") == pictures.draw(), AGAIN


def test_the_demos_picture_shows_its_screen() -> None:
    assert demo_picture.PICTURE.read_text(encoding="utf-8") == demo_picture.draw(), "run docs/pictures/demo.py, and look at the difference"


def test_the_picture_loads_nothing_and_says_nothing_of_its_maker() -> None:
    drawn = pictures.PICTURE.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\s\"']+", drawn) == ["http://www.w3.org/2000/svg"]
    assert "@font-face" not in drawn
    assert "<script" not in drawn
    assert "url(http" not in drawn
