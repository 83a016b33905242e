"""What we draw looks as it did: the pictures of docs/pictures, drawn again."""

import re

import numpy as np
import pytest
from PIL import Image
from references import FOLDER, PICTURES, Picture, differences, draw


def stored(name: str) -> Picture:
    return np.asarray(Image.open(FOLDER / f"{name}.png"))


def test_every_picture_looks_as_it_did() -> None:
    """`make pictures` writes them anew, where a change of looks is meant."""
    said = {name: differences(stored(name), picture[..., :3]) for name, picture in draw(PICTURES)}
    assert {name: text for name, text in said.items() if text} == {}


def test_no_two_pictures_are_alike() -> None:
    """What is compared would notice that one method is drawn for another."""
    pictures = [stored(name) for name in PICTURES]
    assert all(picture.std() > 10 for picture in pictures)
    assert all(differences(a, b) for i, a in enumerate(pictures) for b in pictures[:i])


@pytest.mark.parametrize("shift", [(1, 0), (0, 1)])
def test_a_picture_that_has_moved_by_a_pixel_is_not_the_same(shift: tuple[int, int]) -> None:
    picture = stored("mip")
    assert not differences(picture, picture)
    assert differences(picture, np.roll(picture, shift, (0, 1)))


def test_every_picture_is_shown_on_a_page() -> None:
    pages = ((FOLDER.parent / name).read_text(encoding="utf-8") for name in ("rendering.md", "figures.md"))
    shown = [name for page in pages for name in re.findall(r"\(pictures/([\w-]+)\.png\)", page)]
    assert sorted(shown) == sorted(PICTURES) == sorted(path.stem for path in FOLDER.glob("*.png"))
